"""What a change of one setting does: a number with its interval for each thing that it may move."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipelines.overfitting.point import OverfittingPoint
from pipelines.tracking.trials import Curves, Trial
from reports.analysis import matching
from reports.analysis.comparing import validation_ratio
from reports.analysis.matching import Array, Estimate
from reports.analysis.parameters import Parameter, last_seen
from reports.analysis.partial import LEAST, Partial, covariates, partial_effect
from reports.formatting import signed
from reports.report import Report, point_of

#: Of a setting's two ends, a regression needs at least so many configurations at or near each.
LEAST_A_VALUE = 3


class Unit(StrEnum):
    """What an effect is counted in."""

    SHARE = "share of what it was"
    POINTS = "percentage points"
    METRIC = "units of the monitored metric"


@dataclass(frozen=True)
class Effect:
    """How far a quantity moves.

    Attributes
    ----------
    name
        ``best value``, ``best epoch``, ``onset``, ``severity``, ``gap at best`` or ``gap at the end``.
    estimate
        The change, as a number: -0.35 with the unit ``SHARE`` is 35 % less.
    unit
        What it is counted in.
    configurations
        Number that it rests on; best epochs beyond the end of a training, and onsets that never came, do not count.
    """

    name: str
    estimate: Estimate
    unit: Unit
    configurations: int

    @property
    def text(self) -> str:
        """``-35 % [-50, -20]``."""
        estimate = self.estimate
        known = [value for value in (estimate.value, estimate.low, estimate.high) if value is not None]
        if self.unit is Unit.METRIC:
            texts = [signed(value) for value in known]
        else:
            digits = 0 if max(abs(value) for value in known) >= 0.1 else 1
            texts = [_percentage(value, digits) for value in known]
        unit = {Unit.SHARE: " %", Unit.POINTS: " points", Unit.METRIC: ""}[self.unit]
        return f"{texts[0]}{unit}" + (f" [{', '.join(texts[1:])}]" if len(texts) > 1 else "")


@dataclass(frozen=True)
class Quantity:
    """Something that a change may move.

    Attributes
    ----------
    name
        As in ``Effect``.
    of_point
        Its value; None where there is none or only a lower bound.
    of_fits
        Its value in each fit, shape (fits,); None where fits have none of their own or curves are missing.
    log
        Whether ratios are compared, not differences: of numbers above zero.
    unit
        Of the effect.
    """

    name: str
    of_point: Callable[[OverfittingPoint], float | None]
    of_fits: Callable[[Report, Trial, Curves | None], Array | None]
    log: bool
    unit: Unit


BEST_VALUE = Quantity("best value", lambda point: point.best_value, matching.best_values, True, Unit.SHARE)
SEVERITY = Quantity("severity", lambda point: point.severity, matching.severities, False, Unit.POINTS)
GAP_FINAL = Quantity(
    "gap at the end",
    lambda point: point.gap_final,
    lambda report, trial, curves: matching.gaps(report, trial, curves, final=True),
    False,
    Unit.SHARE,
)
GAP_BEST = Quantity(
    "gap at best",
    lambda point: point.gap_best,
    lambda report, trial, curves: matching.gaps(report, trial, curves, final=False),
    False,
    Unit.SHARE,
)
BEST_EPOCH = Quantity(
    "best epoch",
    lambda point: None if last_seen(point)[1] else point.best_epoch,
    lambda *_: None,
    True,
    Unit.SHARE,
)
ONSET = Quantity("onset", lambda point: point.onset, lambda *_: None, True, Unit.SHARE)
QUANTITIES = (BEST_VALUE, SEVERITY, GAP_BEST, GAP_FINAL, BEST_EPOCH, ONSET)


def effects_of_pairs(
    report: Report, pairs: Sequence[tuple[Trial, Trial]], curves: Mapping[str, Curves]
) -> tuple[Effect, ...]:
    """Effects from pairs of configurations that differ in one setting alone, going from the first to the second.

    With three pairs or more the interval is over the pairs, so it speaks of other configurations too. With fewer it is
    over the fits, paired by fold and seed, and speaks of these configurations only; without curves there is none.
    """
    ratio = validation_ratio(report)
    found = []
    for quantity in QUANTITIES:
        usable = [
            (first, second, a, b)
            for first, second in pairs
            if (a := quantity.of_point(point_of(first))) is not None
            and (b := quantity.of_point(point_of(second))) is not None
            and not (quantity.log and min(a, b) <= 0)
        ]
        if not usable:
            continue
        before, after = np.array([a for *_, a, _ in usable]), np.array([b for *_, b in usable])
        estimate, unit = _change(quantity, before, after, matching.over_sets if len(usable) >= 3 else None)
        if len(usable) < 3 and (fits := _of_fits(report, quantity, [pair[:2] for pair in usable], curves)):
            estimate, unit = _change(quantity, *fits, lambda differences: matching.over_fits(differences, ratio))
        trials = {trial.run_id for first, second, *_ in usable for trial in (first, second)}
        found.append(Effect(quantity.name, estimate, unit, len(trials)))
    return tuple(found)


def effects_of_regression(
    trials: Sequence[Trial], ends: Sequence[float], others: Sequence[Parameter]
) -> tuple[Effect, ...] | str:
    """Effects of a setting, all other settings being held equal by a regression; or why there are none.

    Parameters
    ----------
    trials
        Configurations in which the setting has an effect.
    ends
        Where each lies between the setting's first end, 0, and its second, 1.
    others
        The other settings that vary.

    Returns
    -------
    Effects of going from the first end to the second. Best epochs and best values are compared as ratios, severities
    as ratios of end to best, and then put in percentage points for an average configuration. Best epochs that may lie
    beyond the end are left out, so where a remedy moves them there its effect is understated.
    """
    positions = np.asarray(ends, float)
    if min((positions < 0.5).sum(), (positions > 0.5).sum()) < LEAST_A_VALUE:
        return f"fewer than {LEAST_A_VALUE} configurations lie at one of its ends"
    table = covariates(trials, others)
    found = []
    reason = ""
    for quantity in QUANTITIES:
        values = [quantity.of_point(point_of(trial)) for trial in trials]
        log = quantity.log or quantity is SEVERITY
        shift = 1.0 if quantity is SEVERITY else 0.0
        kept = np.array([value is not None and not (log and value + shift <= 0) for value in values])
        outcome = np.array([value for value, keep in zip(values, kept, strict=True) if keep], float) + shift
        here = positions[kept]
        if min((here < 0.5).sum(), (here > 0.5).sum()) < LEAST_A_VALUE or len(here) < LEAST:
            partial: Partial | str = "too few configurations have a result"
        else:
            columns = table[kept] - table[kept].mean(axis=0)
            partial = partial_effect(np.log(outcome) if log else outcome, here, columns)
        if isinstance(partial, str):
            reason = reason or partial
            continue
        found.append(Effect(quantity.name, *_of_partial(quantity, partial), partial.configurations))
    return tuple(found) if any(effect.name == BEST_VALUE.name for effect in found) else reason


def _change(
    quantity: Quantity, before: Array, after: Array, interval: Callable[[Array], Estimate] | None
) -> tuple[Estimate, Unit]:
    """Mean change, with the interval that ``interval`` gives to differences."""
    differences = np.log(after / before) if quantity.log else after - before
    estimate = interval(differences) if interval else Estimate(float(differences.mean()))
    if quantity.log:
        return _map(estimate, lambda value: float(np.expm1(value))), Unit.SHARE
    if quantity.unit is Unit.POINTS:
        return estimate, Unit.POINTS
    scale = float(before.mean())
    if scale <= np.abs(differences).max() / 10:
        return estimate, Unit.METRIC
    return _map(estimate, lambda value: value / scale), Unit.SHARE


def _of_fits(
    report: Report,
    quantity: Quantity,
    pairs: Sequence[tuple[Trial, Trial]],
    curves: Mapping[str, Curves],
) -> tuple[Array, Array] | None:
    """Values of each fit before and after, means over the pairs; None where a curve is missing or fits differ."""
    before, after = (
        [quantity.of_fits(report, pair[side], curves.get(pair[side].run_id)) for pair in pairs] for side in (0, 1)
    )
    present = [values for values in (*before, *after) if values is not None]
    if len(present) < 2 * len(pairs) or len({len(values) for values in present}) > 1:
        return None
    first, second = np.array(present[: len(pairs)]), np.array(present[len(pairs) :])
    if quantity.log:
        if min(first.min(), second.min()) <= 0:
            return None
        return np.exp(np.log(first).mean(axis=0)), np.exp(np.log(second).mean(axis=0))
    return first.mean(axis=0), second.mean(axis=0)


def _of_partial(quantity: Quantity, partial: Partial) -> tuple[Estimate, Unit]:
    first, second = partial.first, partial.second
    if quantity is SEVERITY:
        return _percentile(np.exp(second) - np.exp(first)), Unit.POINTS
    if quantity.log:
        return _percentile(np.expm1(second - first)), Unit.SHARE
    if first[0] <= np.abs(second[0] - first[0]) / 10:
        return _percentile(second - first), Unit.METRIC
    return _percentile((second - first) / first[0]), Unit.SHARE


def _percentile(values: Array) -> Estimate:
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Estimate(float(values[0]), float(low), float(high))


def _map(estimate: Estimate, function: Callable[[float], float]) -> Estimate:
    ends = (None if end is None else function(end) for end in (estimate.low, estimate.high))
    return Estimate(function(estimate.value), *ends)


def _percentage(value: float, digits: int) -> str:
    text = f"{100 * value:+,.{digits}f}"
    return "0" if float(text.replace(",", "")) == 0 else text
