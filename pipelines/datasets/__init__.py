"""Data sets of every source in one compact form.

>>> from pipelines.datasets import DatasetSpec, load_dataset
>>> load_dataset(DatasetSpec("formula", "celsius")).samples
7
"""

import importlib

from pipelines.datasets.base import Dataset, DatasetSpec, Task
from pipelines.datasets.places import Places
from pipelines.errors import DataError

__all__ = ["SOURCES", "Dataset", "DatasetSpec", "Places", "Task", "load_dataset"]

#: Source -> its function of (spec, task, places); imported when asked for, since pandas and scikit-learn are heavy.
SOURCES = {
    "keras": "sources.keras_sets.load",
    "tfds": "sources.tfds_sets.load",
    "sklearn": "sources.small_sets.load_sklearn",
    "formula": "sources.small_sets.load_formula",
    "file": "user_file.source.load",
}


def load_dataset(spec: DatasetSpec, task: Task | None = None, places: Places | None = None) -> Dataset:
    """Load a data set, from the cache where it was prepared before.

    Parameters
    ----------
    spec
        What to load; the module of each source lists its names and options.
    task
        What is predicted; None to take the well-known one, or to infer it from a user's file.
    places
        Where it is looked for and kept; None for the usual places.

    Raises
    ------
    DataError
        Where it cannot be had or used; the sentence says what was tried and what to do.
    """
    from pipelines.words import did_you_mean

    if spec.source not in SOURCES:
        raise DataError(
            f"There is no source of data {spec.source!r}{did_you_mean(spec.source, SOURCES)}. "
            f"Allowed: {', '.join(SOURCES)}."
        )
    module, _, load = SOURCES[spec.source].rpartition(".")
    read = getattr(importlib.import_module(f"{__name__}.{module}"), load)
    dataset: Dataset = read(spec, task, places or Places())
    return dataset
