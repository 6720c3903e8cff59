"""Which rows each fit trains on and which it is validated on, k folds or a hold-out; and which are for the test.

Folds are stratified for a classification (each has every class in its proportion), and every repeat cuts them anew with
a seed of its own, so that the spread over repeats includes the luck of the cut. The test rows of a source that comes
without any are the same ones whatever is varied.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.datasets.base import Task
from pipelines.errors import DataError, UserError

VALIDATIONS = ("kfold", "holdout")
TEST_FRACTION = 0.2
_TEST_SEED = 1  # never the sweep's
#: Numbers of the rows of both parts, for training and for validation or the test.
Parts = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one fit.

    Attributes
    ----------
    repeat, fold
        Counted from 0; a hold-out has fold 0 only.
    train, validation
        Row numbers in rising order, int32, shapes (n_train,) and (n_validation,); no row is in both.
    """

    repeat: int
    fold: int
    train: NDArray[np.int32]
    validation: NDArray[np.int32]


def make_splits(
    targets: ArrayLike,
    task: Task,
    *,
    validation: str,
    folds: int,
    repeats: int,
    seed: int,
    holdout: str | float | None = None,
    classes: Sequence[str] = (),
    groups: NDArray[np.int32] | None = None,
    times: NDArray[np.int32] | None = None,
) -> tuple[Split, ...]:
    """The splits of a sweep, the same for every configuration.

    Parameters
    ----------
    targets
        Labels or values of all training samples, shape (samples,).
    validation
        ``kfold``, or ``holdout`` with one split a repeat.
    folds
        k, 2 or more; without effect for a hold-out. Sizes differ by one row where k does not divide the samples.
    repeats
        1 or more.
    seed
        0 or more; each repeat's own seed is derived from it.
    holdout
        ``first 10000``: these rows are the validation of every repeat, as in the textbook. ``0.2``: that share of the
        rows, stratified for a classification, drawn anew in every repeat.
    classes
        Names of the classes, for the errors.
    groups, times
        Of the samples, as of ``Dataset``; None for none.

    Returns
    -------
    Splits, repeat-major: split ``repeat * folds + fold``.

    Raises
    ------
    UserError
        Where a setting is out of range, or rows of a class are fewer than the folds.

    Examples
    --------
    >>> splits = make_splits([0, 0, 1, 1], Task.BINARY, validation="kfold", folds=2, repeats=1, seed=0)
    >>> [(split.train.size, split.validation.size) for split in splits]
    [(2, 2), (2, 2)]
    """
    values = np.asarray(targets)
    if validation not in VALIDATIONS:
        raise UserError(f"There is no validation {validation!r}. Allowed: {', '.join(VALIDATIONS)}.")
    _check_whole("repeats", repeats, 1)
    _check_whole("seed", seed, 0)
    if values.ndim != 1 or len(values) < 2:
        raise UserError(f"At least 2 samples are needed to train and to validate; there are {len(values)}.")
    if task.is_classification and len(np.unique(values)) < 2:
        raise UserError(f"All samples are of one class, {_class_name(values[0], classes)}: nothing to learn.")
    cut: Callable[[int], Iterable[Parts]]
    if validation == "kfold":
        _check_folds(values, task, folds, classes)
        cut = partial(_kfold, values, task, folds)
    else:
        size = parse_holdout(holdout)
        check = _check_first_rows if isinstance(size, int) else _check_share
        check(values, task, size, classes)
        cut = partial(_holdout, values, task, size)
    return tuple(
        Split(repeat, fold, *(np.sort(part.astype(np.int32)) for part in parts))
        for repeat in range(repeats)
        for fold, parts in enumerate(cut(_repeat_seed(seed, repeat)))
    )


def parse_holdout(holdout: str | float | None) -> int | float:
    """What a hold-out's text means: a number of rows for ``first 10000``, a share below 1 for ``0.2``.

    Raises ``UserError`` where it is neither.
    """
    text = str(holdout).strip().lower()
    allowed = "'first N' with N rows, or a share of the rows above 0 and below 1, such as 0.2"
    if text.startswith("first "):
        digits = text.removeprefix("first ").strip().replace("_", "").replace(",", "")
        if digits.isdecimal() and int(digits) > 0:
            return int(digits)
    else:
        try:
            share = float(text)
        except ValueError:
            share = 0.0
        if 0 < share < 1:
            return share
    raise UserError(f"The hold-out is {holdout!r}; allowed: {allowed}.")


