"""Rows of a user's file -> the arrays of a data set: split, learned, encoded, checked; written a part at a time."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.datasets.cache import Description, write_array, write_arrays
from pipelines.datasets.folds import TEST_FRACTION, split_off_test
from pipelines.datasets.user_file.checks import count_doubles, warn_of_leaks, warn_of_rows
from pipelines.datasets.user_file.columns import Learned, learn_columns
from pipelines.datasets.user_file.contents import MARKERS, line_of
from pipelines.datasets.user_file.encoding import FORMAT, RowsError, encode, encode_into, unknown
from pipelines.datasets.user_file.labels import Labels, fit_labels
from pipelines.datasets.user_file.reading import array_as_columns, read_rows, read_test_rows
from pipelines.datasets.user_file.rows import Rows, refuse_infinite, treat_missing
from pipelines.datasets.user_file.settings import Settings
from pipelines.errors import DataError, UserError

TEST_FROM_ROWS = 200  # of fewer rows none are set aside where the user does not say
_VALUES_AT_ONCE, _AHEAD = 2_000_000, 2
_NONE = np.zeros(0, np.int64)
#: Numbers of rows; None for all of them.
Chosen = NDArray[np.int64] | None


def prepare(settings: Settings, task: Task | None, name: str, folder: Path) -> Description:
    """Read, split, encode and check a user's file; the arrays are written into the folder.

    Raises ``DataError`` where the file cannot be used.
    """
    source = read_rows(settings)
    rows, dropped = treat_missing(source.rows, settings.missing)
    labels = fit_labels(rows.target, task, rows.where)
    targets = labels.encode(rows.target, rows.where)
    has_test = settings.test is not None or source.test is not None
    train, held, told = (None, _NONE, {}) if has_test else _split(settings, rows, (labels, targets), name)
    target = {"name": str(rows.target.name), "task": str(labels.task), "classes": list(labels.classes)}
    test = source.test
    if test is not None:
        test, dropped_test = treat_missing(test, settings.missing)
        dropped += dropped_test
    encoding, learned, rows = _learn(settings, rows, test, train)
    encoding |= {"target": target, "read": dict(source.written), "id": settings.id}
    if settings.test is not None and test is None:
        test, dropped_test = treat_missing(read_test_rows(settings, encoding), settings.missing)
        dropped += dropped_test
    train_targets = targets if train is None else targets[train]
    inputs = _write(folder / "inputs", encoding, rows, train)
    _write(folder / "test_inputs", encoding, test or rows, held if test is None else None)
    test_targets = targets[held] if test is None else labels.encode(test.target, test.where)
    together = {
        name: values for name, values in (("groups", rows.groups()), ("times", rows.times())) if values is not None
    }
    kept = {name: values if train is None else values[train] for name, values in together.items()}
    write_arrays(folder, {"targets": train_targets, "test_targets": test_targets, **kept})
    details = {"read": source.words, "task": f"{labels.task}, {labels.reason}"} | told
    details |= {"dropped": f"{dropped} rows with missing values"} if dropped else {}
    details |= {"test": f"given, {len(test)} rows"} if test is not None else {}
    features: tuple[str, ...] = ()
    width = encoding["shape"][0] if len(encoding["shape"]) == 1 else 0
    warnings = list(warn_of_rows(width, train_targets, labels.classes, count_doubles(inputs, train_targets)))
    if learned is not None:
        features = learned.features
        details |= _details(encoding, learned, settings) | _unseen(
            encoding, test or rows, held if test is None else None
        )
        frame = array_as_columns(rows)
        warnings = [*warn_of_leaks(encoding, frame, (targets, train), labels.task), *warnings]
    return Description(
        labels.task, labels.classes, features, details=details, encoding=encoding, warnings=tuple(warnings)
    )


def _split(
    settings: Settings, rows: Rows, known: tuple[Labels, NDArray[Any]], name: str
) -> tuple[Chosen, NDArray[np.int64], dict[str, str]]:
    """Training rows, test rows of the same file, and what to tell of them."""
    labels, targets = known
    fraction = settings.test_fraction
    if fraction is None:
        fraction = TEST_FRACTION if len(rows) >= TEST_FROM_ROWS else 0.0
    if not fraction:
        return None, _NONE, {}
    together = {"groups": rows.groups(), "times": rows.times()}
    try:
        train, held = split_off_test(targets, labels.task, fraction, name=name, classes=labels.classes, **together)
    except UserError as error:
        if settings.test_fraction is not None:
            raise
        return None, _NONE, {"test": f"none set aside: {error}"}
    kind = "stratified " if labels.task.is_classification else ""
    kind = "" if rows.group is not None or rows.order is not None else kind
    by = f" by {settings.group!r}" if settings.group else f", the last by {settings.order!r}" if settings.order else ""
    return train, held, {"test": f"a fixed {kind}split of {fraction:.0%}{by}"}


def _learn(
    settings: Settings, rows: Rows, test: Rows | None, train: Chosen
) -> tuple[dict[str, Any], Learned | None, Rows]:
    """The encoding; of a table also what was learned of its columns; and the rows that it encodes."""
    encoding: dict[str, Any] = {"format": FORMAT, "missing": settings.missing}
    if isinstance(rows.inputs, np.ndarray):
        other = rows.inputs[:0] if test is None else test.inputs
        assert isinstance(other, np.ndarray)
        if rows.inputs.shape[1:] != other.shape[1:]:
            raise DataError(
                f"The test inputs of {test.where if test else ''} have samples of shape {other.shape[1:]}, the "
                f"training inputs {rows.inputs.shape[1:]}."
            )
        if not any(array.dtype.kind == "f" and np.isnan(array).any() for array in (rows.inputs, other)):
            # Of two types the wider one: uint8 test images beside float training images are floats.
            dtype = np.result_type(rows.inputs, other) if len(other) else rows.inputs.dtype
            kind = "images" if settings.path.is_dir() else "array"
            shape = list(rows.inputs.shape[1:])
            return encoding | {"kind": kind, "shape": shape, "dtype": str(dtype), "columns": []}, None, rows
    rows = replace(rows, inputs=array_as_columns(rows))
    assert not isinstance(rows.inputs, np.ndarray)
    wishes = replace(settings.wishes, markers=MARKERS if settings.missing_markers is None else ())
    learned = learn_columns(rows.inputs, train, wishes, forms=rows.forms, where=rows.where)
    made = {"kind": "table", "shape": [len(learned.features)], "dtype": "float32", "columns": list(learned.columns)}
    return encoding | made, learned, rows


def _write(file: Path, encoding: Mapping[str, Any], rows: Rows, chosen: Chosen) -> NDArray[Any]:
    """Encode rows into a file, and give the file as an array."""
    count = len(rows) if chosen is None else len(chosen)
    shape = tuple(encoding["shape"])
    step = max(1, _VALUES_AT_ONCE // max(1, int(np.prod(shape))))

    def block(start: int) -> NDArray[Any]:
        stop = min(start + step, count)
        return _encode(encoding, rows, np.arange(start, stop) if chosen is None else chosen[start:stop])

    def blocks() -> Iterator[NDArray[Any]]:
        with ThreadPoolExecutor(_AHEAD) as pool:  # the next ones are encoded while one is written
            waiting: deque[Future[NDArray[Any]]] = deque()
            for start in range(0, count, step):
                waiting.append(pool.submit(block, start))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    write_array(file.parent, file.name, blocks(), dtype=encoding["dtype"], shape=(count, *shape))
    written: NDArray[Any] = np.load(file.with_suffix(".npy"), mmap_mode="r" if count else None)
    return written


def _encode(encoding: Mapping[str, Any], rows: Rows, part: NDArray[np.int64]) -> NDArray[Any]:
    """Some rows encoded; the error says where in the file the fault is."""
    try:
        inputs = array_as_columns(rows) if encoding["kind"] == "table" else rows.inputs
        if isinstance(inputs, np.ndarray):
            return encode(encoding, inputs[part])
        out = np.zeros((len(part), encoding["shape"][0]), np.float32)
        whole = len(part) and part[-1] - part[0] == len(part) - 1
        encode_into(encoding, inputs.iloc[part[0] : part[-1] + 1] if whole else inputs.iloc[part], out)
        return out
    except RowsError as error:
        refuse_infinite(rows)
        if error.row is None:
            raise DataError(f"{rows.where}: {error}") from error
        place = line_of(int(part[error.row]), rows.first_line)
        column = f", column {error.column!r}" if error.column else ""
        raise DataError(f"{rows.where}, {place}{column}: {error.fault}") from error


def _details(encoding: Mapping[str, Any], learned: Learned, settings: Settings) -> dict[str, str]:
    """What to record of the columns."""
    categories = {c["name"]: ", ".join(c["categories"]) for c in encoding["columns"] if "categories" in c}
    out = [f"{name!r} {reason}" for name, reason in learned.left_out.items()]
    out += [f"{name!r} is the {role}" for role in ("group", "id") if (name := getattr(settings, role))]
    out += (
        [f"{settings.order!r} is the order"]
        if settings.order and settings.order not in (settings.features or ())
        else []
    )
    told = {
        "left out": "; ".join(out),
        "categories": "; ".join(f"{name}: {texts}" for name, texts in categories.items()),
        "imputed": "; ".join(f"{name}: {what}" for name, what in learned.imputed.items()),
    }
    if told["imputed"]:
        told["imputed"] = f"{settings.missing} of the training rows, with a column that says where: {told['imputed']}"
    return {key: text for key, text in told.items() if text}


def _unseen(encoding: Mapping[str, Any], rows: Rows, held: Chosen) -> dict[str, str]:
    """How many values of the test rows no training row has."""
    frame = array_as_columns(rows)
    counts = unknown(encoding, frame if held is None else frame.iloc[held])
    told = "; ".join(f"{name}: {count}" for name, count in counts.items())
    return {"unseen": f"test values that no training row has, encoded as no category: {told}"} if told else {}
