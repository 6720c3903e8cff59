"""The statistics on curves with known truth: exact on hand-sized matrices, by frequency on simulated ones."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pipelines.errors import UserError
from pipelines.overfitting.judging import Judge, objective
from pipelines.overfitting.point import OverfittingPoint, Verdict, analyse, documented_best_epoch
from pipelines.overfitting.statistics import (
    best_epoch_interval,
    best_for_others,
    error_factor,
    find_one_se_epoch,
    find_onset,
    first_minimum,
    paired_error,
    smooth,
    standard_error,
)
from pipelines.sweep.stopping import LOOKS_A_TRIAL
from tests.support.curves import Noise, common_curve, make_curves, true_best_epoch

NAN, INF = float("nan"), float("inf")


def point(validation, training=None, *, folds=None, repeats=1, **options) -> OverfittingPoint:
    validation = np.asarray(validation, float)
    folds = folds or len(validation) // repeats
    ratio = options.pop("validation_ratio", 1 / (folds - 1) if folds > 1 else 0.25)
    return analyse(validation, training, folds=folds, repeats=repeats, validation_ratio=ratio, **options)


def simulate(kind: str, draws: int, **options) -> list[OverfittingPoint]:
    """Points of many simulated configurations; ``seed`` only numbers them."""
    points = []
    for seed in range(draws):
        validation, training = make_curves(kind, seed=seed, **options)
        points.append(
            point(validation, training, folds=options.get("folds", 4), repeats=options.get("repeats", 1), draws=300)
        )
    return points


def share(points: list[OverfittingPoint], verdict: Verdict) -> float:
    return np.mean([p.verdict is verdict for p in points])


# Hand-sized matrices


def test_smoothing_is_a_centred_hann_window_with_padded_edges() -> None:
    assert_allclose(smooth(np.array([4.0, 0.0, 0.0, 8.0])), [3.0, 1.0, 2.0, 6.0])
    line = np.arange(60.0)
    assert_allclose(smooth(line)[5:-5], line[5:-5])  # no lag on a trend
    assert smooth(np.array([[7.0]])).tolist() == [[7.0]]


def test_window_grows_with_the_training() -> None:
    impulse = np.zeros((2, 500))
    impulse[0, 250] = 1.0
    assert np.count_nonzero(smooth(impulse)[0]) == 33
    assert not smooth(impulse)[1].any()


def test_first_of_equal_minima() -> None:
    assert first_minimum(np.array([[3.0, 1.0, 1.0 + 1e-15, 2.0], [1.0, 1.0 - 1e-15, 1.0, 5.0]])).tolist() == [1, 0]


def test_standard_error_is_nadeau_and_bengios() -> None:
    # deviation of (0, 2, 4) is 2; 2 * sqrt(1/3 + 1/2)
    assert_allclose(standard_error(np.array([[0.0], [2.0], [4.0]]), 0.5), [2 * np.sqrt(5 / 6)])


@pytest.mark.parametrize(
    ("folds", "repeats", "variance"),
    [(4, 1, 1 / 4 + 0.12), (4, 3, 1 / 4), (10, 1, 1 / 10 + 0.12), (10, 5, 1 / 50 + 0.12), (1, 4, 1 / 4 + 0.5)],
)
def test_error_of_pairs_counts_folds_and_a_little_what_repeats_add(folds, repeats, variance) -> None:
    differences = np.random.default_rng(0).normal(size=(folds * repeats, 3))
    expected = differences.std(axis=0, ddof=1) * np.sqrt(variance)
    assert_allclose(paired_error(differences, folds, repeats, 0.5), expected)
    assert error_factor(folds, repeats, 0.5) == pytest.approx(np.sqrt(variance))


def test_each_fit_is_read_at_the_best_epoch_of_the_other_folds() -> None:
    smoothed = np.full((6, 4), 9.0)  # three folds, two repeats
    for fit, best in enumerate([0, 1, 2, 0, 1, 3]):
        smoothed[fit, best] = [1.0, 2.0, 4.0, 1.0, 2.0, 4.0][fit]
    # Without fold 0 its neighbour's second column is lowest, without fold 1 and without fold 2 the first.
    assert best_for_others(smoothed, 2).tolist() == [1, 0, 0, 1, 0, 0]
    assert best_for_others(smoothed[:3]).tolist() == [1, 0, 0]
    assert best_for_others(smoothed[:2], 2).tolist() == [1, 0]  # a hold-out: the other repeat
    assert best_for_others(smoothed[:1]).tolist() == [0]


def test_one_se_epoch_is_the_earliest_within_one_error_of_the_best() -> None:
    smoothed = np.array([[9.0, 5.0, 3.0, 2.0], [9.0, 4.0, 2.2, 2.0]])
    # Differences from the last epoch: means 7, 2.5, .6; deviations 0, .71, .57; errors with ratio 1: 0, .87, .69
    assert find_one_se_epoch(smoothed, 3, 1.0, curves=smoothed) == 3
    assert find_one_se_epoch(smoothed, 3, 20.0, curves=smoothed) == 2


def test_onset_needs_a_lasting_rise() -> None:
    fits = np.array([0.0, 0.1, 0.2, 0.3])[:, None]
    falling, low, high = [3.0, 2.0], [1.0] * 8, [2.0] * 6
    slope = 1 + 0.01 * np.arange(4)[:, None]  # fits differ in what they gain, so that there is an error to beat
    lasting = fits + slope * np.array([*falling, *low, *high])
    spike = fits + slope * np.array([*falling, *low, *high, *low])
    assert find_onset(lasting, 1 / 3, curves=lasting) == 11
    assert find_onset(spike, 1 / 3, curves=spike) is None


def test_onset_is_where_the_rise_leaves_one_error_once_it_is_sure() -> None:
    slope = np.array([0.2, 1.0, 1.0, 1.8])[:, None]  # deviation .653, error .397 of the rise, t(.95, 3) = 2.353
    rise = np.concatenate([np.linspace(1, 0, 10), 0.05 * np.arange(1, 31)])
    curves = 1 + slope * rise
    assert find_onset(curves, 1 / 3, curves=curves) == 11  # already the first step is more than one error
    assert find_onset(curves, 1 / 3, curves=curves, level=0.99) is None  # but no rise is as sure as that


def test_onset_asks_for_agreement_of_the_fits() -> None:
    rise = np.concatenate([np.linspace(2, 1, 10), np.linspace(1, 2, 10)])
    fall = np.concatenate([np.linspace(2, 1, 10), np.linspace(1, 0.1, 10)])
    assert point([rise, rise, rise, 1.01 * rise]).onset is not None
    assert point([rise, rise, rise, fall]).onset is None


def test_values_at_the_best_and_at_the_last_epoch() -> None:
    # Mean curve 8 2 5 7, smoothed 6.5 4.25 4.75 6.5: the best epoch is the second.
    validation = np.array([[7.0, 1.0, 4.0, 6.0], [9.0, 3.0, 6.0, 8.0], [6.0, 0.0, 3.0, 5.0], [10.0, 4.0, 7.0, 9.0]])
    training = validation - np.array([3.0, 0.5, 2.0, 5.0])
    p = point(validation, training, folds=2, repeats=2)
    assert (p.best_epoch, p.epochs, p.fits, p.folds, p.repeats) == (2, 4, 4, 2, 2)
    assert p.best_value == 2.0
    assert p.final_value == 7.0
    assert p.gap_best == 0.5
    assert p.gap_final == 5.0
    assert p.severity == pytest.approx(6.5 / 4.25 - 1)
    # Between folds: variances of (1, 3) and (0, 4) are 2 and 8. Between repeats: both means are 2.
    assert p.sd_folds == pytest.approx(np.sqrt(5))
    assert p.sd_seeds == 0.0


def test_deviation_between_seeds_is_of_the_mean_over_folds() -> None:
    p = point([[1.0] * 3, [3.0] * 3, [2.0] * 3, [6.0] * 3], folds=2, repeats=2)
    assert p.sd_seeds == pytest.approx(np.std([2.0, 4.0], ddof=1))


def test_one_fold_has_no_deviation_between_folds_and_one_repeat_none_between_seeds() -> None:
    validation, training = make_curves("overfits", folds=4, repeats=1, epochs=40)
    k_fold = point(validation, training)
    hold_out = point(validation, training, folds=1, repeats=4)
    assert k_fold.sd_folds is not None and k_fold.sd_seeds is None
    assert hold_out.sd_folds is None and hold_out.sd_seeds is not None
    assert hold_out.best_epoch_low is not None


def test_interval_of_identical_fits_is_one_epoch() -> None:
    validation, _ = make_curves("overfits", folds=1)
    p = point(np.repeat(validation, 4, axis=0))
    assert p.best_epoch_low == p.best_epoch == p.best_epoch_high


def test_interval_is_reproducible_and_contains_the_best_epoch() -> None:
    validation, _ = make_curves("overfits", noise=Noise(deviation=0.1), seed=3)
    first, again = point(validation, seed=7), point(validation, seed=7)
    assert first == again
    assert first.best_epoch_low <= first.best_epoch <= first.best_epoch_high


def test_interval_of_a_long_training_equals_that_of_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    smoothed = smooth(make_curves("overfits", folds=5, epochs=300)[0])
    whole = best_epoch_interval(smoothed, 5, 1, 0.25, draws=200)
    monkeypatch.setattr("pipelines.overfitting.statistics.BLOCK_VALUES", 1000)
    assert best_epoch_interval(smoothed, 5, 1, 0.25, draws=200) == whole


# Curves of every kind, with known truth


@pytest.mark.parametrize(("folds", "repeats"), [(4, 1), (4, 3), (10, 1)])
@pytest.mark.parametrize("shared", ["independent", "correlated"])
def test_best_epoch_is_unbiased_and_its_interval_covers_the_truth(folds: int, repeats: int, shared: str) -> None:
    # 1 / folds is the correlation that Nadeau and Bengio assume of fits that share training rows
    noise = Noise(shared=1 / folds if shared == "correlated" else 0.0, tilt=0.05)
    points = simulate("overfits", 100, folds=folds, repeats=repeats, noise=noise)
    truth = true_best_epoch("overfits")
    assert abs(np.mean([p.best_epoch for p in points]) - truth) < 4
    assert np.mean([p.best_epoch_low <= truth <= p.best_epoch_high for p in points]) >= 0.8
    assert np.median([p.best_epoch_high - p.best_epoch_low for p in points]) < 80


def test_plain_bootstrap_would_be_too_sure() -> None:
    """Why the interval is widened: with ratio 0 nothing is, but for the bootstrap's own shrinkage."""
    truth, hits = true_best_epoch("overfits"), []
    for seed in range(100):
        validation, _ = make_curves("overfits", repeats=3, noise=Noise(shared=0.25), seed=seed)
        low, high = best_epoch_interval(smooth(validation), 4, 3, 0.0, draws=300)
        hits.append(low <= truth <= high)
    assert np.mean(hits) < 0.8


