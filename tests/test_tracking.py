"""Recording in MLflow, against SQLite: the way there and back, resuming, endings, and stores that cannot be written."""

import contextlib
import json
import math
import os
import platform
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Param, Run

from pipelines.datasets.base import Dataset, Task
from pipelines.errors import TrackingError, UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.reader import available_exercises, load_exercise
from pipelines.overfitting.point import OverfittingPoint, Verdict, is_censored
from pipelines.tracking import names
from pipelines.tracking import runs as tracked
from pipelines.tracking.reading import find_sweep, latest_sweep, read_sweep
from pipelines.tracking.recording import open_sweep
from pipelines.tracking.store import redacted, tracking_uri, ui_command, ui_link
from pipelines.tracking.sweeps import (
    DataFacts,
    RecordedSettings,
    SplitSizes,
    SweepDescription,
    SweepRecord,
    WeightsFile,
    current_environment,
    plain_text,
)
from pipelines.tracking.trials import (
    FAILED,
    FINISHED,
    POINT_METRICS,
    FitLabel,
    Trial,
    read_curves,
    thinned,
    trial_metrics,
    trial_of,
    trial_params,
    trial_tags,
    write_curves,
)
from tests.support.stores import empty_store

ROOT = Path(__file__).parent.parent
NOTHING = np.zeros((0, 3), np.float32)
DATA = Dataset(
    name="tiny",
    task=Task.REGRESSION,
    inputs=np.zeros((8, 3), np.float32),
    targets=np.zeros(8, np.float32),
    test_inputs=NOTHING,
    test_targets=NOTHING[:, 0],
    classes=(),
    features=("a", "b", "c"),
    sha256="0123456789abcdef" * 4,
    source="made up",
)
SETTINGS = RecordedSettings(exercise="tiny", tuner="optuna:tpe", backend="jax", folds=2)
SWEEP = SweepDescription("identity0", DATA, SweepRecord(settings=SETTINGS))
SWEEP_PARAMS = {"sweep.exercise": "tiny", "sweep.tuner": "optuna:tpe", "sweep.backend": "jax", "sweep.folds": "2"}
POINT = OverfittingPoint(
    verdict=Verdict.OVERFITS,
    best_epoch=2,
    best_epoch_low=1,
    best_epoch_high=3,
    censored=False,
    onset=3,
    one_se_epoch=1,
    best_value=0.5,
    sd_folds=0.1,
    sd_seeds=None,
    final_value=0.8,
    gap_best=0.2,
    gap_final=0.6,
    severity=0.6,
    epochs=3,
    fits=4,
    folds=2,
    repeats=2,
)
# Four fits: folds 0 and 1 with one seed, then with another.
CURVES = {
    "loss": np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1], [3, 2, 1]], np.float32),
    "val_loss": np.array([[4, 1, 2], [6, 3, 4], [8, 5, 6], [6, 3, 4]], np.float32),
}
RECORD = Trial(
    configuration=Configuration(layers=(4, 4), loss="mse", learning_rate=1 / 3),
    origin="tuner",
    epochs=3,
    folds=2,
    repeats=2,
    fits=tuple(FitLabel(repeat, fold, 10 * repeat + fold) for repeat in range(2) for fold in range(2)),
    curves=CURVES,
    point=POINT,
    validation={"loss": 3.0},
    beats_guessing=True,
    seconds=1.5,
    training_seconds=1.25,
    compile_seconds=0.5,
    parameters=41,
)


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store of the test's own."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return empty_store(tmp_path)


def runs(uri: str, kind: str = "trial") -> list[Run]:
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`atlas.kind` = '{kind}'", order_by=["attributes.start_time ASC"])
    return list(found)


def run_one_trial(uri: str, record: Trial = RECORD, sweep: SweepDescription = SWEEP) -> str:
    with open_sweep(sweep, uri=uri) as run, run.trial(record.configuration, record.origin, seeds=(1, 2)) as trial:
        trial.finish(record)
    return run.run_id


