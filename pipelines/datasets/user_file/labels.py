"""The target of a user's file: which task it makes, and its values as class labels or numbers.

Where no task is stated, texts, booleans and categories are classes. Whole numbers are classes where they take at most
20 different values and at least 5 rows per value on average. Everything else is a regression. Two classes are a binary
task, more a multiclass one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from pipelines.datasets.base import Task
from pipelines.datasets.user_file.contents import kind_of
from pipelines.datasets.user_file.encoding import as_text, numbers_of, places_of
from pipelines.errors import DataError

FEW_VALUES, ROWS_PER_VALUE = 20, 5  # up to so many different whole numbers are classes, with so many rows each
MAX_CLASSES = 1000
#: Share of a target's deviation by which float32 may change a value.
LEAST_DIGIT = 1e-4


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

        Values of which float32 has too few digits (seconds since 1970 within one day) are float64.

        Raises ``DataError`` where a class was not among the training rows, or a value of a regression is no finite
        number.
        """
        if not self.task.is_classification:
            return _regression_values(target, where)
        labels = places_of(target, self.classes)
        if (labels < 0).any():
            unknown = sorted(_texts_in(target) - set(self.classes))
            raise DataError(
                f"The target {target.name!r} of {where} has classes that the training rows do not have: "
                f"{', '.join(map(repr, unknown[:5]))}."
            )
        return labels.astype(np.int32)


def fit_labels(target: "pd.Series[Any]", task: Task | None, where: str) -> Labels:
    """Decide the task and the classes from the training targets (without missing values).

    Raises ``DataError`` where the stated task does not suit the values, or all rows have the same one.
    """
    if kind_of(target, where) == "date":
        raise DataError(f"The target {target.name!r} of {where} holds dates; turn it into numbers or classes.")
    reason, is_regression = "stated", task is Task.REGRESSION
    if task is None:
        is_classes, reason = _looks_like_classes(target)
        is_regression = not is_classes
    if is_regression:
        values = _regression_values(target, where)
        if values.min() == values.max():
            raise DataError(f"The target {target.name!r} of {where} has one value only, {values[0]}: nothing to learn.")
        return Labels(Task.REGRESSION, reason, ())
    distinct = int(target.nunique())
    is_text = kind_of(target, where) == "text"
    if task is None:
        task = Task.BINARY if distinct == 2 else Task.MULTICLASS
    if distinct > MAX_CLASSES or (not is_text and distinct > max(2, len(target) // 2)):
        stated = f"; the task {'stated is' if reason == 'stated' else 'would be'} {task}"
        raise DataError(
            f"The target {target.name!r} of {where} has {distinct} different values in {len(target)} rows, too "
            f"many for classes{stated}. State regression if a quantity is meant."
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


def _looks_like_classes(target: "pd.Series[Any]") -> tuple[bool, str]:
    if kind_of(target, "the data") in ("text", "boolean") or types.is_bool_dtype(target.infer_objects()):
        distinct = int(target.nunique())
        return True, f"inferred: {distinct} different texts or booleans"
    values = numbers_of(target)
    if not bool(np.all(values == np.round(values))):
        return False, "inferred: numbers with decimals"
    distinct = int(target.nunique())
    few = distinct <= FEW_VALUES and distinct * ROWS_PER_VALUE <= len(values)
    return few, f"inferred: {distinct} different whole numbers in {len(values)} rows"


def _texts_in(target: "pd.Series[Any]") -> set[str]:
    return {as_text(value) for value in pd.factorize(target)[1]}


def _class_names(target: "pd.Series[Any]") -> tuple[str, ...]:
    """Texts of the classes: False before True, numbers by size, texts by letter."""
    names = sorted(_texts_in(target))
    return tuple(sorted(names, key=float)) if all(_is_number(name) for name in names) else tuple(names)


def _regression_values(target: "pd.Series[Any]", where: str) -> NDArray[np.floating[Any]]:
    if kind_of(target, where) == "text":
        texts = [as_text(value) for value in pd.factorize(target)[1]]
        example = next((text for text in texts if not _is_number(text)), texts[0])
        raise DataError(
            f"The target {target.name!r} of {where} holds texts (such as {example!r}), which a regression cannot "
            "predict; state a classification, or name another target."
        )
    values = numbers_of(target)
    with np.errstate(over="ignore"):
        short = values.astype(np.float32)
    if not np.all(np.isfinite(short)):
        raise DataError(f"The target {target.name!r} of {where} has {np.sum(~np.isfinite(short))} infinite values.")
    return values if len(values) and np.abs(short - values).max() > LEAST_DIGIT * values.std() else short


def _is_number(text: str) -> bool:
    """Whether a text is one that Python reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
