"""The documented exercises that are timed, and their data."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipelines.datasets import Dataset, DatasetSpec, Places, load_dataset
from pipelines.datasets.folds import Split, make_splits
from pipelines.exercises.configurations import Configuration


@dataclass(frozen=True)
class Case:
    """One exercise to time.

    ``opponent_folds`` and ``opponent_epochs`` say how much of it the opponent really runs; its time is scaled to the
    whole, since every epoch costs the same.
    """

    spec: DatasetSpec
    task: str
    configuration: Configuration
    folds: int
    epochs: int
    opponent_folds: int
    opponent_epochs: int
    target: float
    tf_data: bool = False


_IMDB = DatasetSpec("keras", "imdb", {"words": 10000})
_TEXT = Configuration(layers=(16, 16), optimizer="rmsprop", batch_size=512)
CASES = {
    "boston": Case(
        DatasetSpec("keras", "boston_housing"),
        "regression",
        Configuration((64, 64), loss="mse", optimizer="rmsprop", batch_size=1, normalisation="standardise"),
        folds=4,
        epochs=500,
        opponent_folds=2,
        opponent_epochs=20,
        target=150,
    ),
    "imdb": Case(_IMDB, "binary", _TEXT, 4, 20, opponent_folds=2, opponent_epochs=10, target=6),
    "imdb-1024": Case(
        _IMDB,
        "binary",
        Configuration((16, 1024), optimizer="rmsprop", batch_size=512),
        4,
        20,
        opponent_folds=1,
        opponent_epochs=10,
        target=2.5,
    ),
    "imdb-1024-16": Case(
        _IMDB,
        "binary",
        Configuration((1024, 16), optimizer="rmsprop", batch_size=512),
        4,
        20,
        opponent_folds=1,
        opponent_epochs=4,
        target=2.5,
    ),
    "reuters": Case(
        DatasetSpec("keras", "reuters", {"words": 10000}),
        "multiclass",
        Configuration((64, 64), optimizer="rmsprop", batch_size=512),
        4,
        20,
        opponent_folds=4,
        opponent_epochs=20,
        target=6,
    ),
    "fashion_mnist": Case(
        DatasetSpec("tfds", "fashion_mnist"),
        "multiclass",
        Configuration((128,), optimizer="adam", batch_size=32, normalisation="divide_255"),
        4,
        5,
        opponent_folds=2,
        opponent_epochs=5,
        target=6,
        tf_data=True,
    ),
}


def load(case: Case) -> Dataset:
    """The real data, from ``$OVERFIT_ATLAS_DATA`` where that is set, else downloaded."""
    folder = os.environ.get("OVERFIT_ATLAS_DATA")
    return load_dataset(case.spec, places=Places(Path(folder) if folder else None))


def splits_of(case: Case, dataset: Dataset) -> tuple[Split, ...]:
    return make_splits(dataset.targets, dataset.task, validation="kfold", folds=case.folds, repeats=1, seed=1)
