"""Started from anywhere: where paths, store and report are, what is said next, and what a refused command leaves."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from pipelines.commands import cli, launch
from pipelines.commands.launch import Launch, MlflowRun, command, read_mlflow_run
from tests.support.small_sweep import use_store, write_exercise
from tests.support.stores import empty_store

ROOT = Path(__file__).parent.parent
#: An address that git finds in a folder of the tests.
ADDRESS = "https://git.example.org/overfit-atlas.git"
PARAMETERS = ["-P", "space=small.yaml", "-P", "data=table.csv", "-P", "target=y", "-P", "trials=2"]


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in this folder, with the store that MLflow has there by default."""
    inherited = {name: os.environ[name] for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS")}
    known = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(folder),
        "OVERFIT_ATLAS_CACHE": str(folder / "cache"),
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"url.file://{folder.parent}/repository.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
    }
    return subprocess.run(
        arguments, cwd=folder, env=inherited | known | environment, capture_output=True, text=True, check=False
    )


def repository(path: Path) -> None:
    """The project as it is now, as a git repository."""
    path.mkdir()
    for name in ("pipelines", "reports", "search_spaces"):
        shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("MLproject", "conda.yaml", "requirements.txt"):
        shutil.copy(ROOT / name, path)
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "all"]):
        subprocess.run(["git", *arguments], cwd=path, check=True)


