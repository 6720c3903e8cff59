"""Which remedy against over-fitting works, from the recorded trials alone.

A tuner's configurations differ in many settings at once, so the one with dropout may be better for another reason.
Two honest ways remain: configurations that differ in the remedy alone (documented variants and grids have them), and a
regression over all configurations in which every other setting has its share. Where neither is possible the answer is
that this sweep cannot say.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipelines.exercises.configurations import SETTINGS
from pipelines.tracking.trials import Curves, Trial
from pipelines.words import counted, listed
from reports.analysis.bins import number_text
from reports.analysis.effects import (
    BEST_VALUE,
    GAP_FINAL,
    SEVERITY,
    Effect,
    effects_of_pairs,
    effects_of_regression,
)
from reports.analysis.matching import matched_sets
from reports.analysis.parameters import Parameter, Value, varied_parameters
from reports.report import Report

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
class PairDifference:
    """Two configurations that differ in a remedy alone.

    Attributes
    ----------
    first, second
        Without (or with less of) the remedy, and with it.
    change
        ``0 → 0.5``.
    effects
        What it does; with intervals where curves are there.
    """

    first: Trial
    second: Trial
    change: str
    effects: tuple[Effect, ...]


@dataclass(frozen=True, eq=False)
class Remedy:
    """A row of the table of remedies.

    Attributes
    ----------
    name, title
        The setting (``dropout``), and the remedy in words.
    change
        From where to where: ``dropout 0 → 0.5``; empty where the setting does not vary.
    basis, configurations
        What the effects rest on, and how many configurations.
    effects
        The best value first; empty where the sweep cannot say.
    pairs
        All matched pairs, whatever the basis.
    verdict
        In words.
    reason
        Why the sweep cannot say; empty where it can.
    """

    name: str
    title: str
    change: str
    basis: Basis
    configurations: int
    effects: tuple[Effect, ...]
    pairs: tuple[PairDifference, ...]
    verdict: Help
    reason: str = ""

    def effect(self, name: str) -> Effect | None:
        """The effect on a quantity, by its name; None where it is not known."""
        return next((effect for effect in self.effects if effect.name == name), None)

    def sentence(self, value_name: str) -> str:
        """The row in words; ``value_name`` is what the monitored metric is called."""
        if self.verdict is Help.CANNOT_SAY:
            return f"{_capital(self.title)}: this sweep cannot say, {self.reason}."
        names = (BEST_VALUE.name, SEVERITY.name, GAP_FINAL.name)
        shown = [effect for name in names if (effect := self.effect(name))]
        said = listed([f"{effect.name.replace(BEST_VALUE.name, value_name)} {effect.text}" for effect in shown])
        count = len(self.pairs)
        rests = counted(self.configurations, "configuration")
        if self.basis is Basis.PAIRS:
            rests += f", in {counted(count, 'pair')} that {'differs' if count == 1 else 'differ'} in it alone"
        else:
            rests += ", other settings held equal by a regression"
        return f"{_capital(self.title)} ({self.change}): {self.verdict}. It moves {said} ({rests})."


def remedies(report: Report, curves: Mapping[str, Curves] | None = None) -> tuple[Remedy, ...]:
    """A row for each remedy; for layer normalisation and schedules one for each kind that was tried.

    Parameters
    ----------
    curves
        Curves by run id, as far as they could be read: one or two pairs have an interval only with theirs.
    """
    parameters = varied_parameters(report)
    rows: list[Remedy] = []
    known = {name: of.remedy for name, of in SETTINGS.items() if of.remedy}
    for name, remedy in sorted(known.items(), key=lambda item: item[1].place):
        title, less = remedy.words, remedy.less
        parameter = next((parameter for parameter in parameters if parameter.name == name), None)
        if parameter is None:
            rows.append(_unknown(name, title, "", "since all configurations have the same"))
        elif parameter.numeric:
            rows.append(_numeric(report, parameter, title, less, parameters, curves or {}))
        else:
            rows += _words(report, parameter, title, parameters, curves or {})
    return tuple(rows)


def _numeric(
    report: Report,
    parameter: Parameter,
    title: str,
    less: bool,
    parameters: tuple[Parameter, ...],
    curves: Mapping[str, Curves],
) -> Remedy:
    """Compares the ends: of each matched set, and of the whole range."""
    trials = [trial for trial in report.ranked if trial.run_id in parameter.value_of]
    positions = [parameter.position(float(parameter.value_of[trial.run_id])) for trial in trials]
    low, high = min(positions, default=0.0), max(positions, default=0.0)
    if low == high:
        return _unknown(parameter.name, title, "", "since only one value of it has a result")
    values = [float(parameter.value_of[trial.run_id]) for trial in trials]
    ends = sorted({min(values), max(values)}, reverse=less)
    shares = [(position - low) / (high - low) for position in positions]
    chosen = []
    for found in matched_sets(report, parameter.name):
        first, second = sorted((min(found.trials, key=float), max(found.trials, key=float)), key=float, reverse=less)
        chosen.append((found.trials[first], found.trials[second], first, second))
    others = [other for other in parameters if other.name != parameter.name]
    return _remedy(
        report,
        (parameter.name, title, f"{parameter.title} ", _step(*ends)),
        chosen,
        (trials, [1 - share for share in shares] if less else shares, others),
        curves,
    )


def _words(
    report: Report, parameter: Parameter, title: str, parameters: tuple[Parameter, ...], curves: Mapping[str, Curves]
) -> list[Remedy]:
    """Compares each kind with having none."""
    without = str(SETTINGS[parameter.name].off)
    others = [other for other in parameters if other.name not in (parameter.name, "decay_rate")]
    rows = []
    for kind in sorted({str(value) for value in parameter.value_of.values()} - {without}):
        chosen: list[tuple[Trial, Trial, Value, Value]] = []
        for found in matched_sets(report, parameter.name):
            kinds = [value for value in found.trials if str(value).split(" ", maxsplit=1)[0] == kind]
            if without in found.trials and kinds:
                chosen.append((found.trials[without], found.trials[kinds[0]], without, kinds[0]))
        trials = [trial for trial in report.ranked if parameter.value_of.get(trial.run_id) in (without, kind)]
        shares = [float(parameter.value_of[trial.run_id] == kind) for trial in trials]
        words = (parameter.name, f"{title}: {kind.replace('_', ' ')}", "", _step(without, kind))
        rows.append(_remedy(report, words, chosen, (trials, shares, others), curves))
    return rows


def _remedy(
    report: Report,
    words: tuple[str, str, str, str],
    chosen: list[tuple[Trial, Trial, Value, Value]],
    regression: tuple[list[Trial], list[float], list[Parameter]],
    curves: Mapping[str, Curves],
) -> Remedy:
    """``words`` are the setting, the remedy, what comes before a change, and the change of the whole range."""
    name, title, prefix, change = words
    pairs = tuple(
        PairDifference(first, second, _step(a, b), effects_of_pairs(report, [(first, second)], curves))
        for first, second, a, b in chosen
    )
    reason = ""
    if len(pairs) < ENOUGH_PAIRS:
        found = effects_of_regression(*regression)
        if not isinstance(found, str):
            return Remedy(name, title, prefix + change, Basis.REGRESSION, _most(found), found, pairs, _verdict(found))
        reason = f"since {found}, and no two differ in it alone"
    if not pairs:
        return _unknown(name, title, prefix + change, reason)
    effects = effects_of_pairs(report, [(pair.first, pair.second) for pair in pairs], curves)
    steps = [step for step, _ in Counter(pair.change for pair in pairs).most_common()]
    label = prefix + ", ".join(steps[:2]) + (", ..." if len(steps) > 2 else "")
    verdict = _verdict(effects)
    if verdict is Help.CANNOT_SAY:
        reason = "since the configurations that differ in it alone have no curves of several fits to judge by"
    return Remedy(
        name,
        title,
        label,
        Basis.PAIRS,
        _most(effects),
        effects,
        pairs,
        verdict,
        reason if verdict is Help.CANNOT_SAY else "",
    )


def _verdict(effects: tuple[Effect, ...]) -> Help:
    by_name = {effect.name: effect.estimate for effect in effects}
    best, severity = by_name.get(BEST_VALUE.name), by_name.get(SEVERITY.name)
    if best is None or best.low is None:
        return Help.CANNOT_SAY
    sign = best.sign_of_wider(STRICTER) or (severity.sign_of_wider(STRICTER) if severity else 0)
    return {-1: Help.HELPS, 0: Help.NO_SURE_EFFECT, 1: Help.HURTS}[sign]


def _unknown(name: str, title: str, change: str, reason: str) -> Remedy:
    return Remedy(name, title, change, Basis.NONE, 0, (), (), Help.CANNOT_SAY, reason)


def _most(effects: tuple[Effect, ...]) -> int:
    return max((effect.configurations for effect in effects), default=0)


def _step(first: Value, second: Value) -> str:
    texts = [value if isinstance(value, str) else number_text(value, 3) for value in (first, second)]
    return " → ".join(texts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
