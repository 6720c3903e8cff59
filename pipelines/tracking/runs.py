"""What all runs have in common: how they are found, started, written to and ended, and which processes are at work.

Under ``mlflow run`` there is a run already, the project's own.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import psutil

from pipelines.datasets.base import Dataset
from pipelines.errors import TrackingError, reason_of
from pipelines.tracking import names, trials
from pipelines.tracking.store import open_store, store_client, store_errors
from pipelines.tracking.trials import FAILED, FINISHED, KILLED, RUNNING, Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

DEFAULT_EXPERIMENT = "overfit-atlas"
ABANDONED = "the process ended without closing the run"
#: A run of another machine says RUNNING for ever when that machine is gone; after this long it is taken for dead.
STALE_HOURS = 24
#: Runs that one search returns, and entities that one call takes, MLflow's limit.
PAGE, _BATCH = 1000, 1000

_log = logging.getLogger(__name__)


class EndingRun:
    """A run, of a sweep, trial or anything else, that ends by what left its ``with`` block."""

    #: What it is of, for the sentences of errors.
    what: ClassVar[str] = "a run"

    def __init__(self, client: MlflowClient, uri: str, run_id: str) -> None:
        self._client = client
        self.uri = uri
        self.run_id = run_id
        self._open = True

    def flush(self) -> None:
        """Wait until all that was recorded is in the store; done before anything is added."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Numbers about the whole; what is not finite is left out."""
        self.flush()
        with store_errors(self.uri, f"Recording {self.what}"):
            log_numbers(self._client, self.run_id, metrics)

    def describe(self, markdown: str) -> None:
        """Set the description of the run, which the UI shows first."""
        self.flush()
        with store_errors(self.uri, f"Describing {self.what}"):
            self._client.set_tag(self.run_id, names.TAG_NOTE, markdown[: names.MAX_TAG])

    def _end(self, status: str, reason: str = "") -> None:
        if not self._open:
            return
        with store_errors(self.uri, "Ending a run"):
            if reason:
                self._client.set_tag(self.run_id, names.TAG_REASON, reason[: names.MAX_REASON])
            self._client.set_terminated(self.run_id, status)
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._end(FINISHED)
            return
        try:
            if is_interruption(error):  # cut off from outside; it will be asked for again
                self._end(KILLED, str(error) or "interrupted")
            else:
                self._end(FAILED, reason_of(error))
        except TrackingError:  # must not hide the error that ended the block
            _log.warning("The run %s could not be closed in the tracking store.", self.run_id)


def is_interruption(error: BaseException) -> bool:
    """Ctrl-C, and the ``SystemExit`` of a handler of SIGTERM."""
    return not isinstance(error, Exception)


def search(client: MlflowClient, experiments: Iterable[str], tags: Mapping[str, str], *, status: str = "") -> list[Run]:
    """All runs that have these tags, and this status where one is named, oldest first."""
    within = list(experiments)
    wanted = [f"tags.`{tag}` = '{value}'" for tag, value in tags.items()]
    condition = " AND ".join(wanted + ([f"attributes.status = '{status}'"] if status else []))
    order, token = ["attributes.start_time ASC"], None
    runs: list[Run] = []
    while True:
        page = client.search_runs(within, condition, max_results=PAGE, order_by=order, page_token=token)
        runs += page
        if not (token := page.token):
            return runs


def search_all(client: MlflowClient, kind: str) -> list[Run]:
    """All runs of a kind in any experiment, oldest first."""
    return search(client, all_experiments(client), {names.TAG_KIND: kind})


def all_experiments(client: MlflowClient) -> list[str]:
    """Ids of the experiments that are not deleted."""
    return [experiment.experiment_id for experiment in client.search_experiments()]


def project_run(client: MlflowClient) -> Run | None:
    """The run that ``mlflow run`` has made for this process; None where it was not started by that."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    return client.get_run(run_id) if run_id else None


def experiment_of(client: MlflowClient) -> str:
    """Id of the project's experiment, else of the one that the environment names, made where it is missing."""
    from mlflow.exceptions import MlflowException

    if project := project_run(client):
        return str(project.info.experiment_id)
    if found := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return found
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    if not (experiment := client.get_experiment_by_name(name)):
        try:
            return client.create_experiment(name)
        except MlflowException:  # another sweep has just made it
            if not (experiment := client.get_experiment_by_name(name)):
                raise
    if experiment.lifecycle_stage == "deleted":
        raise TrackingError(
            f"The MLflow experiment '{name}' was deleted. Bring it back with 'mlflow experiments restore -x "
            f"{experiment.experiment_id}', or name another one in MLFLOW_EXPERIMENT_NAME."
        )
    return str(experiment.experiment_id)


