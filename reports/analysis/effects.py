"""What a change of one setting does: a number with its interval for each thing that it may move.

It is read off pairs of configurations that differ in that setting alone, or, where many settings differ at once, off a
regression over configurations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np

from pipelines.overfitting.point import OverfittingPoint
from pipelines.tracking.trials import Trial
from reports.analysis import fits
from reports.analysis.fits import Array, Estimate
from reports.formatting import last_seen, signed
from reports.report import Report, point_of
from reports.settings import VariedSetting

#: Of a setting's two ends, a regression needs at least so many configurations at or near each.
LEAST_A_VALUE = 3
#: Configurations that a regression needs, at least; and of those more than it has coefficients.
LEAST, SPARE = 10, 5
#: A setting that the other settings predict to this share of its variance has no effect of its own to be found.
COLLINEAR = 0.9
DRAWS = 1000


class Unit(StrEnum):
    """What an effect is counted in."""

    SHARE = "share of what it was"
    POINTS = "percentage points"
    METRIC = "units of the monitored metric"


@dataclass(frozen=True)
class Effect:
    """How far the quantity of this name moves: by -0.35 with the unit ``SHARE`` is 35 % less.

    It rests on so many ``configurations``; best epochs beyond the end of a training, and onsets that never came, do not
    count.
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
    """Something that a change may move, and the unit of the effect.

    ``of_point`` gives its value, None where there is none or only a lower bound; ``of_fits`` its value in each fit,
    shape (fits,), None where fits have none of their own or curves are missing. With ``log`` ratios are compared, not
    differences: of numbers above zero.
    """

    name: str
    of_point: Callable[[OverfittingPoint], float | None]
    of_fits: Callable[[Report, Trial], Array | None] = lambda *_: None
    log: bool = False
    unit: Unit = Unit.SHARE


BEST_VALUE = Quantity("best value", lambda point: point.best_value, fits.best_values, log=True)
SEVERITY = Quantity("severity", lambda point: point.severity, fits.severities, unit=Unit.POINTS)
GAP_BEST = Quantity("gap at best", lambda point: point.gap_best, partial(fits.gaps, final=False))
GAP_FINAL = Quantity("gap at the end", lambda point: point.gap_final, partial(fits.gaps, final=True))
BEST_EPOCH = Quantity("best epoch", lambda point: None if last_seen(point)[1] else point.best_epoch, log=True)
ONSET = Quantity("onset", lambda point: point.onset, log=True)
QUANTITIES = (BEST_VALUE, BEST_EPOCH, ONSET, SEVERITY, GAP_BEST, GAP_FINAL)


def effect_on(quantity: Quantity, effects: Sequence[Effect]) -> Effect | None:
    """The effect on a quantity; None where it is not known."""
    return next((effect for effect in effects if effect.name == quantity.name), None)


def effects_of_pairs(report: Report, pairs: Sequence[tuple[Trial, Trial]]) -> tuple[Effect, ...]:
    """Effects from pairs of configurations that differ in one setting alone, going from the first to the second.

    With three pairs or more the interval is over the pairs, so it speaks of other configurations too. With fewer it is
    over the fits, paired by fold and seed, and speaks of these configurations only; without curves there is none.
    """
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
        estimate, unit = _change(quantity, before, after, fits.over_sets if len(usable) >= 3 else None)
        if len(usable) < 3 and (ends := _of_fits(report, quantity, [pair[:2] for pair in usable])):
            over_fits = partial(fits.over_fits, point=point_of(usable[0][0]), ratio=report.validation_ratio)
            estimate, unit = _change(quantity, *ends, over_fits)
        trials = {trial.run_id for first, second, *_ in usable for trial in (first, second)}
        found.append(Effect(quantity.name, estimate, unit, len(trials)))
    return tuple(found)


