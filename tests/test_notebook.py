"""The Python call: settings and errors of the command, DataFrames that are kept, what comes back, what is shown."""

import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.small_sweep import MadeExecutor, runs, use_store, write_exercise
from tests.support.stores import empty_store

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.errors import DataError, ExerciseError, TrackingError, UserError
from pipelines.notebook import sweep
from pipelines.sweep import loop
from pipelines.tracking.reading import read_sweep

SMALL: dict[str, Any] = {"space": "small.yaml", "trials": 3, "progress": False}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return empty_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(autouse=True)
def executor(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeExecutor:
    """Makes curves in place of trainings; the working folder has an exercise without a title and a table."""
    use_store(uri, tmp_path, monkeypatch)
    path = write_exercise(tmp_path)
    path.write_text(path.read_text().replace('"title": "A small table", ', ""))
    made = MadeExecutor(noise=0.01)
    monkeypatch.setattr(loop, "make_executor", lambda *arguments, **settings: made)
    return made


@pytest.fixture
def frame(executor: MadeExecutor) -> pd.DataFrame:
    return pd.read_csv("table.csv")


def test_a_frame_gives_the_answer_as_objects(frame: pd.DataFrame, executor: MadeExecutor) -> None:
    found = sweep(frame, target="y", name="flowers", **SMALL)
    assert len(executor.jobs) == 3
    recorded = read_sweep(found.run_id, uri=found.tracking_uri)
    assert (recorded.exercise, recorded.record.data.name) == ("flowers-y", "flowers")
    assert list(found.points["rank"]) == [1, 2, 3]
    assert set(found.curves.columns) >= {"configuration", "fit", "epoch", "val_loss", "loss"}
    best = found.best
    assert best.configuration.hash == recorded.finished[0].configuration.hash  # type: ignore[union-attr]
    assert (best.best_epoch, best.verdict) == (found.points.best_epoch[0], found.points.verdict[0])
    assert best.value == pytest.approx(found.points.best_value[0])
    assert best.headline.startswith("Choose ")
    assert 0 < best.scores["accuracy"] <= 1


def test_the_same_call_goes_on_where_it_was(frame: pd.DataFrame, executor: MadeExecutor) -> None:
    first = sweep(frame, "y", **SMALL)
    again = sweep(frame.copy(), "y", **{**SMALL, "trials": 4})
    assert len(executor.jobs) == 4
    assert len(again.points) == 4
    assert first.run_id != again.run_id
    changed = frame.assign(a=frame.a + 1)
    sweep(changed, "y", **SMALL)
    assert len(executor.jobs) == 7, "other rows are another sweep"
    kept = sorted(Path("cache/frames").rglob("*.parquet"))
    assert [path.name for path in kept] == ["data.parquet", "data.parquet"]
    pd.testing.assert_frame_equal(
        pd.read_parquet(next(p for p in kept if pd.read_parquet(p).a[0] == frame.a[0])), frame
    )


def test_a_file_or_an_exercise_may_stand_in_its_place(executor: MadeExecutor) -> None:
    of_file = sweep("table.csv", "y", **SMALL)
    assert read_sweep(of_file.run_id, uri=of_file.tracking_uri).exercise == "table-y"
    assert not Path("cache/frames").exists()
    digits = sweep(exercise="digits", trials=1, design="none", documented=False, epochs=12, progress=False)
    assert read_sweep(digits.run_id, uri=digits.tracking_uri).exercise == "digits"
    assert executor.jobs[-1].epochs == 12


def test_columns_that_are_no_texts_and_an_index_are_no_trouble(frame: pd.DataFrame) -> None:
    numbered = frame.set_axis([0, 1, 2], axis=1).set_index(pd.date_range("2020-01-01", periods=len(frame)))
    found = sweep(numbered, 2, **SMALL)
    assert read_sweep(found.run_id, uri=found.tracking_uri).record.data.features == ("0", "1")


def test_the_store_may_be_named(frame: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = empty_store(tmp_path / "other")
    found = sweep(frame, "y", tracking_uri=other, **SMALL)
    assert found.tracking_uri == other
    assert runs("sweep") == []
    assert len(found.points) == 3


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"trails": 3}, ExerciseError, "trails: there is no such parameter (did you mean 'trials'?)"),
        ({"trials": "many"}, ExerciseError, "trials: 'many' is not a whole number"),
        ({"trials": 2.5}, ExerciseError, "trials: '2.5' is not a whole number"),
        ({"documented": "perhaps"}, ExerciseError, "documented: 'perhaps'"),
        ({"target": "z"}, UserError, "has no column 'z'"),
        ({"data": "nowhere.csv"}, UserError, "there is no file nowhere.csv"),
        ({"data": "table.csv", "name": "mine"}, ExerciseError, "name: is for a DataFrame"),
        ({"data": pd.DataFrame({"a": [1, "b"], "y": [0, 1]})}, DataError, "DataFrame 'data' cannot be kept as Parquet"),
        ({"tracking_uri": "sqlite:////nowhere/at/all.db"}, TrackingError, "/nowhere/at does not exist"),
        ({"backend": "tensorflow"}, UserError, "Keras was imported before, on jax, and this needs tensorflow."),
    ],
)
def test_a_mistake_is_the_error_of_the_command(
    given: dict[str, Any], error: type[UserError], sentence: str, frame: pd.DataFrame, executor: MadeExecutor
) -> None:
    import keras

    assert keras.config.backend() == "jax"
    with pytest.raises(error) as raised:
        sweep(**{"data": frame, "target": "y", **SMALL, **given})
    assert sentence in str(raised.value)
    assert executor.jobs == []
    assert runs("sweep") == []


