"""Columns of a user's table as arrays: the inputs as one float32 matrix, the target as class labels or numbers.

Inputs are numbers as they are, texts one-hot, missing values as told. Filling in is done here, once, with statistics of
the training rows (never of the test rows); a fold's validation rows have their share in them. Little can come of that,
since no target is used and every column with gaps gets a companion that is 1 where a value was missing: with it a first
layer can put any value of its own in the place of the filled one. What is missing from a text column is encoded as no
category (``mean``, ``median``) or as the most frequent one.

Which task a target makes, where none is stated: texts, booleans and categories are classes. Whole numbers are classes
where they take at most 20 different values and at least 5 rows per value on average. Everything else is a regression.
Two classes are a binary task, more a multiclass one.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from pipelines.datasets.base import Task
from pipelines.datasets.options import FILLING
from pipelines.errors import DataError

MAX_CATEGORIES = 256
FEW_VALUES, ROWS_PER_VALUE = 20, 5  # up to so many different whole numbers are classes, with so many rows each
MAX_CLASSES = 1000


@dataclass(frozen=True)
class Column:
    """What was learned of one input column.

    The categories of a text column are sorted; numbers have None. ``fill`` is what stands for a missing value: a
    number, a category, or None for no category (or no filling in). ``filled`` says how many training values are
    missing; above 0 the column has a companion, ``<name> missing``.
    """

    name: str
    categories: tuple[str, ...] | None
    fill: float | str | None
    filled: int

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns it becomes."""
        own = (self.name,) if self.categories is None else tuple(f"{self.name}={text}" for text in self.categories)
        return (*own, f"{self.name} missing") if self.filled else own


