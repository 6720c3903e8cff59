"""A sweep that an earlier version recorded is reported, and taken up again; its trials are judged by today's rules.

``fixtures/recorded_sweep.tar.xz`` is a store with its files and the exercise: five trials with a result, one diverged,
one failed, and one that was cut off with the sweep; beside it the ``overfitting.csv`` of that version's report.
"""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from pipelines.exercises.reader import load_exercise
from pipelines.overfitting.point import Verdict, analyse
from pipelines.tracking.reading import latest_sweep, read_finished_sweep, read_sweep, read_trial_curves
from reports import write_report
from tests.support.small_sweep import MadeExecutor, runs, sweep, use_store

RECORDED = Path(__file__).parent / "fixtures" / "recorded_sweep.tar.xz"
#: Where the database has the folder that the store was in, written as /recorded.
PLACES = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("datasets", "dataset_source"))
IDENTITY = "502b990142a91cf8"


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of the recorded store, unpacked into the working folder."""
    with tarfile.open(RECORDED) as archive:
        archive.extractall(tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        for table, column in PLACES:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, '/recorded', ?)", [str(tmp_path)])
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    use_store(uri, tmp_path, monkeypatch)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "recorded")
    return uri


def test_its_report_has_the_numbers_that_it_had(recorded: str, tmp_path: Path) -> None:
    """All but those that are found by other rules today; and these are what today's rules make of its curves."""
    judged_anew = ["verdict", "onset", "best_value", "sd_folds", "sd_seeds", "gap_best", "severity"]
    paths = write_report(latest_sweep(recorded), tracking_uri=recorded, output=tmp_path / "report", log_to_run=False)
    then = pd.read_csv(tmp_path / "overfitting.csv", index_col="run_id")
    now = pd.read_csv(paths.csv, index_col="run_id").loc[then.index]
    kept = [column for column in then if column not in judged_anew and column != "rank"]
    pd.testing.assert_frame_equal(now[kept], then[kept])
    had_onset = then["onset"].notna()
    assert had_onset.any() and (now["onset"] <= then["onset"])[had_onset].all()  # found earlier, and not less often
    found = read_sweep(latest_sweep(recorded), uri=recorded)
    for trial in found.trials:
        if trial.has_result:
            curves = read_trial_curves(trial, uri=recorded)
            point = analyse(curves["val_loss"], curves["loss"], folds=3, repeats=2, validation_ratio=0.5)
            assert now.loc[trial.run_id, "verdict"] == point.verdict
            assert now.loc[trial.run_id, "best_value"] == pytest.approx(point.best_value)
            assert now.loc[trial.run_id, "severity"] == pytest.approx(point.severity)


def test_everything_that_it_recorded_is_read_back(recorded: str, tmp_path: Path) -> None:
    found = read_sweep(latest_sweep(recorded), uri=recorded)
    exercise = load_exercise(tmp_path / "small.yaml")
    assert found.record.exercise is not None
    assert found.record.exercise.digest == exercise.digest
    assert found.record.exercise.documented == exercise.documented
    assert (found.record.settings.seed, found.record.settings.backend, found.monitor) == (1, "jax", "val_loss")
    assert (found.record.data.samples, found.record.data.sha256) == (60, found.data_sha256)
    assert [(s.training, s.validation) for s in found.record.splits or ()] == [(40, 20)] * 6
    assert found.record.environment.packages["mlflow"] == "3.17.2"
    assert [trial.status for trial in found.trials] == ["FINISHED"] * 3 + ["FAILED"] * 2 + ["FINISHED"] * 2 + ["KILLED"]
    curves = [read_trial_curves(trial, uri=recorded) for trial in found.trials]
    assert [None if curve is None else curve["val_loss"].shape for curve in curves] == [
        *[(6, 40)] * 4,
        None,
        *[(6, 40)] * 2,
        None,
    ]
    assert len(read_finished_sweep(found.run_id, uri=recorded).finished) == 5


def test_it_is_taken_up_where_it_was_cut_off(recorded: str, tmp_path: Path) -> None:
    earlier = read_sweep(latest_sweep(recorded), uri=recorded)
    done = [t for t in earlier.trials if t.has_result or (t.point and t.point.verdict is Verdict.DIVERGED)]
    executor = MadeExecutor(noise=0.05)
    outcome, printed = sweep(executor, load_exercise(tmp_path / "small.yaml"), trials=8)
    assert "6 trials were finished by an earlier start" in printed
    assert (outcome.resumed, outcome.trained) == (6, 2)
    assert earlier.identity == IDENTITY
    assert {run.data.tags["atlas.sweep"] for run in runs("sweep")} == {IDENTITY}
    assert not {trial.configuration.hash for trial in done if trial.configuration} & set(executor.hashes)
    now = read_sweep(outcome.run.run_id, uri=recorded)
    assert [trial.run_id for trial in now.trials][:6] == [trial.run_id for trial in done]
    assert [trial.point for trial in now.trials][:6] == [trial.point for trial in done]
    assert read_sweep(earlier.run_id, uri=recorded).heir == now.run_id
