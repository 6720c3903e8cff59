"""One real training, logged by the real libraries at once: every log gives the point of the arrays themselves."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.support.stores import empty_store

# ruff: noqa: I001 - the environment chooses Keras' backend when it is imported
import keras
import mlflow
from mlflow import MlflowClient

from pipelines.logs.analysis import LoggedSweep, analyse_logs
from pipelines.logs.keras_callback import OverfittingPoint
from pipelines.logs.sources import Where, read_logs
from pipelines.logs.writing import write_back
from pipelines.overfitting import OverfittingPoint as Point
from pipelines.overfitting import analyse

FOLDS, EPOCHS = 3, 12


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Three folds of a small network, with Keras' CSVLogger and TensorBoard, MLflow's autolog and our callback."""
    folder = tmp_path_factory.mktemp("trained")
    uri = empty_store(folder)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("autologged")
    mlflow.keras.autolog(log_models=False, log_datasets=False)
    told: list[str] = []
    judge = OverfittingPoint(folds=FOLDS, tell=told.append)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 4)).astype(np.float32)
    y = (x[:, 0] + generator.normal(size=60)).astype(np.float32)
    histories = []
    try:
        for fold in range(FOLDS):
            keras.utils.set_random_seed(fold)
            held_out = np.arange(60) % FOLDS == fold
            model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1)])
            model.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse")
            with mlflow.start_run(run_name=f"net_fold{fold}"):
                callbacks = [
                    keras.callbacks.CSVLogger(str(folder / "csv" / f"net_fold{fold}.csv")),
                    keras.callbacks.TensorBoard(str(folder / "events" / f"net_fold{fold}"), write_graph=False),
                    judge,
                ]
                (folder / "csv").mkdir(exist_ok=True)
                history = model.fit(
                    *(x[~held_out], y[~held_out]),
                    validation_data=(x[held_out], y[held_out]),
                    epochs=EPOCHS,
                    verbose=0,
                    callbacks=callbacks,
                )
            histories.append(history.history)
    finally:
        mlflow.keras.autolog(disable=True)
        mlflow.set_tracking_uri(before)
    return SimpleNamespace(folder=folder, uri=uri, histories=histories, judge=judge, told=told)


def judged(source: str, where: Where | None = None) -> LoggedSweep:
    return analyse_logs(read_logs(source, where), "logs")


def same(point: Point, expected: Point) -> None:
    for name, value in vars(expected).items():
        assert getattr(point, name) == (pytest.approx(value, rel=1e-4) if isinstance(value, float) else value), name


def test_keras_csv_logger(trained: SimpleNamespace) -> None:
    same(judged(str(trained.folder / "csv")).judged[0].point, analyse(trained.histories, folds=FOLDS))


def test_keras_tensorboard_callback_has_every_point(trained: SimpleNamespace) -> None:
    found = judged(str(trained.folder / "events")).judged
    assert len(found) == 1 and found[0].validation.shape == (FOLDS, EPOCHS)
    same(found[0].point, analyse(trained.histories, folds=FOLDS))


def test_mlflow_autolog(trained: SimpleNamespace) -> None:
    found = judged("mlflow:autologged", Where(store=trained.uri)).judged
    assert [(of.group.folds, of.group.repeats) for of in found] == [(FOLDS, 1)]
    same(found[0].point, analyse(trained.histories, folds=FOLDS))


def test_our_callback_judges_all_folds_and_says_so(trained: SimpleNamespace) -> None:
    same(trained.judge.point, analyse(trained.histories, folds=FOLDS))
    assert len(trained.told) == FOLDS and trained.told[-1].startswith("3 of 3 fits: ")


def test_a_fit_without_validation_data_is_told_and_does_not_fail() -> None:
    told: list[str] = []
    callback = OverfittingPoint(tell=told.append)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    model.fit(np.ones((4, 2)), np.ones(4), epochs=1, verbose=0, callbacks=[callback])
    assert callback.point is None and "no curve 'val_loss'" in told[0]


def test_points_are_written_back_to_their_runs_when_asked(trained: SimpleNamespace) -> None:
    client = MlflowClient(trained.uri)
    experiment = client.get_experiment_by_name("autologged").experiment_id
    before = {run.info.run_id: run for run in client.search_runs([experiment])}
    found = judged("mlflow:autologged", Where(store=trained.uri))
    assert not any("best/epoch" in run.data.metrics for run in before.values())
    assert write_back(found) == FOLDS
    for run in client.search_runs([experiment], "tags.`atlas.verdict` != ''", order_by=["metrics.`best/epoch` ASC"]):
        assert run.data.metrics["best/epoch"] == found.judged[0].point.best_epoch
        assert run.data.tags["atlas.verdict"] == str(found.judged[0].point.verdict)
        assert run.data.params == before.pop(run.info.run_id).data.params
    assert not before
    # What was written is no curve, and the runs are judged as before.
    same(judged("mlflow:autologged", Where(store=trained.uri)).judged[0].point, found.judged[0].point)
