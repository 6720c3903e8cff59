"""From a user's file to predictions for new raw rows: the registered model, the entry point, MLflow's server."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient
from rich.console import Console

from pipelines.commands.cli import run
from pipelines.datasets import DatasetSpec
from pipelines.errors import UserError
from pipelines.exercises.reader import load_exercise
from pipelines.final.making import run_final
from pipelines.final.raw_rows import labels_of
from pipelines.tracking.reading import read_finished_sweep
from pipelines.tracking.registered import find_model, registered_name
from tests.support.small_sweep import EXERCISE, MadeExecutor, sweep, use_store
from tests.support.stores import empty_store

BASELINE = {"layers": "6", "learning_rate": 0.05, "batch_size": 16, "normalisation": "standardise"}
#: Packages that whoever uses the model need not have.
ABSENT = ("pipelines", "reports", "optuna", "keras_tuner", "tensorflow_datasets", "tensorflow", "plotly")


def houses(rows: int, seed: int = 0) -> pd.DataFrame:
    """Houses with gaps, texts, dates and a running number; the price and whether it sold within a month."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": [f"h{seed}-{row}" for row in range(rows)],
            "rooms": generator.normal(5, 1, rows).round(2),
            "town": generator.choice(["Köln", "Bonn", "Ulm"], rows),
            "size": generator.integers(20, 200, rows),
            "garden": generator.random(rows) < 0.5,
            "built": pd.to_datetime("2001-05-03") + pd.to_timedelta(generator.integers(0, 4000, rows), unit="D"),
        }
    )
    frame["price"] = (1e5 + 3e4 * frame["rooms"] + 1e3 * frame["size"] + 8e4 * (frame["town"] == "Köln")).round(-1)
    frame["sold"] = np.where(frame["price"] + 2e4 * generator.normal(size=rows) < 3.6e5, "yes", "no")
    frame.loc[::9, "rooms"] = np.nan
    return frame


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return empty_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def folder(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    use_store(store, tmp_path, monkeypatch)
    yield tmp_path


def made_model(data: Path, *, task: str, **options: Any) -> Any:
    """A final model of made curves on this file, trained for five epochs."""
    loss = "mse" if task == "regression" else "crossentropy"
    baseline = BASELINE | {"loss": loss} | ({"target_scaling": "standardise"} if task == "regression" else {})
    dataset = {"source": "file", "path": str(data), "missing": "median", **options}
    changes = {"dataset": dataset, "task": task, "epochs": 5, "baseline": baseline, "documented": [], "title": ""}
    changes["space"] = {"learning_rate": {"low": 0.001, "high": 1.0, "log": True}}
    path = data.with_name("exercise.yaml")
    path.write_text(json.dumps({key: value for key, value in (EXERCISE | changes).items() if value != ""}))
    outcome, _ = sweep(MadeExecutor(best=5), load_exercise(str(path)), trials=1)
    printed = io.StringIO()
    made = run_final(read_finished_sweep(outcome.run.run_id), Console(file=printed, width=140, highlight=False))
    return made, printed.getvalue()


@pytest.fixture(scope="module")
def sold(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """A model of two classes, and the folder with its file ``houses.csv``."""
    place = tmp_path_factory.mktemp("sold")
    with pytest.MonkeyPatch.context() as patch:
        use_store(store, place, patch)
        frame = houses(320).assign(built=lambda table: table["built"].dt.strftime("%d.%m.%Y")).drop(columns="price")
        frame.to_csv(place / "houses.csv", index=False, sep=";", decimal=",", encoding="latin-1")
        yield made_model(place / "houses.csv", task="binary", target="sold")[0], place


def model_folder(made: Any, place: Path) -> Path:
    """The registered model as files."""
    import mlflow

    mlflow.set_tracking_uri(made.run.uri)
    uri = f"models:/{made.registered.name}/{made.registered.version}"
    return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(place / "model")))


