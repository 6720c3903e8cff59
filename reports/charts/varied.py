"""The settings that a sweep varied, each on a scale of its own: what is multiplied from one value to the next is on a
logarithmic one, words are categories, and a penalty of zero keeps a place beside the logarithmic scale.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pipelines.exercises.configurations import SETTINGS, Configuration
from reports.charts.chart import Axis, around, around_log, log_ticks, short
from reports.settings import setting_of, varied_titles

Scale = Literal["linear", "log", "category"]
Value = float | str | None

#: Up to so many different values each have a tick of their own.
FEW_VALUES = 7
#: How far points of one value may be moved apart, as a share of the distance between values.
JITTER = 0.28


@dataclass(frozen=True)
class Setting:
    """A hyperparameter: its name in ``reports.analysis.parameters``, its words, its scale."""

    name: str
    words: str
    scale: Scale


@dataclass(frozen=True)
class Varied:
    """A setting and the value of it in each of some configurations.

    Attributes
    ----------
    setting
        Which it is.
    values
        One a configuration, None where it has no effect.
    places
        The same as places on ``axis``: categories are numbered from 0, a zero on a logarithmic scale gets a place
        beside it.
    axis
        With ticks.
    """

    setting: Setting
    values: tuple[Value, ...]
    places: tuple[float | None, ...]
    axis: Axis

    def words(self, index: int) -> str:
        """The value of one configuration, as a reader sees it."""
        return value_words(self.values[index])


def varied(configurations: Sequence[Configuration]) -> tuple[Varied, ...]:
    """The settings with at least two different values, in the order of a report."""
    found = []
    for name, title in varied_titles(configurations).items():
        values = tuple(setting_of(configuration, name) for configuration in configurations)
        scale: Scale = "log" if SETTINGS[name].log else "linear"
        if any(isinstance(value, str) for value in values):
            scale = "category"
        found.append(_placed(Setting(name, title, scale), values))
    return tuple(found)


def value_words(value: Value) -> str:
    """A value as a reader sees it; a dash where the setting has no effect.

    >>> value_words(0.000123456), value_words(512), value_words("relu"), value_words(None)
    ('0.000123', '512', 'relu', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _placed(setting: Setting, values: tuple[Value, ...]) -> Varied:
    numbers = [float(value) for value in values if value is not None and not isinstance(value, str)]
    if setting.scale == "category" or len(numbers) < sum(value is not None for value in values):
        return _categories(setting, values)
    few = sorted(set(numbers)) if len(set(numbers)) <= FEW_VALUES else []
    if setting.scale == "linear" or min(numbers) < 0 or max(numbers) == 0:
        low, high = around(numbers, margin=_margin(few))
        axis = Axis(setting.words, low, high, ticks=tuple((place, short(place)) for place in few))
        return Varied(setting, values, tuple(_number(value) for value in values), axis)
    positive = [number for number in numbers if number > 0]
    zero = None if len(positive) == len(numbers) else _beside(positive)
    places = tuple(zero if value == 0 else _number(value) for value in values)
    shown = [*positive, *([] if zero is None else [zero])]
    logs = [math.log10(place) for place in sorted(set(shown))] if few else []
    low, high = around_log(shown, margin=_margin(logs))
    of_scale = (
        tuple((place, short(place)) for place in few if place > 0 and _apart(place, few))
        if few
        else log_ticks(min(positive), max(positive))
    )
    at_zero = () if zero is None else ((zero, "0"),)
    return Varied(setting, values, places, Axis(setting.words, low, high, log=True, ticks=(*at_zero, *of_scale)))


def _margin(few: Sequence[float]) -> float:
    """Room at both ends, as a share of the axis, for points that are moved apart."""
    if len(few) < 2:
        return 0.06
    least = min(after - before for before, after in pairwise(few))
    return max(0.06, 1.25 * JITTER * least / (few[-1] - few[0]))


def _categories(setting: Setting, values: tuple[Value, ...]) -> Varied:
    names = sorted({str(value) for value in values if value is not None})
    places = tuple(None if value is None else float(names.index(str(value))) for value in values)
    ticks = tuple((float(index), name) for index, name in enumerate(names))
    axis = Axis(setting.words, -0.5, len(names) - 0.5, ticks=ticks, grid=False)
    return Varied(Setting(setting.name, setting.words, "category"), values, places, axis)


def _beside(positive: Sequence[float]) -> float:
    """The place of zero: one decade under the least positive value."""
    return 10.0 ** (math.floor(math.log10(min(positive)) + 1e-9) - 1)


def _apart(place: float, few: Sequence[float]) -> bool:
    """Whether there is room for a tick's text beside that of the next smaller value."""
    smaller = [other for other in few if 0 < other < place]
    return not smaller or math.log10(place / smaller[-1]) > 0.04 * math.log10(few[-1] / min(o for o in few if o > 0))


def _number(value: Value) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)
