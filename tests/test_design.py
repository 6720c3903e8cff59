"""The design: which comparisons with the baseline a sweep makes, in which order, and how its plan is told."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.small_sweep import (
    MadeExecutor,
    ScriptedTuner,
    runs,
    small_exercise,
    sweep,
    write_exercise,
)

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.errors import ExerciseError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.design import design_points, one_at_a_time, points
from pipelines.exercises.reader import available_exercises, load_exercise
from pipelines.exercises.spaces import Parameter, Space
from pipelines.sweep import loop as sweep_module
from pipelines.sweep.plan import duration_line
from pipelines.sweep.stopping import Stop
from pipelines.tracking.sweeps import SweepRecord, plain_text
from pipelines.tuners import make_tuner

pytestmark = pytest.mark.usefixtures("in_store")

BASELINE = Configuration(layers=(64, 64))
#: Two of its four points are in the space, one equals the documented variant, one is a setting that is no axis.
DESIGN = {"learning_rate": [0.03, 0.3, 3.0], "batch_size": [10, 20], "dropout": [0.2]}


def origins() -> list[str]:
    return [run.data.tags["atlas.origin"] for run in runs()]


# The values of an axis.


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Parameter("activation", "categorical", choices=("tanh", "relu")), ("tanh", "relu")),
        (Parameter("units", "int", 4, 4096, log=True), (4, 16, 64, 256, 1024, 4096)),
        (Parameter("units", "int", 4, 128, log=True), (4, 16, 64)),
        (Parameter("units", "int", 8, 100), (8, 16, 32, 64)),
        (Parameter("units_2", "int", 5, 7, log=True), (5, 6, 7)),
        (Parameter("batch_size", "int", 16, 256, log=True), (16, 32, 64, 128, 256)),
        (Parameter("depth", "int", 0, 4), (0, 1, 2, 3, 4)),
        (Parameter("depth", "int", 0, 16), (0, 4, 8, 12, 16)),
        (Parameter("learning_rate", "float", 1e-4, 0.1, log=True), (0.0001, 0.001, 0.01, 0.1)),
        (Parameter("learning_rate", "float", 1e-3, 0.1, log=True), (0.001, 0.003, 0.01, 0.03, 0.1)),
        (Parameter("learning_rate", "float", 0.01, 0.05, log=True), (0.01, 0.02, 0.05)),
        (Parameter("l2", "float", 1e-8, 1.0, log=True), (1e-8, 1e-6, 1e-4, 1e-2, 1.0)),
        (Parameter("dropout", "float", 0.0, 0.6), (0.0, 0.2, 0.4, 0.6)),
        (Parameter("decay_rate", "float", 0.4, 0.95), (0.4, 0.6, 0.8)),
        (Parameter("dropout", "float", 0.5, 0.5), (0.5,)),
    ],
)
def test_values_are_round_and_lie_on_the_scale(axis: Parameter, expected: tuple[object, ...]) -> None:
    assert points(axis) == pytest.approx(expected) if isinstance(expected[0], float) else points(axis) == expected


def test_a_value_next_to_the_baselines_own_is_left_out() -> None:
    space = Space(
        (Parameter("learning_rate", "float", 1e-4, 0.1, log=True), Parameter("units", "int", 4, 256, log=True))
    )
    beside = Configuration(layers=(60, 60), learning_rate=0.0012)
    assert one_at_a_time(space, beside) == {"learning_rate": (0.0001, 0.01, 0.1), "units": (4, 16, 256)}
    between = Configuration(layers=(32, 32), learning_rate=0.003)
    assert one_at_a_time(space, between) == {"learning_rate": (0.0001, 0.001, 0.01, 0.1), "units": (4, 16, 64, 256)}


# The configurations of a design.


def test_a_setting_alone_is_changed_and_widths_go_together() -> None:
    design = {
        "units": (16, 64), "units_2": (4,), "depth": (0, 1, 2, 3), "activation": ("tanh",), "train_fraction": (0.5,)
    }  # fmt: skip
    found = {point.origin: point.configuration for point in design_points(design, BASELINE)}
    assert found == {
        "design: units=16": replace(BASELINE, layers=(16, 16)),
        "design: units_2=4": replace(BASELINE, layers=(64, 4)),
        "design: depth=0": replace(BASELINE, layers=()),
        "design: depth=1": replace(BASELINE, layers=(64,)),
        "design: depth=3": replace(BASELINE, layers=(64, 64, 64)),
        "design: activation=tanh": replace(BASELINE, activation="tanh"),
        "design: train_fraction=0.5": replace(BASELINE, train_fraction=0.5),
    }


def test_further_layers_are_as_wide_as_the_last() -> None:
    (point,) = design_points({"depth": (3,)}, Configuration(layers=(200, 60)))
    assert point.configuration.layers == (200, 60, 60)


@pytest.mark.parametrize(("units", "width"), [((16, 64, 256), 64), ((8, 4096), 4096), ((), 64)])
def test_layers_of_a_baseline_without_any_have_the_middle_width(units: tuple[int, ...], width: int) -> None:
    found = design_points({"units": units, "depth": (0, 2)}, Configuration(layers=()))
    assert [point.configuration.layers for point in found] == [(width, width)]


@pytest.mark.parametrize(
    ("design", "baseline"),
    [
        ({"activation": ("tanh",), "dropout": (0.5,), "l2": (0.1,), "units": (4,)}, Configuration(layers=())),
        ({"units_3": (4,), "decay_rate": (0.5,), "fine_tune": (True,)}, BASELINE),
        ({"units": (64,), "layers": ("64-64",), "optimizer": ("adam",)}, BASELINE),
    ],
)
def test_what_has_no_effect_or_is_the_baselines_own_is_left_out(design: Any, baseline: Configuration) -> None:
    assert design_points(design, baseline) == ()


@pytest.mark.parametrize("name", available_exercises())
def test_every_shipped_exercise_compares_with_its_baseline(name: str) -> None:
    own = {"data": "table.csv", "target": "y", "task": "regression"} if name == "table" else {}
    exercise = load_exercise(name, **own)
    found = [point.configuration for point in exercise.design_points]
    hashes = [configuration.hash for configuration in found]
    assert 9 <= len(set(hashes)) == len(hashes) <= 30
    assert exercise.baseline.hash not in hashes
    # More rows would win every comparison.
    assert all(configuration.train_fraction <= exercise.baseline.train_fraction for configuration in found)
    assert load_exercise(name, design="none", **own).design_points == ()


# The file and the parameter.


def test_a_mapping_chooses_settings_and_values_and_the_parameter_whether(tmp_path: Path) -> None:
    path = write_exercise(tmp_path, design={"units": [2, 8], "dropout": [0.5]})
    assert load_exercise(path).design == {"units": (2, 8), "dropout": (0.5,)}
    assert load_exercise(path, design="one_at_a_time").design == load_exercise(path).design
    assert load_exercise(path, design="none").design == {}
    without = write_exercise(tmp_path, design="none")
    of_the_space = {"learning_rate": (0.001, 0.003, 0.01, 0.03, 0.3, 1.0), "batch_size": (10, 20)}
    assert set(load_exercise(without, design="one_at_a_time").design) == set(of_the_space)


def test_every_bad_value_is_told_once(tmp_path: Path) -> None:
    bad = {"units": [4, 0], "activation": ["tan"], "dropout": [0.5, 1], "learning_rate": 0.1, "unit": [3]}
    with pytest.raises(ExerciseError) as caught:
        small_exercise(tmp_path, design=bad)
    starts = sorted(problem.split(";")[0] for problem in caught.value.problems)
    assert starts == [
        "design.activation.1: 'tan' is not known (did you mean 'tanh'?)",
        "design.dropout.2: 1 is out of range",
        "design.learning_rate: 0.1 is not a list",
        "design.unit: there is no such key (did you mean 'units'?)",
        "design.units.2: 0 is too small",
    ]


@pytest.mark.parametrize("value", ["one_at_a_tim", [], {}, 3])
def test_what_is_no_design_is_told(value: object, tmp_path: Path) -> None:
    with pytest.raises(ExerciseError, match=r"design: .* is no design; allowed: one_at_a_time, none, or settings with"):
        small_exercise(tmp_path, design=value)
    with pytest.raises(ExerciseError, match=r"parameter design: 'all' is no design; allowed: one_at_a_time, none$"):
        load_exercise(write_exercise(tmp_path), design="all")


def test_a_design_that_varies_the_loss_needs_a_comparable_monitor(tmp_path: Path) -> None:
    with pytest.raises(ExerciseError, match="val_loss' is not comparable, since the loss varies"):
        small_exercise(tmp_path, design={"loss": ["mse"]})
    assert small_exercise(tmp_path, design={"loss": ["mse"]}, monitor="val_crossentropy").design


# The sweep.


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedTuner]:
    def make(*rates: float) -> ScriptedTuner:
        tuner = ScriptedTuner(rates)
        monkeypatch.setattr(sweep_module, "make_tuner", lambda *arguments, **settings: tuner)
        return tuner

    return make


def test_baseline_documented_design_then_the_tuner_that_knows_of_them(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    tuner, executor = scripted(0.3, 0.5, 0.6), MadeExecutor()
    outcome, printed = sweep(executor, small_exercise(tmp_path, design=DESIGN), trials=7)
    assert origins() == [
        "baseline",
        "documented: slow",
        *("design: learning_rate=0.3", "design: learning_rate=3", "design: batch_size=10", "design: dropout=0.2"),
        "tuner",
    ]
    # Dropout and a rate of 3 are not in the space; what the design has trained is answered without a training.
    assert tuner.added == [(0.1, pytest.approx(0.1)), (0.03, pytest.approx(0.03)), (0.3, pytest.approx(0.3)),
                           (0.1, pytest.approx(0.1))]  # fmt: skip
    assert tuner.told == [(0.3, pytest.approx(0.3)), (0.5, pytest.approx(0.5))]
    assert len(set(executor.hashes)) == outcome.trained == 7
    assert "Plan: 7 trials: the baseline, 1 documented variant, 4 with one setting changed and 1 chosen by" in printed
    assert "Settings changed: learning_rate (2), batch_size (1), dropout (1)." in printed
    assert "\n3/7  learning_rate=0.3  " in printed


@pytest.mark.parametrize("tuner", ["optuna:tpe", "optuna:random", "optuna:grid", "keras_tuner:hyperband"])
def test_an_empty_budget_is_all_that_is_given_and_ten_of_the_tuner(tuner: str, tmp_path: Path) -> None:
    outcome, printed = sweep(MadeExecutor(noise=0.01), small_exercise(tmp_path, design=DESIGN), tuner=tuner)
    own = 6 if tuner == "optuna:grid" else 10  # a grid of three rates and two sizes
    assert outcome.trained == 6 + own
    assert origins().count("tuner") == own
    assert "Plan: 16 trials: " in printed
    (parent,) = runs("sweep")
    assert (parent.data.params["sweep.trials"], parent.data.params["sweep.design"]) == ("16", "one_at_a_time")


def test_a_budget_that_is_too_small_cuts_the_end_of_the_design(tmp_path: Path) -> None:
    exercise = small_exercise(tmp_path, design=DESIGN)
    _, printed = sweep(MadeExecutor(), exercise, trials=4)
    assert origins() == ["baseline", "documented: slow", "design: learning_rate=0.3", "design: learning_rate=3"]
    assert "Plan: 4 trials: the baseline, 1 documented variant and 2 with one setting changed." in printed
    assert "2 more comparisons would not fit into 4 trials; leave trials empty to have all." in printed


def test_a_sweep_goes_on_with_the_design_and_without_it(tmp_path: Path) -> None:
    """The design is no part of the identity: what either start has trained is taken over by the other."""
    plain, designed = small_exercise(tmp_path), small_exercise(tmp_path, design=DESIGN)
    assert plain.digest == designed.digest
    first = MadeExecutor(noise=0.01)
    sweep(first, plain, trials=5)
    second = MadeExecutor(noise=0.01)
    outcome, printed = sweep(second, designed)
    assert outcome.resumed == 5
    # Three of the tuner's ten are there.
    assert outcome.trained == len(set(second.hashes) - set(first.hashes)) == 4 + 7
    assert "Plan: 16 trials: " in printed
    assert "by 5 earlier trials of this exercise." in printed
    assert "if each takes as long as the first" not in printed
    third, printed = sweep(MadeExecutor(), plain, trials=16)
    assert (third.trained, third.resumed) == (0, 16)
    assert "Plan" not in printed


def test_only_what_the_tuner_chose_is_pruned(tmp_path: Path) -> None:
    """The worst rate of all is the design's, and is trained to the end; the tuner's bad ones are not."""
    design = {"learning_rate": [0.001, 0.002, 0.003, 0.004, 0.005, 5.0]}
    sweep(MadeExecutor(noise=0.001), small_exercise(tmp_path, design=design), stop=Stop.PRUNE, tuner="optuna:random")
    trained = [(run.data.tags["atlas.origin"], run.data.metrics["epochs/trained"]) for run in runs()]
    assert ("design: learning_rate=5", 40) in trained
    assert {origin for origin, epochs in trained if epochs < 40} == {"tuner"}


def test_the_record_of_a_design_is_read_back(tmp_path: Path) -> None:
    exercise = small_exercise(tmp_path, design={**DESIGN, "fine_tune": [False], "activation": ["tanh"]})
    stored = json.loads(plain_text(SweepRecord(exercise=exercise).to_json()))
    assert SweepRecord.from_json(stored).exercise == exercise
    del stored["exercise"]["design"]
    assert SweepRecord.from_json(stored).exercise == replace(exercise, design={}), "as it was stored without designs"


# What tuners make of it.


def test_behind_a_design_tpe_models_from_its_first_suggestion_on() -> None:
    """Only a small rate is good: of ten random ones three are as small."""
    exercise = load_exercise("digits")
    small = []
    for seed in range(4):
        tuner = make_tuner("optuna:tpe", exercise.space, baseline=exercise.baseline, seed=seed)
        for configuration in (exercise.baseline, *(point.configuration for point in exercise.design_points)):
            if (values := exercise.space.values(configuration, exercise.baseline)) is not None:
                tuner.add(values, abs(configuration.learning_rate - 0.0003))
        for _ in range(3):
            suggestion = tuner.ask()
            assert suggestion is not None
            rate = float(suggestion.values["learning_rate"])
            small.append(rate < 0.001)
            tuner.tell(suggestion, abs(rate - 0.0003))
    assert sum(small) >= 10


def test_the_time_is_told_by_what_took_time() -> None:
    assert duration_line([2.0, 4.0], 41, earlier=True) == "About 2 min, by 2 earlier trials of this exercise."
    assert duration_line([100.0], 41, earlier=False).startswith("About 1 h 8 min for the other 41 trials, if each")
