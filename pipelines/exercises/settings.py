"""What each hyperparameter may be, and the reading of baselines, documented variants and search spaces from a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.checking.checker import Checker
from pipelines.datasets.base import Task
from pipelines.datasets.preparation import NORMALISATIONS
from pipelines.exercises.configurations import (
    ACTIVATIONS,
    BACKBONES,
    LAYER_NORMALISATIONS,
    LOSSES,
    MAX_CONVOLUTIONS,
    MAX_DEPTH,
    MAX_FILTERS,
    MAX_KERNEL,
    MAX_UNITS,
    MIN_UNITS,
    OPTIMIZERS,
    SCHEDULES,
    Configuration,
    convolutions_text,
    parse_convolutions,
    parse_layers,
)
from pipelines.exercises.spaces import WIDTHS, Parameter, Space, Value

MAX_BATCH_SIZE = 65536


@dataclass(frozen=True)
class Setting:
    """What a hyperparameter may be.

    A number from ``low`` to ``high`` (``open_ends`` excluded), one of ``words``, a ``flag``, or ``convolutions``.
    """

    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    open_ends: str = ""
    words: tuple[str, ...] = ()
    flag: bool = False
    convolutions: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it may be given as a range."""
        return not (self.words or self.flag or self.convolutions)


SETTINGS: Mapping[str, Setting] = {
    "depth": Setting(0, MAX_DEPTH, whole=True),
    **{name: Setting(MIN_UNITS, MAX_UNITS, whole=True) for name in WIDTHS},
    "activation": Setting(words=ACTIVATIONS),
    "loss": Setting(words=tuple(dict.fromkeys(loss for losses in LOSSES.values() for loss in losses))),
    "optimizer": Setting(words=OPTIMIZERS),
    "learning_rate": Setting(0, 100, open_ends="low"),
    "batch_size": Setting(1, MAX_BATCH_SIZE, whole=True),
    "normalisation": Setting(words=NORMALISATIONS),
    "layer_normalisation": Setting(words=LAYER_NORMALISATIONS),
    "dropout": Setting(0, 1, open_ends="high"),
    "l2": Setting(0, 100),
    "train_fraction": Setting(0, 1, open_ends="low"),
    "convolutions": Setting(convolutions=True),
    "backbone": Setting(words=BACKBONES),
    "fine_tune": Setting(flag=True),
    "schedule": Setting(words=SCHEDULES),
    "decay_rate": Setting(0, 1, open_ends="low"),
}
#: Keys of a baseline or a documented variant, and of a search space.
CONFIGURATION_KEYS = ("layers", *(name for name in SETTINGS if name != "depth" and name not in WIDTHS))
SPACE_KEYS = ("layers", *SETTINGS)
_SPACE_KEYS_LISTED = ", ".join(
    f"units_1 to {WIDTHS[-1]}" if name == WIDTHS[1] else name for name in SPACE_KEYS if name not in WIDTHS[2:]
)
RANGE_KEYS = ("low", "high", "log")

_CONVOLUTIONS = (
    f"FILTERSxKERNEL, s and a stride, p and a pooling, joined by hyphens (32x3p2-64x3s2), or none; at most "
    f"{MAX_CONVOLUTIONS}, with up to {MAX_FILTERS} filters and sides up to {MAX_KERNEL}"
)
_LAYERS = f"widths from {MIN_UNITS} to {MAX_UNITS} joined by hyphens, at most {MAX_DEPTH} (64-64), or none"


def default_configuration(task: Task | None) -> Configuration:
    """What a baseline starts from: 64-64 relu adam, with the usual loss of the task."""
    return Configuration(loss="mse" if task is Task.REGRESSION else "crossentropy")


def read_configuration(
    checker: Checker, key: str, raw: object, start: Configuration, task: Task | None
) -> Configuration | None:
    """A configuration from the settings in which it differs from ``start``; None where one of them is wrong."""
    content = checker.mapping(key, raw, CONFIGURATION_KEYS)
    if content is None:
        return None
    changes: dict[str, Any] = {}
    sound = True
    for name, value in content.items():
        read = _read_value(checker, f"{key}.{name}", name, value, task)
        sound = sound and read is not None
        changes[name] = parse_layers(str(read)) if name == "layers" and read is not None else read
    return replace(start, **changes).canonical() if sound else None


def read_space(
    checker: Checker, key: str, raw: object, baseline: Configuration | None, task: Task | None
) -> Space | None:
    """A search space; None where one of its axes is wrong.

    An axis is a list of choices or, for numbers, a range ``{low: 4, high: 4096, log: true}``.
    """
    if not isinstance(raw, dict) or not raw:
        checker.note(key, raw, "has nothing to vary", f"one axis or more of {_SPACE_KEYS_LISTED}")
        return None
    found = len(checker.problems)
    content = checker.mapping(key, raw, SPACE_KEYS, _SPACE_KEYS_LISTED) or {}
    axes = [_read_axis(checker, f"{key}.{name}", name, entry, task) for name, entry in content.items()]
    others = [name for name in content if name == "depth" or name in WIDTHS]
    if "layers" in content and others:
        checker.note(
            f"{key}.layers", content["layers"], f"fixes all widths, so {', '.join(others)} cannot vary beside it"
        )
    if len(checker.problems) > found or baseline is None:
        return None
    has_convolutions = "convolutions" in content or baseline.convolutions != "none"
    space = Space(tuple(axis for axis in axes if axis is not None), has_convolutions)
    _check_effects(checker, key, space, baseline)
    return space if len(checker.problems) == found else None


