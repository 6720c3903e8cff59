"""The atlas in words and tables: for each setting what it changes by itself, and what of that is sure."""

from collections.abc import Callable
from statistics import median

from pipelines.words import counted, listed
from reports.analysis.atlas import Change, Plate, Step
from reports.analysis.fits import Estimate
from reports.analysis.remedies import STRICTER
from reports.formatting import (
    NONE,
    best_epoch,
    best_epoch_with_interval,
    capitalised,
    number,
    onset_with_interval,
    percent,
    rise_with_interval,
    signed,
)
from reports.report import Report, point_of
from reports.tables.configurations import verdict_words
from reports.tables.table import Cell, Column, Heading, Show, Table, table

#: What the columns of changes are.
NOTE = (
    "Changes are means over paired fits, with 95 % intervals; those of best epochs come from a bootstrap that draws "
    "the same fits for both. Surely different asks for more: a 99 % interval, too, would leave out 0, since many "
    "differences are looked at."
)
#: Changes of values below this are not told as shares.
MEANINGFUL = 1e-6
#: More of a setting, in words, and whether these are plural.
_MORE = {
    "units": ("more units", True),
    "depth": ("more hidden layers", True),
    "learning_rate": ("a larger learning rate", False),
    "batch_size": ("larger batches", True),
    "dropout": ("more dropout", False),
    "l2": ("a larger L2 penalty", False),
    "train_fraction": ("more training rows", True),
}


def atlas_table(report: Report, plate: Plate) -> Table:
    """The table of a plate: a row for each value, and what it changes against the baseline."""

    def changes(title: str, hint: str, field: str, show: Show) -> Column[Step]:
        def cell(step: Step) -> Cell:
            estimate: Estimate | None = getattr(step.change, field, None)
            if step.change is None or estimate is None:
                return Cell("baseline" if step.change is None else NONE)
            bound = {1: "≥ ", -1: "≤ ", 0: ""}[step.change.beyond] if field == "epoch" else ""
            return Cell(bound + _with_ends(estimate, show), estimate.value)

        return Column(Heading(title, hint), cell)

    before = point_of(plate.baseline.trial).best_value
    # Of a value that is nearly zero a share says nothing.
    in_percent = before is not None and abs(before) > MEANINGFUL

    def show_value(value: float | None) -> str:
        return percent(value / before) if in_percent and before and value is not None else signed(value)

    columns: list[Column[Step]] = [
        Column(
            Heading(plate.title, numeric=plate.numeric),
            lambda step: Cell(step.label, None if isinstance(step.value, str) else float(step.value)),
        ),
        Column(
            Heading(report.value_name, "mean over its fits at the best epoch"),
            lambda step: Cell(number(point_of(step.trial).best_value), point_of(step.trial).best_value),
        ),
        Column(
            Heading("best epoch", "with its 95 % interval"),
            lambda step: Cell(best_epoch_with_interval(point_of(step.trial)), point_of(step.trial).best_epoch),
        ),
        Column(
            Heading("onset", "of over-fitting, with its 95 % interval"),
            lambda step: Cell(onset_with_interval(point_of(step.trial)), point_of(step.trial).onset),
        ),
        Column(
            Heading("rise at the end", "of the curve over its best, with its 90 % interval"),
            lambda step: Cell(rise_with_interval(point_of(step.trial)), point_of(step.trial).severity),
        ),
        Column(Heading("verdict", numeric=False), lambda step: Cell(verdict_words(point_of(step.trial)))),
        changes(f"change of {report.value_name}", "against the baseline, with its 95 % interval", "value", show_value),
        changes("change of best epoch", "in epochs, with its 95 % interval", "epoch", _whole_signed),
        changes("change of the rise", "in percentage points, with its 95 % interval", "rise", _points),
        Column(
            Heading("surely different in", "so sure that 99 % intervals would leave out 0", numeric=False, wraps=True),
            lambda step: Cell(NONE if step.change is None else listed(_named(report, step.change)) or "nothing"),
        ),
    ]
    sentences = plate_sentences(report, plate)
    return table(f"atlas_{plate.name}", capitalised(plate.title), columns, plate.steps, lead=sentences)


def plate_sentences(report: Report, plate: Plate) -> tuple[str, ...]:
    """What a plate shows for sure, a sentence each; where it shows nothing, what it could have shown."""
    found = (
        trend_sentence(plate),
        "" if plate.follows_epoch else _moved_sentence(plate),
        _value_sentence(report, plate),
    )
    sentences = tuple(sentence for sentence in found if sentence)
    return sentences or (_nothing_sentence(report, plate),)


