"""The atlas: what one setting does by itself, from configurations that differ from the baseline in nothing else.

Two such configurations have the same folds and seeds, so they are compared fit by fit, and a difference has one cause.
Who asked for them does not matter: a plan, the textbook or the tuner.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.overfitting.statistics import (
    USUAL_RATIO,
    best_epochs,
    bootstrap_weights,
    error_factor,
    percentiles,
    smooth,
)
from pipelines.tracking.trials import Trial
from reports.analysis.fits import (
    Array,
    Estimate,
    FitCurves,
    best_values,
    fit_curves,
    over_fits,
    severities,
)
from reports.analysis.remedies import STRICTER
from reports.formatting import last_seen
from reports.report import Report, point_of
from reports.settings import Value, single_change


@dataclass(frozen=True)
class Change:
    """What changes from one configuration to another, each with its 95 % interval; None where it cannot be told.

    ``value`` is in units of the monitored metric, ``epoch`` the difference of the best epochs, ``rise`` that of how far
    the curves end above their best, as a share. ``beyond`` is 1 where the second best epoch may lie after the end of
    the training, so that the difference is at least this, -1 where the first one may: it is at most this.
    """

    value: Estimate | None
    epoch: Estimate | None
    rise: Estimate | None
    beyond: int = 0

    @property
    def value_sign(self) -> int:
        """-1 or 1 where the value is surely lower or higher, else 0; "surely" as for remedies, see ``STRICTER``."""
        return self.value.sign_of_wider(STRICTER) if self.value else 0

    @property
    def epoch_sign(self) -> int:
        """The same of the best epoch; a bound tells nothing on its open side."""
        sign = self.epoch.sign_of_wider(STRICTER) if self.epoch else 0
        return sign if self.beyond in (0, sign) else 0

    @property
    def rise_sign(self) -> int:
        """The same of the rise at the end."""
        return self.rise.sign_of_wider(STRICTER) if self.rise else 0

    @property
    def sure_of(self) -> tuple[str, ...]:
        """What surely differs, in words."""
        signs = {"value": self.value_sign, "best epoch": self.epoch_sign, "rise": self.rise_sign}
        return tuple(what for what, sign in signs.items() if sign)


@dataclass(frozen=True, eq=False)
class Step:
    """One value of a setting, all others being the baseline's: as people write it, its trial, and what it changes.

    ``change`` is against the baseline; None for the baseline itself.
    """

    label: str
    value: Value
    trial: Trial
    change: Change | None


@dataclass(frozen=True, eq=False)
class Plate:
    """A page of the atlas: one setting from low to high; of words the baseline comes first.

    ``whole`` is what changes from the first step to the last; None for words.
    """

    name: str
    title: str
    numeric: bool
    steps: tuple[Step, ...]
    whole: Change | None

    @property
    def baseline(self) -> Step:
        """The step that all others are compared with."""
        return next(step for step in self.steps if step.change is None)

    @property
    def others(self) -> Iterator[tuple[Step, Change]]:
        """All other steps with what they change."""
        return ((step, step.change) for step in self.steps if step.change is not None)

    @property
    def follows_epoch(self) -> bool:
        """Whether the best epoch surely moves from the first step to the last, and its ends are there."""
        if self.whole is None or not self.whole.epoch_sign:
            return False
        epochs = [last_seen(point_of(step.trial))[0] for step in self.steps]
        rising = epochs if self.whole.epoch_sign > 0 else epochs[::-1]
        room = 0.1 * point_of(self.steps[0].trial).epochs
        return rising[0] <= min(epochs) + room and rising[-1] >= max(epochs) - room


def find_plates(report: Report) -> tuple[Plate, ...]:
    """A plate for each setting that some configuration alone changes in the baseline, in the order of a report.

    Empty where the sweep has no result of its baseline.
    """
    baseline = report.baseline
    if baseline is None or baseline.configuration is None:
        return ()
    found: dict[str, dict[Value, Trial]] = {}
    own: dict[str, Value] = {}
    for trial in report.ranked:
        changed = single_change(baseline.configuration, trial.configuration) if trial.configuration else None
        if changed is not None:
            name, own[name], value = changed
            found.setdefault(name, {}).setdefault(value, trial)
    names = sorted(found, key=lambda name: report.setting(name).place)
    return tuple(_plate(report, name, baseline, {**found[name], own[name]: baseline}) for name in names)


def change(report: Report, first: Trial, second: Trial) -> Change:
    """What changes from one configuration to another, compared fit by fit."""
    ratio = report.validation_ratio
    values = _paired(best_values(report, first), best_values(report, second))
    points = point_of(first), point_of(second)
    rises = _paired(severities(report, first), severities(report, second))
    if points[0].epochs != points[1].epochs:  # one that was stopped has not risen for as long
        rises = None
    (before, open_before), (after, open_after) = map(last_seen, points)
    epoch = None
    if not (open_before and open_after):
        epoch = _epoch_change(report, (first, second), after - before)
    return Change(
        value=None if values is None else over_fits(values, points[0], ratio),
        epoch=epoch,
        rise=None if rises is None else over_fits(rises, points[0], ratio),
        beyond=int(open_after) - int(open_before),
    )


def _plate(report: Report, name: str, baseline: Trial, values: dict[Value, Trial]) -> Plate:
    numeric = not any(isinstance(value, str) for value in values)
    order = sorted(values, key=lambda value: value if numeric else (values[value] is not baseline, str(value)))  # type: ignore[arg-type,return-value]
    steps = tuple(
        Step(
            label=report.setting(name).written(value),
            value=value,
            trial=values[value],
            change=None if values[value] is baseline else change(report, baseline, values[value]),
        )
        for value in order
    )
    whole = change(report, steps[0].trial, steps[-1].trial) if numeric else None
    title = "units" if name == "units" else report.setting(name).title
    return Plate(name, title, numeric, steps=steps, whole=whole)


def _paired(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None or len(first) != len(second):
        return None
    return second - first


def _epoch_change(report: Report, trials: tuple[Trial, Trial], value: int) -> Estimate | None:
    """Difference of two best epochs, its interval from draws of the same fits for both."""
    found = [fit_curves(report, trial) for trial in trials]
    shapes = {(point.folds, point.repeats) for point in map(point_of, trials)}
    curves = [of for of in found if isinstance(of, FitCurves)]
    if len(curves) < 2 or len(shapes) > 1:
        return None
    folds, repeats = shapes.pop()
    if folds * repeats == 1:
        return Estimate(value)
    ratio = USUAL_RATIO if report.validation_ratio is None else report.validation_ratio
    weights = bootstrap_weights(folds, repeats, error_factor(folds, repeats, ratio))
    before, after = (best_epochs(smooth(of.validation), weights) for of in curves)
    low, high = percentiles(after - before)
    return Estimate(value, float(min(low, value)), float(max(high, value)))
