"""Tables of curves as CSV, TSV or Parquet: of one training or many, with a column a metric or a row a value.

Known by their columns: Keras' ``CSVLogger``, PyTorch Lightning's ``metrics.csv`` (training and validation in different
rows), what Weights & Biases and Neptune export, and any table with columns for run, step and values.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import UserError
from pipelines.logs.base import LoggedRun, Series, Value, plain_value, restarts
from pipelines.logs.metrics import metric_name, twin
from pipelines.logs.readers.beside import parameters_beside

RUN = ("run", "run_id", "run_name", "run_uuid", "trial", "experiment", "model", "sys/id", "version", "fit")
EPOCH = ("epoch", "epochs", "trainer/epoch", "current_epoch")
STEP = ("step", "_step", "steps", "global_step", "trainer/global_step", "iteration", "iter", "batch")
METRIC = ("metric", "key", "attribute_path", "tag", "series", "metric_name", "variable")
VALUE = ("value", "float_value", "metric_value", "values")
#: Columns of a log that are neither curves nor settings.
NEITHER = ("_runtime", "_timestamp", "timestamp", "time", "wall_time", "relative_time", "datetime", "created", "date")
#: How a file says that nothing was logged; ``nan`` says that the value was no number.
_EMPTY = ("", "na", "n/a", "null", "none")
#: A column of Weights & Biases' charts: the run, the metric, and which of the values of a step.
_OF_CHART = re.compile(r"^(?P<run>.+) - (?P<metric>.+?)(?P<end>__MIN|__MAX|__STEP)?$")
#: Names of files that say nothing of the run; that of their folder does.
_GENERAL = {"metrics", "history", "log", "logs", "training", "training_log", "progress", "results", "csv_log"}

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Asked:
    """Columns that a user has named: of the run and of the step; empty where they are to be found by their names."""

    run: str = ""
    step: str = ""


def read_table(file: Path, asked: Asked) -> list[LoggedRun]:
    """The runs of one table; ``UserError`` where it cannot be read, or has no column of numbers to be a curve."""
    columns = _parquet(file) if file.suffix == ".parquet" else _separated(file)
    if not columns or not any(map(len, columns.values())):
        raise UserError(
            f"{file} has no rows; allowed: a table with a column for the epoch or step and one for a curve."
        )
    for name in (asked.run, asked.step):
        if name and name not in columns:
            raise UserError(f"{file} has no column {name!r}; it has {', '.join(map(repr, columns))}.")
    if (metric := _named(columns, METRIC)) and (value := _named(columns, VALUE)):
        return _long(columns, file, asked, names=(metric, value))
    if any(map(_OF_CHART.match, columns)):
        return _chart(columns, file)
    run = asked.run or _named(columns, RUN)
    if run:
        return [
            _wide({name: [cells[row] for row in rows] for name, cells in columns.items()}, str(of), file, asked)
            for of, rows in _rows_by(columns[run]).items()
        ]
    return _one_or_several(columns, file, asked)


def name_of(file: Path) -> str:
    """What a run is called whose log is this file."""
    return file.resolve().parent.name if file.stem.lower() in _GENERAL else file.stem


def _one_or_several(columns: Columns, file: Path, asked: Asked) -> list[LoggedRun]:
    """A table without a column for the run: where its steps begin anew, another training begins."""
    at = asked.step or _named(columns, EPOCH) or _named(columns, STEP)
    where = [_number(cell) for cell in columns[at]] if at else []
    parts = restarts(np.array(where)) if where and None not in where else []
    if len(parts) < 2:
        return [_wide(columns, name_of(file), file, asked)]
    return [
        _wide({name: cells[part] for name, cells in columns.items()}, f"{name_of(file)}_part{number}", file, asked)
        for number, part in enumerate(parts, start=1)
    ]


def _wide(columns: Columns, name: str, file: Path, asked: Asked) -> LoggedRun:
    """A column a metric; what is the same in every row is a setting."""
    epoch, step = _named(columns, EPOCH), asked.step or _named(columns, STEP)
    epochs = [_number(cell) for cell in columns[epoch]] if epoch else None
    steps = [_number(cell) for cell in columns[step]] if step else epochs
    others = {key: cells for key, cells in columns.items() if key not in (epoch, step, asked.run) and not _aside(key)}
    series: dict[str, Series] = {}
    parameters: dict[str, Value] = {}
    for key, cells in others.items():
        given = [cell for cell in cells if not _is_empty(cell)]
        if not given:
            continue
        numbers = [_number(cell) for cell in cells]
        is_curve = all(_number(cell) is not None for cell in given)
        if len(set(map(str, given))) == 1 and not _must_be_a_curve(key, list(others)):
            parameters[key] = plain_value(given[0])
        elif is_curve:
            rows = [at for at, number in enumerate(numbers) if number is not None]
            series[key] = _series(rows, numbers, steps, epochs)
    return LoggedRun(
        name=name,
        place=str(file),
        series=series,
        parameters=parameters | parameters_beside(file.parent),
        steps_are_epochs=bool(epoch) and not step,
    )


def _series(
    rows: Sequence[int], numbers: Sequence[float | None], steps: Sequence[Any] | None, epochs: Sequence[Any] | None
) -> Series:
    """The values of these rows; a row without a step has the number of its row."""
    where = [float(at) if steps is None or steps[at] is None else float(steps[at]) for at in rows]
    return Series.of(where, [numbers[at] for at in rows], None if epochs is None else [epochs[at] for at in rows])  # type: ignore[misc]


def _must_be_a_curve(name: str, names: Sequence[str]) -> bool:
    if metric_name(name).part:
        return True
    return any(metric_name(other).part == "validation" and twin(other, names) == name for other in names)


def _long(columns: Columns, file: Path, asked: Asked, *, names: tuple[str, str]) -> list[LoggedRun]:
    """A row a value; rows without a step hold settings."""
    metric, value = names
    run = asked.run or _named(columns, RUN)
    epoch, step = _named(columns, EPOCH), asked.step or _named(columns, STEP)
    at = step or epoch
    if not at:
        raise UserError(f"{file} has no column for the step; allowed: {', '.join((*EPOCH, *STEP))}, or step=COLUMN.")
    texts = columns.get("string_value", ())
    owners = columns[run] if run else [name_of(file)] * len(columns[metric])
    found = []
    for name, rows in _rows_by(owners).items():
        points: dict[str, list[int]] = {}
        parameters: dict[str, Value] = {}
        for row in rows:
            key, number = str(columns[metric][row]), _number(columns[value][row])
            if number is not None and _number(columns[at][row]) is not None:
                points.setdefault(key, []).append(row)
            elif _number(columns[at][row]) is None:
                cell = columns[value][row] if not _is_empty(columns[value][row]) else texts[row] if texts else None
                if not _is_empty(cell):
                    parameters[key] = plain_value(cell)
        numbers = [_number(cell) for cell in columns[value]]
        steps = [_number(cell) for cell in columns[at]]
        epochs = [_number(cell) for cell in columns[epoch]] if epoch else None
        rest = [
            key for key in columns if key not in (metric, value, at, epoch, run, "string_value") and not _aside(key)
        ]
        for key in rest:
            cells = {str(columns[key][row]) for row in rows if not _is_empty(columns[key][row])}
            if len(cells) == 1 and not key.startswith("attribute"):
                parameters[key] = plain_value(cells.pop())
        series = {key: _series(of, numbers, steps, epochs) for key, of in points.items()}
        found.append(
            LoggedRun(
                name=str(name),
                place=str(file),
                series=series,
                parameters=parameters,
                steps_are_epochs=at == epoch,
            )
        )
    return found


def _chart(columns: Columns, file: Path) -> list[LoggedRun]:
    """What Weights & Biases exports of a chart: a column for the step, then one for each run and metric."""
    at = _named(columns, EPOCH) or _named(columns, STEP)
    steps = [_number(cell) for cell in columns[at]] if at else list(range(len(next(iter(columns.values())))))
    found: dict[str, dict[str, Series]] = {}
    for name, cells in columns.items():
        match = _OF_CHART.match(name)
        if match is None or match["end"]:
            continue
        numbers = [_number(cell) for cell in cells]
        rows = [row for row, number in enumerate(numbers) if number is not None]
        if rows:
            found.setdefault(match["run"], {})[match["metric"]] = _series(rows, numbers, steps, None)
    return [
        LoggedRun(name=name, place=str(file), series=series, steps_are_epochs=at in _spelled(columns, EPOCH))
        for name, series in found.items()
    ]


def _rows_by(cells: Sequence[Any]) -> dict[Any, list[int]]:
    rows: dict[Any, list[int]] = {}
    for at, cell in enumerate(cells):
        if not _is_empty(cell):
            rows.setdefault(cell, []).append(at)
    return rows


def _spelled(columns: Columns, names: Sequence[str]) -> list[str]:
    """The columns that have one of these names, whatever their letters' case, in the order of the names."""
    by_lower = {name.strip().lower(): name for name in columns}
    return [by_lower[name] for name in names if name in by_lower]


