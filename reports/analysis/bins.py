"""Numbers of a setting put into few groups, so that a table of them can be read."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: More distinct numbers than this are put into bins, and into no more bins than this.
MOST_BINS = 6


@dataclass(frozen=True)
class Level:
    """A value of a setting, or a bin of its numbers: a row of a table.

    Attributes
    ----------
    label
        ``tanh``, ``64``, or the range of the bin: ``17-64`` for whole numbers, both ends included; ``0.01 to 0.03``
        for others, where the upper end belongs to the next bin if there is one.
    low, high
        The smallest and the largest number that was seen here; None for a word.
    """

    label: str
    low: float | None = None
    high: float | None = None


def number_levels(values: Sequence[float], *, log: bool, whole: bool) -> tuple[tuple[Level, ...], tuple[int, ...]]:
    """Levels of numbers in rising order, and for each value the position of its level.

    Up to ``MOST_BINS`` distinct numbers have a level each. More are put into bins with round ends: powers of 2, 4, 8,
    ... for whole numbers on a log scale, decades or thirds of them for others there, equal steps elsewhere. Zero keeps
    a level of its own, since no dropout is another thing than a little of it. Bins without values are left out.

    Parameters
    ----------
    values
        Finite, 0 or more, at least one.
    log
        Whether equal ratios count as equal steps.
    whole
        Whether all values are whole numbers.

    Examples
    --------
    >>> levels, positions = number_levels([4, 5, 16, 17, 60, 100, 1000], log=True, whole=True)
    >>> [level.label for level in levels], positions
    (['2-4', '5-16', '17-64', '65-256', '257-1024'], (0, 1, 1, 2, 2, 3, 4))
    """
    distinct = sorted(set(values))
    if len(distinct) <= MOST_BINS:
        digits = next(d for d in range(3, 18) if len({number_text(v, d) for v in distinct}) == len(distinct) or d == 17)
        exact = tuple(Level(number_text(value, digits), value, value) for value in distinct)
        return exact, tuple(distinct.index(value) for value in values)
    room = MOST_BINS - (distinct[0] == 0)
    positive = [value for value in distinct if value > 0]
    edges = next(
        edges for edges in _candidates(positive[0], positive[-1], log=log, whole=whole) if len(edges) - 1 <= room
    )
    bins = [-1 if value == 0 else _bin(value, edges, whole) for value in values]
    order = sorted(set(bins))
    levels = []
    for number in order:
        inside = [value for value, own in zip(values, bins, strict=True) if own == number]
        label = "0" if number < 0 else _range_text(edges[number], edges[number + 1], whole)
        levels.append(Level(label, min(inside), max(inside)))
    return tuple(levels), tuple(order.index(number) for number in bins)


def number_text(value: float, digits: int = 6) -> str:
    """A number as a row's heading: ``64``, ``0.001``, ``1e-05``."""
    return f"{value:.0f}" if value == int(value) else f"{value:.{digits}g}"


def _bin(value: float, edges: Sequence[float], whole: bool) -> int:
    """Whole numbers belong to the bin that they end, others to the one that they begin."""
    position = bisect_left(edges, value) if whole else bisect_right(edges, value)
    return min(max(position - 1, 0), len(edges) - 2)


def _range_text(low: float, high: float, whole: bool) -> str:
    if not whole:
        return f"{number_text(low)} to {number_text(high)}"
    return f"{high:.0f}" if low + 1 == high else f"{low + 1:.0f}-{high:.0f}"


def _candidates(low: float, high: float, *, log: bool, whole: bool) -> Iterator[list[float]]:
    """Ends of bins that hold ``low`` to ``high``, ever fewer."""
    if log and whole:
        for power in range(1, 64):
            yield _cut([0.0, *((2.0**power) ** exponent for exponent in range(64))], low, high, whole)
    elif log and high > 10 * low:
        decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        for mantissas in ((1.0, 3.0), (1.0,)):
            yield _cut([_round(m * 10.0**decade) for decade in decades for m in mantissas], low, high, whole)
        for stride in range(2, len(decades) + 1):
            yield _cut([10.0**decade for decade in range(decades[0] - stride, decades[-1] + stride, stride)], low, high)
    else:
        size = math.floor(math.log10((high - low) / MOST_BINS))
        for exponent in range(size, size + 4):
            for mantissa in (1, 2, 5):
                step = _round(mantissa * 10.0**exponent)
                if not whole or step >= 1:
                    first = math.floor(low / step) - 1
                    yield _cut([_round(step * number) for number in range(first, first + 99)], low, high, whole)


def _cut(edges: Sequence[float], low: float, high: float, whole: bool = False) -> list[float]:
    """The edges from the last one below ``low`` (others: or at it) to the first one at ``high`` or above."""
    first = bisect_left(edges, low) if whole else bisect_right(edges, low)
    return list(edges[max(first - 1, 0) : bisect_left(edges, high) + 1])


def _round(value: float) -> float:
    return float(f"{value:.12g}")
