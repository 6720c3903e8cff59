"""Guessing: the best constants, what a network with a constant output gets, and who does no better."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, mean_absolute_error, r2_score

from pipelines.datasets.base import Dataset, Task
from pipelines.datasets.folds import Split
from pipelines.exercises.settings import LOSSES
from pipelines.networks.guessing import guess, surely_beats
from pipelines.networks.objectives import make_loss, make_metrics

CLASSES = ("few", "some", "most")
ROWS = 90


def data(task: Task) -> Dataset:
    """Skewed targets: their mean, median and most frequent value differ."""
    generator = np.random.default_rng(5)
    targets = generator.gamma(1.5, 3.0, ROWS).astype(np.float32)
    if task is not Task.REGRESSION:
        shares = (0.1, 0.2, 0.7)[: 3 if task is Task.MULTICLASS else 2]
        targets = generator.choice(len(shares), ROWS, p=np.divide(shares, sum(shares))).astype(np.int32)
    classes = () if task is Task.REGRESSION else CLASSES[: 3 if task is Task.MULTICLASS else 2]
    inputs = np.zeros((ROWS, 1), np.float32)
    return Dataset("made", task, inputs, targets, inputs[:0], targets[:0], classes, (), "", "made here")


def splits() -> tuple[Split, ...]:
    rows = np.arange(ROWS, dtype=np.int32)
    folds = np.array_split(rows, 3)
    return tuple(Split(0, fold, np.setdiff1d(rows, held).astype(np.int32), held) for fold, held in enumerate(folds))


def constants(task: Task, training: NDArray[np.generic]) -> NDArray[np.float32]:
    """Raw outputs, (constants, outputs), a fine grid about those that could be best."""
    if task is Task.REGRESSION:
        return np.linspace(training.min(), training.max(), 401, dtype=np.float32)[:, None]
    shares = np.linspace(0.025, 0.975, 39)
    if task is Task.BINARY:
        return np.log(shares / (1 - shares)).astype(np.float32)[:, None]
    pairs = np.array([(a, b, 1 - a - b) for a in shares for b in shares if a + b < 0.9875])
    return np.log(pairs).astype(np.float32)


@pytest.mark.parametrize(("task", "loss"), [(task, loss) for task, losses in LOSSES.items() for loss in losses])
def test_no_constant_output_does_better_on_the_training_rows(task: Task, loss: str) -> None:
    """Guessing on the rows that it has learned from, against every constant output by the project's own objectives."""
    dataset, (split, *_) = data(task), splits()
    found = guess(dataset, [replace(split, validation=split.train)], loss)
    targets = dataset.targets[split.train]
    measures = {"loss": make_loss(loss, task), **make_metrics(task)}
    grid = constants(task, targets)
    for name, measure in measures.items():
        means = [float(np.mean(measure(targets, np.tile(row, (len(targets), 1))))) for row in grid]
        better = max if name == "accuracy" else min
        best = better(means)
        assert better(found[f"val_{name}"][0], best) == pytest.approx(found[f"val_{name}"][0], rel=2e-6), name
        assert found[f"val_{name}"][0] == pytest.approx(best, rel=0.02), name


def test_a_classification_is_guessed_as_by_scikit_learn() -> None:
    dataset = data(Task.MULTICLASS)
    found = guess(dataset, splits(), "crossentropy")
    assert set(found) == {"val_loss", "val_accuracy", "val_crossentropy", "val_balanced_accuracy"}
    for fit, split in enumerate(splits()):
        known, truth = dataset.targets[split.train], dataset.targets[split.validation]
        model = DummyClassifier(strategy="prior").fit(np.zeros((len(known), 1)), known)
        rows = np.zeros((len(truth), 1))
        assert found["val_loss"][fit] == pytest.approx(log_loss(truth, model.predict_proba(rows), labels=[0, 1, 2]))
        assert found["val_accuracy"][fit] == pytest.approx(accuracy_score(truth, model.predict(rows)))
        balanced = balanced_accuracy_score(truth, model.predict(rows))
        assert found["val_balanced_accuracy"][fit] == pytest.approx(balanced)


