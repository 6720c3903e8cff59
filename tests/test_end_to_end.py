"""From the command line to the report, as a user runs it, on a table of sixty rows."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.support.stores import empty_store

ROOT = Path(__file__).parent.parent
SPACE = """
title: A small table
dataset: {source: file, path: table.csv, target: kind}
task: binary
folds: 3
epochs: 8
baseline: {layers: "4", batch_size: 20, normalisation: standardise}
space: {batch_size: [10, 20], activation: [relu, tanh]}
documented:
  - {name: wide, epochs: 8, configuration: {layers: "8"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}" for a, b in generator.normal(size=(60, 2))]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,kind", *rows]))
    (tmp_path / "small.yaml").write_text(SPACE)
    return tmp_path


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "OVERFIT_ATLAS_CACHE": str(folder / "cache"),
    }
    # Compiled fast, as in all tests: see conftest.py.
    environment |= {name: os.environ[name] for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS")}
    command = [sys.executable, "-m", "pipelines", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_sweep_ends_with_its_report_and_goes_on_where_it_was(folder: Path) -> None:
    space, output = f"--space={folder}/small.yaml", f"--output={folder}/out"
    empty_store(folder)
    first = start(folder, "main", space, "--trials=3", output)
    assert first.returncode == 0, first.stderr
    assert (folder / "out" / "report.html").stat().st_size > 10_000
    assert "wide" in (folder / "out" / "report.md").read_text()
    assert "3/3" in first.stdout
    assert "MLflow UI" in first.stdout

    second = start(folder, "main", space, "--trials=5", output)
    assert second.returncode == 0, second.stderr
    assert "3 trials were finished by an earlier start" in second.stdout

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (experiment,) = [e.experiment_id for e in client.search_experiments() if e.name == "overfit-atlas"]
    trials = client.search_runs([experiment], "tags.`atlas.kind` = 'trial'")
    assert len(trials) == 5
    assert len({trial.data.tags["atlas.configuration"] for trial in trials}) == 5
    assert len({trial.data.tags["mlflow.parentRunId"] for trial in trials}) == 1
    for trial in trials:
        best = int(trial.data.metrics["best/epoch"])
        history = client.get_metric_history(trial.info.run_id, "val_loss/mean")
        assert trial.data.metrics["best/value"] == pytest.approx(
            next(point.value for point in history if point.step == best), rel=1e-5
        )

    again = start(folder, "report", f"--output={folder}/again")
    assert again.returncode == 0, again.stderr
    assert (folder / "again" / "overfitting.csv").read_text() == (folder / "out" / "overfitting.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["swep"], "swep"),
        (["sweep", "--exercise=reuterz"], "reuters"),
        (["sweep", "--trials=none", "--seed=0", "--tuner=optuna:tpa", "--folds=1"], "trials: 'none'"),
        (["sweep", "--data_dir=/nowhere/at/all"], "/nowhere/at/all"),
        (["sweep", "--colour=red"], "colour"),
        (["sweep", "--trials"], "trials: has no value"),
        (["sweep", "--exercise=digits", "--folds=5000"], "5000"),
    ],
)
def test_a_mistake_is_answered_in_words(folder: Path, arguments: list[str], named: str) -> None:
    done = start(folder, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("table", "options", "named"),
    [
        ("a,kind\n1,x\n,y\n", ["--target=kind"], "a"),
        ("a,kind\n1,x\n2,y\n", ["--target=sort"], "sort"),
        ("", ["--target=kind"], "table.csv"),
    ],
    ids=["missing value", "wrong target", "empty file"],
)
def test_data_that_cannot_be_used_are_refused(folder: Path, table: str, options: list[str], named: str) -> None:
    (folder / "table.csv").write_text(table)
    done = start(folder, "sweep", f"--data={folder}/table.csv", "--task=binary", *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
