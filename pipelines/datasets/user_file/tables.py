"""Reading a user's CSV, Parquet or NPZ file into rows, inputs beside targets; every fault is a sentence."""

import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.datasets.options import FILLING
from pipelines.datasets.user_file.columns import counted
from pipelines.errors import DataError
from pipelines.words import did_you_mean

CSV_SUFFIXES, PARQUET_SUFFIXES, NPZ_SUFFIXES = (".csv", ".tsv", ".txt"), (".parquet", ".pq"), (".npz",)
SUFFIXES = (*CSV_SUFFIXES, *(f"{suffix}.gz" for suffix in CSV_SUFFIXES), *PARQUET_SUFFIXES, *NPZ_SUFFIXES)
SHOWN_COLUMNS = 40


@dataclass(frozen=True)
class TextFormat:
    """How a CSV file is written.

    A separator of several characters is a regular expression; without one it is a tab in ``.tsv``, else a comma.
    Without markers of missing values pandas' own list holds (empty, NA, NaN, null, None, ...).
    """

    separator: str | None
    decimal: str
    encoding: str
    missing_markers: tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one file, named by ``where`` for errors.

    The inputs are a data frame of columns still to be encoded, or an array (rows, *features) of uint8 or float32; the
    target, shape (rows,), has the values to predict as they are in the file.
    """

    inputs: pd.DataFrame | NDArray[Any]
    target: "pd.Series[Any]"
    where: str

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: NDArray[Any]) -> "Rows":
        """The chosen rows, given by number."""
        inputs = self.inputs[rows] if isinstance(self.inputs, np.ndarray) else self.inputs.iloc[rows]
        return Rows(inputs, self.target.iloc[rows], self.where)

    def gaps(self) -> dict[str, NDArray[np.bool_]]:
        """For each column with missing values (and ``the inputs`` of an array), which rows they are in."""
        if isinstance(self.inputs, np.ndarray):
            found = {"the inputs": np.isnan(self.inputs).reshape(len(self), -1).any(axis=1)}
        else:
            found = {str(name): self.inputs[name].isna().to_numpy() for name in self.inputs.columns}
        found[str(self.target.name)] = self.target.isna().to_numpy()
        return {name: rows for name, rows in found.items() if rows.any()}


def suffix_of(path: Path) -> str:
    """The suffix that says the format: lower case, without ``.gz``.

    Raises ``DataError`` where it is none that can be read.
    """
    if (suffix := next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)) is not None:
        return suffix.removesuffix(".gz")
    raise DataError(f"The file {path} is of no known format; its name must end in {', '.join(SUFFIXES)}.")


def read_table(path: Path, text_format: TextFormat, as_text: Collection[str]) -> pd.DataFrame:
    """Read a table; the columns ``as_text`` are kept as they are written (``007`` stays ``007``).

    It has a row and a column at least, and column names are unique texts without surrounding spaces.
    Raises ``DataError`` where it cannot be read, is empty, or names a column twice.
    """
    suffix = suffix_of(path)
    if suffix in PARQUET_SUFFIXES:
        frame = _read_parquet(path)
    elif suffix in NPZ_SUFFIXES:
        frame = _columns_frame(path, read_npz(path))
    else:
        frame = _read_csv(path, suffix, text_format, as_text)
    frame.columns = [str(column).strip() for column in frame.columns]
    _refuse_doubled(frame.columns, path)
    if frame.empty:
        raise DataError(f"{path} holds no rows of data.")
    return frame


def column(frame: pd.DataFrame, name: str, path: Path, meant_as: str) -> "pd.Series[Any]":
    """A column by name.

    Raises ``DataError`` where there is none of that name, with the nearest name and those there are.
    """
    if name not in frame.columns:
        names = list(frame.columns)
        hint = ""
        if len(names) == 1 and any(mark in names[0] for mark in ";\t|,"):
            hint = " The file has one column only: is its separator another? Set the option 'separator'."
        raise DataError(
            f"{path} has no column {name!r} for {meant_as}{did_you_mean(name, names)}. "
            f"Its columns: {listed(names)}.{hint}"
        )
    return frame[name]


def listed(names: Collection[str]) -> str:
    """Names for an error: quoted, the first 40 of them."""
    more = len(names) - SHOWN_COLUMNS
    return ", ".join(map(repr, list(names)[:SHOWN_COLUMNS])) + (f" and {more} more" if more > 0 else "")


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an NPZ file by name; arrays of Python objects are refused, since opening those can run code.

    Raises ``DataError`` where it is no whole NPZ file, or holds Python objects.
    """
    name = ""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is not an .npz archive of named arrays; write it with numpy.savez.")
            arrays = {}
            for name in archive.files:
                arrays[name] = archive[name]
    except (ValueError, OSError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        where = f" (array {name!r})" if name else ""
        if "allow_pickle" in str(error) and name:
            raise DataError(
                f"{path}{where} holds Python objects, which can run code when they are opened; only arrays of numbers, "
                "booleans and texts are read."
            ) from error
        if "allow_pickle" in str(error):  # NumPy takes anything that it does not know for a pickle
            raise DataError(f"{path} is not an .npz file; write it with numpy.savez.") from error
        raise DataError(f"{path}{where} cannot be read, it is damaged or not an .npz file: {error}.") from error
    if not arrays:
        raise DataError(f"{path} holds no arrays.")
    return arrays


def treat_missing(rows: Rows, missing: str) -> tuple[Rows, int]:
    """Refuse missing values, or drop their rows, or leave those of the inputs to the encoder to fill in.

    Parameters
    ----------
    missing
        One of ``columns.MISSING``.

    Returns
    -------
    The rows, and how many were dropped.

    Raises
    ------
    DataError
        Naming the columns with missing values and their counts; and where dropping leaves nothing.
    """
    gaps = rows.gaps()
    if not gaps:
        return rows, 0
    counts = counted({name: int(where.sum()) for name, where in gaps.items()})
    target = str(rows.target.name)
    if missing == "refuse":
        raise DataError(
            f"{rows.where} has missing values: {counts}. Set the option 'missing' to drop (their rows), mean, median "
            "or most_frequent, or mend the file."
        )
    if missing == "drop":
        keep = ~np.any(list(gaps.values()), axis=0)
        if not keep.any():
            raise DataError(f"{rows.where} has missing values in every row ({counts}): nothing is left to learn from.")
        return rows.take(np.flatnonzero(keep)), int((~keep).sum())
    if missing in FILLING and target in gaps:
        raise DataError(
            f"The target {target!r} of {rows.where} is missing in {int(gaps[target].sum())} rows; a target is never "
            "filled in. Set the option 'missing' to drop, or remove those rows."
        )
    return rows, 0


def rows_of_arrays(inputs: NDArray[Any], target: NDArray[Any], names: tuple[str, str], where: str) -> Rows:
    """Rows of two arrays, the inputs in their compact form.

    Parameters
    ----------
    inputs, target
        Shapes (rows, *features) or (rows,), and (rows,) or (rows, 1).
    names
        Of the two arrays.

    Raises
    ------
    DataError
        Where the shapes do not belong together, or the inputs are no numbers, or infinite.
    """
    if inputs.ndim == 0 or target.ndim == 0 or len(inputs) != len(target) or len(inputs) == 0:
        raise DataError(
            f"{where}: the inputs {names[0]!r} have shape {inputs.shape} and the targets {names[1]!r} {target.shape}; "
            "both need the same number of rows, at least one."
        )
    if target.size != len(target):
        raise DataError(f"{where}: the targets {names[1]!r} have shape {target.shape}; one value a row is needed.")
    if inputs.dtype.kind not in "buif":
        raise DataError(f"{where}: the inputs {names[0]!r} are of type {inputs.dtype}, not numbers.")
    if inputs.ndim == 1:
        inputs = inputs[:, np.newaxis]
    if inputs.dtype in (np.bool_, np.uint8):
        compact: NDArray[Any] = inputs.astype(np.uint8)
    else:
        with np.errstate(over="ignore"):
            compact = inputs.astype(np.float32)
        if infinite := int(np.isinf(compact).sum()):
            raise DataError(
                f"{where}: the inputs {names[0]!r} have {infinite} values that are infinite or too large for 32-bit "
                "numbers."
            )
    return Rows(compact, pd.Series(target.reshape(-1), name=names[1]), where)


def _read_csv(path: Path, suffix: str, form: TextFormat, as_text: Collection[str]) -> pd.DataFrame:
    separator = form.separator or ("\t" if suffix == ".tsv" else ",")
    reading: dict[str, Any] = {
        "sep": separator,
        "decimal": form.decimal,
        "encoding": form.encoding,
        "skipinitialspace": True,
        # A line longer than the header would else make the first column an index, without a word.
        "index_col": False,
        # "low_memory" would be one type a chunk, not one a column.
        **({"engine": "c", "low_memory": False} if len(separator) == 1 else {"engine": "python"}),
    }
    if form.missing_markers is not None:
        reading |= {"keep_default_na": False, "na_values": list(form.missing_markers)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            header = pd.read_csv(path, **{**reading, "header": None, "nrows": 1, "dtype": str})
            names = header.iloc[0].dropna()
            _refuse_doubled([str(name).strip() for name in names], path)  # pandas would rename the second
            texts = {name: str for name in names if str(name).strip() in as_text}
            frame: pd.DataFrame = pd.read_csv(path, **reading, dtype=texts)
            return frame
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty.") from error
    except pd.errors.ParserWarning as error:
        raise DataError(f"{path} has lines with more fields than its header has names.") from error
    except UnicodeError as error:
        raise DataError(f"{path} is not written in {form.encoding} ({error}); set the option 'encoding'.") from error
    except LookupError as error:
        raise DataError(f"The encoding {form.encoding!r} of {path} is not known: {error}.") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a table: {str(error).strip()}.") from error


def _refuse_doubled(names: Iterable[str], path: Path) -> None:
    doubled = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubled:
        raise DataError(f"{path} has more than one column named {', '.join(map(repr, doubled))}.")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, engine="pyarrow").reset_index(drop=True)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {str(error).rstrip('.')}.") from error


def _columns_frame(path: Path, arrays: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    shapes = {name: array.shape for name, array in arrays.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) != 1:
        told = ", ".join(f"{name!r} {shape}" for name, shape in shapes.items())
        raise DataError(
            f"{path} holds neither an array of inputs (named 'x', 'x_train' or by the option 'inputs') nor columns of "
            f"one length: {told}."
        )
    return pd.DataFrame(dict(arrays))