def test_two_processes_may_make_one_database_at_the_same_time(tmp_path: Path) -> None:
    program = """
        import os
        import mlflow  # before they part, so that they set out at once
        from pipelines.tracking.store import check_store, tracking_uri
        child = os.fork()
        check_store(tracking_uri())
        if child:
            assert os.waitpid(child, 0)[1] == 0
    """
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, env=environment, check=True)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("mlflow.db")] == ["mlflow.db"]
    assert MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").get_experiment("0").name == "Default"


def test_a_trial_is_recorded_with_the_names_of_the_schema(uri: str) -> None:
    parent = run_one_trial(uri)
    (trial,) = runs(uri)
    assert trial.info.status == "FINISHED"
    assert trial.info.run_name == "4-4 relu adam lr=0.333 loss=mse"
    (data,) = trial.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("tiny", DATA.sha256[:10])
    assert trial.data.params == {
        "layers": "4-4",
        "units": "4",
        "depth": "2",
        "activation": "relu",
        "loss": "mse",
        "optimizer": "adam",
        "learning_rate": "0.333333333333",
        "batch_size": "32",
        "normalisation": "none",
        "layer_normalisation": "none",
        "dropout": "0.0",
        "l2": "0.0",
        "train_fraction": "1.0",
        "epochs": "3",
        "folds": "2",
        "repeats": "2",
    }
    tags = {key: value for key, value in trial.data.tags.items() if key.startswith("atlas.")}
    del tags["atlas.host"], tags["atlas.process"]
    assert tags == {
        "atlas.schema": "1",
        "atlas.kind": "trial",
        "atlas.exercise": "tiny",
        "atlas.sweep": "identity0",
        "atlas.data.sha256": DATA.sha256,
        "atlas.backend": "jax",
        "atlas.tuner": "optuna:tpe",
        "atlas.configuration": RECORD.configuration.hash,
        "atlas.origin": "tuner",
        "atlas.seeds": "1,2",
        "atlas.verdict": "overfits",
        "atlas.guessing": "better than guessing",
        "atlas.judging": "2",
    }
    assert trial.data.tags["mlflow.parentRunId"] == parent
    assert {name: value for name, value in trial.data.metrics.items() if "loss/" not in name} == {
        "best/epoch": 2,
        "best/epoch_low": 1,
        "best/epoch_high": 3,
        "best/value": 0.5,
        "best/val_loss": 3,
        "value rounded": 0.5,
        "severity rounded": 0.6,
        "best/sd_folds": 0.1,
        "onset/epoch": 3,
        "one_se/epoch": 1,
        "final/value": 0.8,
        "gap/best": 0.2,
        "gap/final": 0.6,
        "severity": 0.6,
        "seconds/total": 1.5,
        "seconds/training": 1.25,
        "seconds/compile": 0.5,
        "model/parameters": 41,
        "epochs/trained": 3,
    }


def test_the_curves_of_a_trial_are_means_and_deviations_by_epoch(uri: str) -> None:
    run_one_trial(uri)
    client, (trial,) = MlflowClient(uri), runs(uri)

    def curve(name: str) -> list[tuple[int, float]]:
        return [(point.step, round(point.value, 6)) for point in client.get_metric_history(trial.info.run_id, name)]

    assert {name for name in trial.data.metrics if "loss/" in name} == {
        *("loss/mean", "loss/sd", "val_loss/mean", "val_loss/sd", "val_loss/fold_0", "val_loss/fold_1")
    }
    assert curve("loss/mean") == [(1, 3), (2, 2), (3, 1)]
    assert curve("val_loss/mean") == [(1, 6), (2, 3), (3, 4)]
    assert curve("val_loss/sd") == [(epoch, round(math.sqrt(8 / 3), 6)) for epoch in (1, 2, 3)]
    assert curve("val_loss/fold_0") == [(1, 6), (2, 3), (3, 4)]
    assert curve("val_loss/fold_1") == [(1, 6), (2, 3), (3, 4)]


def test_every_value_of_every_fit_is_kept_in_the_parquet_file(uri: str) -> None:
    curves = {name: curve.copy() for name, curve in CURVES.items()}
    curves["val_loss"][2, 1:] = np.nan
    run_one_trial(uri, replace(RECORD, curves=curves))
    (trial,) = runs(uri)
    path = Path(MlflowClient(uri).download_artifacts(trial.info.run_id, "curves.parquet"))
    read, labels = read_curves(path), pd.read_parquet(path, columns=["repeat", "fold", "seed"])
    assert list(labels[::3].itertuples(index=False, name=None)) == [tuple(vars(fit).values()) for fit in RECORD.fits]
    assert list(read) == list(curves)
    for name, curve in curves.items():
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], curve)


