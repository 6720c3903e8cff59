"""The settings that vary in a sweep: titles, scales, values, bins of values, and sets that differ in one alone.

A tuner changes many settings at once; documented variants, grids and luck leave sets of configurations in which only
one differs. Within such a set a difference has one cause.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.exercises.configurations import FIELDS, SETTINGS, Configuration, setting_named
from pipelines.exercises.settings import OWN_PREFIX, OWN_UNITS
from pipelines.tracking.trials import Trial

Value = str | float

#: What a report tells of every configuration: the layers by ``units`` and ``depth``.
_REPORTED = [name for name in SETTINGS if name not in ("layers", *OWN_UNITS)]
#: Of arguments whose scale nobody has told: below this, two decimals would show nothing of a number.
SMALL = 0.01
#: More distinct numbers than this are put into bins, and into no more bins than this.
MOST_BINS = 6


@dataclass(frozen=True)
class Level:
    """A value of a setting, or a bin of its numbers, with the smallest and largest number seen here: a row of a table.

    ``label`` is ``tanh``, ``64``, or the range of the bin: ``17-64`` for whole numbers, both ends included; ``0.01 to
    0.03`` for others, where the upper end belongs to the next bin if there is one.
    """

    label: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class VariedSetting:
    """A setting that takes more than one value in a sweep.

    ``name`` is a field of ``Configuration``; ``network.width``, an argument of a user's own network; or ``units``,
    ``depth``, and ``units_2``, ``units_3``, ... where a later layer has a width of its own. ``levels`` rise, or are
    words in alphabetical order; ``level_of`` has the position among them by run id, ``value_of`` the value itself, both
    without trials in which the setting has no effect. With ``log`` equal ratios count as equal steps.
    """

    name: str
    title: str
    numeric: bool
    log: bool
    levels: tuple[Level, ...]
    level_of: Mapping[str, int]
    value_of: Mapping[str, Value]

    @property
    def binned(self) -> bool:
        """Whether a level may hold several values."""
        return any(level.low != level.high for level in self.levels)

    def position(self, value: float) -> float:
        """Where a number lies on its scale: its logarithm to base 10 on a log scale, else itself.

        Zero has no logarithm; it is put one power of ten below the smallest other value.
        """
        if not self.log:
            return float(value)
        if value > 0:
            return math.log10(value)
        return math.log10(min(v for v in self.value_of.values() if not isinstance(v, str) and v > 0)) - 1


def varied_settings(trials: Iterable[Trial], log: Collection[str] = ()) -> tuple[VariedSetting, ...]:
    """The settings that take more than one value, as the configurations themselves have them.

    A setting without effect in a network (dropout without hidden layers) does not count there. ``log``: arguments of a
    user's own network whose axes are logarithmic.
    """
    configurations = {trial.run_id: trial.configuration.canonical() for trial in trials if trial.configuration}

    def values(name: str) -> dict[str, Value]:
        of_each = ((run_id, setting_of(configuration, name)) for run_id, configuration in configurations.items())
        return {run_id: value for run_id, value in of_each if value is not None}

    titles = varied_titles(list(configurations.values()))
    return tuple(
        _varied_setting(name, title, values(name), log=setting_named(name, log).log) for name, title in titles.items()
    )


def wide_ranges(configurations: Iterable[Configuration]) -> frozenset[str]:
    """Arguments whose numbers span a power of ten or are small, as learning rates, penalties and widths do."""
    values: dict[str, set[float]] = {}
    for configuration in configurations:
        for name, value in configuration.own:
            if isinstance(value, int | float) and value > 0:
                values.setdefault(OWN_PREFIX + name, set()).add(float(value))
    return frozenset(name for name, of in values.items() if max(of) >= 10 * min(of) or min(of) < SMALL)


def varied_titles(configurations: Sequence[Configuration]) -> dict[str, str]:
    """Names and titles of the settings that take more than one value, in the order of a report.

    ``units`` is called the first layer's only where later layers have widths of their own.
    """
    own = [f"units_{number}" for number in _own_widths(configurations)]
    arguments = dict.fromkeys(OWN_PREFIX + name for configuration in configurations for name, _ in configuration.own)
    names = sorted([*arguments, *_REPORTED, *own], key=lambda name: setting_named(name).place)
    titles = {name: setting_named(name).title for name in names} | ({} if own else {"units": "units"})
    return {
        name: title
        for name, title in titles.items()
        if len({value for c in configurations if (value := setting_of(c, name)) is not None}) > 1
    }


def setting_of(configuration: Configuration, name: str) -> Value | None:
    """Value of a setting in a configuration; None where it has no effect there.

    ``units`` is the width of the first hidden layer, ``units_2`` of the second; ``depth`` their number.
    """
    if name in ("depth", "units") and configuration.network:
        return None
    if name == "depth":
        return len(configuration.layers)
    if name.partition("_")[0] == "units":
        layer = int(name.partition("_")[2] or 1)
        return configuration.layers[layer - 1] if layer <= len(configuration.layers) else None
    if name in configuration.idle:
        return None
    return _told(configuration.value(name))


def single_change(base: Configuration, other: Configuration) -> tuple[str, Value, Value] | None:
    """The one setting in which two configurations differ, and its value in each; None where they differ in more.

    What has no effect in one of them does not count: without hidden layers there is no activation to differ in.
    ``units`` are those of all hidden layers, ``units_2`` of the second alone; a schedule's value has its rate in it.

    >>> base = Configuration(layers=(64, 64))
    >>> single_change(base, Configuration(layers=(16, 16))), single_change(base, Configuration(layers=()))
    (('units', 64, 16), ('depth', 2, 0))
    """
    base, other = base.canonical(), other.canonical()
    if base == other:
        return None
    name = _layers_change(base.layers, other.layers)
    if name and replace(base, layers=other.layers).canonical() == other:
        at = int(name.partition("_")[2] or 1) - 1
        ends = (len(base.layers), len(other.layers)) if name == "depth" else (base.layers[at], other.layers[at])
        return name, *ends
    arguments = (OWN_PREFIX + argument for argument, _ in other.own)
    for name in (*arguments, *(name for name in _REPORTED if name in FIELDS)):
        if base.changed(_same(other, name)).canonical() == other and base.value(name) is not None:
            return name, _value_in_full(base, name), _value_in_full(other, name)
    return None


def matched_sets(trials: Iterable[Trial], name: str) -> list[dict[Value, Trial]]:
    """The sets of two or more configurations that are equal but for the setting ``name``, by its value, rising.

    Settings without effect need not be equal. For ``units`` and ``depth`` all hidden layers of a network have to be of
    one width. A schedule's value has its rate in it (``exponential 0.9``), since the two change together.
    """
    sets: dict[Configuration, dict[Value, Trial]] = {}
    for trial in trials:
        found = None if trial.configuration is None else _without(trial.configuration.canonical(), name)
        if found is not None:
            rest, value = found
            sets.setdefault(rest, {}).setdefault(value, trial)
    return [dict(sorted(same.items())) for same in sets.values() if len(same) > 1]  # type: ignore[type-var]


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

    def level(number: int) -> Level:
        inside = [value for value, own in zip(values, bins, strict=True) if own == number]
        label = "0" if number < 0 else _range_text(edges[number], edges[number + 1], whole)
        return Level(label, min(inside), max(inside))

    return tuple(map(level, order)), tuple(order.index(number) for number in bins)


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


def _layers_change(base: tuple[int, ...], other: tuple[int, ...]) -> str:
    """Name of the one thing in which hidden layers differ: their width, their number, the width of one; else empty."""
    if len({*base, *other}) == 1 and len(base) != len(other):
        return "depth"
    if len(base) != len(other) or not base:
        return ""
    if len(set(base)) == len(set(other)) == 1:
        return "units"
    (first, *more) = [at for at, (one, two) in enumerate(zip(base, other, strict=True), start=1) if one != two] or [0]
    return f"units_{first}" if first and not more else ""


def _same(configuration: Configuration, name: str) -> dict[str, object]:
    """The field of this name as this configuration has it; a schedule's with its rate."""
    names = ("schedule", "decay_rate") if name == "schedule" else (name,)
    return {each: configuration.value(each) for each in names}


