"""The search space of an exercise: its axes, and the way between a point of it and a configuration.

>>> space = Space((Parameter("depth", "int", 0, 2), Parameter("units", "int", 4, 64, log=True)))
>>> space.configuration({"depth": 2, "units": 16}, Configuration()).layers
(16, 16)
>>> space.values(Configuration(layers=(16, 16)), Configuration())
{'depth': 2, 'units': 16}
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from pipelines.exercises.configurations import FIELDS, Configuration, setting_named
from pipelines.exercises.settings import MAX_DEPTH, OWN_PREFIX, OWN_UNITS, Value, parse_layers

Values = Mapping[str, Value]

#: Ranges of so few whole numbers, such as a depth of 0 to 4, are not thinned out for a grid.
_LISTED_IN_FULL = 5
#: Values that went through a tracking store differ in their last digits.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Parameter:
    """One axis of a search space."""

    #: A setting of ``Configuration``; ``depth``, ``units`` or ``units_1``, ``units_2``, ... for the hidden layers;
    #: ``network.width`` for an argument of a user's own network.
    name: str
    #: ``int`` or ``float`` with ``low`` and ``high``, both included; ``categorical`` with ``choices``.
    kind: Literal["int", "float", "categorical"]
    low: int | float | None = None  # whole numbers stay such in the store: they enter the digest as they are
    high: int | float | None = None
    #: Whether equal ratios, rather than equal differences, are equally likely.
    log: bool = False
    choices: tuple[Value, ...] = ()

    @property
    def bounds(self) -> tuple[float, float]:
        """``low`` and ``high`` of a range; a ValueError for a categorical parameter."""
        if self.low is None or self.high is None:
            raise ValueError(f"{self.name} has choices, no bounds")
        return self.low, self.high

    @property
    def count(self) -> int | None:
        """Number of values; None where it is a continuum."""
        if self.kind == "categorical":
            return len(self.choices)
        low, high = self.bounds
        if self.kind == "int":
            return int(high) - int(low) + 1
        return 1 if low == high else None

    def match(self, value: object) -> Value | None:
        """The value of this axis that is meant by ``value``; None where there is none.

        Numbers are compared to nine digits, so that one read back from a tracking store is found again.
        """
        if self.kind == "categorical":
            return next((choice for choice in self.choices if _equal(choice, value)), None)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        low, high = self.bounds
        margin = _TOLERANCE * max(abs(low), abs(high))
        if not low - margin <= value <= high + margin:
            return None
        if self.kind == "int":
            return int(value) if value == int(value) else None
        return float(min(max(value, low), high))

    def points(self, count: int) -> tuple[Value, ...]:
        """Values for a grid: all choices and up to five whole numbers in full; else ``count`` of a range.

        These include both ends and lie evenly in the scale of the range; whole numbers that coincide count once.
        """
        if self.kind == "categorical":
            return self.choices
        low, high = self.bounds
        if self.kind == "int" and high - low < max(count, _LISTED_IN_FULL):
            return tuple(range(int(low), int(high) + 1))
        scale = np.geomspace if self.log else np.linspace
        raw = [float(f"{value:.12g}") for value in scale(low, high, count)]
        return tuple(sorted({round(value) for value in raw} if self.kind == "int" else set(raw)))

    def sample(self, generator: np.random.Generator) -> Value:
        """A value drawn at random, evenly in the parameter's scale."""
        if self.kind == "categorical":
            return self.choices[int(generator.integers(len(self.choices)))]
        low, high = self.bounds
        if self.kind == "int" and not self.log:
            return int(generator.integers(int(low), int(high) + 1))
        top = high + 1 if self.kind == "int" else high
        if self.log:
            raw = float(np.exp(generator.uniform(np.log(low), np.log(top))))
        else:
            raw = float(generator.uniform(low, top))
        return min(int(raw), int(high)) if self.kind == "int" else min(max(raw, low), high)


