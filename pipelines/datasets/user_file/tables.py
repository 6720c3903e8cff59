"""Reading a user's CSV or Parquet file, or an NPZ file of columns, into a data frame; every fault is a sentence."""

import warnings
import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import DataError
from pipelines.words import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

CSV_SUFFIXES, PARQUET_SUFFIXES, NPZ_SUFFIXES = (".csv", ".tsv", ".txt"), (".parquet", ".pq"), (".npz",)
SUFFIXES = (*CSV_SUFFIXES, *(f"{suffix}.gz" for suffix in CSV_SUFFIXES), *PARQUET_SUFFIXES, *NPZ_SUFFIXES)
SHOWN_COLUMNS = 40


@dataclass(frozen=True)
class TextFormat:
    """How a CSV file is written.

    Attributes
    ----------
    separator
        Between two fields, more than one character for a regular expression; None for a tab in ``.tsv``, else a comma.
    decimal
        Mark of the decimals.
    encoding
        Of the characters.
    missing_markers
        Fields that mean a missing value; None for pandas' own list (empty, NA, NaN, null, None, ...).
    """

    separator: str | None = None
    decimal: str = "."
    encoding: str = "utf-8-sig"
    missing_markers: tuple[str, ...] | None = None


def suffix_of(path: Path) -> str:
    """The suffix that says the format: lower case, without ``.gz``.

    Raises
    ------
    DataError
        Where it is none that can be read.
    """
    name = path.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix.removesuffix(".gz")
    raise DataError(f"The file {path} is of no known format; its name must end in {', '.join(SUFFIXES)}.")


def read_table(path: Path, text_format: TextFormat, as_text: Collection[str] = ()) -> "pd.DataFrame":
    """Read a table; the columns ``as_text`` are kept as they are written (``007`` stays ``007``).

    Returns
    -------
    At least one row and one column, column names unique texts without surrounding spaces.

    Raises
    ------
    DataError
        Where it cannot be read, is empty, or names a column twice.
    """
    suffix = suffix_of(path)
    if suffix in PARQUET_SUFFIXES:
        frame = _read_parquet(path)
    elif suffix in NPZ_SUFFIXES:
        frame = _columns_frame(path, read_npz(path))
    else:
        frame = _read_csv(path, suffix, text_format, as_text)
    frame.columns = [str(column).strip() for column in frame.columns]
    doubled = sorted(set(frame.columns[frame.columns.duplicated()]))
    if doubled:
        raise DataError(f"{path} has more than one column named {', '.join(map(repr, doubled))}.")
    if frame.empty:
        raise DataError(f"{path} holds no rows of data.")
    return frame


def column(frame: "pd.DataFrame", name: str, path: Path, meant_as: str) -> "pd.Series[Any]":
    """A column by name.

    Raises
    ------
    DataError
        Where there is none of that name, with the nearest name and those there are.
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
    shown = [repr(name) for name in list(names)[:SHOWN_COLUMNS]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an NPZ file by name; arrays of Python objects are refused, since opening those can run code.

    Raises
    ------
    DataError
        Where it is no whole NPZ file, or holds Python objects.
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


def _read_csv(path: Path, suffix: str, form: TextFormat, as_text: Collection[str]) -> "pd.DataFrame":
    import pandas as pd

    separator = form.separator or ("\t" if suffix == ".tsv" else ",")
    reading: dict[str, Any] = {
        "sep": separator,
        "decimal": form.decimal,
        "encoding": form.encoding,
        "skipinitialspace": True,
        # A line longer than the header would else make the first column an index, without a word.
        "index_col": False,
        "engine": "c" if len(separator) == 1 else "python",
    }
    if form.missing_markers is not None:
        reading |= {"keep_default_na": False, "na_values": list(form.missing_markers)}
    if reading["engine"] == "c":
        reading["low_memory"] = False  # one type a column, not one a chunk
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            header = pd.read_csv(path, **{**reading, "header": None, "nrows": 1, "dtype": str})
            names = [str(name).strip() for name in header.iloc[0].dropna()]
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:  # pandas would rename the second
                raise DataError(f"{path} has more than one column named {', '.join(map(repr, doubled))}.")
            texts = {name: str for name in header.iloc[0].dropna() if str(name).strip() in as_text}
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


def _read_parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path, engine="pyarrow").reset_index(drop=True)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {str(error).rstrip('.')}.") from error


def _columns_frame(path: Path, arrays: Mapping[str, NDArray[Any]]) -> "pd.DataFrame":
    import pandas as pd

    shapes = {name: array.shape for name, array in arrays.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) != 1:
        told = ", ".join(f"{name!r} {shape}" for name, shape in shapes.items())
        raise DataError(
            f"{path} holds neither an array of inputs (named 'x', 'x_train' or by the option 'inputs') nor columns of "
            f"one length: {told}."
        )
    return pd.DataFrame(dict(arrays))
