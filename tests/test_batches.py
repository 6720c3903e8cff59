"""The shape of an epoch, and which rows go where in it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.training.batches import EpochLayout, epoch_rows, evaluation_rows
from pipelines.training.plan import Fit, epoch_order

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=5)
BATCH = st.integers(1, 70)


def rows_from(first: int, count: int) -> NDArray[np.int32]:
    return np.arange(first, first + count, dtype=np.int32)


def make_fit(train: int, validation: int = 3, *, seed: int = 1) -> Fit:
    """Training rows 100, 101, ... and validation rows 500, 501, ..., so that padding, row 0, is none of them."""
    return Fit(rows_from(100, train), rows_from(500, validation), seed, 0.01)


# Layouts.


def test_a_padded_layout_has_one_shape_of_batch() -> None:
    assert EpochLayout.padded([20, 21], 8) == EpochLayout(8, 3, 0, masked=True, idle=False)
    assert EpochLayout.padded([16, 16], 8) == EpochLayout(8, 2, 0, masked=False, idle=False)


def test_a_batch_is_no_larger_than_the_largest_fold() -> None:
    assert EpochLayout.padded([20, 21], 100) == EpochLayout(21, 1, 0, masked=True, idle=False)
    assert EpochLayout.padded([21, 21], 100) == EpochLayout(21, 1, 0, masked=False, idle=False)


def test_a_step_is_idle_where_some_fit_has_no_row_left_for_it() -> None:
    """16 rows fill 2 batches of 8; the seventeenth row of the other fit needs a third."""
    assert EpochLayout.padded([16, 17], 8) == EpochLayout(8, 3, 0, masked=True, idle=True)


def test_an_exact_layout_has_a_smaller_batch_of_its_own() -> None:
    assert EpochLayout.exact(21, 8) == EpochLayout(8, 2, 5, masked=False, idle=False)
    assert EpochLayout.exact(16, 8) == EpochLayout(8, 2, 0, masked=False, idle=False)
    assert EpochLayout.exact(5, 8) == EpochLayout(8, 0, 5, masked=False, idle=False)


@settings(deadline=None)
@given(SIZES, BATCH)
def test_a_padded_layout_has_room_for_all_and_says_what_is_padding(sizes: list[int], batch_size: int) -> None:
    layout = EpochLayout.padded(sizes, batch_size)
    last = (layout.steps - 1) * layout.batch_size
    assert layout.batch_size <= batch_size
    assert last < max(sizes) <= layout.width
    assert layout.masked == any(size < layout.width for size in sizes)
    assert layout.idle == any(size <= last for size in sizes)


@given(st.integers(1, 200), BATCH)
def test_an_exact_layout_has_no_padding(size: int, batch_size: int) -> None:
    layout = EpochLayout.exact(size, batch_size)
    assert layout.width == size
    assert layout.tail < batch_size


# Rows.


@settings(deadline=None)
@given(SIZES, BATCH, st.integers(0, 5), st.integers(1, 3))
def test_every_epoch_visits_every_training_row_once(sizes: list[int], batch: int, first: int, count: int) -> None:
    fits = [make_fit(size, seed=index + 1) for index, size in enumerate(sizes)]
    layout = EpochLayout.padded(sizes, batch)
    rows = epoch_rows(fits, range(first, first + count), layout)
    assert rows.shape == (len(fits), count, layout.width)
    assert rows.dtype == np.int32
    for fit, of_fit in zip(fits, rows, strict=True):
        for epoch in of_fit:
            assert sorted(epoch[: len(fit.train)]) == list(fit.train)
            assert (epoch[len(fit.train) :] == 0).all()


def test_the_order_is_that_of_seed_and_epoch_whatever_the_chunk() -> None:
    fit = make_fit(21, seed=7)
    layout = EpochLayout.exact(21, 8)
    whole = epoch_rows([fit], range(6), layout)[0]
    parts = [epoch_rows([fit], epochs, layout)[0] for epochs in (range(2), range(2, 5), range(5, 6))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(whole[4], fit.train[epoch_order(7, 4, 21)])
    assert len({tuple(epoch) for epoch in whole}) == 6


def test_fits_of_equal_rows_and_other_seeds_have_another_order() -> None:
    fit = make_fit(21)
    rows = epoch_rows([fit, replace(fit, seed=2), fit], range(2), EpochLayout.exact(21, 8))
    np.testing.assert_array_equal(rows[0], rows[2])
    assert (rows[0] != rows[1]).any(axis=1).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=5), st.integers(1, 60))
def test_evaluation_takes_every_validation_row_once_in_chunks(sizes: list[int], chunk: int) -> None:
    fits = [make_fit(1, validation=size) for size in sizes]
    rows = evaluation_rows(fits, chunk)
    assert rows.shape[0] == len(fits)
    assert rows.shape[2] <= chunk
    # No chunk is there without a row of the largest fold in it.
    assert rows.shape[1] == 0 if max(sizes) == 0 else (rows.shape[1] - 1) * rows.shape[2] < max(sizes)
    for fit, of_fit in zip(fits, rows.reshape(len(fits), -1), strict=True):
        count = len(fit.validation)
        np.testing.assert_array_equal(of_fit[:count], fit.validation)
        assert (of_fit[count:] == 0).all()


@pytest.mark.parametrize(("rows", "chunk", "shape"), [(10, 4, (1, 3, 4)), (9, 4, (1, 3, 3)), (3, 100, (1, 1, 3))])
def test_chunks_of_an_evaluation_are_of_even_size(rows: int, chunk: int, shape: tuple[int, int, int]) -> None:
    assert evaluation_rows([make_fit(1, validation=rows)], chunk).shape == shape