def common_tags(kind: str, *, exercise: str, data: Dataset, backend: str) -> dict[str, str]:
    """Tags that runs of every kind have, those by which ``is_here`` finds their process among them."""
    return {
        names.TAG_SCHEMA: names.SCHEMA,
        names.TAG_KIND: kind,
        names.TAG_EXERCISE: exercise,
        names.TAG_DATA: data.sha256,
        names.TAG_BACKEND: backend,
        **process_tags(),
    }


def start_run(
    client: MlflowClient,
    experiment: str,
    *,
    name: str,
    tags: Mapping[str, str],
    params: Mapping[str, object],
    data: Dataset,
    own: Run | None = None,
) -> str:
    """Start a run that others may lie below, or make the project's ``own`` that run; returns its id."""
    from mlflow.tracking.context.registry import resolve_tags

    if own is None:
        run_id = str(client.create_run(experiment, run_name=name, tags=resolve_tags()).info.run_id)
    else:
        run_id = str(own.info.run_id)
        client.update_run(run_id, status=RUNNING, name=name)
    known = own.data.params if own else {}
    missing = {key: str(value) for key, value in params.items() if key not in known}
    log_batches(client, run_id, (), params=missing, tags=tags)
    client.log_inputs(run_id, datasets=[dataset_input(data)])
    return run_id


def dataset_input(data: Dataset) -> Any:
    """The data set's description for MLflow's list of inputs; the arrays themselves are not touched."""
    from mlflow.data.schema import TensorDatasetSchema
    from mlflow.entities import Dataset as Description
    from mlflow.entities import DatasetInput, InputTag
    from mlflow.types import Schema, TensorSpec

    schema = TensorDatasetSchema(
        features=Schema([TensorSpec(data.inputs.dtype, (-1, *data.input_shape), "inputs")]),
        targets=Schema([TensorSpec(data.targets.dtype, (-1,), "targets")]),
    )
    profile = {"samples": data.samples, "features_shape": [data.samples, *data.input_shape], "task": str(data.task)}
    described = Description(
        name=data.name,
        digest=data.sha256[:10],
        source_type="overfit-atlas",
        source=json.dumps({"source": data.source, "sha256": data.sha256}),
        schema=json.dumps(schema.to_dict()),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset=described, tags=[InputTag("mlflow.data.context", "training")])


def log_trial(client: MlflowClient, run_id: str, trial: Trial) -> None:
    """Curves, numbers, parameters and tags of a trial, or of a training of a reproduction."""
    if trial.curves:
        log_curves(client, run_id, trial)
    params, tags = trials.trial_params(trial), trials.trial_tags(trial)
    log_batches(client, run_id, trials.trial_metrics(trial), params=params, tags=tags)


def log_curves(client: MlflowClient, run_id: str, trial: Trial) -> None:
    """The file of a trial's curves, over the one that is there."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / names.CURVES_FILE
        trials.write_curves(trial, path)
        client.log_artifact(run_id, str(path))


def log_numbers(client: MlflowClient, run_id: str, metrics: Mapping[str, float]) -> None:
    """Metrics of one number each; what is not finite is left out."""
    log_batches(client, run_id, ((key, float(value), 0) for key, value in metrics.items() if math.isfinite(value)))


def log_batches(
    client: MlflowClient,
    run_id: str,
    points: Iterable[tuple[str, float, int]],
    *,
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """One call for everything where it fits, for a call costs more than what it carries."""
    from mlflow.entities import Metric, Param, RunTag

    now = int(time() * 1000)
    metrics = (Metric(name, value, now, step) for name, value, step in points)
    first_params = [Param(key, value) for key, value in (params or {}).items()]
    first_tags = [RunTag(key, value) for key, value in (tags or {}).items()]
    first = list(islice(metrics, _BATCH - len(first_params) - len(first_tags)))
    client.log_batch(run_id, metrics=first, params=first_params, tags=first_tags)
    while batch := list(islice(metrics, _BATCH)):
        client.log_batch(run_id, metrics=batch)


def save_report(run_id: str, folder: Path, *, uri: str | None = None) -> None:
    """Keep the files of a report with the sweep's run, under ``report/``.

    Under ``mlflow run -e report`` the project's own run is tagged as that of a report, so it is not taken for a sweep.
    """
    with store_client(uri, "Keeping a report") as client:
        client.log_artifacts(run_id, str(folder), names.REPORT_FOLDER)
        if (project := project_run(client)) and names.TAG_KIND not in project.data.tags:
            client.set_tag(project.info.run_id, names.TAG_KIND, names.KIND_REPORT)
            client.update_run(project.info.run_id, name="report")


def tag_project_run(name: str, folder: Path, *, uri: str | None = None) -> None:
    """Under ``mlflow run``: say what the project's own run was, and keep the files of the report with it."""
    with store_client(uri, "Keeping a report") as client:
        if project := project_run(client):
            client.set_tag(project.info.run_id, names.TAG_KIND, names.KIND_REPORT)
            client.update_run(project.info.run_id, name=name)
            client.log_artifacts(project.info.run_id, str(folder), names.REPORT_FOLDER)


