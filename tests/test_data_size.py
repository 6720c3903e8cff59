"""Would more data help: on configurations that differ in the number of rows alone, and on searched ones."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.exercises.configurations import Configuration
from reports.analysis.data_size import MoreData, data_size
from tests.support.made_reports import EPOCHS, FOLDS, REPEATS, made_point, made_report

BASE = Configuration(layers=(64,))
FITS = FOLDS * REPEATS
OFFSETS = np.linspace(-0.1, 0.1, FITS)[:, None]


def flat_curves(level: float, gap: float = 0.3, noise: float = 0.0, seed: int = 0):
    """Each fit has its own level; noise is between fits, too."""
    own = OFFSETS + np.random.default_rng(seed).normal(0, noise, (FITS, 1))
    validation = np.repeat(level * (1 + own), EPOCHS, axis=1).astype(np.float32)
    return {"val_loss": validation, "loss": validation - np.float32(gap)}


def of_levels(levels: dict[float, float], noise: float = 0.0):
    return made_report(
        [(replace(BASE, train_fraction=f), made_point(level, gap_best=0.3)) for f, level in levels.items()],
        curves={f"run{n}": flat_curves(level, noise=noise, seed=n) for n, level in enumerate(levels.values())},
    )


def test_more_data_that_help() -> None:
    report = of_levels({1.0: 0.92, 0.5: 1.0, 0.1: 2.0}, noise=0.005)
    found = data_size(report)
    assert [(p.label, p.fraction, p.rows, p.configurations) for p in found.points] == [
        ("10 %", 0.1, 30, 1), ("50 %", 0.5, 150, 1), ("100 %", 1.0, 300, 1)
    ]  # fmt: skip
    assert found.sets == 1 and found.verdict is MoreData.HELPS
    assert found.step.low < -0.08 < found.step.high < 0
    assert found.sentence.startswith("From 50 % to 100 % of the rows (150 to 300 of a fold) val_loss falls by 7.9 % [")
    assert found.sentence.endswith(
        ": more data would help (1 pair of configurations, equal otherwise, 4 folds x 2 seeds)."
    )


def test_points_have_bands_over_the_fits() -> None:
    report = of_levels({0.5: 1.0, 1.0: 0.5})
    half, whole = data_size(report).points
    assert half.value.value == pytest.approx(1.0) and whole.value.value == pytest.approx(0.5)
    width = 2.364624 * OFFSETS.std(ddof=1) * np.sqrt(1 / 4)  # four folds, two repeats
    assert half.value.high - half.value.value == pytest.approx(width, rel=1e-4)
    assert half.gap.value == pytest.approx(0.3) and half.gap.low == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize(
    ("last", "verdict", "words"),
    [
        (1.0, MoreData.NO_SURE_EFFECT, "it is not sure that more data would help"),
        (1.3, MoreData.HURTS, "rises by 29 % ["),
    ],
)
def test_more_data_that_do_not_help(last, verdict, words) -> None:
    report = of_levels({0.5: 1.0, 1.0: last}, noise=0.05)
    found = data_size(report)
    assert found.verdict is verdict and words in found.sentence


def test_only_the_two_largest_sizes_decide() -> None:
    report = of_levels({0.1: 5.0, 0.5: 1.0, 1.0: 1.0}, noise=0.02)
    assert data_size(report).verdict is MoreData.NO_SURE_EFFECT


def test_several_sets_are_averaged() -> None:
    pairs, curves = [], {}
    for n, change in enumerate([0.8, 0.9, 0.85, 0.87]):
        for fraction, level in ((0.5, 1.0 + n), (1.0, (1.0 + n) * change)):
            curves[f"run{len(pairs)}"] = flat_curves(level)
            pairs.append((replace(BASE, layers=(8 * 2**n,), train_fraction=fraction), made_point(level)))
    found = data_size(made_report(pairs, curves=curves))
    assert found.sets == 4 and found.points[0].value.value == pytest.approx(2.5)
    assert len(found.points[0].run_ids) == found.points[0].configurations == 4
    assert found.step.value == pytest.approx((0.8 * 0.9 * 0.85 * 0.87) ** 0.25 - 1)
    assert "4 pairs of configurations, equal otherwise" in found.sentence


def test_without_curves_there_are_no_bands_and_one_pair_cannot_say() -> None:
    found = data_size(replace(of_levels({0.5: 1.0, 1.0: 0.9}), curves={}))
    assert found.points[0].value.low is None and found.points[0].value.value == 1.0
    assert found.verdict is MoreData.CANNOT_SAY and found.step is None
    assert "cannot say whether more data would help: " in found.sentence


def searched(count: int, fractions, effect: float = 0.5):
    generator = np.random.default_rng(0)
    pairs = []
    for number in range(count):
        fraction = float(fractions(generator))
        configuration = Configuration(layers=(4 + number * 7 % count,), train_fraction=fraction)
        value = fraction**-effect * 0.1 * np.log2(configuration.layers[0]) ** 0.5 * np.exp(generator.normal(0, 0.03))
        pairs.append((configuration, made_point(float(value), gap_best=0.1)))
    return made_report(pairs)


def test_a_search_is_answered_by_a_regression() -> None:
    found = data_size(searched(40, lambda g: g.choice([0.1, 0.5, 1.0])))
    assert found.sets == 0 and [len(point.run_ids) for point in found.points] == [1, 1, 1]
    assert found.step.low < 0.5**0.5 - 1 < found.step.high and found.verdict is MoreData.HELPS
    assert "other settings held equal by a regression" in found.sentence


def test_a_lucky_pair_does_not_outweigh_a_search() -> None:
    report = searched(40, lambda g: g.choice([0.5, 1.0]))
    first = report.ranked[0].configuration
    other = replace(first, train_fraction=1.5 - first.train_fraction)
    pairs = [(t.configuration, t.point) for t in report.ranked] + [(other, made_point(9.0))]
    found = data_size(made_report(pairs, curves={"run0": flat_curves(1.0), "run40": flat_curves(1.0)}))
    assert found.sets == 1 and "41 configurations, other settings held equal" in found.sentence


def test_a_continuum_of_sizes_is_binned() -> None:
    found = data_size(searched(60, lambda g: g.uniform(0.1, 1.0)))
    assert 2 <= len(found.points) <= 6 and found.sets == 0
    assert sum(point.configurations for point in found.points) == 60
    assert " to " in found.points[-1].label and found.verdict is MoreData.HELPS


def test_few_searched_configurations_cannot_say() -> None:
    found = data_size(searched(6, lambda g: g.choice([0.5, 1.0])))
    assert found.verdict is MoreData.CANNOT_SAY and "no two configurations differ" in found.sentence


def test_none_where_the_rows_are_always_the_same() -> None:
    assert data_size(made_report([(BASE, made_point())])) is None


def test_sizes_without_recorded_splits_have_no_rows() -> None:
    pairs = [(replace(BASE, train_fraction=f), made_point(2.0 - f)) for f in (0.5, 1.0)]
    found = data_size(made_report(pairs, details={}, curves={"run0": flat_curves(1.5), "run1": flat_curves(1.0)}))
    assert [point.rows for point in found.points] == [None, None]
    assert "of a fold" not in found.sentence
