"""Ordinary files of a user, each from the file to predictions on new rows, in an environment without this project."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

from pipelines.commands.cli import run
from tests.support.small_sweep import use_store
from tests.support.stores import empty_store

SHORT = ("--folds=2", "--repeats=1", "--trials=1", "--design=none")
CONVOLUTIONS = """
dataset: {source: file}
epochs: 1
baseline: {layers: "4", convolutions: 2x3p4, normalisation: divide_255}
space: {learning_rate: [0.001, 0.01]}
"""


@dataclass
class Made:
    """A file of a user's, how it is asked for, new rows as the user has them, and a file of these."""

    arguments: tuple[str, ...]
    new: pd.DataFrame | np.ndarray
    new_file: Path
    #: Names of the classes; empty for a regression.
    classes: tuple[str, ...] = ()
    epochs: int = 5


def in_german(folder: Path, generator: np.random.Generator) -> Made:
    size = generator.uniform(40, 200, 300)
    street = np.array(["Königstraße", "Am Weiher", "Hofgärten"])[generator.integers(0, 3, 300)]
    price = 1000 * size + 5e4 * (street == "Am Weiher") + 1e4 * generator.standard_normal(300)
    frame = pd.DataFrame(
        {"Fläche": size.round(2), "Straße": street, "Größe": size.round(1) * 2, "Preis": price.round(2)}
    )
    frame["Größe"] += generator.normal(size=300).round(1)
    for name, rows in (("häuser.csv", frame[:250]), ("neu.csv", frame[250:].drop(columns="Preis"))):
        rows.to_csv(folder / name, sep=";", decimal=",", encoding="latin-1", index=False)
    new = pd.read_csv(folder / "neu.csv", sep=";", decimal=",", encoding="latin-1")
    return Made((f"--data={folder / 'häuser.csv'}", "--target=Preis"), new, folder / "neu.csv")


def rare(folder: Path, generator: np.random.Generator) -> Made:
    inputs = generator.normal(size=(500, 4))
    churned = np.where(inputs[:, 0] + 0.3 * generator.normal(size=500) > 1.8, "gone", "stays")
    frame = pd.DataFrame(inputs, columns=list("abcd")).round(4).assign(state=churned)
    frame[:400].to_csv(folder / "churn.csv", index=False)
    frame[400:].drop(columns="state").to_csv(folder / "new.csv", index=False)
    arguments = (f"--data={folder / 'churn.csv'}", "--target=state")
    return Made(arguments, pd.read_csv(folder / "new.csv"), folder / "new.csv", ("gone", "stays"))


def typed(folder: Path, generator: np.random.Generator) -> Made:
    size = 320
    age = pd.array(generator.integers(18, 90, size), dtype="Int64")
    age[generator.random(size) < 0.1] = pd.NA
    member = pd.array(generator.random(size) < 0.5, dtype="boolean")
    member[generator.random(size) < 0.1] = pd.NA
    kind = pd.Categorical(np.array(["a", "b", "c"])[generator.integers(0, 3, size)])
    frame = pd.DataFrame({"age": age, "member": member, "kind": kind, "bought": generator.random(size) < 0.5})
    frame[:250].to_parquet(folder / "people.parquet")
    frame[250:].drop(columns="bought").to_parquet(folder / "new.parquet")
    arguments = (f"--data={folder / 'people.parquet'}", "--target=bought", "--missing=median")
    return Made(arguments, pd.read_parquet(folder / "new.parquet"), folder / "new.parquet", ("False", "True"))


def dated(folder: Path, generator: np.random.Generator) -> Made:
    days = pd.date_range("2023-01-01", periods=400)
    sold = 20 + 10 * (days.day_of_week >= 5) + generator.normal(size=400)
    frame = pd.DataFrame(
        {"day": days.strftime("%Y-%m-%d"), "price": generator.uniform(1, 2, 400).round(3), "sold": sold}
    )
    frame[:350].to_csv(folder / "sales.csv", index=False)
    frame[350:].drop(columns="sold").to_csv(folder / "new.csv", index=False)
    arguments = (f"--data={folder / 'sales.csv'}", "--target=sold")
    return Made(arguments, pd.read_csv(folder / "new.csv"), folder / "new.csv")


