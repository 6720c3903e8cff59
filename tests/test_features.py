"""Features of a frozen backbone: right, computed once, the test split left alone, and heads trained on them."""

import os

os.environ["KERAS_BACKEND"] = "jax"

from pathlib import Path

import numpy as np
import pytest

from pipelines.datasets import DatasetSpec, Places, load_dataset
from pipelines.datasets.base import Dataset, Task
from pipelines.datasets.folds import make_splits
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.networks import features
from pipelines.networks.features import prepare_dataset
from pipelines.training.jax.engine import JaxEngine
from pipelines.training.planning import make_plan
from tests.support.small_backbone import FILE, NAME, SHAPE, images, predict, random_model, write_weights
from tests.support.small_sweep import MadeExecutor, small_exercise, sweep, use_store
from tests.support.stores import empty_store

FROZEN = Configuration(layers=(), backbone=NAME, normalisation="minus_one_one", learning_rate=1e-4, batch_size=4)
TUNED = Configuration(layers=(), backbone=NAME, fine_tune=True, normalisation="minus_one_one", batch_size=4)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / FILE)


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        name="pictures",
        task=Task.MULTICLASS,
        inputs=images(11),
        targets=np.array([0, 1, 2] * 4, np.int32)[:11],
        test_inputs=images(4, seed=2),
        test_targets=np.array([2, 1, 0, 1], np.int32),
        classes=("a", "b", "c"),
        features=(),
        sha256="0" * 64,
        source="made",
        details={"size": "small"},
    )


def expected(pictures):
    return predict(random_model(), pictures / np.float32(127.5) - 1)


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("datasets/*"))


def test_features_are_what_the_backbone_makes_of_the_images(dataset, weights, tmp_path):
    seen = []
    prepared = prepare_dataset(
        dataset, FROZEN, places=Places(weights=weights, cache_dir=tmp_path), on_progress=lambda *done: seen.append(done)
    )
    for made, pictures in ((prepared.inputs, dataset.inputs), (prepared.test_inputs, dataset.test_inputs)):
        assert made.dtype == np.float16
        assert isinstance(made, np.memmap)
        np.testing.assert_allclose(made, expected(pictures), atol=5e-3)
    assert prepared.targets is dataset.targets
    assert prepared.test_targets is dataset.test_targets
    assert seen[-1] == (4, 4)
    assert (11, 11) in seen
    assert prepared.details["size"] == "small"
    assert prepared.details["backbone"] == "mobilenet_v2_0.35, frozen"
    assert prepared.details["weights"] == FILE
    assert prepared.details["preprocessing"] == "minus_one_one: (pixel - 127.5) / 127.5"
    assert len(prepared.details["weights_sha256"]) == 64


def test_batches_make_no_difference(dataset, weights, tmp_path, monkeypatch):
    whole = prepare_dataset(dataset, FROZEN, places=Places(weights=weights, cache_dir=tmp_path / "a"), test=False)
    monkeypatch.setattr(features, "_BATCH_PIXELS", 4 * SHAPE[0] * SHAPE[1])  # the last batch is not full
    batches = prepare_dataset(dataset, FROZEN, places=Places(weights=weights, cache_dir=tmp_path / "b"), test=False)
    np.testing.assert_allclose(whole.inputs, batches.inputs, atol=5e-3)


def test_they_are_computed_once(dataset, weights, tmp_path, monkeypatch):
    first = prepare_dataset(dataset, FROZEN, places=Places(weights=weights, cache_dir=tmp_path))

    def compute(*arguments, **options):
        raise AssertionError("computed again")

    monkeypatch.setattr(features, "_blocks", compute)
    again = prepare_dataset(
        dataset, FROZEN, places=Places(weights=weights.parent, cache_dir=tmp_path), on_progress=compute
    )
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.test_inputs, again.test_inputs)