def elsewhere(script: str, place: Path, *, absent: tuple[str, ...] = ABSENT, **environment: str) -> str:
    """What a script prints in a process that has neither our package nor most others, in a folder of its own."""
    head = f"""
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent!r} else PathFinder.find_spec(name, path, target)
sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""
    known = {"PATH": "/usr/bin:/bin", "HOME": str(place), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", head + script],
        cwd=place,
        env=known | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- the registered model


def test_raw_rows_get_the_predictions_that_were_tested(sold, tmp_path):
    made, place = sold
    files = model_folder(made, tmp_path)
    kinds = {path.suffix for path in files.rglob("*") if path.is_file()}
    assert not kinds & {".pkl", ".pickle", ".cloudpickle"}
    assert {path.name for path in (files / "code").iterdir()} == {"encoding.py"}
    script = f"""
import mlflow.pyfunc, pandas as pd
rows = pd.read_csv({str(place / "houses.csv")!r}, sep=";", decimal=",", encoding="latin-1")
said = mlflow.pyfunc.load_model({str(files)!r}).predict(rows)
said.assign(sold=rows["sold"]).to_csv("said.csv", index=False)
import keras; print(keras.backend.backend())
"""
    assert elsewhere(script, tmp_path).strip() == "jax"
    said = pd.read_csv(tmp_path / "said.csv")
    assert list(said.columns[:3]) == ["prediction", "probability_no", "probability_yes"]
    assert (said["prediction"] == np.where(said["probability_yes"] > 0.5, "yes", "no")).all()
    client = MlflowClient(made.run.uri)
    tested = pd.read_parquet(client.download_artifacts(made.run.run_id, "predictions.parquet", str(tmp_path)))
    assert len(tested) == 64
    # Each row that was tested is one of the file, with the same probability and the same target.
    for target, name in enumerate(("no", "yes")):
        ours = np.sort(said.loc[said["sold"] == name, "probability_yes"].to_numpy())
        theirs = tested.loc[tested["target"] == target, "p_1"].to_numpy()
        nearest = ours[np.clip(np.searchsorted(ours, theirs), 1, len(ours) - 1)[:, None] + [-1, 0]]
        assert np.abs(nearest - theirs[:, None]).min(axis=1).max() < 1e-5


def test_a_model_loads_on_another_backend_where_its_own_is_missing(sold, tmp_path):
    made, place = sold
    files = model_folder(made, tmp_path)
    script = f"""
