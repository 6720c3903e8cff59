"""Sweeps over folds of unequal size, by group and in time: trained, judged, held against guessing, and reported."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.small_sweep import ROWS, small_exercise, sweep, write_exercise

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.datasets import Dataset, Task
from pipelines.datasets.folds import make_splits
from pipelines.executors import InProcess
from pipelines.networks.guessing import guess
from pipelines.overfitting.judging import Judge
from pipelines.sweep import loop as sweep_module
from pipelines.tracking.reading import read_sweep
from pipelines.training.jax.engine import JaxEngine
from reports import write_report

pytestmark = pytest.mark.usefixtures("in_store")

GROUPS = np.repeat(np.arange(12), [1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 15]).astype(np.int32)
TIMES = np.arange(ROWS, dtype=np.int32)
KINDS: dict[str, dict[str, Any]] = {"groups": {"groups": GROUPS}, "times": {"times": TIMES}}


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives the data of the next sweep groups or times."""
    load = sweep_module.load_dataset

    def give(kind: str) -> None:
        monkeypatch.setattr(sweep_module, "load_dataset", lambda *known: replace(load(*known), **KINDS[kind]))

    return give


@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_over_folds_of_unequal_size(
    kind: str, ordered: Callable[[str], None], tmp_path: Path, uri: str
) -> None:
    ordered(kind)
    exercise = small_exercise(tmp_path, documented=[], repeats=2, design={"class_weight": ["balanced"]})
    outcome, _ = sweep(InProcess(JaxEngine()), exercise, trials=3)
    assert (outcome.trained, outcome.failed) == (3, 0)
    found = read_sweep(outcome.run.run_id, uri=uri)
    sizes = [(split.training, split.validation) for split in found.record.splits or ()]
    assert len(set(sizes)) > 1
    if kind == "times":
        assert sizes == [(15, 15), (30, 15), (45, 15)] * 2
    for trial in found.trials:
        assert trial.point is not None
        assert trial.beats_guessing is not None
        assert 0.4 < trial.validation["balanced_accuracy"] <= 1
    paths = write_report(outcome.run.run_id, tracking_uri=uri, output=tmp_path / "report")
    page = paths.html.read_text("utf-8")
    assert "balanced class weights" in page.lower()
    trained, validated = ({size[part] for size in sizes} for part in (0, 1))
    told = paths.markdown.read_text("utf-8")
    assert f"{min(trained)} to {max(trained)} rows to train on" in told
    assert (f"{min(validated)} to {max(validated)} to validate" if len(validated) > 1 else "15 to validate") in told


@pytest.mark.parametrize(
    ("option", "started", "reported"),
    [
        ("group", "3 folds of whole groups", "3-fold in whole groups by 'who'"),
        ("order", "3 folds in time", "3-fold in time by 'who'"),
    ],
)
def test_terminal_and_page_say_how_rows_of_a_file_are_cut(
    option: str, started: str, reported: str, tmp_path: Path, uri: str
) -> None:
    data = {"source": "file", "path": "table.csv", "target": "y", option: "who"}
    write_exercise(tmp_path)
    header, *lines = (tmp_path / "table.csv").read_text().split()
    rows = [f"{line},{place // 5}" for place, line in enumerate(lines)]
    exercise = small_exercise(tmp_path, documented=[], dataset=data)
    (tmp_path / "table.csv").write_text("\n".join([f"{header},who", *rows, ""]))
    outcome, printed = sweep(InProcess(JaxEngine()), exercise, trials=1)
    assert started in printed
    page = write_report(outcome.run.run_id, tracking_uri=uri, output=tmp_path / "report")
    assert reported in page.markdown.read_text("utf-8")


def test_the_share_of_each_class_is_recorded(tmp_path: Path, uri: str) -> None:
    outcome, _ = sweep(InProcess(JaxEngine()), small_exercise(tmp_path, documented=[]), trials=1)
    shares = read_sweep(outcome.run.run_id, uri=uri).record.data.class_shares
    labels = [int(line.rpartition(",")[2]) for line in (tmp_path / "table.csv").read_text().split()[1:]]
    assert shares == pytest.approx({"0": 1 - np.mean(labels), "1": np.mean(labels)})


def test_the_errors_ratio_is_that_of_the_rows_of_each_fit() -> None:
    splits = make_splits(
        np.zeros(60), Task.REGRESSION, validation="kfold", folds=5, repeats=2, seed=1, times=np.arange(60, dtype="i4")
    )
    judge = Judge.of(splits, "val_loss")
    assert (judge.folds, judge.repeats) == (5, 2)
    assert judge.validation_ratio == pytest.approx(np.mean([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]))


def test_each_fold_in_time_is_guessed_from_what_came_before_it() -> None:
    targets = np.arange(60, dtype=np.float32)
    nothing = np.empty(0, np.float32)
    inputs = np.zeros((60, 1), np.float32)
    dataset = Dataset("trend", Task.REGRESSION, inputs, targets, inputs[:0], nothing, (), (), "", "made here")
    splits = make_splits(
        targets, Task.REGRESSION, validation="kfold", folds=5, repeats=1, seed=1, times=np.arange(60, dtype=np.int32)
    )
    found = guess(dataset, splits, "mse")["val_mae"]
    assert found == pytest.approx([10.0, 15.0, 20.0, 25.0, 30.0]), "a trend leaves the mean of the past behind"


def test_regressions_and_single_classes_have_their_shares() -> None:
    inputs = np.zeros((4, 1), np.float32)
    known = ((), "", "made here")
    values = Dataset("v", Task.REGRESSION, inputs, inputs[:, 0], inputs[:0], inputs[:0, 0], (), *known)
    assert values.class_shares == {}
    labels = np.array([0, 0, 0, 2], np.int32)
    classes = Dataset("c", Task.MULTICLASS, inputs, labels, inputs[:0], labels[:0], ("a", "b", "c"), *known)
    assert classes.class_shares == {"a": 0.75, "b": 0.0, "c": 0.25}
