"""The command line: every mistake has one sentence, exit code 2 and a failed run, and leaves nothing half-written.

Here in one process; ``test_end_to_end.py`` starts the program as a user does.
"""

import shlex
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.support.small_sweep import MadeExecutor, runs, statuses, use_store, write_exercise
from tests.support.stores import empty_store

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.commands import cli, refusals
from pipelines.commands.launch import PROJECT
from pipelines.sweep import loop as sweep_module

OWN = ("--target=y", "--task=binary", "--folds=3", "--epochs=2", "--trials=1")
ROWS = [f"{row / 10},{'no' if row % 2 else 'yes'}" for row in range(20)]


def table(*rows: str, header: str = "a,y") -> str:
    return "\n".join([header, *rows, ""])


FILES = {
    "good.csv": table(*ROWS),
    "empty.csv": "",
    "header.csv": table(),
    "one_row.csv": table("1,yes"),
    "constant.csv": table("1,yes", "2,yes", "3,yes"),
    "names.csv": table(*(f"{row},name {row}" for row in range(20))),
    "gap.csv": table(*ROWS, ",yes", "nan,no"),
    "infinite.csv": table(*ROWS, "inf,yes"),
    "rare.csv": table(*ROWS, "3,maybe", "4,maybe"),
    "quote.csv": table('"1,yes', "2,no"),
    "slip.csv": table("1,2.5", "2,3.5", "3,4,5", "4,4.5"),
    "word.csv": table("1,2.5", "2,none yet", "3,4.5"),
    "binary.csv": b"\x93\xff\x00\xe6" * 100,
    "broken.parquet": b"PAR1 and nothing more",
    "broken.npz": b"PK and nothing more",
    "no_space.yaml": "dataset: {source: sklearn, name: digits}\ntask: multiclass\nspace: {}\n",
    "twice.yaml": "folds: 3\nfolds: 4\n",
    "list.yaml": "- folds\n- epochs\n",
    "a_file": "",
}


