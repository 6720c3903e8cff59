"""Sweeps as they are read back from the tracking store, for reports, final models and whoever wants one.

One search returns all trials with their numbers. Curves lie in a file a trial and are fetched only for those shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlparse
from urllib.request import url2pathname

from pipelines.errors import TrackingError
from pipelines.tracking import names
from pipelines.tracking.runs import all_experiments, search
from pipelines.tracking.store import MISSING, open_store, redacted, store_client, store_errors
from pipelines.tracking.sweeps import Sweep, SweepRecord, from_plain
from pipelines.tracking.trials import Curves, Trial, read_curves, trial_of
from pipelines.words import listed

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_T = TypeVar("_T")
#: Runs that are named where a user's digits are those of several.
_NAMED = 5


def read_sweep(run_id: str, *, uri: str) -> Sweep:
    """Read a sweep and the numbers of all its trials; what its ``sweep.json`` does not say is left out.

    ``TrackingError`` is raised when the store does not answer, has no such run, or the run is not that of a sweep.
    """
    sweep = _read(run_id, uri, "report on its sweep, {sweep}.")
    if not sweep.trials and sweep.heir:
        raise TrackingError(
            f"The sweep {run_id} was continued by run {sweep.heir}, which has its trials; report on that."
        )
    return sweep


def read_finished_sweep(run_id: str, *, uri: str | None = None) -> Sweep:
    """Read a sweep whose best configuration may become a final model: one with a finished trial and its exercise.

    ``TrackingError`` is raised where the store does not answer or has no such sweep, or that has no finished trial.
    """
    sweep = _read(run_id, uri, "name its sweep, {sweep}, and the configuration {configuration}.")
    if not sweep.finished:
        heir = sweep.heir
        why = f"it was continued by run {heir}, which has its trials; name that" if heir else "nothing can be retrained"
        raise TrackingError(f"The sweep {run_id} has no finished trial: {why}.")
    if sweep.record.exercise is None:
        raise _unreadable(sweep)
    return sweep


def latest_sweep(uri: str) -> str:
    """Run id of the sweep that was started last, in any experiment.

    ``TrackingError`` is raised when the store cannot be read, or holds no sweep.
    """
    client, uri = open_store(uri)
    with store_errors(uri, "Looking for a sweep"):
        condition, latest = f"tags.`{names.TAG_KIND}` = '{names.KIND_SWEEP}'", ["attributes.start_time DESC"]
        sweeps = client.search_runs(all_experiments(client), condition, max_results=1, order_by=latest)
    if not sweeps:
        raise TrackingError(f"The tracking store {redacted(uri)} holds no sweep; 'mlflow run .' makes one.")
    return str(sweeps[0].info.run_id)


def find_sweep(name: str, *, uri: str) -> str:
    """Run id of the sweep that a user names: by its id, the first digits of that, or the folder of its report.

    What names no run is returned as it is. ``TrackingError`` is raised when the store does not answer, or where the
    digits are those of several sweeps.
    """
    client, uri = open_store(uri)
    with store_errors(uri, "Looking for a sweep"):
        return _whole_id(client, name)


def read_trial_curves(trial: Trial, *, uri: str) -> Curves | None:
    """All curves of a trial by name, each (fits, epochs) float32; None where the file is gone or cannot be read."""
    return read_run_curves(trial.run_id, uri=uri, place=trial.artifacts)


def read_run_curves(run_id: str, *, uri: str, place: str = "") -> Curves | None:
    """``read_trial_curves`` of any run that has curves; ``place`` is where its files are, where that is known."""
    return read_artifact(names.CURVES_FILE, read_curves, run_id=run_id, uri=uri, place=place)


def read_artifact(name: str, read: Callable[[Path], _T], *, run_id: str, uri: str, place: str = "") -> _T | None:
    """What ``read`` makes of a file of a run; None where the file is gone or cannot be read.

    A report without one of its figures is worth more than none, so a missing file is no error. Where the files of the
    run lie on this machine they are not copied.
    """
    from zipfile import BadZipFile

    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from pyarrow import ArrowException
    from requests.exceptions import RequestException

    try:
        parsed = urlparse(place)
        if place and parsed.scheme in ("", "file"):
            return read(Path(url2pathname(parsed.path)) / name)
        with TemporaryDirectory() as folder:
            return read(Path(MlflowClient(uri).download_artifacts(run_id, name, folder)))
    except (OSError, ValueError, KeyError, BadZipFile, ArrowException, MlflowException, RequestException):
        return None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises ``ValueError`` where it is none."""
    return from_plain(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))


