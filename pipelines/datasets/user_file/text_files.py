"""Reading a text file of a known dialect into a frame; every fault is a sentence with its line."""

import re
import warnings
import zlib
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api import types

from pipelines.datasets.user_file.dialect import Dialect, fields_of, legacy_encoding, not_in_encoding, open_bytes
from pipelines.errors import DataError

_TAIL_BYTES = 1 << 16
_FIELDS_FAULT = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


def read_text(
    path: Path, dialect: Dialect, markers: Collection[str] | None, as_text: Collection[str], *, guessed: bool
) -> tuple[pd.DataFrame, Dialect]:
    """Read a text file.

    Parameters
    ----------
    markers
        Fields that mean a missing value; None for pandas' own list (empty, NA, NaN, null, None, ...).
    as_text
        Columns kept as they are written (``007`` stays ``007``).
    guessed
        Whether the encoding was found out from the beginning; where UTF-8 does not hold to the end it is Latin-1.

    Returns
    -------
    The columns, and the dialect as it turned out to be.

    Raises
    ------
    DataError
        With the line, where it has more fields than the header, or is cut off; where a column is there twice.
    """
    refuse_doubled(dialect.names, path)
    try:
        frame = _read(path, dialect, markers, as_text)
    except UnicodeError as error:
        if not guessed or dialect.encoding != "utf-8":
            raise not_in_encoding(path, dialect.encoding, error) from error
        with open_bytes(path) as file:
            dialect = replace(dialect, encoding=legacy_encoding(file.read()))
        frame = _read(path, dialect, markers, as_text)
    _refuse_cut_off(path, dialect, len(frame))
    return frame, dialect


def refuse_doubled(names: Iterable[str], path: Path) -> None:
    """Raise ``DataError`` where a column is there twice."""
    doubled = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if doubled:
        raise DataError(f"{path} has more than one column named {', '.join(map(repr, doubled))}.")


def _read(path: Path, dialect: Dialect, markers: Collection[str] | None, as_text: Collection[str]) -> pd.DataFrame:
    """Read it; a column that turns from numbers to texts on the way is read again, as texts from its first row."""
    separator = dialect.separator
    names = [name or f"Unnamed: {place}" for place, name in enumerate(dialect.names)]
    reading: dict[str, Any] = {
        "sep": separator,
        "decimal": dialect.decimal,
        "encoding": dialect.encoding,
        "quotechar": dialect.quote,
        "skipinitialspace": dialect.blanks,  # it makes pandas slower by a quarter
        "header": 0 if dialect.header else None,
        "names": names,
        "skiprows": dialect.skipped,
        "index_col": False,  # a longer line would else make the first column an index, without a word
        **({} if len(separator) == 1 or separator == r"\s+" else {"engine": "python"}),
    }
    if markers is not None:
        reading |= {"keep_default_na": False, "na_values": list(markers)}
    packed = path.name.lower().endswith((".gz", ".zst"))
    texts = {name for name in names if name in as_text}
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                warnings.simplefilter("ignore", pd.errors.DtypeWarning)
                # Of a path pandas reads twice as fast as of an open file.
                with open_bytes(path) if packed else nullcontext(path) as file:
                    frame: pd.DataFrame = pd.read_csv(file, **reading, dtype=dict.fromkeys(texts, str))
        except pd.errors.ParserWarning as error:
            raise DataError(
                f"{path} has lines with more fields than its header has names. Mend them, or state the option "
                "'separator' if it is another."
            ) from error
        except UnicodeError:
            raise
        except (ValueError, OSError, EOFError, zlib.error) as error:
            raise _fault(path, error) from error
        mixed = {name for name in names if _is_mixed(frame[name])}
        if not mixed:
            return frame
        texts |= mixed


def _is_mixed(series: "pd.Series[Any]") -> bool:
    return series.dtype.kind == "O" and types.infer_dtype(series, skipna=True) not in ("string", "boolean", "empty")


def _fault(path: Path, error: Exception) -> DataError:
    told = str(error).strip().rstrip(".")
    if found := _FIELDS_FAULT.search(told):
        wanted, line, fields = found.groups()
        return DataError(
            f"{path}, line {line}: it has {fields} fields, the lines before it {wanted}. Mend it, or state the option "
            "'separator' if it is another."
        )
    if isinstance(error, EOFError) or "Truncated" in told or "end of stream" in told or "ended before" in told:
        return DataError(f"{path} is cut off: {told[:1].lower()}{told[1:]}. Copy it again.")
    return DataError(f"{path} cannot be read as a table: {told}.")


def _refuse_cut_off(path: Path, dialect: Dialect, rows: int) -> None:
    """A last line with too few fields, behind a whole one, is what is left of a file that was cut off."""
    if path.name.lower().endswith((".gz", ".zst")):
        return  # their ends say so themselves
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES) // 2 * 2)
        encoding = "utf-16-le" if dialect.encoding == "utf-16" else dialect.encoding
        text = file.read().decode(encoding, errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 3 or len(dialect.names) < 2:
        return
    before, last = (fields_of(line, dialect.separator, dialect.quote) for line in lines[-2:])
    if len(before) == len(dialect.names) > len(last):
        raise DataError(
            f"{path}, line {rows + dialect.first_line - 1}: the last line has {len(last)} of {len(dialect.names)} "
            "fields; is the file cut off? Copy it again, or take that line out."
        )
