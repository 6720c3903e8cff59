"""Taking up a sweep that was interrupted, from what the store holds and nothing else.

A start of a sweep is a run; a second start is another run, since ``mlflow run`` makes one before it asks us. The new
run takes over the finished trials of the earlier ones (their tag ``mlflow.parentRunId`` is set to it), so the UI and
the report show all trials of the sweep under one run, and none is trained twice. The earlier run keeps its report and
says in ``atlas.continued_by`` where its trials are. Trials of a start that is still at work are left to it.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING

import psutil

from pipelines.tracking import names
from pipelines.tracking.records import StoredTrial, stored_trial

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"
MAX_TAG = 8000
DIVERGED = "diverged"
ABANDONED = "the process ended without closing the run"

#: A run of another machine says RUNNING for ever when that machine is gone; after this long it is taken for dead.
STALE_HOURS = 24

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resumption:
    """What a new start of a sweep has taken over: runs of earlier starts, and their finished trials, oldest first."""

    sweeps: tuple[str, ...]
    trials: tuple[StoredTrial, ...]


def process_tags() -> dict[str, str]:
    """Tags by which a later start can tell whether this process is still there; a number alone is used again."""
    process = psutil.Process()
    return {names.TAG_HOST: socket.gethostname(), names.TAG_PROCESS: f"{process.pid} {process.create_time():.0f}"}


def take_over(client: MlflowClient, run: Run, identity: str, *, adopt: bool) -> Resumption:
    """Close what dead processes left open, and make the finished trials of this sweep children of ``run``.

    A trial that is there twice, since two starts were at work at the same time, is taken once.
    """
    experiment, run_id = run.info.experiment_id, run.info.run_id
    _close_abandoned(client, experiment, run_id)
    if not adopt:
        return Resumption((), ())
    busy = _busy_sweeps(client, experiment, run_id, identity)
    trials: dict[tuple[str, int, int, int], StoredTrial] = {}
    sweeps: list[str] = []
    for stored, tags in _finished(client, experiment, identity):
        parent = tags.get(names.TAG_PARENT, "")
        key = (stored.configuration.hash, stored.epochs, stored.folds, stored.repeats)
        if parent in busy or key in trials:
            continue
        trials[key] = stored
        if parent != run_id:
            first = tags.get(names.TAG_FIRST_PARENT, parent)
            _set_tags(client, stored.run_id, {names.TAG_PARENT: run_id, names.TAG_FIRST_PARENT: first})
            if parent not in sweeps:
                sweeps.append(parent)
    for parent in sweeps:
        client.set_tag(parent, names.TAG_CONTINUED_BY, run_id)
    if sweeps:
        client.set_tag(run_id, names.TAG_RESUMED_FROM, ",".join(sweeps)[:MAX_TAG])
    return Resumption(tuple(sweeps), tuple(trials.values()))


def _close_abandoned(client: MlflowClient, experiment: str, own: str) -> None:
    """Set KILLED on runs that say RUNNING though their process is gone."""
    condition = f"attributes.status = '{RUNNING}' AND tags.`{names.TAG_SCHEMA}` = '{names.SCHEMA}'"
    for run in _search(client, experiment, condition):
        if run.info.run_id != own and not _at_work(run):
            client.set_tag(run.info.run_id, names.TAG_REASON, ABANDONED)
            client.set_terminated(run.info.run_id, KILLED)


def _busy_sweeps(client: MlflowClient, experiment: str, own: str, identity: str) -> set[str]:
    """Starts of the same sweep that another process of this machine is working on."""
    condition = f"attributes.status = '{RUNNING}' AND {_is_of(names.KIND_SWEEP, identity)}"
    others = [run for run in _search(client, experiment, condition) if run.info.run_id != own and _is_here(run)]
    for run in others:
        process = run.data.tags[names.TAG_PROCESS].split()[0]
        _log.warning("The same sweep is being run by process %s; its trials are left to it.", process)
    return {run.info.run_id for run in others}


def _finished(client: MlflowClient, experiment: str, identity: str) -> Iterator[tuple[StoredTrial, Mapping[str, str]]]:
    """Trials with a result, oldest first, each with the tags of its run."""
    for run in _search(client, experiment, _is_of(names.KIND_TRIAL, identity)):
        tags: Mapping[str, str] = run.data.tags
        diverged = run.info.status == FAILED and tags.get(names.TAG_VERDICT) == DIVERGED
        if run.info.status == FINISHED or diverged:
            stored = stored_trial(run.info.run_id, run.data.params, tags, run.data.metrics)
            if stored is not None:
                yield stored, tags


def _set_tags(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def _is_of(kind: str, identity: str) -> str:
    return f"tags.`{names.TAG_KIND}` = '{kind}' AND tags.`{names.TAG_SWEEP}` = '{identity}'"


def _search(client: MlflowClient, experiment: str, condition: str) -> list[Run]:
    """All runs that meet a condition, oldest first."""
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs([experiment], condition, order_by=["attributes.start_time ASC"], page_token=token)
        runs += page
        token = page.token or None
        if token is None:
            return runs


def _is_here(run: Run) -> bool:
    """Whether the process of a run is one of this machine and alive."""
    tags = run.data.tags
    if tags.get(names.TAG_HOST) != socket.gethostname():
        return False
    try:
        number, created = tags[names.TAG_PROCESS].split()
        return abs(psutil.Process(int(number)).create_time() - float(created)) < 2
    except (KeyError, ValueError, psutil.Error):
        return False


def _at_work(run: Run) -> bool:
    """Whether a run that says RUNNING may be; of another machine's processes only their age is known."""
    if run.data.tags.get(names.TAG_HOST) == socket.gethostname():
        return _is_here(run)
    return bool(time() - run.info.start_time / 1000 < STALE_HOURS * 3600)
