"""The design of an exercise: its baseline with one setting changed at a time, and the values that each setting takes.

What the exercises of a textbook ask ("more units instead", "tanh instead") are comparisons of such pairs.

>>> points(Parameter("units", "int", 4, 4096, log=True))
(4, 16, 64, 256, 1024, 4096)
>>> points(Parameter("dropout", "float", 0.0, 0.6)), points(Parameter("learning_rate", "float", 1e-4, 0.1, log=True))
((0.0, 0.2, 0.4, 0.6), (0.0001, 0.001, 0.01, 0.1))
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pipelines.exercises.configurations import Configuration
from pipelines.exercises.settings import OWN_PREFIX, OWN_UNITS, WIDTHS, Value, parse_layers
from pipelines.exercises.spaces import Parameter, Space

#: Values by setting, in the order in which they are tried; empty for no design.
Points = Mapping[str, tuple[Value, ...]]
#: How the origin of a trial begins that a design, or a documented variant, asked for.
DESIGN_ORIGIN, DOCUMENTED_ORIGIN = "design: ", "documented: "
#: What a file or a parameter may say in place of settings.
ONE_AT_A_TIME, NONE = "one_at_a_time", "none"
#: Values of a range, about.
_MOST = 5
#: A value of a range that is nearer than this share of a step to the baseline's own tells nothing new.
_NEAR = 0.25


@dataclass(frozen=True)
class DesignPoint:
    """The baseline with one setting changed to a value."""

    setting: str
    value: Value
    configuration: Configuration

    @property
    def origin(self) -> str:
        """Where a trial of it comes from, as the store says it: ``design: units=16``."""
        shown = f"{self.value:.12g}" if isinstance(self.value, float) else str(self.value)
        name = self.setting.removeprefix(OWN_PREFIX)
        return f"{DESIGN_ORIGIN}{name}={shown.lower() if isinstance(self.value, bool) else shown}"


def design_points(design: Points, baseline: Configuration) -> tuple[DesignPoint, ...]:
    """Every configuration of a design once, without the baseline.

    ``units`` is the width of all hidden layers, ``units_2`` of the second alone. Further layers are as wide as the
    baseline's last; where it has none, as the middle one of the design's ``units``, or 64. What has no effect on the
    baseline, dropout without hidden layers or the width of a layer that is not there, is left out.
    """
    units = design.get("units") or Configuration.layers
    width = int(sorted(units)[len(units) // 2])  # type: ignore[type-var]
    found: dict[str, DesignPoint] = {}
    for setting, values in design.items():
        for value in values:
            configuration = _changed(baseline, setting, value, width=width)
            found.setdefault(configuration.hash, DesignPoint(setting, value, configuration))
    found.pop(baseline.hash, None)
    return tuple(found.values())


def one_at_a_time(space: Space, baseline: Configuration) -> Points:
    """The axes of a space, each with its values about the baseline."""
    return {axis.name: tuple(_about(axis, space, baseline)) for axis in space.parameters}


def points(axis: Parameter) -> tuple[Value, ...]:
    """Values of an axis: all choices, up to five whole numbers in full, else about five of a range, on its scale.

    Widths, and whole numbers on a log scale, are powers of two or, in a wide range, of four; others are round numbers,
    powers of ten on a log scale.
    """
    if axis.kind == "categorical":
        return axis.choices
    low, high = axis.bounds
    found: list[Value] = []
    if axis.kind == "float":
        found = [*(_round_on_log_scale(low, high) if axis.log else _round(low, high))]
    elif high - low >= _MOST and (axis.log or axis.name in WIDTHS):
        powers = range((int(low) - 1).bit_length(), int(high).bit_length())
        found = [2**power for power in powers if len(powers) <= _MOST or power % 2 == 0]
    return tuple(found) if len(found) > 1 else axis.points(_MOST)


def _about(axis: Parameter, space: Space, baseline: Configuration) -> Iterator[Value]:
    """The values of an axis but those of a range that are next to the baseline's own."""
    found, own = points(axis), space.default(axis, baseline)
    numbers = [] if axis.kind == "categorical" else [float(value) for value in (*found, own)]
    if len(found) < 2 or not numbers or (axis.log and min(numbers) <= 0):
        yield from found
        return
    *places, place = (math.log(number) if axis.log else number for number in numbers)
    step = (places[-1] - places[0]) / (len(places) - 1)
    yield from (value for value, at in zip(found, places, strict=True) if at == place or abs(at - place) > _NEAR * step)


def _changed(baseline: Configuration, setting: str, value: Value, *, width: int) -> Configuration:
    layers = baseline.layers
    if setting == "layers":
        layers = parse_layers(str(value))
    elif setting == "units":
        layers = (int(value),) * len(layers)
    elif setting == "depth":
        layers = (*layers, *(layers[-1:] or (width,)) * int(value))[: int(value)]
    elif setting in OWN_UNITS:
        layers = tuple(int(value) if own == setting else old for own, old in zip(OWN_UNITS, layers, strict=False))
    else:
        return baseline.changed({setting: value}).canonical()
    return replace(baseline, layers=layers).canonical()


def _round(low: float, high: float) -> list[float]:
    """Multiples of the smallest of 1, 2 and 5 times a power of ten of which the range has at most five."""
    if low == high:
        return [low]
    power = math.floor(math.log10(high - low)) - 1
    for step in (float(f"{digit}e{exponent}") for exponent in (power, power + 1, power + 2) for digit in (1, 2, 5)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < _MOST:
            break
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _round_on_log_scale(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, or 1 and 3 times, or these powers alone; none where even those are too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        every = [float(f"{digit}e{power}") for power in powers for digit in digits]
        found = [number for number in every if low * (1 - 1e-9) <= number <= high * (1 + 1e-9)]
        if len(found) <= _MOST:
            return found
    return []
