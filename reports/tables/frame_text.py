"""DataFrames as Markdown, LaTeX (booktabs) and CSV, everything from a user escaped."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.formatting import NONE, no_formula, number

if TYPE_CHECKING:
    import pandas as pd

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
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
_MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"} | {character: "\\" + character for character in "\\`*_[]~$"}
)


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
    heading, *body = [[_words(text).translate(_MARKDOWN) for text in row] for row in _rows(frame)]
    rule = ["---:" if numeric else ":---" for numeric in _numeric(frame)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (heading, rule, *body))


def csv(frame: "pd.DataFrame") -> str:
    """A table for spreadsheets: numbers in full, text that no spreadsheet takes for a formula, empty where missing."""
    safe = frame.copy()
    for name, numeric in zip(frame.columns, _numeric(frame), strict=True):
        if not numeric:
            present = [None if _missing(value) else value for value in frame[name]]
            safe[name] = [no_formula(value) if isinstance(value, str) else value for value in present]
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _rows(frame: "pd.DataFrame") -> list[list[str]]:
    """Heading and cells as a reader sees them."""
    columns = [[_text(value) for value in frame.iloc[:, position]] for position in range(frame.shape[1])]
    heading = [str(name).replace("_", " ") for name in frame.columns]
    return [heading, *([column[row] for column in columns] for row in range(len(frame)))]


def _text(value: Any) -> str:
    if _missing(value):
        return NONE
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return number(float(value)) if isinstance(value, float | np.floating) else str(value)


def _missing(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def _numeric(frame: "pd.DataFrame") -> Sequence[bool]:
    from pandas.api import types

    return [types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind) for kind in frame.dtypes]


def _latex(text: str) -> str:
    return _words(text).translate(_LATEX)


def _words(text: str) -> str:
    """In one line."""
    return " ".join(text.split())
