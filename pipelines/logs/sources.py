"""What a source is: files of which kind, an Optuna study, or an MLflow store; each read by its reader."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines.errors import UserError
from pipelines.logs.base import LoggedRun, Logs
from pipelines.logs.readers.event_files import PATTERN, read_event_files
from pipelines.logs.readers.histories import read_json_history, read_npz_history
from pipelines.logs.readers.tables import Asked, read_table
from pipelines.words import counted

ALLOWED = (
    "a folder or a file of logs (TensorBoard, CSV, Parquet, JSON, NPZ), mlflow:EXPERIMENT, or optuna:STORAGE with "
    "study=NAME"
)
TABLES = (".csv", ".tsv", ".parquet")
#: Sentences on files that could not be read; further ones are counted.
MOST_SENTENCES = 5


@dataclass(frozen=True)
class Where:
    """Where in a source the runs are, beside the source itself; empty where all of it is meant.

    Attributes
    ----------
    runs, condition, store, metrics
        Of MLflow: run ids, a filter in its own words, the tracking URI, and names of the metrics.
    study
        Of Optuna: its name.
    columns
        Of a table.
    """

    runs: tuple[str, ...] = ()
    condition: str = ""
    store: str = ""
    metrics: tuple[str, ...] = ()
    study: str = ""
    columns: Asked = field(default_factory=Asked)


def read_logs(source: str, where: Where | None = None) -> Logs:
    """Read a source.

    Parameters
    ----------
    source
        A folder or file; ``mlflow:`` and an experiment's name or id, or nothing for all; ``optuna:`` and a storage; a
        SQLite file of either; or the bare name of an MLflow experiment.
    where
        What else is known of it.

    Raises
    ------
    UserError
        Where nothing can be read.
    """
    where = where or Where()
    kind, _, rest = source.partition(":")
    if kind == "mlflow":
        return _mlflow(rest, where)
    if kind == "optuna":
        return _optuna(rest, where)
    path = Path(source.removeprefix("sqlite:///")).expanduser()
    if path.is_dir():
        return _folder(path, where)
    if path.is_file():
        return _file(path, where)
    if source.startswith(("http://", "https://", "databricks")) or "://" in source:
        return _mlflow("", Where(where.runs, where.condition, source, where.metrics))
    if "/" in source or path.suffix:
        raise UserError(f"source: there is no file or folder {source}; allowed: {ALLOWED}.")
    return _mlflow(source, where)


def source_name(source: str) -> str:
    """A short name for a source: of its last folder, file, experiment or study.

    >>> source_name("logs/cnn/"), source_name("mlflow:my runs"), source_name("optuna:sqlite:///study.db")
    ('cnn', 'my-runs', 'study')
    """
    kind, _, rest = source.partition(":")
    text = rest if kind in ("mlflow", "optuna") else source
    name = Path(text.rstrip("/")).resolve().stem if text in (".", "..") else Path(text.rstrip("/")).stem
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip("-.")
    return kept or kind or "logs"


def _mlflow(experiment: str, where: Where) -> Logs:
    from pipelines.logs.readers.mlflow_store import read_mlflow

    return read_mlflow(
        experiment, runs=where.runs, condition=where.condition, metrics=where.metrics, uri=where.store or None
    )


def _optuna(storage: str, where: Where) -> Logs:
    from pipelines.logs.readers.optuna_study import read_study

    return read_study(storage, where.study)


def _file(path: Path, where: Where) -> Logs:
    if "tfevents" in path.name:
        return read_event_files(path.parent)
    if path.suffix in TABLES:
        return Logs("CSV" if path.suffix != ".parquet" else "Parquet", tuple(read_table(path, where.columns)))
    if path.suffix in (".json", ".npz"):
        read = read_json_history if path.suffix == ".json" else read_npz_history
        return Logs("Keras history", tuple(read(path)))
    tables = _tables_of(path)
    if "studies" in tables or path.suffix in (".log", ".journal"):
        return _optuna(str(path), where)
    if "experiments" in tables:
        return _mlflow("", Where(where.runs, where.condition, f"sqlite:///{path.absolute()}", where.metrics))
    raise UserError(f"source: {path} is no log that is known; allowed: {ALLOWED}.")


def _tables_of(path: Path) -> set[str]:
    """Names of the tables of a SQLite file; empty where it is none."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return set()


def _folder(folder: Path, where: Where) -> Logs:
    """Event files where there are some; else every table and history below the folder."""
    if any(folder.rglob(PATTERN)):
        return read_event_files(folder)
    readers: dict[str, Callable[[Path], list[LoggedRun]]] = {
        **dict.fromkeys(TABLES, lambda file: read_table(file, where.columns)),
        ".json": read_json_history,
        ".npz": read_npz_history,
    }
    runs: list[LoggedRun] = []
    problems: list[str] = []
    files = sorted(file for file in folder.rglob("*") if file.suffix in readers and file.is_file())
    for file in files:
        try:
            found = readers[file.suffix](file)
        except UserError as error:
            problems.append(str(error))
            continue
        runs += [_named_in(run, file, folder) for run in found] if len(found) == 1 else found
    if not files:
        raise UserError(f"source: the folder {folder} holds no logs; allowed: {ALLOWED}.")
    more = len(problems) - MOST_SENTENCES
    told = [*problems[:MOST_SENTENCES], *([f"{counted(more, 'file')} more cannot be read."] if more > 0 else [])]
    return Logs(_kind(files), tuple(runs), tuple(told))


def _named_in(run: LoggedRun, file: Path, folder: Path) -> LoggedRun:
    """A run by the place of its file in the folder, where files of several folders would have one name."""
    inside = file.relative_to(folder).parent.as_posix()
    return run if inside == "." or run.name in inside.split("/") else replace(run, name=f"{inside}/{run.name}")


def _kind(files: Sequence[Path]) -> str:
    endings = {file.suffix for file in files}
    if endings <= {".json", ".npz"}:
        return "Keras history"
    return "Parquet" if endings == {".parquet"} else "CSV"