def test_the_parquet_file_has_a_row_a_fit_and_epoch(tmp_path: Path) -> None:
    from pyarrow import parquet

    write_curves(RECORD, tmp_path / "curves.parquet")
    rows = parquet.read_table(tmp_path / "curves.parquet").to_pylist()
    assert len(rows) == 4 * 3
    assert rows[7] == {"repeat": 1, "fold": 0, "seed": 10, "epoch": 2, "loss": 2, "val_loss": 5}


def test_the_sweep_has_its_settings_data_set_and_description(uri: str) -> None:
    with open_sweep(SWEEP, uri=uri) as sweep:
        sweep.log_metrics({"sweep/trials": 0})
        sweep.describe("| best | epoch |")
    run = MlflowClient(uri).get_run(sweep.run_id)
    assert run.info.run_name == "tiny optuna:tpe"
    assert run.info.status == "FINISHED"
    assert run.data.params == SWEEP_PARAMS
    assert run.data.metrics == {"sweep/trials": 0}
    assert run.data.tags["mlflow.note.content"] == "| best | epoch |"
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("tiny", DATA.sha256[:10])
    sweep_file = Path(MlflowClient(uri).download_artifacts(sweep.run_id, "sweep.json"))
    written = json.loads(sweep_file.read_text())
    assert written == json.loads(json.dumps(SWEEP.record.to_json()))
    assert written["parameters"] == {"exercise": "tiny", "tuner": "optuna:tpe", "backend": "jax", "folds": 2}
    assert MlflowClient(uri).get_experiment(run.info.experiment_id).name == "overfit-atlas"


def test_a_description_is_given_to_a_sweep_that_has_none(uri: str) -> None:
    with open_sweep(SWEEP, uri=uri) as sweep:
        pass
    for said in ("the first", "another"):
        tracked.describe_if_empty(sweep.run_id, said, uri=uri)
    assert MlflowClient(uri).get_run(sweep.run_id).data.tags["mlflow.note.content"] == "the first"


def test_a_report_is_kept_with_the_sweep(uri: str, tmp_path: Path) -> None:
    with open_sweep(SWEEP, uri=uri) as sweep:
        pass
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "report.md").write_text("# Report")
    tracked.save_report(sweep.run_id, tmp_path / "made", uri=uri)
    assert [file.path for file in MlflowClient(uri).list_artifacts(sweep.run_id, "report")] == ["report/report.md"]


# A trial's way to the store and back


class StoreForm:
    """A run as the store returns it, from what is written of a trial."""

    def __init__(self, trial: Trial) -> None:
        configuration = {names.TAG_CONFIGURATION: trial.configuration.hash} if trial.configuration else {}
        tags = {names.TAG_SCHEMA: names.SCHEMA, names.TAG_ORIGIN: trial.origin, **configuration, **trial_tags(trial)}
        metrics = {name: value for name, value, _ in trial_metrics(trial)}
        self.data = SimpleNamespace(params=trial_params(trial), tags=tags, metrics=metrics)
        self.info = SimpleNamespace(run_id="r", status=trial.status, artifact_uri="")


@st.composite
def points(draw: st.DrawFn) -> OverfittingPoint:
    """Any over-fitting point there may be."""
    folds, repeats, epochs = draw(st.integers(1, 10)), draw(st.integers(1, 5)), draw(st.integers(1, 100_000))
    epoch, number = st.integers(1, epochs), st.floats(allow_nan=False, allow_infinity=False)
    sizes = {"epochs": epochs, "fits": folds * repeats, "folds": folds, "repeats": repeats}
    nothing = dict.fromkeys(field for field in POINT_METRICS if field not in ("epochs", "diverged_fits"))
    if draw(st.booleans()):
        diverged = {"diverged_fits": draw(st.integers(1, folds * repeats)), "diverged_epoch": draw(epoch)}
        return OverfittingPoint(verdict=Verdict.DIVERGED, **{**nothing, **sizes, **diverged}, censored=False)
    found = {
        name: draw(st.none() | (epoch if POINT_METRICS[name][1] is int else number))
        for name in nothing
        if name != "diverged_epoch"
    }
    found |= {"best_epoch": draw(epoch), "best_value": draw(number)}
    verdict = draw(st.sampled_from([verdict for verdict in Verdict if verdict is not Verdict.DIVERGED]))
    censored = is_censored(found["best_epoch"], found["best_epoch_high"], found["onset"], epochs)
    return OverfittingPoint(verdict=verdict, **found, **sizes, censored=censored)


