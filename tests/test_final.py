"""The final model: retrained, tested once, saved for plain Keras, registered, loaded back."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from rich.console import Console

from pipelines.datasets import DatasetSpec, Places, Task
from pipelines.datasets.sources.texts import decoded_texts, has_texts
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.final.making import choose_trial, run_final
from pipelines.final.model import Evaluation, build_predictor, evaluate
from pipelines.final.outcome import LABELLED, WORST, rows_to_show
from pipelines.final.worth import intervals
from pipelines.networks.models import build_network
from pipelines.tracking import names
from pipelines.tracking.final_runs import FinalRun
from pipelines.tracking.reading import latest_sweep, read_finished_sweep
from pipelines.tracking.registered import CHALLENGER, CHAMPION, choose_alias
from pipelines.tracking.sweeps import Sweep
from tests.support.small_sweep import MadeExecutor, small_exercise, sweep, use_store
from tests.support.stores import empty_store

DATA = Path(os.environ.get("OVERFIT_ATLAS_DATA", Path(__file__).parents[2] / "shared" / "data"))


def tensor(network: Any, inputs: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(network(np.asarray(inputs, np.float32), training=False))


# --- the model that is saved


@pytest.mark.parametrize(
    ("task", "outputs", "activation"),
    [
        (Task.MULTICLASS, 3, lambda raw: np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)),
        (Task.BINARY, 1, lambda raw: 1 / (1 + np.exp(-raw))),
        (Task.REGRESSION, 1, lambda raw: raw),
    ],
)
def test_a_saved_model_takes_raw_inputs_and_needs_nothing_of_ours(tmp_path, task, outputs, activation):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (9, 6, 6, 1)).astype(np.uint8)
    configuration = Configuration(layers=(5,), convolutions="4x3p2", layer_normalisation="batch", dropout=0.2, l2=0.1)
    network = build_network(configuration, (6, 6, 1), outputs)
    weights = [generator.uniform(0.1, 0.4, array.shape).astype(array.dtype) for array in network.get_weights()]
    offset, scale = images.mean(axis=0, dtype=np.float32), images.std(axis=0, dtype=np.float32)

    model = build_predictor(network, weights, input_shape=(6, 6, 1), task=task, offset=offset, scale=scale)
    model.save(tmp_path / "model.keras")
    assert "pipelines" not in zipfile.ZipFile(tmp_path / "model.keras").read("config.json").decode()

    network.set_weights(weights)
    expected = activation(tensor(network, (images - offset) / scale))
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for raw in (images, images.astype(np.float32)):
        np.testing.assert_allclose(loaded.predict(raw, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_a_frozen_backbone_becomes_part_of_the_model():
    backbone = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 3)])
    head = build_network(Configuration(layers=(3,)), (2, 2, 2), 3)
    images = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 3)).astype(np.uint8)
    half = np.full((), 127.5, np.float32)
    model = build_predictor(
        head,
        head.get_weights(),
        input_shape=(4, 4, 3),
        task=Task.REGRESSION,
        offset=half,
        scale=half,
        backbone=backbone,
    )
    expected = tensor(head, tensor(backbone, images / 127.5 - 1))
    np.testing.assert_allclose(tensor(model, images), expected, rtol=1e-4, atol=1e-5)


def test_a_large_offset_costs_no_digits():
    generator = np.random.default_rng(2)
    inputs = (1e6 + generator.normal(size=(20, 3))).astype(np.float32)
    offset, scale = inputs.mean(axis=0, dtype=np.float64).astype(np.float32), np.full(3, 1e-9, np.float32)
    network = build_network(Configuration(layers=()), (3,), 1)
    weights = [np.full((3, 1), 1e-9, np.float32), np.zeros(1, np.float32)]
    model = build_predictor(network, weights, input_shape=(3,), task=Task.REGRESSION, offset=offset, scale=scale)
    np.testing.assert_allclose(tensor(model, inputs)[:, 0], (inputs - offset).sum(axis=1), rtol=1e-4, atol=1e-5)


# --- figures and samples


def test_figures_are_those_of_keras_metrics():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Activation("softmax")])
    generator = np.random.default_rng(3)
    inputs, targets = generator.normal(size=(50, 4)).astype(np.float32), generator.integers(0, 3, 50).astype(np.int32)
    found = evaluate(model, inputs, targets, task=Task.MULTICLASS, loss="mse")
    said = model.predict(inputs, verbose=0)
    assert found.figures["accuracy"].value == pytest.approx((said.argmax(axis=1) == targets).mean())
    assert found.figures["crossentropy"].value == pytest.approx(-np.log(said[np.arange(50), targets]).mean(), rel=1e-4)
    assert found.figures["loss"].value == pytest.approx(((said - np.eye(3)[targets]) ** 2).mean(), rel=1e-4)
    np.testing.assert_allclose(found.probabilities, said, rtol=1e-4, atol=1e-6)


def test_a_bootstrap_interval_has_the_width_of_the_normal_one():
    values = np.random.default_rng(4).normal(10, 2, 400)
    found = intervals({"loss": values})["loss"]
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.04)


def made_evaluation(targets: Any, probabilities: Any) -> Evaluation:
    said = np.asarray(probabilities, np.float32)
    return Evaluation(np.asarray(targets), said, said.argmax(axis=1), said, {})


def test_shown_are_the_first_the_surest_and_the_least_sure_mistakes(tmp_path):
    count = 200
    sure = np.linspace(0.55, 0.99, count)
    targets = np.ones(count, np.int32)
    targets[:20] = 0  # all are taken for class 0: the first twenty rightly
    dataset = replace(_dataset(), targets=np.repeat([0, 1, 2], [60, 3, 60]).astype(np.int32))
    shown = rows_to_show(dataset, made_evaluation(targets, np.stack([sure, 1 - sure], axis=1)))
    assert shown.test[:15].tolist() == list(range(15))
    assert shown.test[15 : 15 + WORST].tolist() == list(range(199, 199 - WORST, -1))
    assert shown.test[15 + WORST :].tolist() == list(range(20, 30))
    labels = dataset.targets[shown.train]
    assert (len(shown.train), np.bincount(labels).tolist()) == (LABELLED, [11, 3, 11])


def _dataset() -> Any:
    from pipelines.datasets import Dataset

    return Dataset(
        name="made",
        task=Task.MULTICLASS,
        inputs=np.zeros((123, 2), np.float32),
        targets=np.zeros(123, np.int32),
        test_inputs=np.zeros((0, 2), np.float32),
        test_targets=np.zeros(0, np.int32),
        classes=("a", "b", "c"),
        features=("x", "y"),
        sha256="0" * 64,
        source="made",
    )


# --- who is champion


@pytest.mark.parametrize(
    ("champion", "alias"),
    [
        (None, CHAMPION),
        ({}, CHAMPION),
        ({"best/value": "0.4"}, CHALLENGER),
        ({"best/value": "0.5"}, CHALLENGER),
        ({names.TAG_DATA: "others"}, CHALLENGER),
        ({names.TAG_TARGET: "rooms"}, CHALLENGER),
        ({names.TAG_MONITOR: "val_mae"}, CHALLENGER),
        ({"best/value": "unknown"}, CHALLENGER),
    ],
    ids=["the first", "better", "worse", "as good", "other data", "other target", "other curve", "no value"],
)
def test_only_a_better_version_on_the_same_data_becomes_champion(champion, alias):
    new = {
        names.TAG_DATA: "these",
        names.TAG_TARGET: "price",
        names.TAG_MONITOR: "val_loss",
        names.BEST_VALUE: "0.5",
    }
    old = None if champion is None else new | {names.BEST_VALUE: "0.6"} | champion
    found, reason = choose_alias(new, old, 3)
    assert found == alias
    if old and old[names.TAG_TARGET] != "price":
        assert reason == "version 3, the champion, predicts another target and cannot be compared"


# --- texts


@pytest.mark.skipif(not (DATA / "keras" / "imdb.npz").exists(), reason=f"no real data in {DATA}")
def test_reviews_are_readable_and_rare_words_are_marked():
    spec = DatasetSpec("keras", "imdb", {"words": 1000})
    texts, remark = decoded_texts(spec, [0], "train", Places(DATA), words=10)
    assert not remark
    # The best-known review of the set, in which Keras' own decoding has question marks for rare words.
    assert texts == {0: "this film was just brilliant casting [location] [scenery] story direction …"}


def test_without_the_file_of_words_there_are_no_texts_and_a_remark(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("pipelines.datasets.sources.downloads.explain_unreachable", lambda url: "no network")
    texts, remark = decoded_texts(DatasetSpec("keras", "reuters"), [0], "test", Places(tmp_path))
    assert texts == {}
    assert "reuters_word_index.json" in remark
    assert not has_texts(DatasetSpec("keras", "boston_housing"))


# --- from a sweep to the registry


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return empty_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def folder(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    use_store(store, tmp_path, monkeypatch)
    yield tmp_path


def made_sweep(folder: Path, **changes: Any) -> Sweep:
    """A sweep of made curves over a table of sixty rows; its best epoch is the third."""
    dataset = {"source": "file", "path": "table.csv", "target": "y", "test_fraction": 0.25}
    exercise = small_exercise(folder, **{"dataset": dataset, "epochs": 8} | changes)
    outcome, _ = sweep(MadeExecutor(best=3), exercise, trials=2)
    return read_finished_sweep(outcome.run.run_id)


def made_final(stored: Sweep, **settings: Any) -> tuple[Any, str]:
    printed = io.StringIO()
    outcome = run_final(stored, Console(file=printed, width=140, highlight=False), **settings)
    return outcome, printed.getvalue()


def test_the_winner_is_retrained_tested_registered_and_loads_with_plain_keras(folder, tmp_path):
    stored = made_sweep(folder)
    outcome, printed = made_final(stored)
    client = MlflowClient(stored.uri)
    run = client.get_run(outcome.run.run_id)
    tags = run.data.tags
    assert run.info.status == "FINISHED"
    assert (tags["atlas.kind"], tags["atlas.final.sweep"]) == ("final", stored.run_id)
    assert run.info.experiment_id == stored.experiment_id
    assert run.data.params["learning_rate"] == "0.03"  # of the documented variant, the better one of the two
    assert run.data.params["epochs"] == "3"

    content = json.loads(Path(client.download_artifacts(outcome.run.run_id, "final.json", str(tmp_path))).read_text())
    table = pd.read_parquet(client.download_artifacts(outcome.run.run_id, "predictions.parquet", str(tmp_path)))
    with np.load(client.download_artifacts(outcome.run.run_id, "samples.npz", str(tmp_path))) as samples:
        assert samples["inputs"].shape == (len(samples["rows"]), 2)
        assert len(samples["train_rows"]) == len(samples["train_targets"]) == LABELLED
    assert (content["epochs"], content["samples"], content["test_samples"]) == (3, 45, 15)
    assert content["input_kind"] == "table"
    assert content["figures"] == {name: run.data.metrics[name] for name in content["figures"]}
    accuracy = (table["target"] == table["prediction"]).mean()
    assert content["figures"]["test/accuracy"] == pytest.approx(accuracy)
    crossentropy = -np.log(np.where(table["target"] == 1, table["p_1"], table["p_0"])).mean()
    assert content["figures"]["test/crossentropy"] == pytest.approx(crossentropy, rel=1e-4)
    assert run.data.metrics["test/accuracy_low"] <= accuracy <= run.data.metrics["test/accuracy_high"]

    version = client.get_model_version_by_alias(content["registered"]["name"], "champion")
    assert (str(version.version), version.run_id) == (content["registered"]["version"], outcome.run.run_id)
    assert f"models:/{version.name}@champion" in printed
    assert plain_predictions(stored.uri, version, tmp_path) == pytest.approx(table["p_1"].to_numpy(), abs=1e-5)


def plain_predictions(uri: str, version: Any, folder: Path) -> np.ndarray:
    """What the registered file predicts for the test rows, in a process that cannot import our package."""
    import mlflow

    from pipelines.datasets import load_dataset

    mlflow.set_tracking_uri(uri)
    place = mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}", dst_path=str(folder))
    (file,) = Path(place).rglob("*.keras")
    spec = DatasetSpec("file", "table", {"path": "table.csv", "target": "y", "test_fraction": 0.25})
    np.save(folder / "raw.npy", load_dataset(spec, Task.BINARY).test_inputs)
    script = (
        "import sys, keras, numpy\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "numpy.save('said.npy', model.predict(numpy.load('raw.npy'), verbose=0))\n"
        "assert 'pipelines' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(file)], cwd=folder, check=True, capture_output=True)
    return np.load(folder / "said.npy")[:, 0]


def test_without_a_test_split_nothing_is_tested_and_another_configuration_can_be_chosen(folder):
    stored = made_sweep(folder, dataset={"source": "file", "path": "table.csv", "target": "y"})
    worse = stored.finished[1].configuration
    outcome, printed = made_final(stored, configuration=worse.hash[:6])
    client = MlflowClient(stored.uri)
    assert "no test split" in printed
    assert outcome.figures == {}
    assert client.get_run(outcome.run.run_id).data.tags["atlas.configuration"] == worse.hash
    assert not [name for name in client.get_run(outcome.run.run_id).data.metrics if name.startswith("test/")]
    assert "predictions.parquet" not in [file.path for file in client.list_artifacts(outcome.run.run_id)]


def test_a_model_that_comes_back_different_is_no_champion(folder, monkeypatch):
    stored = made_sweep(folder)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    loaded = FinalRun.load_rows_model

    def changed(run: Any, registered: Any) -> Any:
        model = loaded(run, registered)
        model.network = other
        return model

    monkeypatch.setattr(FinalRun, "load_rows_model", changed)
    monkeypatch.setattr("pipelines.tracking.final_runs.registered_name", lambda exercise: "overfit-atlas-broken")
    with pytest.raises(UserError, match="does not predict what was evaluated"):
        made_final(stored)
    client = MlflowClient(stored.uri)
    assert client.get_registered_model("overfit-atlas-broken").aliases == {}
    (run,) = client.search_runs([stored.experiment_id], "tags.`atlas.kind` = 'final'")
    assert run.info.status == "FAILED"
    assert "lost its alias" in run.data.tags["atlas.reason"]


def test_other_data_are_refused(folder):
    stored = made_sweep(folder)
    lines = (folder / "table.csv").read_text().splitlines()
    (folder / "table.csv").write_text("\n".join([*lines[:-1], ""]))
    with pytest.raises(UserError, match="is not the one of sweep"):
        made_final(stored)


def test_sweeps_that_cannot_be_finished_are_refused(folder):
    stored = made_sweep(folder)
    with pytest.raises(UserError, match="has no run 'nonsense'"):
        read_finished_sweep("nonsense")
    with pytest.raises(UserError, match="single trial"):
        read_finished_sweep(stored.finished[0].run_id)
    with pytest.raises(UserError, match="is no finished configuration"):
        choose_trial(stored, "zz")


def test_the_beginning_of_a_hash_must_name_one_configuration(folder):
    stored = made_sweep(folder)
    many = [replace(stored.finished[0], configuration=Configuration(batch_size=size)) for size in range(1, 18)]
    first = [trial.configuration.hash[0] for trial in many]
    shared = next(digit for digit in first if first.count(digit) > 1)  # of 17 hashes two begin alike
    with pytest.raises(UserError, match=f"beginning of {first.count(shared)} configurations"):
        choose_trial(replace(stored, trials=tuple(many)), shared)


def test_a_sweep_without_a_finished_trial_is_refused(folder):
    broken = MadeExecutor(error=lambda number, configuration: UserError("no luck"))
    with pytest.raises(UserError, match="None of the"):
        sweep(broken, small_exercise(folder), trials=2)
    uri = os.environ["MLFLOW_TRACKING_URI"]
    with pytest.raises(UserError, match="has no finished trial"):
        read_finished_sweep(latest_sweep(uri), uri=uri)


def test_the_command_line_answers_in_one_sentence(store, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "MLFLOW_TRACKING_URI": store}
    command = [sys.executable, "-m", "pipelines", "final", "--sweep=nonsense"]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ")
    assert "nonsense" in done.stderr
    assert "Traceback" not in done.stderr