def describe_predictions(words: str, *, uri: str) -> None:
    """Under ``mlflow run``: say what the project's own run has predicted; the rows themselves are not kept."""
    with store_client(uri, "Describing predictions") as client:
        if project := project_run(client):
            client.set_tag(project.info.run_id, names.TAG_KIND, names.KIND_PREDICTIONS)
            client.set_tag(project.info.run_id, names.TAG_NOTE, words[: names.MAX_TAG])
            client.update_run(project.info.run_id, name="predictions")


def describe_if_empty(run_id: str, markdown: str, *, uri: str) -> None:
    """Give a sweep that ended before its report the description that the UI shows first; one it has is left alone."""
    with store_client(uri, "Describing a sweep") as client:
        if not client.get_run(run_id).data.tags.get(names.TAG_NOTE):
            client.set_tag(run_id, names.TAG_NOTE, markdown[: names.MAX_TAG])


def record_refusal(reason: str) -> str:
    """Under ``mlflow run``, put the reason on the project's run before the process ends with an error.

    MLflow has made that run before anything of ours could look at a parameter. One that has done nothing is marked as
    refused, and its id returned, that ``forget_refused`` may delete it once MLflow has closed it; else an empty text.
    Never raises, since the mistake itself is what the user must read.
    """
    if not os.environ.get("MLFLOW_RUN_ID"):
        return ""
    try:
        client, uri = open_store(None)  # within seconds, where MLflow would try for minutes
    except TrackingError:
        return ""
    try:
        with store_errors(uri, "Recording a refusal"):
            project = project_run(client)
            if project and project.info.status == RUNNING:
                client.set_tag(project.info.run_id, names.TAG_REASON, reason[: names.MAX_REASON])
                client.set_terminated(project.info.run_id, FAILED)
                if names.TAG_KIND not in project.data.tags:
                    client.set_tag(project.info.run_id, names.TAG_REFUSED, "true")
                    return str(project.info.run_id)
    except TrackingError as error:
        _log.warning("%s", error)
    return ""


def forget_refused(client: MlflowClient, experiments: Iterable[str]) -> None:
    """Mark as deleted the runs of commands that were refused: a typo leaves no failed run among those of sweeps.

    The UI shows them, with the reason, among its deleted runs.
    """
    for run in search(client, experiments, {names.TAG_REFUSED: "true"}, status=FAILED):
        client.delete_run(run.info.run_id)


def process_tags() -> dict[str, str]:
    """Tags by which a later start can tell whether this process is still there; a number alone is used again."""
    process = psutil.Process()
    return {names.TAG_HOST: socket.gethostname(), names.TAG_PROCESS: f"{process.pid} {process.create_time():.0f}"}


def process_of(run: Run) -> str:
    """Number of the process that a run is of."""
    return str(run.data.tags[names.TAG_PROCESS].split()[0])


def is_here(run: Run) -> bool:
    """Whether the process of a run is one of this machine and alive."""
    tags = run.data.tags
    if tags.get(names.TAG_HOST) != socket.gethostname():
        return False
    try:
        number, created = tags[names.TAG_PROCESS].split()
        return abs(psutil.Process(int(number)).create_time() - float(created)) < 2
    except (KeyError, ValueError, psutil.Error):
        return False


def close_abandoned(client: MlflowClient, experiment: str, own: str) -> None:
    """Set KILLED on runs that say RUNNING though their process is gone."""
    for run in search(client, [experiment], {names.TAG_SCHEMA: names.SCHEMA}, status=RUNNING):
        if run.info.run_id != own and not _at_work(run):
            client.set_tag(run.info.run_id, names.TAG_REASON, ABANDONED)
            client.set_terminated(run.info.run_id, KILLED)


def _at_work(run: Run) -> bool:
    """Whether a run that says RUNNING may be; of another machine's processes only their age is known."""
    if run.data.tags.get(names.TAG_HOST) == socket.gethostname():
        return is_here(run)
    return bool(time() - run.info.start_time / 1000 < STALE_HOURS * 3600)
