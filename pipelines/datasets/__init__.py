"""Data sets of every source in one compact form.

>>> from pipelines.datasets import DatasetSpec, load_dataset
>>> load_dataset(DatasetSpec("formula", "celsius")).samples
7
"""

import importlib
from pathlib import Path

from pipelines.datasets.base import Dataset, DatasetSpec, Task
from pipelines.datasets.places import DOWNLOAD_SECONDS, Places
from pipelines.errors import DataError

__all__ = ["SOURCES", "Dataset", "DatasetSpec", "Task", "load_dataset"]

#: Source -> its function of (spec, task, places); imported when asked for, since pandas and scikit-learn are heavy.
SOURCES = {
    "keras": "sources.keras_sets.load",
    "tfds": "sources.tfds_sets.load",
    "sklearn": "sources.small_sets.load_sklearn",
    "formula": "sources.small_sets.load_formula",
    "file": "user_file.source.load",
}


def load_dataset(
    spec: DatasetSpec,
    task: Task | None = None,
    *,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    download_seconds: float = DOWNLOAD_SECONDS,
) -> Dataset:
    """Load a data set, from the cache where it was prepared before.

    Parameters
    ----------
    spec
        What to load; the module of each source lists its names and options.
    task
        What is predicted; None to take the well-known one, or to infer it from a user's file.
    data_dir
        Folder with files put there by hand (see ``Places``), looked at before anything is downloaded.
    cache_dir
        Folder of prepared data sets; None for ``$OVERFIT_ATLAS_CACHE`` or the platform's.
    download_seconds
        Time limit of a download; a machine without a network learns of it in seconds.

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
    dataset: Dataset = getattr(importlib.import_module(f"{__name__}.{module}"), load)(
        spec,
        task,
        Places(
            None if data_dir is None else Path(data_dir).expanduser(),
            None if cache_dir is None else Path(cache_dir).expanduser(),
            download_seconds,
        ),
    )
    return dataset
