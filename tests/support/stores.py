"""Empty tracking stores, copied: MLflow takes seconds to make the tables of one, a copy of them a tenth of a second."""

import contextlib
import fcntl
import importlib.metadata
import shutil
import sqlite3
from functools import cache
from pathlib import Path

#: Where pytest keeps what serves further runs; ``make clean`` removes it.
CACHE = Path(__file__).parents[2] / ".pytest_cache" / "d"


def empty_store(folder: Path) -> str:
    """A tracking store of its own in this folder, with its artifacts beside it: its URI."""
    from mlflow import MlflowClient

    path = folder / "mlflow.db"
    shutil.copy(_template(), path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        # The first experiment would keep its artifacts beside the template.
        database.execute("UPDATE experiments SET artifact_location = ?", [str(folder / "mlruns" / "0")])
    uri = f"sqlite:///{path}"
    with contextlib.chdir(folder):  # where MLflow first sees a store, it puts the artifacts of new experiments
        MlflowClient(uri).search_experiments()
    return uri


@cache
def _template() -> Path:
    """An empty database of the installed MLflow, made once for all processes and runs of the tests."""
    from pipelines.tracking.store import check_store

    folder = CACHE / f"empty-store-mlflow-{importlib.metadata.version('mlflow')}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mlflow.db"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():  # whole, for only then does ``check_store`` give a database its name
            check_store(f"sqlite:///{path}")
    return path
