"""Reading files that people write by hand: every mistake becomes a sentence, and all of them are found at once.

``read_yaml`` turns a file into plain values, ``Checker`` takes those apart and collects what is wrong with them.
"""

import math
import re
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import ExerciseError
from pipelines.words import did_you_mean


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds, with its scalars read as in YAML 1.2.

    PyYAML follows YAML 1.1, in which ``1e-3`` is a text, ``no`` is false and ``1024-16-16`` is a day that does not
    exist; here they are a number and two texts.

    Raises
    ------
    ExerciseError
        Where the file cannot be read, is not YAML, has a key twice, or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ExerciseError(str(path), [f"the file cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ExerciseError(str(path), [f"the file is not UTF-8 text: {error.reason} at byte {error.start}"]) from error
    try:
        content = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ExerciseError(str(path), [f"{where}{error.problem or 'not YAML'}"]) from error
    except yaml.YAMLError as error:
        raise ExerciseError(str(path), [f"not YAML: {error}"]) from error
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise ExerciseError(str(path), [f"the file holds {found}; allowed: keys and values (key: value)"])
    return content


class Checker:
    """Takes the content of a file apart and keeps a sentence for everything that is wrong with it.

    A method that finds a mistake notes it and returns None, so the caller goes on and finds the next one.

    Parameters
    ----------
    parameters
        Key -> name of the command-line parameter that its value came from; mistakes are then told in its name, and
        texts are accepted for numbers, since a command line has nothing else.
    """

    def __init__(self, parameters: Mapping[str, str] | None = None) -> None:
        self.parameters = dict(parameters or {})
        self.problems: list[str] = []

    def label(self, key: str) -> str:
        """How a key is called in a message."""
        return f"parameter {self.parameters[key]}" if key in self.parameters else key

    def note(self, key: str, value: object, fault: str, allowed: str = "") -> None:
        """Note that the value of a key has a fault (``is not a whole number``); None is a value that is missing."""
        hint = f"; allowed: {allowed}" if allowed else ""
        found = "is missing" if value is None else f"{_show(value)} {fault}"
        self.problems.append(f"{self.label(key)}: {found}{hint}")

    def mapping(
        self, key: str, value: object, known: Collection[str], listed: str | None = None
    ) -> dict[str, Any] | None:
        """Keys and values; unknown keys are noted and left out. ``key`` is empty for the file as a whole."""
        listed = listed or ", ".join(known)
        if not isinstance(value, dict):
            self.note(key, value, "is not a mapping", f"the keys {listed}")
            return None
        for name in value:
            if name not in known:
                inner = f"{key}.{name}" if key else str(name)
                near = did_you_mean(str(name), known)
                self.problems.append(f"{inner}: there is no such key{near}; allowed: {listed}")
        return {name: entry for name, entry in value.items() if name in known}

    def whole(self, key: str, value: object, low: int, high: int | None = None) -> int | None:
        """A whole number from ``low`` to ``high``; ``4.0`` and ``true`` are none."""
        allowed = f"{low} or more" if high is None else f"{low} to {high}"
        number = self._scalar(key, value)
        if isinstance(number, bool) or not isinstance(number, int):
            self.note(key, value, "is not a whole number", allowed)
            return None
        return number if self._within(key, value, number, low, high, allowed) else None

    def number(self, key: str, value: object, low: float, high: float, *, open_ends: str = "") -> float | None:
        """A number from ``low`` to ``high``; an end named in ``open_ends`` (``low``, ``high``) is itself refused."""
        start = f"above {low:g}" if "low" in open_ends else f"{low:g}"
        end = f"below {high:g}" if "high" in open_ends else f"{high:g}"
        allowed = f"{start} to {end}"
        number = self._scalar(key, value)
        if isinstance(number, bool) or not isinstance(number, int | float) or math.isnan(number):
            self.note(key, value, "is not a number", allowed)
            return None
        if ("low" in open_ends and number == low) or ("high" in open_ends and number == high):
            self.note(key, value, "is out of range", allowed)
            return None
        return float(number) if self._within(key, value, number, low, high, allowed) else None

    def choice(self, key: str, value: object, allowed: Collection[str]) -> str | None:
        """One of a few words."""
        if isinstance(value, str) and value in allowed:
            return value
        near = did_you_mean(value, allowed) if isinstance(value, str) else ""
        self.note(key, value, f"is not known{near}", ", ".join(allowed))
        return None

    def flag(self, key: str, value: object) -> bool | None:
        """True or false."""
        if isinstance(value, bool):
            return value
        self.note(key, value, "is neither true nor false", "true, false")
        return None

    def text(self, key: str, value: object, allowed: str = "a text") -> str | None:
        """A text that is not empty; a number is taken as text, since YAML reads a column called 3 as a number."""
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return str(value)
        self.note(key, value, "is not a text", allowed)
        return None

    def _scalar(self, key: str, value: object) -> object:
        """A command line's text as the number that it would be in a file."""
        if key in self.parameters and isinstance(value, str):
            for pattern, convert in ((_INT, int), (_FLOAT, float)):
                if pattern.match(value.strip()):
                    return convert(value)
        return value

    def _within(self, key: str, shown: object, number: float, low: float, high: float | None, allowed: str) -> bool:
        if number < low:
            self.note(key, shown, "is too small", allowed)
        elif high is not None and number > high:
            self.note(key, shown, "is too large", allowed)
        else:
            return True
        return False


_INT = re.compile(r"^[-+]?[0-9]+$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} cannot be a key", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is there twice, first in line {seen[key]}", key_node.start_mark
                )
            seen[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list(_first))


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    """A decimal number; PyYAML's own constructor reads 010 as eight."""
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def _show(value: object) -> str:
    """A value as it is written in a message; long ones are cut."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