def test_a_regression_is_guessed_as_by_scikit_learn() -> None:
    dataset = data(Task.REGRESSION)
    found = guess(dataset, splits(), "mse")
    assert set(found) == {"val_loss", "val_mse", "val_mae", "val_r2"}
    assert found["val_loss"] == found["val_mse"]
    for fit, split in enumerate(splits()):
        known, truth = dataset.targets[split.train], dataset.targets[split.validation]
        rows = np.zeros((len(truth), 1))
        mean, median = (
            DummyRegressor(strategy=of).fit(rows[:1].repeat(len(known), 0), known) for of in ("mean", "median")
        )
        assert found["val_r2"][fit] == pytest.approx(r2_score(truth, mean.predict(rows)), abs=1e-5)
        assert found["val_mae"][fit] == pytest.approx(mean_absolute_error(truth, median.predict(rows)))


@pytest.mark.parametrize("loss", LOSSES[Task.REGRESSION])
def test_a_target_that_is_trained_on_in_another_unit_is_guessed_in_that_one_and_told_in_its_own(loss: str) -> None:
    """By the project's own loss of the scaled targets, at the best constant of a fine grid."""
    dataset, (split, *_) = data(Task.REGRESSION), splits()
    dataset = replace(dataset, targets=dataset.targets * 1000)
    split = replace(split, validation=split.train)
    values = dataset.targets[split.train]
    scale = float(values.astype(np.float64).std())
    grid = constants(Task.REGRESSION, values / scale)
    measure = make_loss(loss, Task.REGRESSION)
    means = [float(np.mean(measure(values / scale, np.tile(row, (len(values), 1))))) for row in grid]
    found = guess(dataset, [split], loss, "standardise")
    assert found["val_loss"][0] == pytest.approx(min(means) * scale ** (1 if loss == "mae" else 2), rel=0.001)
    plain = guess(dataset, [split], loss)
    for name in ("val_mse", "val_mae", "val_r2", *(["val_loss"] if loss in ("mse", "mae") else [])):
        assert found[name] == pytest.approx(plain[name], rel=1e-9, abs=1e-9), name


def test_a_class_without_a_training_row_is_no_infinite_loss() -> None:
    dataset = data(Task.MULTICLASS)
    rare = dataset.targets == 0
    split = Split(0, 0, np.flatnonzero(~rare).astype(np.int32), np.flatnonzero(rare).astype(np.int32))
    found = guess(dataset, [split], "crossentropy")
    training = np.count_nonzero(~rare)
    assert found["val_loss"][0] == pytest.approx(np.log((training + 0.5) / 0.5))
    assert found["val_accuracy"] == (0.0,)


def test_a_score_that_has_no_value_is_left_out() -> None:
    dataset, (split, *_) = data(Task.REGRESSION), splits()
    assert "val_r2" not in guess(dataset, [replace(split, validation=split.validation[:1])], "mse")


def test_equal_targets_are_guessed_whatever_the_loss() -> None:
    dataset = replace(data(Task.REGRESSION), targets=np.full(ROWS, 2.5, np.float32))
    assert guess(dataset, splits(), "huber")["val_loss"] == (0.0, 0.0, 0.0)


def test_guessing_is_beaten_where_all_fits_together_leave_no_doubt() -> None:
    guesses = np.array([5.7, 5.2, 6.3, 5.6])

    def beats(ahead: float | list[float], fits: int = 4) -> bool:
        ends = (guesses - ahead)[:fits]
        curves = np.linspace(ends + 3, ends, 30).T  # falls to its end
        return surely_beats(curves, guesses[:fits], folds=fits, ratio=1 / 3)

    assert beats([1.0, 1.1, 0.9, 1.0])
    assert not beats([1.0, -1.1, 0.9, -0.5])
    assert not beats(-0.2)
    assert not beats(0.0), "equal is not better"
    assert beats(0.1, fits=1)
    assert not beats(0.0, fits=1)


def test_few_of_those_that_have_learned_nothing_seem_to_beat_guessing() -> None:
    """Fits that are guessing but for noise: at most one in twenty beats it, though the best of 40 epochs is read."""
    generator = np.random.default_rng(8)
    guesses = np.full(4, 5.0)
    found = [
        surely_beats(
            5.0 + generator.normal(0, 0.3, (4, 1)) + generator.normal(0, 0.1, (4, 40)), guesses, folds=4, ratio=1 / 3
        )
        for _ in range(400)
    ]
    assert np.mean(found) <= 0.05
    assert np.mean(found) > 0.005, "and not none: the test is no more careful than it says"
