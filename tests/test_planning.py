"""Configuration, data and folds become a plan."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.checking.kinds import Choice, Flag, Number, Whole
from pipelines.datasets.base import Dataset, Task
from pipelines.datasets.folds import Split, make_splits
from pipelines.errors import UserError
from pipelines.exercises.configurations import FIELDS, Configuration
from pipelines.exercises.settings import Convolutions, Layers
from pipelines.training.plan import FitPlan
from pipelines.training.planning import fit_seed, make_plan, program_key

SAMPLES = 41
NONE_LEFT_OUT = np.empty(0, np.int32)


def make_dataset(task: Task = Task.BINARY, shape: tuple[int, ...] = (3,)) -> Dataset:
    """Features of very different size, so that a normalisation by other rows shows."""
    generator = np.random.default_rng(5)
    inputs = generator.normal(3.0, 2.0, size=(SAMPLES, *shape)).astype(np.float32)
    targets: NDArray[np.generic] = inputs.reshape(SAMPLES, -1)[:, 0]
    if task is not Task.REGRESSION:
        targets = np.arange(SAMPLES, dtype=np.int32) % (2 if task is Task.BINARY else 3)
    classes = {Task.BINARY: ("no", "yes"), Task.MULTICLASS: ("a", "b", "c"), Task.REGRESSION: ()}[task]
    return Dataset("made", task, inputs, targets, inputs[:0], targets[:0], classes, (), "0" * 64, "tests")


def splits_of(dataset: Dataset, folds: int = 3, repeats: int = 2) -> tuple[Split, ...]:
    return make_splits(dataset.targets, dataset.task, validation="kfold", folds=folds, repeats=repeats, seed=1)


def plan_of(dataset: Dataset | None = None, *, seed: int = 1, **settings: object) -> FitPlan:
    dataset = dataset or make_dataset()
    loss = "mse" if dataset.task is Task.REGRESSION else "crossentropy"
    configuration = Configuration(**{"layers": (4,), "loss": loss, **settings})  # type: ignore[arg-type]
    return make_plan(configuration, dataset, splits_of(dataset), seed=seed, epochs=5)


# Fits.


def test_a_plan_has_a_fit_for_every_split_and_the_settings_of_the_configuration() -> None:
    dataset = make_dataset()
    splits = splits_of(dataset)
    plan = plan_of(dataset, learning_rate=0.05, batch_size=8)
    assert (plan.epochs, plan.batch_size) == (5, 8)
    assert plan.inputs is dataset.inputs
    assert plan.targets is dataset.targets
    assert [fit.learning_rate for fit in plan.fits] == [0.05] * 6
    for fit, split in zip(plan.fits, splits, strict=True):
        np.testing.assert_array_equal(fit.train, split.train)
        np.testing.assert_array_equal(fit.validation, split.validation)


def test_every_fit_has_a_seed_of_its_own_and_the_same_one_for_every_configuration() -> None:
    seeds = [fit.seed for fit in plan_of().fits]
    assert len(set(seeds)) == 6
    assert min(seeds) >= 1
    assert seeds == [fit.seed for fit in plan_of(layers=(7,), learning_rate=0.3).fits]
    assert set(seeds).isdisjoint(fit.seed for fit in plan_of(seed=9).fits)
    assert [fit_seed(1, repeat, fold) for repeat in range(2) for fold in range(3)] == seeds


def test_inputs_are_normalised_by_the_training_rows_of_each_fit_alone() -> None:
    plan = plan_of(normalisation="standardise")
    for fit in plan.fits:
        rows = plan.inputs[fit.train].astype(np.float64)
        np.testing.assert_allclose(fit.offset, rows.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(fit.scale, rows.std(axis=0), rtol=1e-6)
    assert len({tuple(fit.offset) for fit in plan.fits}) == 6


def test_a_share_of_the_training_rows_is_drawn_by_the_fits_seed_and_normalised_by_itself() -> None:
    whole, share = plan_of(), plan_of(train_fraction=0.5, normalisation="minmax")
    for fit, of_all in zip(share.fits, whole.fits, strict=True):
        assert 12 <= len(fit.train) <= 15
        assert set(fit.train) < set(of_all.train)
        np.testing.assert_array_equal(fit.validation, of_all.validation)
        np.testing.assert_array_equal(fit.offset, share.inputs[fit.train].min(axis=0))
    again = plan_of(train_fraction=0.5, normalisation="none")
    assert all((a.train == b.train).all() for a, b in zip(share.fits, again.fits, strict=True))


def test_a_target_is_standardised_by_the_rows_that_each_fit_is_trained_on() -> None:
    dataset = make_dataset(Task.REGRESSION)
    dataset = replace(dataset, targets=dataset.targets * 100_000 + 280_000)
    for plan in (plan_of(dataset, target_scaling="standardise", train_fraction=share) for share in (1.0, 0.5)):
        for fit in plan.fits:
            own = dataset.targets[fit.train].astype(np.float64)
            assert (fit.target_offset.dtype, fit.target_scale.dtype) == (np.float32, np.float32)
            assert float(fit.target_offset) == pytest.approx(own.mean(), rel=1e-6)
            assert float(fit.target_scale) == pytest.approx(own.std(), rel=1e-6)
        assert len({float(fit.target_offset) for fit in plan.fits}) == 6
    assert {float(fit.target_scale) for fit in plan_of(dataset).fits} == {1.0}


def test_labels_have_no_scale_and_a_regression_no_classes_to_weight() -> None:
    plan = plan_of(make_dataset(Task.BINARY), target_scaling="standardise", class_weight="balanced")
    assert {(float(fit.target_offset), float(fit.target_scale)) for fit in plan.fits} == {(0.0, 1.0)}
    assert plan.weighted
    assert plan.powers == {}
    regression = plan_of(make_dataset(Task.REGRESSION), class_weight="balanced")
    assert not regression.weighted
    assert regression.powers == {"loss": 2, "mse": 2, "mae": 1}


def test_class_weights_are_scikit_learns_of_the_rows_that_each_fit_is_trained_on() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    dataset = make_dataset(Task.MULTICLASS)
    plan = plan_of(dataset, class_weight="balanced", train_fraction=0.6)
    for fit in plan.fits:
        expected = compute_class_weight("balanced", classes=np.arange(3), y=dataset.targets[fit.train])
        np.testing.assert_allclose(plan.training_weights(fit), expected, rtol=1e-6)
    assert plan_of(dataset).training_weights(plan.fits[0]).shape == (0,)


def test_float64_targets_keep_their_digits_on_the_device() -> None:
    dataset = make_dataset(Task.REGRESSION)
    times = 1_700_000_000 + np.arange(SAMPLES, dtype=np.float64)
    plan = plan_of(replace(dataset, targets=times), target_scaling="standardise")
    there = plan.device_targets()
    assert there.dtype == np.float32
    assert len(np.unique(there)) == SAMPLES > len(np.unique(times.astype(np.float32)))
    for fit in plan.fits:
        seen = (there - plan.device_offset(fit)) / fit.target_scale
        expected = (times - np.float64(fit.target_offset)) / np.float64(fit.target_scale)
        np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("unit", "size"), [(1e20, "large"), (1e-20, "small")])
def test_a_target_whose_squared_errors_are_no_numbers_is_refused(unit: float, size: str) -> None:
    dataset = make_dataset(Task.REGRESSION)
    dataset = replace(dataset, targets=(dataset.targets * unit).astype(np.float64))
    with pytest.raises(UserError, match=f"too {size} for the squares.*1e-15 to 1e.15.*another unit"):
        plan_of(dataset, target_scaling="standardise")


def test_a_constant_target_keeps_its_unit() -> None:
    dataset = make_dataset(Task.REGRESSION)
    constant = replace(dataset, targets=np.full(SAMPLES, 0.1, np.float32))
    fits = plan_of(constant, target_scaling="standardise").fits
    assert {(fit.target_offset.item(), fit.target_scale.item()) for fit in fits} == {(np.float32(0.1).item(), 1.0)}


def test_a_split_without_validation_rows_is_planned_too() -> None:
    dataset = make_dataset()
    everything = Split(0, 0, np.arange(SAMPLES, dtype=np.int32), NONE_LEFT_OUT)
    plan = make_plan(Configuration(layers=(4,)), dataset, [everything], seed=1, epochs=2)
    assert len(plan.fits[0].train) == SAMPLES
    assert len(plan.fits[0].validation) == 0


# Networks and programs.


@pytest.mark.parametrize(
    ("task", "shape", "outputs", "curves"),
    [
        (Task.BINARY, (3,), 1, {"accuracy", "crossentropy"}),
        (Task.MULTICLASS, (2, 2), 3, {"accuracy", "crossentropy"}),
        (Task.REGRESSION, (3,), 1, {"mse", "mae"}),
    ],
)
def test_the_network_fits_the_data(task: Task, shape: tuple[int, ...], outputs: int, curves: set[str]) -> None:
    plan = plan_of(make_dataset(task, shape))
    predicted = plan.build_model()(plan.inputs[:2])
    assert predicted.shape == (2, outputs)
    assert set(plan.curve_names) == {
        "loss",
        "val_loss",
        *curves,
        *(f"val_{name}" for name in curves),
        "val_balanced_accuracy" if task.is_classification else "val_r2",
    }


@pytest.mark.parametrize(
    "setting",
    [
        {"learning_rate": 0.5},
        {"batch_size": 7},
        {"normalisation": "minmax"},
        {"train_fraction": 0.5},
    ],
)
def test_a_setting_that_is_an_argument_of_the_program_leaves_its_key_alone(setting: dict[str, object]) -> None:
    assert plan_of(**setting).key == plan_of().key


@pytest.mark.parametrize(
    "setting",
    [
        {"layers": (5,)},
        {"layers": (4, 4)},
        {"layers": ()},
        {"activation": "tanh"},
        {"loss": "mse"},
        {"optimizer": "sgd"},
        {"layer_normalisation": "batch"},
        {"dropout": 0.1},
        {"l2": 0.01},
    ],
)
def test_a_setting_that_the_program_is_made_of_changes_its_key(setting: dict[str, object]) -> None:
    assert plan_of(**setting).key != plan_of().key


def other_value(name: str) -> object:
    """A value of a setting, from its entry in the registry, that is not its default."""
    kind, default = FIELDS[name].kind, getattr(Configuration, name)
    if isinstance(kind, Choice):
        return next(word for word in kind.words if word != default)
    if isinstance(kind, Whole | Number):
        values = (kind.low + 1, (kind.low + (kind.high or kind.low + 2)) / 3)
        return next(type(default)(value) for value in values if value not in (default, kind.high))
    return {Flag: not default, Layers: (5,), Convolutions: "8x3"}[type(kind)]


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_changes_the_program_or_is_stated_to_be_an_argument_of_it(name: str) -> None:
    there = {needed: other_value(needed) for needed in FIELDS[name].needs}
    before = Configuration(**there).canonical()  # type: ignore[arg-type]
    after = replace(before, **{name: other_value(name)}).canonical()
    assert after.hash != before.hash, "the setting has an effect"
    keys = {program_key(configuration, make_dataset()) for configuration in (before, after)}
    assert len(keys) == (1 if FIELDS[name].argument else 2)


def test_arguments_of_a_program() -> None:
    arguments = {name for name, known in FIELDS.items() if known.argument}
    assert arguments == {
        "learning_rate", "batch_size", "normalisation", "train_fraction", "schedule", "decay_rate", "target_scaling"
    }  # fmt: skip


def test_another_task_or_shape_of_the_data_changes_the_key() -> None:
    keys = {
        plan_of(make_dataset(task, shape), loss="mse").key
        for task in (Task.BINARY, Task.MULTICLASS, Task.REGRESSION)
        for shape in ((3,), (4,), (2, 2))
    }
    assert len(keys) == 9


def test_settings_without_effect_do_not_keep_plans_apart() -> None:
    """Without hidden layers there is nothing to activate."""
    assert plan_of(layers=(), activation="tanh", dropout=0.2).key == plan_of(layers=()).key


def test_a_loss_that_the_task_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="'mae' is not a loss of a binary task; allowed: crossentropy, mse"):
        plan_of(loss="mae")


def test_a_plan_that_could_train_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"at least one fit, one epoch .* it has 0 fits"):
        replace(plan_of(), fits=())