@settings(deadline=None)
@given(points())
def test_any_over_fitting_point_comes_back_from_the_store_as_it_was(point: OverfittingPoint) -> None:
    curves = {"val_loss": np.zeros((1, point.epochs), np.float32)}
    status = FAILED if point.verdict is Verdict.DIVERGED else FINISHED
    trial = replace(
        RECORD,
        point=point,
        folds=point.folds,
        repeats=point.repeats,
        curves=curves,
        fits=RECORD.fits[:1],
        status=status,
    )
    stored = trial_of(StoreForm(trial))  # type: ignore[arg-type]
    assert stored.point == point
    assert (stored.status, stored.diverged, stored.intact) == (status, status == FAILED, True)
    assert {field.name for field in fields(OverfittingPoint)} == {
        *POINT_METRICS,
        *("verdict", "censored", "fits", "folds", "repeats"),
    }


def test_a_trial_comes_back_from_the_store_as_it_was() -> None:
    trial = replace(RECORD, reason="stopped at epoch 3: pruned")
    stored = trial_of(StoreForm(trial))  # type: ignore[arg-type]
    assert stored.configuration == RECORD.configuration.canonical()
    same = "origin status reason epochs folds repeats point seconds training_seconds compile_seconds parameters".split()
    assert [getattr(stored, name) for name in same] == [getattr(trial, name) for name in same]
    assert stored.validation == {"loss": 3}


@pytest.mark.parametrize("name", available_exercises())
def test_an_exercise_comes_back_from_the_file_of_a_sweep_as_it_was(name: str) -> None:
    exercise = load_exercise(
        name, **({"data": "any.csv", "task": "regression", "target": "y"} if name == "table" else {})
    )
    record = SweepRecord(
        exercise=exercise,
        settings=SETTINGS,
        data=DataFacts.of(DATA),
        splits=(SplitSizes(0, 0, 6, 2), SplitSizes(0, 1, 6, 2)),
        weights={"mobilenet_v2": WeightsFile("weights.h5", "ab" * 32)},
        environment=current_environment(),
    )
    read = SweepRecord.from_json(json.loads(plain_text(record.to_json())))
    assert read.exercise is not None
    assert read.exercise == replace(exercise, lesson=None)  # prose, for the readers of the file
    assert read.exercise.digest == exercise.digest
    assert (read.settings, read.data, read.splits) == (record.settings, record.data, record.splits)
    assert (read.weights, read.environment) == (record.weights, record.environment)


def test_what_is_damaged_in_the_file_of_a_sweep_is_left_out() -> None:
    exercise = load_exercise("imdb")
    content = json.loads(plain_text(SweepRecord(exercise, SETTINGS, environment=current_environment()).to_json()))
    content["exercise"]["documented"][0]["figures"] = "none"
    content |= {"splits": [{"repeat": 0}], "cores": "many", "parameters": {"folds": 3, "seed": "x"}, "data": []}
    read = SweepRecord.from_json(content)
    assert read.exercise is not None and read.exercise.documented == exercise.documented[1:]
    assert (read.settings, read.splits, read.data) == (RecordedSettings(folds=3), None, DataFacts())
    assert (read.environment.cores, read.environment.python) == (None, platform.python_version())
    assert SweepRecord.from_json(["no object"]).exercise is None


# Numbers


def test_what_is_not_a_number_is_not_logged() -> None:
    curves = {"loss": np.array([[1, np.inf, np.nan], [1, 2, 3]], np.float32)}
    diverged = replace(POINT, best_value=None, best_epoch=None, severity=math.inf, final_value=math.nan)
    logged = trial_metrics(replace(RECORD, curves=curves, fits=RECORD.fits[:2], repeats=1, point=diverged))
    assert all(math.isfinite(value) for _, value, _ in logged)
    assert {"best/value", "best/epoch", "severity", "final/value"}.isdisjoint(name for name, _, _ in logged)
    assert [(value, step) for name, value, step in logged if name == "loss/mean"] == [(1, 1)]


