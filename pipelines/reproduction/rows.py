"""Documented figures beside measured ones: values over the seeds, an interval, and whether the figure agrees.

Knows arrays and figures only, nothing of the tracking store.

A documented figure is the outcome of one training. It agrees where it lies within the interval that a single further
training of ours would fall into with 95 % probability, given those we have (a prediction interval; the interval of our
mean would be narrower, and a single run would often miss it), widened by the tolerance with which the figure was given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.overfitting.point import OverfittingPoint, documented_best_epoch
from pipelines.overfitting.statistics import first_minimum
from pipelines.reproduction.plan import OF_EPOCHS, OF_LABELS, OF_WEIGHTS, Asked

LEVEL = 0.95
#: The textbook smooths where it trains for hundreds of epochs on k folds; from a short hold-out curve it reads.
SMOOTHED_FROM = 50
#: Curves are float32: relative difference that means nothing.
_ROUNDING = 1e-6


class Agreement(StrEnum):
    """What the comparison of a row comes to."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NO_FIGURE = "no figure documented"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Ours:
    """What we measured for a row with one optimizer.

    Attributes
    ----------
    values
        One a seed: as measured, the mean over the folds where there are folds.
    mean, deviation
        Of the values; the deviation is None for a single one.
    low, high
        The interval that the documented figure is held against; None where there is none. Of an over-fitting epoch
        that of the k folds, which may end at the last epoch because the training did (``censored``).
    agrees
        Whether the documented figure lies within; None without one.
    point
        Of a row about over-fitting: the over-fitting point over the k folds.
    by_textbook
        Of an over-fitting epoch: the same as the textbook reads it off the curves of the documented split, and the
        prediction interval of that: the lowest point; of an onset the epoch at which the two curves part.
    """

    values: tuple[float, ...]
    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    agrees: bool | None
    point: OverfittingPoint | None = None
    by_textbook: "Ours | None" = None


@dataclass(frozen=True)
class Row:
    """One documented figure, or one that was left to the reader, beside ours.

    Attributes
    ----------
    epoch
        Counts from 1.
    documented, tolerance, goal, note, cause
        As the exercise has them; ``documented`` is None where there is no figure.
    ours
        With the optimizer as the textbook had it; None where it could not be measured.
    today
        With the optimizer of today's Keras; None where that is the same, or was not trained.
    failure
        Why it was not measured.
    explains
        Name of the variant whose figure this is tried on; empty where it is documented of this one.
    """

    variant: str
    metric: str
    split: str
    epoch: int
    documented: float | None
    tolerance: float
    goal: bool
    note: str
    cause: str
    ours: Ours | None
    today: Ours | None = None
    failure: str = ""
    explains: str = ""

    @property
    def agreement(self) -> Agreement:
        """The verdict."""
        if self.ours is None:
            return Agreement.NOT_MEASURED
        if self.documented is None or self.ours.agrees is None:
            return Agreement.NO_FIGURE
        return Agreement.AGREES if self.ours.agrees else Agreement.DIFFERS

    @property
    def name(self) -> str:
        """Short and unique within the variant, for the tracking store: ``test_accuracy_epoch_5``."""
        if self.metric in (*OF_LABELS, *OF_WEIGHTS, *OF_EPOCHS):
            return self.metric
        return f"{self.split}_{self.metric}_epoch_{self.epoch}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the verdict."""
        return {**asdict(self), "agreement": str(self.agreement), "name": self.name}


