"""Which remedy works: matched pairs, regression, and when neither can say."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.exercises.configurations import Configuration
from pipelines.tracking.sweeps import DataFacts
from reports.analysis.effects import (
    BEST_EPOCH,
    BEST_VALUE,
    GAP_FINAL,
    SEVERITY,
    Effect,
    Partial,
    Unit,
    effect_on,
    partial_effect,
)
from reports.analysis.fits import Estimate, over_fits
from reports.analysis.remedies import Basis, Help, remedies
from reports.settings import matched_sets
from tests.support.made_reports import EPOCHS, FOLDS, REPEATS, made_point, made_report

BASE = Configuration(layers=(64,))
FITS = FOLDS * REPEATS


def row(report, name: str, curves=None):
    return next(found for found in remedies(replace(report, curves=curves or {})) if found.name == name)


def fit_curves(level: float, rise: float, noise: float = 0.0, seed: int = 0):
    """Curves that are at ``level`` up to epoch 40 and then rise to ``level * (1 + rise)``; training is 0.2 below."""
    t = np.maximum(np.arange(1, EPOCHS + 1) - 40, 0) / 60
    common = np.random.default_rng(seed).normal(0, noise, (FITS, 1)) if noise else np.zeros((FITS, 1))
    validation = (level * (1 + rise * t) + common).astype(np.float32)
    return {"val_loss": validation, "loss": validation - np.float32(0.2)}


# Matched sets


def test_sets_differ_in_one_setting_alone() -> None:
    report = made_report(
        [
            (BASE, made_point(1.0)),
            (replace(BASE, dropout=0.5), made_point(2.0)),
            (replace(BASE, dropout=0.2), made_point(3.0)),
            (replace(BASE, dropout=0.5, l2=0.1), made_point(4.0)),
            (replace(BASE, layers=()), made_point(5.0)),
        ]
    )
    (found,) = matched_sets(report.ranked, "dropout")
    assert {value: trial.run_id for value, trial in found.items()} == {0.0: "run0", 0.2: "run2", 0.5: "run1"}
    assert list(found) == [0.0, 0.2, 0.5]
    (by_l2,) = matched_sets(report.ranked, "l2")
    assert set(by_l2) == {0.0, 0.1}


def test_units_and_depth_keep_the_shape() -> None:
    shapes = [(8,), (64,), (64, 64), (64, 64, 64), (8, 64), (8, 8)]
    report = made_report([(replace(BASE, layers=layers), made_point(1.0 + n)) for n, layers in enumerate(shapes)])
    trials = report.ranked
    assert [sorted(found) for found in matched_sets(trials, "units")] == [[8.0, 64.0], [8.0, 64.0]]
    assert sorted(sorted(found) for found in matched_sets(trials, "depth")) == [
        [1.0, 2.0],
        [1.0, 2.0, 3.0],
    ]


def test_a_schedule_is_matched_with_its_rate() -> None:
    falling = replace(BASE, schedule="exponential", decay_rate=0.8)
    report = made_report([(BASE, made_point(2.0)), (falling, made_point(1.0))])
    (found,) = matched_sets(report.ranked, "schedule")
    assert set(found) == {"constant", "exponential 0.8"}


# Intervals over fits


def test_interval_is_that_of_the_paired_test() -> None:
    differences = np.array([1.0, 2.0, 3.0, 4.0])
    for folds, repeats, variance in ((4, 1, 1 / 4 + 0.12), (2, 2, 1 / 2), (1, 4, 1 / 4 + 1 / 3)):
        estimate = over_fits(differences, replace(made_point(), folds=folds, repeats=repeats), 1 / 3)
        half = 3.182446 * differences.std(ddof=1) * np.sqrt(variance)
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
            (2.5, 2.5 - half, 2.5 + half), rel=1e-5, abs=1e-5
        )
    assert over_fits(np.array([1.0]), made_point(), 1 / 3) == Estimate(1.0)


@pytest.mark.parametrize(("low", "high", "sign"), [(-2, -1, -1), (-1, 1, 0), (1, 2, 1), (None, None, 0)])
def test_sign_is_sure(low, high, sign) -> None:
    assert Estimate(0.0, low, high).sign == sign


@pytest.mark.parametrize(
    ("effect", "text"),
    [
        (Effect("gap", Estimate(-0.35, -0.5, -0.2), Unit.SHARE, 4), "-35 % [-50, -20]"),
        (Effect("severity", Estimate(0.012, -0.01, 0.034), Unit.POINTS, 4), "+1.2 points [-1.0, +3.4]"),
        (Effect("gap", Estimate(-0.01234), Unit.METRIC, 4), "-0.0123"),
        (Effect("best", Estimate(-0.0001, -0.001, 0.0), Unit.SHARE, 4), "0 % [-0.1, 0]"),
    ],
)
def test_effect_as_text(effect, text) -> None:
    assert effect.text == text


# Pairs


def test_three_pairs_give_their_mean_change() -> None:
    pairs = []
    for n, change in enumerate([0.8, 0.9, 0.85]):
        without = replace(BASE, layers=(2 ** (3 + n),))
        pairs += [
            (without, made_point(1.0 + n, severity=0.4, gap_final=1.0, best_epoch=20)),
            (replace(without, dropout=0.5), made_point((1.0 + n) * change, severity=0.1, gap_final=0.5, best_epoch=40)),
        ]
    found = row(made_report(pairs), "dropout")
    assert found.basis is Basis.PAIRS and found.configurations == 6 and len(found.pairs) == 3
    assert found.change == "dropout 0 → 0.5" and found.verdict is Help.HELPS
    assert effect_on(BEST_VALUE, found.effects).estimate.value == pytest.approx((0.8 * 0.9 * 0.85) ** (1 / 3) - 1)
    assert effect_on(SEVERITY, found.effects).estimate.value == pytest.approx(-0.3)
    assert effect_on(GAP_FINAL, found.effects).estimate.value == pytest.approx(-0.5)
    assert effect_on(BEST_EPOCH, found.effects).estimate.value == pytest.approx(1.0)
    assert found.sentence("val_loss").startswith("Dropout (dropout 0 → 0.5): helps. It moves val_loss -15 % [")
    assert found.sentence("val_loss").endswith("(6 configurations, in 3 pairs that differ in it alone).")


@pytest.mark.parametrize(
    ("level", "rise", "verdict"), [(0.8, 0.5, Help.HELPS), (1.2, 0.5, Help.HURTS), (1.0, 0.5, Help.NO_SURE_EFFECT)]
)
def test_one_pair_is_judged_by_its_fits(level, rise, verdict) -> None:
    report = made_report([(BASE, made_point(1.0)), (replace(BASE, l2=0.01), made_point(level))])
    curves = {"run0": fit_curves(1.0, 0.5, 0.02, 1), "run1": fit_curves(level, rise, 0.02, 2)}
    found = row(report, "l2", curves)
    assert (found.basis, found.verdict, found.configurations) == (Basis.PAIRS, verdict, 2)
    best = effect_on(BEST_VALUE, found.effects).estimate
    assert best.low < best.value < best.high and best.value == pytest.approx(level - 1, abs=0.05)


def test_less_over_fitting_at_the_same_value_helps() -> None:
    report = made_report([(BASE, made_point(1.0)), (replace(BASE, dropout=0.5), made_point(1.0))])
    curves = {"run0": fit_curves(1.0, 0.5, 0.02, 1), "run1": fit_curves(1.0, 0.1, 0.02, 2)}
    found = row(report, "dropout", curves)
    assert effect_on(BEST_VALUE, found.effects).estimate.sign == 0
    assert effect_on(SEVERITY, found.effects).estimate.value == pytest.approx(-0.4, abs=0.02)
    assert found.verdict is Help.HELPS


def test_one_pair_without_curves_cannot_say() -> None:
    report = made_report([(BASE, made_point(1.0)), (replace(BASE, dropout=0.5), made_point(0.5))])
    found = row(report, "dropout")
    assert found.verdict is Help.CANNOT_SAY and len(found.pairs) == 1
    assert effect_on(BEST_VALUE, found.effects).estimate == Estimate(pytest.approx(-0.5))
    assert "no curves of several fits" in found.sentence("val_loss")


def test_fewer_units_go_downwards() -> None:
    report = made_report(
        [
            (replace(BASE, layers=(units,), l2=l2), made_point(1.0 + units / 512 + l2))
            for l2 in (0.0, 0.1, 0.2)
            for units in (8, 512)
        ]
    )
    found = row(report, "units")
    assert found.change == "units 512 → 8"
    assert effect_on(BEST_VALUE, found.effects).estimate.value < -0.4 and found.verdict is Help.HELPS


def test_a_censored_best_epoch_is_left_out() -> None:
    end = made_point(1.0, onset=None, best_epoch=100, censored=True)
    report = made_report([(BASE, made_point(1.0)), (replace(BASE, dropout=0.5), end)])
    assert effect_on(BEST_EPOCH, row(report, "dropout").effects) is None


def test_each_kind_of_layer_normalisation_has_a_row() -> None:
    report = made_report(
        [
            (replace(BASE, layers=(8 * n,), layer_normalisation=kind), made_point(n * factor))
            for n in (1, 2, 3)
            for kind, factor in (("none", 1.0), ("batch", 1.5 + n / 100), ("layer", 0.5 + n / 100))
        ]
    )
    found = {r.title: r.verdict for r in remedies(report) if r.name == "layer_normalisation"}
    assert found == {
        "normalisation of hidden layers: batch": Help.HURTS,
        "normalisation of hidden layers: layer": Help.HELPS,
    }


# Regression


def searched(count: int, seed: int = 0, dropout_effect: float = -0.3, severity_effect: float = -1.0):
    """A random search in which dropout acts, and units act more."""
    generator = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        units, dropout = int(2 ** generator.uniform(2, 10)), float(generator.uniform(0, 0.6))
        configuration = Configuration(
            layers=(units,) * int(generator.integers(1, 4)),
            dropout=dropout,
            activation=str(generator.choice(["relu", "tanh"])),
            learning_rate=float(10 ** generator.uniform(-4, -1)),
        )
        value = np.exp(dropout_effect * dropout / 0.6 + 0.3 * np.log10(units) + generator.normal(0, 0.05))
        severity = np.exp(1 + severity_effect * dropout / 0.6 + generator.normal(0, 0.05)) - 1
        pairs.append((configuration, made_point(float(value), severity=float(severity))))
    return made_report(pairs)


def test_a_known_effect_is_found_beside_larger_ones() -> None:
    found = row(searched(40), "dropout")
    best, severity = (effect_on(quantity, found.effects).estimate for quantity in (BEST_VALUE, SEVERITY))
    assert found.basis is Basis.REGRESSION and found.configurations == 40 and found.pairs == ()
    assert best.low < np.expm1(-0.3) < best.high and best.high - best.low < 0.15
    assert severity.value == pytest.approx(np.exp(0) - np.exp(1), abs=0.2)
    assert found.verdict is Help.HELPS
    assert "40 configurations, other settings held equal by a regression" in found.sentence("val_mae")


def test_chance_rarely_gets_a_verdict() -> None:
    verdicts = []
    for seed in range(15):
        generator = np.random.default_rng(100 + seed)
        idle = [
            (t.configuration, made_point(float(np.exp(generator.normal())), severity=float(generator.random())))
            for t in searched(30, seed).ranked
        ]
        verdicts += [found.verdict for found in remedies(made_report(idle)) if found.effects]
    assert len(verdicts) >= 45
    assert sum(verdict is not Help.NO_SURE_EFFECT for verdict in verdicts) <= 4


def test_the_same_configurations_give_the_same_answer() -> None:
    assert row(searched(30), "dropout").effects == row(searched(30), "dropout").effects


def test_fewer_than_ten_configurations_cannot_say() -> None:
    found = row(searched(9), "dropout")
    assert (found.verdict, found.basis, found.effects) == (Help.CANNOT_SAY, Basis.NONE, ())
    assert found.sentence("val_loss").startswith("Dropout: this sweep cannot say, since ")


def test_a_setting_that_moves_with_another_cannot_be_told_apart() -> None:
    pairs = [
        (replace(BASE, layers=(8 + n,), dropout=0.04 * n, batch_size=32 * 2 ** (n % 2)), made_point(1.0 + n))
        for n in range(15)
    ]
    assert "changed together with other settings" in row(made_report(pairs), "dropout").reason


def test_a_value_tried_twice_is_not_enough() -> None:
    pairs = [
        (
            replace(BASE, layers=(2**n,), learning_rate=1e-3 * (1 + n), l2=0.1 if n in (1, 2) else 0.0),
            made_point(1.0 + n),
        )
        for n in range(1, 13)
    ]
    assert "fewer than 3 configurations" in row(made_report(pairs), "l2").reason


def test_what_was_not_varied_is_said() -> None:
    found = remedies(searched(12))
    assert {r.name for r in found if "all configurations have the same" in r.reason} == {
        "l2", "layer_normalisation", "schedule", "train_fraction", "class_weight"
    }  # fmt: skip


def test_class_weights_are_a_remedy_of_a_classification_alone() -> None:
    pairs = [
        (replace(BASE, layers=(2**n,), class_weight=weights), made_point(level + n))
        for n in range(1, 6)
        for weights, level in (("none", 1.0), ("balanced", 2.0))
    ]
    report = made_report(pairs)
    found = row(report, "class_weight")
    assert (found.title, found.change, len(found.pairs)) == ("balanced class weights", "none → balanced", 5)

    def names(task: str) -> set[str]:
        record = replace(report.sweep.record, data=DataFacts(task=task))
        return {r.name for r in remedies(replace(report, sweep=replace(report.sweep, record=record)))}

    assert "class_weight" in names("binary")
    assert "class_weight" not in names("regression")


@pytest.mark.parametrize(("count", "columns"), [(12, 2), (24, 10)])
def test_intervals_hold_the_true_effect(count, columns) -> None:
    held = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        setting, others = generator.choice([0, 0.5, 1.0], count), generator.normal(size=(count, columns))
        outcome = 0.5 * setting + others @ np.full(columns, 0.3) + generator.standard_t(4, count)
        found = partial_effect(outcome, setting, others - others.mean(axis=0), seed=seed)
        assert isinstance(found, Partial)
        low, high = np.percentile((found.second - found.first)[1:], [2.5, 97.5])
        held += low <= 0.5 <= high
    assert held >= 53


def test_the_estimate_is_that_of_least_squares() -> None:
    generator = np.random.default_rng(3)
    setting, others = generator.random(20), generator.normal(size=(20, 3))
    others -= others.mean(axis=0)
    outcome = 2 + 1.5 * setting + others @ [1.0, 2.0, 3.0]
    found = partial_effect(outcome, setting, others)
    assert (found.first[0], found.second[0]) == pytest.approx((2.0, 3.5))
    np.testing.assert_allclose(found.second - found.first, 1.5, atol=1e-5)
