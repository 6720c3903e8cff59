"""Reproductions: which rows are trained and measured, what counts as agreement, what is recorded and taken up again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.small_reproduction import BASE, MadeMeasurements, documented_exercise, reproduce, variant_of
from tests.support.small_sweep import curves_of, runs, statuses

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.commands.cli import run as run_command
from pipelines.exercises.configurations import Configuration
from pipelines.datasets import Places, load_dataset
from pipelines.datasets.base import Task
from pipelines.errors import ExerciseError, UserError
from pipelines.executors import InProcess
from pipelines.exercises.exercise import Figure, Variant
from pipelines.exercises.reader import load_exercise
from pipelines.commands.cli import Interrupted
from pipelines.networks.models import KERAS2_EPSILON, build_optimizer
from pipelines.overfitting.point import analyse
from pipelines.training.planning import make_plan
from pipelines.commands.reproduce import split_names
from pipelines.reproduction.plan import (
    Asked,
    Part,
    asked_for,
    contiguous_folds,
    documented_epochs_only,
    optimizers_of,
    plan_measurements,
    splits_of,
    with_test_rows,
)
from pipelines.reproduction.rows import (
    Agreement,
    Row,
    chance_accuracies,
    compare,
    compare_epoch,
    parting_epochs,
    prediction_interval,
    textbook_best_epochs,
    values_of,
)
from pipelines.tracking.sweeps import from_plain
from pipelines.training.jax.engine import JaxEngine

pytestmark = pytest.mark.usefixtures("in_store")


def figure(metric: str = "accuracy", value: float = 0.9, epoch: int | None = None, split: str = "test", **more: Any):
    return Figure(metric, value, epoch, split, **more)


def asked(value: float, metric: str = "accuracy", **more: Any) -> Asked:
    of = figure(metric, value, **more)
    return Asked(Variant("v", BASE, 5, "none", (of,)), metric, of.split, of.epoch or 5, of)


def data_of(exercise):
    return load_dataset(exercise.dataset, exercise.task, Places())


# What is measured where


def parts(tmp_path: Path, **changes: Any) -> list[tuple[Part, bool]]:
    exercise = documented_exercise(tmp_path, [{"name": "v", "epochs": 5, **changes}])
    return [(m.part, m.as_then) for m in plan_measurements(exercise, repeats=5)]


def test_a_test_figure_is_measured_on_the_test_rows_and_a_validation_figure_on_the_validation_rows(tmp_path):
    both = [{"metric": "loss", "split": "test", "value": 1}, {"metric": "loss", "split": "validation", "value": 1}]
    assert parts(tmp_path, validation="holdout", figures=both) == [(Part.VALIDATION, True), (Part.TEST, True)]


def test_training_figures_need_no_training_of_their_own(tmp_path):
    of_training = {"metric": "loss", "split": "train", "value": 1}
    of_test = {"metric": "loss", "split": "test", "value": 1}
    assert parts(tmp_path, validation="none", figures=[of_training, of_test]) == [(Part.TEST, True)]
    assert parts(tmp_path, validation="holdout", figures=[of_training]) == [(Part.VALIDATION, True)]
    assert parts(tmp_path, validation="none", figures=[of_training]) == [(Part.TRAINING, True)]


def test_an_over_fitting_epoch_asks_for_folds_beside_the_documented_split(tmp_path):
    figures = [{"metric": "overfitting_epoch", "split": "validation", "value": 3}]
    assert parts(tmp_path, validation="holdout", figures=figures) == [(Part.VALIDATION, True), (Part.FOLDS, True)]


def test_without_figures_the_accuracy_at_the_end_is_measured(tmp_path):
    exercise = documented_exercise(tmp_path)
    (entry,) = asked_for(variant_of(exercise, "to the reader"), exercise.task)
    assert (entry.metric, entry.split, entry.epoch, entry.figure) == ("accuracy", "test", 5, None)
    held_out = replace(variant_of(exercise, "to the reader"), validation="holdout")
    assert asked_for(held_out, Task.REGRESSION)[0].metric == "mae"
    assert asked_for(held_out, Task.REGRESSION)[0].split == "validation"


def test_rmsprop_is_trained_as_it_was_and_as_it_is_where_a_figure_can_tell(tmp_path):
    rmsprop = replace(BASE, optimizer="rmsprop")
    variant = Variant("v", rmsprop, 5, "none", (figure(),))
    names = [(configuration.optimizer, then) for configuration, then in optimizers_of(variant)]
    assert names == [("rmsprop_keras2", True), ("rmsprop", False)]
    assert [c.optimizer for c, _ in optimizers_of(replace(variant, repeats=1))] == ["rmsprop_keras2"]
    assert [c.optimizer for c, _ in optimizers_of(replace(variant, figures=()))] == ["rmsprop"]
    assert optimizers_of(replace(variant, configuration=BASE)) == ((BASE, True),)


def test_variants_that_need_the_same_training_share_it(tmp_path):
    figures = [{"metric": "loss", "split": "validation", "value": 1}]
    twins = [{"name": n, "epochs": 5, "validation": "holdout", "figures": figures} for n in ("one", "other")]
    (measurement,) = plan_measurements(documented_exercise(tmp_path, twins), repeats=5)
    assert measurement.variants == ("one", "other")


def test_a_variant_may_ask_for_another_number_of_seeds(tmp_path):
    variants = [
        {"name": "long", "epochs": 2, "repeats": 1, "validation": "none"},
        {"name": "usual", "epochs": 3, "validation": "none"},
        {"name": "short", "epochs": 4, "repeats": 20, "validation": "none"},
    ]
    exercise = documented_exercise(tmp_path, variants)
    assert [m.repeats for m in plan_measurements(exercise, repeats=5)] == [1, 5, 20]
    assert [m.repeats for m in plan_measurements(exercise, repeats=2)] == [1, 2, 8]


def test_a_test_figure_of_k_folds_is_refused(tmp_path):
    figures = [{"metric": "loss", "split": "test", "value": 1}]
    exercise = documented_exercise(tmp_path, [{"name": "v", "epochs": 5, "validation": "kfold", "figures": figures}])
    with pytest.raises(UserError, match=r"'v'.*test figure.*allowed"):
        plan_measurements(exercise, repeats=5)


def test_the_textbooks_folds_are_neighbouring_rows_the_same_for_every_seed():
    splits = contiguous_folds(np.arange(7, dtype=np.int32), 3, 2)
    assert [split.validation.tolist() for split in splits[:3]] == [[0, 1, 2], [3, 4], [5, 6]]
    assert [split.validation.tolist() for split in splits[3:]] == [[0, 1, 2], [3, 4], [5, 6]]
    assert splits[1].train.tolist() == [0, 1, 2, 5, 6]
    assert [(split.repeat, split.fold) for split in splits] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


# The test rows


def test_no_test_row_is_trained_on(tmp_path):
    exercise = documented_exercise(tmp_path)
    dataset = data_of(exercise)
    (measurement,) = [m for m in plan_measurements(exercise, repeats=3) if m.variants == ("final, slow",)]
    splits = splits_of(measurement, exercise, dataset, seed=1)
    assert len(splits) == 3
    both = with_test_rows(dataset)
    for split in splits:
        assert split.train.max() < dataset.samples
        np.testing.assert_array_equal(both.inputs[split.train], dataset.inputs)
        np.testing.assert_array_equal(both.inputs[split.validation], dataset.test_inputs)
        np.testing.assert_array_equal(both.targets[split.validation], dataset.test_targets)


def test_other_test_rows_leave_the_training_as_it_is(tmp_path):
    exercise = documented_exercise(tmp_path)
    dataset = data_of(exercise)
    moved = replace(dataset, test_inputs=dataset.test_inputs * 100 + 7, test_targets=1 - dataset.test_targets)
    (measurement,) = [m for m in plan_measurements(exercise, repeats=2) if m.variants == ("final, slow",)]
    trainings = []
    for data in (dataset, moved):
        splits = splits_of(measurement, exercise, data, seed=1)
        plan = make_plan(measurement.configuration, with_test_rows(data), splits, seed=1, epochs=3)
        trainings.append(JaxEngine().train(plan, keep_weights=True))
    np.testing.assert_array_equal(trainings[0].curves["loss"], trainings[1].curves["loss"])
    for one, other in zip(trainings[0].weights or (), trainings[1].weights or (), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert (trainings[0].curves["val_loss"] != trainings[1].curves["val_loss"]).all()


def test_of_the_test_curve_the_documented_epochs_alone_are_kept():
    curve = np.arange(8, dtype=np.float32).reshape(2, 4)
    kept = documented_epochs_only({"loss": curve, "val_loss": curve}, [3])
    assert kept["loss"] is curve
    assert np.isnan(kept["test_loss"][:, [0, 1, 3]]).all()
    assert kept["test_loss"][:, 2].tolist() == [2, 6]
    assert "val_loss" not in kept


def test_a_data_set_without_test_rows_is_refused_where_they_are_asked_for(tmp_path):
    exercise = documented_exercise(tmp_path)
    dataset = data_of(exercise)
    without = replace(dataset, test_inputs=dataset.test_inputs[:0], test_targets=dataset.test_targets[:0])
    (measurement,) = [m for m in plan_measurements(exercise, repeats=2) if m.variants == ("final, slow",)]
    with pytest.raises(UserError, match="no test rows"):
        splits_of(measurement, exercise, without, seed=1)


# What agrees


def test_the_interval_is_that_of_one_more_run():
    # t(0.975, 2 degrees of freedom) = 4.30265, s = 1, sqrt(1 + 1/3) = 1.15470
    assert prediction_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.96827, 2 + 4.96827), abs=1e-4)
    assert prediction_interval([1.0]) is None


def test_the_interval_holds_one_more_run_nineteen_times_in_twenty():
    generator = np.random.default_rng(5)
    draws = generator.normal(3.0, 2.0, (2000, 6))
    held = [low <= draw[5] <= high for draw in draws for low, high in [prediction_interval(draw[:5].tolist())]]
    assert 0.935 < np.mean(held) < 0.965


@pytest.mark.parametrize(
    ("value", "more", "agrees"),
    [
        (2.5, {}, True),
        (7.5, {}, False),
        (7.5, {"tolerance": 1.0}, True),
        (2.1, {"goal": True}, False),
        (2.0, {"goal": True}, True),
    ],
)
def test_a_figure_agrees_within_the_interval_and_its_tolerance(value, more, agrees):
    assert compare([1.0, 2.0, 3.0], asked(value, **more)).agrees is agrees


def test_a_single_run_agrees_within_the_tolerance_only():
    assert compare([0.905], asked(0.90, tolerance=0.01)).agrees is True
    assert compare([0.905], asked(0.90)).agrees is False
    assert compare([0.905], asked(0.90)).deviation is None


FALLING = np.tile(5 / np.arange(1, 41, dtype=np.float32), (3, 1))


def curves_with_best(best: int, fits: int, epochs: int = 40) -> np.ndarray:
    generator = np.random.default_rng(2)
    valley = 0.5 + 2 * ((np.arange(1, epochs + 1) - best) / epochs) ** 2
    return (valley + 0.01 * generator.standard_normal((fits, epochs))).astype(np.float32)


def point_with_best(best: int):
    return analyse(curves_with_best(best, 8), folds=4, repeats=2, validation_ratio=1 / 3)


@pytest.mark.parametrize(("documented", "agrees"), [(10, True), (25, False)])
def test_a_best_epoch_agrees_within_the_interval_of_the_folds(documented, agrees):
    ours = compare_epoch(
        asked(documented, "overfitting_epoch"), curves_with_best(10, 3), FALLING, 1, point_with_best(10)
    )
    assert ours is not None
    assert ours.agrees is agrees
    assert ours.by_textbook is not None
    assert len(ours.by_textbook.values) == 3


@pytest.mark.parametrize(("documented", "agrees"), [(1, False), (12, True), (39, False)])
def test_over_fitting_begins_between_the_one_se_epoch_and_the_onset(documented, agrees):
    point = point_with_best(12)
    assert point.one_se_epoch is not None and point.onset is not None
    assert point.one_se_epoch <= 12 <= point.onset
    ours = compare_epoch(asked(documented, "onset_epoch"), curves_with_best(12, 3), FALLING, 1, point)
    assert ours is not None
    assert ours.agrees is agrees


def test_the_textbook_reads_a_short_curve_as_it_is_and_smooths_a_long_one():
    short = np.array([[3, 1, 2, 2], [3, 2, 1, 2]], np.float32)
    assert textbook_best_epochs(short, 1) == (2, 3)
    assert textbook_best_epochs(short, 2) == (2,), "the mean over the folds"
    long = curves_with_best(60, 2, epochs=200)
    assert all(60 < epoch < 90 for epoch in textbook_best_epochs(long, 1)), "it runs late"


def test_curves_part_where_the_training_curve_is_first_below():
    training = np.array([[3, 2, 1], [3, 1, 1], [3, 3, 3]], np.float32)
    validation = np.array([[2, 2, 2], [2, 2, 2], [2, 2, 2]], np.float32)
    assert parting_epochs(validation, training, 1) == (3, 2)
    assert parting_epochs(validation, training, 3) == (3,)


def test_a_value_is_the_mean_over_the_folds_of_each_seed():
    curves = {"val_accuracy": np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [np.nan, np.nan]], np.float32)}
    of = replace(asked(0.5, split="validation"), epoch=2)
    assert values_of(of, curves, 1) == pytest.approx((0.2, 0.4, 0.6))
    assert values_of(of, curves, 2) == pytest.approx((0.3,)), "a seed of which a fold diverged has none"
    assert values_of(replace(of, epoch=3), curves, 1) == ()


def test_shuffled_labels_agree_as_often_as_their_shares_say():
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    assert np.mean(chance_accuracies(labels, shuffles=200)) == pytest.approx(0.25 + 0.09 + 0.04, abs=0.005)


@pytest.mark.parametrize("measured", [True, False])
def test_a_row_survives_the_store(measured):
    ours = compare_epoch(asked(9, "overfitting_epoch"), curves_with_best(10, 3), FALLING, 1, point_with_best(10))
    row = Row("v", "overfitting_epoch", "validation", 9, 9.0, 1.0, False, "n", "c", ours if measured else None)
    assert from_plain(Row, row.to_json()) == row


# Figures of weights, and the optimizer


@pytest.mark.parametrize("normalisation", ["none", "standardise"])
def test_the_learned_line_is_that_of_the_inputs_as_they_are(normalisation):
    exercise = load_exercise("celsius")
    (variant,) = exercise.documented
    changed = replace(variant.configuration, normalisation=normalisation)
    exercise = replace(exercise, documented=(replace(variant, configuration=changed),))
    outcomes, _ = reproduce(InProcess(JaxEngine()), exercise, repeats=2)
    assert {row.metric: row.ours.mean for row in outcomes[0].rows if row.ours} == pytest.approx(
        {"weight": 1.8, "bias": 32}, rel=1e-3
    )
    assert {row.agreement for row in outcomes[0].rows} == {Agreement.AGREES}


def test_weights_of_a_network_that_is_no_line_are_refused(tmp_path):
    figures = [{"metric": "weight", "split": "train", "value": 1}]
    exercise = documented_exercise(tmp_path, [{"name": "v", "epochs": 1, "validation": "none", "figures": figures}])
    with pytest.raises(UserError, match="None of the documented variants could be measured"):
        reproduce(InProcess(JaxEngine()), exercise, repeats=1)
    (run,) = runs("variant")
    assert "one linear unit" in run.data.tags["atlas.reason"]


def test_integer_and_one_hot_labels_give_one_loss(tmp_path):
    exercise = load_exercise("digits")
    figures = (figure("label_difference", 0.0, split="validation", tolerance=1e-4),)
    small = replace(exercise.baseline, layers=(8,), train_fraction=1.0, batch_size=256)
    exercise = replace(exercise, documented=(Variant("integer labels", small, 2, "holdout", figures),))
    outcomes, _ = reproduce(InProcess(JaxEngine()), exercise, repeats=2)
    (row,) = outcomes[0].rows
    assert row.agreement is Agreement.AGREES
    assert row.ours is not None
    assert len(row.ours.values) == 2


def test_rmsprop_of_keras_2_has_its_epsilon_outside_of_the_root():
    import keras

    gradient = np.array([1.0, 1e-3, 1e-5], np.float32)
    velocity = 0.1 * gradient**2

    def step(name: str) -> np.ndarray:
        optimizer = build_optimizer(Configuration(optimizer=name, learning_rate=0.5))
        weights = keras.Variable(np.zeros(3, np.float32))
        optimizer.apply([gradient], [weights])
        return np.asarray(weights.value)

    as_then = -0.5 * gradient / (np.sqrt(velocity) + KERAS2_EPSILON)
    np.testing.assert_allclose(step("rmsprop_keras2"), as_then, rtol=0.05)
    assert abs(step("rmsprop")[2]) < 0.1 * abs(as_then[2]), "today's holds small gradients back"


# The whole


def test_every_variant_is_trained_compared_and_recorded(tmp_path):
    executor = MadeMeasurements()
    outcomes, printed = reproduce(executor, documented_exercise(tmp_path), repeats=4)
    rows = {(row.variant, row.name): row for row in outcomes[0].rows}
    assert {key: row.agreement for key, row in rows.items()} == {
        ("curve", "train_loss_epoch_10"): Agreement.AGREES,
        ("curve", "validation_loss_epoch_20"): Agreement.DIFFERS,
        ("curve", "overfitting_epoch"): Agreement.AGREES,
        ("final, slow", "test_loss_epoch_10"): Agreement.AGREES,
        ("to the reader", "test_accuracy_epoch_5"): Agreement.NO_FIGURE,
    }
    (parent,) = runs("reproduction")
    assert parent.info.status == "FINISHED"
    assert (parent.data.metrics["rows/agreeing"], parent.data.metrics["rows/documented"]) == (3, 4)
    children = runs("variant")
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert [run.data.tags["mlflow.runName"] for run in children] == [
        "curve: validation",
        "curve: 3 folds",
        "final, slow: test",
        "to the reader: test",
    ]
    final = children[2]
    assert final.data.metrics["documented/test_loss_epoch_10"] == pytest.approx(0.03)
    measured = rows["final, slow", "test_loss_epoch_10"].ours
    assert measured is not None
    assert final.data.metrics["ours/test_loss_epoch_10"] == pytest.approx(measured.mean)
    assert final.data.params["learning_rate"] == "0.03"
    assert np.isfinite(curves_of(final)["test_loss"]).any(axis=0).tolist() == [False] * 9 + [True]
    assert "4/4" in printed
    assert "left" in printed


def test_what_is_finished_is_not_trained_again(tmp_path):
    exercise = documented_exercise(tmp_path)
    first, _ = reproduce(MadeMeasurements(), exercise, repeats=3)
    again = MadeMeasurements()
    second, printed = reproduce(again, exercise, repeats=3)
    assert again.jobs == []
    assert second[0].run.run_id == first[0].run.run_id
    assert [row.to_json() for row in second[0].rows] == [row.to_json() for row in first[0].rows]
    assert "4 trainings were finished by an earlier start" in printed
    afresh = MadeMeasurements()
    third, _ = reproduce(afresh, exercise, repeats=3, resume=False)
    assert len(afresh.jobs) == 4
    assert third[0].run.run_id != first[0].run.run_id


def test_another_seed_or_number_of_seeds_is_another_reproduction(tmp_path):
    exercise = documented_exercise(tmp_path)
    ids = {reproduce(MadeMeasurements(), exercise, **s)[0][0].run.run_id for s in ({}, {"seed": 2}, {"repeats": 2})}
    assert len(ids) == 3


def test_an_interrupted_reproduction_goes_on_where_it_was(tmp_path):
    exercise = documented_exercise(tmp_path)
    cut = MadeMeasurements(error=lambda number, _: Interrupted(2) if number == 3 else None)
    with pytest.raises(Interrupted):
        reproduce(cut, exercise, repeats=2)
    assert statuses("variant") == ["FINISHED", "FINISHED", "KILLED"]
    assert statuses("reproduction") == ["KILLED"]
    rest = MadeMeasurements()
    outcomes, _ = reproduce(rest, exercise, repeats=2)
    assert len(rest.jobs) == 2
    assert statuses("reproduction") == ["FINISHED"]
    assert all(row.ours for row in outcomes[0].rows)


def test_a_training_that_fails_is_a_row_that_says_so(tmp_path):
    broken = MadeMeasurements(error=lambda number, _: UserError("out of memory") if number == 3 else None)
    outcomes, printed = reproduce(broken, documented_exercise(tmp_path), repeats=2)
    (failed,) = [row for row in outcomes[0].rows if row.ours is None]
    assert (failed.variant, failed.agreement, failed.failure) == (
        "final, slow",
        Agreement.NOT_MEASURED,
        "out of memory",
    )
    assert outcomes[0].failed == 1
    assert "failed: out of memory" in printed
    mended = MadeMeasurements()
    reproduce(mended, documented_exercise(tmp_path), repeats=2)
    assert len(mended.jobs) == 1


def test_named_variants_alone_are_trained_and_known_ones_compared_as_well(tmp_path):
    exercise = documented_exercise(tmp_path)
    outcomes, _ = reproduce(MadeMeasurements(), exercise, repeats=2, variants=("final, slow",))
    assert [row.variant for row in outcomes[0].rows] == ["final, slow"]
    outcomes, _ = reproduce(MadeMeasurements(), exercise, repeats=2, variants=("to the reader",))
    assert [row.variant for row in outcomes[0].rows] == ["final, slow", "to the reader"]


def test_a_frozen_backbone_is_trained_on_its_features(tmp_path, monkeypatch):
    from pipelines.networks import backbones, features

    asked_with = []

    def prepare(dataset, configuration, places, **settings):
        asked_with.append((configuration.backbone, places.weights, settings["test"]))
        return replace(dataset, name="features")

    def find(name, places):
        return backbones.Weights(places.weights / f"{name}.h5", sha256="a" * 64)

    monkeypatch.setattr(features, "prepare_dataset", prepare)
    monkeypatch.setattr(features, "find_weights", find)
    figures = [{"metric": "loss", "split": "validation", "value": 1}]
    frozen = {"backbone": "mobilenet_v2", "layers": "none", "normalisation": "minus_one_one"}
    variants = [
        {"name": "frozen", "epochs": 2, "validation": "holdout", "configuration": frozen, "figures": figures},
        {
            "name": "fine-tuned",
            "epochs": 2,
            "validation": "holdout",
            "configuration": {**frozen, "fine_tune": True},
            "figures": figures,
        },
    ]
    executor = MadeMeasurements()
    reproduce(executor, documented_exercise(tmp_path, variants), repeats=2, places=Places(weights=tmp_path))
    file = tmp_path / "mobilenet_v2.h5"
    assert asked_with == [("mobilenet_v2", file, False)]
    assert [(job.dataset.name, job.weights) for job in executor.jobs] == [("features", file), ("table", file)]


def test_other_weights_of_a_backbone_are_another_training(tmp_path):
    (variant,) = documented_exercise(
        tmp_path,
        [{"name": "tuned", "epochs": 2, "validation": "holdout", "configuration": {"backbone": "mobilenet_v2"}}],
    ).documented
    exercise = documented_exercise(tmp_path)
    (measurement,) = plan_measurements(replace(exercise, documented=(variant,)), repeats=1)
    dataset = load_dataset(exercise.dataset, exercise.task)
    identities = [
        measurement.identity(exercise, dataset, seed=1, backend="jax", weights=weights)
        for weights in ("", "a" * 64, "b" * 64)
    ]
    assert len(set(identities)) == 3


def test_weights_that_cannot_be_had_fail_their_own_rows_only(tmp_path):
    variants = [
        {"name": "dense", "epochs": 2, "validation": "holdout"},
        {
            "name": "frozen",
            "epochs": 2,
            "validation": "holdout",
            "configuration": {"backbone": "mobilenet_v2", "layers": "none", "normalisation": "minus_one_one"},
        },
    ]
    executor = MadeMeasurements()
    (outcome,), _ = reproduce(
        executor, documented_exercise(tmp_path, variants), repeats=2, places=Places(weights=tmp_path / "nowhere.h5")
    )
    assert (outcome.trained, outcome.failed, len(executor.jobs)) == (1, 1, 1)


def test_nothing_measured_is_an_error(tmp_path):
    broken = MadeMeasurements(error=lambda number, _: UserError("out of memory"))
    with pytest.raises(UserError, match="None of the documented variants could be measured"):
        reproduce(broken, documented_exercise(tmp_path), repeats=2)


def test_real_trainings_measure_what_they_should(tmp_path):
    """The engine itself, on a separable table: the figures of all splits are those of a network that has learned."""
    variants = [
        {
            "name": "learned",
            "epochs": 30,
            "validation": "holdout",
            "configuration": {"learning_rate": 0.5},
            "figures": [
                {"metric": "accuracy", "split": split, "value": 0.9, "tolerance": 0.2}
                for split in ("train", "validation", "test")
            ],
        }
    ]
    outcomes, _ = reproduce(InProcess(JaxEngine()), documented_exercise(tmp_path, variants), repeats=3)
    assert [row.agreement for row in outcomes[0].rows] == [Agreement.AGREES] * 3
    validation, test = (curves_of(run) for run in runs("variant"))
    np.testing.assert_array_equal(validation["loss"], test["loss"], "one and the same training, measured twice")


# The command line


def test_names_with_commas_are_found_among_others():
    known = ["baseline", "units, 10", "units, 10, wide"]
    assert split_names("units, 10", known) == ("units, 10",)
    assert split_names("baseline,units, 10, wide , other", known) == ("baseline", "units, 10, wide", "other")
    assert split_names("", known) == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exercise=reuterz"], "reuters"),
        (["--exercise=reuters", "--variants=bottleneck 5"], "bottleneck 4"),
        (["--exercise=digits"], "documents nothing"),
        (["--exercise=celsius", "--repeats=0"], "1 or more"),
        (["--exercise=celsius", "--weights=/nowhere"], "does not exist"),
        (["--trials=3"], "there is no such parameter"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(arguments, said, capsys):
    assert run_command(["reproduce", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_figures_take_a_tolerance_a_goal_and_a_cause(tmp_path):
    entry = {"metric": "accuracy", "split": "test", "value": 0.99, "tolerance": 0.01, "goal": True, "cause": "because"}
    exercise = documented_exercise(tmp_path, [{"name": "v", "epochs": 2, "validation": "none", "figures": [entry]}])
    (read,) = exercise.documented[0].figures
    assert (read.tolerance, read.goal, read.cause) == (0.01, True, "because")
    with pytest.raises(ExerciseError, match="nobody"):
        documented_exercise(tmp_path, [{"name": "v", "epochs": 2, "explains": "nobody"}])
    wrong = {**entry, "tolerance": -1, "goal": "perhaps"}
    with pytest.raises(ExerciseError, match="tolerance") as caught:
        documented_exercise(tmp_path, [{"name": "v", "epochs": 2, "figures": [wrong], "repeats": 0}])
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "documented.1.repeats",
        "documented.1.figures.1.tolerance",
        "documented.1.figures.1.goal",
    ]