def test_the_mean_of_a_stopped_trial_leaves_out_fits_that_never_started() -> None:
    curves = {"val_loss": np.array([[4, 2, np.nan], [np.nan, np.nan, np.nan]], np.float32)}
    logged = trial_metrics(replace(RECORD, curves=curves, fits=RECORD.fits[:2], repeats=1))
    assert [(value, step) for name, value, step in logged if name == "val_loss/mean"] == [(4, 1), (2, 2)]
    assert {name for name, _, _ in logged if name.startswith("val_loss/")} == {"val_loss/mean", "val_loss/fold_0"}
    assert ("epochs/trained", 2, 0) in logged


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_a_thinned_curve_keeps_its_first_last_and_best_epoch(epochs: int, best: int) -> None:
    kept = thinned(epochs, min(best, epochs))
    assert len(kept) <= 100
    assert kept == sorted(set(kept))
    assert {1, min(best, epochs), epochs} <= set(kept)
    assert max(np.diff(kept), default=0) <= math.ceil((epochs - 1) / 98)


def test_more_points_than_one_call_takes_are_all_recorded(uri: str) -> None:
    epochs, folds = 150, 10
    curves = {name: np.ones((folds, epochs), np.float32) for name in ("loss", "val_loss")}
    fits = tuple(FitLabel(0, fold, fold) for fold in range(folds))
    point = replace(POINT, best_epoch=77, epochs=epochs)
    run_one_trial(uri, replace(RECORD, curves=curves, fits=fits, folds=folds, repeats=1, epochs=epochs, point=point))
    (trial,) = runs(uri)
    history = MlflowClient(uri).get_metric_history(trial.info.run_id, "val_loss/fold_9")
    assert [point.step for point in history] == thinned(epochs, 77)


# Resuming


def test_a_second_start_takes_the_finished_trials_over(uri: str) -> None:
    first = run_one_trial(uri)
    with open_sweep(SWEEP, uri=uri) as second:
        (stored,) = second.finished_trials()
    assert stored.configuration == RECORD.configuration.canonical()
    assert (stored.origin, stored.point, stored.value) == ("tuner", POINT, 0.5)
    assert (stored.epochs, stored.folds, stored.repeats) == (3, 2, 2)
    (trial,) = runs(uri)
    assert trial.data.tags["mlflow.parentRunId"] == second.run_id
    assert trial.data.tags["atlas.first_parent"] == first
    assert second.resumed_from == (first,)
    assert MlflowClient(uri).get_run(first).data.tags["atlas.continued_by"] == second.run_id
    with open_sweep(SWEEP, uri=uri) as third:
        assert [stored.run_id for stored in third.finished_trials()] == [trial.info.run_id]
    (trial,) = runs(uri)
    assert trial.data.tags["mlflow.parentRunId"] == third.run_id
    assert trial.data.tags["atlas.first_parent"] == first


def test_another_sweep_and_a_fresh_start_take_nothing_over(uri: str) -> None:
    first = run_one_trial(uri)
    with open_sweep(replace(SWEEP, identity="identity1"), uri=uri) as other:
        assert other.finished_trials() == ()
    with open_sweep(SWEEP, uri=uri, resume=False) as fresh:
        assert fresh.finished_trials() == ()
    assert [trial.data.tags["mlflow.parentRunId"] for trial in runs(uri)] == [first]


def test_a_diverged_trial_is_not_trained_again_but_one_that_broke_is(uri: str) -> None:
    diverged = replace(
        RECORD,
        point=replace(POINT, verdict=Verdict.DIVERGED, best_value=None),
        status=FAILED,
        reason="diverged at epoch 2",
    )
    broken = replace(
        RECORD, configuration=Configuration(layers=(8,)), curves={}, point=None, status=FAILED, reason="out of memory"
    )
    run_one_trial(uri, diverged)
    run_one_trial(uri, broken)
    assert [(run.info.status, run.data.tags["atlas.reason"]) for run in runs(uri)] == [
        ("FAILED", "diverged at epoch 2"),
        ("FAILED", "out of memory"),
    ]
    with open_sweep(SWEEP, uri=uri) as again:
        (stored,) = again.finished_trials()
    assert stored.configuration == RECORD.configuration.canonical()
    assert stored.value is None


