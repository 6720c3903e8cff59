"""Raw rows -> what the network takes: the one place where it is done, for training and for the final model alike.

What was learned of the training rows (categories, fill values, a date's first day, ...) is the *encoding*: plain data,
as JSON has them, made by ``learning`` and shipped with a registered model. This very file is shipped beside it, so it
imports nothing but the standard library, numpy and pandas.

An encoding has the keys ``format``, ``kind`` (``table``, ``array`` or ``images``), ``shape`` and ``dtype`` of one
encoded row, ``columns``, ``missing`` (the option of that name) and ``target``. Each column has ``name``, ``type``
(``number``, ``whole``, ``boolean``, ``text``, ``date``), ``features`` (what it becomes), ``fill`` (what stands for a
missing value; None for no category), ``gaps`` (whether a feature of its own, the last one, says where values were
missing), and further

- ``categories`` where it is one-hot encoded: texts, one feature each; a text that is none of them is no category;
- ``form`` and ``first`` of a date: how texts of it are written, and the day that days are counted from;
- ``decimal`` and ``thousands`` of a number: how texts of it are written;
- ``markers`` of a number or date: texts that mean a missing value.

>>> encode({"format": 1, "kind": "array", "shape": [2, 2, 1], "dtype": "uint8", "columns": []}, np.eye(2)[None]).shape
(1, 2, 2, 1)
"""

import datetime
import difflib
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

FORMAT = 1
#: What a date becomes, behind its column's name.
DATE_FEATURES = ("year", "month", "day of week", "days")
#: Form of a date that is written as ISO 8601 has it: ``2024-05-31``, ``2024-05-31T10:00``.
ISO = "ISO8601"
#: Under these settings of ``missing`` no value may be missing.
WITHOUT_GAPS = ("refuse", "drop")


class RowsError(ValueError):
    """Rows cannot be encoded: one sentence.

    Where it is about one value, ``fault`` is what is wrong with it, ``column`` its column and ``row`` its row, counted
    from 0, for whoever knows better how to call the place.
    """

    def __init__(self, fault: str, *, column: str = "", row: int | None = None) -> None:
        self.fault, self.column, self.row = fault, column, row
        place = [*([] if row is None else [f"row {row + 1:,}"]), *([f"column {column!r}"] if column else [])]
        sentence = f"{', '.join(place)}: {fault}" if place else fault
        super().__init__(sentence[:1].upper() + sentence[1:])


def encode(encoding: Mapping[str, Any], rows: pd.DataFrame | NDArray[Any]) -> NDArray[Any]:
    """What the network takes.

    Parameters
    ----------
    encoding
        As above.
    rows
        Of a table: a frame with its columns in any order, others among them, values as in the user's file. Of arrays
        and images: shape (rows, *shape); a last axis of length 1 may be missing.

    Returns
    -------
    Of a table float32, shape (rows, features); of arrays and images their shape and dtype.

    Raises
    ------
    RowsError
        Where a column is missing, or a value cannot be one of its column.
    """
    if encoding["kind"] != "table":
        return _encode_array(encoding, rows)
    frame = _as_frame(encoding, rows)
    matrix = np.zeros((len(frame), encoding["shape"][0]), np.float32)
    encode_into(encoding, frame, matrix)
    return matrix


def encode_into(encoding: Mapping[str, Any], frame: pd.DataFrame, out: NDArray[np.float32], first_row: int = 0) -> None:
    """Encode rows of a table in place; ``out`` is all zeros, shape (rows, features).

    ``first_row`` is the number of the first row, for errors. Raises ``RowsError`` as ``encode``.
    """
    start = 0
    for column in encoding["columns"]:
        part = out[:, start : start + len(column["features"])]
        start += len(column["features"])
        series = _named(frame, column["name"])
        try:
            _encode_column(column, series, part, encoding["missing"])
        except RowsError as error:
            row = None if error.row is None else error.row + first_row
            raise RowsError(error.fault, column=column["name"], row=row) from error


def unknown(encoding: Mapping[str, Any], rows: pd.DataFrame | NDArray[Any]) -> dict[str, int]:
    """For each one-hot encoded column with such values, how many are no known category."""
    if encoding["kind"] != "table":
        return {}
    frame = _as_frame(encoding, rows)
    known = {column["name"]: column["categories"] for column in encoding["columns"] if "categories" in column}
    counts = {name: int(np.sum(places_of(_named(frame, name), texts) == -1)) for name, texts in known.items()}
    return {name: count for name, count in counts.items() if count}


