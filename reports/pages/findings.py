"""All that a report finds in a sweep beyond its ranking, and the answers of its first screen."""

from dataclasses import dataclass

from pipelines.words import counted, listed
from reports.analysis.comparing import ConfigurationComparison
from reports.analysis.importance import Importances, setting_importances
from reports.analysis.remedies import Help
from reports.charts import Chart, make_charts
from reports.formatting import capitalised
from reports.report import Report
from reports.tables.advice import Advice, find_advice
from reports.tables.by_setting import find_settings
from reports.tables.comparisons import basis, choice_sentences, find_differences, find_pairs, seed_note
from reports.tables.table import Table

#: Below this share of the variance that a forest predicts of configurations it has not seen, importances are not told.
TOLD = 0.3
#: A setting is named as what drives something from this share on.
NAMED = 0.15
#: A rule that gives away more percent of the loss than this is told of in its table only.
TELLING = 50.0
#: Trends told on the first screen.
TRENDS = 2


@dataclass(frozen=True)
class Answer:
    """A question that a reviewer has, and what this sweep answers."""

    #: ``question``, ``text``: a few words, and one to three sentences.
    question: str
    text: str
    section: str  #: where on the page the evidence is
    code: str = ""  #: a line of code that belongs to it; empty for none


@dataclass(frozen=True, eq=False)
class Findings:
    """What a report finds."""

    answers: tuple[Answer, ...]  #: for the first screen
    #: ``differences``, ``pairs``, ``settings``, ``advice``: tables; see the modules of those names.
    differences: Table | None
    pairs: Table | None
    settings: tuple[Table, ...]
    advice: Advice
    #: Sentences on what the importances of the settings rest on; empty with too few configurations.
    drivers: tuple[str, ...]
    charts: tuple[Chart, ...]  #: figures that have something to show, in the order of the page

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, in the order of the page."""
        advised = (self.advice.rules, self.advice.remedies, self.advice.data)
        return tuple(table for table in (self.differences, self.pairs, *self.settings, *advised) if table is not None)


def find(report: Report) -> Findings | None:
    """Everything there is to find; None where no trial has a result."""
    if not report.ranked:
        return None
    comparison, differences = find_differences(report)
    advice = find_advice(report)
    importances = setting_importances(report) or ()
    # Where the settings explain nothing, their shares are shares of nothing, and not drawn.
    shares = {
        found.target: {varied.name: share for varied, share in zip(found.settings, found.shares, strict=True)}
        for found in importances
        if _is_told(found)
    }
    settings = find_settings(report)
    answers = [
        _driving(importances, settings),
        _clearness(comparison, report) if comparison is not None and differences is not None else None,
        _stopping(advice),
        _helping(advice),
    ]
    return Findings(
        answers=tuple(answer for answer in answers if answer is not None),
        differences=differences,
        pairs=find_pairs(report),
        settings=settings,
        advice=advice,
        drivers=tuple(map(_basis_of, importances)),
        charts=make_charts(report, shares.get("best value"), shares.get("severity"), advice.size),
    )


def _driving(importances: tuple[Importances, ...], settings: tuple[Table, ...]) -> Answer | None:
    """What the settings have to do with over-fitting and with the value; where no importance tells, their trends."""
    trends = [sentence for table in settings for sentence in table.lead]
    if trends and not any(map(_is_told, importances)):
        return Answer("What drives it?", " ".join(trends[:TRENDS]), "settings")
    told = []
    for found in importances:
        what = "how far a configuration over-fits" if found.target == "severity" else "how good it gets"
        if not _is_told(found):
            told.append((found.target, f"no setting explains {what}"))
            continue
        named = [
            f"{varied.title} ({100 * share:.0f} %{' of what settings explain' if not number else ''})"
            for number, (varied, share) in enumerate(zip(found.settings, found.shares, strict=True))
            if share >= NAMED
        ][:3]
        if named:
            told.append((found.target, f"{what} depends most on {listed(named)}"))
    if not told:
        return None
    told.sort(key=lambda entry: entry[0] != "severity")
    text = "; ".join(sentence for _, sentence in told)
    return Answer("What drives it?", f"{capitalised(text)}.", "settings")


def _is_told(found: Importances) -> bool:
    return found.explained >= TOLD


def _basis_of(found: Importances) -> str:
    target = "The best value" if found.target == "best value" else "The severity"
    rests = f"a random forest over {counted(found.configurations, 'configuration')}"
    share = f"{100 * max(found.explained, 0):.0f} % of its variance between configurations that were not seen"
    nothing = "" if _is_told(found) else "; too little to say which setting matters"
    return f"{target}: {rests}; the settings predict {share}{nothing}."


def _clearness(comparison: ConfigurationComparison, report: Report) -> Answer:
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


def _stopping(advice: Advice) -> Answer | None:
    """The rule to use; none where percentages of values near zero say nothing."""
    rule = advice.rule
    if rule is None or rule.result.loss_percent is None or rule.result.loss_percent > TELLING:
        return None
    return Answer("When to stop?", rule.sentence, "advice", rule.code if rule.result.saved_share else "")


def _helping(advice: Advice) -> Answer | None:
    helping = {verdict: dict.fromkeys(title for title, of in advice.verdicts if of is verdict) for verdict in Help}
    verdicts = [f"{verdict}: {listed(list(titles))}" for verdict, titles in helping.items() if titles]
    text = "; ".join(verdicts)
    return Answer("What helps against it?", f"{capitalised(text)}.", "advice") if verdicts else None