def _value_in_full(configuration: Configuration, name: str) -> Value:
    if name == "schedule" and configuration.schedule != "constant":
        return f"{configuration.schedule} {configuration.decay_rate:g}"
    value: Value = _told(configuration.value(name))
    return value


def _told(value: Any) -> Any:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _own_widths(configurations: Sequence[Configuration]) -> list[int]:
    """Numbers of the layers, from the second on, whose width is not simply that of the first."""
    wide = [configuration.layers for configuration in configurations]
    deepest = max(map(len, wide), default=0)
    return [n + 1 for n in range(1, deepest) if any(len(layers) > n and layers[n] != layers[0] for layers in wide)]


def _varied_setting(name: str, title: str, values: Mapping[str, Value], *, log: bool) -> VariedSetting:
    numeric = not any(isinstance(value, str) for value in values.values())
    log = numeric and log
    if numeric:
        numbers = [float(value) for value in values.values()]
        levels, of = number_levels(numbers, log=log, whole=all(map(float.is_integer, numbers)))
    else:
        words = sorted({str(value) for value in values.values()})
        levels, of = tuple(map(Level, words)), tuple(words.index(str(value)) for value in values.values())
    return VariedSetting(
        name=name,
        title=title,
        numeric=numeric,
        log=log,
        levels=levels,
        level_of=dict(zip(values, of, strict=True)),
        value_of=values,
    )


def _without(configuration: Configuration, name: str) -> tuple[Configuration, Value] | None:
    """A configuration with a setting taken out, and that setting's value; None where it cannot be taken out."""
    if name in ("units", "depth"):
        widths = set(configuration.layers)
        if len(widths) != 1:
            return None
        rest = (1,) * len(configuration.layers) if name == "units" else tuple(widths)
        return replace(configuration, layers=rest), float(setting_of(configuration, name) or 0)
    if name == "schedule":
        rate = "" if configuration.schedule == "constant" else f" {configuration.decay_rate:g}"
        plain = replace(configuration, schedule="constant", decay_rate=Configuration.decay_rate)
        return plain, configuration.schedule + rate
    value = setting_of(configuration, name)
    nothing = None if name.startswith(OWN_PREFIX) else getattr(Configuration, name)
    return None if value is None else (configuration.changed({name: nothing}), value)
