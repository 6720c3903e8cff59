"""Pairwise comparison: the tests beside independent formulas, what is paired, and the words."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from pipelines.overfitting.point import analyse
from pipelines.tracking.sweeps import Sweep
from pipelines.tracking.trials import Trial
from reports.analysis.comparing import (
    MATRIX_SIZE,
    Pair,
    compare_pairs,
    compare_with_best,
    corrected_t_test,
    holm,
    posterior_probabilities,
)
from reports.analysis.fits import best_values
from reports.report import Report, make_report
from reports.tables.comparisons import basis, choice_sentences, pair_notes, pair_sentence, probability
from tests.support.made_reports import made_record

THIRD = 1 / 3
DIFFERENCES = np.array([0.3, 0.1, 0.2, 0.4, 0.1, 0.2])
LABELS = {"a": "64 relu", "b": "512 tanh"}

# The tests themselves


def test_corrected_t_test_by_hand() -> None:
    # Of 1, 2, 3, 4 the mean is 2.5 and the variance 5/3; with 4 folds the factor is 1/4 + 1/3 = 7/12.
    error, p = corrected_t_test(np.array([1.0, 2, 3, 4]), THIRD)
    assert error == pytest.approx(np.sqrt(5 / 3 * 7 / 12))
    assert p == pytest.approx(2 * stats.t.sf(2.5 / error, 3))


def test_without_shared_rows_it_is_the_paired_t_test() -> None:
    second = np.random.default_rng(0).normal(size=6)
    expected = stats.ttest_rel(second + DIFFERENCES, second)
    assert corrected_t_test(DIFFERENCES, 0.0)[1] == pytest.approx(expected.pvalue)
    assert corrected_t_test(-DIFFERENCES, 0.0)[1] == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("ratio", [0.0, 0.25, THIRD, 1.0])
def test_bayesian_test_is_that_of_corani_and_benavoli(ratio) -> None:
    rho = ratio / (1 + ratio)  # n_val / (n_val + n_train)
    n, rope = len(DIFFERENCES), 0.05
    scale = DIFFERENCES.std(ddof=1) * np.sqrt(1 / n + rho / (1 - rho))
    posterior = stats.t(n - 1, loc=DIFFERENCES.mean(), scale=scale)
    below, within, above = posterior_probabilities(DIFFERENCES, ratio, rope)
    assert below == pytest.approx(posterior.cdf(-rope))
    assert within == pytest.approx(posterior.cdf(rope) - posterior.cdf(-rope))
    assert above == pytest.approx(posterior.sf(rope))
    assert below + within + above == pytest.approx(1)


def test_without_rope_and_correlation_the_probability_is_the_one_sided_p() -> None:
    below, within, above = posterior_probabilities(DIFFERENCES, 0.0, 0.0)
    assert below == pytest.approx(stats.ttest_1samp(DIFFERENCES, 0, alternative="greater").pvalue)
    assert above == pytest.approx(1 - below)
    assert within == pytest.approx(0, abs=1e-12)


def test_a_wider_rope_only_adds_to_practically_equal() -> None:
    found = [posterior_probabilities(DIFFERENCES, THIRD, rope) for rope in (0, 0.1, 0.3, 10)]
    within = [probabilities[1] for probabilities in found]
    assert within == sorted(within)
    assert within[-1] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("value", "p", "probabilities"),
    [(0.0, 1.0, (0, 1, 0)), (0.25, 0.0, (0, 0, 1)), (-0.25, 0.0, (1, 0, 0)), (0.1, 0.0, (0, 1, 0))],
)
def test_equal_differences_are_certain(value, p, probabilities) -> None:
    # Three times .1 has a computed deviation of 1.7e-17, which must not become a t of 1e16.
    same = np.full(3, value)
    assert corrected_t_test(same, THIRD) == (0.0, p)
    assert posterior_probabilities(same, THIRD, 0.1) == probabilities


def test_holm_by_hand() -> None:
    # .01 * 4, .02 * 3, .03 * 2 raised to the one before, .5 * 1
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_level_is_kept_where_folds_are_correlated() -> None:
    """Two equal configurations whose folds share a third of the noise: 5 % at most are told apart at p < .05."""
    generator = np.random.default_rng(1)
    shared, own = generator.normal(size=(4000, 1)) * np.sqrt(0.25), generator.normal(size=(4000, 4)) * np.sqrt(0.75)
    found = np.array([corrected_t_test(differences, THIRD)[1] for differences in shared + own])
    naive = np.array([corrected_t_test(differences, 0.0)[1] for differences in shared + own])
    assert (found < 0.05).mean() < 0.06 < (naive < 0.05).mean()


# What is compared


def test_values_are_those_at_the_own_best_epoch() -> None:
    report = _sweep({"a": 0.0})
    trial = report.ranked[0]
    values = best_values(report, trial)
    curve = report.curves["a"]["val_loss"]
    np.testing.assert_array_equal(values, curve[:, trial.point.best_epoch - 1].astype(float))
    assert values.mean() == pytest.approx(trial.point.best_value)
    for broken in (
        {},
        {"a": {}},
        {"a": {"val_loss": curve[:3]}},
        {"a": {"val_loss": np.full((8, 30), np.nan)}},
    ):
        assert best_values(replace(report, curves=broken), trial) is None


def test_the_best_is_compared_with_those_ranked_next() -> None:
    report = _sweep({"far": 2.0, "best": 0.0, "near": 0.001, "middle": 0.4})
    found = compare_with_best(report, limit=2)
    assert found.best == "best"
    assert [(pair.first, pair.second) for pair in found.pairs] == [("best", "near"), ("best", "middle")]
    assert (found.left_out, found.not_shown) == (0, 1)
    near, middle = found.pairs
    differences = _at_best(report, "middle") - _at_best(report, "best")
    error, p = corrected_t_test(differences, THIRD)
    assert middle.difference == pytest.approx(differences.mean())
    assert (middle.standard_error, middle.p) == (error, p)
    assert [near.p_holm, middle.p_holm] == holm([near.p, middle.p])
    assert middle.rope == pytest.approx(0.01 * report.ranked[0].point.best_value)
    expected = posterior_probabilities(differences, THIRD, middle.rope)
    assert (middle.p_second_better, middle.p_equal, middle.p_first_better) == expected
    assert (middle.folds, middle.repeats, middle.fits) == (4, 2, 8)
    sd_seeds = [trial.point.sd_seeds for trial in report.ranked if trial.run_id in ("best", "middle")]
    assert middle.sd_seeds == max(sd_seeds)
    assert found.not_surely_worse == found.practically_equal == ("best", "near")


def test_the_simplest_of_the_practically_equal_is_found() -> None:
    report = _sweep({"best": 0.0, "near": 0.001, "nearer": 0.0005, "far": 1.0}, sizes=[900, 300, 500, 10])
    found = compare_with_best(report)
    assert found.practically_equal == ("best", "nearer", "near")
    assert found.simplest_equal == "near"
    sentences = choice_sentences(found, report)
    assert "surely better (with probability .95 or more) than 1 of the 3" in sentences[0]
    assert sentences[1].startswith("near is simpler (300 parameters against 900)")
    alone = _sweep({"best": 0.0, "far": 1.0}, sizes=[20, 10])
    found = compare_with_best(alone)
    assert found.simplest_equal == "best"
    assert choice_sentences(found, alone)[:2] == (
        "best is surely better (with probability .95 or more) than the configuration ranked next.",
        "None of them that is practically equal to it has fewer parameters.",
    )


def test_not_surely_worse_is_not_yet_practically_equal() -> None:
    # Five percent behind in the mean, far more apart from fold to fold: neither sure nor equal.
    report = _sweep({"best": 0.0, "noisy": 0.05}, spread={"noisy": 0.3}, sizes=[900, 10])
    found = compare_with_best(report)
    assert found.not_surely_worse == ("best", "noisy")
    assert found.practically_equal == ("best",)
    assert found.simplest_equal == "best"


def test_what_cannot_be_paired_is_left_out_and_counted() -> None:
    report = _sweep({"best": 0.0, "lost": 0.2, "near": 0.3, "next": 0.4})
    odd, more = _trial("odd", 0.1, folds=2, repeats=2)
    curves = {run_id: found for run_id, found in {**report.curves, **more}.items() if run_id != "lost"}
    report = make_report(replace(report.sweep, trials=(*report.sweep.trials, odd)), curves)
    assert [trial.run_id for trial in report.ranked] == ["best", "odd", "lost", "near", "next"]
    found = compare_with_best(report, limit=1)
    assert [pair.second for pair in found.pairs] == ["near"]
    assert (found.left_out, found.not_shown) == (2, 1)
    assert "2 were left out, for want of curves or of the same folds and seeds." in choice_sentences(found, report)
    every = compare_with_best(report)
    assert (len(every.pairs), every.left_out, every.not_shown) == (2, 2, 0)
    matrix = compare_pairs(report)
    assert (matrix.run_ids, matrix.left_out) == (("best", "near", "next"), 2)


def test_without_curves_of_the_best_nothing_is_compared_with_it() -> None:
    report = _sweep({"best": 0.0, "near": 0.1})
    assert compare_with_best(replace(report, curves={"near": report.curves["near"]})) is None
    assert compare_with_best(make_report(replace(report.sweep, trials=()))) is None
    alone = compare_with_best(replace(report, curves={"best": report.curves["best"]}))
    assert (alone.pairs, alone.left_out, alone.not_surely_worse) == ((), 1, ("best",))
    assert choice_sentences(alone, report) == ("No other configuration can be compared with the best.",)


def test_a_matrix_has_every_two_once() -> None:
    report = _sweep({name: 0.1 * number for number, name in enumerate("abcd")})
    matrix = compare_pairs(report, top=3)
    assert [(pair.first, pair.second) for pair in matrix.pairs] == list(combinations("abc", 2))
    assert [pair.p_holm for pair in matrix.pairs] == holm([pair.p for pair in matrix.pairs])
    assert matrix.left_out == 0
    with pytest.raises(ValueError, match=f"1 to {MATRIX_SIZE}"):
        compare_pairs(report, top=9)


def test_a_single_fit_allows_no_test() -> None:
    report = _sweep({"best": 0.0, "near": 0.1}, folds=1, repeats=1, details={"exercise": {"holdout": "0.2"}})
    assert report.validation_ratio == 0.25
    found = compare_with_best(report)
    pair = found.pairs[0]
    assert (pair.standard_error, pair.p, pair.p_holm, pair.p_equal, pair.p_first_better) == (None,) * 5
    assert found.simplest_equal is None
    labels = {"best": "B", "near": "A"}
    assert pair_sentence(pair, labels).startswith("With a single fit no test is possible. B is lower than A by 0.1")
    assert choice_sentences(found, report) == ("With a single fit no test is possible.",)


def test_an_unknown_share_of_validation_rows_allows_no_test() -> None:
    report = _sweep({"best": 0.0, "near": 0.1}, folds=1, details={"exercise": {"holdout": "first 10000"}})
    assert report.validation_ratio is None
    pair = compare_with_best(report).pairs[0]
    assert pair.p is None
    assert pair_sentence(pair, report.labels).startswith("How many rows were held out is not recorded")


# The share of validation rows

SPLIT = {"repeat": 0, "fold": 0, "training": 303}


@pytest.mark.parametrize(
    ("details", "folds", "ratio"),
    [
        (
            {"splits": [SPLIT | {"training": 303, "validation": 101}, SPLIT | {"training": 300, "validation": 60}]},
            4,
            (THIRD + 0.2) / 2,
        ),
        ({}, 4, THIRD),
        ({"splits": [{"broken": 1}]}, 4, THIRD),
        ({"exercise": {"holdout": "0.2"}}, 1, 0.25),
        ({"exercise": {"holdout": "first 10000"}, "data": {"samples": 25000}}, 1, 2 / 3),
        ({"exercise": {"holdout": "first 10000"}}, 1, None),
        ({}, 1, None),
    ],
)
def test_validation_ratio(details, folds, ratio) -> None:
    report = _sweep({"a": 0.0}, folds=folds, details=details)
    found = report.validation_ratio
    assert found is None if ratio is None else found == pytest.approx(ratio)


# Words


def test_sentences() -> None:
    pair = Pair("a", "b", -0.02, 0.01, 0.04, 0.08, 0.02, 0.05, 0.93, 0.004, 0.03, 4, 3)
    assert pair_sentence(pair, LABELS) == "512 tanh is better than 64 relu with probability .93; practically equal .05."
    assert pair_notes(pair) == (
        "The difference (0.020) is smaller than the deviation over seeds (±0.030).",
        "It rests on 4 folds and 3 seeds, 12 fits.",
    )
    turned = replace(pair, p_first_better=0.93, p_second_better=0.02, difference=0.04, sd_seeds=None, repeats=1)
    assert pair_sentence(turned, LABELS) == (
        "64 relu is better than 512 tanh with probability .93; practically equal .05."
    )
    assert pair_notes(turned) == (
        "With a single seed it is not known how far another seed would change this.",
        "It rests on 4 folds and 1 seed, 4 fits.",
    )
    equal = replace(pair, p_first_better=0.03, p_equal=0.9, p_second_better=0.07)
    assert pair_sentence(equal, LABELS) == (
        "64 relu and 512 tanh are practically equal with probability .90; 64 relu is better .03, 512 tanh .07."
    )


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "above .99"), (0.994, ".99"), (0.5, ".50"), (0.005, ".01"), (0.0, "below .01")]
)
def test_probabilities_have_two_digits(value, text) -> None:
    assert probability(value) == text


def test_basis_of_a_holdout() -> None:
    assert basis(1, 5) == "1 hold-out and 5 seeds, 5 fits"


def _at_best(report: Report, run_id: str):
    trial = next(trial for trial in report.ranked if trial.run_id == run_id)
    return best_values(report, trial)


def _trial(
    run_id: str, level: float, *, folds: int = 4, repeats: int = 2, spread: float = 0.001, size: int | None = 100
):
    """A trial at a level; its fits differ by noise of their own that sums up to 0, and alike in a fold."""
    fits, epochs = folds * repeats, 30
    own = np.random.default_rng(len(run_id) + ord(run_id[0])).normal(size=(repeats, folds)) * spread
    own = (own - own.mean() if fits > 1 else own * 0).reshape(-1, 1)
    falling = 1 + level + (np.arange(1, epochs + 1) - 12) ** 2 / 200
    curve = (falling + own + 0.05 * np.tile(np.arange(folds), repeats)[:, None]).astype(np.float32)
    point = analyse(curve, folds=folds, repeats=repeats, validation_ratio=THIRD, draws=50)
    return Trial(configuration=None, run_id=run_id, name=run_id, point=point, seconds=1.0, parameters=size), {
        run_id: {"val_loss": curve}
    }


def _sweep(levels, *, folds: int = 4, repeats: int | None = None, spread=None, sizes=None, details=None):
    """A report of made trials with their curves."""
    repeats = repeats or (2 if folds > 1 else 3)
    trials, curves = [], {}
    for number, (run_id, level) in enumerate(levels.items()):
        width = (spread or {}).get(run_id, 0.001)
        size = sizes[number] if sizes else 100
        trial, more = _trial(run_id, level, folds=folds, repeats=repeats, spread=width, size=size)
        trials.append(trial)
        curves |= more
    started = datetime(2025, 1, 1, tzinfo=UTC)
    sweep = Sweep(
        run_id="s",
        uri="",
        status="FINISHED",
        exercise="made",
        monitor="val_loss",
        started=started,
        record=made_record(details or {}),
        trials=tuple(trials),
    )
    return make_report(sweep, curves)
