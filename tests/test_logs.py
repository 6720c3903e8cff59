"""Logs of other tools: each read as the arrays it was written from, grouped, and judged alike."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.logs.analysis import LoggedSweep, Wanted, analyse_logs
from pipelines.logs.grouping import Stated
from pipelines.logs.readers import mlflow_store
from pipelines.logs.sources import Where, read_logs
from pipelines.overfitting import analyse
from reports import curves_frame, logged_report, make_report, points_frame
from reports.pages.findings import find
from reports.pages.sweep import render_html
from tests.support.curves import make_curves
from tests.support.logs import WRITERS, Made, known_truth

MADE = known_truth()


def judged(source: str, *, where: Where | None = None, **wanted) -> LoggedSweep:
    stated = Stated(**{key: wanted.pop(key) for key in ("group", "folds", "repeats") if key in wanted})
    return analyse_logs(read_logs(source, where), "logs", Wanted(stated=stated, **wanted))


def of_arrays(made: Made, *, with_training: bool = True):
    training = made.training if with_training else None
    return analyse(made.validation, training, folds=made.folds, repeats=made.repeats)


@pytest.fixture(scope="module", params=WRITERS)
def read(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, LoggedSweep]:
    """The logs of each tool, judged."""
    return request.param, judged(WRITERS[request.param](MADE, tmp_path_factory.mktemp(request.param)))


def test_known_truth_is_judged_alike_through_every_reader(read: tuple[str, LoggedSweep]) -> None:
    writer, found = read
    assert len(found.judged) == len(MADE)
    by_size = {of.group.settings.get("lr", of.group.name): of for of in found.judged}
    for made in MADE:
        of = by_size.get(made.lr) or by_size[made.name]
        expected = of_arrays(made, with_training=writer != "optuna_study")
        assert (of.group.folds, of.group.repeats) == (made.folds, made.repeats)
        np.testing.assert_allclose(of.validation, made.validation, rtol=1e-6)
        for name, value in vars(expected).items():
            assert getattr(of.point, name) == (
                pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value
            ), (made.name, name)
    assert {str(of.point.verdict) for of in found.judged} >= {"overfits", "still improving"}


def test_every_reader_gives_the_same_report(read: tuple[str, LoggedSweep]) -> None:
    _, found = read
    report = make_report(found.sweep, found.curves)
    assert len(report.ranked) == len(MADE) and not report.others
    assert sorted(str(trial.point.verdict) for trial in report.ranked) == sorted(
        str(of_arrays(made).verdict) for made in MADE
    )
    assert all(report.curves[trial.run_id][found.sweep.monitor].shape == (8, 60) for trial in report.ranked)


# Which runs are folds or repeats of one configuration


def write_runs(folder: Path, names: list[str], *, epochs: int = 30, parameters: dict[str, str] | None = None) -> str:
    """A CSV file for each name, in a folder of its own with its settings where there are some."""
    for number, name in enumerate(names):
        validation, training = make_curves("overfits", folds=1, epochs=epochs, seed=number)
        rows = [f"{e + 1},{training[0, e]},{validation[0, e]}\n" for e in range(epochs)]
        inside = folder / name
        inside.mkdir(parents=True)
        (inside / "metrics.csv").write_text("epoch,loss,val_loss\n" + "".join(rows))
        if parameters:
            (inside / "hparams.yaml").write_text(parameters[name])
    return str(folder)


def sizes(found: LoggedSweep) -> dict[str, tuple[int, int]]:
    return {of.group.name: (of.group.folds, of.group.repeats) for of in found.judged}


def test_folds_and_seeds_are_found_in_names(tmp_path: Path) -> None:
    names = [f"{kind}_fold{fold}_seed{seed}" for kind in ("cnn", "mlp") for fold in range(3) for seed in range(2)]
    found = judged(write_runs(tmp_path, names))
    assert sizes(found) == {"cnn": (3, 2), "mlp": (3, 2)}
    members = [of.run.name for of in found.judged[0].group.members]
    assert members == [f"cnn_fold{fold}_seed{seed}" for seed in range(2) for fold in range(3)]  # repeat-major
    assert "Read folds from the names and seeds from the names." in found.notes


def test_runs_with_equal_parameters_are_repeats_and_others_are_configurations(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    texts = {name: f"lr: {0.1 if name in 'ab' else 0.01}\nlogdir: /runs/{name}\n" for name in names}
    found = judged(write_runs(tmp_path, names, parameters=texts))
    assert sizes(found) == {"lr=0.1": (1, 2), "lr=0.01": (1, 2)}
    assert "Not counted as settings: logdir." in found.notes


def test_runs_without_parameters_and_markers_are_configurations_of_their_own(tmp_path: Path) -> None:
    assert sizes(judged(write_runs(tmp_path, ["first", "second"]))) == {"first": (1, 1), "second": (1, 1)}


def test_what_is_stated_goes_before_what_is_found(tmp_path: Path) -> None:
    names = [f"run{number}" for number in range(6)]
    texts = {name: f"lr: 0.1\npart: {number % 3}\ndraw: {number}\n" for number, name in enumerate(names)}
    source = write_runs(tmp_path, names, parameters=texts)
    assert set(sizes(judged(source)).values()) == {(1, 1)}
    assert list(sizes(judged(source, group="lr", folds="part")).values()) == [(3, 2)]
    assert list(sizes(judged(source, group="all")).values()) == [(1, 6)]
    assert list(sizes(judged(source, group="all", folds="3")).values()) == [(3, 2)]
    with pytest.raises(UserError, match=r"group: 'lrr' is no parameter.*did you mean 'lr'"):
        judged(source, group="lrr")


def test_repeats_that_lack_a_fold_are_left_out_and_named(tmp_path: Path) -> None:
    names = [f"fold{fold}_seed{seed}" for fold in range(3) for seed in range(2)][:-1]
    found = judged(write_runs(tmp_path, names))
    assert list(sizes(found).values()) == [(3, 1)]
    assert any("2 runs left out, such as fold0_seed1: not every fold has its repeat." in note for note in found.notes)


def test_lengths_that_differ_are_censored_and_told(tmp_path: Path) -> None:
    validation, training = make_curves("improving", folds=3, epochs=60)
    lengths = (40, 60, 50)
    for fold, length in enumerate(lengths):
        rows = [f"{e},{training[fold, e]},{validation[fold, e]}\n" for e in range(length)]
        (tmp_path / f"fold{fold}.csv").write_text("epoch,loss,val_loss\n" + "".join(rows))
    found = judged(str(tmp_path))
    point = found.judged[0].point
    assert (point.epochs, point.censored, str(point.verdict)) == (40, True, "still improving")
    assert any("end at different epochs, from 40 to 60" in note for note in found.notes)


# Axes


def test_validation_every_few_epochs_keeps_its_epochs(tmp_path: Path) -> None:
    validation, _ = make_curves("overfits", folds=4, epochs=60)
    for fold in range(4):
        rows = [f"{5 * (e + 1)},{validation[fold, e]}\n" for e in range(60)]
        (tmp_path / f"fold{fold}.csv").write_text("epoch,val_loss\n" + "".join(rows))
    found = judged(str(tmp_path))
    expected = analyse(validation, folds=4)
    of = found.judged[0].point
    assert (of.best_epoch, of.onset, of.epochs) == (5 * expected.best_epoch, 5 * expected.onset, 300)
    trial = found.sweep.trials[0]
    assert found.curves[trial.run_id]["val_loss"].shape == (4, 300)
    assert found.curves[trial.run_id]["val_loss"][0, of.best_epoch - 1] == pytest.approx(
        validation[0, expected.best_epoch - 1]
    )


def test_steps_stay_steps_unless_an_epoch_is_known(tmp_path: Path) -> None:
    validation, _ = make_curves("overfits", folds=1, epochs=60)
    rows = [f"{100 * (e + 1)},{validation[0, e]}\n" for e in range(60)]
    (tmp_path / "run.csv").write_text("step,val_loss\n" + "".join(rows))
    found = judged(str(tmp_path))
    assert found.unit == "step" and found.judged[0].point.best_epoch % 100 == 0
    assert any("places are steps" in note for note in found.notes)
    by_epoch = judged(str(tmp_path), steps_per_epoch=100.0)
    assert by_epoch.unit == "epoch" and 100 * by_epoch.judged[0].point.best_epoch == found.judged[0].point.best_epoch


def test_accuracy_is_turned_and_told(tmp_path: Path) -> None:
    validation, training = make_curves("overfits", folds=4, epochs=60)
    for fold in range(4):
        rows = [f"{e},{1 - training[fold, e] / 3},{1 - validation[fold, e] / 3}\n" for e in range(60)]
        (tmp_path / f"fold{fold}.csv").write_text("epoch,accuracy,val_accuracy\n" + "".join(rows))
    found = judged(str(tmp_path))
    assert found.judged[0].point.best_epoch == analyse(validation, training, folds=4).best_epoch
    assert "val_accuracy is better when higher; it is judged as 1 - accuracy." in found.notes
    assert judged(str(tmp_path), better="lower").judged[0].point.best_epoch != found.judged[0].point.best_epoch


# Bad input: a sentence each, and the rest is analysed


def test_each_run_that_cannot_be_judged_has_its_sentence(tmp_path: Path) -> None:
    source = write_runs(tmp_path, ["good"])
    files = {
        "training_only": "epoch,loss\n1,0.5\n2,0.4\n3,0.3\n",
        "one_value": "epoch,loss,val_loss\n1,0.5,0.6\n",
        "empty": "",
        "header": "epoch,loss,val_loss\n",
        "twice": "epoch,loss,val_loss\n0,.9,.9\n1,.8,.8\n1,.7,.7\n3,.5,.6\n2,.6,.65\n4,.4,.7\n",
    }
    for name, content in files.items():
        (tmp_path / f"{name}.csv").write_text(content)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing more")
    np.savez(tmp_path / "pickled.npz", x=np.array([{}], object))
    (tmp_path / "broken.json").write_text("{")
    found = judged(source)
    assert sorted(sizes(found)) == ["good", "twice"]
    told = "\n".join(found.notes)
    for sentence in (
        "training_only has only a training curve (loss); over-fitting shows on validation data",
        "one_value has 1 value of val_loss, which is no curve",
        "empty.csv has no rows",
        "header.csv has no rows",
        "broken.parquet cannot be read as Parquet",
        "pickled.npz cannot be read",
        "broken.json cannot be read as JSON",
        "twice: steps out of order, now sorted",
        "twice: 1 step logged twice, the last value counts",
    ):
        assert sentence in told, sentence


@pytest.mark.parametrize(("last", "verdict"), [("nan", "diverged"), ("inf", "diverged"), ("0.5", "undecided")])
def test_nan_and_infinity_are_divergence_not_gaps(tmp_path: Path, last: str, verdict: str) -> None:
    rows = "".join(f"{e},{1 / e},{1 / e}\n" for e in range(1, 9))
    (tmp_path / "run.csv").write_text(f"epoch,loss,val_loss\n{rows}9,0.1,{last}\n")
    assert (str(judged(str(tmp_path)).judged[0].point.verdict) == "diverged") == (verdict == "diverged")


def test_event_files_that_are_being_written_are_read_to_their_last_whole_record(tmp_path: Path) -> None:
    WRITERS["tensorboard"](MADE[:1], tmp_path)
    for file in tmp_path.rglob("*fold0_seed0/validation/*tfevents*"):
        file.write_bytes(file.read_bytes()[:-7])
    found = judged(str(tmp_path))
    assert any("its last record is cut off" in note for note in found.notes)
    assert found.judged[0].point.epochs == 59


@pytest.mark.parametrize(
    ("source", "content", "sentence"),
    [
        ("nowhere/logs", None, "there is no file or folder nowhere/logs"),
        ("empty_folder", "folder", "holds no logs"),
        ("run.txt", "hello", "is no log that is known"),
        ("run.json", "[]", "holds no curves"),
        ("run.csv", "epoch,loss\n1,0.5\n2,0.4\n", "have only training curves: loss"),
        ("run.csv", "a;b\n1;2\n", "have"),
        ("optuna:sqlite:///nowhere/study.db", None, "cannot be read"),
        ("optuna:nowhere.log", None, "There is no Optuna storage nowhere.log"),
    ],
)
def test_a_source_without_anything_to_judge_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, content: str | None, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content == "folder":
        Path(source).mkdir()
    elif content is not None:
        Path(source).write_text(content)
    with pytest.raises(UserError, match=sentence) as refused:
        judged(source)
    assert "\n" not in str(refused.value)


def test_a_curve_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    source = write_runs(tmp_path, ["run"])
    with pytest.raises(UserError, match=r"no run of logs has a curve 'val_los' \(did you mean 'val_loss'\?\)|No run"):
        judged(source, validation="val_los")


def test_logs_become_data_frames(tmp_path: Path) -> None:
    report = logged_report(WRITERS["wide_table"](MADE, tmp_path))
    points, curves = points_frame(report), curves_frame(report, metrics=["val_loss"])
    assert sorted(points.verdict) == sorted(str(of_arrays(made).verdict) for made in MADE)
    assert set(points["network.lr"]) == {made.lr for made in MADE} and "activation" not in points
    assert len(curves) == len(MADE) * 8 * 60 and set(curves.fold) == {0, 1, 2, 3}


def test_one_setting_at_a_time_of_a_grid_that_others_have_run(tmp_path: Path) -> None:
    """Runs of a grid about one configuration become an atlas, as those of a sweep that was designed so."""
    settings = [(0.1, 8), (0.1, 16), (0.1, 32), (0.01, 16)]
    names = [f"lr{lr}-w{width}-fold{fold}" for lr, width in settings for fold in range(4)]
    texts = {
        f"lr{lr}-w{width}-fold{fold}": f"lr: {lr}\nwidth: {width}\n" for lr, width in settings for fold in range(4)
    }
    report = logged_report(write_runs(tmp_path, names, parameters=texts))
    assert report.baseline is not None and report.baseline.name == "lr=0.1 width=16"
    findings = find(report)
    assert findings is not None
    assert {drawn.plate.title for drawn, _ in findings.atlas} == {"lr", "width"}


def test_a_page_of_steps_says_what_its_epochs_are(tmp_path: Path) -> None:
    validation, _ = make_curves("overfits", folds=1, epochs=60)
    rows = [f"{100 * (e + 1)},{validation[0, e]}\n" for e in range(60)]
    (tmp_path / "run.csv").write_text("step,val_loss\n" + "".join(rows))
    page = render_html(logged_report(str(tmp_path)))
    assert "What this page calls an epoch is one value of the curve, 100 steps: in run epoch 12 is step 1,200." in page
    assert "The interval of a single run comes from its own noise" in page


# MLflow: many curves at once


def test_a_database_is_asked_once_a_page_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlalchemy

    uri = f"sqlite:///{WRITERS['mlflow_store'](MADE[:2], tmp_path)}"  # 16 runs
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *more: object) -> None:
        sent.append(statement)

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "before_cursor_execute", note)
    try:
        monkeypatch.setattr(mlflow_store, "PAGE", 10)
        logs = mlflow_store.read_mlflow("elsewhere", uri=uri)
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "before_cursor_execute", note)
    assert len(logs.runs) == 16 and all(len(run.series["val_loss"]) == 60 for run in logs.runs)
    assert sum("FROM metrics" in statement and "run_uuid IN" in statement for statement in sent) == 2


def test_a_server_is_asked_for_many_curves_and_again_for_what_it_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{WRITERS['mlflow_store'](MADE[:1], tmp_path)}")
    experiment = client.get_experiment_by_name("elsewhere")
    runs = [run.info.run_id for run in client.search_runs([experiment.experiment_id])]
    asked: list[tuple[int, str]] = []

    def get(address: str, *, params: dict[str, Any], timeout: float) -> Any:
        asked.append((len(params["run_id"]), params["metric_key"]))
        values = [
            {"run_id": run, "step": each.step, "timestamp": each.timestamp, "value": each.value}
            for run in params["run_id"]
            for each in client.get_metric_history(run, params["metric_key"])
        ][: int(params["max_results"])]
        return SimpleNamespace(ok=True, json=lambda: {"metrics": values})

    monkeypatch.setattr("requests.get", get)
    monkeypatch.setattr(mlflow_store, "SERVER_RUNS", 5)
    whole = mlflow_store.curve_points(client, "http://server", runs, ["val_loss"])
    assert asked == [(5, "val_loss"), (3, "val_loss")]
    assert {run: len(of["val_loss"]) for run, of in whole.items()} == dict.fromkeys(runs, 60)
    monkeypatch.setattr(mlflow_store, "SERVER_VALUES", 100)
    again = mlflow_store.curve_points(client, "http://server", runs, ["val_loss"])
    assert {run: sorted(of["val_loss"]) for run, of in again.items()} == {
        run: sorted(of["val_loss"]) for run, of in whole.items()
    }