def _named(columns: Columns, names: Sequence[str]) -> str:
    return next(iter(_spelled(columns, names)), "")


def _aside(name: str) -> bool:
    lower = name.strip().lower()
    return not lower or lower in (*NEITHER, *EPOCH, *STEP, *RUN) or lower.startswith("unnamed")


def _is_empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in _EMPTY)


def _number(cell: Any) -> float | None:
    if _is_empty(cell) or isinstance(cell, bool):
        return None
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def _separated(file: Path) -> Columns:
    """A text file as columns of texts, its separator the one that makes most columns of the first line."""
    try:
        content = file.read_bytes()
        text = content.decode("utf-8-sig", errors="strict")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from error
    if "\x00" in text:
        raise UserError(f"{file} is no text; allowed: a CSV or TSV file, or a Parquet file with the ending .parquet.")
    lines = text.splitlines()
    if not lines:
        return {}
    separator = max(",;\t", key=lines[0].count)
    rows = [row for row in csv.reader(lines, delimiter=separator) if row]
    head = rows[0]
    # A file that is being written may end within a line.
    return {name: [row[at] if at < len(row) else None for row in rows[1:]] for at, name in enumerate(head)}


def _parquet(file: Path) -> Columns:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(file)
    except (OSError, ValueError, ArrowException) as error:
        raise UserError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0].rstrip('.')}.") from error
    return {name: table[name].to_pylist() for name in table.column_names}
