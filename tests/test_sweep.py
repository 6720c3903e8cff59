"""The sweep: what it trains, in which order, what it records, and how it goes on after an interruption."""

import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.support.small_sweep import (
    MadeExecutor,
    ScriptedTuner,
    curves_file,
    curves_of,
    hashes_of,
    runs,
    small_exercise,
    statuses,
    sweep,
)

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.sweep import loop as sweep_module
from pipelines.exercises.configurations import Configuration
from pipelines.overfitting.statistics import smooth
from pipelines.sweep.display import SweepDisplay
from pipelines.errors import TrackingError, UserError
from pipelines.executors import InProcess, Job
from pipelines.commands.cli import Interrupted
from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.sweep.description import SweepSettings, sweep_identity
from pipelines.sweep.stopping import Stop
from pipelines.tracking.reading import read_sweep
from pipelines.tracking.trials import FAILED, FINISHED, Trial
from pipelines.training.plan import OnChunk, OutOfMemoryError, Progress, Training

pytestmark = pytest.mark.usefixtures("in_store")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedTuner]:
    """Makes a scripted tuner that the sweep takes in place of any other."""

    def make(*rates: float, epochs: int | None = None) -> ScriptedTuner:
        tuner = ScriptedTuner(rates, epochs)
        monkeypatch.setattr(sweep_module, "make_tuner", lambda *arguments, **settings: tuner)
        return tuner

    return make


def rates_of(executor: MadeExecutor) -> list[float]:
    return [job.configuration.learning_rate for job in executor.jobs]


# A sweep from end to end.


