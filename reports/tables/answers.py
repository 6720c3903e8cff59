"""The answers of the first screen: each question of a reader, what this sweep says to it, and what that rests on.

Pairs of configurations that differ in one setting alone come first, then what a tuner's trials leave: trends, a
regression, a random forest. An answer names which of them it rests on. What is not sure is not claimed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.trials import Trial
from pipelines.words import counted, listed
from reports.analysis.atlas import Change, Plate, Step
from reports.analysis.comparing import ConfigurationComparison
from reports.analysis.importance import Importances
from reports.analysis.remedies import Help
from reports.formatting import best_epoch, capitalised, last_seen, percent, share
from reports.report import Report, point_of
from reports.tables.advice import Advice
from reports.tables.atlas import more_words, rests_on_pairs, value_change_words
from reports.tables.comparisons import basis, choice_sentences, seed_note
from reports.tables.table import Table

#: Below this share of the variance that a forest predicts of configurations it has not seen, importances are not told.
TOLD = 0.3
#: A setting is named as what drives something from this share on.
NAMED = 0.15
#: A rule that gives away more percent of the loss than this is told of in its table only.
TELLING = 50.0
#: Trends, and settings of the atlas, that are told on the first screen.
TRENDS, DRIVERS = 2, 4


@dataclass(frozen=True)
class Answer:
    """A question that a reader has, and what this sweep answers."""

    #: ``question``, ``text``: a few words, and one to three sentences.
    question: str
    text: str
    section: str  #: where on the page the evidence is
    code: str = ""  #: a line of code that belongs to it; empty for none


def when_it_overfits(report: Report) -> Answer | None:
    """Of the baseline, which nobody picked for not doing it; without its result of the best."""
    trial = report.baseline or report.best
    if trial is None:
        return None
    who = "The baseline" if trial is report.baseline else "The chosen configuration"
    return Answer("When does it over-fit?", verdict_sentence(report, trial, who), "points")


def verdict_sentence(report: Report, trial: Trial, who: str) -> str:
    """What became of a configuration, with the numbers that its verdict rests on; where it is open, what decides."""
    point = point_of(trial)
    ends = f"after {counted(point.epochs, 'epoch')} its {report.value_name} ends {_rise_words(point)}"
    match point.verdict:
        case Verdict.OVERFITS:
            between = "" if point.onset_low is None else f" (95 % interval {point.onset_low} to {point.onset_high})"
            return (
                f"{who} is at its best in epoch {best_epoch(point)} and over-fits from epoch {point.onset} on"
                f"{between}; {ends}."
            )
        case Verdict.STILL_IMPROVING:
            return f"{who} was still improving after {counted(point.epochs, 'epoch')}: only a longer training can tell."
        case Verdict.PLATEAU:
            return f"{who} does not over-fit in {counted(point.epochs, 'epoch')}: {ends}."
        case _:
            return f"{who} may over-fit, but it is not sure: {ends}. {_deciding_words(point)}"


def what_drives_it(
    report: Report, plates: Sequence[Plate], importances: tuple[Importances, ...], settings: tuple[Table, ...]
) -> Answer:
    """What moves the best epoch, and how good a network gets: by pairs, else by trends, else by a forest."""
    question = "What drives it?"
    if moved := sorted(filter(None, map(_movement, plates)), key=lambda of: -of.strength)[:DRIVERS]:
        parts = [
            f"{when} with {listed([of.words for of in moved if of.later is later])}"
            for later, when in ((False, "earlier"), (True, "later"))
            if any(of.later is later for of in moved)
        ]
        text = f"Best epochs come {'; '.join(parts)}. {_pairs_note(report)}"
        return Answer(question, text, "atlas")
    trends = [sentence for table in settings for sentence in table.lead]
    if trends and not any(map(is_told, importances)):
        return Answer(question, " ".join(trends[:TRENDS]), "settings")
    told = [_forest_words(found) for found in sorted(importances, key=lambda of: of.target != "severity")]
    if any(told):
        count = max(found.configurations for found in importances)
        text = f"{capitalised('; '.join(filter(None, told)))}, by a random forest over {count} configurations."
        return Answer(question, text, "settings")
    nothing = (
        f"None of the {counted(len(plates), 'setting')} that was changed alone moves the best epoch for sure."
        if plates
        else "These trials cannot tell: hardly any two differ in one setting alone."
    )
    what = "Runs that differ in one setting" if report.read_from_logs else "A sweep with design=one_at_a_time"
    wanted = "More repeats would show smaller effects." if plates else f"{what} would."
    return Answer(question, f"{nothing} {wanted}", "atlas" if plates else "configurations")


def is_told(found: Importances) -> bool:
    """Whether a forest predicts enough for its importances to be told."""
    return found.explained >= TOLD


def how_clear(comparison: ConfigurationComparison, report: Report) -> Answer:
    """How clear the choice is, in fewer words than where the evidence is."""
    question, section = "How clear is the choice?", "differences"
    first = comparison.pairs[0]
    if first.p is None:
        return Answer(question, " ".join(choice_sentences(comparison, report)), section)
    compared = len(comparison.pairs)
    beaten = compared + 1 - len(comparison.not_surely_worse)
    if compared == 1:
        who = f"{'S' if beaten else 'Not s'}urely better than the one configuration"
    else:
        who = f"{f'Surely better than {beaten}' if beaten else 'Not surely better than any'} of the {compared}"
        who += " configurations"
    text = f"{who} ranked next ({basis(first.folds, first.repeats)} each)."
    simplest = comparison.simplest_equal
    if simplest is not None and simplest != comparison.best:
        sizes = {trial.run_id: trial.parameters for trial in report.ranked}
        text += (
            f" More likely than not as good, and simpler: {report.labels[simplest]}, with "
            f"{counted(sizes[simplest] or 0, 'parameter')} against {sizes[comparison.best]:,}."
        )
    return Answer(question, f"{text} {seed_note(first.repeats)}".strip(), section)


def when_to_stop(advice: Advice) -> Answer | None:
    """The rule to use; none where percentages of values near zero say nothing."""
    rule = advice.rule
    if rule is None or rule.result.loss_percent is None or rule.result.loss_percent > TELLING:
        return None
    return Answer("When to stop?", rule.sentence, "advice", rule.code if rule.result.saved_share else "")


def what_helps(report: Report, plates: Sequence[Plate], advice: Advice) -> Answer | None:
    """Which remedy works: by the atlas' pairs where it has them, else by other pairs or a regression."""
    verdicts: dict[Help, list[str]] = {verdict: [] for verdict in Help}
    of_plates = {plate.name: found for plate in plates if (found := _remedy_of(report, plate))}
    for verdict, words in of_plates.values():
        verdicts[verdict].append(words)
    titles = {known.words for name in of_plates if (known := report.setting(name).remedy)}
    others = {title: verdict for title, verdict in advice.verdicts if title not in titles}
    by_pairs = [f"{verdict}: {listed(words)}" for verdict, words in verdicts.items() if words]
    by_tuner = [
        f"{verdict}: {listed([title for title, own in others.items() if own is verdict])}"
        for verdict in Help
        if verdict in others.values()
    ]
    texts = []
    if by_pairs:
        more = "" if verdicts[Help.HELPS] else " More repeats would show smaller effects."
        texts.append(f"{capitalised('; '.join(by_pairs))}. {_pairs_note(report)}{more}")
    if by_tuner:
        rest = "By the trials of the tuner: " if by_pairs else ""
        texts.append(f"{rest}{capitalised('; '.join(by_tuner)) if not rest else '; '.join(by_tuner)}.")
    return Answer("What helps against it?", " ".join(texts), "atlas" if by_pairs else "advice") if texts else None


