"""What each fit of a configuration did, and means over fits with their intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from pipelines.overfitting.point import OverfittingPoint
from pipelines.overfitting.statistics import (
    INTERVAL_LEVEL,
    USUAL_RATIO,
    at_end,
    best_for_others,
    paired_error,
    read_at,
    smooth,
)
from pipelines.tracking import names
from pipelines.tracking.trials import Trial
from reports.report import Report, point_of

Array = NDArray[np.float64]

#: Scores of a task that are told beside the monitored metric, by their curves, in this order.
SCORES = tuple(f"val_{name}" for name in names.SCORES)


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, whose ends are None where there is nothing to judge by how sure it is."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def sign(self) -> int:
        """-1 or 1 where the whole interval is on one side of zero, else 0."""
        return self.sign_of_wider(1.0)

    def sign_of_wider(self, factor: float) -> int:
        """The same for an interval whose ends are so many times as far from the value."""
        if self.low is None or self.high is None:
            return 0
        low, high = (self.value + factor * (end - self.value) for end in (self.low, self.high))
        return (low > 0) - (high < 0)


@dataclass(frozen=True, eq=False)
class FitCurves:
    """The monitored curves of all fits of a trial, of the epochs that were judged; all finite, shape (fits, epochs).

    ``training``, its twin, is None where it was not recorded; ``best`` are the columns, (fits,), of the epochs at which
    the fits are read: each that of the epoch that is best for the others.
    """

    validation: Array
    training: Array | None
    best: NDArray[np.intp]

    def at_best(self, curves: Array) -> Array:
        """Of each fit the value at its column ``best``, (fits, epochs) -> (fits,)."""
        return read_at(curves, self.best)


def fit_curves(report: Report, trial: Trial) -> FitCurves | None:
    """The monitored curves of a ranked trial; None where they are missing, too short or not finite."""
    point, monitor, curves = point_of(trial), report.sweep.monitor, report.curves.get(trial.run_id, {})

    def checked(name: str) -> Array | None:
        curve = curves.get(name)
        if curve is None or curve.ndim != 2 or curve.shape[0] != point.fits or not 0 < point.epochs <= curve.shape[1]:
            return None
        values = np.asarray(curve[:, : point.epochs], np.float64)
        return values if np.isfinite(values).all() else None

    if (validation := checked(monitor)) is None:
        return None
    return FitCurves(
        validation, checked(monitor.removeprefix("val_")), best_for_others(smooth(validation), point.repeats)
    )


def best_values(report: Report, trial: Trial) -> Array | None:
    """Of each fit the monitored value at the best epoch of the others, shape (fits,); None without usable curves."""
    found = fit_curves(report, trial)
    return None if found is None else found.at_best(found.validation)


@dataclass(frozen=True)
class Score:
    """A mean over fits at the best epoch, and the deviation between the folds of a repeat; None with one fold."""

    value: float
    sd_folds: float | None = None


def scores(report: Report, trial: Trial) -> dict[str, Score]:
    """The scores of a ranked trial beside the monitored metric, by curve; each fit read where its value is.

    Where the curves are gone, as the trial's run has them, without a deviation.
    """
    found, curves = fit_curves(report, trial), report.curves.get(trial.run_id, {})
    point, told = point_of(trial), {}
    for name in SCORES:
        if name == report.sweep.monitor:
            continue
        if found is not None and name in curves:
            of_fits = found.at_best(np.asarray(curves[name], np.float64)).reshape(point.repeats, point.folds)
            between = float(np.sqrt(of_fits.var(axis=1, ddof=1).mean())) if point.folds > 1 else None
            told[name] = Score(float(of_fits.mean()), between)
        elif (value := trial.validation.get(name.removeprefix("val_"))) is not None:
            told[name] = Score(value)
    return {name: score for name, score in told.items() if np.isfinite(score.value)}


def guess_of(report: Report, name: str) -> float | None:
    """What guessing comes to on a validation curve, mean over the fits; None where that was not recorded."""
    guesses = report.sweep.record.guessing.get(name)
    return float(np.mean(guesses)) if guesses else None


def gaps(report: Report, trial: Trial, *, final: bool) -> Array | None:
    """Of each fit validation minus training at the best or the last epoch, shape (fits,); None without curves."""
    found = fit_curves(report, trial)
    if found is None or found.training is None:
        return None
    differences = found.validation - found.training
    return np.asarray(differences[:, -1]) if final else found.at_best(differences)


def severities(report: Report, trial: Trial) -> Array | None:
    """Of each fit what it adds to the severity, shape (fits,); their mean is that of the over-fitting point.

    A severity is a ratio of means, rise over best value. To first order a fit moves it by its own rise, and the other
    way by its own best value.
    """
    found = fit_curves(report, trial)
    if found is None:
        return None
    smoothed = smooth(found.validation)
    at_best = found.at_best(smoothed)
    rise, best = at_end(smoothed) - at_best, float(at_best.mean())
    if best <= 0:
        return None
    severity = float(rise.mean()) / best
    return np.asarray(severity + (rise - severity * at_best) / best)


def over_fits(differences: Array, point: OverfittingPoint, ratio: float | None) -> Estimate:
    """Mean of paired differences of fits, shape (fits,), with its 95 % interval (see ``paired_error``).

    ``point`` is that of a configuration of the pair, and says how many folds and repeats the fits are; ``ratio`` is
    that of validation to training rows, None where it is not known. A single fit has no interval.
    """
    if len(differences) < 2:
        return Estimate(float(differences.mean()))
    error = paired_error(differences, point.folds, point.repeats, USUAL_RATIO if ratio is None else ratio)
    return _around(differences, float(_quantile(differences) * error))


def over_sets(differences: Array) -> Estimate:
    """Mean of the differences found in several matched sets, shape (sets,), with the interval of a t-test."""
    return _around(differences, float(_quantile(differences) * differences.std(ddof=1) / np.sqrt(len(differences))))


def _around(differences: Array, half: float) -> Estimate:
    mean = float(differences.mean())
    return Estimate(mean, mean - half, mean + half)


def _quantile(differences: Array) -> float:
    return float(stdtrit(len(differences) - 1, (1 + INTERVAL_LEVEL) / 2))
