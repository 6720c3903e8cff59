"""How a text file is written: encoding, separator, quotes, header and decimal sign, found out from its beginning.

What the user states is taken; only the rest is found out. The rules:

- *Encoding*: a byte order mark, else zero bytes (UTF-16), else UTF-8 where it is that, else Latin-1 (Windows-1252).
- *Separator*: the one that cuts the lines, the first among them, into the same number of fields, two or more.
- *Header*: the first line is one unless it has numbers or dates above numbers and dates, or in every column a text that
  is there again below. Numbers that count from 0 or 1, or are years, are names. Names that the user states decide.
- *Decimal sign*: the one that most fields have that can be read in one way only (``1,5`` but not ``1,500``).
"""

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from pipelines.errors import DataError

SAMPLE_BYTES, SAMPLE_LINES = 1 << 20, 500
SEPARATORS = ("\t", ";", "|", ",")  # of two that fit alike the earlier: a comma may be a decimal sign
_WORDS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", r"\s+": "blanks"}
#: What a parameter may say for a separator that is hard to write in a shell.
SPELLED = {"tab": "\t", "\\t": "\t", "semicolon": ";", "comma": ",", "bar": "|", "pipe": "|", "space": r"\s+"}
SPELLED_SIGNS = {"comma": ",", "point": ".", "space": " ", "apostrophe": "'"}
_ENCODING_WORDS = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "latin-1": "Latin-1", "cp1252": "Windows-1252"}
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)*|[.,]\d+)([eE][-+]?\d+)?")
_DATE = re.compile(r"\d{1,4}[-./](\d{1,2}|[A-Za-z]{3})[-./]\d{1,4}([ T].*)?")
_NAMED = re.compile(r"column_\d+")


@dataclass(frozen=True)
class Stated:
    """What the user states of a text file; None for what is to be found out.

    A separator of several characters is a regular expression.
    """

    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    header: bool | None = None


@dataclass(frozen=True)
class Dialect:
    """How a text file is written; ``names`` are those of its columns, made up where it has no header.

    ``skipped`` lines come before the header; ``blanks`` says whether there are some behind separators.
    """

    separator: str
    decimal: str
    encoding: str
    quote: str
    header: bool
    names: tuple[str, ...]
    skipped: int = 0
    blanks: bool = False

    @property
    def first_line(self) -> int:
        """The line of the first row of data, counted from 1."""
        return 1 + self.skipped + self.header

    @property
    def words(self) -> tuple[str, ...]:
        """The dialect as a sentence lists it."""
        width = len(self.names)
        return (
            _WORDS.get(self.separator, f"separator {self.separator!r}"),
            *(["decimal commas"] if self.decimal == "," else []),
            *(["single quotes"] if self.quote == "'" else []),
            _ENCODING_WORDS.get(self.encoding, self.encoding.upper()),
            *([] if self.header else [f"no header (columns are named column_1 to column_{width})"]),
        )


def open_bytes(path: Path) -> IO[bytes]:
    """A file as it is before compression. Faults of it are ``OSError`` or ``EOFError``, now or when it is read."""
    name = path.name.lower()
    if name.endswith(".zst"):
        stream: IO[bytes] = pa.input_stream(str(path), compression="zstd")  # pandas would want another package
        return stream
    return gzip.open(path) if name.endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def find_dialect(path: Path, stated: Stated, names: Collection[str], usual: Dialect | None = None) -> Dialect:
    """Find out how a text file is written.

    Parameters
    ----------
    names
        Columns that the user names; where the first line has one of them it is the header.
    usual
        The dialect of a file of the same kind, for what this file does not tell.

    Raises
    ------
    DataError
        Where the file is empty or is no text, or is not in the encoding stated.
    """
    with open_bytes(path) as file:
        sample = file.read(SAMPLE_BYTES)
        whole = len(sample) < SAMPLE_BYTES
    encoding = stated.encoding or _encoding_of(sample)
    text = _decoded(path, sample, encoding, final=whole)
    if not text.strip():
        raise DataError(f"{path} is empty.")
    if "\0" in text[:4096]:
        raise DataError(f"{path} is no text, it holds zero bytes; is it a file of another kind under this name?")
    if not whole and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    skipped, separator = 0, stated.separator
    if found := re.match(r"sep=(.)\r?\n", text):  # as some spreadsheets write it
        skipped, separator, text = 1, separator or found[1], text[found.end() :]
    quote = _quote_of(text)
    separator = separator or _separator_of(text, quote) or (usual.separator if usual else None)
    separator = separator or ("\t" if ".tsv" in path.name.lower() else ",")
    rows = _rows_of(text, separator, quote)
    header = _is_header(rows, names) if stated.header is None else stated.header
    columns = rows[0] if header else [f"column_{place}" for place in range(1, len(rows[0]) + 1)]
    decimal = stated.decimal or _decimal_of(rows[header:], separator) or (usual.decimal if usual else ".")
    return Dialect(
        separator=separator,
        decimal=decimal,
        encoding=encoding,
        quote=quote,
        header=header,
        names=tuple(name.strip() for name in columns),
        skipped=skipped,
        blanks=f"{separator} " in text or "\n " in text,
    )