def test_values_of_python_are_those_of_the_command(frame: pd.DataFrame, executor: MadeExecutor) -> None:
    """What a list or a truth value means, seen in what is trained."""
    sweep(frame, "y", **{**SMALL, "documented": False, "trials": 1, "folds": 4, "seed": np.int64(3)})
    assert len(executor.jobs[0].splits) == 4
    assert executor.jobs[0].seed == 3


def test_a_report_shows_itself(frame: pd.DataFrame, tmp_path: Path) -> None:
    found = sweep(frame, "y", name="flowers", **SMALL)
    shown = found.report()
    assert shown.path == Path("report") / f"flowers-y-{found.run_id[:8]}" / "report.html"
    inline = shown._repr_html_()
    assert inline.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert "&lt;base href=&quot;about:srcdoc&quot;&gt;" in inline
    assert inline.count('"') == 10, "nothing of the page ends the frame's attribute"
    assert found.report(tmp_path / "mine").path == tmp_path / "mine" / "report.html"


def test_the_final_model_predicts_further_rows_of_the_frame(frame: pd.DataFrame) -> None:
    found = sweep(frame, "y", name="flowers", test_fraction=0.25, **SMALL)
    model = found.final()
    assert model.uri == "models:/overfit-atlas-flowers-y@champion"
    assert model.version == "1"
    assert {"value", "low", "high"} == set(model.figures.columns)
    accuracy = model.figures.loc["accuracy"]
    assert accuracy.low <= accuracy.value <= accuracy.high
    rows = frame.sample(frac=1, random_state=1)[["b", "a"]].assign(more="unused")
    told = model.predict(rows)
    assert list(told.index) == list(rows.index)
    assert set(told.prediction) <= {0, 1}
    np.testing.assert_allclose(told.filter(like="probability").sum(axis=1), 1, atol=1e-6)
    with pytest.raises(DataError, match="'a'"):
        model.predict(rows[["b"]])


class Notebook:
    """What Jupyter gives a kernel: an output whose content can be replaced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[str] = []
        package, display = ModuleType("IPython"), ModuleType("IPython.display")
        package.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
        display.HTML = str  # type: ignore[attr-defined]
        display.display = self.display  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", package)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def display(self, content: str, *, display_id: bool) -> SimpleNamespace:
        assert display_id
        self.shown.append(content)
        return SimpleNamespace(update=self.shown.append)


def test_a_notebook_has_one_bar_and_no_other_output(
    frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = Notebook(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        sweep(frame, "y", name="<b>flowers", **{**SMALL, "progress": True})
    assert capsys.readouterr() == ("", "")
    assert "<progress" not in notebook.shown[0], "nothing is known yet"
    assert 'value="1" max="3"' in "".join(notebook.shown)
    last = notebook.shown[-1]
    assert 'value="3" max="3"' in last
    assert "3/3 trials" in last
    assert "best val_loss" in last
    assert "&lt;b&gt;flowers" in last
    assert "<b>flowers" not in last


def test_in_a_terminal_it_is_the_display_of_the_command(
    frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(frame, "y", **{**SMALL, "progress": True})
    assert "3/3  " in capsys.readouterr().out
    sweep(frame, "y", **SMALL)
    assert capsys.readouterr() == ("", "")