def effects_of_regression(
    trials: Sequence[Trial], ends: Sequence[float], others: Sequence[VariedSetting]
) -> tuple[Effect, ...] | str:
    """Effects of going from a setting's first end to its second, all others held equal; or why there are none.

    ``trials`` are the configurations in which the setting has an effect, ``ends`` where each lies between its first
    end, 0, and its second, 1. Best epochs and best values are compared as ratios, severities as ratios of end to best,
    and then put in percentage points for an average configuration. Best epochs that may lie beyond the end are left
    out, so where a remedy moves them there its effect is understated.
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
            effect: Partial | str = "too few configurations have a result"
        else:
            columns = table[kept] - table[kept].mean(axis=0)
            effect = partial_effect(np.log(outcome) if log else outcome, here, columns)
        if isinstance(effect, str):
            reason = reason or effect
            continue
        found.append(Effect(quantity.name, *_of_partial(quantity, effect), effect.configurations))
    return tuple(found) if any(effect.name == BEST_VALUE.name for effect in found) else reason


@dataclass(frozen=True, eq=False)
class Partial:
    """The outcome where a setting is at its first end and at its second, everything else being average.

    Both have the shape (1 + draws,): the estimate, then one value a draw of the bootstrap over ``configurations``.
    """

    first: Array
    second: Array
    configurations: int


def partial_effect(outcome: Array, setting: Array, others: Array, *, seed: int = 0) -> Partial | str:
    """Ordinary least squares of an outcome on a setting and all others, and a bootstrap over the configurations.

    The bootstrap draws weights (Rubin 1981) and not configurations, so that no draw lacks a value of a setting. With
    few configurations for many coefficients it is too sure; every draw's distance from the estimate is therefore
    widened by ``sqrt(n / (n - coefficients - 1))``. In a simulation (``tests/test_remedies.py``) 9 of 10 or more of
    the intervals hold the true effect.

    ``outcome`` and ``setting`` have the shape (n,), the setting being 0 at its first end and 1 at its second;
    ``others`` (n, k), columns centred, as ``covariates`` makes them. Where there is no effect the answer is why, as the
    end of a sentence.
    """
    count = len(outcome)
    if count < LEAST:
        return f"{count} configurations are too few for it"
    others = _independent(others)
    if count < others.shape[1] + 2 + SPARE:
        return f"{count} configurations are too few to tell {others.shape[1] + 1} effects apart"
    centred = setting - setting.mean()
    if others.shape[1]:
        explained = others @ np.linalg.lstsq(others, centred, rcond=None)[0]
        if explained @ explained > COLLINEAR * (centred @ centred):
            return "it has changed together with other settings"
    design = np.column_stack([np.ones(count), setting, others])
    generator = np.random.default_rng(seed)
    weights = np.vstack([np.ones(count), count * generator.dirichlet(np.ones(count), DRAWS)])
    width = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(count, -1)
    left = (weights @ products).reshape(-1, width, width) + 1e-9 * np.eye(width)
    right = (weights @ (design * outcome[:, None]))[:, :, None]
    coefficients = np.linalg.solve(left, right)[:, :, 0]
    widening = np.sqrt(count / (count - width - 1))
    coefficients = coefficients[0] + np.where(np.arange(len(weights))[:, None] > 0, widening, 1.0) * (
        coefficients - coefficients[0]
    )
    return Partial(coefficients[:, 0], coefficients[:, 0] + coefficients[:, 1], count)


def covariates(trials: Sequence[Trial], settings: Sequence[VariedSetting]) -> Array:
    """The settings of some trials as columns, each of mean 0; shape (trials, columns).

    A number is put on its scale, a word becomes a column for every value but the most frequent one. Where a setting
    has no effect it is average, and a column of its own says so. The learning rate has its square as well, for both
    ends of its range are bad.
    """
    columns: list[Array] = []
    for varied in settings:
        present = np.array([trial.run_id in varied.value_of for trial in trials])
        columns.append(1.0 - present)
        if not varied.numeric:
            levels = np.array([varied.level_of.get(trial.run_id, -1) for trial in trials])
            names, counts = np.unique(levels[present], return_counts=True)
            columns += [(levels == name) * 1.0 for name in np.delete(names, np.argmax(counts))] if len(names) else []
            continue
        values = np.array([varied.position(float(varied.value_of.get(t.run_id, 0.0))) for t in trials])
        centred = np.where(present, values - values[present].mean(), 0.0) if present.any() else np.zeros(len(values))
        columns.append(centred)
        if varied.name == "learning_rate":
            columns.append(centred**2)
    if not columns:
        return np.empty((len(trials), 0))
    table = np.column_stack(columns)
    return np.asarray(table - table.mean(axis=0))


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


def _of_fits(report: Report, quantity: Quantity, pairs: Sequence[tuple[Trial, Trial]]) -> tuple[Array, Array] | None:
    """Values of each fit before and after, means over the pairs; None where a curve is missing or fits differ."""
    before, after = ([quantity.of_fits(report, pair[side]) for pair in pairs] for side in (0, 1))
    present = [values for values in (*before, *after) if values is not None]
    if len(present) < 2 * len(pairs) or len({len(values) for values in present}) > 1:
        return None
    first, second = np.array(present[: len(pairs)]), np.array(present[len(pairs) :])
    if quantity.log:
        if min(first.min(), second.min()) <= 0:
            return None
        return np.exp(np.log(first).mean(axis=0)), np.exp(np.log(second).mean(axis=0))
    return first.mean(axis=0), second.mean(axis=0)


def _of_partial(quantity: Quantity, effect: Partial) -> tuple[Estimate, Unit]:
    first, second = effect.first, effect.second
    if quantity is SEVERITY:
        return _percentile(np.exp(second) - np.exp(first)), Unit.POINTS
    if quantity.log:
        return _percentile(np.expm1(second - first)), Unit.SHARE
    if first[0] <= np.abs(second[0] - first[0]) / 10:
        return _percentile(second - first), Unit.METRIC
    return _percentile((second - first) / first[0]), Unit.SHARE


def _percentile(values: Array) -> Estimate:
    return Estimate(*map(float, (values[0], *np.percentile(values[1:], [2.5, 97.5]))))


def _map(estimate: Estimate, function: Callable[[float], float]) -> Estimate:
    ends = (None if end is None else function(end) for end in (estimate.low, estimate.high))
    return Estimate(function(estimate.value), *ends)


def _percentage(value: float, digits: int) -> str:
    text = f"{100 * value:+,.{digits}f}"
    return "0" if float(text.replace(",", "")) == 0 else text


def _independent(columns: Array) -> Array:
    """Columns scaled to unit length, without those that earlier ones already say."""
    kept: list[Array] = []
    basis = np.empty((len(columns), 0))
    for column in columns.T:
        size = np.linalg.norm(column)
        if size < 1e-9:
            continue
        rest = column / size - basis @ (basis.T @ (column / size))
        if (left := np.linalg.norm(rest)) > 1e-4:
            kept.append(column / size)
            basis = np.column_stack([basis, rest / left])
    return np.column_stack(kept) if kept else np.empty((len(columns), 0))
