"""The engine under test, small plans for it, and what plain ``model.fit`` makes of them.

Keras has one backend a process: the environment variable OVERFIT_ATLAS_TEST_BACKEND (``jax`` or ``tensorflow``) names
it before Keras is imported. ``test_engines.py`` runs the contract once for each.
"""

import hashlib
import os
import pickle
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

BACKEND = os.environ.get("OVERFIT_ATLAS_TEST_BACKEND", "jax")
os.environ["KERAS_BACKEND"] = BACKEND

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.datasets.base import Task

# ruff: noqa: E402 - the backend has to be chosen before Keras is imported.
from pipelines.exercises.configurations import Configuration
from pipelines.networks.models import build_network, build_optimizer
from pipelines.networks.objectives import make_loss, make_metrics, unit_powers
from pipelines.training.plan import Engine, Fit, FitPlan, epoch_order

CLASSES = 3


@cache
def make_engine() -> Engine:
    """The engine of this process's backend, with two devices where that can be arranged on a CPU."""
    if BACKEND == "tensorflow":
        import tensorflow

        from pipelines.training.tensorflow.engine import TensorFlowEngine

        cpu = tensorflow.config.list_physical_devices("CPU")[0]
        two = [tensorflow.config.LogicalDeviceConfiguration()] * 2
        tensorflow.config.set_logical_device_configuration(cpu, two)
        return TensorFlowEngine()
    from pipelines.training.jax.engine import JaxEngine, configure

    configure(cache_dir=None, cpu_devices=2)
    return JaxEngine()


@dataclass(frozen=True, eq=False)
class Case:
    """A plan, and what ``compile`` has to be told to train the same."""

    plan: FitPlan
    task: Task
    loss: str

    def with_plan(self, **changes: Any) -> "Case":
        return replace(self, plan=replace(self.plan, **changes))

    def first_fit(self) -> "Case":
        return self.with_fits(self.plan.fits[:1])

    def with_fits(self, fits: Sequence[Fit]) -> "Case":
        return self.with_plan(fits=tuple(fits))


def with_output_activation(network: Any, task: Task) -> Any:
    """The same weights as a model that predicts probabilities (classification) or values (regression)."""
    if task is Task.REGRESSION:
        return network
    activation = "sigmoid" if task is Task.BINARY else "softmax"
    return keras.Sequential([network, keras.layers.Activation(activation)])


def assert_close(actual: ArrayLike, expected: ArrayLike, what: str = "") -> None:
    """The float tolerance of all these tests: another order of summing, over a handful of steps."""
    np.testing.assert_allclose(actual, expected, rtol=5e-4, atol=5e-6, err_msg=what)


