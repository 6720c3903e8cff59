"""The one validator: declarations of what a value may be, which read it, say what is wrong, and describe themselves.

An exercise file, the parameters of the command line and the options of a data set are declared with these kinds; JSON
schema and reference are made from the same declarations.

>>> notes = Checker()
>>> Whole(1, 8).read(notes, "folds", "many")
>>> notes.problems
["folds: 'many' is not a whole number; allowed: 1 to 8"]
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.words import did_you_mean

#: Numbers as YAML 1.2 writes them.
INT = re.compile(r"^[-+]?[0-9]+$")
FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$")
#: Characters of a value that a message repeats.
_LONGEST_TEXT, _LONGEST_SHOWN = 200, 80
Schema = dict[str, Any]


class Checker:
    """Keeps a sentence for everything that is wrong, so that whoever reads goes on and finds the next mistake.

    ``parameters``: key -> name of the command-line parameter that its value came from; mistakes are then told in its
    name, and texts are accepted for numbers, since a command line has nothing else. ``texts``: whether all values come
    from a command line, and keys are its parameters.
    """

    def __init__(self, parameters: Mapping[str, str] | None = None, *, texts: bool = False) -> None:
        self.parameters = dict(parameters or {})
        self.problems: list[str] = []
        self._texts = texts

    def label(self, key: str) -> str:
        """How a key is called in a message."""
        return f"parameter {self.parameters[key]}" if key in self.parameters else key

    def note(self, key: str, value: object, fault: str, allowed: str = "") -> None:
        """Note that the value of a key has a fault (``is not a whole number``); None is a value that is missing."""
        hint = f"; allowed: {allowed}" if allowed else ""
        found = "is missing" if value is None else f"{shown(value)} {fault}"
        self.problems.append(f"{self.label(key)}: {found}{hint}")

    def refuse(self, key: str, value: object, fault: str, allowed: str = "") -> Any | None:
        """None, for a reader to return, after the fault of the value is noted."""
        self.note(key, value, fault, allowed)
        return None

    def unknown(self, label: str, known: Collection[str], listed: str = "", noun: str = "key") -> None:
        """Note a name (the last part of ``label``) that is not among the known ones."""
        near = did_you_mean(label.rpartition(".")[2].removeprefix("parameter "), known)
        self.problems.append(f"{label}: there is no such {noun}{near}; allowed: {listed or ', '.join(known)}")

    def is_text(self, key: str) -> bool:
        """Whether a command line gave the value."""
        return self._texts or key in self.parameters

    def scalar(self, key: str, value: object) -> object:
        """A command line's text as the number that it would be in a file."""
        if isinstance(value, str) and self.is_text(key):
            for pattern, convert in ((INT, int), (FLOAT, float)):
                if pattern.match(value.strip()):
                    try:
                        return convert(value)
                    except ValueError:  # more digits than Python converts
                        return value
        return value


