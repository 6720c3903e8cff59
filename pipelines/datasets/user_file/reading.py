"""The rows of a user's file, whatever its kind: a table, arrays, or a folder of images."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.datasets import options
from pipelines.datasets.user_file.arrays import read_npz, rows_of_arrays
from pipelines.datasets.user_file.dialect import Dialect
from pipelines.datasets.user_file.images import read_images
from pipelines.datasets.user_file.rows import Rows
from pipelines.datasets.user_file.settings import Settings
from pipelines.datasets.user_file.tables import NPZ_SUFFIXES, Table, TableOptions, column, listed, read_table, suffix_of
from pipelines.errors import DataError
from pipelines.words import did_you_mean


@dataclass(frozen=True, eq=False)
class Source:
    """What was read.

    Attributes
    ----------
    rows, test
        Rows of the file; and test rows, where arrays or folders of images come with some.
    words
        How it was read.
    written
        How a table is written, as an encoding keeps it for new files (``read``).
    """

    rows: Rows
    test: Rows | None
    words: str
    written: Mapping[str, Any]


def read_rows(settings: Settings) -> Source:
    """Read the file, and the test rows of arrays and images.

    Raises ``DataError`` where it cannot be read, or a column or array that is named is not there.
    """
    path = settings.path
    if path.is_dir():
        rows, form, words = read_images(path, settings.size)
        test = None if settings.test is None else read_images(settings.test, None, form)[0]
        return Source(rows, test, words, {"size": form.side, "channels": form.channels})
    if suffix_of(path) in NPZ_SUFFIXES:
        arrays = read_npz(path)
        inputs = settings.inputs or next((name for name in ("x", "x_train") if name in arrays), None)
        if inputs is not None:
            rows, test = _read_arrays(settings, arrays, inputs)
            shape = " x ".join(map(str, rows.inputs.shape))
            return Source(rows, test, f"NPZ, inputs {inputs!r} of {shape}", {})
    table = read_table(path, settings.table, names=settings.names)
    written = {"categorical": list(settings.categorical), "thousands": settings.thousands}
    if settings.missing_markers is not None:
        written["missing_markers"] = list(settings.missing_markers)
    if table.dialect is not None:
        written |= {"separator": table.dialect.separator, "decimal": table.dialect.decimal}
    return Source(_table_rows(settings, table), None, ", ".join(table.words), written)


def read_test_rows(settings: Settings, encoding: Mapping[str, Any]) -> Rows:
    """Rows of the test file of a table, as new rows are read."""
    assert settings.test is not None and settings.target is not None
    table = read_like(settings.test, encoding, settings.table)
    predicted = column(table.frame, settings.target, settings.test, "the target")
    names = [known["name"] for known in encoding["columns"]]
    for name in names:
        column(table.frame, name, settings.test, "an input")
    return Rows(table.frame[names], predicted, str(settings.test), table.first_line)


def read_like(path: Path, encoding: Mapping[str, Any], stated: TableOptions) -> Table:
    """Read a table that is to be encoded: what the encoding takes as texts stays as it is written.

    How the file is written is found out anew; what it does not tell is as in the training file.
    """
    written = encoding.get("read", {})
    columns = encoding["columns"]
    as_text = [known["name"] for known in columns if "categories" in known]
    as_written = [known["name"] for known in columns if "form" in known or known.get("thousands")]
    usual = None
    if "separator" in written:
        usual = Dialect(written["separator"], written["decimal"], encoding="utf-8", quote='"', header=True, names=())
    markers = stated.missing_markers
    if markers is None and "missing_markers" in written:
        markers = tuple(written["missing_markers"])
    thousands = stated.thousands or written.get("thousands")
    wanted = replace(stated, categorical=tuple(as_text), missing_markers=markers, thousands=thousands)
    return read_table(path, wanted, names=[known["name"] for known in columns], usual=usual, keep=as_written)


def array_as_columns(rows: Rows) -> pd.DataFrame:
    """The inputs as columns; those of an array (with gaps to be filled in) one a feature."""
    if not isinstance(rows.inputs, np.ndarray):
        return rows.inputs
    if rows.inputs.ndim != 2:
        raise DataError(
            f"{rows.where} has missing values in inputs of shape {rows.inputs.shape}; only columns can be filled in. "
            "Set the option 'missing' to drop."
        )
    return pd.DataFrame(rows.inputs, columns=[f"x[{place}]" for place in range(rows.inputs.shape[1])])


def _table_rows(settings: Settings, table: Table) -> Rows:
    path, frame = settings.path, table.frame
    if settings.target is None:
        raise DataError(
            f"The option 'target' is needed: which column of {path} to predict. Its columns: "
            f"{listed(list(frame.columns))}."
        )
    target = column(frame, settings.target, path, "the target")
    special: dict[str, pd.Series[Any]] = {}
    for option in ("group", "order", "id"):
        if (name := getattr(settings, option)) is not None:
            special[option] = column(frame, name, path, f"the option {option!r}")
            if name == settings.target:
                raise DataError(f"The target {name!r} of {path} is also named by the option {option!r}.")
    aside = {str(series.name) for series in special.values()}
    names = _input_names(settings, frame, settings.target, aside)
    frame = pd.DataFrame({name: _compact(frame[name]) for name in names}, copy=False)
    group, order = special.get("group"), special.get("order")
    return Rows(frame, target, str(path), table.first_line, group=group, order=order, forms=table.contents.forms)


def _compact(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """Texts as categories: each text once, and a number for each row."""
    return series.astype("category") if isinstance(series.dtype, pd.StringDtype) else series


def _input_names(settings: Settings, frame: pd.DataFrame, target: str, aside: Collection[str]) -> list[str]:
    """Columns of the training file that are inputs."""
    path, named = settings.path, settings.features
    for name in (*(named or ()), *settings.exclude, *settings.categorical):
        column(frame, name, path, "an input")
    if named is not None and target in named:
        raise DataError(f"The target {target!r} of {path} is among the columns of the option 'features'.")
    candidates = dict.fromkeys((name for name in frame.columns if name not in aside) if named is None else named)
    names = [name for name in candidates if name not in (target, *settings.exclude)]
    if not names:
        raise DataError(f"{path} has no columns left for the inputs beside the target {target!r}.")
    return names


def _read_arrays(settings: Settings, arrays: dict[str, NDArray[Any]], inputs: str) -> tuple[Rows, Rows | None]:
    unusable = [key for key in options.TABLE_OPTIONS if key in settings.given]
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
    return rows_of_arrays(arrays[inputs], arrays[target], (inputs, target), str(path))
