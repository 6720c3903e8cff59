"""Contract of the training engines, part 2: seeds, chunks, stopping, divergence, weights.

Run for both backends by ``test_engines.py``; see ``engine_equality.py``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.errors import UserError
from pipelines.training.plan import OutOfMemoryError, Progress, Training
from tests.support.engine_reference import BACKEND, Case, assert_close, make_case, make_engine, seeded_model

ENGINE = make_engine()
EPOCHS = 6


def standard_case() -> Case:
    """Two fits of 21 rows, last batch of 5; one program for all tests of this module."""
    return make_case(key="standard", epochs=EPOCHS)


def dropout_case(learning_rate: float = 0.01) -> Case:
    case = make_case(Task.BINARY, dropout=0.5, layers=(16,), key="dropout", epochs=EPOCHS)
    return case.with_fits([replace(fit, learning_rate=learning_rate) for fit in case.plan.fits])


def assert_identical(first: Training, second: Training, epochs: int = EPOCHS) -> None:
    """Bit for bit, over the first epochs."""
    assert set(first.curves) == set(second.curves)
    for name, curve in first.curves.items():
        np.testing.assert_array_equal(curve[:, :epochs], second.curves[name][:, :epochs], name)


# Curves.


def test_curves_have_a_row_a_fit_and_a_column_an_epoch() -> None:
    case = standard_case()
    training = ENGINE.train(case.plan)
    assert set(training.curves) == {"loss", "val_loss", "mse", "val_mse", "mae", "val_mae", "val_r2"}
    for curve in training.curves.values():
        assert curve.shape == (2, EPOCHS)
        assert curve.dtype == np.float32
        assert np.isfinite(curve).all()
    assert 0 <= training.compile_seconds <= training.seconds
    assert training.weights is None
    assert training.parameters == 5 * 6 + 6 + 6 * 1 + 1


def test_same_seeds_give_the_same_training() -> None:
    assert_identical(ENGINE.train(standard_case().plan), ENGINE.train(standard_case().plan))


def test_other_seeds_give_another_training() -> None:
    case = standard_case()
    others = case.with_fits([replace(fit, seed=fit.seed + 10) for fit in case.plan.fits])
    first, second = ENGINE.train(case.plan), ENGINE.train(others.plan)
    assert (first.curves["loss"] != second.curves["loss"]).all()


def test_pythons_random_numbers_go_on_undisturbed() -> None:
    import random

    random.seed(4)
    expected = [random.random() for _ in range(2)]
    random.seed(4)
    first = random.random()
    ENGINE.train(standard_case().plan)
    assert [first, random.random()] == expected


@pytest.mark.parametrize("chunk_epochs", [1, 2, 4])
def test_chunks_do_not_alter_the_curves(chunk_epochs: int) -> None:
    case = standard_case()
    chunked = ENGINE.train(case.plan, chunk_epochs=chunk_epochs, on_chunk=lambda progress: False)
    assert_identical(chunked, ENGINE.train(case.plan))


def test_chunks_do_not_alter_dropout() -> None:
    case = dropout_case()
    chunked = ENGINE.train(case.plan, chunk_epochs=3, on_chunk=lambda progress: False)
    assert_identical(chunked, ENGINE.train(case.plan))


def test_longer_training_continues_the_shorter() -> None:
    case = standard_case()
    shorter = ENGINE.train(case.with_plan(epochs=2).plan)
    assert_identical(shorter, ENGINE.train(case.plan), epochs=2)


def test_a_fit_is_the_same_alone_and_in_company() -> None:
    case = standard_case()
    together = ENGINE.train(case.plan)
    for index, fit in enumerate(case.plan.fits):
        alone = ENGINE.train(case.with_fits([fit]).plan)
        for name, curve in alone.curves.items():
            assert_close(curve[0], together.curves[name][index], name)


def test_one_program_serves_plans_of_equal_key() -> None:
    """The loss is called when a program is traced, and not again when it is used."""
    calls: list[int] = []
    case = make_case(key="counted")

    def counted(targets: Any, outputs: Any) -> Any:
        calls.append(1)
        return case.plan.loss(targets, outputs)

    first = case.with_plan(loss=counted)
    ENGINE.train(first.plan)
    traced = len(calls)
    assert traced
    second = first.with_fits([replace(fit, learning_rate=0.5, seed=9) for fit in first.plan.fits])
    ENGINE.train(second.plan)
    assert len(calls) == traced
    ENGINE.train(replace(second.plan, key=""))
    assert len(calls) > traced


def test_without_validation_rows_only_the_training_is_recorded() -> None:
    case = standard_case()
    with_validation = ENGINE.train(case.plan)
    nothing = np.empty(0, np.int32)
    without = ENGINE.train(case.with_fits([replace(fit, validation=nothing) for fit in case.plan.fits]).plan)
    assert_close(without.curves["loss"], with_validation.curves["loss"])
    assert np.isnan(without.curves["val_loss"]).all()
    assert np.isnan(without.curves["val_mae"]).all()
    assert np.isnan(without.curves["val_r2"]).all()


# Curves that need all validation rows of a fit.


def outputs_of(case: Case, training: Training, index: int) -> NDArray[Any]:
    """What the trained network of a fit says of the fit's validation rows."""
    model = case.plan.build_model()
    assert training.weights is not None
    model.set_weights(list(training.weights[index]))
    return np.asarray(model(case.plan.inputs[case.plan.fits[index].validation]))


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS])
def test_balanced_accuracy_is_that_of_scikit_learn(task: Task) -> None:
    """Over folds of unequal size, in one of which a class has no validation row."""
    from sklearn.metrics import balanced_accuracy_score

    case = make_case(task, samples=61, folds=3, learning_rate=0.02, batch_size=7)
    first, second, third = case.plan.fits
    few = first.validation[case.plan.targets[first.validation] != 1]
    case = case.with_fits([replace(first, validation=few), second, third])
    training = ENGINE.train(case.plan, keep_weights=True)
    for index, fit in enumerate(case.plan.fits):
        outputs = outputs_of(case, training, index)
        told = outputs.argmax(axis=1) if task is Task.MULTICLASS else (outputs[:, 0] > 0).astype(int)
        expected = [balanced_accuracy_score(case.plan.targets[fit.validation], told)]
        assert_close(training.curves["val_balanced_accuracy"][index, -1:], expected)
    assert (training.curves["val_balanced_accuracy"] != training.curves["val_accuracy"]).any()