def test_after_a_kill_only_what_was_finished_counts(uri: str, tmp_path: Path) -> None:
    program = """
        import os
        from tests.test_tracking import RECORD, SWEEP, open_sweep
        sweep = open_sweep(SWEEP)
        with sweep.trial(RECORD.configuration, "tuner", seeds=(1,)) as trial:
            trial.finish(RECORD)
        sweep.flush()
        sweep.trial(RECORD.configuration, "tuner", seeds=(1,))
        os._exit(137)
    """
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, env=environment, check=False
    )
    assert killed.returncode == 137
    assert [run.info.status for run in runs(uri)] == ["FINISHED", "RUNNING"]
    with open_sweep(SWEEP, uri=uri) as sweep:
        assert len(sweep.finished_trials()) == 1
    finished, cut_off = runs(uri)
    assert finished.info.status == "FINISHED"
    assert cut_off.info.status == "KILLED"
    assert cut_off.data.tags["atlas.reason"] == "the process ended without closing the run"
    assert [run.info.status for run in runs(uri, "sweep")] == ["KILLED", "FINISHED"]


def test_a_sweep_still_at_work_keeps_its_trials(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    with open_sweep(SWEEP, uri=uri) as first:
        with first.trial(RECORD.configuration, "tuner", seeds=(1,)) as trial:
            trial.finish(RECORD)
        first.flush()
        with first.trial(Configuration(), "tuner", seeds=(1,)):
            with open_sweep(SWEEP, uri=uri) as second:
                assert second.finished_trials() == ()
            assert [run.info.status for run in runs(uri)] == ["FINISHED", "RUNNING"]
            assert {run.data.tags["mlflow.parentRunId"] for run in runs(uri)} == {first.run_id}
    assert f"being run by process {os.getpid()}" in caplog.text


def test_runs_of_another_machine_are_left_running_but_their_finished_trials_count(uri: str) -> None:
    with open_sweep(SWEEP, uri=uri) as first:
        with first.trial(RECORD.configuration, "tuner", seeds=(1,)) as trial:
            trial.finish(RECORD)
        first.flush()
        with first.trial(Configuration(), "tuner", seeds=(1,)) as running:
            for run_id in (first.run_id, running.run_id):
                MlflowClient(uri).set_tag(run_id, "atlas.host", "another machine")
            with open_sweep(SWEEP, uri=uri) as second:
                assert len(second.finished_trials()) == 1
            assert [run.info.status for run in runs(uri)] == ["FINISHED", "RUNNING"]


# Endings


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("no such fold"), "FAILED", "ValueError: no such fold"),
        (UserError("The table has no rows."), "FAILED", "The table has no rows."),
        (KeyboardInterrupt(), "KILLED", "interrupted"),
        (SystemExit("stopped by SIGTERM"), "KILLED", "stopped by SIGTERM"),
    ],
)
def test_runs_end_with_the_status_that_is_true(uri: str, error: BaseException, status: str, reason: str) -> None:
    with (
        pytest.raises(type(error)),
        open_sweep(SWEEP, uri=uri) as sweep,
        sweep.trial(Configuration(), "baseline", seeds=(1,)),
    ):
        raise error
    for run in (*runs(uri, "sweep"), *runs(uri)):
        assert (run.info.status, run.data.tags["atlas.reason"]) == (status, reason)


def test_a_trial_stopped_early_is_finished_with_a_remark(uri: str) -> None:
    run_one_trial(uri, replace(RECORD, reason="stopped at epoch 3: pruned by the tuner"))
    (trial,) = runs(uri)
    assert (trial.info.status, trial.data.tags["atlas.reason"]) == (
        "FINISHED",
        "stopped at epoch 3: pruned by the tuner",
    )


