"""Folds: every row validated once a repeat, classes in proportion, and errors that say what to change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.datasets.base import Task
from pipelines.datasets.folds import make_splits, parse_holdout
from pipelines.errors import UserError

SMALL_REUTERS = np.repeat(np.arange(46), [10, *([11] * 44), 300]).astype(np.int32)


def kfold(targets, task=Task.REGRESSION, folds=4, repeats=1, seed=0, **more):
    return make_splits(targets, task, validation="kfold", folds=folds, repeats=repeats, seed=seed, **more)


def holdout(targets, spec, task=Task.MULTICLASS, repeats=1, seed=0):
    return make_splits(targets, task, validation="holdout", folds=1, repeats=repeats, seed=seed, holdout=spec)


def validations(splits):
    return [tuple(split.validation.tolist()) for split in splits]


@settings(max_examples=40, deadline=None)
@given(samples=st.integers(2, 60), folds=st.integers(2, 12), repeats=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_every_row_is_validated_once_a_repeat(samples, folds, repeats, seed):
    folds = min(folds, samples)
    splits = kfold(np.linspace(0, 1, samples), folds=folds, repeats=repeats, seed=seed)
    assert [(s.repeat, s.fold) for s in splits] == [(r, f) for r in range(repeats) for f in range(folds)]
    for repeat in range(repeats):
        own = [s for s in splits if s.repeat == repeat]
        assert sorted(np.concatenate([s.validation for s in own]).tolist()) == list(range(samples))
        sizes = [len(s.validation) for s in own]
        assert max(sizes) - min(sizes) <= 1
        for s in own:
            assert sorted([*s.train, *s.validation]) == list(range(samples))


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(5, 30), min_size=2, max_size=5), folds=st.integers(2, 5))
def test_every_fold_has_each_class_in_its_proportion(counts, folds):
    labels = np.repeat(np.arange(len(counts)), counts)
    for split in kfold(labels, Task.MULTICLASS, folds=folds):
        found = np.bincount(labels[split.validation], minlength=len(counts))
        assert np.all(np.abs(found - np.array(counts) / folds) <= 1)


def test_rows_are_sorted_int32():
    for split in (*kfold(np.arange(9.0)), *holdout(np.arange(9.0), "0.3", Task.REGRESSION)):
        for rows in (split.train, split.validation):
            assert rows.dtype == np.int32
            assert np.all(np.diff(rows) > 0)


def test_repeats_cut_anew_and_a_seed_gives_the_same_cuts():
    first = kfold(np.arange(40.0), repeats=3, seed=7)
    assert validations(first) == validations(kfold(np.arange(40.0), repeats=3, seed=7))
    cuts = {frozenset(validations(first[repeat * 4 : repeat * 4 + 4])) for repeat in range(3)}
    assert len(cuts) == 3
    assert validations(first[:4]) == validations(kfold(np.arange(40.0), seed=7))


def test_neighbouring_seeds_share_no_cuts():
    seven, eight = kfold(np.arange(40.0), repeats=4, seed=7), kfold(np.arange(40.0), repeats=4, seed=8)
    assert not set(validations(seven)) & set(validations(eight))


def test_reuters_smallest_class_allows_four_folds():
    for split in kfold(SMALL_REUTERS, Task.MULTICLASS, folds=4):
        assert len(np.unique(SMALL_REUTERS[split.train])) == 46


def test_as_many_folds_as_samples():
    assert validations(kfold(np.arange(3.0), folds=3)) != []
    assert sorted(validations(kfold(np.arange(3.0), folds=3))) == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("targets", "task", "folds", "said"),
    [
        (np.arange(9.0), Task.REGRESSION, 1, "folds is 1"),
        (np.arange(9.0), Task.REGRESSION, True, "folds is True"),
        (np.arange(3.0), Task.REGRESSION, 4, "3 samples for 4 folds"),
        (SMALL_REUTERS, Task.MULTICLASS, 11, "Class 0 has 10 .* 11 folds.*at most 10 folds"),
        (np.array([0, 0, 0, 1]), Task.BINARY, 2, "Class 1 has 1 .*hold-out"),
        (np.zeros(9, int), Task.BINARY, 3, "one class, 0"),
        (np.zeros(1), Task.REGRESSION, 2, "At least 2 samples"),
    ],
)
def test_impossible_folds_are_refused(targets, task, folds, said):
    with pytest.raises(UserError, match=said):
        kfold(targets, task, folds=folds)


def test_the_error_names_the_class_where_names_are_known():
    with pytest.raises(UserError, match="Class 'rare' has 2"):
        kfold(np.array([0] * 9 + [1] * 2), Task.BINARY, folds=3, classes=("common", "rare"))


@pytest.mark.parametrize(("key", "value"), [("repeats", 0), ("seed", -1), ("repeats", 1.5)])
def test_wrong_numbers_are_refused(key, value):
    with pytest.raises(UserError, match=f"{key} is {value}"):
        kfold(np.arange(9.0), **{key: value})


def test_first_n_is_the_same_in_every_repeat():
    labels = np.tile([0, 1, 2], 10)
    splits = holdout(labels, "first 12", repeats=3)
    assert [(s.repeat, s.fold) for s in splits] == [(0, 0), (1, 0), (2, 0)]
    for split in splits:
        assert split.validation.tolist() == list(range(12))
        assert split.train.tolist() == list(range(12, 30))


def test_a_share_is_stratified_and_drawn_anew():
    labels = np.repeat([0, 1], [80, 20])
    splits = holdout(labels, "0.2", Task.BINARY, repeats=3)
    for split in splits:
        assert np.bincount(labels[split.validation]).tolist() == [16, 4]
        assert sorted([*split.train, *split.validation]) == list(range(100))
    assert len(set(validations(splits))) == 3
    assert validations(splits) == validations(holdout(labels, 0.2, Task.BINARY, repeats=3))


@pytest.mark.parametrize(
    ("labels", "spec", "said"),
    [
        ([0, 1] * 5, "first 10", "first 10 of 10 samples"),
        ([0, 1] * 5, "last 5", "'last 5'; allowed"),
        ([0, 1] * 5, "first ten", "'first ten'; allowed"),
        ([0, 1] * 5, "1.0", "'1.0'; allowed"),
        ([0, 1] * 5, None, "None; allowed"),
        ([0, 1] * 5, "0.01", "leaves a part empty"),
        ([0] * 5 + [1] * 5, "first 5", "sorted by class"),
        ([0] * 9 + [1], "0.5", "Class 1 has 1 sample"),
        ([0, 1, 2] * 3, "0.2", "each of the 3 classes"),
        ([1] * 9, "0.2", "one class"),
    ],
)
def test_impossible_holdouts_are_refused(labels, spec, said):
    with pytest.raises(UserError, match=said):
        holdout(np.array(labels), spec)


def test_an_unknown_validation_is_refused():
    with pytest.raises(UserError, match=r"'bootstrap'.*kfold, holdout"):
        make_splits(np.arange(9.0), Task.REGRESSION, validation="bootstrap", folds=2, repeats=1, seed=0)


@pytest.mark.parametrize(
    ("text", "meaning"), [("first 10000", 10000), ("First 10,000", 10000), ("0.2", 0.2), (0.25, 0.25), (" .5 ", 0.5)]
)
def test_what_a_holdout_means(text, meaning):
    assert parse_holdout(text) == meaning
    assert type(parse_holdout(text)) is type(meaning)