class Dangerous:
    """Unpickling it makes a file."""

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (Path("unpickled"),)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return empty_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(autouse=True)
def folder(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with all the files that a mistake can be made with."""
    use_store(uri, tmp_path, monkeypatch)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "a_folder.csv").mkdir()
    np.savez(tmp_path / "constant.npz", x=np.eye(4), y=np.full(4, 2.5))
    np.savez(tmp_path / "pickled.npz", x=np.array([Dangerous()] * 4, object), y=np.arange(4) % 2)
    return tmp_path


@pytest.fixture
def project_run(uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The run that ``mlflow run`` has made before it starts the entry point."""
    run_id = str(MlflowClient(uri).create_run("0").info.run_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    # There is no ``mlflow run`` above the tests, whose end could be waited for: see test_launch.py.
    monkeypatch.setattr(refusals, "forget_later", lambda: None)
    return run_id


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that must be refused says, on one line."""
    assert cli.run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    return " ".join(printed.err.removeprefix("Error: ").split())


# Mistakes in what is asked for. Those in a value by itself are in test_parameters.py and test_exercises.py.

REFUSED = {
    "unknown parameter": (["--trails=3"], "trails: there is no such parameter (did you mean 'trials'?); allowed: "),
    "unknown exercise": (["--exercise=reuterz"], "There is no exercise 'reuterz' (did you mean 'reuters'?). Allowed: "),
    "no number": (["--epochs=1e3"], "parameter epochs: '1e3' is not a whole number; allowed: 1 to 100000"),
    "digits of another script": (["--folds=４"], "parameter folds: '４' is not a whole number; allowed: 2 or more"),
    "none": (["--trials=0"], "trials: '0' is too small; allowed: 1 or more"),
    "no epoch": (["--epochs=0"], "parameter epochs: '0' is too small; allowed: 1 to 100000"),
    "negative": (["--seed=-1"], "seed: '-1' is too small; allowed: 1 to 2147483647"),
    "unknown rule": (["--stop=early"], "stop: 'early' is not known; allowed: never, overfit, prune"),
    "unknown backend": (["--backend=torch"], "backend: 'torch' is not known; allowed: auto, jax, tensorflow"),
    "unknown tuner": (["--tuner=optuna:foo"], "tuner: 'optuna:foo' is not known (did you mean 'optuna:tpe'?); allowed"),
    "monitor that rises": (
        ["--monitor=val_accuracy"],
        "parameter monitor: 'val_accuracy' is not known; allowed: val_loss, val_crossentropy",
    ),
    "no data folder": (["--data_dir=absent"], "data_dir: 'absent' is not a folder in /"),
    "cache that is a file": (["--cache_dir=a_file"], "cache_dir: 'a_file' is not a folder; allowed: a folder that can"),
    "output that is a file": (["--output=a_file"], "output: 'a_file' is not a folder; allowed: a folder that can be"),
    "missing space": (["--space=absent.yaml"], "There is no exercise file absent.yaml in /"),
    "empty space": (["--space=no_space.yaml"], "no_space.yaml: 1 mistake - space: {} has nothing to vary; allowed: "),
    "key twice": (["--space=twice.yaml"], "twice.yaml: 1 mistake - line 2, column 1: key 'folds' is there twice"),
    "list for a space": (["--space=list.yaml"], "list.yaml: 1 mistake - the file holds a list; allowed: keys and "),
    "data for digits": (["--data=good.csv", "--exercise=digits"], "parameter data: exercise digits brings its own "),
    "more folds than rows": (
        ["--folds=1439"],
        "There are 1438 samples for 1439 folds; allowed: 2 to 1438 folds.",
    ),
    "more folds than a class has rows": (
        ["--folds=140"],
        "Class '8' has 139 of the samples, fewer than the 140 folds, so some fold would have none. Use at most",
    ),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_fails_the_project_run_with_its_reason_and_writes_nothing(
    arguments: list[str],
    sentence: str,
    folder: Path,
    uri: str,
    project_run: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = files_of(folder)
    said = refusal(["main", *arguments], capsys)
    assert sentence in said
    assert [path for path in files_of(folder) if folder / "cache" not in path.parents] == before
    run = MlflowClient(uri).get_run(project_run)
    assert run.info.status == "FAILED"
    reason = " ".join(run.data.tags["atlas.reason"].split())
    assert reason
    assert said.startswith(reason)
    assert run.data.tags["atlas.refused"] == "true"
    assert runs("sweep") == []


# Data that cannot be used.

UNUSABLE = {
    "empty.csv": "empty.csv is empty.",
    "header.csv": "header.csv holds no rows of data.",
    "one_row.csv": "The target 'y' of one_row.csv has one class only, 'yes': nothing to learn.",
    "constant.csv": "The target 'y' of constant.csv has one class only, 'yes': nothing to learn.",
    "names.csv": "The task stated is binary, but the target 'y' of names.csv has 20 classes: 'name 0', 'name 1', ",
    "infinite.csv": "infinite.csv has values that are infinite or too large for 32-bit numbers: 'a' (1).",
    "rare.csv": "The task stated is binary, but the target 'y' of rare.csv has 3 classes: 'maybe', 'no', 'yes'.",
    "quote.csv": "quote.csv cannot be read as a table: ",
    "slip.csv": "slip.csv, line 4: it has 3 fields, the lines before it 2. Mend it, or ",
    "binary.csv": "binary.csv is no text, it holds zero bytes; ",
    "broken.parquet": "broken.parquet cannot be read as Parquet: ",
    "broken.npz": "broken.npz is not an .npz file; write it with numpy.savez.",
    "pickled.npz": "pickled.npz (array 'x') holds Python objects, which can run code when they are opened; ",
    "nowhere/at_all.csv": "Data set 'at_all': there is no file nowhere/at_all.csv. Looked in /",
    "god.csv": "Data set 'god': there is no file god.csv (did you mean 'good.csv'?).",
    "a_folder.csv": "Data set 'a_folder': a_folder.csv is a folder without images; name the file in it.",
    "list.yaml": "The file list.yaml is of no known format; its name must end in .csv, ",
}


@pytest.mark.parametrize(("name", "sentence"), UNUSABLE.items(), ids=UNUSABLE)
def test_data_that_cannot_be_used_are_refused_and_nothing_is_kept_of_them(
    name: str, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(folder)
    said = refusal(["sweep", f"--data={name}", *OWN], capsys)
    assert sentence in said
    assert not said.endswith("..")
    assert files_of(folder) == before
    assert runs("sweep") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data=good.csv", "--target=z"], "good.csv has no column 'z' for the target. Its columns: 'a', 'y'."),
        (["--data=good.csv", "--target=y", "--task=regression"], "holds texts (such as 'yes'), which a regression "),
        (["--data=word.csv", "--target=y", "--task=regression"], "holds texts (such as 'none yet'), "),
        (["--data=constant.npz", "--target=y", "--task=regression"], "has one value only, 2.5: nothing to learn"),
        (
            ["--data=rare.csv", "--target=y", "--task=multiclass"],
            "Class 'maybe' has 2 of the samples, fewer than the 3",
        ),
        (["--data=good.csv", "--target=y", "--folds=21"], "There are 20 samples for 21 folds; allowed: 2 to 20 folds."),
        (["--data=good.csv"], "The option 'target' is needed: which column of good.csv to predict."),
        (["--data=gap.csv", "--target=y", "--missing=refuse"], "gap.csv has missing values: 'a' (2). Set the option "),
        (["--data=good.csv", "--target=y", "--exclude=a, b"], "good.csv has no column 'b' for an input. Its columns: "),
        (
            ["--data=good.csv", "--target=y", "--test_fraction=2"],
            "parameter test_fraction: '2' is too large; allowed: ",
        ),
        (["--data=gap.csv", "--target=y", "--missing=zero"], "parameter missing: 'zero' is not known; allowed: refuse"),
    ],
)
def test_a_table_is_held_against_what_is_asked_of_it(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentence in refusal(["sweep", "--task=binary", "--folds=3", *arguments], capsys)
    assert runs("sweep") == []


# Stores that cannot be written.


def make_read_only(path: Path, uri: str) -> None:
    """A database that SQLite itself will not write, whoever runs the tests: root may write any file.

    Byte 18 of its header is the version of the format that a writer must know.
    """
    content = bytearray(Path(uri.removeprefix("sqlite:///")).read_bytes())
    content[18] = 3
    path.write_bytes(content)


def make_outdated(path: Path, uri: str) -> None:
    path.write_bytes(Path(uri.removeprefix("sqlite:///")).read_bytes())
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'another'")
        database.commit()


@pytest.fixture
def stores(uri: str, folder: Path) -> Iterator[Path]:
    make_read_only(folder / "read_only.db", uri)
    make_outdated(folder / "outdated.db", uri)
    yield folder


STORES = {
    "read-only file": ("sqlite:///read_only.db", "SQLite says 'attempt to write a readonly database'"),
    "folder": ("sqlite:///a_folder.csv", "a_folder.csv is a folder"),
    "no database": ("sqlite:///slip.csv", "SQLite says 'file is not a database'"),
    "another version": ("sqlite:///outdated.db", "MLflow says 'Detected out-of-date database schema"),
    "no such driver": ("sqlite+foo:///new.db", "SQLAlchemy says '"),
    "folder of files": ("a_folder.csv", "that is a folder of files, a kind of store that MLflow no longer writes"),
    "unknown kind": ("foo://bar", "MLflow knows no such kind of store"),
    "dead server": ("http://127.0.0.1:9", "no server answers there"),
}


@pytest.mark.parametrize(("store", "problem"), STORES.values(), ids=STORES)
def test_a_store_that_cannot_be_written_is_refused(
    store: str, problem: str, stores: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = MadeExecutor()
    monkeypatch.setattr(sweep_module, "make_executor", lambda *arguments, **settings: executor)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    # MLflow would try for minutes to reach a dead server, where the run might be that the refusal belongs to.
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    before = files_of(stores)
    said = refusal(["main", "--data=good.csv", *OWN], capsys)
    assert said.startswith("The tracking store ")
    assert f" cannot be used: {problem}" in said or f" cannot be used: {stores}/{problem}" in said
    assert "Set MLFLOW_TRACKING_URI to " in said
    assert executor.jobs == []
    assert [path for path in files_of(stores) if stores / "cache" not in path.parents] == before


def test_a_report_of_what_is_not_there_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(folder)
    assert "has no run 'abc'; allowed: the run id of a sweep" in refusal(["report", "--sweeps=abc"], capsys)
    assert files_of(folder) == before


# Commands.


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["swep"], "There is no entry point 'swep' (did you mean 'sweep'?); allowed: main, "),
        (["sweep", "trials=3"], "'trials=3' is not understood; parameters are written --name value"),
        (["report", "--trials=3"], "trials: there is no such parameter; allowed: sweeps, output"),
    ],
)
def test_a_command_that_is_not_understood(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentence in refusal(arguments, capsys)


def test_help_is_no_mistake_but_nothing_at_all_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["sweep", "--help"]) == 0
    assert cli.run([]) == 2
    printed = capsys.readouterr()
    assert printed.out.count("python -m pipelines ENTRY") == 2
    assert printed.err == ""


# An interrupted sweep.


def interrupt(number: int, signal_number: int) -> MadeExecutor:
    """Sends this process a signal while the trial of that number trains."""

    def send(now: int, configuration: object) -> None:
        if now == number:
            signal.raise_signal(signal_number)

    return MadeExecutor(error=send)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sweep_prints_the_command_that_goes_on(
    number: int, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_exercise(folder)
    before = signal.getsignal(number)
    executors = [interrupt(3, number), MadeExecutor()]
    monkeypatch.setattr(sweep_module, "make_executor", lambda *arguments, **settings: executors.pop(0))
    assert cli.run(["sweep", "--space=small.yaml", "--trials=4", "--resume=false", "--stop="]) == code
    printed = capsys.readouterr()
    assert f"The sweep was interrupted by {signal.Signals(number).name}." in printed.out
    assert printed.err == ""
    assert statuses() == ["FINISHED", "FINISHED", "KILLED"]
    assert statuses("sweep") == ["KILLED"]
    assert signal.getsignal(number) is before

    command = printed.out.splitlines()[-1].strip()
    assert command == "python -m pipelines sweep --space=small.yaml --trials=4"
    assert cli.run(shlex.split(command)[3:]) == 0
    assert "2 trials were finished by an earlier start" in capsys.readouterr().out
    assert statuses("sweep") == ["KILLED", "FINISHED"]


def test_under_mlflow_run_the_command_is_one_of_mlflow(
    folder: Path, project_run: str, uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_exercise(folder)
    monkeypatch.setattr(sweep_module, "make_executor", lambda *arguments, **settings: interrupt(1, signal.SIGTERM))
    assert cli.run(["sweep", "--space=small.yaml", "--trials=4", "--stop="]) == 143
    expected = f"mlflow run {PROJECT} --env-manager local -e sweep -P space=small.yaml -P trials=4"
    assert capsys.readouterr().out.splitlines()[-1].strip() == expected
    assert MlflowClient(uri).get_run(project_run).info.status == "KILLED"


def test_what_nobody_foresaw_is_told_whole_and_fails_the_sweep(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault of the program's own is not dressed up as the user's."""
    write_exercise(folder)
    executor = MadeExecutor(error=lambda number, configuration: RuntimeError("a fault of ours"))
    monkeypatch.setattr(sweep_module, "make_executor", lambda *arguments, **settings: executor)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        cli.run(["sweep", "--space=small.yaml", "--trials=4"])
    assert statuses("sweep") == ["FAILED"]
    assert "Error:" not in capsys.readouterr().err