def test_results_that_the_store_refuses_end_the_sweep(uri: str, tmp_path: Path) -> None:
    with (
        pytest.raises(TrackingError, match=r"Recording a trial in the tracking store .* failed"),
        open_sweep(SWEEP, uri=uri) as sweep,
        sweep.trial(RECORD.configuration, "tuner", seeds=(1,)) as trial,
    ):
        (tmp_path / "mlruns" / sweep.experiment_id / trial.run_id).write_text("in the way of the artifacts")
        trial.finish(RECORD)
    (run,) = runs(uri, "sweep")
    assert run.info.status == "FAILED"
    assert "Recording a trial" in run.data.tags["atlas.reason"]


# Names of sweeps


def sweeps_named(uri: str, *ids: str) -> None:
    """Runs of sweeps, made with these ids: MLflow itself draws them."""
    for run_id in ids:
        made = MlflowClient(uri).create_run("0", tags={names.TAG_KIND: names.KIND_SWEEP, names.TAG_EXERCISE: "tiny"})
        with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database, database:
            for table in ("runs", "tags"):
                changed = [run_id.ljust(32, "0"), made.info.run_id]
                database.execute(f"UPDATE {table} SET run_uuid = ? WHERE run_uuid = ?", changed)


@pytest.mark.parametrize(
    "name",
    [
        "1f0c" + "0" * 28,
        "1f0c",
        "1F0C0",
        "tiny-1f0c0000",
        "report/tiny-1f0c0000/",
        "/home/me/report/tiny-1f0c0000/report.html",
    ],
)
def test_a_sweep_is_named_by_as_much_of_its_id_as_is_its_own(uri: str, name: str) -> None:
    sweeps_named(uri, "1f0c", "1f77", "beef")
    assert find_sweep(name, uri=uri) == "1f0c".ljust(32, "0")
    assert read_sweep(name, uri=uri).run_id == "1f0c".ljust(32, "0")


def test_digits_of_several_sweeps_are_refused_and_those_of_none_stay(uri: str) -> None:
    sweeps_named(uri, "1f0c", "1f77", "beef")
    either = "(tiny-1f0c0000 and tiny-1f770000|tiny-1f770000 and tiny-1f0c0000)"
    with pytest.raises(TrackingError, match=rf"Several runs begin with '1f': {either}\. Give more of its digits\.$"):
        read_sweep("1f", uri=uri)
    for name in ("abc", "tiny-abc", "no run at all", ""):
        assert find_sweep(name, uri=uri) == name
    with pytest.raises(TrackingError, match="has no run 'abc'; allowed: the run id of a sweep, as the MLflow UI shows"):
        read_sweep("abc", uri=uri)


def test_a_shortened_id_of_a_trial_is_told_to_be_one(uri: str) -> None:
    sweep = run_one_trial(uri)
    (trial,) = runs(uri)
    with pytest.raises(TrackingError, match=f"is a single trial; report on its sweep, {sweep}"):
        read_sweep(trial.info.run_id[:12], uri=uri)


# Under mlflow run


