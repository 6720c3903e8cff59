"""Contract of the training engines, part 1: they train what ``model.fit`` trains.

Run for both backends by ``test_engines.py``; for one backend alone, or one test, set OVERFIT_ATLAS_TEST_BACKEND and
give this file to pytest.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.datasets.base import Dataset, Task
from pipelines.datasets.folds import make_splits
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.settings import ACTIVATIONS, LOSSES, OPTIMIZERS
from pipelines.training.plan import Training
from pipelines.training.planning import make_plan
from tests.support.engine_reference import (
    CLASSES,
    Case,
    assert_close,
    fit_with_keras,
    fits_with_keras,
    make_case,
    make_data,
    make_engine,
)

ENGINE = make_engine()

# Where a last batch of another size is not the point there is none: it would be another program to compile.

#: Every activation, optimizer and loss at least once; ``test_combinations_cover_everything`` sees to it.
COMBINATIONS = (
    ("relu", "adam", Task.REGRESSION, "mse"),
    ("tanh", "rmsprop", Task.BINARY, "crossentropy"),
    ("sigmoid", "sgd", Task.MULTICLASS, "crossentropy"),
    ("elu", "momentum", Task.REGRESSION, "mae"),
    ("selu", "adamw", Task.BINARY, "mse"),
    ("gelu", "nadam", Task.MULTICLASS, "mse"),
    ("silu", "adagrad", Task.REGRESSION, "huber"),
    ("leaky_relu", "rmsprop_keras2", Task.REGRESSION, "log_cosh"),
    ("softplus", "adam", Task.MULTICLASS, "crossentropy"),
    ("linear", "sgd", Task.BINARY, "crossentropy"),
)


def assert_trained_as_by_keras(case: Case) -> Training:
    """Equal curves, penalties and final weights for every fit of the case; returns what the engine gave."""
    training = ENGINE.train(case.plan, keep_weights=True)
    for index, reference in enumerate(fits_with_keras(case)):
        for name in case.plan.curve_names:
            if name in reference.curves:
                assert_close(training.curves[name][index], reference.curves[name], f"{name} of fit {index}")
        # Keras evaluates at the epoch's end, when the penalty is the one that the engine records.
        penalty = training.curves["penalty"][index] if "penalty" in training.curves else 0.0
        assert_close(training.curves["val_loss"][index] + penalty, reference.penalised["val_loss"], "penalised")
        for actual, expected in zip(training.weights[index], reference.weights, strict=True):
            assert_close(actual, expected, f"weights of fit {index}")
    return training


def test_combinations_cover_everything() -> None:
    assert {activation for activation, *_ in COMBINATIONS} == set(ACTIVATIONS)
    assert {optimizer for _, optimizer, *_ in COMBINATIONS} == set(OPTIMIZERS)
    assert {(task, loss) for *_, task, loss in COMBINATIONS} == {
        (t, loss) for t, names in LOSSES.items() for loss in names
    }


@pytest.mark.parametrize(("activation", "optimizer", "task", "loss"), COMBINATIONS)
def test_activations_optimizers_and_losses(activation: str, optimizer: str, task: Task, loss: str) -> None:
    case = make_case(task, activation=activation, optimizer=optimizer, loss=loss, batch_size=7)
    assert_trained_as_by_keras(case.first_fit())


def test_folds_of_unequal_size_with_their_own_rates_and_scaling() -> None:
    """41 rows in 2 folds: 20 and 21 training rows, last batches of 4 and 5; the fits differ in all they may."""
    case = make_case(Task.MULTICLASS, samples=41, epochs=3)
    assert [len(fit.train) for fit in case.plan.fits] == [20, 21]
    first, second = case.plan.fits
    schedule = np.array([0.1, 0.01, 0.001], np.float32)
    offset, scale = np.array([[0.1, 0.2, 0.0, -0.1, 0.5], [1.0, 2.0, 0.5, 1.5, 3.0]], np.float32)
    first = replace(first, learning_rate=schedule, offset=offset, scale=scale)
    second = replace(second, offset=offset * 2, scale=scale * 2)
    assert_trained_as_by_keras(case.with_fits([first, second]))


@pytest.mark.parametrize("loss", LOSSES[Task.REGRESSION])
def test_a_scaled_target_is_trained_as_such_and_recorded_in_its_own_unit(loss: str) -> None:
    """Prices with a mean of 282,000; folds of unequal size, each with its own mean and deviation; a penalty."""
    inputs, signal = make_data(Task.REGRESSION, 41)
    prices = (282_000 + 102_000 * signal).astype(np.float32)
    case = make_case(data=(inputs, prices), loss=loss, batch_size=6, l2=0.1)
    fits = []
    for fit in case.plan.fits:
        own = prices[fit.train].astype(np.float64)
        fits.append(replace(fit, target_offset=np.float32(own.mean()), target_scale=np.array(own.std(), np.float32)))
    training = assert_trained_as_by_keras(case.with_fits(fits))
    power = {"mae": 1}.get(loss, 2)
    assert (training.curves["val_loss"] > 10_000**power).all(), "of the price, not of its deviations"
    variances = [prices[fit.validation].astype(np.float64).var() for fit in fits]
    explained = 1 - training.curves["val_mse"] / np.array(variances)[:, None]
    assert_close(training.curves["val_r2"], explained)


def test_targets_of_more_digits_than_float32_has_keep_them() -> None:
    """Seconds since 1970, within minutes of each other: as float32 they are 128 s apart."""
    inputs, signal = make_data(Task.REGRESSION, 42)
    times = 1_700_000_000 + 50.0 * signal.astype(np.float64)
    case = make_case(data=(inputs, times), batch_size=7)
    fits = [
        replace(
            fit,
            target_offset=np.array(times[fit.train].mean(), np.float32),
            target_scale=np.array(times[fit.train].std(), np.float32),
        )
        for fit in case.plan.fits
    ]
    assert_trained_as_by_keras(case.with_fits(fits))


@pytest.mark.parametrize(
    ("task", "loss"), [(Task.BINARY, "crossentropy"), (Task.MULTICLASS, "crossentropy"), (Task.MULTICLASS, "mse")]
)
def test_balanced_class_weights_are_in_what_is_trained_and_in_no_curve(task: Task, loss: str) -> None:
    """Rare classes, folds of unequal size, each with its own weights, a last batch that is not full."""
    inputs, labels = make_data(task, 41)
    rare = np.flatnonzero(labels == 0)[4:]
    labels[rare] = 1
    plain = make_case(task, data=(inputs, labels), loss=loss, batch_size=6, l2=0.01)
    balanced = assert_trained_as_by_keras(
        make_case(task, data=(inputs, labels), loss=loss, batch_size=6, l2=0.01, class_weight="balanced")
    )
    assert not np.allclose(balanced.curves["val_loss"], ENGINE.train(plain.plan).curves["val_loss"], rtol=1e-3)


def test_batch_normalisation_with_balanced_class_weights() -> None:
    """A last batch of its true size is weighted like any other."""
    inputs, labels = make_data(Task.BINARY, 41)
    case = make_case(
        Task.BINARY,
        data=(inputs, np.where(np.arange(41) % 3, labels, 1).astype(np.int32)),
        batch_size=6,
        layer_normalisation="batch",
        optimizer="sgd",
        class_weight="balanced",
    )
    assert_trained_as_by_keras(case)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_folds_in_time_are_of_very_different_size(optimizer: str) -> None:
    """41 rows in 4 parts: 10, 21 and 31 training rows, so that the first fit is through after a third of the steps."""
    times = np.arange(41, dtype=np.int32)
    case = make_case(samples=41, optimizer=optimizer, batch_size=4, epochs=3)
    splits = make_splits(
        case.plan.targets, Task.REGRESSION, validation="kfold", folds=3, repeats=1, seed=1, times=times
    )
    own = [(case.plan.fits[0], split) for split in splits]
    fits = [replace(fit, train=split.train, validation=split.validation, seed=1 + split.fold) for fit, split in own]
    assert [(len(fit.train), len(fit.validation)) for fit in fits] == [(10, 10), (20, 11), (31, 10)]
    assert_trained_as_by_keras(case.with_fits(fits))


@pytest.mark.parametrize("batch_size", [1, 100])
def test_batches_of_one_row_and_of_the_whole_fold(batch_size: int) -> None:
    assert_trained_as_by_keras(make_case(batch_size=batch_size, optimizer="momentum", samples=20).first_fit())


def test_batch_normalisation_sees_the_true_batch() -> None:
    """Folds of 20 and 21 rows and a last batch of 2 and 3: a padded batch would have other statistics.

    With plain SGD, since a bias ahead of a normalisation has no gradient but rounding, which Adam would blow up.
    """
    assert_trained_as_by_keras(make_case(samples=41, batch_size=6, layer_normalisation="batch", optimizer="sgd"))


def test_layer_normalisation() -> None:
    assert_trained_as_by_keras(make_case(layer_normalisation="layer", optimizer="sgd", batch_size=7).first_fit())


def test_penalties_are_trained_and_kept_out_of_the_loss() -> None:
    training = assert_trained_as_by_keras(make_case(Task.BINARY, l2=0.1, batch_size=7).first_fit())
    assert (training.curves["penalty"] > 0.01).all()


def test_penalties_on_activations_are_those_of_the_true_batch() -> None:
    """Folds of 20 and 21 rows and a last batch of 2 and 3, as with batch normalisation."""
    training = assert_trained_as_by_keras(make_case(samples=41, batch_size=6, network=_penalised))
    assert (training.curves["penalty"] > 0.01).all()


def test_convolutions_on_images_scaled_on_the_device() -> None:
    """uint8 images, all pixels under one offset and scale."""
    generator = np.random.default_rng(11)
    images = generator.integers(0, 256, size=(30, 6, 6, 1), dtype=np.uint8)
    targets = generator.integers(0, CLASSES, size=30).astype(np.int32)
    case = make_case(Task.MULTICLASS, data=(images, targets), network=_convolutional, batch_size=5).first_fit()
    scaling = {"offset": np.array(127.5, np.float32), "scale": np.array(64.0, np.float32)}
    assert_trained_as_by_keras(case.with_fits([replace(fit, **scaling) for fit in case.plan.fits]))


def test_multi_hot_words() -> None:
    """A plan as a sweep makes it, with rows that are mostly zeros: an engine may go its own way with them."""
    words = (np.random.default_rng(13).random((40, 300)) < 0.02).astype(np.uint8)
    targets = (words[:, :150].sum(axis=1) > 3).astype(np.int32)
    nothing = np.empty(0)
    dataset = Dataset("words", Task.BINARY, words, targets, nothing, nothing, ("no", "yes"), (), "", "made here")
    configuration = Configuration(layers=(6, 4), optimizer="rmsprop", learning_rate=0.01, batch_size=8, l2=0.001)
    splits = make_splits(targets, Task.BINARY, validation="kfold", folds=3, repeats=1, seed=1)
    plan = make_plan(configuration, dataset, splits, seed=1, epochs=2)
    assert_trained_as_by_keras(Case(replace(plan, fits=plan.fits[:2]), Task.BINARY, "crossentropy"))


def test_convolutions_of_a_configuration_with_a_falling_learning_rate() -> None:
    """Strides, pooling and batch normalisation; the rate halves after every epoch."""
    generator = np.random.default_rng(17)
    images = generator.integers(0, 256, size=(31, 8, 8, 2), dtype=np.uint8)
    targets = generator.integers(0, CLASSES, size=31).astype(np.int32)
    classes = tuple(str(number) for number in range(CLASSES))
    nothing = np.empty(0)
    dataset = Dataset("images", Task.MULTICLASS, images, targets, nothing, nothing, classes, (), "", "made here")
    configuration = Configuration(
        layers=(6,),
        convolutions="3x3p2-4x2s2",
        layer_normalisation="batch",
        normalisation="minus_one_one",
        optimizer="sgd",
        learning_rate=0.1,
        schedule="exponential",
        decay_rate=0.5,
        batch_size=8,
        l2=0.01,
    )
    splits = make_splits(targets, Task.MULTICLASS, validation="holdout", folds=2, repeats=1, seed=1, holdout="0.3")
    plan = make_plan(configuration, dataset, splits, seed=1, epochs=3)
    assert np.allclose(plan.fits[0].learning_rate, [0.1, 0.05, 0.025])
    assert_trained_as_by_keras(Case(plan, Task.MULTICLASS, "crossentropy"))


def _penalised() -> Any:
    import keras

    hidden = keras.layers.Dense(6, "tanh", kernel_regularizer="l2", activity_regularizer=keras.regularizers.L2(0.1))
    return keras.Sequential([keras.Input((5,)), hidden, keras.layers.Dense(1)])


def _convolutional() -> Any:
    import keras

    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(3, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES),
        ]
    )


def test_given_initial_weights_are_trained_from() -> None:
    case = make_case(batch_size=7).first_fit()
    generator = np.random.default_rng(5)
    shapes = [weight.shape for weight in case.plan.build_model().get_weights()]
    initial = [[generator.normal(0, 0.3, shape).astype(np.float32) for shape in shapes] for _ in case.plan.fits]
    training = ENGINE.train(case.plan, initial_weights=initial)
    reference = fit_with_keras(case, case.plan.fits[0], initial[0])
    assert_close(training.curves["val_loss"][0], reference.curves["val_loss"])
