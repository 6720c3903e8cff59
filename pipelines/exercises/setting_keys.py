"""The keys under which an exercise file states settings: baseline, space and design; see ``keys``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.checking.kinds import Checker, Choice, Flag, Key, Keys, Kind, ListOf, Number, Schema, Text, Whole
from pipelines.datasets.base import Task
from pipelines.exercises.configurations import FIELDS, SETTINGS, Configuration
from pipelines.exercises.design import NONE, ONE_AT_A_TIME
from pipelines.exercises.own_network import BUILDING, AnyNumber, AnyWhole, Function, Plain
from pipelines.exercises.settings import WIDTHS, Setting, parse_layers
from pipelines.exercises.spaces import Parameter

_FLAG, _TEXT = Flag(), Text()
_NAMED_SPACE = ", ".join(
    f"units_1 to {WIDTHS[-1]}" if name == WIDTHS[1] else name for name in SETTINGS if name not in WIDTHS[2:]
)


def default_configuration(task: Task | None, function: str = "", *, own_file: bool = False) -> Configuration:
    """What a baseline starts from: 64-64 relu adam, with the usual loss of the task; or the user's function.

    Targets of a user's own file are in any unit, so they are standardised; those of the textbooks stay as documented.
    """
    if task is not Task.REGRESSION:
        return Configuration(network=function)
    return Configuration(loss="mse", network=function, target_scaling="standardise" if own_file else "none")


@dataclass(frozen=True)
class Settings(Keys):
    """Settings by name, each as a configuration calls it; those of a user's own function are its arguments."""

    function: Function | None = None

    def entries(self, checker: Checker, key: str, value: object) -> dict[str, Any] | None:
        if self.function is not None and isinstance(value, dict):
            for name in [name for name in value if name in BUILDING and name not in self.keys]:
                fault = f"is for networks that are built here, and {self.function.place} builds this one"
                checker.problems.append(f"{checker.label(f'{key}.{name}')}: {fault}; allowed: {', '.join(self.keys)}")
            value = {name: entry for name, entry in value.items() if name not in BUILDING or name in self.keys}
        return super().entries(checker, key, value)

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        content, names = super().read(checker, key, value), setting_names(self.function)
        return None if content is None else {names.get(name, name): entry for name, entry in content.items()}


def setting_names(function: Function | None) -> dict[str, str]:
    """Names of settings by those of the arguments of a user's own function."""
    return {argument.name: argument.setting for argument in function.arguments} if function else {}


def _with_arguments(
    keys: Mapping[str, Key], kind_of: Callable[[str, Kind], Kind], function: Function | None
) -> dict[str, Key]:
    """These keys; for a user's own function its arguments in place of what our networks are built of."""
    if function is None:
        return dict(keys)
    own = {of.name: Key(kind_of(of.setting, of.kind), of.meaning) for of in function.arguments}
    return own | {name: key for name, key in keys.items() if name not in BUILDING}


def configuration_keys(task: Task | None = None, function: Function | None = None) -> Settings:
    """The settings of a baseline, or of what a documented variant changes.

    One that has no effect in the task is read, and left at its default: equal networks are equal configurations.
    """
    keys = {name: Key(_kind_of_value(known, task), known.meaning) for name, known in FIELDS.items()}
    return Settings(_with_arguments(keys, lambda name, kind: kind, function), function=function)


def _kind_of_value(known: Setting, task: Task | None) -> Kind:
    kind = known.allowed(task)
    return kind if known.has_effect(task) else Idle(kind, getattr(Configuration, known.name))


@dataclass(frozen=True)
class Idle(Kind):
    """What has no effect: whatever is given, it stays at its default."""

    kind: Kind
    default: object

    @property
    def allowed(self) -> str:
        return self.kind.allowed

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        return None if self.kind.read(checker, key, value) is None else self.default

    def schema(self) -> Schema:
        return self.kind.schema()


@dataclass(frozen=True)
class NothingToVary(Kind):
    """Values of a setting that has no effect in the task."""

    task: Task
    described = "left out"

    @property
    def allowed(self) -> str:
        return "settings that matter there"

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        return checker.refuse(key, value, f"has no effect in a {self.task} task", self.allowed)

    def schema(self) -> Schema:
        return {"not": {}}


def changed(start: Configuration, changes: Mapping[str, Any]) -> Configuration:
    """A configuration from the settings, as ``configuration_keys`` reads them, in which it differs from another."""
    layers = {"layers": parse_layers(changes["layers"])} if "layers" in changes else {}
    return start.changed({**changes, **layers}).canonical()


