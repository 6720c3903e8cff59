"""Replayed stopping rules: Keras' callback driven by hand beside ours, Prechelt's criteria on curves made by hand."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipelines.overfitting.point import analyse
from pipelines.tracking.trials import Trial
from reports.analysis.stopping import (
    KERAS,
    TOLERANCE,
    generalisation_loss,
    keras_early_stopping,
    progress_quotient,
    replay_rules,
    standard_rules,
    successive_rises,
)
from reports.formatting import number
from reports.report import make_report
from reports.tables.advice import recommend, replay_notes
from tests.support.curves import Noise, make_curves
from tests.support.made_reports import made_report

# Keras' own callback


class FakeModel:
    """What the callback needs of a model: its weights are the epoch they were trained to."""

    def __init__(self) -> None:
        self.stop_training = False
        self.weights = 0

    def get_weights(self) -> int:
        return self.weights

    def set_weights(self, weights: int) -> None:
        self.weights = weights


def by_keras(curve, **options) -> tuple[int, int]:
    """Epoch at which the real callback stops, and the epoch whose weights it leaves."""
    import keras

    model, callback = FakeModel(), keras.callbacks.EarlyStopping(**options)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(curve):
        model.weights = epoch + 1
        callback.on_epoch_end(epoch, {"val_loss": float(value)})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch + 1, model.weights


@pytest.mark.parametrize("restores", [False, True])
@pytest.mark.parametrize(
    ("patience", "min_delta", "start_from_epoch"),
    [
        (0, 0, 0),
        (1, 0, 0),
        (3, 0, 0),
        (8, 0, 0),
        (40, 0, 0),
        (2, 0.1, 0),
        (4, 0.1, 0),
        (2, 0, 5),
        (3, 0.1, 29),
        (1, 0, 30),
    ],
)
def test_keras_early_stopping_is_that_of_keras(patience, min_delta, start_from_epoch, restores) -> None:
    generator = np.random.default_rng(patience)
    curves = generator.normal(size=(6, 30)) + np.linspace(3, 0, 30) * generator.normal(size=(6, 1))
    # Steps of a tenth make ties, and sums with min_delta that differ in the last digit between the precisions.
    curves = np.concatenate([curves, np.round(curves, 1)]).astype(np.float32)
    ours = keras_early_stopping(
        curves.astype(float), patience, restores=restores, min_delta=min_delta, start_from_epoch=start_from_epoch
    )
    theirs = [
        by_keras(
            curve,
            patience=patience,
            restore_best_weights=restores,
            min_delta=min_delta,
            start_from_epoch=start_from_epoch,
        )
        for curve in curves
    ]
    assert list(zip(ours.stopped, ours.kept, strict=True)) == theirs


def test_code_of_every_rule_makes_the_callback_that_was_replayed() -> None:
    import keras

    curve = np.float32([5, 4, 4.5, 3.9995, 3.2, 3.3, 3.4, 3.1, *np.linspace(3.2, 5, 32)])
    for rule in standard_rules():
        if rule.family != KERAS:
            assert rule.arguments == ""
            continue
        group = _group(curve[None])
        stops = rule.replay(group)
        options = eval(f"dict({rule.arguments})")
        assert by_keras(curve, **options) == (stops.stopped[0], stops.kept[0]), rule.name
        assert rule.restores == keras.callbacks.EarlyStopping(**options).restore_best_weights


def test_a_rule_that_never_fires_trains_to_the_end() -> None:
    falling = np.linspace(2, 1, 20)[None]
    for stops in (
        keras_early_stopping(falling, 1, restores=True),
        generalisation_loss(falling, 1),
        progress_quotient(falling, falling, 0.5),
        successive_rises(falling, 2),
    ):
        assert (stops.stopped[0], stops.kept[0]) == (20, 20)


# Prechelt's criteria


def test_generalisation_loss() -> None:
    # 3 % above the lowest, 100, at epoch 5; exactly 2 % at epoch 4 is not yet above 2.
    curve = np.array([[150.0, 125, 100, 102, 103, 110, 50]])
    stops = generalisation_loss(curve, 2)
    assert (stops.stopped[0], stops.kept[0]) == (5, 3)
    assert generalisation_loss(curve, 5).stopped[0] == 6
    assert generalisation_loss(curve, 10.5).kept[0] == 7


def test_progress_quotient() -> None:
    # Strip 1: no rise. Strip 2 ends 4 % above the lowest; its training values 1.1 and four 1.0 are a progress of
    # 1000 * (1.02 / 1.0 - 1) = 20, a quotient of .2. Strip 3 ends 10 % above; a progress of 10, a quotient of 1.
    validation = np.array([[2, 1.8, 1.6, 1.4, 1.2, 1.0, 1.1, 1.2, 1.3, 1.04, 1.0, 1.5, 1.5, 1.5, 1.1]])
    training = np.array([[3, 2.5, 2, 1.5, 1.2, 1.1, 1, 1, 1, 1, 1.05, 1, 1, 1, 1]])
    assert [progress_quotient(validation, training, alpha).stopped[0] for alpha in (0.19, 0.21, 0.99)] == [10, 15, 15]
    assert progress_quotient(validation, training, 1.01).kept[0] == 6
    stops = progress_quotient(validation, training, 0.21)
    assert stops.kept[0] == 6


def test_progress_quotient_without_progress_fires_on_any_rise() -> None:
    validation = np.array([[1.0, 1, 1, 1, 1, 1, 1, 1, 1, 1.001, 1, 1, 1, 1, 1]])
    assert progress_quotient(validation, np.ones((1, 15)), 2).stopped[0] == 10
    assert progress_quotient(validation, np.zeros((1, 15)), 2).stopped[0] == 15


def test_successive_rises() -> None:
    # Ends of strips: epochs 5, 10, 15, 20, 25, 30; what lies between does not count.
    ends = [1.0, 1.1, 1.05, 1.2, 1.3, 1.4]
    curve = np.full((1, 32), 5.0)
    curve[0, 4::5] = ends
    curve[0, 7] = 0.9
    assert [successive_rises(curve, strips).stopped[0] for strips in (1, 2, 3, 4)] == [10, 25, 30, 32]
    assert successive_rises(curve, 2).kept[0] == 8


@pytest.mark.parametrize("epochs", [1, 2, 4, 5, 9])
def test_short_curves(epochs) -> None:
    validation, training = make_curves("overfits", epochs=20)
    group = _group(validation[:, :epochs], training[:, :epochs])
    for rule in standard_rules():
        stops = rule.replay(group)
        assert ((stops.kept >= 1) & (stops.kept <= stops.stopped) & (stops.stopped <= epochs)).all(), rule.name


# Replaying a sweep


def test_costs_and_savings_by_hand() -> None:
    # Fit 1: lowest 2 at epoch 2; patience 2 stops at 4, where it is 3: +50 %. Fit 2 falls to 1 at the end.
    trial, curves = _trial([[4, 2, 3, 3, 5, 5, 5, 5], [8, 7, 6, 5, 4, 3, 2, 1]])
    replay = _replay([trial], curves)
    results = {result.rule.name: result for result in replay.results}
    last, best = results["patience 2"], results["patience 2, best weights restored"]
    assert (last.loss_percent, last.loss_percent_sd) == (25.0, None)
    assert (best.loss_percent, best.saved_share, best.stopped_share) == (0.0, 0.25, 0.5)
    assert (best.configurations, best.fits) == (1, 2)
    end = results["train to the end"]
    assert (end.loss_percent, end.saved_share, end.stopped_share) == (75.0, 0.0, 0.0)


def test_baselines_stop_all_fits_of_a_trial_where_their_mean_says() -> None:
    trial, curves = _trial([[3, 2, 4, 5, 6], [3, 4, 2, 5, 6]])
    trial = replace(trial, point=replace(trial.point, best_epoch=3, one_se_epoch=2))
    results = {result.rule.name: result for result in _replay([trial], curves).results}
    best, one_se = results["all fits to their common best epoch"], results["all fits to their common one-SE epoch"]
    assert (best.loss_percent, best.saved_share) == (50.0, pytest.approx(0.4))
    assert (one_se.loss_percent, one_se.saved_share) == (50.0, pytest.approx(0.6))


def test_configurations_count_alike_whatever_their_fits_and_epochs() -> None:
    one, curves = _trial([[1, 2, 2, 2]], run_id="one")
    two, more = _trial([[1, 1, 1, 1, 1, 1, 1.5, 1.5, 1.5, 4]] * 3, run_id="two")
    replay = _replay([two, one], curves | more)
    result = next(result for result in replay.results if result.rule.name == "train to the end")
    assert (result.loss_percent, result.configurations, result.fits) == (200.0, 2, 4)
    assert result.loss_percent_sd == pytest.approx(np.std([100, 300], ddof=1))


def test_results_do_not_depend_on_what_is_replayed_together() -> None:
    trials, curves = _sweep(6)
    together = {result.rule.name: result for result in _replay(trials, curves).results}
    alone = [_replay([trial], curves) for trial in trials]
    for name, result in together.items():
        single = [next(r for r in replay.results if r.rule.name == name) for replay in alone]
        assert result.loss_percent == pytest.approx(np.mean([r.loss_percent for r in single]))
        assert result.saved_share == pytest.approx(np.mean([r.saved_share for r in single]))
        assert result.stopped_share == pytest.approx(np.mean([r.stopped_share for r in single]))


def test_more_patience_saves_less_and_gives_away_less_of_restored_weights() -> None:
    trials, curves = _sweep(6)
    results = [r for r in _replay(trials, curves).results if r.rule.family == KERAS][7:14]
    assert all(result.rule.restores for result in results)
    for impatient, patient in pairwise(results):
        assert patient.saved_share <= impatient.saved_share
        assert patient.loss_percent <= impatient.loss_percent
    assert results[0].saved_share > results[-1].saved_share
    assert results[0].loss_percent > results[-1].loss_percent


def test_a_value_of_nearly_nothing_does_not_blow_up_the_loss() -> None:
    solved, curves = _trial([[1000, 100, 1e-9, 1e-3, 1e-3]] * 2, run_id="solved")
    zero, others = _trial([[1, 0, 1, 1, 1]] * 2, run_id="zero")
    normal, more = _trial([[4, 2, 3, 3, 3]] * 2, run_id="normal")
    curves = curves | others | more
    replay = _replay([solved, zero, normal], curves)
    end = next(result for result in replay.results if result.rule.name == "train to the end")
    assert (end.loss_percent, end.configurations, replay.negligible) == (50.0, 3, 2)
    assert any("2 configurations with a best value of nearly 0 are left out" in note for note in replay_notes(replay))
    nothing_left = _replay([solved], curves)
    assert all(result.loss_percent is None for result in nothing_left.results)
    assert recommend(nothing_left) is None


def test_missing_curves_are_counted_and_pq_goes_without_training_curves() -> None:
    trials, curves = _sweep(3)
    curves = {
        trials[0].run_id: {"val_loss": curves[trials[0].run_id]["val_loss"]},
        trials[1].run_id: curves[trials[1].run_id],
    }
    replay = _replay(trials, curves)
    assert (replay.configurations, replay.left_out, replay.fits) == (2, 1, 8)
    assert {r.configurations for r in replay.results if r.rule.name.startswith("PQ")} == {1}
    assert {r.configurations for r in replay.results if not r.rule.name.startswith("PQ")} == {2}
    assert "The curves of 1 configuration are not there." in replay_notes(replay)
    nothing = _replay(trials, {})
    assert nothing.results == ()
    assert recommend(nothing) is None


def test_epochs_after_the_training_ended_are_not_replayed() -> None:
    trial, curves = _trial([[4, 2, 3, 3]])
    padded = {
        trial.run_id: {name: np.pad(c, [(0, 0), (0, 3)], constant_values=np.nan) for name, c in curves["run"].items()}
    }
    assert _numbers(_replay([trial], padded)) == _numbers(_replay([trial], curves))


def test_recommendation_follows_its_principle() -> None:
    trials, curves = _sweep(8)
    replay = _replay(trials, curves)
    chosen = recommend(replay)
    rivals = [result for result in replay.results if result.rule.family == KERAS and result.rule.restores]
    least = min(result.loss_percent for result in rivals)
    assert chosen.result.loss_percent <= least + TOLERANCE
    assert all(r.saved_share <= chosen.result.saved_share for r in rivals if r.loss_percent <= least + TOLERANCE)
    # The principle has a choice to make here: neither the longest patience nor the shortest.
    assert chosen.result.rule.name not in {"patience 1, best weights restored", "patience 20, best weights restored"}
    assert chosen.code == f'keras.callbacks.EarlyStopping(monitor="val_loss", {chosen.result.rule.arguments})'
    assert f"costs {number(chosen.result.loss_percent, 2)} % of the loss" in chosen.sentence
    assert "restore_best_weights=True" in chosen.code


def test_where_the_common_best_epoch_does_better_it_is_said() -> None:
    # Every rule stops on the hill, longer than any patience, before the fall to 1 at epoch 40. At 38 it is 3 - 10/7.
    trial, curves = _trial([[3, 2, *np.linspace(3, 3.9, 30), *np.linspace(3, 1, 8)]] * 2)
    trial = replace(trial, point=replace(trial.point, best_epoch=38))
    chosen = recommend(_replay([trial], curves))
    assert chosen.result.loss_percent == 100
    assert "None of Keras' rules costs less" in chosen.notes[0]
    assert "gives away less: 57 %, with 5.0 % of the epochs saved" in chosen.notes[1]
    easy, curves = _trial([[4, 2, 3, 3, 5, 5, 5, 5]])
    assert chosen.notes[1] not in recommend(_replay([easy], curves)).notes


@pytest.mark.parametrize(
    ("monitor", "code", "note"),
    [
        ("val_loss", 'monitor="val_loss"', ""),
        ("val_mae", 'monitor="val_mae"', 'The line needs metrics=["mae"] in compile.'),
        ("val_crossentropy", 'monitor="val_loss"', "Keras has no curve called val_crossentropy"),
    ],
)
def test_the_line_of_code_uses_keras_names(monitor, code, note) -> None:
    trial, curves = _trial([[4, 2, 3, 3, 5, 5, 5, 5]], monitor=monitor)
    chosen = recommend(_replay([trial], curves, monitor))
    assert code in chosen.code
    assert chosen.notes[1].startswith(note or "Replayed on 1 recorded curve of 1 configuration.")


def test_still_improving_configurations_are_said_to_hide_their_best() -> None:
    validation, _ = make_curves("improving", epochs=60, noise=Noise(deviation=0.002, offset=0.01))
    trial, curves = _trial(validation)
    replay = _replay([trial], curves)
    assert replay.still_improving == 1
    assert any(note.startswith("The only configuration was still improving") for note in replay_notes(replay))


def test_nothing_to_stop_is_said() -> None:
    trial, curves = _trial([np.linspace(2, 1, 12)] * 2)
    chosen = recommend(_replay([trial], curves))
    assert chosen.result.saved_share == 0
    assert "train to the end" in chosen.sentence


def _trial(validation, *, run_id: str = "run", monitor: str = "val_loss") -> tuple[Trial, dict]:
    """A trial of one repeat with these curves, and its curves by run id; the training curve is the validation curve."""
    curve = np.asarray(validation, np.float32)
    point = analyse(curve, folds=len(curve), repeats=1, validation_ratio=0.25, draws=50)
    trial = Trial(configuration=None, run_id=run_id, name=run_id, point=point, seconds=1.0, parameters=100)
    return trial, {run_id: {monitor: curve, monitor.removeprefix("val_"): curve}}


def _sweep(configurations: int) -> tuple[list[Trial], dict]:
    trials, curves = [], {}
    for seed in range(configurations):
        validation, _ = make_curves("overfits", epochs=80, noise=Noise(deviation=0.02), seed=seed)
        trial, more = _trial(validation + 1, run_id=str(seed))
        trials.append(trial)
        curves |= more
    return trials, curves


def _replay(trials, curves, monitor: str = "val_loss"):
    sweep = replace(made_report([], monitor=monitor).sweep, trials=tuple(trials))
    return replay_rules(make_report(sweep, curves))


def _group(validation, training=None):
    from reports.analysis.stopping import FitGroup

    ends = np.full(len(validation), validation.shape[1])
    training = validation if training is None else training
    return FitGroup(np.asarray(validation, float), np.asarray(training, float), ends, ends)


def _numbers(replay):
    return [replace(result, rule=None) for result in replay.results]