def make_data(task: Task, samples: int, features: int = 5) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Inputs (samples, features), and targets that can be learned from them, with noise."""
    generator = np.random.default_rng(7)
    inputs = generator.normal(size=(samples, features)).astype(np.float32)
    signal = inputs[:, 0] - inputs[:, 1] + 0.3 * generator.normal(size=samples)
    if task is Task.REGRESSION:
        return inputs, signal.astype(np.float32)
    edges = [0.0] if task is Task.BINARY else np.quantile(signal, np.arange(1, CLASSES) / CLASSES)
    return inputs, np.digitize(signal, edges).astype(np.int32)


def make_fits(samples: int, folds: int, learning_rate: float = 0.01, seed: int = 1) -> tuple[Fit, ...]:
    """One fit a fold; the folds differ in size by a row where ``folds`` does not divide ``samples``."""
    parts = np.array_split(np.random.default_rng(3).permutation(np.arange(samples, dtype=np.int32)), folds)
    return tuple(
        Fit(np.concatenate(parts[:fold] + parts[fold + 1 :]), parts[fold], seed + fold, learning_rate)
        for fold in range(folds)
    )


def make_case(
    task: Task = Task.REGRESSION,
    *,
    data: tuple[NDArray[Any], NDArray[Any]] | None = None,
    network: Callable[[], Any] | None = None,
    samples: int = 42,
    folds: int = 2,
    epochs: int = 2,
    key: str = "",
    **settings: Any,
) -> Case:
    """A case of this configuration; ``network`` replaces the dense network that the configuration describes."""
    task_loss = "mse" if task is Task.REGRESSION else "crossentropy"
    configuration = Configuration(**{"layers": (6,), "batch_size": 8, "loss": task_loss, **settings})
    inputs, targets = make_data(task, samples) if data is None else data
    outputs = CLASSES if task is Task.MULTICLASS else 1
    plan = FitPlan(
        build_model=network or (lambda: build_network(configuration, inputs.shape[1:], outputs)),
        build_optimizer=lambda: build_optimizer(configuration),
        loss=make_loss(configuration.loss, task),
        metrics=make_metrics(task),
        balanced="accuracy" if task.is_classification else "",
        explained="" if task.is_classification else "mse",
        weighted=configuration.class_weight == "balanced",
        powers=unit_powers(configuration.loss, task),
        inputs=inputs,
        targets=targets,
        fits=make_fits(len(inputs), folds),
        epochs=epochs,
        batch_size=configuration.batch_size,
        key=key,
    )
    return Case(plan, task, configuration.loss)


def seeded_model(plan: FitPlan, seed: int) -> Any:
    """The model whose weights the engines have to start from."""
    random.seed(seed)
    return plan.build_model()


def fit_with_keras(case: Case, fit: Fit, initial_weights: Sequence[NDArray[Any]] | None = None) -> "KerasResult":
    """Train one fit of the plan with ``model.fit``; see ``fits_with_keras``."""
    (result,) = fits_with_keras(case.with_fits([fit]), initial_weights)
    return result


def fits_with_keras(case: Case, initial_weights: Sequence[NDArray[Any]] | None = None) -> "list[KerasResult]":
    """Train every fit of the plan with ``model.fit``, one call an epoch, its rows put in the plan's order.

    The same network from the same weights on the same batches is the same reference on every backend: where
    ``tests/test_engines.py`` names a folder, what one engine was held against is kept there for the other.
    """
    if not (folder := os.environ.get("OVERFIT_ATLAS_TEST_REFERENCES")):
        return _trained_by_keras(case, initial_weights)
    kept = Path(folder) / f"{_content(case, initial_weights)}.pickle"
    if not kept.exists():
        kept.write_bytes(pickle.dumps(_trained_by_keras(case, initial_weights)))
    results: list[KerasResult] = pickle.loads(kept.read_bytes())
    return results


def _content(case: Case, initial_weights: Sequence[NDArray[Any]] | None) -> str:
    """Hash of all that a reference depends on, initial weights included, which Keras' own layers draw by backend."""
    plan = case.plan
    arrays = [plan.inputs, plan.targets]
    for fit in plan.fits:
        arrays += [fit.train, fit.validation, np.asarray(fit.learning_rate), fit.offset, fit.scale]
        arrays += [fit.target_offset, fit.target_scale]
        arrays += seeded_model(plan, fit.seed).get_weights() if initial_weights is None else list(initial_weights)
    parts = [f"{array.dtype.str} {array.shape}".encode() + np.ascontiguousarray(array).tobytes() for array in arrays]
    network, optimizer = plan.build_model().to_json(), plan.build_optimizer().get_config()
    seeds = [fit.seed for fit in plan.fits]
    settings = repr(
        (
            *(case.task, case.loss, plan.epochs, plan.batch_size, plan.weighted, seeds, optimizer),
            re.sub("[0-9]+", "", network),
        )
    )
    return hashlib.sha256(b"".join([settings.encode(), *parts])).hexdigest()