def project_run(uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run as ``mlflow run`` makes it before it starts the command."""
    client = MlflowClient(uri)
    run_id = str(client.create_run("0", run_name="bold-fox-1").info.run_id)
    client.log_batch(run_id, params=[Param("folds", "''"), Param("exercise", "tiny")])
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    return run_id


def test_under_mlflow_run_the_sweep_is_the_projects_run(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = project_run(uri, monkeypatch)
    assert run_one_trial(uri) == run_id
    (run,) = runs(uri, "sweep")
    assert run.info.run_name == "tiny optuna:tpe"
    assert run.data.params == {"folds": "''", "exercise": "tiny", **SWEEP_PARAMS}
    assert run.info.experiment_id == runs(uri)[0].info.experiment_id == "0"


def test_a_second_sweep_under_one_project_run_has_a_run_of_its_own(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = project_run(uri, monkeypatch)
    run_one_trial(uri)
    assert run_one_trial(uri, sweep=replace(SWEEP, identity="identity1")) != run_id


def test_a_refusal_is_put_on_the_projects_run(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run_id = project_run(uri, monkeypatch)
    tracked.record_refusal("trials: 'many' is not a whole number")
    run = MlflowClient(uri).get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["atlas.reason"] == "trials: 'many' is not a whole number"


def test_a_refused_run_is_deleted_and_one_that_did_something_stays(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    refused = project_run(uri, monkeypatch)
    assert tracked.record_refusal("trials: 'many' is not a whole number") == refused
    used = project_run(uri, monkeypatch)
    MlflowClient(uri).set_tag(used, names.TAG_KIND, names.KIND_SWEEP)
    assert tracked.record_refusal("None of the 3 trials has a result") == ""
    assert tracked.record_refusal("once more") == "", "it is over"
    client = MlflowClient(uri)
    tracked.forget_refused(client, ["0"])
    assert client.get_run(refused).info.lifecycle_stage == "deleted"
    assert client.get_run(used).info.lifecycle_stage == "active"


def test_the_next_sweep_deletes_refused_runs(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    refused = project_run(uri, monkeypatch)
    tracked.record_refusal("a typo")
    project_run(uri, monkeypatch)
    run_one_trial(uri)
    assert MlflowClient(uri).get_run(refused).info.lifecycle_stage == "deleted"


def test_a_report_of_its_own_is_not_taken_for_a_sweep(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = run_one_trial(uri)
    run_id = project_run(uri, monkeypatch)
    (tmp_path / "made").mkdir()
    tracked.save_report(sweep, tmp_path / "made", uri=uri)
    assert MlflowClient(uri).get_run(run_id).data.tags["atlas.kind"] == "report"


# Stores


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ("sqlite:///{tmp}/file/mlflow.db", "{tmp}/file is not a folder"),
        ("sqlite:///{tmp}/missing/mlflow.db", "{tmp}/missing does not exist"),
        ("sqlite:///{tmp}", "{tmp} is a folder"),
        ("sqlite:///{tmp}/file", "file is not a database"),
        ("sqlite://", "a database in memory is lost with the process"),
        ("./mlruns", "a kind of store that MLflow no longer writes"),
        ("file:{tmp}/mlruns", "a kind of store that MLflow no longer writes"),
        ("http://me:secret@127.0.0.1:9", "no server answers there"),
        ("oracle+nodriver://me:secret@host/db", "nodriver"),
    ],
)
def test_a_store_that_cannot_be_written_is_named_before_any_training(
    store: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a database, and long enough to have the header of one" * 40)
    uri = store.format(tmp=tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError) as refused:
        open_sweep(SWEEP)
    assert problem.format(tmp=tmp_path) in str(refused.value)
    assert redacted(uri) in str(refused.value)
    assert "secret" not in str(refused.value)


def test_without_a_setting_the_store_is_a_database_in_the_working_folder(uri: str, tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").touch()  # MLflow itself would go back to its old file store here
    assert tracking_uri() == uri
    assert ui_command(uri) == "mlflow ui --backend-store-uri 'sqlite:///mlflow.db'"


def test_a_deleted_experiment_is_named_with_the_way_to_bring_it_back(uri: str) -> None:
    client = MlflowClient(uri)
    experiment = client.create_experiment("overfit-atlas")
    client.delete_experiment(experiment)
    with pytest.raises(TrackingError, match=f"mlflow experiments restore -x {experiment}"):
        open_sweep(SWEEP, uri=uri)


def test_links_lead_to_the_runs_and_carry_no_password() -> None:
    server = "https://me:secret@tracking.example:8443/"
    whole = ui_link(server, "7")
    assert whole.startswith("https://tracking.example:8443/#/experiments/7/runs?workflowType=machine_learning&")
    assert "orderByKey=metrics.%60best/value%60&orderByAsc=true" in whole
    assert ui_command(server) is None
    local = ui_link("sqlite:///mlflow.db", "7", "identity0")
    assert local == (
        "http://127.0.0.1:5000/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=identity0"
    )


def test_runs_of_several_experiments_are_found_page_by_page(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "PAGE", 2)
    client, tags = MlflowClient(uri), {names.TAG_KIND: names.KIND_SWEEP}
    made = []
    for time in range(1, 6):
        experiment = client.create_experiment(f"experiment {time}")
        made.append(client.create_run(experiment, start_time=time, tags=tags).info.run_id)
    assert [run.info.run_id for run in tracked.search_all(client, names.KIND_SWEEP)] == made
    assert latest_sweep(uri) == made[-1]
