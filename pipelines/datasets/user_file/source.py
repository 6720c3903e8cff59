"""The ``file`` source: the user's own CSV, Parquet or NPZ file.

``pipelines.datasets.options`` has its options: of every format, of tables, of CSV and of NPZ. The arrays of an NPZ file
are ``x`` and ``y``, or ``x_train`` and ``y_train``, where the options name no others, inputs of any shape; without
such an array of inputs it is read as a table, one array per column.

Where no task is stated, ``columns`` has the rule that infers it. Relative paths start at the working folder, else at
the data folder.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.datasets import options
from pipelines.datasets.base import Dataset, DatasetSpec, Task
from pipelines.datasets.cache import Description, cached, hash_file, write_arrays
from pipelines.datasets.folds import split_off_test
from pipelines.datasets.places import Places
from pipelines.datasets.user_file import tables
from pipelines.datasets.user_file.columns import Encoder, fit_encoder, fit_labels, holds_texts
from pipelines.datasets.user_file.tables import Rows, column, listed, read_npz, suffix_of, treat_missing
from pipelines.errors import DataError
from pipelines.words import did_you_mean


@dataclass(frozen=True)
class Settings(tables.TextFormat):
    """The options of a file, checked; paths are where the files were found."""

    path: Path
    test: Path | None
    target: str | None
    missing: str
    test_fraction: float
    features: tuple[str, ...] | None
    exclude: tuple[str, ...]
    categorical: tuple[str, ...]
    inputs: str | None
    test_inputs: str | None
    test_target: str | None


def load(spec: DatasetSpec, task: Task | None, places: Places) -> Dataset:
    """Load the file that the option ``path`` names.

    Tables as float32, shape (rows, columns after encoding); arrays of an NPZ file in their shape, uint8 where they are
    uint8 or booleans, else float32. Raises ``DataError`` where the file or an option is wrong, the target is missing,
    or there are missing or infinite values.
    """
    settings = _settings(spec, places)
    paths = [path for path in (settings.path, settings.test) if path is not None]
    hashes = list(map(hash_file, paths))
    identity = {
        "source": spec.source,
        "sha256": hashes,
        "formats": [suffix_of(path) for path in paths],
        "options": {key: value for key, value in spec.options.items() if key not in ("path", "test")},
        "task": task,
    }

    def build(folder: Path) -> Description:
        description, arrays = prepare(settings, task, spec.name)
        write_arrays(folder, arrays)
        return description

    entry = cached(places.cache_dir, spec.name, identity, build)
    # Of one file the sha256 itself, so that it can be compared with what ``sha256sum`` prints.
    sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return entry.dataset(spec.name, sha256, " and ".join(map(str, paths)))


def infer_task(spec: DatasetSpec, places: Places) -> Task:
    """The task that the target column makes, by the rule of ``columns``.

    Raises ``DataError`` as ``load``.
    """
    settings = _settings(spec, places)
    train, _ = treat_missing(_read(settings)[0], settings.missing)
    return fit_labels(train.target, None, train.where).task


def prepare(settings: Settings, task: Task | None, name: str) -> tuple[Description, dict[str, NDArray[Any]]]:
    """Read, clean, split and encode: the arrays of the data set by name, and their description."""
    train, test = _read(settings)
    details: dict[str, str] = {}
    train, dropped = treat_missing(train, settings.missing)
    if test is not None:
        test, dropped_test = treat_missing(test, settings.missing)
        dropped += dropped_test
    if dropped:
        details["dropped"] = f"{dropped} rows with missing values"
    labels = fit_labels(train.target, task, train.where)
    details["task"] = f"{labels.task}, {labels.reason}"
    if test is None and settings.test_fraction:
        targets = labels.encode(train.target, train.where)
        chosen, held = split_off_test(targets, labels.task, settings.test_fraction, name=name, classes=labels.classes)
        train, test = train.take(chosen), train.take(held)
        kind = "stratified " if labels.task.is_classification else ""
        details["test"] = f"a fixed {kind}split of {settings.test_fraction:.0%}"
    elif test is not None:
        details["test"] = f"given, {len(test)} rows"
    else:
        test = train.take(np.arange(0))
    inputs, test_inputs, features, encoding = _encode(train, test, settings)
    arrays = {
        "inputs": inputs,
        "targets": labels.encode(train.target, train.where),
        "test_inputs": test_inputs,
        "test_targets": labels.encode(test.target, test.where),
    }
    return Description(labels.task, labels.classes, features, details | encoding), arrays


def _read(settings: Settings) -> tuple[Rows, Rows | None]:
    """Training rows, and test rows where the user gives some."""
    if suffix_of(settings.path) in tables.NPZ_SUFFIXES:
        arrays = read_npz(settings.path)
        inputs = settings.inputs or next((name for name in ("x", "x_train") if name in arrays), None)
        if inputs is not None:
            return _read_arrays(settings, arrays, inputs)
    frame = tables.read_table(settings.path, settings, settings.categorical)
    if settings.target is None:
        raise DataError(
            f"The option 'target' is needed: which column of {settings.path} to predict. "
            f"Its columns: {listed(list(frame.columns))}."
        )
    column(frame, settings.target, settings.path, "the target")
    names = _input_names(settings, frame, settings.target)
    train = _table_rows(frame, settings.path, settings.target, names)
    if settings.test is None:
        return train, None
    # What is text in the training file is text in the test file, even where all its values happen to be numbers.
    as_text = {*settings.categorical, *(name for name in frame.columns if _is_text(frame[name]))}
    test_frame = tables.read_table(settings.test, settings, as_text)
    return train, _table_rows(test_frame, settings.test, settings.target, names)


def _input_names(settings: Settings, frame: pd.DataFrame, target: str) -> list[str]:
    """Columns of the training file that are inputs."""
    path, named = settings.path, settings.features
    for name in (*(named or ()), *settings.exclude, *settings.categorical):
        column(frame, name, path, "an input")
    if named is not None and target in named:
        raise DataError(f"The target {target!r} of {path} is among the columns of the option 'features'.")
    candidates = dict.fromkeys(frame.columns if named is None else named)
    names = [name for name in candidates if name not in (target, *settings.exclude)]
    if not names:
        raise DataError(f"{path} has no columns left for the inputs beside the target {target!r}.")
    return names


def _table_rows(frame: pd.DataFrame, path: Path, target: str, names: list[str]) -> Rows:
    predicted = column(frame, target, path, "the target")
    for name in names:
        column(frame, name, path, "an input")
    return Rows(frame[names], predicted, str(path))


def _read_arrays(settings: Settings, arrays: dict[str, NDArray[Any]], inputs: str) -> tuple[Rows, Rows | None]:
    unusable = [key for key in options.TABLE_OPTIONS if getattr(settings, key)]
    if unusable:
        raise DataError(
            f"Option {unusable[0]!r} is for tables; {settings.path} has an array of inputs, {inputs!r}, without column "
            "names."
        )
    target = settings.target or ("y_train" if inputs == "x_train" else "y")
    train = _array_rows(settings.path, arrays, inputs, target)
    if settings.test is not None:
        return train, _array_rows(settings.test, read_npz(settings.test), inputs, target)
    stated = settings.test_inputs is not None or settings.test_target is not None
    test_names = settings.test_inputs or "x_test", settings.test_target or "y_test"
    if not stated and not all(name in arrays for name in test_names):
        return train, None
    if settings.test_fraction:
        raise DataError(f"{settings.path} has test arrays {test_names}; the option 'test_fraction' cannot be set too.")
    return train, _array_rows(settings.path, arrays, *test_names)


def _array_rows(path: Path, arrays: dict[str, NDArray[Any]], inputs: str, target: str) -> Rows:
    for name, meant_as in ((inputs, "the inputs"), (target, "the targets")):
        if name not in arrays:
            raise DataError(
                f"{path} has no array {name!r} for {meant_as}{did_you_mean(name, arrays)}. "
                f"Its arrays: {listed(arrays)}."
            )
    return tables.rows_of_arrays(arrays[inputs], arrays[target], (inputs, target), str(path))


def _encode(
    train: Rows, test: Rows, settings: Settings
) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...], dict[str, str]]:
    """Inputs of both parts, names of their columns, and what to record."""
    if isinstance(train.inputs, np.ndarray) and isinstance(test.inputs, np.ndarray):
        if train.inputs.shape[1:] != test.inputs.shape[1:]:
            raise DataError(
                f"The test inputs of {test.where} have samples of shape {test.inputs.shape[1:]}, the training inputs "
                f"{train.inputs.shape[1:]}."
            )
        if not np.isnan(train.inputs).any() and not np.isnan(test.inputs).any():
            # Of two types the wider one: uint8 test images beside float training images are floats.
            kind = np.result_type(train.inputs, test.inputs) if len(test) else train.inputs.dtype
            return train.inputs.astype(kind), test.inputs.astype(kind), (), {}
    frame, test_frame = _as_frame(train), _as_frame(test)
    encoder = fit_encoder(frame, settings.missing, settings.categorical, train.where)
    inputs, test_inputs = encoder.encode(frame, train.where), encoder.encode(test_frame, test.where)
    return inputs, test_inputs, encoder.features, _encoding_details(encoder, test_frame, settings.missing)


def _as_frame(rows: Rows) -> pd.DataFrame:
    """The inputs as columns; those of an array (with gaps to be filled in) one a feature."""
    if not isinstance(rows.inputs, np.ndarray):
        return rows.inputs
    if rows.inputs.ndim != 2:
        raise DataError(
            f"{rows.where} has missing values in inputs of shape {rows.inputs.shape}; only columns can be filled in. "
            "Set the option 'missing' to drop."
        )
    return pd.DataFrame(rows.inputs, columns=[f"x[{place}]" for place in range(rows.inputs.shape[1])])


def _encoding_details(encoder: Encoder, test_frame: pd.DataFrame, missing: str) -> dict[str, str]:
    columns = encoder.columns
    filled = {c.name: f"{c.filled} with {'no category' if c.fill is None else c.fill}" for c in columns if c.filled}
    told: dict[str, tuple[str, Mapping[str, object]]] = {
        "categories": ("", {c.name: ", ".join(c.categories) for c in columns if c.categories is not None}),
        "imputed": (f"{missing} of the training rows, with a column that says where: ", filled),
        "unseen": ("test values that no training row has, encoded as no category: ", encoder.unseen(test_frame)),
    }
    return {
        key: head + "; ".join(f"{name}: {value}" for name, value in values.items())
        for key, (head, values) in told.items()
        if values
    }


def _is_text(series: "pd.Series[Any]") -> bool:
    try:
        return holds_texts(series, "")
    except DataError:  # said where the column is used; it may be an excluded one
        return False


def _settings(spec: DatasetSpec, places: Places) -> Settings:
    if (path_text := options.option(spec, "path")) is None:
        raise DataError(f"Data set {spec.name!r} of source 'file' needs the option 'path'.")
    path = _resolve(path_text, places, spec)
    suffix = suffix_of(path)
    is_csv, is_npz = suffix in tables.CSV_SUFFIXES, suffix in tables.NPZ_SUFFIXES
    of_format = options.CSV_OPTIONS if is_csv else options.NPZ_OPTIONS if is_npz else {}
    options.check_options(spec, options.COMMON_OPTIONS | options.TABLE_OPTIONS | of_format)
    read = {key: options.option(spec, key) for key in options.OPTIONS["file"]}
    if read["features"] is not None and read["exclude"] is not None:
        raise DataError(f"Data set {spec.name!r} has both options 'features' and 'exclude'; one of them is enough.")
    test = None if read["test"] is None else _resolve(read["test"], places, spec)
    read |= {"path": path, "test": test} | {key: read[key] or () for key in ("exclude", "categorical")}
    if test is not None and read["test_fraction"]:
        raise DataError(f"Data set {spec.name!r} has both options 'test' and 'test_fraction'; one of them is enough.")
    if test is not None and suffix_of(test) != suffix:
        raise DataError(f"The test file {test} is of another format than {path}.")
    return Settings(**read)


def _resolve(value: str, places: Places, spec: DatasetSpec) -> Path:
    path = Path(value).expanduser()
    tried = [path] if path.is_absolute() or places.data_dir is None else [path, places.data_dir / path]
    for candidate in tried:
        if candidate.is_file():
            return candidate
    folder = next((candidate for candidate in tried if candidate.is_dir()), None)
    if folder is not None:
        raise DataError(f"Data set {spec.name!r}: {folder} is a folder; name the file in it.")
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    folders = [str(folder.absolute()) for folder in (Path(), places.data_dir) if folder is not None]
    looked = "" if path.is_absolute() else f" Looked in {' and '.join(folders)}."
    raise DataError(f"Data set {spec.name!r}: there is no file {path}{did_you_mean(path.name, beside)}.{looked}")
