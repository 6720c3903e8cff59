"""What to do about over-fitting, from the recorded curves alone: when to stop, which remedy works, more data or not."""

from dataclasses import dataclass
from functools import partial

from pipelines.words import counted
from reports.analysis.data_size import DataSize, SizePoint, data_size
from reports.analysis.effects import BEST_VALUE, GAP_BEST, ONSET, QUANTITIES, Quantity, effect_on
from reports.analysis.fits import Estimate
from reports.analysis.remedies import Help, Remedy, remedies
from reports.analysis.stopping import COMMON_BEST, TOLERANCE, Replay, RuleResult, chosen_rule, replay_rules
from reports.formatting import NONE, number, share, signed, whole
from reports.report import Report
from reports.tables.table import Cell, Column, Heading, Show, Table, number_column, table

#: Losses and metrics that Keras' ``compile`` knows by these names; ``val_loss`` is always there.
KERAS_METRICS = ("mae", "mse")


@dataclass(frozen=True)
class Recommendation:
    """The rule to use and what it costs and saves, the line of Keras code, why this one, and what to know about it."""

    result: RuleResult
    code: str
    sentence: str
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Advice:
    """What to do about over-fitting, and the tables behind it; None where there is nothing to say.

    ``rule`` is the early-stopping rule to use, ``verdicts`` has the title of each remedy that the sweep can speak of
    and what it does, ``size`` what the number of training rows does.
    """

    rule: Recommendation | None
    verdicts: tuple[tuple[str, Help], ...]
    rules: Table | None
    remedies: Table | None
    data: Table | None
    size: DataSize | None


def find_advice(report: Report) -> Advice:
    """All advice that the recorded trials give."""
    replay = replay_rules(report)
    size = data_size(report)
    rule = recommend(replay)
    found = remedies(report)
    return Advice(
        rule=rule,
        verdicts=tuple((remedy.title, remedy.verdict) for remedy in found if remedy.verdict is not Help.CANNOT_SAY),
        rules=_rules(replay, rule) if replay.results else None,
        remedies=_remedies(report, found),
        data=_data(report, size) if size else None,
        size=size,
    )


def recommend(replay: Replay) -> Recommendation | None:
    """The rule to use, as ``chosen_rule`` has it, in words; None where there is none."""
    if (found := chosen_rule(replay)) is None:
        return None
    chosen, loss, least = found
    keras_monitor, monitor_note = _keras_monitor(replay.monitor)
    code = f'keras.callbacks.EarlyStopping(monitor="{keras_monitor}", {chosen.rule.arguments})'
    notes = (_choice_note(loss, least), _common_best_note(replay, loss), monitor_note, *replay_notes(replay))
    return Recommendation(chosen, code, _what_to_do(chosen, loss), tuple(filter(None, notes)))


def replay_notes(replay: Replay) -> tuple[str, ...]:
    """What the table of rules rests on, and what its numbers cannot tell; a sentence each."""
    total = replay.configurations
    notes = [f"Replayed on {counted(replay.fits, 'recorded curve')} of {counted(total, 'configuration')}."]
    if improving := replay.still_improving:
        who = "The only configuration" if total == 1 else f"{improving} of {counted(total, 'configuration')}"
        notes.append(
            f"{who} {'was' if improving == 1 else 'were'} still improving at the last epoch: their true best is not "
            "known, so what rules give away there is at least what is counted."
        )
    if few := replay.negligible:
        notes.append(
            f"{counted(few, 'configuration')} with a best value of nearly 0 {'is' if few == 1 else 'are'} left out of "
            "the loss given away: no percentage of that means anything."
        )
    if missing := replay.left_out:
        notes.append(f"The curves of {counted(missing, 'configuration')} are not there.")
    return tuple(notes)


def _rules(replay: Replay, rule: Recommendation | None) -> Table:
    def name(result: RuleResult) -> Cell:
        chosen = " ← recommended" if rule is not None and result is rule.result else ""
        return Cell(f"{result.rule.name}{chosen}")

    columns: list[Column[RuleResult]] = [
        Column(Heading("rule", numeric=False, wraps=True), name),
        Column(Heading("kind", numeric=False, printed=False), lambda result: Cell(result.rule.family)),
        number_column(
            Heading("loss given away", "value at the kept epoch over the fit's own lowest"),
            lambda result: result.loss_percent,
            _percents,
        ),
        number_column(
            Heading("± between configurations", "percentage points"),
            lambda result: result.loss_percent_sd,
            partial(number, digits=2),
        ),
        number_column(
            Heading("epochs saved", "of those trained, mean over configurations"),
            lambda result: result.saved_share,
            share,
        ),
        number_column(Heading("fits stopped", "before the last epoch"), lambda result: result.stopped_share, share),
    ]
    notes = (
        *(rule.notes if rule else ()),
        "A fit's own lowest value is partly the luck of its validation rows, which a rule that restores the best "
        "weights shares: rules of one kind compare fairly, the last percent between kinds says nothing.",
    )
    lead = (rule.sentence,) if rule else ()
    return table("stopping_rules", "Early-stopping rules, replayed", columns, replay.results, lead=lead, notes=notes)


