"""The target column: which task it makes, and its values as class labels or numbers.

The rule, where no task is stated: texts, booleans and categories are classes. Whole numbers are classes where they take
at most 20 different values and at least 5 rows a value on average. Everything else is a regression. Two classes are a
binary task, more a multiclass one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.datasets.user_file.columns import TEXT, as_text, is_number, kind_of, numbers_of
from pipelines.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

FEW_VALUES = 20
ROWS_PER_VALUE = 5
MAX_CLASSES = 1000


@dataclass(frozen=True)
class Labels:
    """How target values become numbers.

    Attributes
    ----------
    task
        Stated or inferred.
    reason
        Why this task, in words.
    classes
        Text of each class in label order (numbers by size, texts by letter); empty for a regression.
    """

    task: Task
    reason: str
    classes: tuple[str, ...]

    def encode(self, target: "pd.Series[Any]", where: str) -> NDArray[Any]:
        """Targets without missing values as int32 labels or float32 values, shape (rows,).

        Raises
        ------
        DataError
            Where a class was not among the training rows, or a value of a regression is no finite number.
        """
        if not self.task.is_classification:
            return _regression_values(target, where)
        labels = {name: label for label, name in enumerate(self.classes)}
        texts = as_text(target)
        unknown = sorted(set(texts) - set(labels))
        if unknown:
            raise DataError(
                f"The target {target.name!r} of {where} has classes that the training rows do not have: "
                f"{', '.join(map(repr, unknown[:5]))}."
            )
        return np.array([labels[text] for text in texts], np.int32)


def fit_labels(target: "pd.Series[Any]", task: Task | None, where: str) -> Labels:
    """Decide the task and the classes from the training targets (without missing values).

    Raises
    ------
    DataError
        Where the stated task does not suit the values, or all rows have the same one.
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
    elif distinct > MAX_CLASSES or (kind_of(target, where) != TEXT and distinct > max(2, len(target) // 2)):
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


def _looks_like_classes(target: "pd.Series[Any]", distinct: int) -> tuple[bool, str]:
    import pandas as pd

    if kind_of(target, "the data") == TEXT or pd.api.types.is_bool_dtype(target.infer_objects()):
        return True, f"inferred: {distinct} different texts or booleans"
    values = numbers_of(target)
    if not bool(np.all(values == np.round(values))):
        return False, "inferred: numbers with decimals"
    few = distinct <= FEW_VALUES and distinct * ROWS_PER_VALUE <= len(values)
    return few, f"inferred: {distinct} different whole numbers in {len(values)} rows"


def _class_names(target: "pd.Series[Any]") -> tuple[str, ...]:
    """Texts of the classes: False before True, numbers by size, texts by letter."""
    names = sorted(set(as_text(target)))
    return tuple(sorted(names, key=float)) if all(is_number(name) for name in names) else tuple(names)


def _regression_values(target: "pd.Series[Any]", where: str) -> NDArray[np.float32]:
    if kind_of(target, where) == TEXT:
        texts = as_text(target)
        example = next((text for text in texts if not is_number(text)), texts[0])
        raise DataError(
            f"The target {target.name!r} of {where} holds texts (such as {example!r}), which a regression cannot "
            "predict; state a classification, or name another target."
        )
    with np.errstate(over="ignore"):
        values: NDArray[np.float32] = numbers_of(target).astype(np.float32)
    if not np.all(np.isfinite(values)):
        raise DataError(f"The target {target.name!r} of {where} has {np.sum(~np.isfinite(values))} infinite values.")
    return values