def grouped(folder: Path, generator: np.random.Generator) -> Made:
    person = np.repeat(np.arange(60), 5)
    level = generator.normal(size=60)[person]
    frame = pd.DataFrame({"person": [f"p{number:02}" for number in person], "x": level + generator.normal(size=300)})
    frame["z"] = generator.normal(size=300)
    frame["y"] = level + 0.1 * generator.normal(size=300)
    frame[:250].to_csv(folder / "visits.csv", index=False)
    frame[250:].drop(columns="y").to_csv(folder / "new.csv", index=False)
    arguments = (f"--data={folder / 'visits.csv'}", "--target=y", "--group=person")
    return Made(arguments, pd.read_csv(folder / "new.csv"), folder / "new.csv")


def wide(folder: Path, generator: np.random.Generator) -> Made:
    inputs = generator.normal(size=(300, 2000)).astype(np.float32)
    frame = pd.DataFrame(inputs.round(3), columns=[f"gene {place}" for place in range(2000)])
    frame["kind"] = np.array(["x", "y", "z"])[np.digitize(inputs[:, 0], [-0.4, 0.4])]
    frame[:250].to_csv(folder / "genes.csv", index=False)
    frame[250:].drop(columns="kind").to_csv(folder / "new.csv", index=False)
    arguments = (f"--data={folder / 'genes.csv'}", "--target=kind")
    return Made(arguments, pd.read_csv(folder / "new.csv"), folder / "new.csv", ("x", "y", "z"), epochs=2)


def long(folder: Path, generator: np.random.Generator) -> Made:
    inputs = generator.normal(size=(200_050, 10))
    frame = pd.DataFrame(inputs, columns=list("abcdefghij")).round(4).assign(y=inputs[:, 0] * 1e5 + 3e5)
    frame[:200_000].to_csv(folder / "many.csv", index=False)
    frame[200_000:].drop(columns="y").to_csv(folder / "new.csv", index=False)
    arguments = (f"--data={folder / 'many.csv'}", "--target=y")
    return Made(arguments, pd.read_csv(folder / "new.csv"), folder / "new.csv", epochs=1)


