"""The ``file`` source: the user's own table, arrays of an NPZ file, or a folder of images.

``pipelines.datasets.options`` has its options: of every kind, of tables, of text files, of NPZ files and of images. The
arrays of an NPZ file are ``x`` and ``y``, or ``x_train`` and ``y_train``, where the options name no others, inputs of
any shape; without such an array of inputs it is read as a table, one array per column.

Where no task is stated, ``labels`` has the rule that infers it. Relative paths start at the working folder, else at
the data folder.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset, DatasetSpec, Task
from pipelines.datasets.cache import Description, Entry, cached, find, hash_file
from pipelines.datasets.options import TABLE_OPTIONS, TEXT_OPTIONS, option
from pipelines.datasets.places import Places
from pipelines.datasets.user_file.arrays import read_npz
from pipelines.datasets.user_file.images import Form, hash_folder, image_paths, load_images
from pipelines.datasets.user_file.preparing import prepare
from pipelines.datasets.user_file.reading import read_like
from pipelines.datasets.user_file.settings import Settings, read_settings, table_options
from pipelines.datasets.user_file.tables import NPZ_SUFFIXES, suffix_of
from pipelines.errors import DataError
from pipelines.words import counted

READING = 2  # changes whenever the same file and options are read into other arrays


def load(spec: DatasetSpec, task: Task | None, places: Places) -> Dataset:
    """Load the file or folder that the option ``path`` names.

    Tables as float32, shape (rows, columns after encoding); arrays of an NPZ file in their shape, uint8 where they are
    uint8 or booleans, else float32; images as uint8, shape (images, side, side, channels). Raises ``DataError`` where
    the file or an option is wrong, the target is missing, or there are values that cannot be used.
    """
    settings = read_settings(spec, places)
    paths = [path for path in (settings.path, settings.test) if path is not None]
    hashes = [hash_folder(path) if path.is_dir() else hash_file(path) for path in paths]
    entry = _entry(spec, task, places, (settings, hashes))
    # Of one file the sha256 itself, so that it can be compared with what ``sha256sum`` prints.
    sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return entry.dataset(spec.name, sha256, " and ".join(map(str, paths)))


def infer_task(spec: DatasetSpec, places: Places) -> Task:
    """The task that the target makes, by the rule of ``labels``; what was read for it is kept for ``load``.

    Raises ``DataError`` as ``load``.
    """
    return load(spec, None, places).task


def read_new_rows(
    path: Path, encoding: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[pd.DataFrame | NDArray[Any], str, list[str]]:
    """Rows to predict, as the user wrote them.

    Parameters
    ----------
    path
        A table of any format, an NPZ file, or a folder of images.
    encoding
        Of the training data.
    options
        How the file is written, as far as it is stated: the options of these names.

    Returns
    -------
    rows
        All columns of a table, the named ones of an encoding and others; or an array.
    words
        How it was read.
    names
        Of images their paths within the folder; else empty.

    Raises
    ------
    DataError
        Where the file cannot be read, or is of another kind than the training data.
    """
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    if encoding["kind"] == "images":
        side, _, channels = encoding["shape"]
        paths = image_paths(path) if path.is_dir() else [path]
        if not paths:
            raise DataError(f"The folder {path} holds no images.")
        pixels = load_images(paths, Form(side, channels))
        base = path if path.is_dir() else path.parent
        words = f"{counted(len(paths), 'image')}, {side} x {side} pixels"
        return pixels, words, [str(found.relative_to(base)) for found in paths]
    if path.is_dir():
        raise DataError(f"{path} is a folder; the model was made from a {encoding['kind']}: name a file.")
    stated = DatasetSpec("file", path.stem, {key: options[key] for key in options if options[key] not in (None, "")})
    if suffix_of(path) in NPZ_SUFFIXES:
        arrays = read_npz(path)
        named = option(stated, "inputs")
        name = named or next((name for name in ("x", "x_test", "x_train") if name in arrays), None)
        if name is None and len(arrays) == 1:
            name = next(iter(arrays))
        if name is not None:
            if name not in arrays:
                raise DataError(f"{path} has no array {name!r}. Its arrays: {', '.join(arrays)}.")
            shape = " x ".join(map(str, arrays[name].shape))
            return arrays[name], f"NPZ, inputs {name!r} of {shape}", []
    if encoding["kind"] == "array":
        raise DataError(f"{path} is a table; the model was made from arrays: give an NPZ file with an array 'x'.")
    known = {key: option(stated, key) for key in {**TABLE_OPTIONS, **TEXT_OPTIONS} if key in stated.options}
    table = read_like(path, encoding, table_options(known))
    return table.frame, ", ".join(table.words), []


def _entry(spec: DatasetSpec, task: Task | None, places: Places, known: tuple[Settings, list[str]]) -> Entry:
    """The prepared data set; one that was prepared without a stated task is taken where it made the same task."""
    settings, hashes = known
    identity: dict[str, Any] = {
        "source": spec.source,
        "reading": READING,
        "sha256": hashes,
        "formats": ["folder" if settings.path.is_dir() else suffix_of(settings.path)],
        "options": {key: value for key, value in spec.options.items() if key not in ("path", "test")},
        "task": None,
    }
    if task is not None:
        inferred = find(places.cache_dir, spec.name, identity)
        if inferred is not None and inferred.description.task is task:
            return inferred
        identity["task"] = task

    def build(folder: Path) -> Description:
        return prepare(settings, task, spec.name, folder)

    return cached(places.cache_dir, spec.name, identity, build)