class Kind(ABC):
    """What a value may be."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What is allowed, behind a fault that names the type: ``1 to 8``."""

    @property
    def described(self) -> str:
        """What is allowed, by itself: ``a whole number from 1 to 8``."""
        return self.allowed

    @abstractmethod
    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        """The value in its type; None where it is none of this kind, which is then noted under the key."""

    @abstractmethod
    def schema(self) -> Schema:
        """The kind as JSON schema."""


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from ``low`` to ``high``, both allowed; None for no end. ``4.0`` and ``true`` are none."""

    low: int
    high: int | None = None

    @property
    def allowed(self) -> str:
        return f"{self.low} or more" if self.high is None else f"{self.low} to {self.high}"

    @property
    def described(self) -> str:
        return f"a whole number{', ' if self.high is None else ' from '}{self.allowed}"

    def read(self, checker: Checker, key: str, value: object) -> int | None:
        number = checker.scalar(key, value)
        if isinstance(number, bool) or not isinstance(number, int):
            return checker.refuse(key, value, "is not a whole number", self.allowed)
        fault = _outside(number, self.low, self.high)
        return checker.refuse(key, value, fault, self.allowed) if fault else number

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.low} | ({} if self.high is None else {"maximum": self.high})


@dataclass(frozen=True)
class Number(Kind):
    """A number from ``low`` to ``high``; an end named in ``open_ends`` (``low``, ``high``) is itself refused."""

    low: float
    high: float
    open_ends: str = ""

    @property
    def allowed(self) -> str:
        start = f"above {self.low:g}" if "low" in self.open_ends else f"{self.low:g}"
        return f"{start} to {'below ' if 'high' in self.open_ends else ''}{self.high:g}"

    @property
    def described(self) -> str:
        return f"a number {'' if 'low' in self.open_ends else 'from '}{self.allowed}"

    def read(self, checker: Checker, key: str, value: object) -> float | None:
        number = checker.scalar(key, value)
        if isinstance(number, bool) or not isinstance(number, int | float) or math.isnan(number):
            return checker.refuse(key, value, "is not a number", self.allowed)
        refused = ("low" in self.open_ends and number == self.low) or ("high" in self.open_ends and number == self.high)
        fault = "is out of range" if refused else _outside(number, self.low, self.high)
        return checker.refuse(key, value, fault, self.allowed) if fault else float(number)

    def schema(self) -> Schema:
        low = "exclusiveMinimum" if "low" in self.open_ends else "minimum"
        high = "exclusiveMaximum" if "high" in self.open_ends else "maximum"
        return {"type": "number", low: self.low, high: self.high}


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words."""

    words: Collection[str]

    @property
    def allowed(self) -> str:
        return ", ".join(self.words)

    @property
    def described(self) -> str:
        return f"one of {self.allowed}"

    def read(self, checker: Checker, key: str, value: object) -> str | None:
        if isinstance(value, str) and value in self.words:
            return value
        near = did_you_mean(value, self.words) if isinstance(value, str) else ""
        return checker.refuse(key, value, f"is not known{near}", self.allowed)

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Flag(Kind):
    """True or false; on a command line also ``True`` and ``False``, as Python writes them."""

    allowed = "true, false"
    described = "true or false"

    def read(self, checker: Checker, key: str, value: object) -> bool | None:
        if isinstance(value, str) and checker.is_text(key) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if isinstance(value, bool):
            return value
        return checker.refuse(key, value, "is neither true nor false", self.allowed)

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Text(Kind):
    """A text; a number is taken as one, since YAML reads a column called 3 as a number."""

    #: What it is called in a message.
    allowed: str = "a text"
    #: That it has somewhere, as Python and JSON schema understand it; the usual one: something is to be seen.
    pattern: str = r"\S"

    def read(self, checker: Checker, key: str, value: object) -> str | None:
        if isinstance(value, str | int | float) and not isinstance(value, bool) and re.search(self.pattern, str(value)):
            return str(value)
        return checker.refuse(key, value, "is not a text", self.allowed)

    def schema(self) -> Schema:
        return {"type": ["string", "number"], "pattern": self.pattern}


