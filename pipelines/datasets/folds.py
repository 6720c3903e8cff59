"""Which rows each fit trains on and which it is validated on, k folds or a hold-out; and which are for the test.

Folds are stratified for a classification (each has every class in its proportion), and every repeat cuts them anew with
a seed of its own, so that the spread over repeats includes the luck of the cut. Groups stay whole (``group_folds``);
where samples have times, what is validated comes after what is trained on (``time_folds``). Fits are of unequal size
then. The test rows of a source that comes without any are the same ones whatever is varied.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.datasets.base import Task
from pipelines.datasets.fold_checks import Cut, Parts, Targets, check_whole, held_out
from pipelines.datasets.group_folds import draw_groups, group_cut
from pipelines.datasets.time_folds import last_rows, time_cut
from pipelines.errors import DataError, UserError

VALIDATIONS = ("kfold", "holdout")
TEST_FRACTION = 0.2
_TEST_SEED = 1  # never the sweep's
_BOTH = "Samples have groups and times; folds can keep to one of them only: leave out the one that matters less."


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
        k, 2 or more; without effect for a hold-out. Sizes differ by one row where k does not divide the samples, and by
        more with groups and times.
    repeats
        1 or more.
    seed
        0 or more; each repeat's own seed is derived from it.
    holdout
        ``first 10000``: these rows are the validation of every repeat, as in the textbook. ``0.2``: that share of the
        rows, stratified for a classification, drawn anew in every repeat; with times the last ones.
    classes
        Names of the classes, for the errors.
    groups
        Of the samples, as of ``Dataset``: all samples of a group are in one fold.
    times
        Likewise: each fold is validated on samples that come after all of its training, in ``folds + 1`` parts in time,
        so that fold 0 is trained on one part of them and the last fold on all but one. Every repeat has the same folds.

    Returns
    -------
    Splits, repeat-major: split ``repeat * folds + fold``.

    Raises
    ------
    UserError
        Where a setting is out of range, rows of a class, groups or times are too few, or there are groups and times.

    Examples
    --------
    >>> splits = make_splits([0, 0, 1, 1], Task.BINARY, validation="kfold", folds=2, repeats=1, seed=0)
    >>> [(split.train.size, split.validation.size) for split in splits]
    [(2, 2), (2, 2)]
    """
    known = Targets(np.asarray(targets), task, classes)
    values = known.values
    if validation not in VALIDATIONS:
        raise UserError(f"There is no validation {validation!r}. Allowed: {', '.join(VALIDATIONS)}.")
    check_whole("repeats", repeats, 1)
    check_whole("seed", seed, 0)
    if values.ndim != 1 or len(values) < 2:
        raise UserError(f"At least 2 samples are needed to train and to validate; there are {len(values)}.")
    if task.is_classification and len(np.unique(values)) < 2:
        raise UserError(f"All samples are of one class, {known.name_of(values[0])}: nothing to learn.")
    if groups is not None and times is not None:
        raise UserError(_BOTH)
    size = None
    if validation == "kfold":
        check_whole("folds", folds, 2)
        if folds > len(values):
            raise UserError(f"There are {len(values)} samples for {folds} folds; allowed: 2 to {len(values)} folds.")
        if times is None:
            _check_classes(known, folds)
    else:
        size = parse_holdout(holdout)
        if isinstance(size, int):
            _check_first_rows(known, size)
    if groups is not None:
        cut = group_cut(known, groups, folds=folds, size=size)
    elif times is not None:
        cut = time_cut(known, times, folds=folds, size=size)
    else:
        cut = _random_cut(known, folds=folds, size=size)
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
    targets: NDArray[np.generic],
    task: Task,
    fraction: float,
    *,
    name: str,
    classes: Sequence[str] = (),
    groups: NDArray[np.int32] | None = None,
    times: NDArray[np.int32] | None = None,
) -> Parts:
    """Rows for training and rows for the test, each in the order of the source; stratified for a classification.

    Parameters
    ----------
    targets
        Shape (samples,).
    fraction
        Share of the rows for the test, above 0 and below 1; about that share where groups or times stay whole.
    name, classes
        Of the data set and of its classes, for the errors.
    groups
        Of the samples, as of ``Dataset``: a group is in one of the parts.
    times
        Likewise: the test rows are the last ones, and not stratified.

    Raises
    ------
    DataError
        Where there are too few rows, rows of a class, groups or times for both parts, or there are groups and times.
    """
    rows = len(targets)
    wanted = round(rows * fraction)
    if not 1 <= wanted < rows:
        raise DataError(f"Data set {name!r} has {rows} rows: a test split of {fraction:g} leaves a part empty.")
    known = Targets(targets, task, classes)
    if groups is not None or times is not None:
        try:
            if groups is not None and times is not None:
                raise UserError(_BOTH)
            if groups is not None:
                return draw_groups(known, groups, wanted, _TEST_SEED)
            assert times is not None
            return last_rows(known, times, wanted)
        except UserError as error:
            raise DataError(f"Data set {name!r}, test split of {fraction:g}: {error}") from error
    if task.is_classification:
        label, least, number = known.smallest_class()
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
    return _drawn(known, wanted, _TEST_SEED)


