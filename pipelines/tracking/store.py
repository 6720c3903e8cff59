"""Where the tracking store is, whether it can be written, and the links that show it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipelines.errors import TrackingError
from pipelines.tracking.names import BEST_VALUE, ROUNDED_OF, TAG_SHARED_VIEW_PREFIX, TAG_SWEEP, VIEW_COLUMNS

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_FILE = "mlflow.db"
UI_ADDRESS = "http://127.0.0.1:5000"
SERVER_TIMEOUT_SECONDS = 10.0
#: What MLflow says of something that is not there: of a run, of an alias.
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_DATABASES = ("postgresql", "mysql", "mssql", "oracle")

# MLflow reports its use to its makers unless told otherwise; whoever wants that can set the variable to false.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# With a server, MLflow prints two links at the end of every run, into whatever display is on the screen.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# And a bar for every file that it fetches.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def tracking_uri(uri: str | None = None) -> str:
    """The store in use: the one given, else ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working folder.

    Never MLflow's own default: that becomes the old file store as soon as an old ``mlruns`` folder lies about. A
    relative SQLite path is made absolute, so that it means the same file after a change of the working folder.
    """
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DEFAULT_FILE}"
    if chosen.startswith("sqlite:///") and (path := _sqlite_path(chosen)):
        return f"sqlite:///{path.absolute()}"
    return chosen


def redacted(uri: str) -> str:
    """The URI without its password, for messages and logs.

    >>> redacted("postgresql://me:secret@host/db")
    'postgresql://me:***@host/db'
    """
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", uri)


def check_store(uri: str) -> None:
    """Make sure, within seconds, that the store can be written; a SQLite database that is not there yet is made.

    MLflow itself would retry an unreachable store for minutes, so each kind is first tried by the shortest way. The
    ``TrackingError`` that is raised names the URI, what is wrong with it and what is allowed.
    """
    if uri.startswith("databricks"):
        return
    scheme = uri.partition(":")[0].partition("+")[0] if ":" in uri else ""
    if scheme in ("", "file"):
        raise _refusal(uri, "that is a folder of files, a kind of store that MLflow no longer writes")
    if scheme == "sqlite":
        _check_sqlite(uri)
    elif scheme in ("http", "https"):
        _check_server(uri)
    elif scheme in _DATABASES:
        _check_database(uri)
    else:  # a scheme that is none of MLflow's own may be that of a plug-in
        _check_client(uri, "MLflow knows no such kind of store")


def open_store(uri: str | None) -> tuple[MlflowClient, str]:
    """A client of the store in use and its address, once it is sure that it can be written (``check_store``)."""
    uri = tracking_uri(uri)
    check_store(uri)
    from mlflow import MlflowClient

    return MlflowClient(uri), uri


@contextmanager
def store_errors(uri: str, action: str) -> Iterator[None]:
    """Turn whatever MLflow raises while ``action`` is under way into one sentence that names the store."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, RequestException, OSError) as error:
        raise TrackingError(f"{action} in the tracking store {redacted(uri)} failed: {_first_line(error)}") from error


@contextmanager
def store_client(uri: str | None, action: str) -> Iterator[MlflowClient]:
    """A client of the store in use, which is not checked first, for one action (``store_errors``)."""
    from mlflow import MlflowClient

    uri = tracking_uri(uri)
    with store_errors(uri, action):
        yield MlflowClient(uri)


def ui_link(uri: str, experiment_id: str, sweep: str | None = None, address: str = UI_ADDRESS) -> str:
    """Address of the runs in the MLflow UI, best value first; without it an experiment opens on an empty page.

    The identity of a ``sweep`` that was opened in this experiment shows its runs with the columns that matter here,
    through the view that ``shared_view`` describes. A store that is a server has the UI itself; for any other
    ``address`` is where ``mlflow ui`` listens.
    """
    view = f"viewStateShareKey={sweep}" if sweep else f"orderByKey={quote(_metric(BEST_VALUE))}&orderByAsc=true"
    return f"{_ui_address(uri, address)}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&{view}"


def run_link(uri: str, experiment_id: str, run_id: str, address: str = UI_ADDRESS) -> str:
    """Address of one run in the MLflow UI, as ``ui_link`` has that of all."""
    return f"{_ui_address(uri, address)}/#/experiments/{experiment_id}/runs/{run_id}"