def test_repeats_narrow_the_interval() -> None:
    widths = [
        np.median([p.best_epoch_high - p.best_epoch_low for p in simulate("overfits", 30, repeats=repeats)])
        for repeats in (1, 5)
    ]
    assert widths[1] < widths[0]


def false_onsets(kind: str, draws: int, **options) -> float:
    found = []
    for seed in range(draws):
        curves, _ = make_curves(kind, seed=seed, **options)
        folds = options.get("folds", 4)
        found.append(find_onset(smooth(curves), 1 / (folds - 1) if folds > 1 else 0.25, curves=curves) is not None)
    return np.mean(found)


@pytest.mark.parametrize("kind", ["flat", "plateau", "improving"])
@pytest.mark.parametrize("autocorrelation", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("folds", "repeats"), [(4, 1), (4, 3), (10, 1)])
def test_at_most_one_false_onset_in_twenty(kind: str, autocorrelation: float, folds: int, repeats: int) -> None:
    noise = Noise(autocorrelation=autocorrelation)
    assert false_onsets(kind, 200, folds=folds, repeats=repeats, noise=noise) <= 0.05


@pytest.mark.parametrize("epochs", [5, 10, 20, 500])
def test_few_false_onsets_whatever_the_length(epochs: int) -> None:
    assert false_onsets("flat", 200, epochs=epochs) <= 0.05