def _random_cut(targets: Targets, *, folds: int, size: float | None) -> Cut:
    if size is None:
        return partial(_kfold, targets, folds)
    if isinstance(size, int):
        return partial(_first_rows, targets, size)
    wanted = held_out(targets, size)
    _check_share(targets, size, wanted)
    return lambda seed: [_drawn(targets, wanted, seed)]


def _kfold(targets: Targets, folds: int, seed: int) -> Iterable[Parts]:
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = KFold if targets.strata is None else StratifiedKFold
    parts: Iterable[Parts] = kind(folds, shuffle=True, random_state=seed).split(np.zeros(len(targets)), targets.values)
    return parts


def _first_rows(targets: Targets, size: int, _: int) -> Iterable[Parts]:
    rows = np.arange(len(targets))
    return [(rows[size:], rows[:size])]


def _drawn(targets: Targets, wanted: int, seed: int) -> Parts:
    """The rows that are left, and ``wanted`` drawn ones, stratified for a classification; both in rising order."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(targets))
    _, drawn = train_test_split(rows, test_size=wanted, random_state=seed, stratify=targets.strata)
    is_drawn = np.zeros(len(targets), bool)
    is_drawn[drawn] = True
    return np.flatnonzero(~is_drawn), np.flatnonzero(is_drawn)


def _check_first_rows(targets: Targets, size: int) -> None:
    if size >= len(targets):
        raise UserError(
            f"The hold-out takes the first {size} of {len(targets)} samples and leaves none to train on; "
            f"allowed: first 1 to first {len(targets) - 1}."
        )
    if targets.strata is not None and len(np.unique(targets.values[size:])) < 2:
        raise UserError(
            f"After the first {size} samples all are of class {targets.name_of(targets.values[-1])}: the data seem to "
            "be sorted by class. Hold out a share instead, such as 0.2, which is drawn from every class."
        )


def _check_classes(targets: Targets, folds: int) -> None:
    if targets.strata is None:
        return
    label, most, _ = targets.smallest_class()
    if most < folds:
        remedy = f"Use at most {most} folds" if most >= 2 else "Use a hold-out such as 'first N'"
        raise UserError(
            f"Class {targets.name_of(label)} has {most} of the samples, fewer than the {folds} folds, "
            f"so some fold would have none. {remedy}, or add samples of that class."
        )


def _check_share(targets: Targets, size: float, wanted: int) -> None:
    if targets.strata is None:
        return
    label, rows, number = targets.smallest_class()
    if rows < 2:
        raise UserError(
            f"Class {targets.name_of(label)} has 1 sample; a stratified hold-out needs 2 or more of "
            "every class. Add samples of that class, or use 'first N'."
        )
    if min(wanted, len(targets) - wanted) < number:
        raise UserError(
            f"A hold-out of {size:g} splits {len(targets)} samples into {len(targets) - wanted} and {wanted}; both "
            f"parts need a sample of each of the {number} classes."
        )


def _repeat_seed(seed: int, repeat: int) -> int:
    """A seed for a repeat: neighbouring sweep seeds must not share cuts, as ``seed + repeat`` would make them."""
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0])
