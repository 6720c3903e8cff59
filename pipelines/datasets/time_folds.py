"""Cuts of rows that have an order in time: what is validated always comes after what is trained on.

A fold drawn at random would train on tomorrow to predict today, and hide over-fitting. Rows of one time are never cut
apart. There is one such cut, so repeats of it differ in their seeds only.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.fold_checks import Cut, Parts, Targets, held_out
from pipelines.errors import UserError

_ALL_AT_ONCE = "All samples have the same time, so none comes after the others. Name another column for their order."


def time_cut(targets: Targets, times: NDArray[np.int32], *, folds: int, size: float | None) -> Cut:
    """How each repeat is cut: by forward chaining for a ``size`` of None, else into a hold-out of the last share.

    Forward chaining makes ``folds + 1`` parts of about equal size, in time; each after the first is validated on by the
    fit that is trained on all before it.

    Raises
    ------
    UserError
        Where there are too few different times, the first training rows are of one class, or first rows are to be held
        out, which come before the others.
    """
    if isinstance(size, int):
        raise UserError(
            f"The hold-out takes the first {size} samples, but in time what is validated comes last. Hold out a share, "
            "such as 0.2: the last samples in time."
        )
    parts = [last_rows(targets, times, held_out(targets, size))] if size else _forward(targets, times, folds)
    return lambda _: parts


def last_rows(targets: Targets, times: NDArray[np.int32], wanted: int) -> Parts:
    """The rows before, and about ``wanted`` last ones in time; both in rising order.

    Raises ``UserError`` where all are of one time, or those before are of one class.
    """
    if len(np.unique(times)) < 2:
        raise UserError(_ALL_AT_ONCE)
    (first,) = _starts(times, [len(times) - wanted])
    order = np.argsort(times, kind="stable")
    before, after = np.sort(order[:first]), np.sort(order[first:])
    _check_classes(targets, before)
    return before, after


def _forward(targets: Targets, times: NDArray[np.int32], folds: int) -> list[Parts]:
    distinct = len(np.unique(times))
    if distinct < folds + 1:
        if distinct == 1:
            raise UserError(_ALL_AT_ONCE)
        remedy = f"Use at most {distinct - 1} folds" if distinct > 2 else "Use a hold-out such as 0.2"
        raise UserError(
            f"The samples have {distinct} different times, too few for {folds} folds in time, which need {folds + 1}. "
            f"{remedy}, or give times that tell more samples apart."
        )
    starts = _starts(times, [round(len(times) * part / (folds + 1)) for part in range(1, folds + 1)])
    order = np.argsort(times, kind="stable")
    ends = [*starts[1:], len(times)]
    _check_classes(targets, order[: starts[0]])
    return [(np.sort(order[:first]), np.sort(order[first:end])) for first, end in zip(starts, ends, strict=True)]


def _starts(times: NDArray[np.int32], wanted: Sequence[int]) -> list[int]:
    """Where, in order of time, the parts after the first begin: near the wanted rows, but never within one time.

    There are at least as many borders between times as wanted ones; each is used once.
    """
    borders = np.cumsum(np.unique(times, return_counts=True)[1])[:-1]
    found: list[int] = []
    low = 0
    for place, start in enumerate(wanted):
        high = len(borders) - (len(wanted) - 1 - place)  # leaves a border for each that follows
        chosen = low + int(np.abs(borders[low:high] - start).argmin())
        found.append(int(borders[chosen]))
        low = chosen + 1
    return found


def _check_classes(targets: Targets, first: NDArray[np.int64]) -> None:
    if targets.strata is not None and len(np.unique(targets.values[first])) < 2:
        raise UserError(
            f"The first {len(first)} samples in time are all of class {targets.name_of(targets.values[first[0]])}: "
            "nothing to learn from them. Use fewer folds, a smaller hold-out, or no order in time."
        )