def test_hold_out_with_several_seeds_rarely_turns_by_chance() -> None:
    assert false_onsets("flat", 200, folds=1, repeats=5) <= 0.05


@pytest.mark.parametrize(("autocorrelation", "latest"), [(0.0, 120), (0.5, 140), (0.9, 170)])
def test_a_real_onset_is_found_after_the_best_epoch(autocorrelation: float, latest: int) -> None:
    points = simulate("overfits", 60, noise=Noise(autocorrelation=autocorrelation))
    onsets = [p.onset for p in points if p.onset is not None]
    assert len(onsets) > 0.8 * len(points)
    assert all(p.onset is None or p.onset > p.best_epoch for p in points)
    assert true_best_epoch("overfits") < np.median(onsets) < latest


@pytest.mark.parametrize("epochs", [20, 200])
@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("overfits", Verdict.OVERFITS),
        ("improving", Verdict.STILL_IMPROVING),
        ("plateau", Verdict.PLATEAU),
        ("flat", Verdict.PLATEAU),
    ],
)
def test_verdicts_of_made_curves(kind: str, verdict: Verdict, epochs: int) -> None:
    """With noise of 2.5 %, that of a fit at one epoch; from 12 fits a rise of 5 % is then told from none."""
    points = simulate(kind, 60, repeats=3, epochs=epochs, noise=Noise(deviation=0.01))
    assert share(points, verdict) >= 0.9


