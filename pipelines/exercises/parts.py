"""Parts of an exercise file: baselines and documented variants, and the search space."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from pipelines.checking.checker import Checker
from pipelines.checking.kinds import Kind, Whole
from pipelines.datasets.base import Task
from pipelines.exercises.configurations import FIELDS, SETTINGS, Configuration
from pipelines.exercises.settings import MAX_DEPTH, WIDTHS, parse_layers
from pipelines.exercises.spaces import Parameter, Space, Value

_SPACE_KEYS_LISTED = ", ".join(
    f"units_1 to {WIDTHS[-1]}" if name == WIDTHS[1] else name for name in SETTINGS if name not in WIDTHS[2:]
)
RANGE_KEYS = ("low", "high", "log")


def default_configuration(task: Task | None) -> Configuration:
    """What a baseline starts from: 64-64 relu adam, with the usual loss of the task."""
    return Configuration(loss="mse" if task is Task.REGRESSION else "crossentropy")


def read_configuration(
    checker: Checker, key: str, raw: object, start: Configuration, task: Task | None
) -> Configuration | None:
    """A configuration from the settings in which it differs from ``start``; None where one of them is wrong."""
    content = checker.mapping(key, raw, FIELDS)
    if content is None:
        return None
    changes: dict[str, Any] = {}
    sound = True
    for name, value in content.items():
        read = FIELDS[name].allowed(task).read(checker, f"{key}.{name}", value)
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
    content = checker.mapping(key, raw, SETTINGS, _SPACE_KEYS_LISTED) or {}
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
        return _read_choices(checker, key, name, raw, SETTINGS[name].allowed(task))
    if not SETTINGS[name].is_number:
        checker.note(
            key, raw, "is not a list of choices", "such as [a, b]; to keep one value, put it into the baseline"
        )
        return None
    if not isinstance(raw, dict):
        checker.note(key, raw, "is neither a list of choices nor a range", "such as [1, 2] or {low: 1, high: 2}")
        return None
    return _read_range(checker, key, name, raw, SETTINGS[name].kind)


def _read_choices(checker: Checker, key: str, name: str, raw: list[Any], kind: Kind) -> Parameter | None:
    if not raw:
        checker.note(key, raw, "is empty", "one choice or more")
        return None
    choices = [cast("Value | None", kind.read(checker, key, value)) for value in raw]
    sound = [choice for choice in choices if choice is not None]
    if len(set(sound)) < len(sound):
        checker.note(key, raw, "has a choice twice", "different choices")
        return None
    return Parameter(name, "categorical", choices=tuple(sound)) if len(sound) == len(raw) else None


def _read_range(checker: Checker, key: str, name: str, raw: dict[str, Any], kind: Kind) -> Parameter | None:
    content = checker.mapping(key, raw, RANGE_KEYS) or {}
    low, high = (kind.read(checker, f"{key}.{end}", content.get(end)) for end in ("low", "high"))
    log = checker.flag(f"{key}.log", content.get("log", False))
    if log is None or not isinstance(low, int | float) or not isinstance(high, int | float) or len(content) < len(raw):
        return None
    if low > high:
        checker.note(f"{key}.low", content["low"], f"is above high ({content['high']!r})", "low up to high")
        return None
    if log and low <= 0:
        checker.note(f"{key}.low", content["low"], "has no logarithm", "above 0 where log is true")
        return None
    return Parameter(name, "int" if isinstance(kind, Whole) else "float", low, high, log)


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
