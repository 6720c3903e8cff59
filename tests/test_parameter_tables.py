"""Which settings vary, and what over-fitting looks like at each of their values."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipelines.exercises.configurations import Configuration
from pipelines.overfitting.point import Verdict
from reports.analysis.by_setting import trends, value_rows
from reports.settings import MOST_BINS, VariedSetting, number_levels, setting_of
from reports.tables.by_setting import trend_sentence
from tests.support.made_reports import DIVERGED, made_point, made_report

BASE = Configuration(layers=(16,))


def varied(report, name: str) -> VariedSetting:
    return next(found for found in report.varied if found.name == name)


def widths(count: int) -> list[Configuration]:
    return [replace(BASE, layers=(2 + number,)) for number in range(count)]


# Bins


@pytest.mark.parametrize(
    ("values", "log", "whole", "labels"),
    [
        ([32, 16], True, True, ["16", "32"]),
        ([1, 4, 5, 16, 17, 64, 100, 1000], True, True, ["1", "2-4", "5-16", "17-64", "65-256", "257-1024"]),
        ([0, 1, 2, 3, 4, 5, 6], False, True, ["0", "1-2", "3-4", "5-6"]),
        ([0, 0.11, 0.19, 0.2, 0.25, 0.35, 0.4], False, False, ["0", "0.1 to 0.2", "0.2 to 0.3", "0.3 to 0.4"]),
        ([1e-4, 2e-4, 3e-4, 1e-3, 2e-3, 9e-3, 1e-2], True, False, None),
        ([0.00101, 0.001012], True, False, ["0.00101", "0.001012"]),
    ],
)
def test_labels_of_bins(values, log, whole, labels) -> None:
    levels, _ = number_levels(values, log=log, whole=whole)
    assert [level.label for level in levels] == (
        labels or ["0.0001 to 0.0003", "0.0003 to 0.001", "0.001 to 0.003", "0.003 to 0.01"]
    )


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_every_value_lies_in_its_bin_and_there_are_few(log, whole, seed) -> None:
    generator = np.random.default_rng(seed)
    top = 10 ** generator.uniform(1, 4)
    values = generator.uniform(0, top, 50) if not log else 10 ** generator.uniform(-3, np.log10(top), 50)
    values = [float(int(value)) + 1 if whole else float(value) for value in values] + ([0.0] if seed % 2 else [])
    levels, positions = number_levels(values, log=log, whole=whole)
    assert 1 <= len(levels) <= MOST_BINS
    assert len({level.label for level in levels}) == len(levels)
    assert set(positions) == set(range(len(levels)))
    assert all(levels[p].low <= value <= levels[p].high for p, value in zip(positions, values, strict=True))
    assert all(a.high < b.low for a, b in pairwise(levels))


# Which settings vary


def test_only_what_varies_and_has_an_effect() -> None:
    report = made_report(
        [
            (replace(BASE, activation="tanh", dropout=0.5), made_point(1.0)),
            (replace(BASE, layers=(64, 64)), made_point(2.0)),
            (replace(BASE, layers=(), activation="selu", l2=0.1), made_point(3.0)),
        ]
    )
    found = report.varied
    assert [p.name for p in found] == ["units", "depth", "activation", "dropout"]
    units, depth, activation, dropout = found
    assert units.log and units.numeric and [level.label for level in units.levels] == ["16", "64"]
    assert units.value_of == {"run0": 16, "run1": 64}
    assert [level.label for level in depth.levels] == ["0", "1", "2"] and not depth.log
    assert not activation.numeric and [level.label for level in activation.levels] == ["relu", "tanh"]
    assert dropout.level_of == {"run0": 1, "run1": 0}


def test_a_later_layer_of_its_own_width_is_a_parameter() -> None:
    report = made_report(
        [(replace(BASE, layers=(64, 4)), made_point()), (replace(BASE, layers=(64, 64)), made_point())]
    )
    assert [p.name for p in report.varied] == ["units_2"]
    assert setting_of(Configuration(layers=(64, 4)), "units_2") == 4
    assert setting_of(Configuration(layers=(64,)), "units_2") is None


def test_nothing_varies_in_one_configuration() -> None:
    assert made_report([(BASE, made_point())]).varied == ()
    assert made_report([]).varied == ()


def test_zero_has_a_place_on_a_log_scale() -> None:
    report = made_report([(replace(BASE, l2=l2), made_point()) for l2 in (0.0, 1e-4, 1e-2)])
    l2 = varied(report, "l2")
    assert [l2.position(value) for value in (0.0, 1e-4, 1e-2)] == pytest.approx([-5, -4, -2])


# The table


def test_a_row_speaks_of_all_configurations_and_of_the_best() -> None:
    small = [made_point(3.0, onset=None, severity=0.0), made_point(1.0, onset=None, severity=0.1, gap_final=0.3)]
    large = [
        made_point(2.0, onset=30, severity=0.6),
        made_point(2.5, onset=50, severity=0.4),
        made_point(4.0, onset=70),
    ]
    configurations = [replace(BASE, batch_size=size, layers=(16 + n,)) for n, size in enumerate([8, 8, 64, 64, 64, 64])]
    report = made_report(list(zip(configurations, [*small, *large, DIVERGED], strict=True)))
    few, many = value_rows(report, varied(report, "batch_size"))
    assert (few.level.label, few.configurations, few.diverged, few.overfitting, few.share) == ("8", 2, 0, 0, 0.0)
    assert few.best.run_id == "run1" and few.point.best_value == 1.0
    assert few.median_onset is None
    assert few.median_severity == pytest.approx(0.05) and few.median_gap_final == pytest.approx(0.4)
    assert (many.configurations, many.diverged, many.overfitting, many.share) == (3, 1, 3, 1.0)
    assert many.best.run_id == "run2" and many.median_onset == 50 and many.median_severity == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("onsets", "expected"),
    [([10, 20, 30], 20), ([10, 20, None], 20), ([10, None, None], None), ([10, None], 10), ([None], None)],
)
def test_an_onset_that_never_came_counts_as_late(onsets, expected) -> None:
    points = [(c, made_point(onset=onset)) for c, onset in zip(widths(len(onsets)), onsets, strict=True)]
    report = made_report([*points, (replace(BASE, batch_size=64), made_point())])
    row = value_rows(report, varied(report, "batch_size"))[0]
    assert row.median_onset == expected


@pytest.mark.parametrize(
    ("best", "expected"),
    [([10, 20, 100], (20, False)), ([10, 100, 100], (100, True)), ([10, 20], (10, False)), ([99], (100, True))],
)
def test_a_best_epoch_at_the_end_is_a_lower_bound(best, expected) -> None:
    points = [
        (c, made_point(onset=None, best_epoch=epoch, best_epoch_high=epoch, censored=epoch > 95))
        for c, epoch in zip(widths(len(best)), best, strict=True)
    ]
    report = made_report([*points, (replace(BASE, batch_size=64), made_point())])
    row = value_rows(report, varied(report, "batch_size"))[0]
    assert (row.median_best_epoch, row.beyond) == expected


def test_a_short_training_that_still_improved_bounds_the_median_from_below() -> None:
    short = made_point(onset=None, verdict=Verdict.STILL_IMPROVING, best_epoch=29, epochs=30)
    points = list(zip(widths(3), [short, made_point(best_epoch=50), made_point(best_epoch=60)], strict=True))
    report = made_report([*points, (replace(BASE, batch_size=64), made_point())])
    row = value_rows(report, varied(report, "batch_size"))[0]
    assert (row.median_best_epoch, row.beyond) == (50, True)


def test_a_value_at_which_all_diverged_has_a_row() -> None:
    report = made_report([(BASE, made_point()), (replace(BASE, learning_rate=1.0), DIVERGED)])
    good, bad = value_rows(report, varied(report, "learning_rate"))
    assert good.configurations == 1
    assert (bad.configurations, bad.diverged, bad.best, bad.point, bad.share) == (0, 1, None, None, None)
    assert bad.median_best_epoch is None and bad.median_onset is None


def test_rows_hold_every_configuration_once() -> None:
    generator = np.random.default_rng(0)
    chosen = [
        replace(BASE, layers=(int(w),), learning_rate=float(r))
        for w, r in zip(generator.integers(2, 3000, 40), 10 ** generator.uniform(-5, -1, 40), strict=True)
    ]
    report = made_report([(configuration, made_point()) for configuration in chosen])
    for found in report.varied:
        assert sum(row.configurations for row in value_rows(report, found)) == 40


# Sentences


def test_a_trend_is_said_with_its_numbers() -> None:
    sizes = [16, 16, 64, 64, 256, 256, 1024, 1024, 1024]
    epochs, severity = [14, 12, 9, 8, 6, 5, 4, 3, 3], [0.01, 0.02, 0.05, 0.06, 0.1, 0.2, 0.3, 0.4, 0.5]
    report = made_report(
        [
            (replace(BASE, layers=(s,), learning_rate=1e-3 + 1e-5 * n), made_point(best_epoch=e, severity=v))
            for n, (s, e, v) in enumerate(zip(sizes, epochs, severity, strict=True))
        ]
    )
    assert trend_sentence(report, varied(report, "units")) == (
        "With units from 16 to 1024, the median best epoch falls from 12 to 3 and the median "
        "severity rises from 2 % to 40 % (rank correlations -0.97 and +0.97 over 9 configurations)."
    )


def test_words_are_compared_as_groups() -> None:
    report = made_report(
        [
            (
                replace(BASE, layers=(8 + n,), activation="relu" if n % 2 else "tanh"),
                made_point(severity=0.01 * n + n % 2),
            )
            for n in range(20)
        ]
    )
    assert trend_sentence(report, varied(report, "activation")) == (
        "By activation, the median severity is lowest with tanh (9 %) and highest with relu (110 %) (Kruskal-Wallis "
        "test, p < 0.01, over 20 configurations)."
    )


def test_few_configurations_and_chance_are_no_trend() -> None:
    perfect = [(replace(BASE, layers=(2**n,)), made_point(severity=float(n))) for n in range(1, 8)]
    assert trend_sentence(made_report(perfect), varied(made_report(perfect), "units")) == ""
    said = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        report = made_report(
            [(replace(BASE, dropout=0.1 * (n % 5)), made_point(severity=generator.random(), best_epoch=n % 7 + 9))
             for n in range(15)]
        )  # fmt: skip
        said += any(trend.quantity == "severity" for trend in trends(report, varied(report, "dropout")))
    assert said <= 5
