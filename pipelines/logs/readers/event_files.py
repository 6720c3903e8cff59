"""TensorBoard's event files, also those that are still being written: every point of every scalar.

TensorBoard's own reader keeps 10 points of a curve that Keras has written, unless it is told otherwise, and loads
TensorFlow. The format is simple: each record is its length, a checksum, the record, a checksum.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.logs.base import LoggedRun, Logs, Series, Value, plain_value
from pipelines.logs.readers.beside import parameters_beside

PATTERN = "*tfevents*"
#: Folders into which tools divide one run, and what its metrics are then called.
_PARTS = {"train": "", "training": "", "validation": "val_", "val": "val_", "eval": "val_"}
#: What a file says of a number's type, for those that a scalar may have.
_TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64, 19: np.float16}
_FIELDS = {1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val"}


def read_event_files(folder: Path) -> Logs:
    """The runs below a folder: a run for each folder with event files; ``train`` and ``validation`` are one."""
    found: dict[Path, dict[str, Path]] = {}
    for file in sorted(folder.rglob(PATTERN)):
        part = file.parent.name if file.parent.name in _PARTS and file.parent != folder else ""
        found.setdefault(file.parent.parent if part else file.parent, {})[part] = file.parent
    runs, notes = [], []
    for run, parts in found.items():
        series: dict[str, Series] = {}
        parameters: dict[str, Value] = dict(parameters_beside(run))
        by_epoch = False
        for part, inside in sorted(parts.items()):
            for file in sorted(inside.glob(PATTERN)):
                points, given, whole = _read(file)
                parameters |= given
                if not whole:
                    notes.append(
                        f"{file}: its last record is cut off, as in a file that is being written; all before is read."
                    )
                by_epoch |= any(tag.startswith("epoch_") for tag in points)
                for tag, (steps, values) in points.items():
                    name = _PARTS.get(part, "") + tag.removeprefix("epoch_") if part else tag
                    before = series.get(name)
                    new = Series.of(steps, values)
                    series[name] = new if before is None else _joined(before, new)
        name = run.relative_to(folder).as_posix() if run != folder else folder.resolve().name
        runs.append(
            LoggedRun(
                name=name,
                place=str(run),
                series=_with_epochs(series),
                parameters=parameters,
                steps_are_epochs=by_epoch,
            )
        )
    return Logs("TensorBoard", tuple(runs), tuple(notes))


def _joined(first: Series, second: Series) -> Series:
    """A run that was taken up again writes a second file."""
    return Series.of([*first.steps, *second.steps], [*first.values, *second.values])


def _with_epochs(series: dict[str, Series]) -> dict[str, Series]:
    """Every metric with the epoch of its steps, where one metric is the epoch, as PyTorch Lightning writes it."""
    epoch = series.get("epoch")
    if epoch is None or not len(epoch):
        return series
    at = dict(zip(epoch.steps.tolist(), epoch.values.tolist(), strict=True))
    return {
        name: Series.of(one.steps.tolist(), one.values.tolist(), [at.get(step) for step in one.steps.tolist()])
        for name, one in series.items()
        if name != "epoch"
    }


def _read(file: Path) -> tuple[dict[str, tuple[list[float], list[float]]], dict[str, Value], bool]:
    """Scalars of a file by tag, its hyperparameters, and whether its last record is whole."""
    from tensorboard.compat.proto import event_pb2

    points: dict[str, tuple[list[float], list[float]]] = {}
    parameters: dict[str, Value] = {}
    records = _records(file)
    whole = True
    for record in records:
        if record is None:
            whole = False
            break
        event = event_pb2.Event.FromString(record)
        for value in event.summary.value:
            if value.tag.startswith("_hparams_/"):
                parameters |= _hyperparameters(value.metadata)
                continue
            number = _number(value)
            if number is not None:
                steps, values = points.setdefault(value.tag, ([], []))
                steps.append(float(event.step))
                values.append(number)
    return points, parameters, whole


def _records(file: Path) -> Iterator[bytes | None]:
    """The records of a file; None in place of one that is not all there."""
    with file.open("rb") as content:
        while head := content.read(12):
            if len(head) < 12:
                yield None
                return
            (length,) = struct.unpack("<Q", head[:8])
            record, tail = content.read(length), content.read(4)
            if len(record) < length or len(tail) < 4:
                yield None
                return
            yield record


def _number(value: Any) -> float | None:
    """A scalar as it was written by the old or the new way; None for pictures, texts and histograms."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if not value.HasField("tensor"):
        return None
    tensor = value.tensor
    if tensor.dtype not in _TYPES or tensor.tensor_shape.dim:
        return None
    if tensor.tensor_content:
        return float(np.frombuffer(tensor.tensor_content, _TYPES[tensor.dtype])[0])
    if tensor.dtype == 19:
        return float(np.array(tensor.half_val[:1], np.uint16).view(np.float16)[0]) if tensor.half_val else None
    found = getattr(tensor, _FIELDS[tensor.dtype])
    return float(found[0]) if found else None


def _hyperparameters(metadata: Any) -> dict[str, Value]:
    """What TensorBoard's HParams plug-in wrote of a run's settings."""
    from tensorboard.plugins.hparams import plugin_data_pb2

    content = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    if not content.HasField("session_start_info"):
        return {}
    found = {}
    for name, value in content.session_start_info.hparams.items():
        kind = value.WhichOneof("kind")
        found[name] = plain_value(getattr(value, kind)) if kind else ""
    return found