class _Movement(NamedTuple):
    """What moves the best epoch: in words, whether later as the setting grows, and by how much on a log scale."""

    words: str
    later: bool
    strength: float


def _movement(plate: Plate) -> _Movement | None:
    if plate.follows_epoch and plate.whole is not None:
        first, last = plate.steps[0], plate.steps[-1]
        words = f"{more_words(plate)[0]} ({_at(first)}, {_at(last)})"
        return _Movement(words, plate.whole.epoch_sign > 0, _ratio(first, last))
    moved = [(step, change) for step, change in plate.others if change.epoch_sign]
    if not moved:
        return None
    step, change = max(moved, key=lambda pair: _ratio(plate.baseline, pair[0]))
    epochs = [best_epoch(point_of(of.trial)) for of in (step, plate.baseline)]
    words = f"{_instead(plate, step)} ({epochs[0]} instead of {epochs[1]})"
    return _Movement(words, change.epoch_sign > 0, _ratio(plate.baseline, step))


def _instead(plate: Plate, step: Step) -> str:
    if plate.numeric:
        return f"{plate.title} {step.label} instead of {plate.baseline.label}"
    what = "" if plate.name in ("activation", "optimizer") else f"{plate.title} "
    return f"{what}{step.label} instead of {plate.baseline.label}"


