"""A user's own tables from the file to predictions at default settings, beside scikit-learn's own search.

    python -m benchmarks.own_data [--tables diabetes friedman1 ...] [--draws 1]

Each table is written as a CSV file and as a second one of new rows, which neither side sees. Ours: ``main``,
``final``, ``predict`` with nothing but the file and the target. Theirs: ``RandomizedSearchCV`` over ``MLPRegressor`` or
``MLPClassifier`` behind a ``StandardScaler`` (and a standardised target), on the rows that ours trained on, with as
many trials and as many folds. Both are held against the best constant. Differences are over the new rows, paired, with
95 % bootstrap intervals.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
TARGET = "outcome"
NEW_ROWS = 5000
RESAMPLES = 2000


@dataclass(frozen=True)
class Table:
    """Rows to learn from, and new ones."""

    name: str
    rows: pd.DataFrame
    new: pd.DataFrame
    is_classification: bool


@dataclass(frozen=True)
class Answer:
    """What one side says of the new rows: labels with log probabilities of the true class, or values."""

    predictions: NDArray[Any]
    log_probability: Array | None
    seconds: float


def _bundled(name: str, draw: int) -> Table:
    """A table of scikit-learn, three tenths of its rows kept as new ones."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame.rename(columns={"target": TARGET})
    is_classification = name != "diabetes"
    strata = frame[TARGET] if is_classification else None
    rows, new = train_test_split(frame, test_size=0.3, random_state=draw, stratify=strata)
    return Table(name, rows, new, is_classification)


def _friedman(number: int, draw: int) -> Table:
    from sklearn import datasets

    make = getattr(datasets, f"make_friedman{number}")
    noise = {1: 1.0, 2: 125.0, 3: 0.1}[number]  # Friedman's own, for a signal three times the noise
    inputs, values = make(500 + NEW_ROWS, noise=noise, random_state=draw)
    return _made(f"friedman{number}", inputs, values, rows=500)


def _houses(draw: int) -> Table:
    """Made after California housing: skewed columns, two places, prices in dollars that end at 500,001."""
    generator = np.random.default_rng(draw)
    size = 2000 + NEW_ROWS
    income = generator.lognormal(1.2, 0.45, size)
    age = generator.integers(1, 53, size)
    rooms = generator.lognormal(1.6, 0.25, size)
    people = generator.lognormal(7.0, 0.7, size)
    crowd = generator.lognormal(1.05, 0.2, size)
    north = generator.uniform(32.5, 42.0, size)
    west = -114 - (north - 32.5) - generator.gamma(2.0, 1.2, size)
    coast = np.exp(-(((west + 119) + (north - 35)) ** 2) / 2)
    towns = 120_000 * np.exp(-((north - 37.7) ** 2 + (west + 120.5) ** 2) / 0.8)
    log_price = 11.0 + 0.42 * np.log(income) * (1 + 0.3 * coast) + 0.35 * coast - 0.5 * np.log(crowd) + 0.004 * age
    price = np.exp(log_price + 0.18 * generator.standard_normal(size)) * 1.9 + towns
    inputs = np.column_stack([income, age, rooms, rooms / 5, people, crowd, north, west])
    return _made("houses", inputs, np.minimum(price, 500_001.0), rows=2000)


def _made(name: str, inputs: Array, values: Array, *, rows: int) -> Table:
    frame = pd.DataFrame(inputs, columns=[f"x{place}" for place in range(inputs.shape[1])]).assign(**{TARGET: values})
    return Table(name, frame[:rows], frame[rows:], False)


TABLES: dict[str, Callable[[int], Table]] = {
    "diabetes": lambda draw: _bundled("diabetes", draw),
    "wine": lambda draw: _bundled("wine", draw),
    "breast_cancer": lambda draw: _bundled("breast_cancer", draw),
    "friedman1": lambda draw: _friedman(1, draw),
    "friedman2": lambda draw: _friedman(2, draw),
    "friedman3": lambda draw: _friedman(3, draw),
    "houses": _houses,
}


def ours(table: Table, folder: Path) -> tuple[Answer, int]:
    """From the files to predictions with this project's commands; and the number of trials."""
    store = f"sqlite:///{folder / 'mlflow.db'}"
    os.environ["MLFLOW_TRACKING_URI"] = store
    data, new = folder / f"{table.name}.csv", folder / "new.csv"
    table.rows.to_csv(data, index=False)
    table.new.drop(columns=TARGET).to_csv(new, index=False)
    started = time.perf_counter()
    made = (f"--output={folder / 'report'}", f"--cache_dir={folder / 'cache'}")
    _command("main", f"--data={data}", f"--target={TARGET}", *made, folder=folder)
    _command("final", *made, folder=folder)
    _command("predict", f"--data={new}", f"--output={folder}", folder=folder)
    seconds = time.perf_counter() - started
    said = pd.read_csv(folder / "new_predictions.csv")
    trials = _trials(folder / "main.log")
    if not table.is_classification:
        return Answer(said["prediction"].to_numpy(np.float64), None, seconds), trials
    true = table.new[TARGET].astype(str).to_numpy()
    probabilities = said[[f"probability_{label}" for label in sorted(set(true))]].to_numpy(np.float64)
    places = np.searchsorted(sorted(set(true)), true)
    chosen = probabilities[np.arange(len(true)), places]
    return Answer(said["prediction"].astype(str).to_numpy(), np.log(np.maximum(chosen, 1e-15)), seconds), trials


