"""Configurations that differ in one setting alone, and what that setting does to each fit.

A tuner changes many settings at once; documented variants, grids and luck leave sets of configurations in which only
one differs. Within such a set a difference has one cause.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from pipelines.exercises.configurations import Configuration
from pipelines.overfitting.statistics import INTERVAL_LEVEL, smooth, standard_error
from pipelines.tracking.trials import Curves, Trial
from reports.analysis.parameters import Value, setting
from reports.report import Report, point_of

Array = NDArray[np.float64]

#: Validation rows over training rows where a fifth of all is held out.
USUAL_RATIO = 0.25


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes
    ----------
    value, low, high
        ``low`` and ``high`` are None where there is nothing to judge by how sure the value is.
    """

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
class MatchedSet:
    """Configurations that differ in one setting alone, by the value of that setting."""

    trials: Mapping[Value, Trial]


def matched_sets(report: Report, name: str) -> tuple[MatchedSet, ...]:
    """The sets of two or more ranked configurations that are equal but for the setting ``name``.

    Settings without effect need not be equal. For ``units`` and ``depth`` all hidden layers of a network have to be of
    one width. A schedule's value has its rate in it (``exponential 0.9``), since the two change together.
    """
    sets: dict[Configuration, dict[Value, Trial]] = {}
    for trial in report.ranked:
        found = None if trial.configuration is None else _without(trial.configuration.canonical(), name)
        if found is not None:
            rest, value = found
            sets.setdefault(rest, {}).setdefault(value, trial)
    return tuple(MatchedSet(dict(sorted(same.items()))) for same in sets.values() if len(same) > 1)  # type: ignore[type-var]


def best_values(report: Report, trial: Trial, curves: Curves | None) -> Array | None:
    """Of each fit the monitored value at the configuration's best epoch, shape (fits,); None without usable curves."""
    found = _monitored(report, trial, curves)
    return None if found is None else found[0][:, (point_of(trial).best_epoch or 1) - 1]


def gaps(report: Report, trial: Trial, curves: Curves | None, *, final: bool) -> Array | None:
    """Of each fit validation minus training at the best or the last epoch, shape (fits,); None without curves."""
    found = _monitored(report, trial, curves)
    if found is None or found[1] is None:
        return None
    epoch = -1 if final else (point_of(trial).best_epoch or 1) - 1
    return np.asarray(found[0][:, epoch] - found[1][:, epoch])


def severities(report: Report, trial: Trial, curves: Curves | None) -> Array | None:
    """Of each fit its smoothed curve at the end over that at the configuration's best epoch, minus 1, shape (fits,)."""
    found = _monitored(report, trial, curves)
    if found is None:
        return None
    smoothed = smooth(found[0])
    at_best = smoothed[:, (point_of(trial).best_epoch or 1) - 1]
    return np.asarray(smoothed[:, -1] / at_best - 1) if (at_best > 0).all() else None


def over_fits(differences: Array, ratio: float | None) -> Estimate:
    """Mean of paired differences of fits, shape (fits,), with the interval of the corrected resampled t-test.

    Folds share training rows, hence Nadeau and Bengio's (2003) standard error; ``ratio`` is that of validation to
    training rows, None where it is not known. A single fit has no interval.
    """
    ratio = USUAL_RATIO if ratio is None else ratio
    mean = float(differences.mean())
    if len(differences) < 2:
        return Estimate(mean)
    half = float(_quantile(len(differences)) * standard_error(differences, ratio))
    return Estimate(mean, mean - half, mean + half)


def over_sets(differences: Array) -> Estimate:
    """Mean of the differences found in several matched sets, shape (sets,), with the interval of a t-test."""
    mean = float(differences.mean())
    half = float(_quantile(len(differences)) * differences.std(ddof=1) / np.sqrt(len(differences)))
    return Estimate(mean, mean - half, mean + half)


def _quantile(count: int) -> float:
    return float(stdtrit(count - 1, (1 + INTERVAL_LEVEL) / 2))


def _without(configuration: Configuration, name: str) -> tuple[Configuration, Value] | None:
    """A configuration with a setting taken out, and that setting's value; None where it cannot be taken out."""
    if name in ("units", "depth"):
        widths = set(configuration.layers)
        if len(widths) != 1:
            return None
        rest = (1,) * len(configuration.layers) if name == "units" else tuple(widths)
        return replace(configuration, layers=rest), float(setting(configuration, name) or 0)
    if name == "schedule":
        rate = "" if configuration.schedule == "constant" else f" {configuration.decay_rate:g}"
        plain = replace(configuration, schedule="constant", decay_rate=Configuration.decay_rate)
        return plain, configuration.schedule + rate
    value = setting(configuration, name)
    return None if value is None else (replace(configuration, **{name: getattr(Configuration, name)}), value)  # type: ignore[arg-type]


def _monitored(report: Report, trial: Trial, curves: Curves | None) -> tuple[Array, Array | None] | None:
    """The monitored curves of the epochs that were judged, and their training twins; None where they are missing."""
    point, monitor = point_of(trial), report.sweep.monitor
    found = None if curves is None else curves.get(monitor)
    if found is None or found.shape[0] != point.fits or found.shape[1] < point.epochs:
        return None
    values = np.asarray(found[:, : point.epochs], np.float64)
    twin = (curves or {}).get(monitor.removeprefix("val_"))
    training = None if twin is None or twin.shape != found.shape else np.asarray(twin[:, : point.epochs], np.float64)
    if not np.isfinite(values).all():
        return None
    return values, training if training is not None and np.isfinite(training).all() else None
