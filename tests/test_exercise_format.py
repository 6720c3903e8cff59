"""Exercise files, their JSON schema, their reference and the validator say the same."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipelines.checking.kinds import Checker, Keys
from pipelines.checking.yaml_file import read_yaml
from pipelines.datasets.options import OPTIONS
from pipelines.errors import ExerciseError
from pipelines.exercises.configurations import FIELDS, SETTINGS
from pipelines.exercises.keys import (
    LESSON,
    QUESTION,
    default_configuration,
    exercise_keys,
    figure_keys,
    variant_keys,
)
from pipelines.exercises.reader import FOLDER, load_exercise, read_exercise
from pipelines.exercises.schema import REFERENCE, SCHEMA_FILE, schema, schema_text, with_tables

SCHEMA = Draft202012Validator(schema())
BUNDLED = sorted(FOLDER.glob("*.yaml"))
#: A file with every key that any exercise may have beside those of a data set.
WHOLE: dict[str, Any] = {
    "title": "mine",
    "dataset": {"source": "sklearn", "name": "digits"},
    "task": "multiclass",
    "monitor": "val_crossentropy",
    "baseline": {"layers": "8-8"},
    "space": {"depth": {"low": 0, "high": 2}},
    "design": {"units": [4, 16], "activation": ["tanh"], "train_fraction": [0.5]},
    "folds": 3,
    "repeats": 2,
    "epochs": 9,
    "validation": "holdout",
    "holdout": "first 100",
    "documented": [
        {
            "name": "one",
            "configuration": {"layers": 64, "dropout": 0.5},
            "epochs": 5,
            "validation": "none",
            "note": "a note",
            "repeats": 3,
            "figures": [
                {"metric": "loss", "split": "train", "value": [1, 0.5], "note": "n", "tolerance": 0.1, "cause": "c"},
                {"metric": "accuracy", "split": "test", "value": 0.9, "epoch": 5, "goal": True},
            ],
        },
        {"name": "other", "epochs": 5, "explains": "one"},
    ],
    "lesson": {
        "about": "numbers",
        "questions": [
            {"text": "Which?", "variant": "one", "against": "other", "split": "test", "metric": "loss", "remark": "r"}
        ],
    },
}
#: A value of each option that is right, and what else its data set needs.
DATA = {
    "keras": {"name": "imdb", "words": 100},
    "tfds": {"name": "mnist", "size": 28, "test_fraction": 0.1},
    "sklearn": {"name": "digits"},
    "formula": {"name": "celsius", "points": 9, "range": [0, 10.5], "noise": 0.5, "seed": 3},
    "file": {
        "name": "mine", "path": "rows.csv", "target": 3, "missing": "drop", "test": "more.csv", "test_fraction": 0,
        "features": ["a", 3], "exclude": ["b"], "categorical": ["c"], "separator": "\t", "decimal": ",",
        "encoding": "latin-1", "missing_markers": ["", "?"], "inputs": "x", "test_inputs": "u", "test_target": "v",
        "dates": "leave_out", "group": "who", "order": "when", "id": 4, "thousands": "'", "header": False, "size": 32,
    },
}  # fmt: skip
#: Something that no key takes, but those that are in ``WRONG``.
NOTHING = {"no": "such"}


def accepts(content: Any) -> bool:
    """Whether the validator takes the content of a file."""
    checker = Checker()
    read_exercise(checker, Path("mine.yaml"), content, overrides={})
    return not checker.problems


def changed(path: tuple[str | int, ...], value: object, content: dict[str, Any] = WHOLE) -> dict[str, Any]:
    """The file with another value at a place."""
    content = copy.deepcopy(content)
    place: Any = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return content


def with_data(source: str) -> dict[str, Any]:
    return changed(("dataset",), {"source": source, **DATA[source]})


def test_the_files_are_those_that_the_declarations_make() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run python -m pipelines.exercises.schema"
    reference = REFERENCE.read_text(encoding="utf-8")
    assert reference == with_tables(reference), "run python -m pipelines.exercises.schema"
    Draft202012Validator.check_schema(schema())


def test_every_key_is_in_the_reference() -> None:
    reference = REFERENCE.read_text(encoding="utf-8")
    keys = {*exercise_keys().keys, *FIELDS, *figure_keys().keys, *LESSON.keys, *QUESTION.keys}
    keys |= {*variant_keys(default_configuration(None)).keys, *(key for options in OPTIONS.values() for key in options)}
    assert not [key for key in keys | {"depth", "units", "units_1", "low", "high", "log"} if f"`{key}" not in reference]


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_every_bundled_exercise_is_valid_by_the_schema_that_it_names(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema={SCHEMA_FILE.name}\n")
    assert not [error.message for error in SCHEMA.iter_errors(read_yaml(path))]


def test_a_file_with_every_key_is_taken_by_both() -> None:
    assert not list(SCHEMA.iter_errors(WHOLE))
    assert accepts(WHOLE)
    # A network of one's own has settings of its own: tests/test_own_network.py.
    assert set(WHOLE) == set(exercise_keys().keys) - {"network"}
    of_variants = {key for variant in WHOLE["documented"] for key in variant}
    assert of_variants == set(variant_keys(default_configuration(None)).keys)
    of_figures = {key for figure in WHOLE["documented"][0]["figures"] for key in figure}
    assert of_figures == set(figure_keys().keys)
    assert set(WHOLE["lesson"]) == set(LESSON.keys) and set(WHOLE["lesson"]["questions"][0]) == set(QUESTION.keys)


@pytest.mark.parametrize("source", DATA)
def test_options_of_every_source_are_taken_by_both(source: str) -> None:
    content = with_data(source)
    assert not list(SCHEMA.iter_errors(content))
    assert accepts(content)
    assert set(content["dataset"]) == {"source", "name", *OPTIONS[source]}


def places() -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every place of a file that has a value of its own."""
    yield from (((key,), WHOLE) for key in exercise_keys().keys)
    for source in DATA:
        yield from ((("dataset", key), with_data(source)) for key in ("name", *OPTIONS[source]))
    yield ("dataset", "source"), WHOLE
    yield from ((("baseline", key), WHOLE) for key in FIELDS)
    yield from ((("space", key), changed(("space",), {})) for key in SETTINGS)
    yield from ((("space", "depth", key), WHOLE) for key in ("low", "high", "log"))
    yield from ((("documented", 0, key), WHOLE) for key in variant_keys(default_configuration(None)).keys)
    yield from ((("documented", 0, "configuration", key), WHOLE) for key in FIELDS)
    yield from ((("documented", 0, "figures", 1, key), WHOLE) for key in figure_keys().keys)
    yield from ((("lesson", key), WHOLE) for key in LESSON.keys)
    yield from ((("lesson", "questions", 0, key), WHOLE) for key in QUESTION.keys)