def test_other_images_weights_or_normalisation_are_other_features(dataset, weights, tmp_path):
    others = write_weights(tmp_path / "others.h5")
    others.write_bytes(others.read_bytes() + b" ")
    changed = Dataset(**{**vars(dataset), "inputs": dataset.inputs[::-1]})
    scaled = Configuration(layers=(), backbone=NAME, normalisation="divide_255")
    prepare_dataset(dataset, FROZEN, places=Places(weights=weights, cache_dir=tmp_path), test=False)
    for count, (data, configuration, file) in enumerate(
        [(changed, FROZEN, weights), (dataset, scaled, weights), (dataset, FROZEN, others)], start=2
    ):
        prepare_dataset(data, configuration, places=Places(weights=file, cache_dir=tmp_path), test=False)
        assert len(entries(tmp_path)) == count


def test_the_test_split_is_left_alone_unless_asked_for(dataset, weights, tmp_path):
    prepared = prepare_dataset(dataset, FROZEN, places=Places(weights=weights, cache_dir=tmp_path), test=False)
    assert prepared.test_inputs.shape == (0, *prepared.input_shape)
    assert prepared.test_targets.shape == (0,)
    assert len(entries(tmp_path)) == 1


def test_an_interruption_leaves_nothing_behind(dataset, weights, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(dataset, FROZEN, places=Places(weights=weights, cache_dir=tmp_path), on_progress=interrupt)
    assert entries(tmp_path) == []


@pytest.mark.parametrize("configuration", [TUNED, Configuration()])
def test_only_a_frozen_backbone_has_features(dataset, weights, tmp_path, configuration):
    assert prepare_dataset(dataset, configuration, places=Places(weights=weights, cache_dir=tmp_path)) is dataset


@pytest.mark.parametrize("normalisation", ["standardise", "minmax"])
def test_a_normalisation_of_each_fold_is_refused(dataset, weights, tmp_path, normalisation):
    configuration = Configuration(layers=(), backbone=NAME, normalisation=normalisation)
    with pytest.raises(
        UserError, match=f"'{normalisation}' is fitted on each fold's .* shared by all folds; allowed: none"
    ):
        prepare_dataset(dataset, configuration, places=Places(weights=weights, cache_dir=tmp_path))


def test_tensorflow_makes_the_same_features_in_a_process_of_its_own(dataset, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    prepared = prepare_dataset(dataset, FROZEN, places=Places(weights=weights, cache_dir=tmp_path), test=False)
    np.testing.assert_allclose(prepared.inputs, expected(dataset.inputs), atol=5e-3)


def test_a_head_is_trained_on_features_and_a_whole_network_on_images(dataset, weights, tmp_path):
    splits = make_splits(dataset.targets, dataset.task, validation="kfold", folds=2, repeats=1, seed=1)
    prepared = prepare_dataset(dataset, FROZEN, places=Places(weights=weights, cache_dir=tmp_path), test=False)
    plan = make_plan(FROZEN, prepared, splits, seed=1, epochs=6)
    head = JaxEngine().train(plan)
    assert head.parameters == (2 * 1280 + 1) * 3
    assert np.isfinite(head.curves["val_loss"]).all()
    assert head.curves["loss"][:, -1].mean() < head.curves["loss"][:, 0].mean()
    network = make_plan(TUNED, dataset, splits, seed=1, epochs=1, weights=weights).build_model()
    trainable = sum(np.prod(variable.shape) for variable in random_model().trainable_variables)
    assert sum(np.prod(variable.shape) for variable in network.trainable_variables) == trainable + head.parameters


# A sweep over images in a file of one's own.


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return empty_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def exercise(tmp_path, store, monkeypatch):
    use_store(store, tmp_path, monkeypatch)

    def make(shape=SHAPE, **changes):
        pictures = np.random.default_rng(3).integers(0, 256, (12, *shape), np.uint8)
        np.savez(tmp_path / "pictures.npz", x=pictures, y=np.array(["a", "b", "c"] * 4))
        baseline = {"layers": "none", "backbone": NAME, "normalisation": "divide_255", "batch_size": 4}
        content = {
            "dataset": {"source": "file", "path": "pictures.npz"},
            "task": "multiclass",
            "folds": 2,
            "epochs": 20,
            "baseline": baseline,
            "space": {"normalisation": ["divide_255", "minus_one_one"], "fine_tune": [False, True]},
            "documented": [],
        }
        return small_exercise(tmp_path, **{**content, **changes})

    return make


@pytest.mark.parametrize("tuner", ["optuna:grid", "keras_tuner:grid", "optuna:tpe"])
def test_a_sweep_over_frozen_and_trained_backbones(exercise, weights, tmp_path, tuner):
    executor = MadeExecutor()
    outcome, printed = sweep(
        executor, exercise(), trials=4, tuner=tuner, places=Places(weights=weights, cache_dir=tmp_path / "c")
    )
    assert outcome.trained == 4
    kinds = {(job.configuration.normalisation, job.configuration.fine_tune): job for job in executor.jobs}
    assert len(kinds) == 4
    for (_, fine_tune), job in kinds.items():
        assert job.dataset.input_shape == (SHAPE if fine_tune else (1, 2, 1280))
        assert job.weights == weights
    assert len([name for name in entries(tmp_path / "c") if NAME.replace(".", "-") in name]) == 2
    assert printed.count("features of mobilenet_v2_0.35: 12 samples") == 2


def test_other_weights_make_another_sweep(exercise, weights, tmp_path):
    others = write_weights(tmp_path / "others.h5")
    others.write_bytes(others.read_bytes() + b" ")
    made = exercise()
    assert sweep(MadeExecutor(), made, trials=2, places=Places(weights=weights))[0].trained == 2
    assert sweep(MadeExecutor(), made, trials=2, places=Places(weights=weights))[0].resumed == 2
    assert sweep(MadeExecutor(), made, trials=2, places=Places(weights=others))[0].resumed == 0


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        ((32, 32, 1), {}, "1 channel"),
        ((16, 16, 3), {}, "16 x 16 x 3"),
        ((5,), {}, "a sample has the shape 5"),
        (SHAPE, {"space": {"normalisation": ["none", "standardise"]}}, "'standardise' is fitted on each fold's"),
        (SHAPE, {"space": {"backbone": [NAME, "mobilenet_v2"]}}, "not those of backbone mobilenet_v2: .* a folder"),
        (SHAPE, {"folds": 5}, "Class 'a' has 4 of the samples, fewer than the 5 folds"),
    ],
)
def test_a_mistake_is_named_before_anything_is_trained(exercise, weights, shape, changes, message):
    executor = MadeExecutor()
    with pytest.raises(UserError, match=message):
        sweep(executor, exercise(shape, **changes), trials=2, places=Places(weights=weights))
    assert executor.jobs == []


# The real thing.

DATA = Path(os.environ.get("OVERFIT_ATLAS_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "weights").is_dir(), reason="needs the real data: set OVERFIT_ATLAS_DATA")
def test_real_weights_tell_flowers_apart(tmp_path):
    """With a hundred photographs and the real weights a head learns what a network of its own could not."""
    whole = load_dataset(
        DatasetSpec("tfds", "tf_flowers", {"size": 64}), places=Places(data_dir=DATA, cache_dir=tmp_path)
    )
    rows = np.concatenate([np.flatnonzero(whole.targets == label)[:30] for label in range(5)])
    some = Dataset(**{**vars(whole), "inputs": whole.inputs[rows], "targets": whole.targets[rows]})
    prepared = prepare_dataset(some, FROZEN, places=Places(weights=DATA / "weights", cache_dir=tmp_path), test=False)
    splits = make_splits(some.targets, some.task, validation="kfold", folds=3, repeats=1, seed=1)
    training = JaxEngine().train(make_plan(FROZEN, prepared, splits, seed=1, epochs=15))
    assert training.curves["val_accuracy"][:, -1].mean() > 0.45, "a guess is right in 20 %"
