"""A table as page, Markdown, CSV and LaTeX show it: headings, cells with a text and a value, sentences around it.

DataFrames become Markdown, LaTeX (booktabs) and CSV here too, everything from a user escaped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from pipelines.overfitting.point import OverfittingPoint
from reports.formatting import NONE, no_formula, number

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row")
Show = Callable[[float | None], str]

_LATEX = str.maketrans(
    {character: "\\" + character for character in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # after a row's end, an opening bracket or a star would be taken for its option
        "*": "{*}",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "±": r"$\pm$",
        "−": r"$-$",
        "→": r"$\rightarrow$",
        "–": "--",
    }
)
_MARKDOWN = str.maketrans({"|": "&#124;"} | {character: "\\" + character for character in "\\`*_[]~$<>&"})


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and a hint for a pointer that rests on it.

    ``value`` is what the column is sorted by, and what CSV files hold; None for the text itself.
    """

    text: str
    value: float | None = None
    hint: str = ""


@dataclass(frozen=True)
class Heading:
    """A column's heading, and as a hint what it means, for a pointer that rests on it.

    Cells of a ``numeric`` column are set to the right, and sorted as numbers; texts of one that ``wraps`` may be broken
    into lines. Only ``printed`` columns are in the LaTeX table, which has a page's width only. ``group`` is what it has
    in common with the columns beside it, where a heading has two lines.
    """

    title: str
    hint: str = ""
    numeric: bool = True
    printed: bool = True
    wraps: bool = False
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table under its files' name, with sentences above it, what it shows, and below, what it rests on.

    Rows have a cell a heading; the first one names the row.
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
    headings = tuple(column.heading for column in kept)
    return Table(name, title, headings, cells, lead=tuple(lead), notes=tuple(notes))


def number_column(heading: Heading, value: Callable[[Row], float | None], show: Show) -> Column[Row]:
    """A column of numbers as ``show`` writes them."""
    return Column(heading, lambda row: Cell(show(found := value(row)), found))


def epoch_cell(point: OverfittingPoint | None, show: Callable[[OverfittingPoint], str]) -> Cell:
    """Something of a best epoch, sorted by it."""
    return Cell(NONE) if point is None else Cell(show(point), point.best_epoch)


def frame(shown: Table, *, printed_only: bool = False, values: bool = False) -> "pd.DataFrame":
    """The table as a DataFrame of what it shows, or, for CSV, of the ``values`` behind it, None where one is missing.

    With ``printed_only`` without what a printed page has no room for.
    """
    import pandas as pd

    content = {
        heading.title: [_raw(row[at], heading) if values else row[at].text for row in shown.rows]
        for at, heading in enumerate(shown.headings)
        if heading.printed or not printed_only
    }
    return pd.DataFrame(content)


def latex(frame: "pd.DataFrame", *, caption: str = "", label: str = "") -> str:
    r"""A table for LaTeX; needs the package ``booktabs`` (and for names beyond ASCII a Unicode engine).

    Parameters
    ----------
    caption
        Plain text; empty for the frame's own, which names the monitored metric.
    label
        For ``\ref``, as it is; empty for none.

    Examples
    --------
    >>> import pandas as pd
    >>> print(latex(pd.DataFrame({"best_epoch": [12], "name": ["50 % & more"]}), caption="Two"))
    \begin{table}
    \centering
    \caption{Two}
    \begin{tabular}{rl}
    \toprule
    best epoch & name \\
    \midrule
    12 & 50 \% \& more \\
    \bottomrule
    \end{tabular}
    \end{table}
    <BLANKLINE>
    """
    lines = [r"\begin{table}", r"\centering"]
    if text := caption or str(frame.attrs.get("caption", "")):
        lines.append(rf"\caption{{{_latex(text)}}}")
    if label:
        lines.append(rf"\label{{{label}}}")
    rows = [" & ".join(map(_latex, row)) + r" \\" for row in _rows(frame)]
    alignment = "".join("r" if numeric else "l" for numeric in _numeric(frame))
    lines += [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", rows[0], r"\midrule", *rows[1:]]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def markdown(frame: "pd.DataFrame") -> str:
    """A table for Markdown.

    Examples
    --------
    >>> import pandas as pd
    >>> print(markdown(pd.DataFrame({"best_epoch": [12], "name": ["a|b"]})))
    | best epoch | name |
    | ---: | :--- |
    | 12 | a&#124;b |
    <BLANKLINE>
    """
    heading, *body = [[" ".join(text.split()).translate(_MARKDOWN) for text in row] for row in _rows(frame)]
    rule = ["---:" if numeric else ":---" for numeric in _numeric(frame)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (heading, rule, *body))


def csv(frame: "pd.DataFrame") -> str:
    """A table for spreadsheets: numbers in full, text that no spreadsheet takes for a formula, empty where missing."""
    safe = frame.copy()
    for name, numeric in zip(frame.columns, _numeric(frame), strict=True):
        if not numeric:
            # As they are: a column of whole numbers with one missing would become decimals.
            safe[name] = np.array([no_formula(v) if isinstance(v, str) else v for v in frame[name]], object)
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _raw(cell: Cell, heading: Heading) -> object:
    if not heading.numeric:
        return cell.text
    return cell.value if cell.value is not None or cell.text in ("", NONE) else cell.text


def _rows(frame: "pd.DataFrame") -> list[list[str]]:
    """Heading and cells as a reader sees them."""
    columns = ([_text(value) for value in frame.iloc[:, position]] for position in range(frame.shape[1]))
    heading = [str(name).replace("_", " ") for name in frame.columns]
    return [heading, *map(list, zip(*columns, strict=True))]


def _text(value: Any) -> str:
    import pandas as pd

    if pd.isna(value):
        return NONE
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return number(float(value)) if isinstance(value, float | np.floating) else str(value)


def _numeric(frame: "pd.DataFrame") -> Sequence[bool]:
    from pandas.api import types

    return [types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind) for kind in frame.dtypes]


def _latex(text: str) -> str:
    return " ".join(text.split()).translate(_LATEX)
