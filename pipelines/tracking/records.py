"""What a trial is to the store: its record as metrics, tags and one Parquet file, and the way back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.exercises.configurations import Configuration
from pipelines.tracking import names

if TYPE_CHECKING:
    from pipelines.overfitting.point import OverfittingPoint

#: The store grows fast and a chart shows no more; ``curves.parquet`` has every epoch.
MAX_POINTS_A_CURVE = 100

Curves = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class FitLabel:
    """Which fold and which repeat a fit is, and its seed."""

    repeat: int
    fold: int
    seed: int


@dataclass(frozen=True, eq=False)
class TrialRecord:
    """Everything that is recorded of one trial.

    Attributes
    ----------
    configuration
        What was trained.
    origin
        Who asked for it: ``baseline``, ``documented: <variant>`` or ``tuner``.
    epochs, folds, repeats
        As asked for.
    fits
        One label a fit, repeat-major.
    curves
        By name, (fits, epochs) float32, NaN where not trained; empty where the trial failed before its first epoch.
    point
        The over-fitting point, None where there are no curves to judge.
    seconds, training_seconds, compile_seconds
        Wall time of the trial, of that the training, and of that the time spent building and compiling.
    model_parameters
        Number of trainable parameters of the network; 0 where it was never built.
    failure
        Why it counts as failed (diverged, out of memory, an exception); empty where it did not.
    remark
        Why it ended early though it did not fail (stopped by the tuner); empty otherwise.
    """

    configuration: Configuration
    origin: str
    epochs: int
    folds: int
    repeats: int
    fits: tuple[FitLabel, ...]
    curves: Curves
    point: OverfittingPoint | None
    seconds: float
    training_seconds: float = 0.0
    compile_seconds: float = 0.0
    model_parameters: int = 0
    failure: str = ""
    remark: str = ""


@dataclass(frozen=True)
class StoredTrial:
    """A trial that an earlier start of the same sweep has finished, as the store returns it.

    Attributes
    ----------
    run_id
        Its MLflow run.
    configuration, origin, epochs, folds, repeats
        As in ``TrialRecord``.
    verdict
        The over-fitting verdict's text; empty where there is none.
    value
        Objective: the monitored metric at the best epoch; None where the trial diverged.
    metrics
        All scalar metrics by name, and of each per-epoch metric its last value.
    """

    run_id: str
    configuration: Configuration
    origin: str
    epochs: int
    folds: int
    repeats: int
    verdict: str
    value: float | None
    metrics: Mapping[str, float]


def stored_trial(
    run_id: str, params: Mapping[str, str], tags: Mapping[str, str], metrics: Mapping[str, float]
) -> StoredTrial | None:
    """A ``StoredTrial`` from what a run holds, or None where the run cannot be relied on.

    That is a run of another schema, one without its parameters, and one whose parameters no longer give the hash they
    were stored with (the meaning of a setting has changed since).
    """
    try:
        configuration = Configuration.from_parameters(dict(params))
        sizes = [int(params[name]) for name in (names.PARAM_EPOCHS, names.PARAM_FOLDS, names.PARAM_REPEATS)]
    except (KeyError, ValueError):
        return None
    if tags.get(names.TAG_SCHEMA) != names.SCHEMA or tags.get(names.TAG_CONFIGURATION) != configuration.hash:
        return None
    return StoredTrial(
        run_id=run_id,
        configuration=configuration,
        origin=tags.get(names.TAG_ORIGIN, ""),
        epochs=sizes[0],
        folds=sizes[1],
        repeats=sizes[2],
        verdict=tags.get(names.TAG_VERDICT, ""),
        value=metrics.get(names.BEST_VALUE),
        metrics=dict(metrics),
    )


def trial_params(record: TrialRecord) -> dict[str, str]:
    """Parameters of a trial's run."""
    sizes = {
        names.PARAM_EPOCHS: record.epochs,
        names.PARAM_FOLDS: record.folds,
        names.PARAM_REPEATS: record.repeats,
    }
    return {key: str(value) for key, value in (record.configuration.parameters() | sizes).items()}


def trial_metrics(record: TrialRecord) -> list[tuple[str, float, int]]:
    """All metrics of a trial's run as (name, value, step); scalars at step 0, a curve's points at their epoch.

    Values that are not finite are left out: MLflow would store infinity as 1.8e308.
    """
    metrics = [(name, value, 0) for name, value in _scalars(record).items() if value is not None]
    if record.curves:
        metrics += _points(record)
    return [(name, float(value), step) for name, value, step in metrics if math.isfinite(value)]


