"""What the columns of a table hold: numbers, texts, booleans or dates; and texts that are numbers or dates.

A column of texts is turned into numbers (``1.234,50``) or dates (``31.12.2024``) where all of its texts are such. Where
nearly all are, the others are a mistake, which is named, or one of the usual marks of a missing value, which is told.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from pipelines.datasets.user_file.encoding import ISO, as_text, parse_dates, parse_numbers
from pipelines.errors import DataError
from pipelines.words import counted

#: Texts that mean a missing value in a column that else holds numbers or dates.
MARKERS = ("?", "-", "--", ".", "*", "unknown", "missing", "k.A.", "k. A.", "nicht bekannt")
THOUSANDS = (",", ".", " ", "\u00a0", "\u202f", "'", "\u2019")
#: How dates may be written, day before month where both could be meant.
DATE_FORMS = (
    ISO,
    *("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%Y", "%m/%d/%y"),
    *("%d-%b-%Y", "%d %b %Y"),
)
_SAMPLE = 1000
_MOST, _SOME = 0.9, 0.5  # shares of the values that make the others a mistake, or marks of missing values
_DIFFERENT = 20  # so many different numbers make a column one of numbers, though a text is among them


@dataclass
class Contents:
    """A table with its texts turned into numbers and dates.

    Attributes
    ----------
    forms
        Of each column that was turned: how it was written, as an encoding has it (``form``, or ``decimal`` and
        ``thousands``).
    notes
        What there is to tell, a phrase each.
    """

    columns: dict[str, "pd.Series[Any]"]
    forms: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def kind_of(series: "pd.Series[Any]", where: str) -> str:
    """What a column holds: number, whole, boolean, text or date.

    Raises ``DataError`` where it is something else, such as lists or lengths of time.
    """
    dtype = series.dtype
    if isinstance(dtype, types.CategoricalDtype | pd.StringDtype):
        return "text"
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_integer_dtype(dtype):
        return "whole"
    if types.is_float_dtype(dtype):
        return "number"
    if types.is_datetime64_any_dtype(dtype):
        return "date"
    return _kind_of_objects(series, where)


def read_contents(
    frame: pd.DataFrame,
    *,
    decimal: str,
    thousands: str | None,
    keep: Collection[str],
    markers: bool,
    where: str,
    first_line: int | None,
) -> Contents:
    """Turn texts that are numbers or dates into such.

    Parameters
    ----------
    decimal, thousands
        The signs of the file; None for what the column tells.
    keep
        Columns that stay texts.
    markers
        Whether the usual marks of a missing value mean one.
    where, first_line
        The file, and the line of its first row where it has lines, for errors.

    Raises
    ------
    DataError
        Where nearly all texts of a column are numbers, or dates, and others are neither.
    """
    contents = Contents({str(name): frame[name] for name in frame.columns})
    for name, series in contents.columns.items():
        if name in keep or isinstance(series.dtype, types.CategoricalDtype):
            continue
        if isinstance(series.dtype, pd.StringDtype):
            texts = series
        elif series.dtype == object and types.infer_dtype(series, skipna=True) in ("string", "mixed", "mixed-integer"):
            texts = series.map(as_text, na_action="ignore").astype("str")
        else:
            continue
        turned = _turned(texts, decimal, thousands)
        if turned is None:
            continue
        values, form = turned
        wrong = values.isna().to_numpy() & texts.notna().to_numpy()
        if wrong.any():
            others = sorted(set(texts[wrong].str.strip()))
            if not markers or not set(others) <= set(MARKERS):
                if "form" not in form and not _mostly_numbers(texts, values, wrong):
                    continue
                if wrong.mean() > 1 - _MOST:
                    continue
                raise _mistake(
                    texts, wrong, noun="date" if "form" in form else "number", place=(where, first_line, name)
                )
            shown = " and ".join(map(repr, others))
            contents.notes.append(f"{shown} in {name!r} read as missing ({counted(int(wrong.sum()), 'row')})")
        contents.columns[name], contents.forms[name] = values, form
        if (sign := form.get("thousands")) is not None and sign:
            contents.notes.append(f"thousands signs {sign!r} in {name!r}")
    return contents


def line_of(row: int, first_line: int | None) -> str:
    """A row, counted from 0, as people find it: its line in a text file, its number in others."""
    return f"row {row + 1}" if first_line is None else f"line {row + first_line}"


def _kind_of_objects(series: "pd.Series[Any]", where: str) -> str:
    present = series.dropna()
    found = types.infer_dtype(present, skipna=False)
    known = {"string": "text", "boolean": "boolean", "date": "date", "datetime": "date", "empty": "number"}
    if found in known:
        return known[found]
    values = list(present)
    if all(isinstance(value, Real | Decimal | np.bool_) for value in values):
        return "number"
    if all(isinstance(value, str | Real | Decimal | np.bool_) for value in values):
        return "text"
    odd = next(value for value in values if not isinstance(value, str | Real | Decimal | np.bool_))
    raise DataError(
        f"Column {series.name!r} of {where} holds values of type {type(odd).__name__} ({series.dtype}), which are no "
        "numbers, texts or dates; turn it into such, or leave it out with the option 'exclude'."
    )


def _turned(
    texts: "pd.Series[str]", decimal: str, thousands: str | None
) -> tuple["pd.Series[Any]", dict[str, str]] | None:
    """A column of texts as numbers or dates, missing where a text is none, with how it is written; None for texts."""
    sample = texts.dropna().head(_SAMPLE)
    if not len(sample):
        return None
    signs = THOUSANDS if thousands is None else (thousands,)
    for mark, sign in [(decimal, ""), *((decimal, sign) for sign in signs if sign != decimal), (".", ""), (",", "")]:
        numbers = parse_numbers(sample, mark, sign)
        if np.isfinite(numbers).mean() >= _SOME and _is_no_code(sample, numbers):
            share = np.isfinite(numbers).mean()
            others = set(sample[~np.isfinite(numbers)].str.strip())
            if share >= _MOST or others <= set(MARKERS):
                written = {"decimal": mark, "thousands": sign}
                return pd.Series(parse_numbers(texts, mark, sign), index=texts.index, name=texts.name), written
    if not sample.str.match(r"\s*\d{1,4}[-./ ]([0-9]{1,2}|[A-Za-z]{3})[-./ ]\d{1,4}").mean() >= _SOME:
        return None
    best, form = 0.0, ""
    for candidate in DATE_FORMS:
        share = float(parse_dates(sample, candidate).notna().mean())
        if share > best:
            best, form = share, candidate
    others = set(sample[parse_dates(sample, form).isna()].str.strip()) if form else set()
    if best >= _MOST or (best >= _SOME and others <= set(MARKERS)):
        return parse_dates(texts, form), {"form": form}
    return None


def _is_no_code(texts: "pd.Series[str]", numbers: NDArray[np.float64]) -> bool:
    """Whether numbers are written without leading zeros, which are those of codes."""
    return not bool(texts[np.isfinite(numbers)].str.match(r"\s*0\d").any())


def _mostly_numbers(
    texts: "pd.Series[str]", values: "pd.Series[Any]", wrong: Sequence[bool] | NDArray[np.bool_]
) -> bool:
    return float(np.mean(wrong)) <= 1 - _MOST and values.nunique() >= _DIFFERENT


def _mistake(
    texts: "pd.Series[str]", wrong: NDArray[np.bool_], *, noun: str, place: tuple[str, int | None, str]
) -> DataError:
    where, first_line, name = place
    row = int(np.argmax(wrong))
    others = int(wrong.sum()) - 1
    more = f", and so in {counted(others, 'other row')}" if others else ""
    return DataError(
        f"{where}, {line_of(row, first_line)}, column {name!r}: {texts.iloc[row]!r} is no {noun}, as most of the "
        f"column are{more}. Mend it, name it under the option 'missing_markers' if it means a missing value, or name "
        "the column under 'categorical' if texts are meant."
    )