def shared_view(sweep: str, scores: Sequence[str] = (), settings: Sequence[str] = ()) -> tuple[str, str]:
    """The tag of an experiment, as (key, value), that keeps the view of a sweep which ``ui_link`` opens.

    It is what the UI itself writes under "Share"; an address can carry filter and order but not the columns. Beside
    the usual ones these are the ``scores`` of the task and the parameters of the ``settings`` that vary.
    """
    metrics, tags = VIEW_COLUMNS
    view = {
        "searchFilter": f"tags.`{TAG_SWEEP}` = '{sweep}'",
        "orderByKey": _metric(BEST_VALUE),
        "orderByAsc": True,
        "selectedColumns": [
            *(_metric(name) for name in (*metrics, *map(ROUNDED_OF.format, scores))),
            *(f"params.`{name}`" for name in settings),
            *(f"tags.`{name}`" for name in tags),
        ],
    }
    return TAG_SHARED_VIEW_PREFIX + sweep, json.dumps(view)


def ui_command(uri: str) -> str | None:
    """The command that starts the UI on this store; None for a server, which is one."""
    if uri.startswith(("http://", "https://", "databricks")):
        return None
    path = _sqlite_path(uri) if uri.startswith("sqlite:///") else None
    if path is None:
        return 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"mlflow ui --backend-store-uri 'sqlite:///{shown}'"


def _ui_address(uri: str, address: str) -> str:
    is_server = uri.startswith(("http://", "https://"))
    return re.sub(r"://[^/@]*@", "://", uri).rstrip("/") if is_server else address


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _sqlite_path(uri: str) -> Path | None:
    from sqlalchemy.engine import make_url

    database = make_url(uri).database
    return Path(database) if database and database != ":memory:" else None


def _refusal(uri: str, problem: str) -> TrackingError:
    return TrackingError(
        f"The tracking store {redacted(uri)} cannot be used: {problem}. Set MLFLOW_TRACKING_URI to a database such as "
        f"sqlite:///{DEFAULT_FILE} or to the address of a running MLflow server."
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return redacted(text.splitlines()[0].rstrip(".") + ".") if text else f"{type(error).__name__}."


def _check_sqlite(uri: str) -> None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        make_url(uri).get_dialect()
    except SQLAlchemyError as error:  # before a database is made for nothing
        raise _refusal(uri, f"SQLAlchemy says '{_first_line(error)}'") from error
    path = _sqlite_path(uri)
    if path is None:
        raise _refusal(uri, "a database in memory is lost with the process")
    if not path.parent.is_dir():
        wrong = "is not a folder" if path.parent.exists() else "does not exist"
        raise _refusal(uri, f"{path.parent} {wrong}")
    if path.is_dir():
        raise _refusal(uri, f"{path} is a folder")
    if not os.access(path.parent, os.W_OK):
        raise _refusal(uri, f"the folder {path.parent} may not be written, which SQLite needs for its journal")
    if not path.exists():
        _create_sqlite(path)
    try:
        # The lock that a write would take, given back at once.
        with closing(sqlite3.connect(path, timeout=SERVER_TIMEOUT_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise _refusal(uri, f"SQLite says '{error}'") from error
    _check_client(uri)


def _create_sqlite(path: Path) -> None:
    """Make the database under another name and give it its own when it is whole.

    Two processes that let MLflow make one and the same database at the same time spoil each other's tables.
    """
    import logging

    from mlflow import MlflowClient

    for noisy in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with store_errors(f"sqlite:///{path}", "Making a database"), _without_waiting_for_the_disk(unfinished):
            MlflowClient(f"sqlite:///{unfinished}").search_experiments(max_results=1)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            pass  # another sweep was faster, and its database is as good
        except OSError:  # a file system without links
            unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _without_waiting_for_the_disk(path: Path) -> Iterator[None]:
    """Let a database that nobody relies on yet be written at once, in the end, and not after each of 300 statements."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def relax(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    finally:
        event.remove(Engine, "connect", relax)


def _check_server(uri: str) -> None:
    import requests

    try:
        requests.get(uri.rstrip("/") + "/health", timeout=SERVER_TIMEOUT_SECONDS)
    except (requests.exceptions.SSLError, requests.exceptions.ProxyError):
        return  # something answers; MLflow has settings of its own for certificates and says what is wrong with them
    except requests.exceptions.RequestException as error:
        raise _refusal(uri, "no server answers there; start it, or mend the address") from error


def _check_database(uri: str) -> None:
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(uri)
        with engine.connect():
            pass
        engine.dispose()
    except ImportError as error:
        raise _refusal(uri, f"its driver is not installed ({error}); install it beside requirements.txt") from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _refusal(uri, f"the database says '{_first_line(error)}'") from error
    _check_client(uri)


def _check_client(uri: str, problem: str = "") -> None:
    """Tables of another version of MLflow are refused by MLflow, which says how to bring them up to date."""
    from alembic.util import CommandError
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        MlflowClient(uri)
    except (MlflowException, SQLAlchemyError, CommandError) as error:
        raise _refusal(uri, problem or f"MLflow says '{_first_line(error)}'") from error
