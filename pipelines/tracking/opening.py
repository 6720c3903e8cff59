"""Opening the run of a sweep, under ``mlflow run`` and without it, and what concerns the project's own run."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.datasets.base import Dataset
from pipelines.errors import TrackingError
from pipelines.tracking import names, resuming
from pipelines.tracking.ending import MAX_REASON, is_interruption
from pipelines.tracking.run_names import varying_settings
from pipelines.tracking.runs import SweepRun
from pipelines.tracking.store import check_store, redacted, shared_view, store_errors, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

DEFAULT_EXPERIMENT = "overfit-atlas"
_INHERITED = (names.TAG_USER, names.TAG_SOURCE_NAME, names.TAG_SOURCE_TYPE, names.TAG_COMMIT)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SweepDescription:
    """What is known of a sweep before its first trial.

    Attributes
    ----------
    exercise, tuner, backend
        Their names: ``digits``, ``optuna:tpe``, ``jax``.
    identity
        Hash of everything that makes trials of two starts interchangeable: exercise, data, folds, seeds, space.
    data
        The data set; only its description is stored.
    parameters
        Settings of the sweep as resolved, stored as parameters ``sweep.<name>``.
    details
        The content of ``sweep.json``; anything that JSON can write.
    """

    exercise: str
    tuner: str
    backend: str
    identity: str
    data: Dataset
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def tags(self, kind: str) -> dict[str, str]:
        """Tags that the sweep and all its trials carry."""
        return {
            names.TAG_SCHEMA: names.SCHEMA,
            names.TAG_KIND: kind,
            names.TAG_EXERCISE: self.exercise,
            names.TAG_SWEEP: self.identity,
            names.TAG_DATA: self.data.sha256,
            names.TAG_BACKEND: self.backend,
            names.TAG_TUNER: self.tuner,
            **resuming.process_tags(),
        }


def open_sweep(description: SweepDescription, *, uri: str | None = None, resume: bool = True) -> SweepRun:
    """Start the run of a sweep, and take over what earlier starts of the same sweep have finished.

    Under ``mlflow run`` this is the project's own run; otherwise a new one in the experiment that
    ``MLFLOW_EXPERIMENT_ID`` or ``MLFLOW_EXPERIMENT_NAME`` names, else in ``overfit-atlas``. Everything that the store
    could refuse is done here, before any training.

    Parameters
    ----------
    description
        What is known of the sweep.
    uri
        The store; None for the one that ``tracking_uri`` names.
    resume
        Whether to take over finished trials; without, all are trained again, and the old ones stay where they are.

    Raises
    ------
    TrackingError
        When the store cannot be written.
    """
    uri = tracking_uri(uri)
    check_store(uri)
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    with store_errors(uri, "Starting a sweep"):
        run = _start(client, description)
        try:
            resumption = resuming.take_over(client, run, description.identity, adopt=resume)
        except BaseException as error:
            client.set_terminated(run.info.run_id, resuming.KILLED if is_interruption(error) else resuming.FAILED)
            raise
    inherited = {tag: run.data.tags[tag] for tag in _INHERITED if tag in run.data.tags}
    return SweepRun(
        client,
        uri,
        run,
        resumption,
        description.tags(names.KIND_TRIAL) | inherited,
        data=dataset_input(description.data),
        varying=varying_settings(description.details),
    )


def latest_sweep(uri: str) -> str:
    """Run id of the sweep that was started last, in any experiment.

    Raises
    ------
    TrackingError
        When the store cannot be read, or holds no sweep.
    """
    check_store(uri)
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    condition = f"tags.`{names.TAG_KIND}` = '{names.KIND_SWEEP}'"
    with store_errors(uri, "Looking for a sweep"):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments, condition, max_results=1, order_by=["attributes.start_time DESC"])
    if not runs:
        raise TrackingError(f"The tracking store {redacted(uri)} holds no sweep; 'mlflow run .' makes one.")
    return str(runs[0].info.run_id)


def save_report(run_id: str, folder: Path, *, uri: str | None = None) -> None:
    """Keep the files of a report with the sweep's run, under ``report/``.

    Under ``mlflow run -e report`` the project's own run is tagged as that of a report, so it is not taken for a sweep.
    """
    from mlflow import MlflowClient

    uri = tracking_uri(uri)
    with store_errors(uri, "Keeping a report"):
        client = MlflowClient(uri)
        client.log_artifacts(run_id, str(folder), names.REPORT_FOLDER)
        if (project := project_run(client)) and names.TAG_KIND not in project.data.tags:
            client.set_tag(project.info.run_id, names.TAG_KIND, names.KIND_REPORT)
            client.update_run(project.info.run_id, name="report")


def describe_if_empty(run_id: str, markdown: str, *, uri: str) -> None:
    """Give a sweep that ended before its report the description that the UI shows first; one it has is left alone."""
    from mlflow import MlflowClient

    with store_errors(uri, "Describing a sweep"):
        client = MlflowClient(uri)
        if not client.get_run(run_id).data.tags.get(names.TAG_NOTE):
            client.set_tag(run_id, names.TAG_NOTE, markdown[: resuming.MAX_TAG])


def record_refusal(reason: str) -> None:
    """Under ``mlflow run``, put the reason on the project's run before the process ends with an error.

    For mistakes found before a sweep is open: a reader of the UI then sees why the run failed. Never raises, since
    the mistake itself is what the user must read.
    """
    if not os.environ.get("MLFLOW_RUN_ID"):
        return
    uri = tracking_uri()
    try:
        check_store(uri)  # within seconds, where MLflow would try for minutes
    except TrackingError:
        return
    try:
        from mlflow import MlflowClient

        with store_errors(uri, "Recording a refusal"):
            client = MlflowClient(uri)
            project = project_run(client)
            if project and project.info.status == resuming.RUNNING:
                client.set_tag(project.info.run_id, names.TAG_REASON, reason[:MAX_REASON])
                client.set_terminated(project.info.run_id, resuming.FAILED)
    except TrackingError as error:
        _log.warning("%s", error)


def _start(client: MlflowClient, description: SweepDescription) -> Run:
    from mlflow.entities import Param, RunTag
    from mlflow.tracking.context.registry import resolve_tags

    name = f"{description.exercise} {description.tuner}"
    tags = description.tags(names.KIND_SWEEP)
    project = project_run(client)
    if project and project.data.tags.get(names.TAG_SWEEP, description.identity) == description.identity:
        run_id = project.info.run_id
        client.update_run(run_id, status=resuming.RUNNING, name=name)
    else:
        experiment = project.info.experiment_id if project else experiment_of(client)
        run_id = client.create_run(experiment, run_name=name, tags=resolve_tags()).info.run_id
    started = client.get_run(run_id)
    known = started.data.params
    params = {names.SWEEP_PARAM_PREFIX + key: str(value) for key, value in description.parameters.items()}
    client.log_batch(
        run_id,
        params=[Param(key, value) for key, value in params.items() if key not in known],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )
    client.set_experiment_tag(started.info.experiment_id, *shared_view(description.identity))
    client.log_inputs(run_id, datasets=[dataset_input(description.data)])
    client.log_text(run_id, json.dumps(description.details, indent=2, default=str), names.SWEEP_FILE)
    return client.get_run(run_id)


def project_run(client: MlflowClient) -> Run | None:
    """The run that ``mlflow run`` has made for this process; None where it was not started by that."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    return client.get_run(run_id) if run_id else None


def experiment_of(client: MlflowClient) -> str:
    """Id of the experiment that the environment names, made where it is missing."""
    from mlflow.exceptions import MlflowException

    if found := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return found
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name)
        except MlflowException:  # another sweep has just made it
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        raise TrackingError(
            f"The MLflow experiment '{name}' was deleted. Bring it back with 'mlflow experiments restore -x "
            f"{experiment.experiment_id}', or name another one in MLFLOW_EXPERIMENT_NAME."
        )
    return str(experiment.experiment_id)


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