import mlflow.pyfunc, pandas as pd
rows = pd.read_csv({str(place / "houses.csv")!r}, sep=";", decimal=",", encoding="latin-1").head(30)
print(mlflow.pyfunc.load_model({str(files)!r}).predict(rows)["probability_yes"].tolist())
import keras; print(keras.backend.backend())
"""
    jax = elsewhere(script, tmp_path).splitlines()
    other = elsewhere(script, tmp_path, absent=("pipelines", "reports", "jax", "jaxlib")).splitlines()
    assert (jax[-1], other[-1]) == ("jax", "tensorflow")
    assert json.loads(other[-2]) == pytest.approx(json.loads(jax[-2]), abs=1e-5)


def test_values_of_another_type_are_taken_for_what_they_mean(sold):
    import mlflow

    made, _ = sold
    mlflow.set_tracking_uri(made.run.uri)
    model = mlflow.pyfunc.load_model(made.registered.uri)
    usual = pd.DataFrame(
        {
            "rooms": [5.0, 4.0, np.nan],
            "town": ["Köln", "Ulm", "Bonn"],
            "size": [100, 80, 60],
            "garden": [True, False, True],
            "built": ["04.05.2003", "11.12.2009", "01.01.2007"],
        }
    )
    expected = model.predict(usual)["probability_yes"].to_numpy()
    dates = pd.to_datetime(usual["built"], format="%d.%m.%Y")
    others = {
        "whole numbers with gaps": usual.assign(rooms=pd.array([5, 4, None], dtype="Int64")),
        "numbers as texts": usual.assign(size=["100", "80", "60"], rooms=["5", "4.0", None]),
        "decimals for whole numbers": usual.assign(size=[100.0, 80.0, 60.0]),
        "categories": usual.assign(town=usual["town"].astype("category")),
        "dates as JSON has them": usual.assign(built=dates.dt.strftime("%Y-%m-%dT00:00:00.000")),
        "dates as dates": usual.assign(built=dates),
        "dates as objects": usual.assign(built=[date.to_pydatetime() for date in dates]),
        "booleans as objects": usual.assign(garden=pd.Series([True, False, True], dtype=object)),
        "another order, further columns": usual.assign(id="x", note=1)[["note", "id", *usual.columns[::-1]]],
        "small types": usual.astype({"rooms": "float32", "size": "int16"}),
        "another index": usual.set_index(pd.Index([7, 7, 3])),
    }
    for name, rows in others.items():
        np.testing.assert_allclose(model.predict(rows)["probability_yes"], expected, rtol=1e-5, err_msg=name)
    records = json.loads(usual.to_json(orient="records"))
    assert model.predict(pd.DataFrame(records))["probability_yes"].tolist() == pytest.approx(expected.tolist())
    assert list(model.predict(others["another index"]).index) == [7, 7, 3]
    nowhere = model.predict(usual.assign(town=["Rom", None, "Oslo"]))  # no category, as no town that is known
    assert np.isfinite(nowhere["probability_yes"]).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows.assign(size=["100", "large"]), "Row 2, column 'size': 'large' is not a number."),
        (lambda rows: rows.drop(columns="size"), "There is no column 'size'"),
        (lambda rows: rows.assign(built="yesterday"), "'yesterday' is not a date written like 31.05.2024"),
    ],
)
def test_what_cannot_be_taken_is_a_sentence(sold, change, sentence):
    import mlflow
    from mlflow.exceptions import MlflowException

    made, place = sold
    mlflow.set_tracking_uri(made.run.uri)
    rows = pd.read_csv(place / "houses.csv", sep=";", decimal=",", encoding="latin-1").dropna().head(2)
    with pytest.raises(MlflowException) as caught:
        mlflow.pyfunc.load_model(made.registered.uri).predict(change(rows))
    assert sentence in str(caught.value) and len(str(caught.value)) < 200


def test_signature_and_example_are_of_the_users_columns(sold):
    import mlflow

    made, _ = sold
    mlflow.set_tracking_uri(made.run.uri)
    info = mlflow.models.get_model_info(made.registered.uri)
    assert info.signature.inputs.input_names() == ["rooms", "town", "size", "garden", "built"]
    assert [column.name for column in info.signature.outputs.inputs] == [
        "prediction",
        "probability_no",
        "probability_yes",
    ]
    assert info.metadata["columns"] == {
        "rooms": "number",
        "town": "text",
        "size": "whole",
        "garden": "boolean",
        "built": "date",
    }
    example = mlflow.pyfunc.load_model(made.registered.uri).input_example
    assert set(example["town"].dropna()) <= {"Köln", "Bonn", "Ulm"}


@pytest.mark.parametrize(
    ("task", "labels"),
    [("multiclass", [1, 2, 5]), ("binary", [False, True])],
    ids=["whole numbers", "booleans"],
)
def test_labels_are_of_the_users_own_type(folder, task, labels):
    import mlflow

    frame = houses(240).drop(columns=["price", "sold", "id"])
    frame["kind"] = np.array(labels)[np.digitize(frame["size"], np.linspace(20, 200, len(labels) + 1)[1:-1])]
    frame.to_parquet(folder / "kinds.parquet")
    made, _ = made_model(folder / "kinds.parquet", task=task, target="kind")
    mlflow.set_tracking_uri(made.run.uri)
    said = mlflow.pyfunc.load_model(made.registered.uri).predict(frame)
    assert said["prediction"].dtype == frame["kind"].dtype
    assert list(said.columns[1:]) == [f"probability_{label}" for label in labels]
    assert (said["prediction"] == frame["kind"]).mean() > 0.6


def test_a_regression_answers_in_the_units_of_the_target(folder):
    frame = houses(300).drop(columns="sold")
    frame.to_csv(folder / "houses.csv", index=False)
    made, printed = made_model(folder / "houses.csv", task="regression", target="price")
    import mlflow

    mlflow.set_tracking_uri(made.run.uri)
    said = mlflow.pyfunc.load_model(made.registered.uri).predict(frame)
    assert list(said.columns) == ["prediction"]
    assert said["prediction"].mean() == pytest.approx(frame["price"].mean(), rel=0.1)
    assert np.corrcoef(said["prediction"], frame["price"])[0, 1] > 0.5
    assert made.registered.name == "overfit-atlas-houses-price"
    assert "mlflow.pyfunc.load_model('models:/overfit-atlas-houses-price@champion')" in printed
    assert "R2" in printed and "RMSE" in printed and "guessing" in printed


def test_grey_images_without_a_channel_go_in_as_they_are(folder):
    import mlflow

    generator = np.random.default_rng(2)
    labels = generator.integers(0, 3, 210)
    images = generator.integers(0, 60, (210, 9, 9)).astype(np.uint8)
    for row, label in enumerate(labels):
        images[row, 3 * label : 3 * label + 3] += 150
    np.savez(folder / "grey.npz", x=images, y=labels)
    made, _ = made_model(folder / "grey.npz", task="multiclass")
    mlflow.set_tracking_uri(made.run.uri)
    model = mlflow.pyfunc.load_model(made.registered.uri)
    assert model.metadata.signature.inputs.inputs[0].shape == (-1, 9, 9)
    said = model.predict(images)
    assert (said["prediction"] == labels).mean() > 0.9
    np.savez(folder / "new.npz", x=images[:7])
    assert run(["predict", "--data=new.npz"]) == 0
    written = pd.read_csv(folder / "new_predictions.csv")
    assert written["prediction"].tolist() == said["prediction"][:7].tolist() and len(written) == 7


# --- the entry point


def test_new_rows_are_written_with_their_predictions(sold, folder, capsys):
    made, _ = sold
    new = houses(50, seed=5).drop(columns=["price", "sold"]).assign(note="keep me")
    new["built"] = new["built"].dt.strftime("%d.%m.%Y")
    new.loc[[1, 2, 3], "town"] = "Rom"
    new.to_csv(folder / "new.csv", index=False)
    before = (folder / "new.csv").read_bytes()
    assert run(["predict", "--data=new.csv", f"--model={made.registered.name}", "--output=out"]) == 0
    printed = capsys.readouterr().out
    written = pd.read_csv(folder / "out" / "new_predictions.csv")
    assert list(written.columns) == [*new.columns, "prediction", "probability_no", "probability_yes"]
    assert written["id"].tolist() == new["id"].tolist() and set(written["prediction"]) <= {"yes", "no"}
    assert "50 rows predicted by overfit-atlas-houses-sold, version 1" in printed
    assert "3 values are no category that the model knows, so taken for none: 'town' 3." in printed
    assert "6 values are missing, and filled in as in the training: 'rooms' 6." in printed
    assert "95 % interval" not in printed
    assert (folder / "new.csv").read_bytes() == before and [path.name for path in folder.glob("*.csv")] == ["new.csv"]


def test_where_the_target_is_there_the_predictions_are_tested(sold, folder, capsys):
    made, _ = sold
    new = houses(80, seed=6).drop(columns="price")
    new.loc[[0, 1], "sold"] = None
    new.loc[2, "sold"] = "perhaps"
    new.to_parquet(folder / "new.parquet")
    assert run(["predict", "--data=new.parquet", f"--model={made.run.run_id[:12]}"]) == 0
    printed = capsys.readouterr().out
    written = pd.read_parquet(folder / "new_predictions.parquet")
    pd.testing.assert_frame_equal(written[list(new.columns)], new)
    tested = written["sold"].isin(["yes", "no"])
    accuracy = (written["prediction"] == written["sold"])[tested].mean()
    assert f"accuracy {accuracy:.4g}" in " ".join(printed.split())
    assert "On the 77 rows that have the target; 3 rows without a target that can be tested" in printed


def test_a_column_called_prediction_is_kept(sold, folder):
    new = houses(5, seed=7).assign(prediction="mine")
    new.to_csv(folder / "new.csv", index=False)
    assert run(["predict", "--data=new.csv", f"--model={sold[0].registered.name}"]) == 0
    written = pd.read_csv(folder / "new_predictions.csv")
    assert set(written["prediction"]) == {"mine"} and set(written["prediction_by_model"]) <= {"yes", "no"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "data: is not stated"),
        (["--data=gone.csv"], "'gone.csv' does not exist"),
        (["--data=new.csv", "--model=housse-sold"], "did you mean 'houses-sold'?"),
        (["--data=new.csv", "--model=models:/nothing/3"], "nothing"),
        (["--data=new.csv", "--sweep=ffffffff"], "no final model of a sweep 'ffffffff'"),
        (["--data=new.csv", "--sweep=a", "--model=b"], "one of them says which model is meant"),
        (["--data=renamed.csv", "--model=houses-sold"], "There is no column 'size' (is it 'sizes'?)"),
        (["--data=empty.csv", "--model=houses-sold"], "empty.csv"),
    ],
)
def test_a_mistake_is_a_sentence_and_nothing_is_written(sold, folder, capsys, arguments, sentence):
    new = houses(5, seed=8)
    new.to_csv(folder / "new.csv", index=False)
    new.rename(columns={"size": "sizes"}).to_csv(folder / "renamed.csv", index=False)
    (folder / "empty.csv").write_text("rooms;town\n")
    before = sorted(folder.iterdir())
    assert run(["predict", *arguments]) == 2
    captured = capsys.readouterr()
    assert sentence in " ".join(captured.err.split()) and "Traceback" not in captured.err
    assert sorted(folder.iterdir()) == before


def test_models_are_found_by_run_sweep_name_or_age(sold, folder):
    made, _ = sold
    uri, sweep_id = made.run.uri, made.run.description.sweep.run_id
    address = f"models:/{made.registered.name}/{made.registered.version}"
    for model in (made.run.run_id, made.run.run_id[:10], made.registered.name, "houses-sold"):
        assert find_model(model, uri=uri).uri == address
    assert find_model(sweep=sweep_id[:10], uri=uri).uri == address
    with pytest.raises(UserError, match="holds no final model"):
        find_model(uri=empty_store(folder))


def test_a_model_that_takes_no_rows_says_so(folder, capsys):
    from tests.test_final import made_final, made_sweep

    made, _ = made_final(made_sweep(folder, dataset={"source": "sklearn", "name": "breast_cancer"}))
    (folder / "new.csv").write_text("a,b\n1,2\n")
    assert run(["predict", "--data=new.csv", f"--model={made.registered.name}"]) == 2
    assert "does not take the rows of a file" in " ".join(capsys.readouterr().err.split())


# --- names


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"path": "data/houses.csv.gz", "target": "price (€)"}, "overfit-atlas-houses-price"),
        ({"path": "flowers"}, "overfit-atlas-flowers"),
        ({"path": "a b.parquet", "target": "x:y/z@1"}, "overfit-atlas-a-b-x-y-z-1"),
    ],
)
def test_a_model_goes_by_file_and_target(options, name):
    from dataclasses import replace

    exercise = load_exercise("digits")
    assert registered_name(replace(exercise, dataset=DatasetSpec("file", "x", options))) == name
    assert registered_name(exercise) == "overfit-atlas-digits"


def test_labels_are_plain_data():
    assert json.dumps(labels_of(["1", "2"], pd.Series([1, 2]))) == "[1, 2]"
    assert labels_of(["0.5", "1"], pd.Series([0.5, 1.0])) == [0.5, 1]
    assert labels_of(["1", "a"], pd.Series(["1", "a"])) == ["1", "a"]


# --- MLflow's server


def test_mlflows_server_answers_raw_rows(sold, tmp_path):
    made, place = sold
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": made.run.uri, "PYTHONSAFEPATH": "1"}
    environment.pop("PYTHONPATH", None)
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", made.registered.uri),
        *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)),
    ]
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(240):
            assert server.poll() is None, (tmp_path / "log").read_text()
            try:
                if requests.get(f"{address}/ping", timeout=2).ok:
                    break
            except requests.RequestException:
                time.sleep(0.5)
        rows = pd.read_csv(place / "houses.csv", sep=";", decimal=",", encoding="latin-1").head(3)
        import mlflow

        mlflow.set_tracking_uri(made.run.uri)
        expected = mlflow.pyfunc.load_model(made.registered.uri).predict(rows)
        split = json.loads(rows.to_json(orient="split"))
        records = json.loads(rows.to_json(orient="records"))
        for body in ({"dataframe_split": split}, {"dataframe_records": records}):
            answer = requests.post(f"{address}/invocations", json=body, timeout=60)
            assert answer.status_code == 200, answer.text
            said = pd.DataFrame(answer.json()["predictions"])
            assert said["prediction"].tolist() == expected["prediction"].tolist()
            np.testing.assert_allclose(said["probability_yes"], expected["probability_yes"], rtol=1e-5)
        records[1]["size"] = "large"
        refused = requests.post(f"{address}/invocations", json={"dataframe_records": records}, timeout=60)
        assert refused.status_code == 400 and "column 'size': 'large' is not a number." in refused.json()["message"]
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)
