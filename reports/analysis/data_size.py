"""Would more data help: best value and gap against the number of training rows, where ``train_fraction`` varies.

The rows of a smaller share are among those of a larger one, and fits keep their fold and seed, so configurations that
differ in the share alone are compared fit by fit. Nothing is extrapolated: the answer is how the last rows that there
are have helped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

import numpy as np

from pipelines.tracking.trials import Trial
from pipelines.words import counted
from reports.analysis.effects import BEST_VALUE, Effect, effect_on, effects_of_pairs, effects_of_regression
from reports.analysis.fits import Array, Estimate, best_values, gaps, over_fits
from reports.analysis.remedies import ENOUGH_PAIRS
from reports.report import Report, point_of
from reports.settings import Level, VariedSetting, matched_sets

NAME = "train_fraction"


class MoreData(StrEnum):
    """Whether the step between the two largest sizes has surely helped."""

    HELPS = "more data would help"
    NO_SURE_EFFECT = "it is not sure that more data would help"
    HURTS = "more data did not help here"
    CANNOT_SAY = "cannot say"


@dataclass(frozen=True)
class SizePoint:
    """One number of training rows.

    ``label`` is the share of the rows, ``50 %``, or ``30 to 100 %`` for a bin; ``fraction`` the share (the middle of a
    bin's), and ``rows`` that many training rows of a fold, None where the splits are not recorded. ``configurations``
    have a result at this size; ``run_ids`` are those that the point is the mean of. ``value`` and ``gap``, those at the
    best epoch, have 95 % bands over the fits; none where curves are missing.
    """

    label: str
    fraction: float
    rows: int | None
    configurations: int
    value: Estimate
    gap: Estimate | None
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class DataSize:
    """What the number of training rows does; ``points`` are in rising order of rows.

    They are the means of ``sets`` sets of configurations, equal but for the number of rows. 0 where no set has all
    sizes: each point is then the best configuration found at its size, which also depends on how many were tried there.
    ``step`` is the change of the best value between the two largest sizes, as a share (-0.08 is 8 % less), with its
    interval; None where it is not known.
    """

    points: tuple[SizePoint, ...]
    sets: int
    step: Estimate | None
    verdict: MoreData
    sentence: str


def data_size(report: Report) -> DataSize | None:
    """Best value and gap against the number of training rows; None where fewer than two sizes have a result."""
    varied = next((varied for varied in report.varied if varied.name == NAME), None)
    if varied is None:
        return None
    sizes = [
        (level, here)
        for position, level in enumerate(varied.levels)
        if (here := [trial for trial in report.ranked if varied.level_of.get(trial.run_id) == position])
    ]
    if len(sizes) < 2:
        return None
    fractions = {float(varied.value_of[trial.run_id]) for _, here in sizes for trial in here}
    complete = [found for found in matched_sets(report.ranked, NAME) if set(found) == fractions]
    points = []
    for level, here in sizes:
        chosen = [trial for found in complete for value, trial in found.items() if value == level.low]
        points.append(_point(report, varied, level, here=here, matched=[] if varied.binned else chosen))
    step = _step(report, sizes[-2][1], sizes[-1][1])
    sets = 0 if varied.binned else len(complete)
    if isinstance(step, str):
        sentence = f"This sweep cannot say whether more data would help: {step}."
        return DataSize(tuple(points), sets, step=None, verdict=MoreData.CANNOT_SAY, sentence=sentence)
    effect, basis = step
    verdict = {-1: MoreData.HELPS, 0: MoreData.NO_SURE_EFFECT, 1: MoreData.HURTS}[effect.estimate.sign]
    change = _change_words(points[-2], points[-1], effect.estimate, report.value_name)
    sentence = f"{change}: {verdict} ({basis})."
    return DataSize(tuple(points), sets, step=effect.estimate, verdict=verdict, sentence=sentence)


def _point(
    report: Report, varied: VariedSetting, level: Level, *, here: Sequence[Trial], matched: Sequence[Trial]
) -> SizePoint:
    """The mean of the matched configurations, or the best one of all."""
    chosen = matched or here[:1]
    fraction = median(float(varied.value_of[trial.run_id]) for trial in (chosen if not varied.binned else here))
    low, high = (f"{100 * (end or 0.0):.3g}" for end in (level.low, level.high))
    splits = report.sweep.record.splits  # rows of a fold in the middle
    known_gaps = [gap for trial in chosen if (gap := point_of(trial).gap_best) is not None]
    values = [value for trial in chosen if (value := point_of(trial).best_value) is not None]
    of_values = [best_values(report, trial) for trial in chosen]
    of_gaps = [gaps(report, trial, final=False) for trial in chosen]
    return SizePoint(
        label=f"{low} %" if low == high else f"{low} to {high} %",
        fraction=fraction,
        rows=round(fraction * float(median(split.training for split in splits))) if splits else None,
        configurations=len(here),
        value=_band(report, chosen[0], of_values) or Estimate(float(np.mean(values))),
        gap=_band(report, chosen[0], of_gaps) or (Estimate(float(np.mean(known_gaps))) if known_gaps else None),
        run_ids=tuple(trial.run_id for trial in chosen),
    )


def _band(report: Report, trial: Trial, values: Sequence[Array | None]) -> Estimate | None:
    """Mean and band over the fits, each the mean of its configurations, ``trial`` one of them; else None."""
    present = [value for value in values if value is not None]
    if len(present) < len(values) or len({len(value) for value in present}) != 1:
        return None
    return over_fits(np.mean(present, axis=0), point_of(trial), report.validation_ratio)


def _step(report: Report, first: Sequence[Trial], last: Sequence[Trial]) -> tuple[Effect, str] | str:
    """Change of the best value between two sizes and what it rests on; or why it is not known."""
    sides = [{trial.run_id for trial in side} for side in (first, last)]
    pairs = []
    for found in matched_sets(report.ranked, NAME):
        ends = [[trial for trial in found.values() if trial.run_id in side] for side in sides]
        if all(ends):
            pairs.append((ends[0][0], ends[1][-1]))
    point = point_of(last[0])
    fits = f"{counted(point.folds, 'fold')} x {counted(point.repeats, 'seed')}"
    matched = effect_on(BEST_VALUE, effects_of_pairs(report, pairs))
    if matched is not None and matched.estimate.low is None:
        matched = None
    of_pairs = f"{counted(len(pairs), 'pair')} of configurations, equal otherwise, {fits}"
    if matched and len(pairs) >= ENOUGH_PAIRS:
        return matched, of_pairs
    trials, others = [*first, *last], [other for other in report.varied if other.name != NAME]
    effects = effects_of_regression(trials, [float(trial.run_id in sides[1]) for trial in trials], others)
    if not isinstance(effects, str) and (effect := effect_on(BEST_VALUE, effects)):
        return effect, f"{effect.configurations} configurations, other settings held equal by a regression, {fits}"
    if matched:
        return matched, of_pairs
    if pairs:
        return "the configurations that are equal otherwise have no curves of several fits to judge by"
    reason = f": {effects}" if isinstance(effects, str) else ""
    return f"no two configurations differ in the number of rows alone, and a regression is not possible{reason}"


def _change_words(first: SizePoint, last: SizePoint, step: Estimate, value_name: str) -> str:
    rows = f" ({first.rows:,} to {last.rows:,} of a fold)" if first.rows is not None and last.rows is not None else ""
    ends = sorted([step.low or 0.0, step.high or 0.0], reverse=step.sign < 0)
    digits = 0 if max(map(abs, ends)) >= 0.1 else 1
    verb = {-1: "falls", 0: "changes", 1: "rises"}[step.sign]
    shown = f"{'' if step.sign else '+'}.{digits}f"
    value, near, far = (f"{100 * (step.sign or 1) * number:{shown}}" for number in (step.value, *ends))
    return f"From {first.label} to {last.label} of the rows{rows} {value_name} {verb} by {value} % [{near}, {far}]"
