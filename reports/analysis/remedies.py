"""Which remedy against over-fitting works, from the recorded trials alone.

A tuner's configurations differ in many settings at once, so the one with dropout may be better for another reason.
Two honest ways remain: configurations that differ in the remedy alone (documented variants and grids have them), and a
regression over all configurations in which every other setting has its share. Where neither is possible the answer is
that this sweep cannot say.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipelines.exercises.configurations import SETTINGS
from pipelines.tracking.trials import Trial
from pipelines.words import counted, listed
from reports.analysis.effects import (
    BEST_VALUE,
    GAP_FINAL,
    SEVERITY,
    Effect,
    effect_on,
    effects_of_pairs,
    effects_of_regression,
)
from reports.formatting import capitalised
from reports.report import Report
from reports.settings import Value, VariedSetting, matched_sets, number_text

#: A verdict asks for an interval as wide as one of 99 %: with a dozen of them in a table, one or two of 95 % would be
#: beside zero by chance. In a simulation without any effect (30 sweeps of 40 configurations, 180 remedies) 14 % of the
#: remedies had a verdict at 95 %, and 7 % have one so.
STRICTER = 2.576 / 1.960
#: Matched pairs from which on they are preferred to a regression, their interval being over the pairs.
ENOUGH_PAIRS = 3


class Basis(StrEnum):
    """What an answer rests on."""

    PAIRS = "pairs of configurations that differ in it alone"
    REGRESSION = "all configurations, other settings held equal by a regression"
    NONE = ""


class Help(StrEnum):
    """What a remedy does.

    It helps where the best value is surely better, or the severity surely lower while the best value is not surely
    worse; it hurts where it is the other way round. "Surely" asks for more than a printed 95 %
    interval beside zero, see ``STRICTER``.
    """

    HELPS = "helps"
    HURTS = "hurts"
    NO_SURE_EFFECT = "no sure effect"
    CANNOT_SAY = "cannot say"


@dataclass(frozen=True, eq=False)
class Remedy:
    """A row of the table of remedies: the setting (``dropout``), the remedy in words, and what it does.

    ``change`` says from where to where, ``dropout 0 → 0.5``, and is empty where the setting does not vary. ``effects``
    have the best value first; they are empty where the sweep cannot say, for this ``reason``. ``pairs`` are all that
    differ in the remedy alone, without (or with less of) it and with it, whatever the basis of the effects is.
    """

    name: str
    title: str
    change: str
    verdict: Help
    reason: str = ""
    basis: Basis = Basis.NONE
    configurations: int = 0
    effects: tuple[Effect, ...] = ()
    pairs: tuple[tuple[Trial, Trial], ...] = ()

    def sentence(self, value_name: str) -> str:
        """The row in words; ``value_name`` is what the monitored metric is called."""
        if self.verdict is Help.CANNOT_SAY:
            return f"{capitalised(self.title)}: this sweep cannot say, {self.reason}."
        of_each = (effect_on(quantity, self.effects) for quantity in (BEST_VALUE, SEVERITY, GAP_FINAL))
        shown = [effect for effect in of_each if effect]
        moved = listed([f"{effect.name.replace(BEST_VALUE.name, value_name)} {effect.text}" for effect in shown])
        count = len(self.pairs)
        rests = counted(self.configurations, "configuration")
        if self.basis is Basis.PAIRS:
            rests += f", in {counted(count, 'pair')} that {'differs' if count == 1 else 'differ'} in it alone"
        else:
            rests += ", other settings held equal by a regression"
        return f"{capitalised(self.title)} ({self.change}): {self.verdict}. It moves {moved} ({rests})."


def remedies(report: Report) -> tuple[Remedy, ...]:
    """A row for each remedy; for layer normalisation and schedules one for each kind that was tried.

    One or two pairs have an interval only where the report has their curves.
    """
    rows: list[Remedy] = []
    by_name = {varied.name: varied for varied in report.varied}
    task = report.sweep.record.data.task  # empty where it was not recorded
    known = {
        name: of.remedy for name, of in SETTINGS.items() if of.remedy and (not of.tasks or not task or task in of.tasks)
    }
    for name, remedy in sorted(known.items(), key=lambda item: item[1].place):
        if (varied := by_name.get(name)) is None:
            reason = "since all configurations have the same"
            rows.append(Remedy(name, remedy.words, "", Help.CANNOT_SAY, reason=reason))
        elif varied.numeric:
            rows.append(_numeric(report, varied, remedy.words, remedy.less))
        else:
            rows += _words(report, varied, remedy.words)
    return tuple(rows)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A remedy that is asked about: its setting and words, and the change of the whole range.

    ``pairs`` are the configurations that differ in it alone, each side with its value; ``trials`` are those in which it
    has an effect, and ``ends`` where each lies between without, 0, and with it, 1.
    """

    name: str
    title: str
    prefix: str
    change: str
    pairs: Sequence[tuple[Trial, Trial, Value, Value]]
    trials: Sequence[Trial]
    ends: Sequence[float]


