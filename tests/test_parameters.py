"""Parameters as they arrive from a command line."""

import os
from pathlib import Path

import pytest

from pipelines.commands.parameters import Parameters, split_arguments
from pipelines.errors import ExerciseError


def problems_of(error: pytest.ExceptionInfo[ExerciseError]) -> tuple[str, ...]:
    return error.value.problems


# Arguments.


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (["--trials=3"], {"trials": "3"}),
        (["--trials", "3"], {"trials": "3"}),
        (["--data=a b.csv", "--target", "x=y"], {"data": "a b.csv", "target": "x=y"}),
        (["--exercise="], {"exercise": ""}),
        (["--data-dir=here"], {"data_dir": "here"}),
        (["--trials", "-1"], {"trials": "-1"}),
        ([], {}),
    ],
)
def test_arguments_are_taken_apart(arguments: list[str], values: dict[str, str]) -> None:
    assert split_arguments(arguments) == values


def test_every_argument_that_is_not_understood_is_named() -> None:
    with pytest.raises(ExerciseError) as error:
        split_arguments(["trials=3", "-t", "--epochs=4", "--seed"])
    assert problems_of(error) == (
        "'trials=3' is not understood; parameters are written --name value",
        "'-t' is not understood; parameters are written --name value",
        "seed: has no value",
    )


# Values.


def test_what_is_empty_has_its_default() -> None:
    parameters = Parameters({"trials": "", "tuner": "  "})
    assert parameters.whole_number("trials", minimum=1, default=12) == 12
    assert parameters.whole_number("seed", minimum=1) is None
    assert parameters.choice("tuner", ("a", "b"), "b") == "b"
    assert parameters.flag("resume", True) is True
    assert parameters.folder("output", must_exist=False) is None
    assert parameters.text("exercise", "digits") == "digits"
    parameters.check()


def test_values_are_read() -> None:
    parameters = Parameters({"trials": " 3 ", "stop": "prune", "resume": "False", "documented": "true"})
    assert parameters.whole_number("trials", minimum=1) == 3
    assert parameters.choice("stop", ("never", "prune"), "never") == "prune"
    assert parameters.flag("resume", True) is False
    assert parameters.flag("documented", False) is True
    parameters.check()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0", "trials: '0' is too small; allowed: 1 to 50"),
        ("-1", "trials: '-1' is too small; allowed: 1 to 50"),
        ("51", "trials: '51' is too large; allowed: 1 to 50"),
        ("1e3", "trials: '1e3' is not a whole number; allowed: 1 to 50"),
        ("4.0", "trials: '4.0' is not a whole number; allowed: 1 to 50"),
        ("1_0", "trials: '1_0' is not a whole number; allowed: 1 to 50"),
        ("٣", "trials: '٣' is not a whole number; allowed: 1 to 50"),
        ("²", "trials: '²' is not a whole number; allowed: 1 to 50"),
        ("--", "trials: '--' is not a whole number; allowed: 1 to 50"),
        ("many", "trials: 'many' is not a whole number; allowed: 1 to 50"),
    ],
)
def test_a_number_that_is_wrong_is_named_with_what_is_allowed(text: str, problem: str) -> None:
    parameters = Parameters({"trials": text})
    parameters.whole_number("trials", minimum=1, maximum=50)
    assert parameters.problems == [problem]


def test_a_number_too_long_for_python_is_a_mistake_like_any_other() -> None:
    parameters = Parameters({"seed": "9" * 5000})
    parameters.whole_number("seed", minimum=1)
    assert len(parameters.problems) == 1
    assert parameters.problems[0].startswith("seed: '9999")
    assert parameters.problems[0].endswith("9...' is not a whole number; allowed: 1 or more")
    assert len(parameters.problems[0]) < 300


def test_words_that_are_wrong_are_named_with_the_nearest_right_one() -> None:
    parameters = Parameters({"stop": "prun", "backend": "torch", "resume": "maybe"})
    parameters.choice("stop", ("never", "prune"), "never")
    parameters.choice("backend", ("jax", "tensorflow"), "jax")
    parameters.flag("resume", True)
    assert parameters.problems == [
        "stop: 'prun' is not known (did you mean 'prune'?); allowed: never, prune",
        "backend: 'torch' is not known; allowed: jax, tensorflow",
        "resume: 'maybe' is neither true nor false; allowed: true, false",
    ]


def test_all_mistakes_are_told_at_once() -> None:
    parameters = Parameters({"trials": "no", "trails": "3", "nothing_like_it": "x"})
    parameters.refuse_unknown(("trials", "seed"))
    parameters.whole_number("trials", minimum=1)
    with pytest.raises(ExerciseError, match="parameters: 3 mistakes") as error:
        parameters.check()
    assert problems_of(error) == (
        "trails: there is no such parameter (did you mean 'trials'?); allowed: trials, seed",
        "nothing_like_it: there is no such parameter; allowed: trials, seed",
        "trials: 'no' is not a whole number; allowed: 1 or more",
    )


# Folders.


def test_a_folder_that_exists_and_one_that_can_be_made_are_allowed(tmp_path: Path) -> None:
    parameters = Parameters({"data_dir": str(tmp_path), "output": str(tmp_path / "new" / "deeper")})
    assert parameters.folder("data_dir", must_exist=True) == tmp_path
    assert parameters.folder("output", must_exist=False) == tmp_path / "new" / "deeper"
    parameters.check()
    assert not (tmp_path / "new").exists()


def test_a_relative_folder_is_one_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parameters = Parameters({"output": "new/folder"})
    assert parameters.folder("output", must_exist=False) == Path("new/folder")
    parameters.check()


def test_folders_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    values = {"data_dir": f"{tmp_path}/absent", "cache_dir": f"{file}", "output": f"{file}/below", "home": "~no-one/x"}
    parameters = Parameters(values)
    parameters.folder("data_dir", must_exist=True)
    for name in ("cache_dir", "output", "home"):
        parameters.folder(name, must_exist=False)
    writable = "allowed: a folder that can be written, or one that can be made"
    assert parameters.problems == [
        f"data_dir: '{tmp_path}/absent' is not a folder; allowed: an existing folder, or nothing for the normal "
        "download",
        f"cache_dir: '{file}' is not a folder; {writable}",
        f"output: '{file}/below' cannot be made: {file} is not a folder; {writable}",
        "home: '~no-one/x' begins with the home folder of a user who is not known here; allowed: a folder",
    ]


def test_a_folder_without_permission_to_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    # Asked of the system, since whoever runs the tests may be root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed)
    parameters = Parameters({"output": str(closed / "report")})
    parameters.folder("output", must_exist=False)
    assert parameters.problems == [
        f"output: '{closed}/report' cannot be written: no permission to write to {closed}; "
        "allowed: a folder that can be written, or one that can be made"
    ]
