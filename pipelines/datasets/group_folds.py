"""Cuts that keep a group in one part: rows of one person, or of one machine, are never on both sides.

Parts are then of unequal size, since groups are.
"""

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.fold_checks import Cut, Parts, Targets, held_out
from pipelines.errors import UserError
from pipelines.words import counted

#: Draws of whole groups, of which the one that is nearest to the wanted share of every class is taken.
_DRAWS = 32


def group_cut(targets: Targets, groups: NDArray[np.int32], *, folds: int, size: float | None) -> Cut:
    """How each repeat is cut: into k folds for a ``size`` of None, else into a hold-out of that share or first rows.

    A hold-out of a share is one draw of whole groups, so its size is near the share and not exactly it.

    Raises
    ------
    UserError
        Where there are too few groups, in all or of a class, or the first rows end within a group; when it cuts, where
        some training rows have none of a class.
    """
    _check_groups_of_classes(targets, groups)
    if size is None:
        _check_number(groups, folds)
        cut: Cut = partial(_folds, targets, groups, folds)
    elif isinstance(size, int):
        cut = partial(_first_rows, groups, size)
    else:
        cut = partial(_drawn, targets, groups, held_out(targets, size))

    def checked(seed: int) -> Iterator[Parts]:
        for train, held in cut(seed):
            _check_training_classes(targets, train)
            yield train, held

    return checked


def draw_groups(targets: Targets, groups: NDArray[np.int32], wanted: int, seed: int) -> Parts:
    """The rows that are left, and about ``wanted`` drawn ones in whole groups; both in rising order.

    Of several draws the one is taken that is nearest to the wanted share, of every class for a classification.

    Raises ``UserError`` where there is one group only, or of a class.
    """
    _check_groups_of_classes(targets, groups)
    codes = np.unique(groups, return_inverse=True)[1]
    number = int(codes.max()) + 1
    if number < 2:
        raise UserError("All samples are of one group, which stays in one part: nothing is left for the other.")
    strata = np.zeros(len(targets)) if targets.strata is None else targets.strata
    strata = np.unique(strata, return_inverse=True)[1]
    rows_of = np.zeros((number, int(strata.max()) + 1))
    np.add.at(rows_of, (codes, strata), 1)
    sizes, share = rows_of.sum(axis=0), wanted / len(targets)
    generator = np.random.default_rng(seed)
    least, chosen = np.inf, np.zeros(0, np.intp)
    for _ in range(_DRAWS):
        order = generator.permutation(number)
        drawn = rows_of[order].cumsum(axis=0)[:-1]  # the last group is never drawn, or nothing would be left
        last = int(np.abs(drawn.sum(axis=1) - wanted).argmin())
        miss = float(np.abs(drawn[last] / sizes - share).max())
        if miss < least:
            least, chosen = miss, order[: last + 1]
    is_drawn = np.isin(codes, chosen)
    _check_training_classes(targets, np.flatnonzero(~is_drawn))
    return np.flatnonzero(~is_drawn), np.flatnonzero(is_drawn)


def _folds(targets: Targets, groups: NDArray[np.int32], folds: int, seed: int) -> Iterable[Parts]:
    """Groups of very different size or classes are cut much alike whatever the seed, since few cuts are balanced."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    kind = GroupKFold if targets.strata is None else StratifiedGroupKFold
    parts = list(kind(folds, shuffle=True, random_state=seed).split(np.zeros(len(targets)), targets.values, groups))
    if not all(len(held) for _, held in parts):
        raise UserError(
            f"The groups are so unequal that one of the {folds} folds is left without samples; use fewer folds."
        )
    return parts


def _first_rows(groups: NDArray[np.int32], size: int, _: int) -> Iterable[Parts]:
    rows = np.arange(len(groups))
    if len(np.intersect1d(groups[:size], groups[size:])):
        raise UserError(
            f"Samples of a group are among the first {size} and after them, and a group stays in one part. Hold out a "
            "share instead, such as 0.2, which is drawn in whole groups."
        )
    return [(rows[size:], rows[:size])]


def _drawn(targets: Targets, groups: NDArray[np.int32], wanted: int, seed: int) -> Iterable[Parts]:
    return [draw_groups(targets, groups, wanted, seed)]


def _check_number(groups: NDArray[np.int32], folds: int) -> None:
    number = len(np.unique(groups))
    if number < folds:
        remedy = f"Use at most {number} folds" if number >= 2 else "Name another column"
        there = f"There {'is' if number == 1 else 'are'} {counted(number, 'group')}"
        raise UserError(
            f"{there}, fewer than the {folds} folds, and a group stays in one fold. {remedy}, or add samples of other "
            "groups."
        )


def _check_groups_of_classes(targets: Targets, groups: NDArray[np.int32]) -> None:
    for label in [] if targets.strata is None else np.unique(targets.values):
        if len(np.unique(groups[targets.values == label])) < 2:
            raise UserError(
                f"All samples of class {targets.name_of(label)} are of one group, and a group stays in one part: they "
                "would be missing in training or in validation. Add samples of that class from other groups, or leave "
                "the class out."
            )


def _check_training_classes(targets: Targets, train: NDArray[np.int64]) -> None:
    if targets.strata is None:
        return
    missing = np.setdiff1d(targets.values, targets.values[train])
    if len(missing):
        raise UserError(
            f"Groups stay in one part, and so some training rows have none of class {targets.name_of(missing[0])}. Use "
            "another seed or fewer folds, or add samples of that class from other groups."
        )
