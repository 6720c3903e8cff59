"""The options of a ``DatasetSpec``, by source: what each may be, and reading them.

Every unknown or ill-typed one becomes a sentence, never a traceback.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pipelines.checking.kinds import Checker, Choice, Flag, Interval, Key, Kind, ListOf, Number, Text, Whole, shown
from pipelines.datasets.base import DatasetSpec, Task
from pipelines.datasets.folds import TEST_FRACTION
from pipelines.errors import DataError
from pipelines.words import did_you_mean

FILLING = ("mean", "median", "most_frequent")
MISSING = ("refuse", "drop", *FILLING)
DATES = ("numbers", "leave_out")
_SHARE = Number(0, 1, open_ends="high")
_COLUMNS = ListOf(Text(), "texts")
#: Of a file: for every format, for tables, for text files, for NPZ files and for folders of images.
COMMON_OPTIONS = {
    "path": Key(
        Text("the path of a file or folder"),
        "The table, the NPZ file, or the folder of images by class; relative paths start at the exercise file",
    ),
    "target": Key(Text(), "The column, or the array, to predict"),
    "missing": Key(
        Choice(MISSING),
        "What to do about missing values: fill in a value of the training rows, refuse them, or drop their rows",
        "median",
    ),
    "test": Key(Text("the path of a file or folder"), "Another one of the same form that is the test data"),
    "test_fraction": Key(
        _SHARE, "Share of the rows set aside as test data; without one 0.2 of 200 rows or more, else none"
    ),
}
TABLE_OPTIONS = {
    "features": Key(
        _COLUMNS, "Columns to use; all but the target, and those that cannot help, where nothing is stated"
    ),
    "exclude": Key(_COLUMNS, "Columns not to use, in place of features"),
    "categorical": Key(_COLUMNS, "Columns to one-hot encode whatever they hold"),
    "dates": Key(
        Choice(DATES), "Whether dates become numbers (year, month, day of week, days) or are left out", DATES[0]
    ),
    "group": Key(Text(), "Column that says which rows belong together (a person, a machine): they stay in one fold"),
    "order": Key(Text(), "Column of dates or numbers: a fold is validated on what comes after its training rows"),
    "id": Key(Text(), "Column that names the rows; no input, but beside the predictions"),
    "thousands": Key(Text(pattern=r"[\s\S]"), "Sign between thousands; found out where nothing is stated"),
}
TEXT_OPTIONS = {
    "separator": Key(
        Text(pattern=r"[\s\S]"), "Between fields, or tab, comma, semicolon, bar; found out where nothing is stated"
    ),
    "decimal": Key(Text(), "Decimal sign; found out where nothing is stated"),
    "encoding": Key(Text(), "Of the file's text; found out where nothing is stated"),
    "header": Key(Flag(), "Whether the first line names the columns; found out where nothing is stated"),
    "missing_markers": Key(ListOf(Text(pattern=""), "texts"), "Fields that mean a missing value"),
}
NPZ_OPTIONS = {
    "inputs": Key(Text(), "Array of the inputs; x or x_train where nothing is stated"),
    "test_inputs": Key(Text(), "Array of the test inputs; x_test where nothing is stated and there is one"),
    "test_target": Key(Text(), "Array of the test targets; y_test where nothing is stated and there is one"),
}
IMAGE_OPTIONS = {
    "size": Key(Whole(8, 1024), "Side of the images in pixels; their own where all have one up to 256, else 64"),
}
#: By source, each option with what it may be.
OPTIONS: Mapping[str, Mapping[str, Key]] = {
    "keras": {
        "words": Key(
            Whole(4), "Columns of a text, one for each of the most frequent words (imdb and reuters only)", 10_000
        )
    },
    "tfds": {
        "size": Key(Whole(8, 1024), "Side of the images in pixels; the set's own where nothing is stated"),
        "test_fraction": Key(_SHARE, "Share set aside as test data where the set has no test split", TEST_FRACTION),
    },
    "sklearn": {},
    "formula": {
        "points": Key(Whole(2, 1_000_000), "Number of points, evenly spaced", 7),
        "range": Key(Interval(-1e6, 1e6, "[lowest, highest] in Celsius"), "Where they lie", (-40.0, 38.0)),
        "noise": Key(Number(0, 1e6), "Standard deviation added to the training targets, in Fahrenheit", 0.0),
        "seed": Key(Whole(0, 2**32 - 1), "Of the noise", 0),
    },
    "file": {**COMMON_OPTIONS, **TABLE_OPTIONS, **TEXT_OPTIONS, **NPZ_OPTIONS, **IMAGE_OPTIONS},
}
#: Sets without options, of a source that has some.
_PLAIN = ("boston_housing",)


def option(spec: DatasetSpec, key: str, kind: Kind | None = None) -> Any:
    """An option in its type, or its default; ``kind`` in place of the declared one, where the data set allows less.

    Raises ``DataError`` where it is something else.
    """
    declared = OPTIONS[spec.source][key]
    kind = kind or declared.kind
    if (value := spec.options.get(key)) is None:
        return declared.default
    if (read := kind.read(Checker(), key, value)) is None:
        raise DataError(f"Option {key!r} of data set {spec.name!r} is {shown(value)}; allowed: {kind.described}.")
    return read


def check_options(spec: DatasetSpec, known: Collection[str]) -> None:
    """Refuse options that are not known; the ``DataError`` names each, the nearest known one, and all known ones."""
    unknown = [key for key in spec.options if key not in known]
    if unknown:
        listed = ", ".join(f"{key!r}{did_you_mean(str(key), known)}" for key in unknown)
        allowed = ", ".join(sorted(known)) or "none"
        raise DataError(f"Data set {spec.name!r} has no option {listed}. Allowed: {allowed}.")


def task_of(spec: DatasetSpec, tasks: Mapping[str, Task], stated: Task | None) -> Task:
    """The task of a well-known data set.

    Raises ``DataError`` for a name that is not among the source's, with the nearest one and all of them, for options
    that the set does not have, and where another task is stated.
    """
    if spec.name not in tasks:
        raise DataError(
            f"Source {spec.source!r} has no data set {spec.name!r}{did_you_mean(spec.name, tasks)}. "
            f"Allowed: {', '.join(sorted(tasks))}."
        )
    actual = tasks[spec.name]
    check_options(spec, () if spec.name in _PLAIN else OPTIONS[spec.source])
    if stated not in (None, actual):
        raise DataError(f"Data set {spec.name!r} is a {actual} exercise; the task stated is {stated}.")
    return actual