def _trained_by_keras(case: Case, initial_weights: Sequence[NDArray[Any]] | None) -> "list[KerasResult]":
    """The reference itself.

    One model serves all fits, for with JAX to compile ``fit`` takes far longer than the few steps of these cases; its
    weights and its optimizer are set to where each fit begins.
    """
    plan = case.plan
    network = plan.build_model()
    model, loss, metrics, targets = _compiled_as(case, network)
    optimizer = plan.build_optimizer()
    # The loss once more as a metric: what ``fit`` reports as loss has the penalties in it.
    own = keras.metrics.MeanMetricWrapper(loss.call, name="without_penalty")
    # TensorFlow step by step: to trace ``fit`` takes longer than the few steps of these cases. With JAX it is shorter.
    model.compile(optimizer, loss=loss, metrics=[*metrics, own], run_eagerly=BACKEND == "tensorflow")
    optimizer.build(network.trainable_variables)
    unused = [np.array(variable.value) for variable in optimizer.variables]
    results = []
    for fit in plan.fits:
        network.set_weights(seeded_model(plan, fit.seed).get_weights() if initial_weights is None else initial_weights)
        for variable, value in zip(optimizer.variables, unused, strict=True):
            variable.assign(value)
        inputs = (plan.inputs.astype(np.float32) - fit.offset) / fit.scale
        seen = targets
        if case.task is Task.REGRESSION:
            seen = ((targets - np.float64(fit.target_offset)) / np.float64(fit.target_scale)).astype(np.float32)
        weights = _balanced(plan.targets[fit.train]) if plan.weighted else None
        rates = np.broadcast_to(np.asarray(fit.learning_rate, np.float32), plan.epochs)
        history: dict[str, list[float]] = {}
        for epoch in range(plan.epochs):
            rows = fit.train[epoch_order(fit.seed, epoch, len(fit.train))]
            optimizer.learning_rate = rates[epoch]
            record = model.fit(
                inputs[rows],
                seen[rows],
                batch_size=plan.batch_size,
                shuffle=False,
                class_weight=weights,
                validation_data=(inputs[fit.validation], seen[fit.validation]),
                validation_batch_size=len(fit.validation),
                verbose=0,
            )
            for name, values in record.history.items():
                history.setdefault(name, []).extend(values)
        curves = {name: np.array(values, np.float32) for name, values in history.items()}
        penalised = {name: curves.pop(name) for name in ("loss", "val_loss")}
        curves["loss"], curves["val_loss"] = curves.pop("without_penalty"), curves.pop("val_without_penalty")
        for found in (curves, penalised):
            for name, values in found.items():
                kind = name.removeprefix("val_")
                found[name] = values * _unit(case.loss if kind == "loss" else kind, fit)
        results.append(KerasResult(curves, penalised, tuple(network.get_weights())))
    return results


def _unit(kind: str, fit: Fit) -> float:
    """What a loss or metric of the scaled target is multiplied by: errors are so much larger, their squares twice."""
    scale = float(fit.target_scale)
    return {"mae": scale, "mse": scale**2, "huber": scale**2, "log_cosh": scale**2}.get(kind, 1.0)


def _balanced(labels: NDArray[np.integer[Any]]) -> dict[int, float]:
    from sklearn.utils.class_weight import compute_class_weight

    present = np.unique(labels)
    return dict(zip(present.tolist(), compute_class_weight("balanced", classes=present, y=labels), strict=True))


@dataclass(frozen=True, eq=False)
class KerasResult:
    """Curves (epochs,) by name without penalties, ``loss`` and ``val_loss`` as Keras reports them, final weights."""

    curves: Mapping[str, NDArray[np.float32]]
    penalised: Mapping[str, NDArray[np.float32]]
    weights: tuple[NDArray[Any], ...]


def _compiled_as(case: Case, network: Any) -> tuple[Any, Any, list[Any], NDArray[Any]]:
    """Model, loss, metrics and targets as a user of Keras would write them, sharing nothing with objectives.py.

    A cross-entropy is taken from logits; squared errors of a classification are those of probabilities, for which the
    network gets an output activation.
    """
    losses, metrics = keras.losses, keras.metrics
    targets = case.plan.targets
    if case.task is Task.REGRESSION:
        loss = {
            "mse": losses.MeanSquaredError,
            "mae": losses.MeanAbsoluteError,
            "huber": losses.Huber,
            "log_cosh": losses.LogCosh,
        }[case.loss]()
        return network, loss, [metrics.MeanSquaredError("mse"), metrics.MeanAbsoluteError("mae")], targets[:, None]
    logits = case.loss == "crossentropy"
    model = network if logits else with_output_activation(network, case.task)
    if case.task is Task.BINARY:
        entropy = losses.BinaryCrossentropy(from_logits=logits)
        recorded = [
            metrics.BinaryAccuracy("accuracy", threshold=0.0 if logits else 0.5),
            metrics.BinaryCrossentropy("crossentropy", from_logits=logits),
        ]
        return model, entropy if logits else losses.MeanSquaredError(), recorded, targets[:, None].astype(np.float32)
    entropy = losses.CategoricalCrossentropy(from_logits=logits)
    recorded = [
        metrics.CategoricalAccuracy("accuracy"),
        metrics.CategoricalCrossentropy("crossentropy", from_logits=logits),
    ]
    one_hot = np.eye(CLASSES, dtype=np.float32)[targets]
    return model, entropy if logits else losses.MeanSquaredError(), recorded, one_hot
