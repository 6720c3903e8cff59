"""What there is to know of a setting: the terms in which each field of ``Configuration`` is described, where it stands.

Labels, run names, tables, remedies, the search space and the key of a compiled program read this description; nothing
else lists settings.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from pipelines.checking.kinds import Checker, Kind, Schema
from pipelines.datasets.base import Task

T = TypeVar("T")
#: What a setting may be in a search space.
Value = int | float | str | bool

ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "leaky_relu", "softplus", "linear")
OPTIMIZERS = ("sgd", "momentum", "rmsprop", "rmsprop_keras2", "adam", "adamw", "nadam", "adagrad")
LOSSES: Mapping[Task, tuple[str, ...]] = {
    Task.BINARY: ("crossentropy", "mse"),
    Task.MULTICLASS: ("crossentropy", "mse"),
    Task.REGRESSION: ("mse", "mae", "huber", "log_cosh"),
}
#: Losses that are squares near 0 and plain far away: their values depend on the unit that the target has in training.
UNIT_BOUND_LOSSES = ("huber", "log_cosh")
LAYER_NORMALISATIONS = ("none", "batch", "layer")
CLASS_WEIGHTS = ("none", "balanced")
#: Pretrained networks without their classifier; the number is the width multiplier.
BACKBONES = ("none", "mobilenet_v2", "mobilenet_v2_0.35")
#: Of the learning rate. Functions of the epoch alone, so that a shorter training is the beginning of a longer one;
#: a cosine or a one-cycle schedule is not, for it depends on where the training ends.
SCHEDULES = ("constant", "exponential", "inverse_time")
MIN_UNITS, MAX_UNITS, MAX_DEPTH = 1, 8192, 16
MAX_FILTERS, MAX_KERNEL, MAX_CONVOLUTIONS = 1024, 15, 16
MAX_BATCH_SIZE = 65536
#: Widths: of all hidden layers, and of single ones (``units_2``: the second layer has a width of its own).
OWN_UNITS = tuple(f"units_{number}" for number in range(1, MAX_DEPTH + 1))
WIDTHS = ("units", *OWN_UNITS)
#: Begins the name of a setting that is an argument of a user's own network: ``network.width``.
OWN_PREFIX = "network."
#: Place of what has none of its own: behind everything else, in the order of the fields.
_LAST = 1000
_KEY = "setting"


@dataclass(frozen=True)
class Remedy:
    """A setting as a remedy against over-fitting: in words, its place among them, whether less of it is the remedy."""

    words: str
    place: int
    less: bool = False


@dataclass(frozen=True)
class Setting:
    """What is known of a hyperparameter: a field of ``Configuration``, or an axis of a search space for its layers."""

    #: What it may be.
    kind: Kind
    #: In the reference of the YAML format.
    meaning: str
    #: What it may be where the task is known, if that is less.
    kind_of_task: Mapping[Task, Kind] = field(default_factory=dict)
    #: Tasks in which it has an effect; empty for all.
    tasks: tuple[Task, ...] = ()
    #: Of the field or the axis.
    name: str = ""
    #: In the tables of a report; the name with spaces where nothing else is stated.
    title: str = ""
    #: In the order of a report: what the network is, how it is trained, what holds it back.
    place: int = _LAST
    #: Whether equal ratios of it, rather than equal differences, are equal steps.
    log: bool = False
    #: Its word of a label: what stands before a value that is not the default, or a function of the configuration
    #: (empty: no word); ``name=`` where nothing else is stated.
    word: str | Callable[[Any], str] = ""
    #: Of that word in a label.
    word_place: int = _LAST
    #: Setting whose word tells this one too.
    shares_word: str = ""
    #: Settings one of which must be there (other than ``off``) for this one to have an effect; empty for none.
    needs: tuple[str, ...] = ()
    #: The value at which it does nothing; the default where nothing else is stated.
    off: object = None
    #: Whether one compiled program takes all its values. Otherwise, and so where it is forgotten, it is part of the
    #: program.
    argument: bool = False
    #: Whether most networks have none of it: it is written to the store for those that do.
    rare: bool = False
    #: Whether it decides which samples a network takes.
    decides_samples: bool = False
    #: Whether it says what our networks are built of, and so nothing about a user's own.
    builds: bool = False
    #: What it is against over-fitting; None for nothing.
    remedy: Remedy | None = None

    def allowed(self, task: Task | None) -> Kind:
        return self.kind_of_task.get(task, self.kind) if task else self.kind

    def has_effect(self, task: Task | None) -> bool:
        """Whether it has an effect in this task; in one that is not known yet it may."""
        return task is None or not self.tasks or task in self.tasks

    def written(self, value: object) -> str:
        """A value as people write it: three digits on a logarithmic scale, two decimals elsewhere.

        What would be rounded to 0 is not 0: ``<0.01``.

        >>> Setting(Layers(), "").written(0.2518), Setting(Layers(), "").written(5.72e-05)
        ('0.25', '<0.01')
        >>> Setting(Layers(), "", log=True).written(5.7234e-05), Setting(Layers(), "").written(64)
        ('5.72e-5', '64')
        """
        if not isinstance(value, float):
            return str(value)
        if self.log or value >= 1 or value == 0:
            return f"{value:.3g}".replace("e-0", "e-")
        decimals = f"{value:.2f}" if 0.005 <= value < 0.995 else f"{value:.3g}"
        return "<0.01" if value < 0.005 else decimals.rstrip("0")

    def by_default(self, default: T) -> T:
        """A field of ``Configuration`` that has this default."""
        return field(default=default, metadata={_KEY: self})  # type: ignore[no-any-return, call-overload]


def complete(known: Setting, name: str, default: object = None) -> Setting:
    """A setting with all that follows from its name and its default, where nothing else is stated."""
    return replace(
        known,
        name=name,
        title=known.title or name.replace("_", " "),
        word=known.word or ("" if known.shares_word else f"{name}="),
        off=default if known.off is None else known.off,
    )


def settings_of(configuration: type[Any]) -> dict[str, Setting]:
    """The settings of a class by name, each as its field states it; without fields that are none."""
    described = (f for f in fields(configuration) if _KEY in f.metadata)
    return {f.name: complete(f.metadata[_KEY], f.name, f.default) for f in described}


@dataclass(frozen=True)
class Layers(Kind):
    """Widths joined by hyphens, or ``none``; read in their one spelling."""

    allowed = f"widths from {MIN_UNITS} to {MAX_UNITS} joined by hyphens, at most {MAX_DEPTH} (64-64), or none"

    def read(self, checker: Checker, key: str, value: object) -> str | None:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        try:
            widths = parse_layers(text) if isinstance(text, str) and text.strip() else None
        except ValueError:
            widths = None
        if widths is None or len(widths) > MAX_DEPTH or not all(MIN_UNITS <= width <= MAX_UNITS for width in widths):
            return checker.refuse(key, value, "are no hidden layers", self.allowed)
        return layers_text(widths)

    def schema(self) -> Schema:
        single = {"type": "integer", "minimum": MIN_UNITS, "maximum": MAX_UNITS}
        return {"anyOf": [{"type": "string", "pattern": r"^(none|[0-9]+(-[0-9]+)*)$"}, single]}


@dataclass(frozen=True)
class Convolutions(Kind):
    """Convolutions as ``parse_convolutions`` reads them, in their one spelling."""

    allowed = (
        "FILTERSxKERNEL, s and a stride, p and a pooling, joined by hyphens (32x3p2-64x3s2), or none; at most "
        f"{MAX_CONVOLUTIONS}, with up to {MAX_FILTERS} filters and sides up to {MAX_KERNEL}"
    )

    def read(self, checker: Checker, key: str, value: object) -> str | None:
        try:
            convolutions = parse_convolutions(value) if isinstance(value, str) and value.strip() else None
        except ValueError:
            convolutions = None
        if convolutions is None or len(convolutions) > MAX_CONVOLUTIONS or not all(c.is_sound for c in convolutions):
            return checker.refuse(key, value, "are no convolutions", self.allowed)
        return convolutions_text(convolutions)

    def schema(self) -> Schema:
        one = r"[0-9]+x[0-9]+(s[0-9]+)?(p[0-9]+)?"
        return {"type": "string", "pattern": f"^(none|{one}(-{one})*)$"}


def layers_text(widths: tuple[int, ...]) -> str:
    """Hidden widths as in the exercises' tables: ``64-64``, ``none`` without hidden layers."""
    return "-".join(map(str, widths)) or "none"