def _remedies(report: Report, found: tuple[Remedy, ...]) -> Table | None:
    known = [remedy for remedy in found if remedy.verdict is not Help.CANNOT_SAY]
    cannot = [remedy.sentence(report.value_name) for remedy in found if remedy.verdict is Help.CANNOT_SAY]
    if not known:
        return None

    def effect(quantity: Quantity) -> Column[Remedy]:
        def cell(remedy: Remedy) -> Cell:
            moved = effect_on(quantity, remedy.effects)
            if moved is None:
                return Cell(NONE)
            return Cell(moved.text, moved.estimate.value, counted(moved.configurations, "configuration"))

        title = f"{report.value_name} at its best" if quantity is BEST_VALUE else quantity.name
        return Column(Heading(title, printed=quantity not in (ONSET, GAP_BEST)), cell)

    columns: list[Column[Remedy]] = [
        Column(
            Heading("remedy", numeric=False, wraps=True),
            lambda remedy: Cell(remedy.change, hint=remedy.sentence(report.value_name)),
        ),
        Column(Heading("verdict", numeric=False), lambda remedy: Cell(str(remedy.verdict))),
        *map(effect, QUANTITIES),
        Column(
            Heading("rests on", numeric=False, printed=False),
            lambda remedy: Cell(
                counted(len(remedy.pairs), "pair") if "pairs" in remedy.basis else "regression", hint=str(remedy.basis)
            ),
        ),
        Column(Heading("configurations"), lambda remedy: Cell(str(remedy.configurations), remedy.configurations)),
    ]
    notes = [
        "Changes with 95 % intervals; lower is better throughout, but for the epochs. Pairs are configurations that "
        "differ in the remedy alone; where there are too few, a regression over all configurations holds the other "
        "settings equal. A verdict asks for more than an interval beside zero, since several remedies are looked at.",
        *cannot,
    ]
    return table("remedies", "Which remedy works", columns, known, notes=notes)


def _data(report: Report, size: DataSize) -> Table:
    columns: list[Column[SizePoint]] = [
        Column(Heading("training rows", "share of them"), lambda point: Cell(point.label, point.fraction)),
        number_column(Heading("rows a fold"), lambda point: point.rows, whole),
        Column(Heading("configurations"), lambda point: Cell(str(point.configurations), point.configurations)),
        Column(Heading(f"{report.value_name}, 95 % band"), lambda point: _estimate(point.value, number)),
        Column(Heading("gap at best, 95 % band"), lambda point: _estimate(point.gap, signed)),
    ]
    rests = (
        f"Means over {counted(size.sets, 'set')} of configurations that are equal but for the number of rows."
        if size.sets
        else "No configuration was trained on all sizes: each row is the best found at its size, which also depends on "
        "how many were tried there."
    )
    return table("data_size", "Would more data help?", columns, size.points, lead=(size.sentence,), notes=(rests,))


def _estimate(estimate: Estimate | None, show: Show) -> Cell:
    if estimate is None:
        return Cell(NONE)
    band = "" if estimate.low is None else f" [{show(estimate.low)}, {show(estimate.high)}]"
    return Cell(f"{show(estimate.value)}{band}", estimate.value)


def _percents(value: float | None) -> str:
    return NONE if value is None else f"{number(value, 2)} %"


def _keras_monitor(monitor: str) -> tuple[str, str]:
    """What Keras calls the monitored curve, and what to say where that needs saying."""
    name = monitor.removeprefix("val_")
    if name == "loss":
        return monitor, ""
    if name in KERAS_METRICS:
        return monitor, f'The line needs metrics=["{name}"] in compile.'
    return "val_loss", (
        f"Keras has no curve called {monitor}; val_loss, which the line watches, is the same where {name} is the loss."
    )


def _common_best_note(replay: Replay, loss: float) -> str:
    """Says where the epoch that this project recommends does better by more than the tolerance; else empty."""
    common = next((result for result in replay.results if result.rule.name == COMMON_BEST), None)
    if common is None or common.loss_percent is None or common.loss_percent >= loss - TOLERANCE:
        return ""
    return (
        "Training every fit for the best epoch of the mean curve, as this report recommends, gives away less: "
        f"{number(common.loss_percent, 2)} %, with {number(100 * common.saved_share, 2)} % of the epochs saved."
    )


def _what_to_do(chosen: RuleResult, loss: float) -> str:
    if not chosen.saved_share:
        return "None of Keras' rules that give away little would have stopped a single fit: train to the end."
    by = f" by {chosen.rule.min_delta:g}" if chosen.rule.min_delta else ""
    return (
        f"Stop once the validation curve has not improved{by} for {counted(chosen.rule.patience, 'epoch')}, and keep "
        f"the best weights. That saves {share(chosen.saved_share)} of the epochs and costs {number(loss, 2)} % of the "
        "loss."
    )


def _choice_note(loss: float, least: float) -> str:
    """Why this rule: what it is compared with."""
    within = f"within {TOLERANCE:g} percentage point"
    what = "The loss that a rule costs is counted against each fit's own best epoch."
    if loss == least:
        return f"{what} None of Keras' rules costs less, and none {within} saves more epochs."
    return (
        f"{what} The most careful of Keras' rules costs {number(least, 2)} %; {within} of it this one saves the most."
    )