@dataclass(frozen=True)
class Interval(Kind):
    """Two rising numbers from ``low`` to ``high``."""

    low: float
    high: float
    what: str

    @property
    def allowed(self) -> str:
        return f"{self.what}, from {self.low:g} to {self.high:g}"

    def read(self, checker: Checker, key: str, value: object) -> tuple[float, float] | None:
        ends = value if isinstance(value, list | tuple) and len(value) == 2 else ()
        numbers = [float(end) for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
        if len(numbers) == 2 and self.low <= numbers[0] < numbers[1] <= self.high:
            return numbers[0], numbers[1]
        return checker.refuse(key, value, "is no pair of rising numbers", self.allowed)

    def schema(self) -> Schema:
        end = {"type": "number", "minimum": self.low, "maximum": self.high}
        return {"type": "array", "items": end, "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class ListOf(Kind):
    """A list of values of one kind, which are counted from 1, as people do; ``what`` they are called.

    On a command line they are joined by commas.
    """

    kind: Kind
    what: str

    @property
    def allowed(self) -> str:
        each = f", each with {self.kind.allowed}" if self.kind.allowed.startswith("the keys ") else ""
        return f"a list of {self.what}{each}"

    @property
    def described(self) -> str:
        return f"a list of {self.what}"

    def read(self, checker: Checker, key: str, value: object) -> tuple[Any, ...] | None:
        if isinstance(value, str) and checker.is_text(key):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list | tuple):
            return checker.refuse(key, value, "is not a list", self.allowed)
        items = [self.kind.read(checker, f"{key}.{number}", item) for number, item in enumerate(value, start=1)]
        return None if any(item is None for item in items) else tuple(items)

    def schema(self) -> Schema:
        return {"type": "array", "items": self.kind.schema()}


@dataclass(frozen=True)
class Key:
    """A key of a mapping: what its value may be, what it means, what it is where it is left out (None: nothing)."""

    kind: Kind
    meaning: str
    default: Any = None
    required: bool = False

    def schema(self) -> Schema:
        """The kind with what an editor shows."""
        shown_default = {} if self.default is None else {"default": self.default}
        return {"description": self.meaning} | shown_default | self.kind.schema()


@dataclass(frozen=True)
class Keys(Kind):
    """A mapping of declared keys."""

    keys: Mapping[str, Key]
    #: The keys as a message lists them, where that is not one after another.
    listed: str = ""
    described = "keys and values, see below"

    @property
    def allowed(self) -> str:
        return f"the keys {self.listed or ', '.join(self.keys)}"

    def entries(self, checker: Checker, key: str, value: object) -> dict[str, Any] | None:
        """The values of known keys as they are; unknown keys are noted. ``key`` is empty for a file as a whole."""
        if not isinstance(value, dict):
            return checker.refuse(key, value, "is not a mapping", self.allowed)
        for name in value:
            if name not in self.keys:
                checker.unknown(f"{key}.{name}" if key else str(name), self.keys, self.listed)
        return {name: entry for name, entry in value.items() if name in self.keys}

    def value(self, checker: Checker, key: str, entries: Mapping[str, Any]) -> Any | None:
        """The value of one key (``folds``, ``figures.1.epoch``), or its default; None where there is neither."""
        name = key.rpartition(".")[2]
        declared = self.keys[name]
        if name not in entries and not declared.required and declared.default is None:
            return None
        return declared.kind.read(checker, key, entries.get(name, declared.default))

    def read(self, checker: Checker, key: str, value: object) -> dict[str, Any] | None:
        """The values by key, with defaults, without those that are neither given nor have one; None for a mistake."""
        found = len(checker.problems)
        entries = self.entries(checker, key, value)
        if entries is None:
            return None
        prefix = f"{key}." if key else ""
        # In the order of the file, lists of further mappings last: what is wrong with a variant, then with its figures.
        names = sorted(dict.fromkeys([*entries, *self.keys]), key=lambda name: isinstance(self.keys[name].kind, ListOf))
        values = {name: self.value(checker, f"{prefix}{name}", entries) for name in names}
        if len(checker.problems) > found:
            return None
        return {name: entry for name, entry in values.items() if entry is not None}

    def schema(self) -> Schema:
        required = [name for name, key in self.keys.items() if key.required]
        return {
            "type": "object",
            "properties": {name: key.schema() for name, key in self.keys.items()},
            "additionalProperties": False,
        } | ({"required": required} if required else {})


def shown(value: object) -> str:
    """A value as a message repeats it; a long one is cut."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}...")
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _outside(number: float, low: float, high: float | None) -> str:
    """What is wrong with a number outside the range; empty inside."""
    return "is too small" if number < low else "is too large" if high is not None and number > high else ""