@dataclass(frozen=True)
class Encoder:
    """All input columns, learned from the training rows."""

    columns: tuple[Column, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns of the matrix."""
        return tuple(name for column in self.columns for name in column.features)

    def encode(self, frame: pd.DataFrame, where: str) -> NDArray[np.float32]:
        """The matrix, float32, shape (rows, features).

        A category that the training rows do not have is encoded as no category.

        Raises ``DataError`` where a column of numbers holds texts, or values are infinite: all such columns with their
        counts.
        """
        matrix = np.zeros((len(frame), len(self.features)), np.float32)
        ends = np.cumsum([len(column.features) for column in self.columns])
        for column, part in zip(self.columns, np.split(matrix, ends[:-1], axis=1), strict=True):
            _encode_column(column, frame[column.name], part, where)
        infinite = np.sum(~np.isfinite(matrix), axis=0)
        if infinite.any():
            counts = {name: int(count) for name, count in zip(self.features, infinite, strict=True) if count}
            raise DataError(
                f"{where} has values that are infinite or too large for 32-bit numbers: {counted(counts)}. Mend them, "
                "or leave the columns out with the option 'exclude'."
            )
        return matrix

    def unseen(self, frame: pd.DataFrame) -> dict[str, int]:
        """How many values of each text column are none of its categories."""
        counts = {
            column.name: int(np.sum(_places_of(frame[column.name].dropna(), column.categories) < 0))
            for column in self.columns
            if column.categories is not None
        }
        return {name: count for name, count in counts.items() if count}


def fit_encoder(frame: pd.DataFrame, missing: str, categorical: Collection[str], where: str) -> Encoder:
    """Learn the encoding from the training rows.

    Parameters
    ----------
    missing
        One of ``MISSING``; under ``refuse`` and ``drop`` the frame must have no missing values.
    categorical
        Columns to be one-hot encoded though they hold numbers, or many different texts.

    Raises
    ------
    DataError
        Where a column holds dates or other objects, too many different texts, or nothing at all.
    """
    columns = []
    for name in frame.columns:
        series = frame[name]
        present = series.dropna()
        filled = len(series) - len(present)
        if not len(present):
            raise DataError(f"Column {name!r} of {where} holds no values; leave it out with the option 'exclude'.")
        if name in categorical or holds_texts(series, where):
            counts = Counter(_texts_of(present))
            categories = tuple(sorted(counts))
            if len(categories) > MAX_CATEGORIES and name not in categorical:
                raise DataError(_too_many(name, categories, where))
            most = max(categories, key=counts.__getitem__) if missing == "most_frequent" else None
            columns.append(Column(name, categories, most, filled))
        else:
            columns.append(Column(name, None, _fill_value(numbers_of(present), missing), filled))
    return Encoder(tuple(columns))


@dataclass(frozen=True)
class Labels:
    """How target values become numbers: the task, stated or inferred, why this one in words, and the classes.

    These are the texts in label order (numbers by size, texts by letter); a regression has none.
    """

    task: Task
    reason: str
    classes: tuple[str, ...]

    def encode(self, target: "pd.Series[Any]", where: str) -> NDArray[Any]:
        """Targets without missing values as int32 labels or float32 values, shape (rows,).

        Raises ``DataError`` where a class was not among the training rows, or a value of a regression is no finite
        number.
        """
        if not self.task.is_classification:
            return _regression_values(target, where)
        labels = _places_of(target, self.classes)
        if (labels < 0).any():
            unknown = sorted(set(_texts_of(target)) - set(self.classes))
            raise DataError(
                f"The target {target.name!r} of {where} has classes that the training rows do not have: "
                f"{', '.join(map(repr, unknown[:5]))}."
            )
        return labels.astype(np.int32)


def fit_labels(target: "pd.Series[Any]", task: Task | None, where: str) -> Labels:
    """Decide the task and the classes from the training targets (without missing values).

    Raises ``DataError`` where the stated task does not suit the values, or all rows have the same one.
    """
    distinct = int(target.nunique())
    reason, is_regression = "stated", task is Task.REGRESSION
    if task is None:
        is_classes, reason = _looks_like_classes(target, distinct)
        is_regression = not is_classes
    if is_regression:
        values = _regression_values(target, where)
        if distinct < 2:
            raise DataError(f"The target {target.name!r} of {where} has one value only, {values[0]}: nothing to learn.")
        return Labels(Task.REGRESSION, reason, ())
    if task is None:
        task = Task.BINARY if distinct == 2 else Task.MULTICLASS
    elif distinct > MAX_CLASSES or (not holds_texts(target, where) and distinct > max(2, len(target) // 2)):
        raise DataError(
            f"The target {target.name!r} of {where} has {distinct} different values in {len(target)} rows, too "
            f"many for classes; the task stated is {task}. State regression if a quantity is meant."
        )
    names = _class_names(target)
    if len(names) < 2:
        raise DataError(f"The target {target.name!r} of {where} has one class only, {names[0]!r}: nothing to learn.")
    if task is Task.BINARY and len(names) != 2:
        raise DataError(
            f"The task stated is binary, but the target {target.name!r} of {where} has {len(names)} classes: "
            f"{', '.join(map(repr, names[:10]))}."
        )
    return Labels(task, reason, names)


def holds_texts(series: "pd.Series[Any]", where: str) -> bool:
    """Whether a column holds texts or categories rather than numbers; booleans are numbers.

    Raises ``DataError`` where it holds neither, for example dates.
    """
    if isinstance(series.dtype, types.CategoricalDtype):
        return True
    if types.is_bool_dtype(series) or (types.is_numeric_dtype(series) and not types.is_complex_dtype(series)):
        return False
    present = series.dropna()
    if types.is_string_dtype(series) or types.is_object_dtype(series):
        if types.infer_dtype(present, skipna=False) in ("string", "empty"):
            return len(present) > 0
        if all(isinstance(value, Real | Decimal | np.bool_) for value in present):
            return False
    found = type(present.iloc[0]).__name__ if len(present) else str(series.dtype)
    raise DataError(
        f"Column {series.name!r} of {where} holds values of type {found} ({series.dtype}), neither numbers nor texts; "
        "turn it into numbers, or leave it out with the option 'exclude'."
    )


def numbers_of(series: "pd.Series[Any]") -> NDArray[np.float64]:
    """Values of a column of numbers or booleans as float64, NaN where missing."""
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def counted(counts: Mapping[str, int]) -> str:
    """Columns and counts for an error: ``'age' (3), 'fare' (1)``, the first 20 of them."""
    shown = ", ".join(f"{name!r} ({count})" for name, count in list(counts.items())[:20])
    return shown + (f" and {len(counts) - 20} more columns" if len(counts) > 20 else "")


def _texts_of(series: "pd.Series[Any]") -> list[str]:
    """Values as texts; a whole number has no decimals, however the column is stored. Missing ones are anything."""
    values = series.tolist()
    return [str(int(v)) if isinstance(v, float | np.floating) and float(v).is_integer() else str(v) for v in values]


def _places_of(series: "pd.Series[Any]", names: Sequence[str]) -> NDArray[np.intp]:
    """Where each value of a column, as text, is among the names; -1 where it is none of them. Missing: anything."""
    index: pd.Index[Any] = pd.Index(list(names), dtype="object")
    return index.get_indexer(pd.Index(_texts_of(series), dtype="object"))


def _fill_value(present: NDArray[np.float64], missing: str) -> float | None:
    if missing not in FILLING or not np.all(np.isfinite(present)):  # infinite values are refused when encoding
        return None
    if missing == "mean":
        return float(present.mean())
    if missing == "median":
        return float(np.median(present))
    values, counts = np.unique(present, return_counts=True)
    return float(values[np.argmax(counts)])


def _encode_column(column: Column, series: "pd.Series[Any]", out: NDArray[np.float32], where: str) -> None:
    gaps = series.isna().to_numpy()
    if column.filled:
        out[:, -1] = gaps
    if column.categories is not None:
        places = _places_of(series, column.categories)
        places[gaps] = -1 if column.fill is None else column.categories.index(str(column.fill))
        known = np.flatnonzero(places >= 0)
        out[known, places[known]] = 1
        return
    if holds_texts(series, where):
        raise DataError(f"Column {column.name!r} of {where} holds texts, but numbers in the training rows.")
    with np.errstate(over="ignore"):
        out[:, 0] = np.where(gaps, np.nan if column.fill is None else column.fill, numbers_of(series))


def _too_many(name: str, categories: Collection[str], where: str) -> str:
    others = [text for text in categories if not _is_number(text)]
    sentence = f"Column {name!r} of {where} holds {len(categories)} different texts, "
    if len(others) <= len(categories) // 2:
        shown = ", ".join(repr(text) for text in others[:5])
        return f"{sentence}most of them numbers, others not: {shown}. Name those under 'missing_markers' or mend them."
    return (
        f"{sentence}more than {MAX_CATEGORIES}: leave it out with the option 'exclude', or name it under 'categorical' "
        "if one input for each is meant."
    )


def _looks_like_classes(target: "pd.Series[Any]", distinct: int) -> tuple[bool, str]:
    if holds_texts(target, "the data") or types.is_bool_dtype(target.infer_objects()):
        return True, f"inferred: {distinct} different texts or booleans"
    values = numbers_of(target)
    if not bool(np.all(values == np.round(values))):
        return False, "inferred: numbers with decimals"
    few = distinct <= FEW_VALUES and distinct * ROWS_PER_VALUE <= len(values)
    return few, f"inferred: {distinct} different whole numbers in {len(values)} rows"


def _class_names(target: "pd.Series[Any]") -> tuple[str, ...]:
    """Texts of the classes: False before True, numbers by size, texts by letter."""
    names = sorted(set(_texts_of(target)))
    return tuple(sorted(names, key=float)) if all(_is_number(name) for name in names) else tuple(names)


def _regression_values(target: "pd.Series[Any]", where: str) -> NDArray[np.float32]:
    if holds_texts(target, where):
        texts = _texts_of(target)
        example = next((text for text in texts if not _is_number(text)), texts[0])
        raise DataError(
            f"The target {target.name!r} of {where} holds texts (such as {example!r}), which a regression cannot "
            "predict; state a classification, or name another target."
        )
    with np.errstate(over="ignore"):
        values: NDArray[np.float32] = numbers_of(target).astype(np.float32)
    if not np.all(np.isfinite(values)):
        raise DataError(f"The target {target.name!r} of {where} has {np.sum(~np.isfinite(values))} infinite values.")
    return values


def _is_number(text: str) -> bool:
    """Whether a text is one that Python reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