@pytest.mark.parametrize("kind", ["plateau", "flat"])
def test_noise_that_may_hide_a_rise_leaves_it_open(kind: str) -> None:
    points = simulate(kind, 100, noise=Noise(deviation=0.06))
    assert share(points, Verdict.OVERFITS) <= 0.05
    assert share(points, Verdict.UNDECIDED) >= 0.7
    for p in points:
        if p.verdict is Verdict.UNDECIDED:
            assert p.severity_low < p.severity < p.severity_high and p.severity_high > 0.05
            assert p.visible_rise == pytest.approx(p.severity_high - p.severity)


def test_no_curve_that_ends_well_above_its_best_is_a_plateau() -> None:
    for noise in (Noise(0.1), Noise(0.1, autocorrelation=0.9), Noise(0.06, shared=0.25, tilt=0.05)):
        for repeats in (1, 3):
            points = simulate("overfits", 50, repeats=repeats, noise=noise)
            assert not any(p.verdict is Verdict.PLATEAU for p in points if p.severity > 0.05)


def test_repeats_that_would_decide_are_fewest_that_do() -> None:
    points = [p for p in simulate("overfits", 100, noise=Noise(deviation=0.12)) if p.verdict is Verdict.UNDECIDED]
    needed = [p.repeats_to_decide for p in points]
    assert {None} < set(needed) and all(repeats is None or 2 <= repeats <= 20 for repeats in needed)
    # The surer a rise is already, the fewer repeats it takes.
    closeness = [p.severity / p.visible_rise for p in points if p.repeats_to_decide and p.severity > 0.05]
    known = [p.repeats_to_decide for p in points if p.repeats_to_decide and p.severity > 0.05]
    assert np.corrcoef(closeness, known)[0, 1] < 0
    assert point(make_curves("overfits")[0]).repeats_to_decide is None


