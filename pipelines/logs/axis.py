"""A logged run -> its validation and training curve on one axis: steps in order, each once, epochs where known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.logs.base import LoggedRun, Series
from pipelines.logs.metrics import Choice
from pipelines.words import counted

Array = NDArray[np.float64]

EPOCH, STEP = "epoch", "step"
#: With fewer values there is no curve.
LEAST_VALUES = 2


@dataclass(frozen=True, eq=False)
class RunCurves:
    """The curves of one run that are judged, lower is better.

    Attributes
    ----------
    run
        As it was logged.
    at
        Epoch (from 1) or step of each value, rising, (values,).
    unit
        ``epoch`` or ``step``.
    validation, training
        (values,); the training curve is None where there is none.
    notes
        What was done to the log, in words without the run's name: ``steps out of order``.
    """

    run: LoggedRun
    at: Array
    unit: str
    validation: Array
    training: Array | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Turned:
    """How a metric that is better when higher becomes one that is better when lower: ``top - value``."""

    top: float
    name: str

    @classmethod
    def of(cls, base: str, curves: Iterable[Array]) -> "Turned":
        """Shares become errors, percentages too; anything else changes its sign."""
        values = np.concatenate([curve[np.isfinite(curve)] for curve in curves] or [np.zeros(1)])
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        top = 1.0 if low >= 0 and high <= 1 else 100.0 if low >= 0 and 1 < high <= 100 else 0.0
        return cls(top, f"{top:g}-{base}" if top else f"minus_{base}")


def run_curves(run: LoggedRun, choice: Choice, steps_per_epoch: float | None = None) -> RunCurves | str:
    """The curves of a run on one axis, or why it has none, in words that follow the run's name.

    ``steps_per_epoch`` turns steps into epochs where the log does not say them.
    """
    series = run.series.get(choice.validation)
    if series is None:
        return _lacks(run, choice)
    if len(series) < LEAST_VALUES:
        return f"has {counted(len(series), 'value')} of {choice.validation}, which is no curve"
    at, unit = _axis(series, run, steps_per_epoch)
    notes = []
    if (np.diff(at) < 0).any():
        notes.append("steps out of order, now sorted")
    at, validation, twice = _in_order(at, series.values)
    if twice:
        notes.append(f"{counted(twice, 'step')} logged twice, the last value counts")
    if len(at) < LEAST_VALUES:
        return "has all its values at one step, which is no curve"
    training = None
    if choice.training in run.series:
        training = _aligned(run.series[choice.training], series, at, (run, steps_per_epoch))
    return RunCurves(run, at, unit, validation=validation, training=training, notes=tuple(notes))


def _lacks(run: LoggedRun, choice: Choice) -> str:
    others = ", ".join(sorted(run.series)[:6])
    if not run.series:
        return "has no metric with steps"
    if choice.training in run.series:
        return f"has only a training curve ({choice.training}); over-fitting shows on validation data"
    return f"has no curve {choice.validation}; it has {others}"


def counted_from_one(curves: Sequence[RunCurves]) -> list[RunCurves]:
    """Epochs from 1, where logs count them from 0; all runs of a log count alike."""
    from_zero = any(of.unit == EPOCH and of.at[0] <= 0 for of in curves)
    if not from_zero:
        return list(curves)
    return [replace(of, at=of.at + 1) if of.unit == EPOCH else of for of in curves]


def _axis(series: Series, run: LoggedRun, steps_per_epoch: float | None) -> tuple[Array, str]:
    epochs = series.epochs
    if epochs is not None and len(np.unique(epochs)) == len(epochs):
        return epochs, EPOCH
    if steps_per_epoch:
        return series.steps / steps_per_epoch, EPOCH
    if run.steps_are_epochs or _counts(series.steps):
        return series.steps, EPOCH
    return series.steps, STEP


def _counts(steps: Array) -> bool:
    """Whether steps count 0, 1, 2, ... or 1, 2, 3, ...: one value each time that the data was gone through."""
    ordered = np.unique(steps)
    return bool(ordered[0] in (0, 1) and len(ordered) > 1 and (np.diff(ordered) == 1).all())


def _in_order(at: Array, values: Array) -> tuple[Array, Array, int]:
    """Sorted, of values at one place the one that was logged last, and how many were left out."""
    order = np.argsort(at, kind="stable")
    at, values = at[order], values[order]
    last = np.append(np.diff(at) > 0, True)
    return at[last], values[last], int((~last).sum())


def _aligned(twin: Series, series: Series, at: Array, of: tuple[LoggedRun, float | None]) -> Array | None:
    """The training curve at the places of the validation curve: the mean of what was logged since the place before.

    Where nothing was logged in between, what lies on both sides is joined by a line.
    """
    if twin.epochs is not None and series.epochs is not None and len(np.unique(series.epochs)) == len(series.epochs):
        places = twin.epochs
    else:
        places, _ = _axis(Series(twin.steps, twin.values), *of)
    order = np.argsort(places, kind="stable")
    places, values = places[order], twin.values[order]
    bins = np.searchsorted(at, places - 1e-9)
    found = np.full(len(at), np.nan)
    known = np.zeros(len(at), bool)
    for place in range(len(at)):
        inside = values[bins == place]
        if len(inside):
            # Of values at one and the same place the last counts, as for the validation curve.
            same = len(inside) > 1 and np.ptp(places[bins == place]) == 0 and twin.epochs is None
            found[place], known[place] = inside[-1] if same else inside.mean(), True
    if known.sum() < LEAST_VALUES:
        return None
    found[~known] = np.interp(at[~known], at[known], found[known])
    return found