def runs_of(folder: Path, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    return list(MlflowClient(f"sqlite:///{folder}/mlflow.db").search_runs(["0"], run_view_type=view))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the user stands: an exercise, a table, and an empty store."""
    tmp_path = tmp_path / "home"
    tmp_path.mkdir()
    path = write_exercise(tmp_path, epochs=6)
    untitled = {key: value for key, value in json.loads(path.read_text()).items() if key != "title"}
    path.write_text(json.dumps(untitled))
    empty_store(tmp_path)
    return tmp_path


@pytest.mark.parametrize("uri", ["..project", f"file://{ROOT}", ADDRESS], ids=["another folder", "file", "git"])
def test_paths_store_and_report_are_those_of_the_folder_where_the_command_is_given(folder: Path, uri: str) -> None:
    project = os.path.relpath(ROOT, folder) if uri == "..project" else uri
    if uri == ADDRESS:
        repository(folder.parent / "repository")
    done = start(folder, "mlflow", "run", project, "--env-manager", "local", *PARAMETERS)
    assert done.returncode == 0, done.stdout + done.stderr
    (sweep,) = [run for run in runs_of(folder) if run.data.tags.get("atlas.kind") == "sweep"]
    assert sweep.info.status == "FINISHED"
    printed = [line.partition("  ")[2].strip() for line in done.stdout.splitlines() if line.startswith("Report ")]
    assert printed == [f"report/table-y-{sweep.info.run_id[:8]}/report.html"]
    assert (folder / printed[0]).stat().st_size > 10_000
    assert Path(sweep.info.artifact_uri).is_relative_to(folder / "mlruns")
    again = f"mlflow run {project} --env-manager local -e"
    assert f"Final model {again} final -P sweep={sweep.info.run_id[:8]}\n" in done.stdout
    assert f"and predict {again} predict -P data=new.csv\n" in done.stdout
    assert "mlflow ui --backend-store-uri 'sqlite:///mlflow.db'" in done.stdout
    # Only what was given is recorded as it was given.
    given = {name: value for name, value in sweep.data.params.items() if not name.startswith("sweep.")}
    assert given == {"space": "small.yaml", "data": "table.csv", "target": "y", "trials": "2"}


def test_a_typo_leaves_no_run_behind(folder: Path) -> None:
    done = start(folder, "mlflow", "run", str(ROOT), "--env-manager", "local", "-P", "trails=3")
    assert done.returncode == 1
    assert "trails: there is no such parameter (did you mean 'trials'?)" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    for _ in range(100):  # MLflow itself writes to the run until its end
        if not runs_of(folder):
            break
        time.sleep(0.2)
    assert runs_of(folder) == []
    (refused,) = runs_of(folder, ViewType.DELETED_ONLY)
    assert "did you mean 'trials'" in refused.data.tags["atlas.reason"]


def test_where_it_was_looked_for_is_said(folder: Path) -> None:
    arguments = ["-P", "data=tabel.csv", "-P", "target=y", "-P", "task=binary"]
    done = start(folder, "mlflow", "run", str(ROOT), "--env-manager", "local", *arguments)
    assert f"there is no file tabel.csv (did you mean 'table.csv'?). Looked in {folder}." in " ".join(
        done.stderr.split()
    )


# What make asks before MLflow does.


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_store(f"sqlite:///{folder}/mlflow.db", folder, monkeypatch)
    return folder


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-P", "trails=3"], "trails: there is no such parameter (did you mean 'trials'?)"),
        (["-P", "trials=many"], "trials: 'many' is not a whole number"),
        (["-P", "exercise=digitz"], "There is no exercise 'digitz' (did you mean 'digits'?)"),
        (["-e", "finale"], "There is no entry point 'finale' (did you mean 'final'?)"),
        (["--entry-point=final", "-Psweeep=1"], "sweeep: there is no such parameter (did you mean 'sweep'?)"),
        (["-e", "reproduce", "-P", "repeats=0"], "repeats: '0' is too small"),
        (["-P", "data=table.csv", "-P", "target=z"], "has no column 'z'"),
    ],
)
def test_make_refuses_before_there_is_a_run(
    options: list[str], sentence: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["check", *options]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert runs_of(here, ViewType.ALL) == []


def test_what_can_be_done_passes_the_check(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", *PARAMETERS, "--experiment-name", "mine", "-P", "output=out"]) == 0
    assert cli.run(["check", "--entry-point", "report"]) == 0
    assert capsys.readouterr() == ("", "")
    assert runs_of(here, ViewType.ALL) == []


# Commands that are named next.


def test_the_command_is_of_the_kind_that_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.delenv(launch.MADE, raising=False)
    assert command("final", sweep="1f0c3a52") == "python -m pipelines final --sweep=1f0c3a52"
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    given = read_mlflow_run(["python3", "/bin/mlflow", "run", "--env-manager=uv", "-v", "main", "git@host:atlas.git"])
    monkeypatch.setattr(launch, "launch", lambda: Launch(Path("/here"), given, 1))
    expected = "mlflow run git@host:atlas.git --env-manager uv -v main -e final -P sweep=1f0c3a52"
    assert command("final", sweep="1f0c3a52") == expected
    assert command("main", data="my file.csv") == (
        "mlflow run git@host:atlas.git --env-manager uv -v main -P 'data=my file.csv'"
    )
    monkeypatch.setenv(launch.MADE, "1")
    assert command("final", sweep="1f0c3a52") == 'make final ARGS="-P sweep=1f0c3a52"'
    assert command("reproduce") == 'make sweep ARGS="-e reproduce"'


def test_make_passes_on_what_its_command_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through make and two shells: blanks, quotes and dollars arrive as they were."""
    monkeypatch.setenv(launch.MADE, "1")
    value = 'it\'s "my" $file `x`!.csv'
    (tmp_path / "Makefile").write_text("predict:\n\t@printf '%s|' $(ARGS)\n")
    shown = start(tmp_path, "bash", "-c", command("predict", data=value))
    assert shown.stdout == f"-P|data={value}|"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("mlflow run .", MlflowRun(".")),
        ("python -m mlflow run -e final -P sweep=ab #sub", MlflowRun("#sub", "final", {"sweep": "ab"})),
        ("mlflow run -b local --build-image /p -P a=b=c", MlflowRun("/p", "main", {"a": "b=c"})),
        ("python run all", MlflowRun()),
        ("mlflow ui", MlflowRun()),
    ],
)
def test_a_command_of_mlflow_is_read(words: str, expected: MlflowRun) -> None:
    assert read_mlflow_run(words.split()) == expected