@pytest.mark.parametrize("kind", ["overfits", "flat"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_value_and_severity_are_not_too_good(kind: str, repeats: int) -> None:
    truth = common_curve(kind)
    points = simulate(kind, 150, repeats=repeats, noise=Noise(deviation=0.06, offset=0.02))
    at_chosen = [truth[p.best_epoch - 1] for p in points]  # what a training to the chosen epoch gives
    off = np.mean([p.best_value for p in points]) / np.mean(at_chosen) - 1
    assert abs(off) < 0.01
    rise = np.mean([truth[-5:].mean() / at - 1 for at in at_chosen])
    assert abs(np.mean([p.severity for p in points]) - rise) < 0.01


def test_objective_is_the_best_value_whatever_its_length() -> None:
    validation, _ = make_curves("overfits", repeats=2)
    assert objective(validation, repeats=2) == pytest.approx(point(validation, repeats=2).best_value)
    assert objective(validation, 50, repeats=2) == pytest.approx(point(validation[:, :50], repeats=2).best_value)
    assert objective(None) is None


@pytest.mark.parametrize("repeats", [1, 3])
def test_onset_interval_holds_the_place(repeats: int) -> None:
    points = [p for p in simulate("overfits", 100, repeats=repeats) if p.onset]
    assert len(points) > 50
    place = np.median([p.onset for p in points])
    assert np.mean([p.onset_low <= place <= p.onset_high for p in points]) >= 0.8
    assert all(p.onset_low <= p.onset <= p.onset_high for p in points)
    assert np.median([p.onset_high - p.onset_low for p in points]) < 100


@pytest.mark.parametrize("kind", ["flat", "plateau", "improving"])
@pytest.mark.parametrize("autocorrelation", [0.0, 0.9])
def test_a_training_that_is_watched_is_rarely_stopped_by_chance(kind: str, autocorrelation: float) -> None:
    judge, stopped = Judge("val_loss", 4, 1, 1 / 3), []
    for seed in range(200):
        curves, _ = make_curves(kind, seed=seed, noise=Noise(autocorrelation=autocorrelation))
        step = curves.shape[1] // LOOKS_A_TRIAL
        looks = range(step, curves.shape[1] + 1, step)
        stopped.append(any(judge.onset_so_far({"val_loss": curves[:, :seen]}) for seen in looks))
    assert np.mean(stopped) < 0.03


def test_still_improving_is_censored_and_an_onset_is_not() -> None:
    assert all(p.censored for p in simulate("improving", 20, repeats=3))
    assert not any(p.censored for p in simulate("overfits", 20, repeats=3) if p.onset)


def test_one_se_epoch_is_not_after_the_best() -> None:
    points = simulate("overfits", 30)
    assert all(p.one_se_epoch <= p.best_epoch for p in points)
    assert any(p.one_se_epoch < p.best_epoch for p in points)


# A single fit: a hold-out with one seed


def test_single_fit_has_no_interval_yet_a_verdict() -> None:
    points = simulate("overfits", 40, folds=1)
    assert share(points, Verdict.OVERFITS) > 0.9
    assert {(p.best_epoch_low, p.best_epoch_high, p.sd_folds, p.sd_seeds) for p in points} == {(None,) * 4}
    assert true_best_epoch("overfits") < np.median([p.onset for p in points if p.onset]) < 150


def test_single_short_fit_that_clearly_overfits() -> None:
    # As a sentiment classifier does within 20 epochs: best at the fourth, then ever worse.
    losses = [0.44, 0.33, 0.29, 0.28, 0.283, 0.30, 0.313, 0.33, 0.36, 0.38]
    p = point([[*losses, *np.linspace(0.42, 0.70, 10)]])
    assert (p.verdict, p.best_epoch) == (Verdict.OVERFITS, 4)
    assert 5 <= p.onset <= 9


@pytest.mark.parametrize("kind", ["flat", "plateau"])
def test_single_fit_rarely_turns_by_chance(kind: str) -> None:
    assert false_onsets(kind, 200, folds=1, noise=Noise(autocorrelation=0.0)) <= 0.05


# Curves that are not as they should be


def test_constant_curves_are_a_plateau_from_the_first_epoch() -> None:
    p = point(np.full((4, 50), 0.1))
    assert (p.verdict, p.best_epoch, p.best_epoch_low, p.best_epoch_high) == (Verdict.PLATEAU, 1, 1, 1)
    assert (p.onset, p.one_se_epoch, p.severity, p.censored) == (None, 1, pytest.approx(0), False)


def test_zero_loss_has_no_severity() -> None:
    assert point(np.zeros((4, 50))).severity is None


def test_a_linear_task_solved_to_the_last_digit_does_not_overfit() -> None:
    falling = 1000 * np.exp(-np.arange(300) / 8.0)
    jitter = 1e-9 * np.linspace(1, 50, 300)
    p = point([falling + jitter * fold for fold in (1.0, 1.1, 1.2, 1.3)])
    assert (p.onset, p.severity) == (None, None)


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("folds", [1, 4])
def test_short_trainings(epochs: int, folds: int) -> None:
    validation = np.linspace(2, 1, epochs) + 0.01 * np.arange(folds)[:, None]
    p = point(validation, validation)
    assert (p.best_epoch, p.epochs, p.onset, p.censored) == (epochs, epochs, None, True)
    if folds > 1:  # a single fit of a few epochs shows too little of its noise to say more
        assert p.verdict is Verdict.STILL_IMPROVING


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_one_diverged_fit_makes_the_configuration_diverged(bad: float) -> None:
    validation, training = make_curves("overfits", folds=4, repeats=2, epochs=60)
    validation[5, 40:] = bad
    p = point(validation, training, folds=4, repeats=2)
    assert (p.verdict, p.diverged_fits, p.diverged_epoch) == (Verdict.DIVERGED, 1, 41)
    assert p.reason == "1 of 8 fits diverged, the first at epoch 41."
    assert p.best_epoch is None and p.best_value is None and p.onset is None


def test_infinity_in_all_fits_is_no_stopped_training() -> None:
    validation, _ = make_curves("overfits", epochs=60)
    validation[:, 30:] = INF
    p = point(validation)
    assert (p.verdict, p.diverged_fits, p.diverged_epoch) == (Verdict.DIVERGED, 4, 31)


def test_divergence_is_seen_in_the_training_curve_too() -> None:
    validation, training = make_curves("overfits", epochs=60)
    training[2, 30:] = NAN
    assert point(validation, training).diverged_epoch == 31


def test_everything_diverged_from_the_start() -> None:
    p = point(np.full((4, 30), NAN))
    assert (p.verdict, p.diverged_fits, p.diverged_epoch, p.epochs) == (Verdict.DIVERGED, 4, 1, 0)


def test_a_fit_that_explodes_but_stays_finite_has_diverged() -> None:
    validation, training = make_curves("overfits", epochs=60)
    training[1] = np.geomspace(1, 1e12, 60)
    p = point(validation, training)
    assert (p.verdict, p.diverged_fits) == (Verdict.DIVERGED, 1)
    assert 1 < p.diverged_epoch < 60


def test_a_validation_loss_that_grows_manifold_is_overfitting_not_divergence() -> None:
    validation, training = make_curves("overfits")
    assert point(validation * np.linspace(1, 30, 200), training).verdict is Verdict.OVERFITS


def test_a_stopped_training_is_analysed_to_its_end() -> None:
    validation, training = make_curves("overfits", repeats=3)
    whole = point(validation[:, :120], training[:, :120], folds=4, repeats=3)
    validation[:, 120:] = NAN
    training[:, 120:] = NAN
    assert point(validation, training, folds=4, repeats=3) == whole
    assert whole.epochs == 120


def test_known_length_tells_a_divergence_of_all_fits_from_a_stop() -> None:
    validation, training = make_curves("overfits")
    validation[:, 50:] = NAN
    assert point(validation, training, trained=50).epochs == 50
    p = point(validation, training, trained=200)
    assert (p.verdict, p.diverged_fits, p.diverged_epoch) == (Verdict.DIVERGED, 4, 51)


def test_no_reason_unless_diverged() -> None:
    assert point(make_curves("plateau")[0]).reason is None


def test_without_training_curves_there_is_no_gap() -> None:
    p = point(make_curves("overfits")[0])
    assert (p.gap_best, p.gap_final) == (None, None)


def test_input_is_left_alone_and_float32_will_do() -> None:
    validation, training = (curves.astype(np.float32) for curves in make_curves("overfits"))
    before = validation.copy()
    assert point(validation, training).best_epoch is not None
    assert np.array_equal(validation, before)


@pytest.mark.parametrize(
    ("shape", "twin", "ratio", "said"),
    [
        ((3, 10), None, 0.3, "4 folds x 1 repeats"),
        ((40,), None, 0.3, r"\(40,\)"),
        ((4, 10), (4, 9), 0.3, r"\(4, 9\)"),
        ((4, 10), None, -0.1, "-0.1"),
        ((4, 10), None, NAN, "nan"),
    ],
)
def test_disagreeing_shapes_are_named(shape, twin, ratio, said) -> None:
    training = None if twin is None else np.ones(twin)
    with pytest.raises(UserError, match=said):
        analyse(np.ones(shape), training, folds=4, repeats=1, validation_ratio=ratio)


# The textbook's estimator


def test_documented_estimator_drops_ten_epochs_and_averages_causally() -> None:
    # Dropped: ten epochs with the lowest value of all. Then averages 1, 1.9, ...: the first kept epoch is the 11th.
    assert documented_best_epoch(np.array([0.0] * 10 + [1.0, 10.0, 10.0])) == 11
    # Averages 10, 9.1, 8.29, then back up: 10 dropped, the third kept
    assert documented_best_epoch(np.array([0.0] * 10 + [10.0, 1.0, 1.0, 20.0])) == 13


def test_documented_estimator_needs_more_epochs_than_it_drops() -> None:
    assert documented_best_epoch(np.ones(10)) is None
    assert documented_best_epoch(np.array([1.0] * 12 + [NAN] * 5)) == 11


def test_documented_estimator_runs_late_where_ours_does_not() -> None:
    truth, ours, documented = true_best_epoch("overfits"), [], []
    for seed in range(60):
        validation, _ = make_curves("overfits", seed=seed)
        documented.append(documented_best_epoch(validation.mean(axis=0)) - truth)
        ours.append(point(validation, draws=10).best_epoch - truth)
    assert np.mean(documented) > 9
    assert abs(np.mean(ours)) < 4
