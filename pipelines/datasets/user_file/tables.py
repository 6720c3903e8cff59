"""Reading a table of any format into a frame; every fault is a sentence."""

import re
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.datasets.user_file.arrays import read_npz
from pipelines.datasets.user_file.contents import Contents, kind_of, read_contents
from pipelines.datasets.user_file.dialect import Dialect, Stated, find_dialect
from pipelines.datasets.user_file.text_files import read_text, refuse_doubled
from pipelines.errors import DataError
from pipelines.words import counted, did_you_mean

TEXT_SUFFIXES, NPZ_SUFFIXES = (".csv", ".tsv", ".txt"), (".npz",)
_PARQUET, _FEATHER = (".parquet", ".pq"), (".feather", ".arrow")
_EXCEL = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_COMPRESSED = tuple(f"{suffix}.{packed}" for suffix in TEXT_SUFFIXES for packed in ("gz", "zst"))
SUFFIXES = (*TEXT_SUFFIXES, *_COMPRESSED, *_PARQUET, *_FEATHER, *_EXCEL, *NPZ_SUFFIXES)
SHOWN_COLUMNS = 40
_KINDS = {"number": "number", "whole": "number", "boolean": "boolean", "text": "text", "date": "date"}


@dataclass(frozen=True)
class TableOptions:
    """What the user states of how a table is written; see the options of these names."""

    text: Stated
    thousands: str | None = None
    missing_markers: tuple[str, ...] | None = None
    categorical: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes
    ----------
    contents
        Its columns, in the order of the file.
    words
        How it was read, as a sentence lists it.
    first_line
        Line of the first row, counted from 1; None where the file has no lines.
    dialect
        How a text file is written; None for other files.
    """

    contents: Contents
    words: tuple[str, ...]
    first_line: int | None
    dialect: Dialect | None

    @property
    def frame(self) -> pd.DataFrame:
        """The columns as a frame, which shares them."""
        return pd.DataFrame(self.contents.columns, copy=False)


def suffix_of(path: Path) -> str:
    """The suffix that says the format: lower case, without that of a compression.

    Raises ``DataError`` where it is none that can be read.
    """
    if (suffix := next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)) is not None:
        return suffix.removesuffix(".gz").removesuffix(".zst")
    raise DataError(f"The file {path} is of no known format; its name must end in {', '.join(SUFFIXES)}.")


def read_table(
    path: Path,
    options: TableOptions,
    *,
    names: Collection[str],
    usual: Dialect | None = None,
    keep: Collection[str] = (),
) -> Table:
    """Read a table; texts that are numbers or dates become such, but for the columns of ``options.categorical``.

    It has a row and a column at least, and column names are unique texts without surrounding spaces.

    Parameters
    ----------
    names
        Columns that the user names.
    usual
        The dialect of a file of the same kind.
    keep
        Further columns whose texts are left as they are.

    Raises
    ------
    DataError
        Where it cannot be read, is empty, names a column twice, or holds numbers that are none.
    """
    suffix = suffix_of(path)
    dialect = None
    if suffix in TEXT_SUFFIXES:
        try:
            dialect = find_dialect(path, options.text, names, usual)
        except (OSError, EOFError) as error:
            raise DataError(f"{path} cannot be read as a table: {str(error).rstrip('.')}.") from error
        markers, guessed = options.missing_markers, options.text.encoding is None
        frame, dialect = read_text(path, dialect, markers, options.categorical, guessed=guessed)
        words = dialect.words
    else:
        frame, word = _read_other(path, suffix)
        words = (word,)
        frame.columns = pd.Index([str(name).strip() for name in frame.columns])
        refuse_doubled(frame.columns, path)
    if frame.empty:
        raise DataError(f"{path} holds no rows of data.")
    first_line = None if dialect is None else dialect.first_line
    contents = read_contents(
        frame,
        decimal=options.text.decimal or (dialect.decimal if dialect else "."),
        thousands=options.thousands,
        keep={*options.categorical, *keep},
        markers=options.missing_markers is None,
        where=str(path),
        first_line=first_line,
    )
    size = f"{counted(len(frame), 'row')} x {counted(len(frame.columns), 'column')}: {_kinds(contents)}"
    return Table(contents, (*words, *contents.notes, size), first_line, dialect)


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


def _kinds(contents: Contents) -> str:
    """What the columns hold, counted: ``9 numbers, 4 texts, 1 date``."""
    counts = dict.fromkeys(_KINDS.values(), 0)
    others = 0
    for series in contents.columns.values():
        try:
            counts[_KINDS[kind_of(series, "")]] += 1
        except DataError:  # said where the column is used; it may be an excluded one
            others += 1
    told = [counted(count, noun) for noun, count in counts.items() if count]
    return ", ".join(told + ([f"{others} of other kinds"] if others else []))


def _read_other(path: Path, suffix: str) -> tuple[pd.DataFrame, str]:
    """A table that is no text file, and its format in a word."""
    if suffix in NPZ_SUFFIXES:
        return _columns_frame(path, read_npz(path)), "NPZ"
    if suffix in _EXCEL:
        return _read_excel(path), "Excel, the first sheet"
    word, reader = ("Parquet", pd.read_parquet) if suffix in _PARQUET else ("Feather", pd.read_feather)
    try:
        return reader(path).reset_index(drop=True), word
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as {word}: {str(error).rstrip('.')}.") from error


def _read_excel(path: Path) -> pd.DataFrame:
    try:
        return pd.read_excel(path)
    except ImportError as error:
        found = re.search(r"[Ii]mport (\w+)|dependency '(\w+)'", str(error))
        package = next(filter(None, found.groups()), "openpyxl") if found else "openpyxl"
        raise DataError(
            f"{path} is a file of Excel, for which the package {package} is missing: install it with "
            f"`pip install {package}`, or save the sheet as CSV."
        ) from error
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as a file of Excel: {str(error).rstrip('.')}.") from error


def _columns_frame(path: Path, arrays: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    shapes = {name: array.shape for name, array in arrays.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) != 1:
        told = ", ".join(f"{name!r} {shape}" for name, shape in shapes.items())
        raise DataError(
            f"{path} holds neither an array of inputs (named 'x', 'x_train' or by the option 'inputs') nor columns of "
            f"one length: {told}."
        )
    return pd.DataFrame({name: np.asarray(array) for name, array in arrays.items()})
