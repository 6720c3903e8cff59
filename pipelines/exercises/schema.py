"""The JSON schema of exercise files, and the tables of their reference, made from what the reader validates by.

``python -m pipelines.exercises.schema`` writes both: ``search_spaces/exercise.schema.json`` and ``docs/exercises.md``,
whose text around the tables is written by hand.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pipelines.checking.kinds import Key, Schema
from pipelines.datasets.base import Task
from pipelines.datasets.options import OPTIONS
from pipelines.exercises.configurations import FIELDS, SETTINGS, Configuration
from pipelines.exercises.keys import (
    LESSON,
    QUESTION,
    Axis,
    default_configuration,
    exercise_keys,
    figure_keys,
    space_keys,
    variant_keys,
)
from pipelines.exercises.own_network import BUILDING, Plain
from pipelines.exercises.reader import FOLDER
from pipelines.exercises.settings import OWN_UNITS

SCHEMA_FILE = FOLDER / "exercise.schema.json"
REFERENCE = FOLDER.parent / "docs" / "exercises.md"


def schema() -> Schema:
    """The JSON schema of an exercise file."""
    made = exercise_keys().schema()
    properties = made["properties"]
    variant = properties["documented"]["items"]
    configuration = variant["properties"]["configuration"]
    ours = {name: properties[name] for name in ("baseline", "space", "design")}
    variants = properties["documented"] | {
        "items": variant | {"properties": variant["properties"] | {"configuration": _told_only(configuration)}}
    }

    def settings(made: Callable[[Schema, str], Schema]) -> Schema:
        each = {name: made(of, name) for name, of in ours.items()}
        changes = {"items": {"properties": {"configuration": made(configuration, "baseline")}}}
        return {"properties": each | {"documented": changes}}

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An exercise of overfit-atlas",
        **made,
        "properties": properties | {name: _told_only(of) for name, of in ours.items()} | {"documented": variants},
        "if": {"properties": {"dataset": {"properties": {"source": {"const": "file"}}}}},
        "else": {"required": ["task"]},
        "allOf": [
            {
                "if": {"required": ["network"]},
                "then": settings(_with_arguments),
                "else": settings(lambda of, name: of),
            }
        ],
    }


def _told_only(of: Schema) -> Schema:
    """What an editor shows of a key whose values depend on another key."""
    return {key: of[key] for key in ("description", "default") if key in of}


def _with_arguments(of: Schema, key: str) -> Schema:
    """The settings of a key, with the arguments of a user's own function in place of what our networks are built of."""
    if key == "design":
        words, settings = of["anyOf"]
        return of | {"anyOf": [words, _with_arguments(settings, "")]}
    argument = Plain().schema()
    kinds = {"baseline": argument, "space": Axis("", Plain()).schema(), "": {"type": "array", "items": argument}}
    properties = {name: known for name, known in of["properties"].items() if name not in BUILDING}
    return of | {"properties": properties, "additionalProperties": kinds[key]}


def schema_text() -> str:
    """The schema as its file has it."""
    return json.dumps(schema(), indent=1) + "\n"


def tables() -> dict[str, str]:
    """The tables of the reference in Markdown, by the name that marks their place there."""
    axes = {name: key for name, key in space_keys().keys.items() if name not in OWN_UNITS[1:]}
    axes |= {f"{OWN_UNITS[0]}, {OWN_UNITS[1]}, ... {OWN_UNITS[-1]}": axes.pop(OWN_UNITS[0])}
    number = Axis("learning_rate", SETTINGS["learning_rate"].kind)
    return {
        "exercise": _table(exercise_keys().keys),
        "configuration": _settings_table(),
        "space": _table(axes, defaults=False),
        "range": _table(number.range_keys.keys),
        "variant": _table(variant_keys(default_configuration(None)).keys),
        "figure": _table(figure_keys().keys),
        "lesson": _table(LESSON.keys),
        "question": _table(QUESTION.keys),
        **{f"dataset {source}": _table(OPTIONS[source]) for source in ("keras", "tfds", "formula", "file")},
    }


def with_tables(text: str) -> str:
    """The reference with its tables as they are now."""
    made, places = tables(), re.compile(r"(<!-- table: ([a-z ]+) -->)\n.*?(<!-- end -->)", re.DOTALL)
    return places.sub(lambda found: f"{found[1]}\n{made[found[2]]}{found[3]}", text)


def _table(keys: Mapping[str, Key], *, defaults: bool = True) -> str:
    rows = [(f"`{name}`", key.meaning, key.kind.described, _default(key)) for name, key in keys.items()]
    return _markdown(rows, columns=4 if defaults else 3)


def _settings_table() -> str:
    rows = []
    for name, known in FIELDS.items():
        default = getattr(Configuration, name)
        text = Configuration().layers_text if name == "layers" else json.dumps(default).strip('"')
        if known.kind_of_task:
            text = ", ".join(f"{getattr(default_configuration(task), name)} ({task})" for task in Task)
        rows.append((f"`{name}`", known.meaning, known.kind.described, f"`{text}`"))
    return _markdown(rows)


def _default(key: Key) -> str:
    if key.required:
        return "required"
    return "" if key.default is None else f"`{json.dumps(key.default)}`".replace('"', "")


def _markdown(rows: Iterable[tuple[str, ...]], columns: int = 4) -> str:
    lines = [("key", "what it means", "allowed", "default"), ("---",) * columns, *rows]
    return "".join(f"| {' | '.join(line[:columns])} |\n" for line in lines)


def write(schema_file: Path = SCHEMA_FILE, reference: Path = REFERENCE) -> None:
    """Write both files."""
    schema_file.write_text(schema_text(), encoding="utf-8")
    reference.write_text(with_tables(reference.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