def _command(entry: str, *arguments: str, folder: Path) -> None:
    root = Path(__file__).parents[1]
    with (folder / f"{entry}.log").open("w", encoding="utf-8") as log:
        command = [sys.executable, "-m", "pipelines", entry, *arguments]
        subprocess.run(command, cwd=root, stdout=log, stderr=log, check=True)


def _trials(log: Path) -> int:
    found = re.search(r"Plan: (\d+) trials", log.read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1])


def theirs(table: Table, folder: Path, trials: int) -> tuple[Answer, Array | float]:
    """scikit-learn's search on the rows that ours trained on; and the best constant: a value, or class shares."""
    from scipy.stats import loguniform
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from pipelines.datasets import DatasetSpec, Places, load_dataset

    options = {"path": str(folder / f"{table.name}.csv"), "target": TARGET}
    dataset = load_dataset(DatasetSpec("file", table.name, options), None, Places(cache_dir=folder / "cache"))
    inputs, targets = np.asarray(dataset.inputs), dataset.targets
    # Trained columns only: what was left out by reading is not there on either side.
    new_inputs = table.new[list(dataset.features)].to_numpy(np.float64)
    generator = np.random.default_rng(0)
    widths = [
        tuple(round(float(width)) for width in np.exp(generator.uniform(np.log(4), np.log(256), depth)))
        for depth in generator.integers(0, 4, 200)
    ]
    network = "mlpclassifier" if table.is_classification else "regressor__mlpregressor"
    space = {
        "hidden_layer_sizes": widths,
        "activation": ["relu", "tanh", "logistic"],
        "solver": ["adam", "sgd"],
        "learning_rate_init": loguniform(1e-4, 1e-1),
        "batch_size": [16, 32, 128],
        "alpha": loguniform(1e-5, 1.0),
        "early_stopping": [False, True],
    }
    if table.is_classification:
        model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=200, random_state=0))
    else:
        pipeline = make_pipeline(StandardScaler(), MLPRegressor(max_iter=200, random_state=0))
        model = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    search = RandomizedSearchCV(
        model,
        {f"{network}__{name}": values for name, values in space.items()},
        n_iter=trials,
        cv=5,
        scoring="neg_log_loss" if table.is_classification else "neg_mean_squared_error",
        random_state=0,
        error_score=-np.inf,
        n_jobs=-1,
    )
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"  # of its workers: trainings that do not converge are part of a search
        search.fit(inputs, targets)
    seconds = time.perf_counter() - started
    if not table.is_classification:
        return Answer(search.predict(new_inputs), None, seconds), float(targets.mean())
    true = np.array([dataset.classes.index(str(label)) for label in table.new[TARGET]])
    chosen = search.predict_proba(new_inputs)[np.arange(len(true)), true]
    names = np.array(dataset.classes)[search.predict(new_inputs)]
    shares = np.bincount(targets) / len(targets)
    return Answer(names, np.log(np.maximum(chosen, 1e-15)), seconds), shares[true]


def losses(table: Table, answer: Answer) -> Array:
    """Squared error, as a share of the new rows' variance, or log loss of each new row."""
    if answer.log_probability is not None:
        return -answer.log_probability
    true = table.new[TARGET].to_numpy(np.float64)
    return (answer.predictions - true) ** 2 / true.var()


def compare(table: Table, folder: Path) -> str:
    """A row of the log."""
    our, trials = ours(table, folder)
    their, constant = theirs(table, folder, trials)
    guess = Answer(np.full(len(table.new), constant), np.log(constant) if table.is_classification else None, 0.0)
    each = {name: losses(table, answer) for name, answer in (("our", our), ("their", their), ("guess", guess))}
    drawn = np.random.default_rng(0).integers(len(table.new), size=(RESAMPLES, len(table.new)))
    columns = [table.name, len(table.rows), len(table.new), trials]
    columns += [f"{each[name].mean():.4f}" for name in ("guess", "our", "their")]
    for other in ("guess", "their"):
        difference = each["our"] - each[other]
        low, high = np.percentile(difference[drawn].mean(axis=1), [2.5, 97.5])
        columns.append(f"{difference.mean():+.4f} [{low:+.4f}, {high:+.4f}]")
    if table.is_classification:
        true = table.new[TARGET].astype(str).to_numpy()
        columns += [f"{np.mean(answer.predictions == true):.3f}" for answer in (our, their)]
    else:
        columns += [f"{1 - each[name].mean():.3f}" for name in ("our", "their")]
    columns += [f"{our.seconds:.0f}", f"{their.seconds:.0f}"]
    return "| " + " | ".join(map(str, columns)) + " |"


HEADER = (
    "| table | rows | new rows | trials | loss of guessing | ours | scikit-learn | ours - guessing "
    "| ours - scikit-learn | accuracy or R2, ours | scikit-learn | ours, s | scikit-learn, s |\n"
    "|---|--:|--:|--:|--:|--:|--:|---|---|--:|--:|--:|--:|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--draws", type=int, default=1)
    chosen = parser.parse_args()
    print(HEADER, flush=True)
    for name in chosen.tables:
        for draw in range(chosen.draws):
            with tempfile.TemporaryDirectory() as folder:
                print(compare(TABLES[name](draw), Path(folder)), flush=True)


if __name__ == "__main__":
    main()