def time_of(milliseconds: int) -> datetime:
    """A point in time as MLflow gives it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _read(run_id: str, uri: str | None, of_trial: str) -> Sweep:
    """A sweep; ``of_trial`` says what to do where the run is one of a trial."""
    client, uri = open_store(uri)
    with store_errors(uri, "Reading a sweep"):
        run = _sweep_run(client, uri, _whole_id(client, run_id), of_trial)
        children = {names.TAG_PARENT: run.info.run_id, names.TAG_KIND: names.KIND_TRIAL}
        trials = tuple(map(trial_of, search(client, [run.info.experiment_id], children)))
    info, tags = run.info, run.data.tags
    record = SweepRecord.from_json(
        read_artifact(names.SWEEP_FILE, read_json, run_id=info.run_id, uri=uri, place=info.artifact_uri)
    )
    monitor = run.data.params.get(names.SWEEP_PARAM_PREFIX + "monitor")
    return Sweep(
        run_id=info.run_id,
        experiment_id=info.experiment_id,
        uri=uri,
        status=info.status,
        exercise=tags.get(names.TAG_EXERCISE, ""),
        tuner=tags.get(names.TAG_TUNER, ""),
        backend=tags.get(names.TAG_BACKEND, ""),
        identity=tags.get(names.TAG_SWEEP, ""),
        data_sha256=tags.get(names.TAG_DATA, ""),
        commit=tags.get(names.TAG_COMMIT, ""),
        monitor=monitor or (record.exercise.monitor if record.exercise else ""),
        started=time_of(info.start_time),
        ended=time_of(info.end_time) if info.end_time else None,
        record=record,
        trials=trials,
        heir=tags.get(names.TAG_CONTINUED_BY, ""),
    )


def _whole_id(client: MlflowClient, name: str) -> str:
    """``find_sweep`` of an open store."""
    path = PurePath(name.strip())
    digits = (path.parent if path.suffix else path).name.rpartition("-")[2].lower()
    if not re.fullmatch("[0-9a-f]{1,32}", digits):
        return name
    within, begins = all_experiments(client), f"attributes.run_id LIKE '{digits}%'"
    kind = f" AND tags.`{names.TAG_KIND}` = '{names.KIND_SWEEP}'"
    found = client.search_runs(within, begins + kind, max_results=_NAMED) or client.search_runs(within, begins)
    if len(found) > 1:
        shown = max(len(digits) + 1, 8)
        named = [f"{run.data.tags.get(names.TAG_EXERCISE, 'run')}-{run.info.run_id[:shown]}" for run in found[:_NAMED]]
        raise TrackingError(f"Several runs begin with {digits!r}: {listed(named)}. Give more of its digits.")
    return str(found[0].info.run_id) if found else name


def _sweep_run(client: MlflowClient, uri: str, run_id: str, of_trial: str) -> Run:
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in MISSING:
            raise
        raise TrackingError(
            f"The tracking store {redacted(uri)} has no run {run_id!r}; allowed: the run id of a sweep, as the MLflow "
            "UI shows it, or its first digits, as in the name of its report."
        ) from error
    tags = run.data.tags
    kind = tags.get(names.TAG_KIND)
    if kind == names.KIND_TRIAL:
        advice = of_trial.format(sweep=tags.get(names.TAG_PARENT), configuration=tags.get(names.TAG_CONFIGURATION))
        raise TrackingError(f"The run {run_id} is a single trial; {advice}")
    if kind != names.KIND_SWEEP:
        raise TrackingError(f"The run {run_id} is not a sweep of overfit-atlas: it has no tag {names.TAG_KIND}=sweep.")
    return run


def _unreadable(sweep: Sweep) -> TrackingError:
    """Why the exercise cannot be read from ``sweep.json``."""
    file = f"{names.SWEEP_FILE} of sweep {sweep.run_id}"
    with store_client(sweep.uri, f"Reading {file}") as client, TemporaryDirectory() as folder:
        path = Path(client.download_artifacts(sweep.run_id, names.SWEEP_FILE, folder))
        try:
            read_json(path)
        except ValueError:
            return TrackingError(f"The file {file} is no JSON object.")
    return sweep.lacks("exercise")