def _at(step: Step) -> str:
    return f"{best_epoch(point_of(step.trial))} with {step.label}"


def _ratio(first: Step, second: Step) -> float:
    epochs = [last_seen(point_of(step.trial))[0] for step in (first, second)]
    return abs(math.log(epochs[1] / epochs[0]))


def _remedy_of(report: Report, plate: Plate) -> tuple[Help, str] | None:
    """What a plate says of its setting as a remedy: the best that any step on the remedy's side does."""
    remedy = report.setting(plate.name).remedy
    if remedy is None:
        return None
    base = plate.steps.index(plate.baseline)
    side = plate.steps[:base] if remedy.less else plate.steps[base + 1 :]
    steps = [(step, step.change) for step in side if step.change is not None]
    found = [(_help(change), step, change) for step, change in steps]
    if not found:
        return None
    order = (Help.HELPS, Help.NO_SURE_EFFECT, Help.HURTS, Help.CANNOT_SAY)
    verdict, step, _ = min(found, key=lambda of: (order.index(of[0]), of[2].value.value if of[2].value else 0.0))
    return verdict, f"{remedy.words}{_effect_words(report, plate, step, verdict)}"


def _help(change: Change) -> Help:
    if change.value is None or change.value.low is None:
        return Help.CANNOT_SAY
    sign = change.value_sign or change.rise_sign
    return {-1: Help.HELPS, 0: Help.NO_SURE_EFFECT, 1: Help.HURTS}[sign]


def _effect_words(report: Report, plate: Plate, step: Step, verdict: Help) -> str:
    change = step.change
    if verdict not in (Help.HELPS, Help.HURTS) or change is None:
        return ""
    moved = f"{report.value_name} {value_change_words(plate, step)}" if change.value_sign else ""
    if not moved and change.rise is not None:
        moved = (
            f"{abs(100 * change.rise.value):.0f} points {'less' if change.rise.value < 0 else 'more'} rise at the end"
        )
    return f" ({step.label} instead of {plate.baseline.label}: {moved})"


def _pairs_note(report: Report) -> str:
    return f"From pairs that differ in one setting alone, {rests_on_pairs(report)}."


def _forest_words(found: Importances) -> str:
    what = "how far a configuration over-fits" if found.target == "severity" else "how good it gets"
    if not is_told(found):
        return ""
    named = [
        f"{varied.title} ({share(part)}{'' if number else ' of what settings explain'})"
        for number, (varied, part) in enumerate(
            (varied, part)
            for varied, part in zip(found.settings, found.shares, strict=True)
            if part >= NAMED and varied.name not in found.doubts
        )
    ][:3]
    return f"{what} depends most on {listed(named)}" if named else ""


def _rise_words(point: OverfittingPoint) -> str:
    """``10 % above its best (90 % interval +1 to +20 %)``."""
    if point.severity is None:
        return "near zero"
    over = "at its best" if not round(100 * point.severity) else f"{percent(abs(point.severity))[1:]} above its best"
    if point.severity < 0 and round(100 * point.severity):
        over = f"{percent(abs(point.severity))[1:]} below it"
    if point.severity_low is None or point.severity_high is None:
        return over
    return f"{over} (90 % interval {100 * point.severity_low:+.0f} to {100 * point.severity_high:+.0f} %)"


def _deciding_words(point: OverfittingPoint) -> str:
    wanted = point.repeats_to_decide
    if (point.severity_low or 0.0) > 0:
        return "The end lies above the best for sure, but not for long enough: only a longer training can tell."
    if wanted is None:
        return "More repeats would not decide it, more folds or rows may."
    return f"{counted(wanted - point.repeats, 'more repeat')} would decide it, if the rise stays as it is."
