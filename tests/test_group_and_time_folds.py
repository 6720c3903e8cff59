"""Folds that keep groups whole, and folds in time: what is validated was not seen in training, nor comes before it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines.datasets.base import Task
from pipelines.datasets.folds import make_splits, split_off_test
from pipelines.errors import DataError, UserError


def kfold(targets, task=Task.REGRESSION, folds=4, repeats=1, seed=0, **more):
    return make_splits(targets, task, validation="kfold", folds=folds, repeats=repeats, seed=seed, **more)


def holdout(targets, spec, task=Task.REGRESSION, repeats=1, seed=0, **more):
    return make_splits(targets, task, validation="holdout", folds=1, repeats=repeats, seed=seed, holdout=spec, **more)


def validations(splits):
    return [tuple(split.validation.tolist()) for split in splits]


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=6, max_size=20),
    folds=st.integers(2, 6),
    seed=st.integers(0, 2**32),
    task=st.sampled_from([Task.REGRESSION, Task.BINARY]),
)
def test_a_group_is_in_one_fold_and_every_row_is_validated_once(sizes, folds, seed, task):
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int32)
    targets = np.arange(len(groups)) % 2
    groups_of = [len(np.unique(groups[targets == label])) for label in (0, 1)]
    assume(task is Task.REGRESSION or (min(groups_of) >= 3 and np.bincount(targets).min() >= folds))
    try:
        splits = kfold(targets, task, folds=folds, repeats=2, seed=seed, groups=groups)
    except UserError as error:
        assert task is Task.BINARY  # the one balanced cut that scikit-learn finds may leave a class out
        assert "have none of class" in str(error) or "without samples" in str(error)
        return
    for repeat in range(2):
        own = [split for split in splits if split.repeat == repeat]
        assert sorted(np.concatenate([split.validation for split in own]).tolist()) == list(range(len(groups)))
        for split in own:
            assert not set(groups[split.train]) & set(groups[split.validation])
            assert sorted([*split.train, *split.validation]) == list(range(len(groups)))
            assert split.validation.dtype == np.int32
            assert np.all(np.diff(split.validation) > 0)


def test_groups_are_cut_anew_in_every_repeat_with_the_classes_shared_out():
    groups = np.repeat(np.arange(40), 5).astype(np.int32)
    labels = (groups % 4 == 0).astype(int)
    splits = kfold(labels, Task.BINARY, folds=5, repeats=3, seed=3, groups=groups)
    assert {labels[split.validation].mean() for split in splits} == {0.25}
    assert len({frozenset(validations(splits[first : first + 5])) for first in (0, 5, 10)}) == 3
    assert validations(splits) == validations(kfold(labels, Task.BINARY, folds=5, repeats=3, seed=3, groups=groups))


def test_without_groups_rows_of_one_person_would_be_on_both_sides():
    groups = np.repeat(np.arange(20), 5).astype(np.int32)
    plain = kfold(np.arange(100.0))
    assert all(set(groups[split.train]) & set(groups[split.validation]) for split in plain)


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.BINARY])
def test_a_share_is_drawn_in_whole_groups_near_its_size(task):
    generator = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), generator.integers(1, 20, 60)).astype(np.int32)
    labels = generator.integers(0, 2, 60)[groups]
    splits = holdout(labels, "0.2", task, repeats=3, groups=groups)
    for split in splits:
        assert not set(groups[split.train]) & set(groups[split.validation])
        assert abs(len(split.validation) / len(groups) - 0.2) < 0.02
        if task is Task.BINARY:
            assert abs(labels[split.validation].mean() - labels.mean()) < 0.06
    assert len(set(validations(splits))) == 3


def test_first_rows_that_end_between_groups_may_be_held_out():
    (split,) = holdout(np.arange(6.0), "first 2", groups=np.array([1, 1, 0, 0, 2, 2], np.int32))
    assert split.validation.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "groups", "settings", "said"),
    [
        ([0, 1] * 6, [0] * 6 + [1] * 6, {"folds": 3}, "There are 2 groups, fewer than the 3 folds.*at most 2 folds"),
        ([0, 1] * 6, [0] * 12, {"folds": 2}, "class 0 are of one group"),
        ([0, 1] * 3 + [0] * 6, [0] * 6 + [1, 2] * 3, {"folds": 2}, "class 1 are of one group"),
        ([0] * 10 + [1] * 2, list(range(12)), {"folds": 3}, "Class 1 has 2 of the samples"),
        ([0, 1] * 6, list(range(6)) * 2, {"holdout": "first 7"}, "among the first 7 and after them"),
    ],
)
def test_impossible_groups_are_refused(labels, groups, settings, said):
    cut = holdout if "holdout" in settings else kfold
    given = {"spec": settings["holdout"]} if "holdout" in settings else settings
    with pytest.raises(UserError, match=said):
        cut(np.array(labels), task=Task.BINARY, groups=np.array(groups, np.int32), **given)


def test_one_group_cannot_be_split_in_a_regression():
    one = np.zeros(9, np.int32)
    with pytest.raises(UserError, match=r"There is 1 group.*Name another column"):
        kfold(np.arange(9.0), groups=one)
    with pytest.raises(UserError, match="one group"):
        holdout(np.arange(9.0), "0.3", groups=one)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 12), min_size=3, max_size=30), folds=st.integers(2, 8), seed=st.integers(0, 2**32)
)
def test_what_is_validated_comes_after_all_of_its_training(counts, folds, seed):
    folds = min(folds, len(counts) - 1)
    times = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int32)
    splits = kfold(np.zeros(len(times)), folds=folds, repeats=2, times=times)
    assert [(split.repeat, split.fold) for split in splits] == [(r, f) for r in range(2) for f in range(folds)]
    for split in splits:
        assert times[split.train].max() < times[split.validation].min()
    for earlier, later in pairwise(splits[:folds]):
        assert sorted([*earlier.train, *earlier.validation]) == later.train.tolist()
    assert len(splits[folds - 1].train) + len(splits[folds - 1].validation) == len(times)
    assert validations(splits[:folds]) == validations(splits[folds:])


def test_parts_in_time_are_of_equal_size_where_times_allow_it():
    splits = kfold(np.zeros(60), folds=5, times=np.arange(60, dtype=np.int32)[::-1].copy())
    assert [(len(split.train), len(split.validation)) for split in splits] == [
        (10, 10),
        (20, 10),
        (30, 10),
        (40, 10),
        (50, 10),
    ]
    assert splits[0].train.tolist() == list(range(50, 60))  # the earliest are the last rows of the file


def test_a_time_with_most_of_the_rows_stays_whole():
    times = np.repeat([0, 1, 2, 3], [1, 90, 1, 1]).astype(np.int32)
    splits = kfold(np.zeros(93), folds=3, times=times)
    assert [(len(split.train), len(split.validation)) for split in splits] == [(1, 90), (91, 1), (92, 1)]


def test_a_share_in_time_is_the_last_one_in_every_repeat():
    times = np.tile(np.arange(10), 3).astype(np.int32)
    splits = holdout(np.zeros(30), "0.25", repeats=2, times=times)
    assert len(splits[0].validation) in (6, 9)  # a quarter is 7.5 rows, and a time has 3
    for split in splits:
        assert times[split.train].max() < times[split.validation].min()
    assert validations(splits)[0] == validations(splits)[1]


@pytest.mark.parametrize(
    ("labels", "times", "settings", "said"),
    [
        (
            [0, 1] * 6,
            [0, 1, 2] * 4,
            {"folds": 3},
            "3 different times, too few for 3 folds in time, which need 4.*most 2",
        ),
        ([0, 1] * 6, [0, 1] * 6, {"folds": 2}, "2 different times, .*hold-out such as 0.2"),
        ([0, 1] * 6, [4] * 12, {"folds": 2}, "the same time.*Name another column"),
        ([0, 1] * 6, [4] * 12, {"holdout": "0.2"}, "the same time"),
        ([0, 1] * 6, list(range(12)), {"holdout": "first 7"}, "in time what is validated comes last"),
        ([0] * 6 + [1] * 6, list(range(12)), {"folds": 5}, "first 2 samples in time are all of class 0"),
    ],
)
def test_impossible_times_are_refused(labels, times, settings, said):
    cut = holdout if "holdout" in settings else kfold
    given = {"spec": settings["holdout"]} if "holdout" in settings else settings
    with pytest.raises(UserError, match=said):
        cut(np.array(labels), task=Task.BINARY, times=np.array(times, np.int32), **given)


def test_groups_and_times_at_once_are_refused_in_one_sentence():
    numbers = np.arange(12, dtype=np.int32)
    with pytest.raises(UserError, match="groups and times") as refused:
        kfold(np.arange(12.0), groups=numbers, times=numbers)
    assert str(refused.value).count(". ") == 0
    with pytest.raises(DataError, match=r"'mine'.*groups and times"):
        split_off_test(np.arange(12.0), Task.REGRESSION, 0.25, name="mine", groups=numbers, times=numbers)


def test_the_test_part_is_whole_groups_or_the_last_times():
    numbers = np.repeat(np.arange(20), 5).astype(np.int32)
    targets = np.arange(100.0)
    train, test = split_off_test(targets, Task.REGRESSION, 0.2, name="mine", groups=numbers)
    assert not set(numbers[train]) & set(numbers[test])
    assert len(test) == 20
    assert sorted([*train, *test]) == list(range(100))
    again = split_off_test(targets, Task.REGRESSION, 0.2, name="mine", groups=numbers)
    assert test.tolist() == again[1].tolist()
    train, test = split_off_test(targets, Task.REGRESSION, 0.2, name="mine", times=numbers[::-1].copy())
    assert test.tolist() == list(range(20))
    assert train.tolist() == list(range(20, 100))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"groups": np.zeros(12, np.int32)}, "'mine', test split of 0.25: All samples of class 'no' are of one group"),
        ({"times": np.zeros(12, np.int32)}, "'mine', test split of 0.25: All samples have the same time"),
    ],
)
def test_an_impossible_test_part_names_the_data_set(how, said):
    with pytest.raises(DataError, match=said):
        split_off_test(np.array([0, 1] * 6), Task.BINARY, 0.25, name="mine", classes=("no", "yes"), **how)