@pytest.mark.parametrize(("path", "content"), list(places()), ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("value", [NOTHING, None, [[]]], ids=["mapping", "nothing", "list"])
def test_a_wrong_value_is_refused_by_both(path: tuple[str | int, ...], content: dict[str, Any], value: object) -> None:
    broken = changed(path, value, content)
    assert not SCHEMA.is_valid(broken)
    assert not accepts(broken)


@pytest.mark.parametrize("key", [*exercise_keys().keys, "dataset.words", "space.optimiser"])
def test_a_key_that_is_not_known_is_refused_by_both(key: str) -> None:
    *outer, name = key.split(".")
    broken = changed((*outer, f"{name}x"), 1)
    assert not SCHEMA.is_valid(broken)
    assert not accepts(broken)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("folds",), 1),
        (("epochs",), 0),
        (("holdout",), 1.5),
        (("holdout",), "last 3"),
        (("validation",), "none"),
        (("baseline", "layers"), "64-"),
        (("baseline", "convolutions"), "3x"),
        (("baseline", "dropout"), 1),
        (("baseline", "learning_rate"), 0),
        (("baseline", "fine_tune"), "true"),
        (("space",), {}),
        (("space", "units"), []),
        (("space", "units"), [4, 4]),
        (("space", "units"), {"low": 4}),
        (("space", "activation"), {"low": 1, "high": 2}),
        (("documented", 0, "figures", 0, "value"), []),
        (("dataset",), {"source": "formula", "name": "celsius", "range": [1]}),
        (("dataset",), {"source": "keras", "name": "imdb", "words": 3}),
        (("dataset",), {"source": "keras", "name": "imdb", "size": 3}),
        (("dataset",), {"source": "keras"}),
        (("title",), " "),
    ],
)
def test_what_is_out_of_range_is_refused_by_both(path: tuple[str | int, ...], value: object) -> None:
    broken = changed(path, value)
    assert not SCHEMA.is_valid(broken)
    assert not accepts(broken)


@pytest.mark.parametrize("keys", [exercise_keys(), LESSON, QUESTION, figure_keys()], ids=["file", "lesson", "q", "f"])
def test_a_required_key_that_is_missing_is_refused(keys: Keys) -> None:
    required = [name for name, key in keys.keys.items() if key.required]
    assert schema()["required"] == ["dataset", "space"]
    checker = Checker()
    assert keys.read(checker, "", {}) is None
    assert [problem.split(":")[0] for problem in checker.problems] == required


def test_a_renamed_variant_does_not_silently_lose_its_question(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    renamed = changed(("documented", 0, "name"), "one renamed")
    renamed["documented"].pop()
    path.write_text(json.dumps(renamed), encoding="utf-8")
    with pytest.raises(ExerciseError) as caught:
        load_exercise(path)
    assert caught.value.problems == (
        "lesson.questions.1.variant: 'one' is no documented variant; allowed: one renamed",
        "lesson.questions.1.against: 'other' is no documented variant; allowed: one renamed",
    )
