"""Keras' ``History`` kept as JSON, or as NPZ without pickles: a curve by the name of its metric."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import UserError
from pipelines.logs.base import LoggedRun, Series, Value
from pipelines.logs.readers.beside import flat

ALLOWED = "a JSON object of lists of numbers, such as {'loss': [0.9, 0.7], 'val_loss': [1.0, 0.8]}, or several by name"


def read_json_history(file: Path) -> list[LoggedRun]:
    """The runs of a JSON file: one history, a list of them, or several by name; ``UserError`` where it holds none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read as JSON: {error}; allowed: {ALLOWED}.") from error
    runs = list(_histories(content, file.stem, file))
    if not runs:
        raise UserError(f"{file} holds no curves; allowed: {ALLOWED}.")
    return runs


def read_npz_history(file: Path) -> list[LoggedRun]:
    """The runs of an NPZ file: its arrays are curves, (epochs,), or have a row a run, (runs, epochs)."""
    try:
        with np.load(file, allow_pickle=False) as content:
            arrays = {name: np.asarray(content[name], np.float64) for name in content.files}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{file} cannot be read: {error}; allowed: arrays of numbers by name, as numpy.savez(file, loss=..., "
            "val_loss=...) writes them."
        ) from error
    curves = {name: np.atleast_2d(array) for name, array in arrays.items() if array.ndim in (1, 2) and array.size}
    count = max(map(len, curves.values()), default=0)
    curves = {name: rows for name, rows in curves.items() if len(rows) == count}
    if not curves:
        raise UserError(f"{file} holds no arrays of the shape (epochs,) or (runs, epochs).")
    return [
        _run(
            {name: rows[at].tolist() for name, rows in curves.items()},
            file.stem if count == 1 else f"{file.stem}_fold{at}",
            file,
        )
        for at in range(count)
    ]


def _histories(content: Any, name: str, file: Path) -> Iterator[LoggedRun]:
    if isinstance(content, list):
        for at, each in enumerate(content):
            yield from _histories(each, f"{name}_fold{at}", file)
    elif isinstance(content, Mapping):
        inner = content.get("history")
        curves = inner if isinstance(inner, Mapping) else content
        lists = {key: value for key, value in curves.items() if _is_curve(value)}
        if lists:
            settings = {key: value for key, value in content.items() if key != "history" and not _is_curve(value)}
            yield _run(lists, name, file, flat(settings))
        else:
            for key, each in content.items():
                yield from _histories(each, str(key), file)


def _is_curve(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(_is_number(each) for each in value)


def _is_number(value: Any) -> bool:
    """JSON has no NaN; null stands for it."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _run(
    curves: Mapping[str, list[Any]], name: str, file: Path, parameters: Mapping[str, Value] | None = None
) -> LoggedRun:
    numbers = {
        key: [float("nan") if value is None else float(value) for value in values] for key, values in curves.items()
    }
    return LoggedRun(
        name=name,
        place=str(file),
        series={key: Series.of(range(1, len(values) + 1), values) for key, values in numbers.items()},
        parameters=dict(parameters or {}),
        steps_are_epochs=True,
    )