def pictures(generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures, bright in their upper or in their lower half: (count, 28, 28), and which half."""
    below = np.arange(count) % 2
    images = generator.integers(0, 100, (count, 28, 28))
    for image, half in zip(images, below, strict=True):
        image[14 * half : 14 * half + 14] += 150
    return images.astype(np.uint8), below


def grey(folder: Path, generator: np.random.Generator) -> Made:
    images, below = pictures(generator, 140)
    np.savez(folder / "halves.npz", x=images[:100], y=below[:100])
    np.savez(folder / "new.npz", x=images[100:])
    (folder / "convolutions.yaml").write_text(CONVOLUTIONS)
    arguments = (f"--data={folder / 'halves.npz'}", f"--space={folder / 'convolutions.yaml'}", "--backend=jax")
    return Made(arguments, images[100:], folder / "new.npz", ("0", "1"))


def photographs(folder: Path, generator: np.random.Generator) -> Made:
    images, below = pictures(generator, 140)
    for number, (image, half) in enumerate(zip(images, below, strict=True)):
        place = folder / "photos" / ("below" if half else "above") if number < 100 else folder / "new"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.stack([image] * 3, axis=-1)).save(place / f"{number:03}.png")
    new = np.repeat(images[100:, :, :, np.newaxis], 3, axis=-1)
    return Made((f"--data={folder / 'photos'}", "--epochs=2"), new, folder / "new", ("above", "below"))


KINDS: dict[str, Callable[[Path, np.random.Generator], Made]] = {
    make.__name__: make for make in (in_german, rare, typed, dated, grouped, wide, long, grey, photographs)
}
#: What anyone would write who has the model and no more: mlflow, pandas and numpy.
SCRIPT = """
import sys
from pathlib import Path
try:
    import pipelines
except ImportError:
    pass
else:
    sys.exit("the project can be imported here")
import mlflow, numpy, pandas
for line in Path("models.txt").read_text().splitlines():
    name, uri, file = line.split("\\t")
    rows = numpy.load(file)["rows"] if file.endswith(".npz") else pandas.read_parquet(file)
    mlflow.pyfunc.load_model(uri).predict(rows).to_parquet(f"{name}.parquet")
"""


@dataclass
class Answers:
    """What was made of each kind of file: predictions by the model alone, and by the entry point ``predict``."""

    made: dict[str, Made]
    alone: dict[str, pd.DataFrame]
    files: dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    folder = tmp_path_factory.mktemp("own")
    uri = empty_store(folder)
    client, made, models, files = MlflowClient(uri), {}, [], {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_store(uri, folder, monkeypatch)
        for name, make in KINDS.items():
            place = folder / name
            place.mkdir()
            made[name] = each = make(place, np.random.default_rng(5))
            assert run(["sweep", *SHORT, f"--epochs={each.epochs}", *each.arguments]) == 0, name
            assert run(["final", f"--output={place}"]) == 0, name
            assert run(["predict", f"--data={each.new_file}", f"--output={place}"]) == 0, name
            (written,) = place.glob("*_predictions.*")
            files[name] = pd.read_parquet(written) if written.suffix == ".parquet" else _read(written, name)
            models.append(f"{name}\t{_newest(client)}\t{_kept(each, place)}")
    (folder / "models.txt").write_text("\n".join(models))
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "XLA_FLAGS") if key in os.environ}
    environment["MLFLOW_TRACKING_URI"] = uri
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Answers(made, {name: pd.read_parquet(folder / f"{name}.parquet") for name in KINDS}, files)


def _read(path: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(path, sep=None, engine="python", encoding="utf-8-sig")


def _newest(client: MlflowClient) -> str:
    versions = [version for model in client.search_registered_models() for version in model.latest_versions]
    version = max(versions, key=lambda version: version.creation_timestamp)
    return f"models:/{version.name}/{version.version}"


def _kept(made: Made, folder: Path) -> Path:
    """The new rows, as the user has them in memory, in a file that keeps their types."""
    if isinstance(made.new, np.ndarray):
        np.savez(folder / "kept.npz", rows=made.new)
        return folder / "kept.npz"
    made.new.to_parquet(folder / "kept.parquet")
    return folder / "kept.parquet"


@pytest.mark.parametrize("kind", KINDS)
def test_new_raw_rows_get_predictions_without_this_project(answers: Answers, kind: str) -> None:
    made, found = answers.made[kind], answers.alone[kind]
    assert len(found) == len(made.new)
    if not made.classes:
        assert list(found.columns) == ["prediction"]
        assert np.isfinite(found["prediction"]).all()
        return
    assert list(found.columns) == ["prediction", *(f"probability_{name}" for name in made.classes)]
    assert set(found["prediction"].astype(str)) <= set(made.classes)
    probabilities = found.iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    chosen = np.array(made.classes)[probabilities.argmax(axis=1)]
    assert list(chosen) == list(found["prediction"].astype(str))


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_predicts_what_the_model_predicts(answers: Answers, kind: str) -> None:
    alone, file = answers.alone[kind], answers.files[kind]
    assert len(file) == len(alone)
    for name in alone.columns:
        if name == "prediction" and answers.made[kind].classes:
            assert list(file[name].astype(str)) == list(alone[name].astype(str))
        else:
            np.testing.assert_allclose(file[name], alone[name], rtol=1e-4, atol=1e-5)


def test_predictions_are_in_the_units_of_the_target(answers: Answers) -> None:
    """One epoch or five say little, but not that a house costs 3."""
    assert 3e4 < answers.alone["in_german"]["prediction"].median() < 3e5
    made, found = answers.made["long"], answers.alone["long"]["prediction"]
    assert isinstance(made.new, pd.DataFrame)
    truth: Any = made.new["a"] * 1e5 + 3e5
    assert np.corrcoef(found, truth)[0, 1] > 0.99
    assert abs(found.mean() - truth.mean()) < 2e4
