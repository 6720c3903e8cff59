"""What a report says of the data: how the file was read, what was left out, what may be wrong, shares of classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.tracking.sweeps import DataFacts
from pipelines.words import counted
from reports.tables.table import Cell, Column, Heading, Table, table

#: Headings of the details that a data set may have, in their order; others go by their own name, behind these.
_HEADINGS = {
    "read": "Read as",
    "task": "Predicted",
    "left out": "Left out",
    "imputed": "Filled in",
    "dropped": "Dropped",
    "test": "Test rows",
}
#: Told in a section of its own.
_ELSEWHERE = ("logged",)
#: Classes that are shown, the most frequent first.
_MOST_CLASSES = 12


@dataclass(frozen=True)
class DataSection:
    """What there is to say of the data of a sweep; every part may be empty.

    Attributes
    ----------
    warnings
        What may be wrong, a sentence each.
    facts
        Pairs of a heading and a text.
    shares
        Table of the classes, with the share of the training rows as the value of the second column, from 0 to 1.
    """

    warnings: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    shares: Table | None


def data_section(data: DataFacts) -> DataSection:
    """What a report says of these data."""
    known = [name for name in _HEADINGS if name in data.details]
    names = [*known, *(name for name in data.details if name not in (*_HEADINGS, *_ELSEWHERE))]
    facts = ((_HEADINGS.get(name, name.capitalize()), str(data.details[name])) for name in names)
    return DataSection(tuple(data.warnings), tuple(fact for fact in facts if fact[1]), _shares(data))


def _shares(data: DataFacts) -> Table | None:
    ordered = sorted(data.class_shares.items(), key=lambda item: -item[1])
    if not ordered:
        return None
    shown, rest = ordered[:_MOST_CLASSES], ordered[_MOST_CLASSES:]
    columns: list[Column[tuple[str, float]]] = [
        Column(Heading("class", numeric=False), lambda item: Cell(item[0])),
        Column(Heading("share", "Share of the training rows"), lambda item: Cell(_percent(item[1]), item[1])),
        Column(Heading("rows", "Training rows"), lambda item: _rows(data, item[1])),
    ]
    return table("classes", "Shares of the classes", columns, shown, lead=(_majority(ordered),), notes=_left(rest))


def _rows(data: DataFacts, part: float) -> Cell:
    rows = round(part * (data.samples or 0))
    return Cell(f"{rows:,}", rows) if data.samples else Cell("")


def _majority(ordered: Sequence[tuple[str, float]]) -> str:
    name, most = ordered[0]
    return f"Saying {name!r} of every row would be right in {_percent(most)} of them."


def _left(rest: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    if not rest:
        return ()
    return (f"{counted(len(rest), 'more class', 'more classes')}, each with {_percent(rest[0][1])} or less.",)


def _percent(part: float) -> str:
    """A share to three digits: a rare class is worth one after the point."""
    return f"{100 * part:.3g} %"