@dataclass(frozen=True)
class Space:
    """A search space: the axes, in the order of the file.

    A network without hidden layers has no units, activation or dropout, and one of two layers no third width. What
    does not matter at a point has a fixed value there, so that equal networks are equal points.
    """

    #: The axes.
    parameters: tuple[Parameter, ...]
    #: Whether there may be hidden convolutions, whatever the number of hidden dense layers.
    has_convolutions: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def structure(self) -> Parameter | None:
        """The axis that fixes how many hidden layers there are, and so what else matters: ``depth`` or ``layers``."""
        return next((parameter for parameter in self.parameters if parameter.name in ("depth", "layers")), None)

    @property
    def ordered(self) -> tuple[Parameter, ...]:
        """The axes with ``structure`` in front: a tuner draws it first, then what matters under it."""
        return tuple(sorted(self.parameters, key=lambda parameter: parameter is not self.structure))

    @property
    def size(self) -> int | None:
        """Number of different networks; None where an axis is a continuum."""
        structure = self.structure
        total = 0
        for value in (None,) if structure is None else structure.points(MAX_DEPTH + 1):
            product = 1
            for parameter in self.parameters:
                if parameter is not structure and self.matters(parameter.name, value):
                    if parameter.count is None:
                        return None
                    product *= parameter.count
            total += product
        return total

    @property
    def digest(self) -> str:
        """16 hexadecimal digits, equal for equal sets of points, in whatever order the file has them."""
        axes = sorted((asdict(parameter) for parameter in self.parameters), key=lambda axis: str(axis["name"]))
        for axis in axes:
            axis["choices"] = sorted(axis["choices"], key=lambda choice: (str(type(choice)), choice))
        return hashlib.sha256(json.dumps(axes, sort_keys=True).encode()).hexdigest()[:16]

    def matters(self, name: str, structure: Value | None) -> bool:
        """Whether an axis has an effect under a value of the structure (None: a space without one)."""
        if structure is None:
            return True
        depth = len(parse_layers(structure)) if isinstance(structure, str) else int(structure)
        if name == "units":
            return any(own not in self.names for own in OWN_UNITS[:depth])
        if name in OWN_UNITS:
            return depth > OWN_UNITS.index(name)
        needs = setting_named(name).needs
        return depth > 0 or "layers" not in needs or (self.has_convolutions and "convolutions" in needs)

    def conditions(self, name: str) -> tuple[Value, ...] | None:
        """Values of the structure under which an axis has an effect; None where it always has one."""
        structure = self.structure
        if structure is None or structure.name == name:
            return None
        values = structure.points(MAX_DEPTH + 1)
        effective = tuple(value for value in values if self.matters(name, value))
        return None if len(effective) == len(values) else effective

    def configuration(self, values: Values, baseline: Configuration) -> Configuration:
        """The network at a point; what the point leaves out, and every setting that is no axis, is the baseline's.

        Layers beyond the baseline's own are as wide as its last.
        """
        changes: dict[str, Any] = {
            name: value for name, value in values.items() if name in FIELDS or name.startswith(OWN_PREFIX)
        }
        return baseline.changed(changes | {"layers": _layers(values, baseline)}).canonical()

    def values(self, configuration: Configuration, baseline: Configuration) -> dict[str, Value] | None:
        """The point of a network, with a value for every axis; None where the network is not in the space.

        The inverse of ``configuration``: an axis without effect has the baseline's value, or its own first.
        """
        wanted = configuration.canonical()
        structure = self.structure
        layers = None if structure is None else structure.match(self._setting(structure.name, wanted))
        if structure is not None and layers is None:
            return None
        point: dict[str, Value] = {}
        for parameter in self.parameters:
            if self.matters(parameter.name, layers) and parameter.name not in wanted.idle:
                value = parameter.match(self._setting(parameter.name, wanted))
            else:
                value = self.default(parameter, baseline)
            if value is None:
                return None
            point[parameter.name] = value
        return point if self.configuration(point, baseline).hash == wanted.hash else None

    def default(self, parameter: Parameter, baseline: Configuration) -> Value:
        """The baseline's value on an axis, or the axis' first where the baseline has none there."""
        value = parameter.match(self._setting(parameter.name, baseline))
        return parameter.points(2)[0] if value is None else value

    def fixed(self, values: Values, baseline: Configuration) -> dict[str, Value]:
        """A point in its one form, where axes without effect have their fixed value; a ValueError for one outside."""
        point = self.values(self.configuration(values, baseline), baseline)
        if point is None:
            raise ValueError(f"{dict(values)} is not a point of the space")
        return point

    def contains(self, values: Values) -> bool:
        """Whether there is a value for every axis, inside it, and nothing else."""
        return set(values) == set(self.names) and all(
            parameter.match(values[parameter.name]) is not None for parameter in self.parameters
        )

    def sample(self, generator: np.random.Generator, baseline: Configuration) -> dict[str, Value]:
        """A point drawn at random."""
        return self.fixed({parameter.name: parameter.sample(generator) for parameter in self.parameters}, baseline)

    def _setting(self, name: str, configuration: Configuration) -> object:
        """What an axis is called ``name`` for in a network; None where the network has no such thing."""
        if name == "units":
            widths = zip(OWN_UNITS, configuration.layers, strict=False)
            return next((width for own, width in widths if own not in self.names), None)
        if name in OWN_UNITS:
            return next(iter(configuration.layers[OWN_UNITS.index(name) :]), None)
        if name == "depth":
            return len(configuration.layers)
        return configuration.layers_text if name == "layers" else configuration.value(name)


def _layers(values: Values, baseline: Configuration) -> tuple[int, ...]:
    """Widths of the hidden layers at a point: ``layers``, else for each layer its own, the common or the baseline's."""
    if "layers" in values:
        return parse_layers(str(values["layers"]))
    depth = int(values.get("depth", len(baseline.layers)))
    widths = []
    for index, own in enumerate(OWN_UNITS[:depth]):
        width = values.get(own, values.get("units"))
        if width is None:
            if not baseline.layers:
                raise ValueError("a baseline without hidden layers has no width to lend")
            width = baseline.layers[min(index, len(baseline.layers) - 1)]
        widths.append(int(width))
    return tuple(widths)


def _equal(choice: Value, value: object) -> bool:
    if isinstance(choice, bool) or isinstance(value, bool):
        return choice is value
    if isinstance(choice, int | float) and isinstance(value, int | float):
        return math.isclose(choice, value, rel_tol=_TOLERANCE, abs_tol=0.0)
    return type(choice) is type(value) and choice == value
