"""Rows that are mostly zeros train the same network, with the same numbers, as the dense rows they stand for."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pipelines.datasets.base import Dataset, Task
from pipelines.datasets.folds import make_splits
from pipelines.exercises.configurations import Configuration
from pipelines.networks.fast_layers import sparse_product
from pipelines.training.jax.engine import JaxEngine
from pipelines.training.jax.sparse_rows import SparseRows, batch_of, capacity_of, rounded, sparse_rows
from pipelines.training.planning import make_plan

FEATURES = 400


def ranked_words(samples: int, seed: int = 0) -> np.ndarray:
    """Multi-hot rows in which the first words are frequent and the later ones rare, as in texts."""
    generator = np.random.default_rng(seed)
    chance = 0.5 / (1 + np.arange(FEATURES)) ** 0.8
    return (generator.random((samples, FEATURES)) < chance).astype(np.uint8)


def dataset(inputs: np.ndarray) -> Dataset:
    targets = np.random.default_rng(1).integers(0, 3, len(inputs)).astype(np.int32)
    empty = inputs[:0], targets[:0]
    return Dataset("words", Task.MULTICLASS, inputs, targets, *empty, ("a", "b", "c"), (), "0" * 64, "made")


def test_a_batch_holds_every_one_of_its_rows() -> None:
    inputs = ranked_words(50)
    inputs[7] = 0
    host = sparse_rows(inputs)
    assert host is not None
    assert 0 < host.frequent.shape[1] < FEATURES
    rows = np.array([7, 3, 3, 49, 0])
    capacity = rounded(int(host.lengths[rows].sum()))
    data = SparseRows(*(jnp.asarray(part) for part in (host.frequent, host.starts, host.columns)))
    frequent, rare = batch_of(data, jnp.asarray(rows), capacity, FEATURES)
    whole = np.array(rare.todense())
    whole[:, : host.frequent.shape[1]] += np.asarray(frequent)
    np.testing.assert_array_equal(whole, inputs[rows])


def test_the_sparse_product_and_its_gradient_are_those_of_the_dense_one() -> None:
    inputs = ranked_words(20)
    host = sparse_rows(inputs)
    assert host is not None
    data = SparseRows(*(jnp.asarray(part) for part in (host.frequent, host.starts, host.columns)))
    kernel = jnp.asarray(np.random.default_rng(2).normal(size=(FEATURES, 5)), jnp.float32)
    _, rare = batch_of(data, jnp.arange(20), rounded(int(host.lengths.sum())), FEATURES)
    dense = jnp.asarray(rare.todense())

    def total(product):  # type: ignore[no-untyped-def]
        return lambda kernel: jnp.sin(product(kernel)).sum()

    np.testing.assert_allclose(sparse_product(rare, kernel), dense @ kernel, atol=1e-5)
    sparse_gradient = jax.grad(total(lambda kernel: sparse_product(rare, kernel)))(kernel)
    np.testing.assert_allclose(sparse_gradient, jax.grad(total(lambda kernel: dense @ kernel))(kernel), atol=1e-5)


@pytest.mark.parametrize(
    "configuration",
    [
        Configuration((6, 4), optimizer="rmsprop", batch_size=16),
        Configuration((), optimizer="adam", batch_size=16),
        # A bias before batch normalisation has no gradient but rounding, which adam would blow up: sgd.
        Configuration((5,), activation="tanh", optimizer="sgd", l2=0.01, layer_normalisation="batch", batch_size=16),
    ],
    ids=lambda configuration: configuration.label,
)
def test_sparse_and_dense_rows_train_alike(configuration: Configuration) -> None:
    # Folds of unequal size, but where a layer looks at the whole batch: there each size is a program of its own.
    data = dataset(ranked_words(101 if configuration.layer_normalisation != "batch" else 99))
    splits = make_splits(data.targets, data.task, validation="kfold", folds=3, repeats=1, seed=1)
    plan = make_plan(configuration, data, splits, seed=1, epochs=3)
    sparse = JaxEngine().train(plan, keep_weights=True)
    dense = JaxEngine(sparse=False).train(plan, keep_weights=True)
    assert sparse.curves.keys() == dense.curves.keys()
    for name, curve in dense.curves.items():
        np.testing.assert_allclose(sparse.curves[name], curve, rtol=2e-4, atol=2e-5, err_msg=name)
    for of_sparse, of_dense in zip(sparse.weights or (), dense.weights or (), strict=True):
        for one, other in zip(of_sparse, of_dense, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "inputs",
    [
        np.ones((20, FEATURES), np.uint8),
        2 * ranked_words(20),
        ranked_words(20).astype(np.float32),
        ranked_words(20).reshape(20, 20, 20),
    ],
    ids=["mostly ones", "counts", "floats", "images"],
)
def test_other_rows_stay_dense(inputs: np.ndarray) -> None:
    assert sparse_rows(inputs) is None


def test_capacity_holds_the_batches_that_happen() -> None:
    lengths = np.random.default_rng(3).geometric(0.02, 5000)
    capacity = capacity_of(lengths, 256)
    batches = np.random.default_rng(4).permutation(5000)[: 19 * 256].reshape(19, 256)
    assert lengths[batches].sum(axis=1).max() <= capacity <= 2 * 256 * lengths.mean()
