"""Normalisation from the training rows alone, and nested shares of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipelines.datasets import preparation
from pipelines.datasets.base import Task
from pipelines.datasets.preparation import NORMALISATIONS, fit_normalisation, subsample
from pipelines.errors import UserError

TABLE = np.array([[1.0, 5.0, 10.0], [3.0, 5.0, 20.0], [5.0, 5.0, 60.0], [1e6, -1e6, 1e6]], np.float32)
TRAIN = np.array([0, 1, 2], np.int32)


@pytest.mark.parametrize(("kind", "scale"), [("none", 1.0), ("divide_255", 255.0), ("divide_256", 256.0)])
def test_fixed_scales_are_scalars(kind, scale):
    offset, divisor = fit_normalisation(TABLE, TRAIN, kind)
    assert (offset.shape, divisor.shape) == ((), ())
    assert (float(offset), float(divisor)) == (0.0, scale)


def test_standardise_is_numpys_mean_and_deviation_of_the_training_rows():
    offset, scale = fit_normalisation(TABLE, TRAIN, "standardise")
    assert offset.tolist() == [3.0, 5.0, 30.0]
    np.testing.assert_allclose(scale, [TABLE[:3, 0].std(), 1.0, TABLE[:3, 2].std()], rtol=1e-6)


def test_minmax_puts_the_training_rows_between_0_and_1():
    offset, scale = fit_normalisation(TABLE, TRAIN, "minmax")
    seen = (TABLE[TRAIN] - offset) / scale
    assert seen[:, [0, 2]].min(axis=0).tolist() == [0.0, 0.0]
    assert seen[:, [0, 2]].max(axis=0).tolist() == [1.0, 1.0]
    assert seen[:, 1].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_rows_outside_the_training_have_no_say(kind):
    changed = TABLE.copy()
    changed[3] = -7
    for before, after in zip(
        fit_normalisation(TABLE, TRAIN, kind), fit_normalisation(changed, TRAIN, kind), strict=True
    ):
        assert before.dtype == np.float32
        np.testing.assert_array_equal(before, after)


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.float32]),
        st.tuples(st.integers(1, 12), st.integers(1, 4)),
        elements=st.integers(0, 255),
    ),
    st.integers(1, 6),
)
def test_blocks_change_nothing(inputs, block_rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "BLOCK_VALUES", block_rows * inputs.shape[1])
        offset, scale = fit_normalisation(inputs, np.arange(len(inputs)), "standardise")
    exact = inputs.astype(np.float64)
    deviation = exact.std(axis=0)
    constant = inputs.min(axis=0) == inputs.max(axis=0)
    np.testing.assert_allclose(offset, exact.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(scale, np.where(constant, 1.0, deviation), rtol=1e-6)


def test_a_memory_map_of_images_keeps_its_shape(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 5, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    offset, scale = fit_normalisation(np.load(tmp_path / "images.npy", mmap_mode="r"), np.arange(20), "standardise")
    assert offset.shape == scale.shape == (4, 5, 3)
    np.testing.assert_allclose(offset, images[:20].mean(axis=0), rtol=1e-6)


def test_a_constant_that_floats_cannot_average_exactly_counts_as_constant():
    inputs = np.full((3, 1), 0.1)
    offset, scale = fit_normalisation(inputs, np.arange(3), "standardise")
    assert scale.tolist() == [1.0]
    assert offset[0] == np.float32(0.1)


def test_a_spread_too_small_for_floats_gives_no_infinities():
    inputs = np.array([[0.0], [1e-45]], np.float32)
    for kind in ("standardise", "minmax"):
        offset, scale = fit_normalisation(inputs, [0, 1], kind)
        assert np.all(np.isfinite((inputs - offset) / scale))


def test_wrong_normalisations_are_refused():
    with pytest.raises(UserError, match=r"'standardize'.*none, divide_255"):
        fit_normalisation(TABLE, TRAIN, "standardize")
    with pytest.raises(UserError, match="at least one training row"):
        fit_normalisation(TABLE, [], "minmax")


LABELS = np.repeat([0, 1, 2], [70, 25, 5]).astype(np.int32)
ROWS = np.arange(100, dtype=np.int32)


def test_a_fraction_keeps_the_proportions():
    kept = subsample(ROWS, LABELS, Task.MULTICLASS, 0.4, seed=3)
    assert np.bincount(LABELS[kept]).tolist() == [28, 10, 2]
    assert kept.dtype == np.int32
    assert np.all(np.diff(kept) > 0)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.001, 1), st.floats(0.001, 1), st.integers(0, 2**32), st.sampled_from(list(Task)))
def test_a_smaller_fraction_is_part_of_a_larger_one(one, other, seed, task):
    small, large = sorted([one, other])
    rows = ROWS[::-2]
    less, more = (set(subsample(rows, LABELS, task, fraction, seed).tolist()) for fraction in (small, large))
    assert less <= more <= set(rows.tolist())
    if task.is_classification:
        assert set(LABELS[list(less)]) == set(LABELS[rows])


def test_seeds_choose_different_rows_and_one_seed_the_same():
    first, again, other = (subsample(ROWS, LABELS, Task.MULTICLASS, 0.3, seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_regression_keeps_its_share():
    assert len(subsample(ROWS, np.linspace(0, 1, 100), Task.REGRESSION, 0.25, seed=0)) == 25
    assert len(subsample(ROWS, np.linspace(0, 1, 100), Task.REGRESSION, 0.001, seed=0)) == 1


def test_the_whole_is_the_whole():
    assert subsample(ROWS[::-1], LABELS, Task.MULTICLASS, 1.0, seed=0).tolist() == ROWS.tolist()


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01, float("nan")])
def test_wrong_fractions_are_refused(fraction):
    with pytest.raises(UserError, match="train_fraction"):
        subsample(ROWS, LABELS, Task.MULTICLASS, fraction, seed=0)


def test_no_rows_are_refused():
    with pytest.raises(UserError, match="no training rows"):
        subsample(ROWS[:0], LABELS, Task.MULTICLASS, 0.5, seed=0)