@dataclass(frozen=True)
class Axis(Kind):
    """An axis of a space: a list of choices or, for numbers, a range ``{low: 4, high: 4096, log: true}``."""

    name: str
    kind: Kind

    @property
    def is_number(self) -> bool:
        """Whether it may be a range."""
        return isinstance(self.kind, Whole | Number | Plain)

    @property
    def range_keys(self) -> Keys:
        """The keys of a range."""
        return Keys(
            {
                "low": Key(self.kind, "Lowest value", required=True),
                "high": Key(self.kind, "Highest value, itself included", required=True),
                "log": Key(_FLAG, "Whether equal ratios, rather than equal differences, are equally likely", False),
            }
        )

    @property
    def allowed(self) -> str:
        return "such as [1, 2] or {low: 1, high: 2}" if self.is_number else "such as [a, b]"

    @property
    def described(self) -> str:
        return f"a list of choices{' or a range' if self.is_number else ''}, each {self.kind.described}"

    def read(self, checker: Checker, key: str, value: object) -> Parameter | None:
        if isinstance(value, list):
            return self._choices(checker, key, value)
        if not self.is_number:
            allowed = f"{self.allowed}; to keep one value, put it into the baseline"
            return checker.refuse(key, value, "is not a list of choices", allowed)
        if not isinstance(value, dict):
            return checker.refuse(key, value, "is neither a list of choices nor a range", self.allowed)
        if isinstance(self.kind, Plain):  # whole numbers where both ends are written as such
            whole = all(type(value.get(end)) is int for end in ("low", "high"))
            return Axis(self.name, AnyWhole() if whole else AnyNumber()).read(checker, key, value)
        return self._range(checker, key, value)

    def _range(self, checker: Checker, key: str, value: dict[str, Any]) -> Parameter | None:
        content = self.range_keys.read(checker, key, value)
        if content is None:
            return None
        if content["low"] > content["high"]:
            fault = f"is above high ({value['high']!r})"
            return checker.refuse(f"{key}.low", value["low"], fault, "low up to high")
        if content["log"] and content["low"] <= 0:
            return checker.refuse(f"{key}.low", value["low"], "has no logarithm", "above 0 where log is true")
        return Parameter(self.name, "int" if isinstance(self.kind, Whole) else "float", **content)

    def _choices(self, checker: Checker, key: str, raw: list[Any]) -> Parameter | None:
        if not raw:
            return checker.refuse(key, raw, "is empty", "one choice or more")
        choices = [self.kind.read(checker, key, value) for value in raw]
        sound = tuple(choice for choice in choices if choice is not None)
        if len(set(sound)) < len(sound):
            return checker.refuse(key, raw, "has a choice twice", "different choices")
        return Parameter(self.name, "categorical", choices=sound) if len(sound) == len(raw) else None

    def schema(self) -> Schema:
        choices = {"type": "array", "items": self.kind.schema(), "minItems": 1, "uniqueItems": True}
        return {"anyOf": [choices, self.range_keys.schema()]} if self.is_number else choices


@dataclass(frozen=True)
class Axes(Settings):
    """The axes of a space, at least one; read in the order of the file."""

    def read(self, checker: Checker, key: str, value: object) -> dict[str, Any] | None:
        if not isinstance(value, dict) or not value:
            listed = self.listed or ", ".join(self.keys)
            return checker.refuse(key, value, "has nothing to vary", f"one axis or more of {listed}")
        axes = super().read(checker, key, value)
        others = [name for name in value if name == "depth" or name in WIDTHS]
        if "layers" in value and others:
            fault = f"fixes all widths, so {', '.join(others)} cannot vary beside it"
            return checker.refuse(f"{key}.layers", value["layers"], fault)
        return axes

    def schema(self) -> Schema:
        return super().schema() | {"minProperties": 1}


def space_keys(task: Task | None = None, function: Function | None = None) -> Axes:
    """The axes that a space may have."""
    return Axes(_varied(task, Axis, function), "" if function else _NAMED_SPACE, function)


def _varied(
    task: Task | None, kind_of: Callable[[str, Kind], Kind], function: Function | None = None
) -> dict[str, Key]:
    """A key for each setting that may be varied; ``kind_of`` its name and what one value may be."""
    keys = {
        name: Key(
            kind_of(name, known.allowed(task)) if task is None or known.has_effect(task) else NothingToVary(task),
            known.meaning,
        )
        for name, known in SETTINGS.items()
    }
    return _with_arguments(keys, kind_of, function)


@dataclass(frozen=True)
class Design(Settings):
    """What is changed about the baseline, one setting at a time: one of two words, or settings with their values."""

    words = Choice((ONE_AT_A_TIME, NONE))
    described = f"{words.allowed}, or settings with lists of values, as {{units: [16, 64]}}"

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        if isinstance(value, str) and value in self.words.words:
            return value
        if not isinstance(value, dict) or not value:
            allowed = self.words.allowed if checker.is_text(key) else self.described
            return checker.refuse(key, value, "is no design", allowed)
        return super().read(checker, key, value)

    def schema(self) -> Schema:
        return {"anyOf": [self.words.schema(), super().schema()]}


def design_keys(task: Task | None = None, function: Function | None = None) -> Design:
    """The settings that a design may change, whether they are axes of the space or not."""
    keys = _varied(task, lambda _, kind: ListOf(kind, "values"), function)
    return Design(keys, "" if function else _NAMED_SPACE, function)