def prediction_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Where one further value falls with this probability: mean -+ t * s * sqrt(1 + 1/n); None for a single value.

    Exact for values that are normally distributed; t has n - 1 degrees of freedom.

    >>> low, high = prediction_interval([1.0, 2.0, 3.0])
    >>> round(low, 3), round(high, 3)
    (-2.968, 6.968)
    """
    from scipy.stats import t

    count = len(values)
    if count < 2:
        return None
    half = float(t.ppf((1 + LEVEL) / 2, count - 1)) * float(np.std(values, ddof=1)) * float(np.sqrt(1 + 1 / count))
    mean = float(np.mean(values))
    return mean - half, mean + half


def compare(values: Sequence[float], asked: Asked) -> Ours:
    """Values over the seeds beside a documented figure.

    A goal agrees where the mean reaches it. A single value has no interval: it agrees within the tolerance alone.
    """
    kept = tuple(float(value) for value in values)
    mean = float(np.mean(kept))
    deviation = float(np.std(kept, ddof=1)) if len(kept) > 1 else None
    interval = prediction_interval(kept)
    low, high = interval or (None, None)
    figure = asked.figure
    agrees = None
    if figure is not None:
        tolerance = figure.tolerance + _ROUNDING * abs(figure.value)
        smallest, largest = (mean if low is None else low) - tolerance, (mean if high is None else high) + tolerance
        agrees = mean >= figure.value if figure.goal else smallest <= figure.value <= largest
    return Ours(kept, mean, deviation, low=low, high=high, agrees=agrees)


def compare_epoch(
    asked: Asked,
    validation: NDArray[np.float32],
    training: NDArray[np.float32],
    folds: int,
    point: OverfittingPoint,
) -> Ours | None:
    """An over-fitting epoch or onset beside a documented one; None where a fit diverged, so that there is no point.

    The best epoch agrees where it lies within the interval of ours, which comes from k folds. Over-fitting *begins*
    between two epochs: the one-SE epoch, after which no gain is sure, and the onset, from which the harm is; a
    documented beginning agrees where it lies between them.

    Parameters
    ----------
    validation, training, folds
        The monitored curve on the documented split and its training twin, (fits, epochs), and its folds.
    point
        Over the k folds.
    """
    if point.best_epoch is None or point.one_se_epoch is None:
        return None
    if asked.metric == "onset_epoch":
        # Without an onset in sight, what is surely harmful lies beyond the last epoch.
        low, high = point.one_se_epoch, point.onset or point.epochs
        found, of_seeds = high, parting_epochs(validation, training, folds)
    else:
        low, high = point.best_epoch_low or point.best_epoch, point.best_epoch_high or point.best_epoch
        if point.censored:
            high = point.epochs
        found, of_seeds = point.best_epoch, textbook_best_epochs(validation, folds)
    ours = float(found)
    return Ours(
        (ours,),
        ours,
        None,
        low=float(low),
        high=float(high),
        agrees=low <= asked.figure.value <= high if asked.figure else None,
        point=point,
        by_textbook=compare(of_seeds, asked) if of_seeds else None,
    )


def textbook_best_epochs(curves: NDArray[np.float32], folds: int) -> tuple[float, ...]:
    """The best epoch of each seed as the textbook finds it, from curves (repeats * folds, epochs), repeat-major.

    From a long curve, the mean over the folds, with its moving average (``overfitting.documented_best_epoch``); from a
    short one the lowest point as it is.
    """
    found = []
    for of_seed in _of_seeds(curves, folds):
        long = len(of_seed) >= SMOOTHED_FROM
        epoch = documented_best_epoch(of_seed) if long else int(first_minimum(of_seed)) + 1
        if epoch is not None and np.isfinite(of_seed).any():
            found.append(float(epoch))
    return tuple(found)


def parting_epochs(validation: NDArray[np.float32], training: NDArray[np.float32], folds: int) -> tuple[float, ...]:
    """The first epoch of each seed at which the training curve lies below the validation curve, means over the folds.

    The training curve is a mean over an epoch, during which the network still learns, and so begins above the other.
    """
    parted = _of_seeds(training, folds) < _of_seeds(validation, folds)
    return tuple(float(np.argmax(below) + 1) for below in parted if below.any())


def _of_seeds(curves: NDArray[np.float32], folds: int) -> NDArray[np.float64]:
    """The mean over the folds, (repeats * folds, epochs) -> (repeats, epochs)."""
    return np.asarray(curves, np.float64).reshape(-1, folds, curves.shape[1]).mean(axis=1)


def values_of(asked: Asked, curves: Mapping[str, NDArray[np.float32]], folds: int) -> tuple[float, ...]:
    """A figure of a curve: one value a seed, the mean over its folds; seeds without one (diverged) are left out."""
    prefix = {"train": "", "validation": "val_", "test": "test_"}[asked.split]
    curve = curves.get(prefix + asked.metric)
    if curve is None or asked.epoch > curve.shape[1]:
        return ()
    means = _of_seeds(curve[:, asked.epoch - 1 : asked.epoch], folds)[:, 0]
    return tuple(float(value) for value in means if np.isfinite(value))


def chance_accuracies(labels: NDArray[Any], *, shuffles: int = 1000, seed: int = 1) -> tuple[float, ...]:
    """How often labels meet a shuffled copy of themselves: what a guess by frequency gets right."""
    generator = np.random.default_rng(seed)
    values = np.asarray(labels)
    return tuple(float((values == generator.permutation(values)).mean()) for _ in range(shuffles))