def trend_sentence(plate: Plate) -> str:
    """``More units over-fit earlier: the best epoch falls from 60 with 4 to 16 with 256``; empty where it is not so."""
    if not plate.follows_epoch or plate.whole is None:
        return ""
    more, plural = more_words(plate)
    rises = plate.whole.epoch_sign > 0
    over_fits = any(point_of(step.trial).onset is not None for step in plate.steps)
    verb = ("over-fit" if plural else "over-fits") if over_fits else ("turn" if plural else "turns")
    ends = [f"{best_epoch(point_of(step.trial))} with {step.label}" for step in (plate.steps[0], plate.steps[-1])]
    when = "later" if rises else "earlier"
    moves = "rises" if rises else "falls"
    return f"{capitalised(more)} {verb} {when}: the best epoch {moves} from {ends[0]} to {ends[1]}."


def more_words(plate: Plate) -> tuple[str, bool]:
    """More of a setting of numbers, ``more units``, and whether that is plural."""
    return _MORE.get(plate.name, (f"a larger {plate.title}", False))


def value_change_words(plate: Plate, step: Step) -> str:
    """How far the value moves against the baseline's: ``−44 %``."""
    before = point_of(plate.baseline.trial).best_value
    if step.change is None or step.change.value is None or not before:
        return ""
    return percent(step.change.value.value / before)


def rests_on_pairs(report: Report) -> str:
    """What every comparison of the atlas rests on."""
    best = report.best
    point = point_of(best) if best else None
    if point is None:
        return ""
    folds = counted(point.folds, "fold") if point.folds > 1 else "a hold-out"
    return f"{counted(point.fits, 'paired fit')} each ({folds}, {counted(point.repeats, 'seed')})"


def _moved_sentence(plate: Plate) -> str:
    parts = _sure_steps(
        plate,
        lambda change: change.epoch_sign,
        lambda step: best_epoch(point_of(step.trial)),
        words=("earlier", "later"),
    )
    base = f"{best_epoch(point_of(plate.baseline.trial))} with {plate.baseline.label}"
    return f"The best epoch, {base}, surely comes {' and '.join(parts)}." if parts else ""


def _value_sentence(report: Report, plate: Plate) -> str:
    parts = _sure_steps(
        plate,
        lambda change: change.value_sign,
        lambda step: value_change_words(plate, step),
        words=("surely lower", "surely higher"),
    )
    base = f"{number(point_of(plate.baseline.trial).best_value)} with {plate.baseline.label}"
    return f"{report.value_name}, {base}, is {' and '.join(parts)}." if parts else ""


def _sure_steps(
    plate: Plate, sign_of: Callable[[Change], int], show: Callable[[Step], str], *, words: tuple[str, str]
) -> list[str]:
    """``earlier with 64 (19) and 256 (16)``: the steps that surely go down, then those that go up, each shown."""
    parts = []
    for sign, word in zip((-1, 1), words, strict=True):
        moved = [f"{step.label} ({show(step)})" for step, change in plate.others if sign_of(change) == sign]
        if moved:
            parts.append(f"{word} with {listed(moved)}")
    return parts


def _nothing_sentence(report: Report, plate: Plate) -> str:
    before = point_of(plate.baseline.trial).best_value
    halves = [
        STRICTER * (change.value.high - change.value.value)
        for _, change in plate.others
        if change.value is not None and change.value.high is not None
    ]
    seen = ""
    if halves and before:
        least = 100 * median(halves) / abs(before)
        seen = f" A change of {report.value_name} by less than about {least:.2g} % would not be seen here."
    return f"Nothing changes for sure.{seen}"


def _named(report: Report, change: Change) -> list[str]:
    return [report.value_name if what == "value" else what for what in change.sure_of]


def _with_ends(estimate: Estimate, show: Show) -> str:
    if estimate.low is None or estimate.high is None:
        return show(estimate.value)
    value, low, high = (show(end).removesuffix(" %") for end in (estimate.value, estimate.low, estimate.high))
    unit = " %" if show(estimate.high).endswith(" %") else ""
    return f"{value}{unit} [{low}, {high}]"


def _whole_signed(value: float | None) -> str:
    return NONE if value is None else f"{value:+.0f}" if value else "0"


def _points(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:+.0f}" if round(100 * share) else "0"
