"""A reproduction as MLflow runs: a parent an exercise, a child a training, and taking up one that was cut off.

Unlike a sweep, a reproduction that starts again goes on in the run of its first start: what it consists of is fixed, so
there is one run for it, however often it was interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset
from pipelines.errors import TrackingError
from pipelines.tracking import names, resuming
from pipelines.tracking.ending import EndingRun
from pipelines.tracking.opening import dataset_input, experiment_of, project_run
from pipelines.tracking.records import TrialRecord, read_curves
from pipelines.tracking.store import check_store, store_errors, tracking_uri, ui_link
from pipelines.tracking.writing import log_batches, log_record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True, eq=False)
class ReproductionDescription:
    """What is known of the reproduction of one exercise before its first training.

    Attributes
    ----------
    exercise, backend
        Their names.
    identity
        Equal for every start of the same reproduction: exercise, data, seeds, backend.
    data
        The data set; only its description is stored.
    parameters
        Settings as resolved.
    """

    exercise: str
    backend: str
    identity: str
    data: Dataset
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)

    def tags(self, kind: str) -> dict[str, str]:
        """Tags that the reproduction and all its trainings carry."""
        return {
            names.TAG_SCHEMA: names.SCHEMA,
            names.TAG_KIND: kind,
            names.TAG_EXERCISE: self.exercise,
            names.TAG_REPRODUCTION: self.identity,
            names.TAG_DATA: self.data.sha256,
            names.TAG_BACKEND: self.backend,
            **resuming.process_tags(),
        }


@dataclass(frozen=True, eq=False)
class StoredTraining:
    """A finished training, as the store has it.

    Attributes
    ----------
    run_id
        Its MLflow run.
    curves
        By name, (fits, epochs).
    measured
        Content of ``measured.json``: figures that are no curves, by name a value a seed.
    seconds, parameters
        Wall time of the job, and trainable parameters of the network.
    """

    run_id: str
    curves: Mapping[str, NDArray[np.float32]]
    measured: Mapping[str, Any]
    seconds: float
    parameters: int


def open_reproduction(
    description: ReproductionDescription, *, uri: str | None = None, resume: bool = True
) -> ReproductionRun:
    """Start, or take up, the run of an exercise's reproduction.

    Under ``mlflow run`` it is a child of the project's own run.

    Raises
    ------
    TrackingError
        When the store cannot be written, or another process is at work on the same reproduction.
    """
    uri = tracking_uri(uri)
    check_store(uri)
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    with store_errors(uri, "Starting a reproduction"):
        run = _start(client, description, resume=resume)
    return ReproductionRun(client, uri, run, description)


class ReproductionRun(EndingRun):
    """The parent run of an exercise; made by ``open_reproduction``, ended by its ``with`` block."""

    def __init__(self, client: MlflowClient, uri: str, run: Run, description: ReproductionDescription) -> None:
        super().__init__(client, uri, run.info.run_id)
        self.uri = uri
        self.experiment_id: str = run.info.experiment_id
        self._tags = {**description.tags(names.KIND_VARIANT), names.TAG_PARENT: self.run_id}

    @property
    def link(self) -> str:
        """Address of the experiment's runs in the MLflow UI."""
        return ui_link(self.uri, self.experiment_id)

    def finished(self) -> dict[str, StoredTraining]:
        """Trainings of this reproduction that are done, by their hash; those whose files are gone are left out."""
        condition = (
            f"tags.`{names.TAG_KIND}` = '{names.KIND_VARIANT}' AND tags.`{names.TAG_PARENT}` = '{self.run_id}' "
            f"AND attributes.status = '{resuming.FINISHED}'"
        )
        found = {}
        with store_errors(self.uri, "Reading finished trainings"):
            for run in resuming._search(self._client, self.experiment_id, condition):
                stored = self._read(run)
                if stored is not None:
                    found[run.data.tags.get(names.TAG_TRAINING, "")] = stored
        return found

    def training(self, name: str, variants: str, training: str, configuration: str) -> TrainingRun:
        """Start the run of a training, to be used as a context manager."""
        tags = self._tags | {
            names.TAG_TRAINING: training,
            names.TAG_VARIANT: variants,
            names.TAG_CONFIGURATION: configuration,
        }
        with store_errors(self.uri, "Starting a training"):
            run = self._client.create_run(self.experiment_id, tags=tags, run_name=name)
        return TrainingRun(self._client, self.uri, run.info.run_id)

    def log_rows(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Documented and measured figures, on the run that they were read off (or on this one)."""
        points = [(name, float(value), 0) for name, value in metrics.items() if np.isfinite(value)]
        with store_errors(self.uri, "Recording figures"):
            log_batches(self._client, run_id, points)

    def save(self, content: Mapping[str, Any]) -> None:
        """Keep everything that the report needs, beside the curves, as ``reproduction.json``."""
        with store_errors(self.uri, "Recording a reproduction"):
            self._client.log_text(self.run_id, json.dumps(content, indent=1, default=str), names.REPRODUCTION_FILE)

    def describe(self, markdown: str) -> None:
        """Set the description of the run, which the UI shows first."""
        with store_errors(self.uri, "Describing a reproduction"):
            self._client.set_tag(self.run_id, names.TAG_NOTE, markdown[: resuming.MAX_TAG])

    def _read(self, run: Run) -> StoredTraining | None:
        from mlflow.exceptions import MlflowException

        try:
            with TemporaryDirectory() as folder:
                curves = self._client.download_artifacts(run.info.run_id, names.CURVES_FILE, folder)
                measured = self._client.download_artifacts(run.info.run_id, names.MEASURED_FILE, folder)
                content = json.loads(Path(measured).read_text(encoding="utf-8"))
                return StoredTraining(
                    run.info.run_id,
                    read_curves(Path(curves))[1],
                    content,
                    run.data.metrics.get(names.SECONDS_TOTAL, 0.0),
                    round(run.data.metrics.get(names.MODEL_PARAMETERS, 0)),
                )
        except (OSError, ValueError, KeyError, MlflowException):
            return None


class TrainingRun(EndingRun):
    """The child run of a training; made by ``ReproductionRun.training``."""

    def finish(self, record: TrialRecord, measured: Mapping[str, Any]) -> None:
        """Record curves, numbers and parameters, and end the run; FAILED where the record names a failure."""
        with store_errors(self._uri, "Recording a training"):
            self._client.log_text(self.run_id, json.dumps(measured), names.MEASURED_FILE)
            log_record(self._client, self.run_id, record)
        self._end(resuming.FAILED if record.failure else resuming.FINISHED)


def tag_project_run(name: str, folder: Path | None = None, *, uri: str | None = None) -> None:
    """Under ``mlflow run``: say what the project's own run was, and keep the files of the report with it."""
    from mlflow import MlflowClient

    uri = tracking_uri(uri)
    with store_errors(uri, "Keeping a report"):
        client = MlflowClient(uri)
        project = project_run(client)
        if project is None:
            return
        client.set_tag(project.info.run_id, names.TAG_KIND, names.KIND_REPORT)
        client.update_run(project.info.run_id, name=name)
        if folder is not None:
            client.log_artifacts(project.info.run_id, str(folder), names.REPORT_FOLDER)


def _start(client: MlflowClient, description: ReproductionDescription, *, resume: bool) -> Run:
    from mlflow.entities import Param, RunTag
    from mlflow.tracking.context.registry import resolve_tags

    project = project_run(client)
    experiment = project.info.experiment_id if project else experiment_of(client)
    run = _earlier(client, experiment, description) if resume else None
    tags = description.tags(names.KIND_REPRODUCTION)
    if project:
        tags[names.TAG_PARENT] = project.info.run_id
    if run is None:
        name = f"{description.exercise} reproduction"
        run_id = client.create_run(experiment, run_name=name, tags={**resolve_tags(), **tags}).info.run_id
        params = [Param(names.SWEEP_PARAM_PREFIX + key, str(value)) for key, value in description.parameters.items()]
        client.log_batch(run_id, params=params)
        client.log_inputs(run_id, datasets=[dataset_input(description.data)])
    else:
        run_id = run.info.run_id
        client.update_run(run_id, status=resuming.RUNNING)
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    resuming._close_abandoned(client, experiment, run_id)
    return client.get_run(run_id)


def _earlier(client: MlflowClient, experiment: str, description: ReproductionDescription) -> Run | None:
    """The run of an earlier start of the same reproduction, the latest; None where there is none."""
    condition = (
        f"tags.`{names.TAG_KIND}` = '{names.KIND_REPRODUCTION}' "
        f"AND tags.`{names.TAG_REPRODUCTION}` = '{description.identity}'"
    )
    runs = resuming._search(client, experiment, condition)
    if not runs:
        return None
    run = runs[-1]
    if run.info.status == resuming.RUNNING and resuming._is_here(run) and not _is_own(run):
        process = run.data.tags[names.TAG_PROCESS].split()[0]
        raise TrackingError(
            f"Process {process} is at work on the reproduction of {description.exercise} in this store; wait for it, "
            "or start another with resume=false."
        )
    return run


def _is_own(run: Run) -> bool:
    own = resuming.process_tags()
    return run.data.tags.get(names.TAG_PROCESS) == own[names.TAG_PROCESS]
