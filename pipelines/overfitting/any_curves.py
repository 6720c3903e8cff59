"""The public door to the judgement: curves of any training in, over-fitting point out; needs NumPy and SciPy alone.

>>> import numpy as np
>>> epochs = np.arange(1, 101)
>>> folds = [1 / epochs + 0.002 * epochs + 0.01 * fold for fold in range(5)]
>>> point = analyse(folds, folds=5)
>>> point.best_epoch, str(point.verdict)
(23, 'overfits')
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import UserError
from pipelines.overfitting.point import OverfittingPoint, Verdict, is_censored
from pipelines.overfitting.point import analyse as analyse_matrix
from pipelines.overfitting.single_run import single_run_interval
from pipelines.overfitting.statistics import USUAL_RATIO, Array

#: A row a fit; rows may have lengths of their own.
Rows = NDArray[Any] | Sequence[Sequence[float]] | Sequence[NDArray[Any]] | Sequence[float]
#: What Keras calls ``History.history``: a curve by the name of its metric.
History = Mapping[str, Sequence[float]]


def analyse(
    curves: Rows | History | Sequence[History],
    training: Rows | None = None,
    *,
    folds: int | None = None,
    repeats: int | None = None,
    validation_ratio: float | None = None,
    monitor: str = "val_loss",
    seed: int = 0,
) -> OverfittingPoint:
    """Judge the curves of one configuration, however they were trained.

    Parameters
    ----------
    curves
        Validation curves, lower is better: (fits, epochs), repeat-major (``fit = repeat * folds + fold``); a single
        curve (epochs,); a list of curves, which may have lengths of their own where trainings ended early; or what
        Keras' ``model.fit`` returns as ``history.history``, one or a list of them.
    training
        The training curves in the same form; None where there are none, or where ``curves`` are histories.
    folds, repeats
        How the fits came about: ``folds`` parts of the data, each trained with ``repeats`` seeds. With one of them the
        other follows; with neither, several curves count as folds.
    validation_ratio
        Validation rows over training rows of a fit, 0 or more. None: 1 / (folds - 1) for folds; .25 for a hold-out.
    monitor
        The name of the validation curve in histories; its training twin has no ``val_`` before it.
    seed
        Of the bootstrap's draws.

    Returns
    -------
    OverfittingPoint
        In epochs counted from 1. Of curves with different lengths the epochs count that all have; a best epoch at
        their end is then a lower bound (``censored``). A single curve has an interval from its own noise
        (``single_run_interval``).

    Raises
    ------
    UserError
        Where there is no curve, or numbers of curves, folds and repeats do not agree.
    """
    if isinstance(curves, Mapping):
        curves = [curves]
    if len(curves) > 0 and isinstance(curves[0], Mapping):
        curves, training = _of_histories(curves, monitor)  # type: ignore[arg-type]
    validation, of_all = _matrix(curves, "validation")  # type: ignore[arg-type]
    twin, of_twin = (None, of_all) if training is None else _matrix(training, "training")
    of_all = min(of_all, of_twin)
    fits = len(validation)
    if repeats is None:
        repeats = fits // folds if folds and fits % folds == 0 else 1
    if folds is None:
        folds = fits // repeats if repeats >= 1 and fits % repeats == 0 else fits
    if validation_ratio is None:
        validation_ratio = 1 / (folds - 1) if folds > 1 else USUAL_RATIO
    point = analyse_matrix(
        validation[:, :of_all],
        None if twin is None else twin[:, :of_all],
        folds=folds,
        repeats=repeats,
        validation_ratio=validation_ratio,
        seed=seed,
    )
    return with_own_interval(point, validation[:, :of_all], seed=seed)


def with_own_interval(point: OverfittingPoint, curves: NDArray[Any], *, seed: int = 0) -> OverfittingPoint:
    """The point of a single fit with the interval that its own noise gives; any other point as it is.

    ``curves`` are those that were judged, (fits, epochs).
    """
    if point.fits != 1 or point.best_epoch is None:
        return point
    low, high = single_run_interval(np.asarray(curves[0, : point.epochs], np.float64), seed=seed)
    censored = is_censored(point.best_epoch, high, point.onset, point.epochs)
    return replace(point, best_epoch_low=low, best_epoch_high=high, censored=censored)


def sentence(point: OverfittingPoint, unit: str = "epoch") -> str:
    """What the point comes to, in one or two sentences.

    >>> sentence(OverfittingPoint(verdict=Verdict.OVERFITS, best_epoch=20, onset=31, severity=0.12, epochs=99,
    ...                           best_epoch_low=17, best_epoch_high=24, fits=5, folds=5, repeats=1))
    'Over-fits from epoch 31 on. Best epoch: 20 (95 % interval 17 to 24); the curve ends 12 % above its best.'
    """
    if point.verdict is Verdict.DIVERGED:
        fits = "The training" if point.fits == 1 else f"{point.diverged_fits} of {point.fits} fits"
        return f"{fits} diverged, at {unit} {point.diverged_epoch}."
    low, high = point.best_epoch_low, point.best_epoch_high
    ends = f"{low} to {'≥ ' if point.censored else ''}{point.epochs if point.censored else high}"
    best = str(point.best_epoch) if low is None else f"{point.best_epoch} (95 % interval {ends})"
    if point.verdict is Verdict.STILL_IMPROVING:
        return f"Still improving at the end. Best {unit}: {point.epochs} or later; train longer."
    severity = point.severity or 0.0
    rise = f"; the curve ends {100 * severity:.0f} % above its best" if severity >= 0.005 else ""
    if point.verdict is Verdict.OVERFITS:
        return f"Over-fits from {unit} {point.onset} on. Best {unit}: {best}{rise}."
    if point.verdict is Verdict.PLATEAU:
        return f"On a plateau: training on neither helps nor harms. Best {unit}: {best}."
    more = "more folds or repeats, or a longer training, would tell"
    return f"Undecided: whether it over-fits is not sure; {more}. Best {unit}: {best}{rise}."


def _of_histories(histories: Sequence[History], monitor: str) -> tuple[Rows, Rows | None]:
    missing = next((history for history in histories if monitor not in history), None)
    if missing is not None:
        raise UserError(
            f"A history has no curve {monitor!r}, it has {', '.join(map(repr, missing)) or 'none'}; give model.fit "
            "validation data, or name another curve as monitor."
        )
    name = monitor.removeprefix("val_")
    validation = [history[monitor] for history in histories]
    has_twin = name != monitor and all(name in history for history in histories)
    return validation, [history[name] for history in histories] if has_twin else None


def _matrix(rows: Rows, which: str) -> tuple[Array, int]:
    """Rows as one matrix, NaN behind the end of the shorter ones, and the number of epochs that all have."""
    try:
        found = [np.atleast_1d(np.asarray(row, np.float64)) for row in rows]
    except (TypeError, ValueError) as error:
        raise UserError(f"The {which} curves are not numbers: {error}.") from error
    if isinstance(rows, np.ndarray) and rows.ndim > 2:
        raise UserError(f"The {which} curves have the shape {rows.shape}; (fits, epochs) or (epochs,) is allowed.")
    if found and all(row.shape == (1,) for row in found) and np.ndim(rows) == 1:
        found = [np.concatenate(found)]
    if not found or not all(row.ndim == 1 and len(row) for row in found):
        raise UserError(f"There is no {which} curve, or one without an epoch; (fits, epochs) or (epochs,) is allowed.")
    longest = max(map(len, found))
    padded = [np.pad(row, (0, longest - len(row)), constant_values=np.nan) for row in found]
    return np.stack(padded), min(map(len, found))