def columns_of(encoding: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The raw input columns of a table, each with its type: number, whole, boolean, text or date."""
    return [(column["name"], column["type"]) for column in encoding["columns"]]


# Values of a column


def as_text(value: object) -> str:
    """A value as the text that categories are compared by; a whole number has no decimals, however it is stored."""
    return str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value)


def places_of(series: "pd.Series[Any]", names: Collection[str]) -> NDArray[np.intp]:
    """Where each value of a column, as text, is among the names: -1 for one that is not, -2 where it is missing."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, values = series.cat.codes.to_numpy(), series.cat.categories
    else:
        codes, values = pd.factorize(series)
    index = {name: place for place, name in enumerate(names)}
    places = np.array([*(index.get(as_text(value), -1) for value in values), -2], np.intp)
    return places[codes]


def numbers_of(series: "pd.Series[Any]", decimal: str = ".", thousands: str = "") -> NDArray[np.float64]:
    """A column of numbers, booleans or texts that are numbers as float64, NaN where missing.

    Raises ``RowsError`` with the first value that is no number.
    """
    if types.is_numeric_dtype(series) and not types.is_complex_dtype(series):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    present = series.notna().to_numpy()
    values = series.astype(object).to_numpy()
    numbers = np.full(len(series), np.nan)
    is_text = np.array([isinstance(value, str) for value in values], bool)
    is_number = np.array([isinstance(value, Real | Decimal | np.bool_) for value in values], bool)
    numbers[is_number & present] = values[is_number & present].astype(np.float64)
    texts = is_text & present
    if texts.any():
        numbers[texts] = parse_numbers(pd.Series(values[texts], dtype="str"), decimal, thousands)
    wrong = present & np.isnan(numbers)
    if wrong.any():
        raise RowsError(f"{values[np.argmax(wrong)]!r} is not a number.", row=int(np.argmax(wrong)))
    return numbers


def parse_numbers(texts: "pd.Series[str]", decimal: str, thousands: str) -> NDArray[np.float64]:
    """Texts as numbers, NaN for a text that is none. Thousands signs must stand where they belong (``1.234,50``)."""
    texts = texts.str.strip()
    if thousands:
        sign = re.escape(thousands)
        grouped = texts.str.fullmatch(rf"[-+]?[1-9]\d{{0,2}}({sign}\d{{3}})+({re.escape(decimal)}\d*)?").to_numpy(bool)
        texts = texts.where(~grouped, texts.str.replace(thousands, "", regex=False))
    if decimal != ".":
        texts = texts.where(~texts.str.contains(".", regex=False), "no number")
        texts = texts.str.replace(decimal, ".", regex=False)
    return pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def dates_of(series: "pd.Series[Any]", form: str) -> NDArray[np.datetime64]:
    """A column of dates, or of texts written in a form, as datetime64 in UTC, NaT where missing.

    Raises ``RowsError`` with the first value that is no such date.
    """
    if types.is_datetime64_any_dtype(series):
        dates = series
    else:
        present = series.notna()
        texts = series.astype(object).where(present, None)
        if types.infer_dtype(texts[present], skipna=False) in ("date", "datetime", "datetime64"):
            dates = pd.to_datetime(texts, errors="coerce")
        else:
            texts = texts.map(as_text, na_action="ignore")
            dates = parse_dates(texts, form)
            if form != ISO:  # as JSON and other programs write the very same dates
                dates = dates.fillna(parse_dates(texts, ISO))
        wrong = (present & dates.isna()).to_numpy()
        if wrong.any():
            row = int(np.argmax(wrong))
            shape = "2024-05-31" if form == ISO else datetime.date(2024, 5, 31).strftime(form)
            raise RowsError(f"{series.iloc[row]!r} is not a date written like {shape}.", row=row)
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    return dates.to_numpy()


def parse_dates(texts: "pd.Series[Any]", form: str) -> "pd.Series[Any]":
    """Texts as dates, NaT for a text that is none; a form of days also takes a time of day behind it."""
    texts = texts.astype("str").str.strip()
    if form == ISO:
        found = pd.to_datetime(texts, format=ISO, errors="coerce", utc=True).dt.tz_localize(None)
        return found.where(texts.str.match(r"\d{4}-?\d\d-?\d\d"), pd.NaT)  # ISO 8601 alone would take "2024" for a day
    found = pd.to_datetime(texts, format=form, errors="coerce")
    for clock in ("%H:%M", "%H:%M:%S"):
        if bool((found.isna() & texts.notna()).any()):
            found = found.fillna(pd.to_datetime(texts, format=f"{form} {clock}", errors="coerce"))
    return found


def date_numbers(dates: NDArray[np.datetime64], first: str) -> NDArray[np.float64]:
    """Year, month, day of week (0 is Monday) and days since the first, shape (rows, 4); NaN where missing."""
    index = pd.DatetimeIndex(dates)
    days = (index - pd.Timestamp(first)) / pd.Timedelta(days=1)
    return np.stack(
        [np.asarray(part, np.float64) for part in (index.year, index.month, index.day_of_week, days)], axis=1
    )


# Rows


def _encode_column(column: Mapping[str, Any], series: "pd.Series[Any]", out: NDArray[np.float32], missing: str) -> None:
    if "markers" in column and not types.is_numeric_dtype(series):
        series = series.mask(series.isin(column["markers"]))
    gaps = series.isna().to_numpy()
    if missing in WITHOUT_GAPS and gaps.any():
        raise RowsError("the value is missing; the model was made without missing values.", row=int(np.argmax(gaps)))
    if column["gaps"]:
        out[:, -1] = gaps
    fill = column["fill"]
    if "categories" in column:
        places = places_of(series, column["categories"])
        if fill is not None:
            places[gaps] = column["categories"].index(fill)
        known = np.flatnonzero(places >= 0)
        out[known, places[known]] = 1
    elif "first" in column:
        dates = dates_of(series, column["form"])
        if fill is not None:
            dates = np.where(gaps, np.datetime64(fill), dates)
        out[:, : len(DATE_FEATURES)] = date_numbers(dates, column["first"])
    else:
        numbers = numbers_of(series, column.get("decimal", "."), column.get("thousands", ""))
        if gaps.any():
            numbers = np.where(gaps, np.nan if fill is None else fill, numbers)
        with np.errstate(over="ignore"):
            small = numbers.astype(np.float32)
        finite = np.isfinite(small)
        if not finite.all():
            row = int(np.argmin(finite))
            raise RowsError(f"{numbers[row]} is infinite or too large for a 32-bit number.", row=row)
        out[:, 0] = small


def _as_frame(encoding: Mapping[str, Any], rows: pd.DataFrame | NDArray[Any]) -> pd.DataFrame:
    """Rows of a table as a frame; those of an array by the order of the columns."""
    names = [column["name"] for column in encoding["columns"]]
    if isinstance(rows, pd.DataFrame):
        return rows
    array = np.asarray(rows)
    if array.ndim != 2 or array.shape[1] != len(names):
        raise RowsError(f"The rows have shape {array.shape}; needed are rows of {len(names)} columns.")
    return pd.DataFrame(array, columns=names)


def _named(frame: pd.DataFrame, name: str) -> "pd.Series[Any]":
    if name in frame.columns:
        return frame[name]
    names = {str(known).strip(): place for place, known in enumerate(frame.columns)}
    if name in names:
        return frame.iloc[:, names[name]]
    near = difflib.get_close_matches(name.lower(), [known.lower() for known in names], n=1)
    hint = next((f" (is it {known!r}?)" for known in names if near and known.lower() == near[0]), "")
    there = ", ".join(map(repr, list(names)[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    raise RowsError(f"There is no column {name!r}{hint}. The columns are: {there}.")


def _encode_array(encoding: Mapping[str, Any], rows: pd.DataFrame | NDArray[Any]) -> NDArray[Any]:
    array = rows.to_numpy() if isinstance(rows, pd.DataFrame) else np.asarray(rows)
    shape, dtype = tuple(encoding["shape"]), np.dtype(encoding["dtype"])
    if shape[-1:] == (1,) and array.shape[1:] == shape[:-1]:
        array = array[..., np.newaxis]
    if array.ndim == 0 or array.shape[1:] != shape:
        needed = " x ".join(map(str, shape))
        raise RowsError(f"The rows have shape {array.shape}; needed is {needed} for each row.")
    if array.dtype.kind not in "buif":
        raise RowsError(f"The rows are of type {array.dtype}, not numbers.")
    if dtype == np.uint8:
        if array.dtype not in (np.uint8, np.bool_) and not bool(
            np.all((array >= 0) & (array <= 255) & (array % 1 == 0))
        ):
            raise RowsError("The rows have values that are no whole numbers from 0 to 255, as the training rows are.")
        return array.astype(np.uint8)
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    faulty = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if faulty.any():
        raise RowsError("a value is missing, infinite or too large for a 32-bit number.", row=int(np.argmax(faulty)))
    return array
