"""YAML files that people write by hand: scalars as in YAML 1.2, no key twice, and every mistake a sentence."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from pipelines.checking.kinds import FLOAT, INT
from pipelines.errors import ExerciseError


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
    ("int", INT, "-+0123456789"),
    ("float", FLOAT, "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list(_first))


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    """A decimal number; PyYAML's own constructor reads 010 as eight."""
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