def test_r2_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import r2_score

    case = make_case(samples=61, folds=3)
    training = ENGINE.train(case.plan, keep_weights=True)
    for index, fit in enumerate(case.plan.fits):
        expected = r2_score(case.plan.targets[fit.validation], outputs_of(case, training, index))
        assert_close(training.curves["val_r2"][index, -1:], [expected])


def test_r2_is_read_off_the_curve_of_the_errors_chunk_by_chunk() -> None:
    case = standard_case()
    training = ENGINE.train(case.plan, chunk_epochs=2, on_chunk=lambda progress: progress.epoch == 4)
    variances = [[case.plan.targets[fit.validation].var()] for fit in case.plan.fits]
    assert_close(training.curves["val_r2"][:, :4], 1 - training.curves["val_mse"][:, :4] / variances)
    assert np.isnan(training.curves["val_r2"][:, 4:]).all()


# Penalties.


def penalised_case() -> Case:
    """Penalties on weights, on activations, and one that a user's own layer adds; they stay as they begin."""
    case = make_case(network=_penalised_network, key="penalised", epochs=EPOCHS)
    return case.with_fits([replace(fit, learning_rate=0.0) for fit in case.plan.fits])


def _penalised_network() -> Any:
    import keras

    class MeanSquare(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(keras.ops.mean(inputs**2))
            return inputs

    hidden = keras.layers.Dense(6, "relu", kernel_regularizer="l2", activity_regularizer=keras.regularizers.L1(0.1))
    return keras.Sequential([keras.Input((5,)), hidden, MeanSquare(), keras.layers.Dense(1)])


def _penalties(case: Case, seed: int, rows: NDArray[np.int32]) -> tuple[float, float]:
    """Of the weights, and of the activations: the mean over these rows."""
    hidden = seeded_model(case.plan, seed).layers[0]
    activations = np.asarray(hidden(case.plan.inputs[rows]))
    of_weights = 0.01 * np.sum(np.asarray(hidden.kernel.value) ** 2)
    return of_weights, 0.1 * np.abs(activations).sum(axis=1).mean() + (activations**2).mean()


@pytest.mark.parametrize("rows_at_a_time", [None, 8])
def test_a_penalty_on_activations_is_its_mean_over_the_validation_rows(
    rows_at_a_time: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = penalised_case()
    if rows_at_a_time:
        evaluate_at_most(monkeypatch, rows_at_a_time)
    training = ENGINE.train(case.plan)
    for index, fit in enumerate(case.plan.fits):
        expected = sum(_penalties(case, fit.seed, fit.validation))
        assert_close(training.curves["penalty"][index], np.full(EPOCHS, expected))


def test_without_validation_rows_the_penalty_is_that_of_the_weights() -> None:
    case = penalised_case()
    nothing = np.empty(0, np.int32)
    training = ENGINE.train(case.with_fits([replace(fit, validation=nothing) for fit in case.plan.fits]).plan)
    for index, fit in enumerate(case.plan.fits):
        expected, _ = _penalties(case, fit.seed, fit.train)
        assert_close(training.curves["penalty"][index], np.full(EPOCHS, expected))


def evaluate_at_most(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let the engine evaluate so many validation rows of six values at a time."""
    if BACKEND == "jax":
        monkeypatch.setattr("pipelines.training.jax.memory._EVALUATION_BYTES", rows * 6 * 4)
    else:
        monkeypatch.setattr("pipelines.training.tensorflow.engine._EVALUATION_ELEMENTS", rows * 6)


# Weights.


def test_kept_weights_predict_the_last_validation_loss() -> None:
    case = standard_case()
    training = ENGINE.train(case.plan, keep_weights=True)
    assert len(training.weights) == 2
    for index, fit in enumerate(case.plan.fits):
        assert_close(
            _validation_mse(case, fit.validation, training.weights[index]), training.curves["val_mse"][index, -1]
        )


def test_kept_weights_of_a_stopped_fit_are_those_of_its_last_epoch() -> None:
    case = standard_case()
    training = ENGINE.train(case.plan, keep_weights=True, chunk_epochs=2, on_chunk=lambda progress: True)
    for index, fit in enumerate(case.plan.fits):
        assert_close(
            _validation_mse(case, fit.validation, training.weights[index]), training.curves["val_mse"][index, 1]
        )


def _validation_mse(case: Case, rows: NDArray[np.int32], weights: tuple[NDArray[Any], ...]) -> float:
    model = case.plan.build_model()
    assert [weight.shape for weight in weights] == [weight.shape for weight in model.get_weights()]
    model.set_weights(weights)
    predicted = np.asarray(model(case.plan.inputs[rows], training=False))[:, 0]
    return float(np.mean((predicted - case.plan.targets[rows]) ** 2))


# Dropout.


def test_dropout_is_on_in_training_and_off_in_validation() -> None:
    """At learning rate 0 only dropout can make a training loss differ from the loss of the same rows at inference."""
    case = dropout_case(learning_rate=0.0)
    fits = [replace(fit, validation=fit.train) for fit in case.plan.fits]
    curves = ENGINE.train(case.with_fits(fits).plan).curves
    for index, fit in enumerate(fits):
        logits = np.asarray(seeded_model(case.plan, fit.seed)(case.plan.inputs[fit.train], training=False))[:, 0]
        targets = case.plan.targets[fit.train]
        expected = np.mean(np.log1p(np.exp(-np.abs(logits))) + np.maximum(logits, 0) - logits * targets)
        assert_close(curves["val_loss"][index], np.full(EPOCHS, expected))
        # Another mask every epoch.
        assert len(set(curves["loss"][index])) == EPOCHS


def test_dropout_trains_and_is_reproducible() -> None:
    first, second = ENGINE.train(dropout_case().plan), ENGINE.train(dropout_case().plan)
    assert_identical(first, second)
    assert (first.curves["val_loss"][:, -1] < first.curves["val_loss"][:, 0]).all()


def test_dropout_differs_among_seeds() -> None:
    """Same weights, same rows, learning rate 0: the masks are all that is left to differ."""
    case = dropout_case(learning_rate=0.0)
    fit = case.plan.fits[0]
    weights = seeded_model(case.plan, 1).get_weights()
    plan = case.with_fits([fit, replace(fit, seed=fit.seed + 1)]).plan
    curves = ENGINE.train(plan, initial_weights=[weights, weights]).curves
    assert_close(curves["val_loss"][0], curves["val_loss"][1])
    assert (np.abs(curves["loss"][0] - curves["loss"][1]) > 1e-4).all()


# Divergence and stopping.


def test_a_diverged_fit_has_no_more_values_and_harms_no_other() -> None:
    case = make_case(optimizer="sgd", key="diverging", epochs=EPOCHS)
    first, second = case.plan.fits
    healthy = ENGINE.train(case.plan)
    schedule = np.array([0.01, 0.01, 1e30, 0.01, 0.01, 0.01], np.float32)
    training = ENGINE.train(case.with_fits([replace(first, learning_rate=schedule), second]).plan)
    for name, curve in training.curves.items():
        assert_close(curve[0, :2], healthy.curves[name][0, :2])
        assert np.isnan(curve[0, 2:]).all(), name
        assert_close(curve[1], healthy.curves[name][1])


def test_when_all_fits_diverge_the_training_ends_early() -> None:
    case = make_case(optimizer="sgd", key="diverging", epochs=EPOCHS)
    epochs: list[int] = []

    def note(progress: Progress) -> bool:
        epochs.append(progress.epoch)
        return False

    fits = [replace(fit, learning_rate=1e30) for fit in case.plan.fits]
    training = ENGINE.train(case.with_fits(fits).plan, chunk_epochs=2, on_chunk=note)
    assert np.isnan(training.curves["loss"]).all()
    assert max(epochs) < EPOCHS


def test_stopping_ends_the_curves_at_that_epoch() -> None:
    case = standard_case()
    stopped = ENGINE.train(case.plan, chunk_epochs=2, on_chunk=lambda progress: progress.epoch >= 4)
    assert_identical(stopped, ENGINE.train(case.plan), epochs=4)
    for curve in stopped.curves.values():
        assert np.isnan(curve[:, 4:]).all()


def test_fits_advance_together_when_chunks_are_asked_for() -> None:
    """Else a stopping rule, which compares all fits, could not end a trial early."""
    seen: list[tuple[int, int, int]] = []

    def note(progress: Progress) -> bool:
        assert progress.fits == 2
        assert progress.curves["loss"].shape == (2, EPOCHS)
        seen.append((progress.fits_done, progress.epoch, int(np.isfinite(progress.curves["loss"]).sum())))
        return False

    ENGINE.train(standard_case().plan, chunk_epochs=2, on_chunk=note)
    assert seen == [(0, 2, 4), (0, 4, 8), (0, 6, 12)]


def test_progress_grows_where_the_engine_chooses_its_chunks() -> None:
    seen: list[tuple[int, int]] = []
    trained: list[int] = []

    def note(progress: Progress) -> bool:
        seen.append((progress.fits_done, progress.epoch))
        trained.append(int(np.isfinite(progress.curves["loss"]).sum()))
        return False

    ENGINE.train(standard_case().plan, on_chunk=note)
    assert seen == sorted(seen)
    assert trained == sorted(set(trained))
    assert seen[-1][1] == EPOCHS
    assert trained[-1] == 2 * EPOCHS


# What only the TensorFlow engine has.

tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="of the TensorFlow engine")
jax_only = pytest.mark.skipif(BACKEND != "jax", reason="of the JAX engine")


@tensorflow_only
def test_a_callers_strategy_chooses_the_device() -> None:
    import tensorflow

    with tensorflow.distribute.OneDeviceStrategy("/cpu:1").scope():
        elsewhere = ENGINE.train(standard_case().plan)
    assert_identical(elsewhere, ENGINE.train(standard_case().plan))


@tensorflow_only
def test_a_strategy_of_several_replicas_is_refused() -> None:
    import tensorflow

    with (
        tensorflow.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope(),
        pytest.raises(UserError, match="MirroredStrategy with 2 replicas"),
    ):
        ENGINE.train(standard_case().plan)


@contextmanager
def device_that_evaluates_at_most(monkeypatch: pytest.MonkeyPatch, rows: int) -> Iterator[None]:
    """A device that is out of memory when more validation rows than this are evaluated at a time."""
    import tensorflow

    from pipelines.training.tensorflow.program import Program

    run: Callable[..., Any] = Program.run

    def limited(program: Any, *arguments: Any) -> Any:
        validation = arguments[-2]
        if validation.shape[1] > rows:
            raise tensorflow.errors.ResourceExhaustedError(None, None, "out of memory")
        return run(program, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Program, "run", limited)
        yield


@tensorflow_only
def test_out_of_memory_evaluates_fewer_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    case = standard_case()
    expected = ENGINE.train(case.plan)
    with device_that_evaluates_at_most(monkeypatch, rows=11):
        training = ENGINE.train(case.plan)
    for name, curve in training.curves.items():
        assert_close(curve, expected.curves[name], name)


@tensorflow_only
def test_out_of_memory_in_one_batch_is_an_error_that_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        device_that_evaluates_at_most(monkeypatch, rows=5),
        pytest.raises(OutOfMemoryError, match=r"One fit of 43 parameters with a batch of 8 .* fewer units"),
    ):
        ENGINE.train(standard_case().plan)


# What only the JAX engine has: below this line.