def fields_of(line: str, separator: str, quote: str) -> list[str]:
    """The fields of one line."""
    return next(iter(_rows_of(line, separator, quote)), [])


def _encoding_of(sample: bytes) -> str:
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = sample[:2000]
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if len(zeros) > 1 and zeros.count(0) > 0.5 * len(zeros):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return legacy_encoding(sample)
    return "utf-8"


def legacy_encoding(sample: bytes) -> str:
    """Latin-1, or Windows' variant where it has letters and signs that Latin-1 does not have."""
    windows = any(0x80 <= byte <= 0x9F for byte in sample) and not any(
        byte in sample for byte in b"\x81\x8d\x8f\x90\x9d"
    )
    return "cp1252" if windows else "latin-1"


def _decoded(path: Path, sample: bytes, encoding: str, *, final: bool) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample, final)
    except LookupError as error:
        raise DataError(f"The encoding {encoding!r} of {path} is not known.") from error
    except UnicodeError as error:
        raise not_in_encoding(path, encoding, error) from error


def not_in_encoding(path: Path, encoding: str, error: UnicodeError) -> DataError:
    """What is said of a file that is not in its encoding."""
    return DataError(f"{path} is not written in {encoding} ({error}); state another, or none, as option 'encoding'.")


def _quote_of(text: str) -> str:
    lines = text.splitlines()[:SAMPLE_LINES]
    double = sum('"' in line for line in lines)
    single = sum(bool(re.search(r"(^|[,;|\t])'[^']*'([,;|\t]|$)", line)) for line in lines)
    return "'" if not double and single > 0.5 * len(lines) else '"'


def _rows_of(text: str, separator: str, quote: str) -> list[list[str]]:
    """The fields of the first lines that are not empty."""
    if len(separator) > 1:
        lines = (line.strip() for line in text.splitlines()[:SAMPLE_LINES])
        return [re.split(separator, line) for line in lines if line]
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=separator, quotechar=quote, skipinitialspace=True):
            if row:
                rows.append(row)
            if len(rows) >= SAMPLE_LINES:
                break
    except csv.Error:  # a field that is too long, a lone carriage return: pandas tells it better
        pass
    return rows or [[""]]


def _separator_of(text: str, quote: str) -> str | None:
    best, found = 0.0, None
    for separator in SEPARATORS:
        rows = _rows_of(text, separator, quote)
        width, times = Counter(map(len, rows)).most_common(1)[0]
        fits = times / len(rows) * (1 if len(rows[0]) == width else 0.5)
        if width > 1 and fits > best:
            best, found = fits, separator
    return found


def _is_header(rows: Sequence[Sequence[str]], names: Collection[str]) -> bool:
    first, below = [field.strip() for field in rows[0]], rows[1:]
    if any(name in first for name in names):
        return True
    if any(_NAMED.fullmatch(name) for name in names):
        return False
    if not below or all(field == "" for field in first):
        return True
    values = [_is_value(field) for field in first]
    if any(values):
        above = [
            all(_is_value(row[place].strip()) or not row[place].strip() for row in below if place < len(row))
            for place, is_value in enumerate(values)
            if is_value
        ]
        return not all(above) or _are_names([field for field, is_value in zip(first, values, strict=True) if is_value])
    again = [
        any(place < len(row) and row[place].strip() == field for row in below) for place, field in enumerate(first)
    ]
    return not (len(below) >= 5 and all(again))


def _is_value(field: str) -> bool:
    return bool(_NUMBER.fullmatch(field) or _DATE.fullmatch(field))


def _are_names(numbers: Sequence[str]) -> bool:
    """Whether numbers of a first line are names: they count from 0 or 1, or are years."""
    if not all(re.fullmatch(r"\d{1,6}", number) for number in numbers):
        return False
    whole = list(map(int, numbers))
    counts = whole[0] in (0, 1) and whole == list(range(whole[0], whole[0] + len(whole))) and len(whole) > 1
    return counts or (len(set(whole)) == len(whole) and all(1900 <= number <= 2100 for number in whole))


def _decimal_of(rows: Sequence[Sequence[str]], separator: str) -> str | None:
    """The decimal sign; None where no field tells."""
    votes: Counter[str] = Counter()
    unsure = 0
    for row in rows:
        for field in map(str.strip, row):
            if found := re.fullmatch(r"[-+]?(\d*)([.,])(\d*)([eE][-+]?\d+)?", field):
                # Three digits behind one to three others may be a thousand.
                could_be = len(found[3]) == 3 and 1 <= len(found[1]) <= 3 and not found[1].startswith("0")
                unsure += could_be and found[2] == ","
                votes[found[2]] += not could_be
            elif found := re.fullmatch(r"[-+]?\d{1,3}([.,])\d{3}(?:\1\d{3})*([.,])\d+", field):
                votes[found[2]] += found[1] != found[2]
    if votes[","] or votes["."]:
        return max(".,", key=votes.__getitem__)
    return "," if unsure and separator == ";" else None
