"""Predictions for the rows of a new file, by a registered model of a user's own data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from pipelines.datasets.base import Task
from pipelines.datasets.user_file.source import read_new_rows
from pipelines.errors import DataError
from pipelines.final.outcome import figure_cells, figure_table
from pipelines.final.worth import Figure, figures
from pipelines.tracking import names
from pipelines.tracking.final_runs import load_rows_model
from pipelines.tracking.registered import Found
from pipelines.words import counted

#: Endings of a file of predictions that is no CSV, like the new file's own.
_KEPT_FORMS = (".parquet", ".feather")
_PACKED = (".gz", ".zst", ".bz2", ".xz", ".zip")


@dataclass(frozen=True, eq=False)
class Predicted:
    """Rows of a new file with their predictions.

    Attributes
    ----------
    table
        All columns of the file (of images their names, of other arrays none), then ``prediction`` and, of a
        classification, ``probability_<class>`` of each class.
    words
        How the file was read.
    unknown
        By column, values that are no category of the training rows, and were taken for none.
    filled
        By column, values that are missing, and were filled in.
    untested
        Rows whose target is missing, or is no class of the training rows; None where the file has no target.
    figures
        What the predictions of the others are worth, by name; empty where none can be tested.
    """

    table: pd.DataFrame
    words: str
    unknown: Mapping[str, int]
    filled: Mapping[str, int]
    untested: int | None
    figures: Mapping[str, Figure]


def predict_file(path: Path, found: Found, *, uri: str) -> Predicted:
    """Read new rows and predict them.

    Raises ``DataError`` where the file cannot be read or its rows cannot be encoded, ``TrackingError`` where the model
    cannot be loaded.
    """
    model = load_rows_model(found.uri, uri=uri)
    rows, words, image_names = read_new_rows(path, model.encoding, {})
    if not len(rows):
        raise DataError(f"{path} has no rows.")
    try:
        answers = model.answer(rows)
        unknown = model.code.unknown(model.encoding, rows)
    except model.code.RowsError as error:
        raise DataError(f"{path}: {error}") from error
    filled: dict[str, int] = {}
    if isinstance(rows, pd.DataFrame):
        raw = rows
        used = [name for name, _ in model.code.columns_of(model.encoding) if name in rows.columns]
        gaps = {name: int(rows[name].isna().sum()) for name in used}
        filled = {name: count for name, count in gaps.items() if count}
    else:
        raw = pd.DataFrame({"image": image_names} if image_names else {"row": np.arange(1, len(rows) + 1)})
    untested, worth = _tested(model, raw, answers)
    return Predicted(_joined(raw, answers), words, unknown=unknown, filled=filled, untested=untested, figures=worth)


def write_predictions(predicted: Predicted, source: Path, folder: Path) -> Path:
    """Write them as ``<name>_predictions``, in the format of a Parquet or Feather file, else as CSV; returns the path.

    Raises ``DataError`` where the file cannot be written, or is the new file itself.
    """
    bare = source.with_suffix("") if source.suffix.lower() in _PACKED else source
    ending = bare.suffix.lower() if bare.suffix.lower() in _KEPT_FORMS else ".csv"
    name = bare.name if source.is_dir() else bare.stem
    path = folder / f"{name}_predictions{ending}"
    if path.exists() and path.samefile(source):
        raise DataError(f"The predictions would replace the rows themselves, {path}; name another folder as output.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.new")
        try:
            if ending == ".parquet":
                predicted.table.to_parquet(unfinished, index=False)
            elif ending == ".feather":
                predicted.table.to_feather(unfinished)
            else:
                predicted.table.to_csv(unfinished, index=False)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise DataError(f"The predictions cannot be written to {path}: {error}.") from error
    return path


def print_predicted(predicted: Predicted, source: Path, found: Found, console: Console) -> None:
    """What was read and what became of it."""
    rows = counted(len(predicted.table), "row")
    lines = [f"{source}: {predicted.words}.", f"{rows} predicted by {found.words}."]
    for counts, text in (
        (predicted.unknown, "no category that the model knows, so taken for none"),
        (predicted.filled, "missing, and filled in as in the training"),
    ):
        if counts:
            total = counted(sum(counts.values()), "value is", "values are")
            lines.append(f"{total} {text}: {_by_column(counts)}.")
    console.print("\n".join(lines), markup=False, soft_wrap=True)
    if predicted.untested is None:
        return
    tested = len(predicted.table) - predicted.untested
    without = (
        f"; {counted(predicted.untested, 'row')} without a target that can be tested" if predicted.untested else ""
    )
    if not predicted.figures:
        console.print(
            f"The file has the target, but no row of it can be tested{without}.", markup=False, soft_wrap=True
        )
        return
    console.print(f"\nOn the {counted(tested, 'row')} that have the target{without}:", markup=False, soft_wrap=True)
    cells = [(names.FIGURES.get(name, name), *figure_cells(of)) for name, of in predicted.figures.items()]
    console.print(figure_table(("", "value", "95 % interval"), cells))


def _tested(model: Any, raw: pd.DataFrame, answers: pd.DataFrame) -> tuple[int | None, dict[str, Figure]]:
    """How many rows cannot be tested (None for no target), and what the predictions of the others are worth."""
    target = model.encoding["target"]
    if target["name"] not in raw.columns:
        return None, {}
    column, code = raw[target["name"]], model.code
    truth: Any
    said: Any
    if target["classes"]:
        task, truth = Task(target["task"]), code.places_of(column, target["classes"])
        known, said = truth >= 0, answers.iloc[:, 1:].to_numpy(np.float64)
    else:
        try:
            task, truth = Task.REGRESSION, code.numbers_of(column)
        except code.RowsError as error:
            raise DataError(f"Column {column.name!r}, which is the target: {error}") from error
        known, said = np.isfinite(truth), answers["prediction"].to_numpy(np.float64)
    untested = int((~known).sum())
    return untested, figures(task, truth[known], said[known]) if known.any() else {}


def _joined(raw: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """The rows with their predictions; a column of the user's that goes by one of our names keeps it."""
    taken = set(map(str, raw.columns))
    renamed = {}
    for name in answers.columns:
        free = name
        while free in taken:
            free = f"{free}_by_model"
        renamed[name] = free
        taken.add(free)
    return pd.concat([raw.reset_index(drop=True), answers.rename(columns=renamed).reset_index(drop=True)], axis=1)


def _by_column(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name!r} {count:,}" for name, count in list(counts.items())[:20]) + (
        f" and {len(counts) - 20} more columns" if len(counts) > 20 else ""
    )