def _read_axis(checker: Checker, key: str, name: str, raw: object, task: Task | None) -> Parameter | None:
    if isinstance(raw, list):
        return _read_choices(checker, key, name, raw, task)
    setting = SETTINGS.get(name)
    if setting is None or not setting.is_number:
        checker.note(
            key, raw, "is not a list of choices", "such as [a, b]; to keep one value, put it into the baseline"
        )
        return None
    if not isinstance(raw, dict):
        checker.note(key, raw, "is neither a list of choices nor a range", "such as [1, 2] or {low: 1, high: 2}")
        return None
    return _read_range(checker, key, name, raw, setting)


def _read_choices(checker: Checker, key: str, name: str, raw: list[Any], task: Task | None) -> Parameter | None:
    if not raw:
        checker.note(key, raw, "is empty", "one choice or more")
        return None
    choices = [_read_value(checker, key, name, value, task) for value in raw]
    sound = [choice for choice in choices if choice is not None]
    if len(set(sound)) < len(sound):
        checker.note(key, raw, "has a choice twice", "different choices")
        return None
    return Parameter(name, "categorical", choices=tuple(sound)) if len(sound) == len(raw) else None


def _read_range(checker: Checker, key: str, name: str, raw: dict[str, Any], setting: Setting) -> Parameter | None:
    content = checker.mapping(key, raw, RANGE_KEYS) or {}
    ends: list[Value | None] = []
    for end in ("low", "high"):
        ends.append(_read_number(checker, f"{key}.{end}", content.get(end), setting))
    log = checker.flag(f"{key}.log", content.get("log", False))
    low, high = ends
    if log is None or not isinstance(low, int | float) or not isinstance(high, int | float) or len(content) < len(raw):
        return None
    if low > high:
        checker.note(f"{key}.low", content["low"], f"is above high ({content['high']!r})", "low up to high")
        return None
    if log and low <= 0:
        checker.note(f"{key}.low", content["low"], "has no logarithm", "above 0 where log is true")
        return None
    return Parameter(name, "int" if setting.whole else "float", low, high, log)


def _read_value(checker: Checker, key: str, name: str, value: object, task: Task | None) -> Value | None:
    """One value of a setting, in the type that a configuration has it in."""
    if name == "layers":
        return _read_layers(checker, key, value)
    setting = SETTINGS[name]
    if name == "loss" and task is not None:
        return checker.choice(key, value, LOSSES[task])
    if setting.flag:
        return checker.flag(key, value)
    if setting.convolutions:
        return _read_convolutions(checker, key, value)
    return checker.choice(key, value, setting.words) if setting.words else _read_number(checker, key, value, setting)


def _read_number(checker: Checker, key: str, value: object, setting: Setting) -> int | float | None:
    if setting.whole:
        return checker.whole(key, value, int(setting.low), int(setting.high))
    return checker.number(key, value, setting.low, setting.high, open_ends=setting.open_ends)


def _read_layers(checker: Checker, key: str, value: object) -> str | None:
    """Widths in their one spelling; a single width may be written as a number."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    try:
        widths = parse_layers(text) if isinstance(text, str) and text.strip() else None
    except ValueError:
        widths = None
    if widths is None or len(widths) > MAX_DEPTH or not all(MIN_UNITS <= width <= MAX_UNITS for width in widths):
        checker.note(key, value, "are no hidden layers", _LAYERS)
        return None
    return Configuration(layers=widths).layers_text


def _read_convolutions(checker: Checker, key: str, value: object) -> str | None:
    """Convolutions in their one spelling."""
    try:
        convolutions = parse_convolutions(value) if isinstance(value, str) and value.strip() else None
    except ValueError:
        convolutions = None
    sizes = [] if convolutions is None else [(c.filters, max(c.kernel, c.stride, c.pool)) for c in convolutions]
    numbers = [] if convolutions is None else [n for c in convolutions for n in (c.filters, c.kernel, c.stride, c.pool)]
    if (
        convolutions is None
        or len(convolutions) > MAX_CONVOLUTIONS
        or 0 in numbers
        or any(filters > MAX_FILTERS or side > MAX_KERNEL for filters, side in sizes)
    ):
        checker.note(key, value, "are no convolutions", _CONVOLUTIONS)
        return None
    return convolutions_text(convolutions)


def _check_effects(checker: Checker, key: str, space: Space, baseline: Configuration) -> None:
    """Note axes that change nothing anywhere in the space, and layers that nothing gives a width."""
    structure = space.structure
    depths: Sequence[Value] = structure.points(MAX_DEPTH + 1) if structure else (len(baseline.layers),)
    for parameter in space.parameters:
        if parameter is not structure and not any(space.matters(parameter.name, depth) for depth in depths):
            deepest = max(len(parse_layers(depth)) if isinstance(depth, str) else int(depth) for depth in depths)
            checker.problems.append(
                f"{key}.{parameter.name}: has no effect, since networks of this space have at most {deepest} hidden "
                "layers; allowed: axes that matter (let depth vary, or give the baseline hidden layers)"
            )
    if structure and structure.name == "depth" and not baseline.layers and "units" not in space.names:
        checker.note(f"{key}.units", None, "", "the widths of the layers, since the baseline has no hidden layer")