def parse_layers(text: str) -> tuple[int, ...]:
    """Widths from ``64-4`` or ``none``; a ValueError where it is not whole numbers joined by hyphens."""
    text = text.strip()
    if text in ("none", ""):
        return ()
    return tuple(int(part) for part in text.split("-"))


@dataclass(frozen=True)
class Convolution:
    """One convolution: ``filters`` of ``kernel`` x ``kernel``, with a stride, then max pooling (1: none)."""

    filters: int
    kernel: int
    stride: int = 1
    pool: int = 1

    @property
    def is_sound(self) -> bool:
        """Whether it is something that can be built, and no larger than it may be."""
        sides = (self.kernel, self.stride, self.pool)
        return 1 <= self.filters <= MAX_FILTERS and all(1 <= side <= MAX_KERNEL for side in sides)

    def __str__(self) -> str:
        stride, pool = f"s{self.stride}" if self.stride > 1 else "", f"p{self.pool}" if self.pool > 1 else ""
        return f"{self.filters}x{self.kernel}{stride}{pool}"


def parse_convolutions(text: str) -> tuple[Convolution, ...]:
    """Convolutions from ``6x6-12x5s2-24x4s2p2``: filters x kernel, ``s`` stride, ``p`` pooling; or ``none``.

    A ValueError where a part is not of that form.

    >>> parse_convolutions("32x3p2")
    (Convolution(filters=32, kernel=3, stride=1, pool=2),)
    """
    text = text.strip()
    if text in ("none", ""):
        return ()
    convolutions = []
    for part in text.split("-"):
        match = re.fullmatch(r"(\d+)x(\d+)(?:s(\d+))?(?:p(\d+))?", part, re.ASCII)
        if match is None:
            raise ValueError(part)
        convolutions.append(Convolution(*(int(number) if number else 1 for number in match.groups())))
    return tuple(convolutions)


def convolutions_text(convolutions: tuple[Convolution, ...]) -> str:
    """The one spelling of convolutions; ``none`` for none."""
    return "-".join(map(str, convolutions)) or "none"


def own_text(value: Value) -> str:
    """An argument of a user's own network as the store has it: JSON, but a word without quotes where that is clear.

    >>> own_text(64), own_text(True), own_text("relu"), own_text("64")
    ('64', 'true', 'relu', '"64"')
    """
    clear = isinstance(value, str) and parse_own(value) is value
    return str(value) if clear else json.dumps(value)


def parse_own(text: str) -> Value:
    """The argument that ``own_text`` wrote: a word is itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return value if is_number or isinstance(value, str) else text