def write_curves(record: TrialRecord, path: Path) -> None:
    """Write all curves of a trial: a row a fit and epoch; repeat, fold, seed, epoch, then a float32 column a curve."""
    import pyarrow
    from pyarrow import parquet

    fits, epochs = next(iter(record.curves.values())).shape
    labels = {
        "repeat": np.repeat(np.array([fit.repeat for fit in record.fits], np.int32), epochs),
        "fold": np.repeat(np.array([fit.fold for fit in record.fits], np.int32), epochs),
        "seed": np.repeat(np.array([fit.seed for fit in record.fits], np.int64), epochs),
        "epoch": np.tile(np.arange(1, epochs + 1, dtype=np.int32), fits),
    }
    columns = {name: np.asarray(curve, np.float32).reshape(-1) for name, curve in record.curves.items()}
    parquet.write_table(pyarrow.table(labels | columns), path)


def read_curves(path: Path) -> tuple[tuple[FitLabel, ...], dict[str, NDArray[np.float32]]]:
    """The inverse of ``write_curves``: a label a fit, and the curves by name, each (fits, epochs)."""
    from pyarrow import parquet

    columns = {name: column.to_numpy() for name, column in zip(*_columns(parquet.read_table(path)), strict=True)}
    repeat, fold, seed, epoch = (columns.pop(name) for name in ("repeat", "fold", "seed", "epoch"))
    epochs = int(epoch.max())
    labels = zip(repeat[::epochs], fold[::epochs], seed[::epochs], strict=True)
    curves = {name: values.reshape(-1, epochs) for name, values in columns.items()}
    return tuple(FitLabel(int(r), int(f), int(s)) for r, f, s in labels), curves


def thinned(epochs: int, best: int | None) -> list[int]:
    """At most 100 of the epochs 1 to ``epochs``: evenly spread, always the first, the last and the best.

    >>> thinned(3, 2)
    [1, 2, 3]
    """
    if epochs <= MAX_POINTS_A_CURVE:
        return list(range(1, epochs + 1))
    even = {round(epoch) for epoch in np.linspace(1, epochs, MAX_POINTS_A_CURVE - 1)}
    return sorted(even | ({best} if best and 1 <= best <= epochs else set()))


def epochs_trained(curves: Curves) -> int:
    """The last epoch at which any fit has a value; 0 without curves."""
    trained = [np.flatnonzero(~np.isnan(curve).all(axis=0)) for curve in curves.values()]
    return max((int(columns[-1]) + 1 for columns in trained if len(columns)), default=0)


def _columns(table: Any) -> tuple[list[str], list[Any]]:
    return table.column_names, table.columns


def _started(curve: NDArray[np.float32]) -> NDArray[np.float64]:
    """The fits that were trained at all, (fits, epochs); the mean ends where the first of them has no value."""
    rows = np.asarray(curve, np.float64)
    return rows[~np.isnan(rows).all(axis=1)]


def _scalars(record: TrialRecord) -> dict[str, float | None]:
    scalars: dict[str, float | None] = {
        names.SECONDS_TOTAL: record.seconds,
        names.SECONDS_TRAINING: record.training_seconds,
        names.SECONDS_COMPILE: record.compile_seconds,
        names.EPOCHS_TRAINED: epochs_trained(record.curves),
    }
    if record.model_parameters:
        scalars[names.MODEL_PARAMETERS] = record.model_parameters
    point = record.point
    if point is None:
        return scalars
    scalars |= {
        names.BEST_EPOCH: point.best_epoch,
        names.BEST_EPOCH_LOW: point.best_epoch_low,
        names.BEST_EPOCH_HIGH: point.best_epoch_high,
        names.BEST_VALUE: point.best_value,
        names.BEST_SD_FOLDS: point.sd_folds,
        names.BEST_SD_SEEDS: point.sd_seeds,
        names.ONSET_EPOCH: point.onset,
        names.ONE_SE_EPOCH: point.one_se_epoch,
        names.FINAL_VALUE: point.final_value,
        names.GAP_BEST: point.gap_best,
        names.GAP_FINAL: point.gap_final,
        names.SEVERITY: point.severity,
    }
    for name, curve in record.curves.items():
        if name.startswith("val_") and point.best_epoch and len(rows := _started(curve)):
            scalars[names.best_metric(name)] = float(rows[:, point.best_epoch - 1].mean())
    return scalars


def _points(record: TrialRecord) -> Iterator[tuple[str, float, int]]:
    best = record.point.best_epoch if record.point else None
    epochs = thinned(epochs_trained(record.curves), best)
    columns = np.array(epochs, dtype=int) - 1
    folds = np.array([fit.fold for fit in record.fits])
    for name, curve in record.curves.items():
        rows = _started(curve)
        lines = {}
        if len(rows):
            lines[names.mean_metric(name)] = rows.mean(axis=0)
        if len(rows) > 1:
            with np.errstate(invalid="ignore"):  # infinity less infinity, in a trial that diverged
                lines[names.sd_metric(name)] = rows.std(axis=0, ddof=1)
        if name.startswith("val_"):
            for fold in range(record.folds):
                if len(of_fold := _started(curve[folds == fold])):
                    lines[names.fold_metric(name, fold)] = of_fold.mean(axis=0)
        for metric, line in lines.items():
            yield from zip([metric] * len(epochs), line[columns].tolist(), epochs, strict=True)