@pytest.mark.parametrize("tuner", ["optuna:tpe", "keras_tuner:random", "keras_tuner:hyperband"])
def test_a_sweep_trains_as_many_configurations_as_it_may_and_none_twice(tuner: str, tmp_path: Path) -> None:
    exercise, executor = small_exercise(tmp_path), MadeExecutor(noise=0.01)
    outcome, printed = sweep(executor, exercise, trials=5, tuner=tuner)
    assert (outcome.trained, outcome.resumed, outcome.failed) == (5, 0, 0)
    assert len(set(executor.hashes)) == 5
    assert {job.epochs for job in executor.jobs} == {40}
    assert {len(job.splits) for job in executor.jobs} == {3}
    assert executor.jobs[0].configuration == exercise.baseline
    assert executor.jobs[1].configuration == exercise.documented[0].configuration
    trials = runs()
    assert hashes_of(trials) == executor.hashes
    assert [run.data.tags["atlas.origin"] for run in trials] == ["baseline", "documented: slow", *["tuner"] * 3]
    assert statuses() == ["FINISHED"] * 5
    assert statuses("sweep") == ["FINISHED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {outcome.run.run_id}
    (parent,) = runs("sweep")
    found = parent.data.metrics
    assert found["sweep/trials"] == 5
    assert found["sweep/best_value"] == min(run.data.metrics["best/value"] for run in trials)
    verdicts = Counter(run.data.tags["atlas.verdict"].replace(" ", "_") for run in trials)
    assert {name: found[f"sweep/{name}"] for name in verdicts} == verdicts
    assert sum(found[f"sweep/{name}"] for name in ("overfits", "still_improving", "plateau", "diverged", "failed")) == 5
    assert printed.count("\n") == 9, "data, how they were read, plan, the first trial, the time of the others, 4 trials"
    assert f"60 samples, 3 folds x 1 repeat = 3 fits a trial, 40 epochs, {tuner}, jax" in printed
    assert "Plan: 5 trials: the baseline, 1 documented variant and 3 chosen by the tuner." in printed


def test_a_trial_is_recorded_with_its_curves_and_its_overfitting_point(tmp_path: Path) -> None:
    executor = MadeExecutor(noise=0.01)
    sweep(executor, small_exercise(tmp_path), trials=1)
    (trial,) = runs()
    expected = executor.curves(executor.jobs[0])
    for name, curve in curves_of(trial).items():
        np.testing.assert_array_equal(curve, expected[name])
    metrics = trial.data.metrics
    assert 8 <= metrics["best/epoch"] <= 12
    assert metrics["best/epoch_low"] <= metrics["best/epoch"] <= metrics["best/epoch_high"]
    assert metrics["onset/epoch"] > metrics["best/epoch"]
    assert metrics["epochs/trained"] == 40
    assert metrics["val_loss/mean"] == pytest.approx(expected["val_loss"][:, -1].mean())
    assert metrics["model/parameters"] == 17
    assert trial.data.tags["atlas.verdict"] == "overfits"
    assert trial.data.params["learning_rate"] == "0.1"
    (parent,) = runs("sweep")
    assert parent.data.params["sweep.trials"] == "1"


def test_what_guessing_comes_to_is_recorded_and_who_does_no_better_is_told(tmp_path: Path) -> None:
    """The table has two classes of about equal size: guessing has a cross-entropy of .7."""
    executor = MadeExecutor(floor=lambda configuration: 0.3 if configuration.learning_rate == 0.1 else 0.8)
    outcome, printed = sweep(executor, small_exercise(tmp_path), trials=2)
    assert re.findall("no better than guessing", printed) == ["no better than guessing"]
    line = next(line for line in printed.splitlines() if "no better than guessing" in line)
    assert "lr=0.03" in line
    guessing = read_sweep(outcome.run.run_id, uri=os.environ["MLFLOW_TRACKING_URI"]).record.guessing
    assert set(guessing) == {"val_loss", "val_crossentropy", "val_accuracy", "val_balanced_accuracy"}
    assert guessing["val_loss"] == pytest.approx([np.log(2)] * 3, abs=0.03)
    assert guessing["val_balanced_accuracy"] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("tuner", ["optuna:grid", "keras_tuner:grid", "optuna:tpe"])
def test_a_space_that_is_exhausted_ends_the_sweep(tuner: str, tmp_path: Path) -> None:
    """Two rates and two sizes; the baseline is one of these, the documented variant is not."""
    space = {"learning_rate": [0.1, 0.2], "batch_size": [10, 20]}
    executor = MadeExecutor()
    outcome, printed = sweep(executor, small_exercise(tmp_path, space=space), trials=50, tuner=tuner)
    assert outcome.trained == 5
    assert len(set(executor.hashes)) == 5
    assert "The search space is exhausted" in printed


def test_documented_variants_can_be_left_out_and_equal_ones_are_trained_once(tmp_path: Path) -> None:
    same = {"name": "as the baseline", "epochs": 40, "configuration": {"learning_rate": 0.1}}
    exercise = small_exercise(tmp_path, documented=[same, {"name": "again", "epochs": 40}])
    executor = MadeExecutor()
    sweep(executor, exercise, trials=2)
    assert [run.data.tags["atlas.origin"] for run in runs()] == ["baseline", "tuner"]
    without = MadeExecutor()
    sweep(without, small_exercise(tmp_path), trials=2, documented=False, resume=False)
    assert [run.data.tags["atlas.origin"] for run in runs()[2:]] == ["baseline", "tuner"]


def test_a_budget_smaller_than_the_documented_variants_is_kept(tmp_path: Path) -> None:
    executor = MadeExecutor()
    outcome, _ = sweep(executor, small_exercise(tmp_path), trials=1)
    assert outcome.trained == len(executor.jobs) == 1


# What the tuner is told.


def test_the_objective_is_the_value_at_the_best_epoch(tmp_path: Path, scripted: Callable[..., ScriptedTuner]) -> None:
    """Of curves that end far above their lowest value."""
    tuner, executor = scripted(0.5), MadeExecutor()
    sweep(executor, small_exercise(tmp_path, documented=[]), trials=2)
    last = executor.curves(executor.jobs[1])["val_loss"].mean(axis=0)[-1]
    assert last > 2
    assert tuner.told == [(0.5, pytest.approx(0.5, abs=1e-5))]
    # The baseline, which the tuner did not ask for, is told as well.
    assert tuner.added == [(0.1, pytest.approx(0.1, abs=1e-5))]
    assert runs()[1].data.metrics["best/value"] == pytest.approx(0.5, abs=1e-5)


def test_the_objective_is_the_measured_value_where_the_smoothed_curve_is_lowest(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    """A single lucky epoch must not win."""
    tuner, executor = scripted(0.5), MadeExecutor(noise=0.3)
    sweep(executor, small_exercise(tmp_path, documented=[]), trials=2)
    mean = executor.curves(executor.jobs[1])["val_loss"].astype(np.float64).mean(axis=0)
    expected = mean[smooth(mean).argmin()]
    assert tuner.told == [(0.5, pytest.approx(expected))]
    assert runs()[1].data.metrics["best/value"] == pytest.approx(expected)


def test_a_configuration_that_is_known_is_answered_from_the_record(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    tuner, executor = scripted(0.1, 0.5, 0.5, 0.7), MadeExecutor()
    sweep(executor, small_exercise(tmp_path, documented=[]), trials=3)
    assert rates_of(executor) == [0.1, 0.5, 0.7]
    assert tuner.told == [(rate, pytest.approx(rate, abs=1e-5)) for rate in (0.1, 0.5, 0.5, 0.7)]


def test_a_tuner_that_asks_for_fewer_epochs_is_told_the_best_within_them(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    """Hyperband does; the whole curve is trained all the same."""
    tuner, executor = scripted(0.5, epochs=4), MadeExecutor()
    sweep(executor, small_exercise(tmp_path, documented=[]), trials=2)
    assert {job.epochs for job in executor.jobs} == {40}
    fourth = executor.curves(executor.jobs[1])["val_loss"].mean(axis=0)[3]
    assert tuner.told == [(0.5, pytest.approx(fourth))]


def test_a_tuner_that_only_repeats_itself_ends_the_sweep(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    scripted(*[0.5] * 2000)
    executor = MadeExecutor()
    outcome, printed = sweep(executor, small_exercise(tmp_path, documented=[]), trials=3)
    assert outcome.trained == 2
    assert "exhausted" in printed


def test_a_tuner_may_repeat_all_that_is_known_before_it_names_something_new(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    """A Hyperband that is taken up goes through its rungs again."""
    scripted(*[0.5] * 205, 0.7)
    executor = MadeExecutor()
    outcome, _ = sweep(executor, small_exercise(tmp_path, documented=[]), trials=3)
    assert outcome.trained == 3


# Failing trials.


def test_a_trial_that_fails_is_recorded_and_the_sweep_goes_on(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    errors = {2: OutOfMemoryError("One fit is too large."), 3: RuntimeError("boom\nand more")}
    tuner = scripted(0.2, 0.3, 0.4)
    executor = MadeExecutor(error=lambda number, configuration: errors.get(number))
    outcome, printed = sweep(executor, small_exercise(tmp_path, documented=[]), trials=4)
    assert (outcome.trained, outcome.failed) == (4, 2)
    assert statuses() == ["FINISHED", "FAILED", "FAILED", "FINISHED"]
    assert [run.data.tags.get("atlas.reason") for run in runs()] == [
        None,
        "One fit is too large.",
        "RuntimeError: boom\nand more",
        None,
    ]
    assert statuses("sweep") == ["FINISHED"]
    assert tuner.told == [(0.2, None), (0.3, None), (0.4, pytest.approx(0.4, abs=1e-5))]
    # A line a trial, whatever an exception has to say.
    assert "failed: RuntimeError: boom  " in printed
    assert "and more" not in printed


def test_errors_that_nobody_foresaw_end_the_sweep_when_they_do_not_stop(tmp_path: Path) -> None:
    executor = MadeExecutor(
        error=lambda number, configuration: RuntimeError(f"number {number}") if number > 1 else None
    )
    with pytest.raises(RuntimeError, match="number 4"):
        sweep(executor, small_exercise(tmp_path), trials=9)
    assert statuses() == ["FINISHED", "FAILED", "FAILED", "FAILED"]
    assert [run.info.status for run in runs("sweep")] == ["FAILED"]
    assert runs("sweep")[0].data.tags["atlas.reason"] == "RuntimeError: number 4"


def test_errors_between_which_a_trial_succeeds_do_not_end_the_sweep(tmp_path: Path) -> None:
    executor = MadeExecutor(error=lambda number, configuration: RuntimeError("now and then") if number % 3 else None)
    outcome, _ = sweep(executor, small_exercise(tmp_path), trials=7)
    assert (outcome.trained, outcome.failed) == (7, 5)


def test_a_sweep_without_any_result_is_a_mistake(tmp_path: Path) -> None:
    executor = MadeExecutor(error=lambda number, configuration: OutOfMemoryError("Too large."))
    with pytest.raises(UserError, match="None of the 4 trials has a result"):
        sweep(executor, small_exercise(tmp_path), trials=4)
    assert statuses() == ["FAILED"] * 4
    assert statuses("sweep") == ["FAILED"]


def test_a_diverged_trial_has_failed_and_is_not_trained_again(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    """Rates above 0.9 have one fit without values from the sixth epoch on."""

    class Diverging(MadeExecutor):
        def curves(self, job: Job) -> dict[str, Any]:
            curves = super().curves(job)
            if job.configuration.learning_rate > 0.9:
                for curve in curves.values():
                    curve[1, 5:] = np.nan
            return curves

    exercise = small_exercise(tmp_path, documented=[])
    tuner, executor = scripted(1.0, 0.3), Diverging()
    outcome, printed = sweep(executor, exercise, trials=3)
    assert (outcome.trained, outcome.failed) == (3, 1)
    assert statuses() == ["FINISHED", "FAILED", "FINISHED"]
    assert runs()[1].data.tags["atlas.verdict"] == "diverged"
    assert runs()[1].data.tags["atlas.reason"] == "1 of 3 fits diverged, the first at epoch 6."
    assert tuner.told[0] == (1.0, None)
    assert "failed: 1 of 3 fits diverged" in printed
    again = Diverging()
    tuner = scripted(1.0, 0.3, 0.4)
    sweep(again, exercise, trials=4)
    assert rates_of(again) == [0.4]
    assert (1.0, None) in tuner.added


# Stopping early.


def test_a_trial_that_surely_overfits_may_stop(tmp_path: Path) -> None:
    exercise = small_exercise(tmp_path)
    outcome, _ = sweep(MadeExecutor(noise=0.01), exercise, trials=1, stop=Stop.OVERFIT)
    (trial,) = runs()
    trained = int(trial.data.metrics["epochs/trained"])
    assert 10 < trained < 40
    assert trial.info.status == "FINISHED"
    onset = int(trial.data.metrics["onset/epoch"])
    assert trial.data.tags["atlas.reason"] == f"stopped at epoch {trained}: over-fits since epoch {onset}"
    curve = curves_of(trial)["val_loss"]
    assert np.isfinite(curve[:, :trained]).all()
    assert np.isnan(curve[:, trained:]).all()
    # Another rule is another sweep: nothing is taken over, and the curves are whole.
    outcome, _ = sweep(MadeExecutor(noise=0.01), exercise, trials=1)
    assert outcome.resumed == 0
    assert runs()[1].data.metrics["epochs/trained"] == 40


def test_a_trial_worse_than_the_median_may_be_pruned(tmp_path: Path, scripted: Callable[..., ScriptedTuner]) -> None:
    tuner = scripted(0.2, 0.3, 0.4, 0.5, 0.9, 0.05)
    executor = MadeExecutor(best=30)
    outcome, _ = sweep(executor, small_exercise(tmp_path, documented=[]), trials=7, stop=Stop.PRUNE)
    reasons = [run.data.tags.get("atlas.reason", "") for run in runs()]
    assert [bool(reason) for reason in reasons] == [False] * 5 + [True, False]
    assert reasons[5] == "stopped at epoch 10: pruned, worse than the median of the others"
    assert runs()[5].info.status == "FINISHED"
    assert outcome.failed == 0
    rate, value = tuner.told[4]
    assert rate == 0.9
    assert value == pytest.approx(executor.curves(executor.jobs[5])["val_loss"].mean(axis=0)[9], rel=0.1)


def test_a_rule_waits_until_all_fits_are_in_work(tmp_path: Path) -> None:
    """Fits that train in two groups: in the first, the mean over all fits does not exist yet."""

    class InGroups(MadeExecutor):
        def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
            self.jobs.append(job)
            curves = self.curves(job)
            shown = {name: np.full_like(curve, np.nan) for name, curve in curves.items()}
            for done, rows in ((0, [0, 1]), (2, [2])):
                for end in range(2, job.epochs + 1, 2):
                    for name, curve in curves.items():
                        shown[name][rows, :end] = curve[rows, :end]
                    assert on_chunk is not None
                    assert not on_chunk(Progress(end, done, 3, shown))
            return Training(shown, None, 0.1, 0.0, 2, 17)

    sweep(InGroups(noise=0.01), small_exercise(tmp_path), trials=1, stop=Stop.OVERFIT)
    assert runs()[0].data.metrics["epochs/trained"] == 40


# Interruptions.


def interrupted_in_trial(number: int) -> MadeExecutor:
    return MadeExecutor(error=lambda now, configuration: Interrupted(signal.SIGTERM) if now == number else None)


def test_an_interrupted_sweep_keeps_what_is_finished_and_goes_on_with_the_rest(tmp_path: Path) -> None:
    exercise = small_exercise(tmp_path)
    first = interrupted_in_trial(3)
    with pytest.raises(Interrupted) as interruption:
        sweep(first, exercise, trials=5)
    assert interruption.value.exit_code == 143
    assert statuses() == ["FINISHED", "FINISHED", "KILLED"]
    assert statuses("sweep") == ["KILLED"]
    assert "SIGTERM" in runs("sweep")[0].data.tags["atlas.reason"]

    second = MadeExecutor()
    outcome, printed = sweep(second, exercise, trials=5)
    assert (outcome.trained, outcome.resumed) == (3, 2)
    assert "2 trials were finished by an earlier start and not trained again." in printed
    assert set(second.hashes).isdisjoint(first.hashes[:2])
    assert statuses("sweep") == ["KILLED", "FINISHED"]
    finished = [run for run in runs() if run.info.status == "FINISHED"]
    assert len(set(hashes_of(finished))) == len(finished) == 5
    assert {run.data.tags["mlflow.parentRunId"] for run in finished} == {outcome.run.run_id}
    # The trials of both starts are numbered on.
    assert printed.splitlines()[5].startswith("3/5  ")


def test_a_sweep_that_goes_on_tells_the_tuner_what_is_known(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    exercise = small_exercise(tmp_path, documented=[])
    scripted(0.2, 0.3)
    with pytest.raises(Interrupted):
        sweep(interrupted_in_trial(3), exercise, trials=3)
    tuner, executor = scripted(0.2, 0.3), MadeExecutor()
    sweep(executor, exercise, trials=3)
    assert tuner.added == [(0.1, pytest.approx(0.1, abs=1e-5)), (0.2, pytest.approx(0.2, abs=1e-5))]
    assert rates_of(executor) == [0.3]


def test_a_larger_budget_continues_and_a_smaller_one_trains_nothing(tmp_path: Path) -> None:
    exercise = small_exercise(tmp_path)
    sweep(MadeExecutor(), exercise, trials=3)
    more = MadeExecutor()
    outcome, _ = sweep(more, exercise, trials=5)
    assert (outcome.trained, outcome.resumed) == (2, 3)
    fewer = MadeExecutor()
    outcome, _ = sweep(fewer, exercise, trials=2)
    assert fewer.jobs == []
    assert (outcome.trained, outcome.resumed) == (0, 5)
    assert statuses("sweep") == ["FINISHED"] * 3


def test_without_resuming_all_is_trained_again(tmp_path: Path) -> None:
    exercise, first, second = small_exercise(tmp_path), MadeExecutor(), MadeExecutor()
    sweep(first, exercise, trials=3)
    outcome, _ = sweep(second, exercise, trials=3, resume=False)
    assert (outcome.trained, outcome.resumed) == (3, 0)
    assert second.hashes == first.hashes


def test_trials_that_failed_are_tried_again(tmp_path: Path) -> None:
    exercise = small_exercise(tmp_path)
    sweep(
        MadeExecutor(error=lambda number, _: OutOfMemoryError("Too large.") if number == 2 else None),
        exercise,
        trials=2,
    )
    again = MadeExecutor()
    outcome, _ = sweep(again, exercise, trials=2)
    assert (outcome.trained, outcome.resumed) == (1, 1)
    assert statuses() == ["FINISHED", "FAILED", "FINISHED"]


def test_curves_that_are_gone_are_told_with_what_helps(tmp_path: Path) -> None:
    exercise = small_exercise(tmp_path)
    sweep(MadeExecutor(), exercise, trials=1)
    curves_file(runs()[0]).unlink()
    with pytest.raises(TrackingError, match=r"Reading a trial's curves .* With resume=false the sweep starts afresh"):
        sweep(MadeExecutor(), exercise, trials=2)
    assert statuses("sweep") == ["FINISHED", "FAILED"]
    outcome, _ = sweep(MadeExecutor(), exercise, trials=1, resume=False)
    assert outcome.trained == 1


def test_what_makes_trials_interchangeable_is_the_identity_of_a_sweep(tmp_path: Path) -> None:
    from pipelines.datasets import load_dataset

    exercise = small_exercise(tmp_path)
    data = load_dataset(exercise.dataset, exercise.task)
    settings = SweepSettings(exercise)
    same = [
        replace(settings, trials=99),
        replace(settings, documented=False),
        replace(settings, resume=False),
        replace(settings, exercise=replace(exercise, title="Another title", documented=())),
    ]
    others = [
        replace(settings, seed=2),
        replace(settings, tuner="optuna:random"),
        replace(settings, backend="tensorflow"),
        replace(settings, stop=Stop.PRUNE),
        replace(settings, exercise=replace(exercise, folds=4)),
        replace(settings, exercise=replace(exercise, epochs=41)),
        replace(settings, exercise=replace(exercise, baseline=replace(exercise.baseline, dropout=0.1))),
    ]
    identity = sweep_identity(settings, data)
    assert {sweep_identity(each, data) for each in same} == {identity}
    identities = {sweep_identity(each, data) for each in others} | {sweep_identity(settings, replace(data, sha256="1"))}
    assert len(identities) == len(others) + 1
    assert identity not in identities


# Mistakes that are found before anything is trained leave no run behind.


@pytest.mark.parametrize(
    ("changes", "settings", "sentence"),
    [
        ({"folds": 61}, {}, "There are 60 samples for 61 folds; allowed: 2 to 60"),
        ({"folds": 50}, {}, "fewer than the 50 folds"),
        ({"dataset": {"source": "file", "path": "table.csv", "target": "z"}}, {}, "no column 'z'"),
        ({}, {"tuner": "optuna:best"}, "tuner 'optuna:best' is not known"),
    ],
)
def test_a_mistake_is_found_before_there_is_a_run(
    changes: dict[str, Any], settings: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=sentence):
        sweep(MadeExecutor(), small_exercise(tmp_path, **changes), **settings)
    assert runs("sweep") == []


# Real training.


def test_equal_seeds_give_equal_curves_to_the_last_bit(tmp_path: Path) -> None:
    from pipelines.training.jax.engine import JaxEngine

    exercise = small_exercise(tmp_path, epochs=4)
    engine = JaxEngine()
    for seed in (1, 1, 2):
        sweep(InProcess(engine), exercise, trials=2, seed=seed, resume=False)
    found = runs()
    first, second, other = found[:2], found[2:4], found[4:]
    for a, b in zip(first, second, strict=True):
        expected = curves_of(b)
        for name, curve in curves_of(a).items():
            np.testing.assert_array_equal(curve, expected[name])
    assert (curves_of(first[0])["loss"] != curves_of(other[0])["loss"]).all()


def test_a_learning_rate_that_is_too_high_diverges_and_one_that_is_not_learns(
    tmp_path: Path, scripted: Callable[..., ScriptedTuner]
) -> None:
    from pipelines.training.jax.engine import JaxEngine

    generator = np.random.default_rng(1)
    scripted(100.0)
    path = tmp_path / "line.csv"
    path.write_text("x,y\n" + "".join(f"{x:.4f},{3 * x + 1:.4f}\n" for x in generator.normal(size=40)))
    exercise = small_exercise(
        tmp_path,
        dataset={"source": "file", "path": "line.csv", "target": "y"},
        task="regression",
        epochs=10,
        space={"learning_rate": {"low": 0.01, "high": 100.0, "log": True}, "batch_size": [10, 20]},
        documented=[],
    )
    outcome, _ = sweep(InProcess(JaxEngine()), exercise, trials=2)
    assert outcome.failed == 1
    good, bad = runs()
    assert good.data.metrics["final/value"] < curves_of(good)["val_loss"].mean(axis=0)[0] / 2
    assert bad.info.status == "FAILED"
    assert bad.data.tags["atlas.verdict"] == "diverged"
    assert "3 of 3 fits diverged" in bad.data.tags["atlas.reason"]


# What is shown.


POINT = OverfittingPoint(
    verdict=Verdict.OVERFITS,
    best_epoch=12,
    best_epoch_low=10,
    best_epoch_high=15,
    censored=False,
    onset=30,
    one_se_epoch=9,
    best_value=0.25,
    sd_folds=0.01,
    sd_seeds=None,
    final_value=0.3,
    gap_best=0.1,
    gap_final=0.2,
    severity=0.3,
    epochs=60,
    fits=3,
    folds=3,
    repeats=1,
)
SHORT = Configuration()
LONG = Configuration((512,) * 8, "leaky_relu", "crossentropy", "rmsprop", 0.00123, 16, "standardise", "batch", 0.1, 0.1)


def shown(console: Console, *, trials: int = 12, finished: int = 0) -> None:
    with SweepDisplay(console, trials, finished, "val_crossentropy") as display:
        for configuration, point, failure in (
            (SHORT, POINT, ""),
            (LONG, replace(POINT, onset=None, best_epoch=58, best_epoch_low=None, best_epoch_high=None), ""),
            (LONG, None, "RuntimeError: boom\nand a page more"),
        ):
            bar = display.begin(configuration, 3, 60)
            bar.advance(Progress(30, 0, 3, {}), 3)
            status = FAILED if failure else FINISHED
            display.end(
                bar, Trial(configuration=configuration, point=point, seconds=1.25, status=status, reason=failure)
            )


@pytest.mark.parametrize("width", [100, 120, 140])
def test_a_log_file_has_an_aligned_line_a_trial_that_fits_its_width(width: int, capsys: Any) -> None:
    shown(Console(width=width, highlight=False), finished=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:7] for line in lines] == [" 3/12  ", " 4/12  ", " 5/12  "]
    assert max(map(len, lines)) <= width + 10  # with the time that is left
    assert len({line.index(word) for line, word in zip(lines, ("val_", "val_", "failed"), strict=True)}) == 1
    assert "64-64 relu adam" in lines[0]
    assert "val_crossentropy 0.2500  at epoch    12 [10, 15]  overfits  1.2 s" in lines[0]
    assert "…" in lines[1]
    assert "at epoch >= 60" in lines[1]
    assert lines[2].endswith("left")
    assert "failed: RuntimeError: boom  1.2 s" in lines[2]


def test_a_terminal_shows_bars_however_long_the_names(capsys: Any) -> None:
    console = Console(width=80, highlight=False, force_terminal=True, color_system=None, legacy_windows=False)
    with SweepDisplay(console, 12, 0, "val_crossentropy") as display:
        display.seen(LONG.label, 0.25)
        bar = display.begin(LONG, 3, 60)
        display._progress.refresh()  # as its clock does ten times a second
        bar.advance(Progress(9, 0, 3, {}), 3)
        display._progress.refresh()
        display.end(bar, Trial(configuration=SHORT, point=POINT, seconds=1.25))
    lines = re.split(r"[\r\n]|\x1b\[[0-9;?]*[A-Za-z]", capsys.readouterr().out)
    bars = [line for line in lines if line.startswith(("sweep ", "trial "))]
    assert {len(line) for line in bars} == {80}
    assert any(" 0/60 epochs" in line and "compiling, 512-512" in line for line in bars)
    assert any("━" in line and " 9/60 epochs" in line and " 512-512-512" in line for line in bars)
    assert any("0/12 trials" in line and "best val_crossentropy" in line for line in bars)
    assert "1/12 trials" in bars[-1]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_terminal_shows_every_name_and_verdict_whole(width: int, capsys: Any) -> None:
    shown(Console(width=width, highlight=False, force_terminal=True, color_system=None), finished=2)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out.replace("\r", "\n"))
    lines = [line.rstrip() for line in plain.splitlines() if not line.startswith(("sweep ", "trial "))]
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert text.count(LONG.label) == 2
    assert f"3/12 {SHORT.label}" in text
    assert "0.2500 at epoch 12 [10, 15] overfits" in text
    assert "at epoch >= 60" in text
    assert "failed: RuntimeError: boom" in text


def test_nothing_is_left_when_all_is_done(capsys: Any) -> None:
    shown(Console(width=140, highlight=False), trials=3)
    lines = capsys.readouterr().out.splitlines()
    assert "left" in lines[1]
    assert "left" not in lines[2]