def split_off_test(
    targets: NDArray[np.generic], task: Task, fraction: float, *, name: str, classes: Sequence[str] = ()
) -> Parts:
    """Rows for training and rows for the test, each in the order of the source; stratified for a classification.

    Parameters
    ----------
    targets
        Shape (samples,).
    fraction
        Share of the rows for the test, above 0 and below 1.
    name, classes
        Of the data set and of its classes, for the errors.

    Raises
    ------
    DataError
        Where there are too few rows, or rows of a class, for both parts.
    """
    rows = len(targets)
    wanted = round(rows * fraction)
    if not 1 <= wanted < rows:
        raise DataError(f"Data set {name!r} has {rows} rows: a test split of {fraction:g} leaves a part empty.")
    if task.is_classification:
        label, least, number = _smallest_class(targets)
        if least < 2:
            shown = classes[int(label)] if classes else label
            raise DataError(
                f"Class {shown!r} of data set {name!r} has 1 row; a test split needs 2 or more of every class."
            )
        if min(wanted, rows - wanted) < number:
            raise DataError(
                f"A test split of {fraction:g} of the {rows} rows of data set {name!r} has too few rows for its "
                f"{number} classes."
            )
    return _drawn(targets, task, wanted, _TEST_SEED)


def _kfold(values: NDArray[np.generic], task: Task, folds: int, seed: int) -> Iterable[Parts]:
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if task.is_classification else KFold
    parts: Iterable[Parts] = kind(folds, shuffle=True, random_state=seed).split(np.zeros(len(values)), values)
    return parts


def _holdout(values: NDArray[np.generic], task: Task, size: float, seed: int) -> Iterable[Parts]:
    if not isinstance(size, int):
        return [_drawn(values, task, round(len(values) * size), seed)]
    rows = np.arange(len(values))
    return [(rows[size:], rows[:size])]


def _check_first_rows(values: NDArray[np.generic], task: Task, size: float, classes: Sequence[str]) -> None:
    if size >= len(values):
        raise UserError(
            f"The hold-out takes the first {size} of {len(values)} samples and leaves none to train on; "
            f"allowed: first 1 to first {len(values) - 1}."
        )
    if task.is_classification and len(np.unique(values[size:])) < 2:
        raise UserError(
            f"After the first {size} samples all are of class {_class_name(values[-1], classes)}: the data seem to "
            "be sorted by class. Hold out a share instead, such as 0.2, which is drawn from every class."
        )


def _drawn(targets: NDArray[np.generic], task: Task, wanted: int, seed: int) -> Parts:
    """The rows that are left, and ``wanted`` drawn ones, stratified for a classification; both in rising order."""
    from sklearn.model_selection import train_test_split

    strata = targets if task.is_classification else None
    left, drawn = train_test_split(np.arange(len(targets)), test_size=wanted, random_state=seed, stratify=strata)
    return np.sort(left), np.sort(drawn)


def _check_folds(values: NDArray[np.generic], task: Task, folds: int, classes: Sequence[str]) -> None:
    _check_whole("folds", folds, 2)
    if folds > len(values):
        raise UserError(f"There are {len(values)} samples for {folds} folds; allowed: 2 to {len(values)} folds.")
    if not task.is_classification:
        return
    label, most, _ = _smallest_class(values)
    if most < folds:
        remedy = f"Use at most {most} folds" if most >= 2 else "Use a hold-out such as 'first N'"
        raise UserError(
            f"Class {_class_name(label, classes)} has {most} of the samples, fewer than the {folds} folds, "
            f"so some fold would have none. {remedy}, or add samples of that class."
        )


def _check_share(values: NDArray[np.generic], task: Task, size: float, classes: Sequence[str]) -> None:
    wanted = round(len(values) * size)
    if not 1 <= wanted < len(values):
        raise UserError(f"A hold-out of {size:g} of {len(values)} samples leaves a part empty; use a larger share.")
    if not task.is_classification:
        return
    label, rows, number = _smallest_class(values)
    if rows < 2:
        raise UserError(
            f"Class {_class_name(label, classes)} has 1 sample; a stratified hold-out needs 2 or more of "
            "every class. Add samples of that class, or use 'first N'."
        )
    if min(wanted, len(values) - wanted) < number:
        raise UserError(
            f"A hold-out of {size:g} splits {len(values)} samples into {len(values) - wanted} and {wanted}; both parts "
            f"need a sample of each of the {number} classes."
        )


def _smallest_class(values: NDArray[np.generic]) -> tuple[Any, int, int]:
    """The class with the fewest rows, how many those are, and the number of classes."""
    labels, counts = np.unique(values, return_counts=True)
    smallest = int(np.argmin(counts))
    return labels[smallest], int(counts[smallest]), len(labels)


def _check_whole(name: str, value: object, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise UserError(f"{name} is {value!r}; allowed: a whole number of {low} or more.")


def _class_name(label: object, classes: Sequence[str]) -> str:
    number = int(label)  # type: ignore[call-overload]
    return repr(classes[number]) if 0 <= number < len(classes) else str(number)


def _repeat_seed(seed: int, repeat: int) -> int:
    """A seed for a repeat: neighbouring sweep seeds must not share cuts, as ``seed + repeat`` would make them."""
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0])
