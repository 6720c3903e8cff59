"""A table as page, Markdown, CSV and LaTeX show it: headings, cells with a text and a value, sentences around it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pipelines.overfitting.point import OverfittingPoint
from reports.formatting import NONE

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row")


@dataclass(frozen=True)
class Cell:
    """What stands in a cell.

    Attributes
    ----------
    text
        As it is shown.
    value
        What the column is sorted by, and what CSV files hold; None for the text itself.
    hint
        For a pointer that rests on the cell.
    """

    text: str
    value: float | None = None
    hint: str = ""


@dataclass(frozen=True)
class Heading:
    """A column's heading.

    Attributes
    ----------
    title, hint
        Its words, and what they mean, for a pointer that rests on them.
    numeric
        Whether its cells are numbers: set to the right, and sorted as such.
    printed
        Whether the column is in the LaTeX table, which has a page's width only.
    wraps
        Whether its texts may be broken into lines.
    """

    title: str
    hint: str = ""
    numeric: bool = True
    printed: bool = True
    wraps: bool = False


@dataclass(frozen=True)
class Table:
    """A table with what is said of it.

    Attributes
    ----------
    name, title
        Its files' name, and its heading.
    headings, rows
        Rows have a cell a heading; the first one names the row.
    lead
        Sentences above it: what it shows.
    notes
        Sentences below it: what it rests on, and what it cannot tell.
    """

    name: str
    title: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    lead: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Column(Generic[Row]):
    """A column of a table under construction: its heading, and the cell of a row."""

    heading: Heading
    cell: Callable[[Row], Cell]


def table(
    name: str,
    title: str,
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    *,
    lead: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Table:
    """A table of rows of any kind; columns that would be empty throughout are left out."""
    kept = [column for column in columns if any(column.cell(row).text not in ("", NONE) for row in rows)]
    cells = tuple(tuple(column.cell(row) for column in kept) for row in rows)
    return Table(name, title, tuple(column.heading for column in kept), cells, tuple(lead), tuple(notes))


def number_cell(value: float | None, show: Callable[[float | None], str], hint: str = "") -> Cell:
    """A number as ``show`` writes it."""
    return Cell(show(value), value, hint)


def epoch_cell(point: OverfittingPoint | None, show: Callable[[OverfittingPoint], str]) -> Cell:
    """Something of a best epoch, sorted by it."""
    return Cell(NONE) if point is None else Cell(show(point), point.best_epoch)


def frame(shown: Table, *, printed_only: bool = False, values: bool = False) -> "pd.DataFrame":
    """The table as a DataFrame of what it shows, or, for CSV, of the values behind it.

    Parameters
    ----------
    printed_only
        Whether to leave out what a printed page has no room for.
    values
        Whether numbers are numbers; what is missing is then None.
    """
    import pandas as pd

    wanted = [at for at, heading in enumerate(shown.headings) if heading.printed or not printed_only]
    content: Mapping[str, list[object]] = {
        shown.headings[at].title: [_raw(row[at], shown.headings[at]) if values else row[at].text for row in shown.rows]
        for at in wanted
    }
    return pd.DataFrame(content)


def _raw(cell: Cell, heading: Heading) -> object:
    if not heading.numeric:
        return cell.text
    return cell.value if cell.value is not None or cell.text in ("", NONE) else cell.text