def _numeric(report: Report, varied: VariedSetting, title: str, less: bool) -> Remedy:
    """Compares the ends: of each matched set, and of the whole range."""
    trials = [trial for trial in report.ranked if trial.run_id in varied.value_of]
    values = [float(varied.value_of[trial.run_id]) for trial in trials]
    places = [varied.position(value) for value in values]
    if len(set(places)) < 2:
        return Remedy(varied.name, title, "", Help.CANNOT_SAY, reason="since only one value of it has a result")
    low, high = min(places), max(places)
    shares = [(place - low) / (high - low) for place in places]
    pairs = []
    for found in matched_sets(report.ranked, varied.name):
        first, second = sorted((min(found, key=float), max(found, key=float)), key=float, reverse=less)
        pairs.append((found[first], found[second], first, second))
    asked = _Asked(
        name=varied.name,
        title=title,
        prefix=f"{varied.title} ",
        change=_step(*sorted({min(values), max(values)}, reverse=less)),
        pairs=pairs,
        trials=trials,
        ends=[1 - share for share in shares] if less else shares,
    )
    return _remedy(report, asked, [other for other in report.varied if other.name != varied.name])


def _words(report: Report, varied: VariedSetting, title: str) -> list[Remedy]:
    """Compares each kind with having none."""
    without = str(SETTINGS[varied.name].off)
    others = [other for other in report.varied if other.name not in (varied.name, "decay_rate")]
    rows = []
    for kind in sorted({str(value) for value in varied.value_of.values()} - {without}):
        pairs: list[tuple[Trial, Trial, Value, Value]] = []
        for found in matched_sets(report.ranked, varied.name):
            kinds = [value for value in found if str(value).split(" ", maxsplit=1)[0] == kind]
            if without in found and kinds:
                pairs.append((found[without], found[kinds[0]], without, kinds[0]))
        trials = [trial for trial in report.ranked if varied.value_of.get(trial.run_id) in (without, kind)]
        asked = _Asked(
            name=varied.name,
            title=title if kind in title.split() else f"{title}: {kind.replace('_', ' ')}",
            prefix="",
            change=_step(without, kind),
            pairs=pairs,
            trials=trials,
            ends=[float(varied.value_of[trial.run_id] == kind) for trial in trials],
        )
        rows.append(_remedy(report, asked, others))
    return rows


def _remedy(report: Report, asked: _Asked, others: Sequence[VariedSetting]) -> Remedy:
    pairs = tuple((first, second) for first, second, *_ in asked.pairs)
    change, reason, basis = asked.prefix + asked.change, "", Basis.PAIRS
    effects: tuple[Effect, ...] = ()
    if len(pairs) < ENOUGH_PAIRS:
        found = effects_of_regression(asked.trials, asked.ends, others)
        if isinstance(found, str):
            reason = f"since {found}, and no two differ in it alone"
        else:
            effects, basis = found, Basis.REGRESSION
    if not effects and not pairs:
        return Remedy(asked.name, asked.title, change, Help.CANNOT_SAY, reason=reason)
    if basis is Basis.PAIRS:
        effects = effects_of_pairs(report, pairs)
        steps = [step for step, _ in Counter(_step(before, after) for *_, before, after in asked.pairs).most_common()]
        change = asked.prefix + ", ".join(steps[:2]) + (", ..." if len(steps) > 2 else "")
        reason = "since the configurations that differ in it alone have no curves of several fits to judge by"
    verdict = _verdict(effects)
    return Remedy(
        name=asked.name,
        title=asked.title,
        change=change,
        verdict=verdict,
        reason=reason if verdict is Help.CANNOT_SAY else "",
        basis=basis,
        configurations=max((effect.configurations for effect in effects), default=0),
        effects=effects,
        pairs=pairs,
    )


def _verdict(effects: tuple[Effect, ...]) -> Help:
    best, severity = effect_on(BEST_VALUE, effects), effect_on(SEVERITY, effects)
    if best is None or best.estimate.low is None:
        return Help.CANNOT_SAY
    sign = best.estimate.sign_of_wider(STRICTER) or (severity.estimate.sign_of_wider(STRICTER) if severity else 0)
    return {-1: Help.HELPS, 0: Help.NO_SURE_EFFECT, 1: Help.HURTS}[sign]


def _step(first: Value, second: Value) -> str:
    return " → ".join(value if isinstance(value, str) else number_text(value, 3) for value in (first, second))
