"""A reproduction as MLflow runs: a parent an exercise, a child a training; recorded, taken up again, and read back.

Unlike a sweep, a reproduction that starts again goes on in the run of its first start: what it consists of is fixed, so
there is one run for it, however often it was interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipelines.datasets.base import Dataset
from pipelines.errors import TrackingError
from pipelines.tracking import names, runs
from pipelines.tracking.reading import read_artifact, read_json, time_of
from pipelines.tracking.store import open_store, redacted, store_errors, ui_link
from pipelines.tracking.sweeps import plain_text
from pipelines.tracking.trials import FINISHED, RUNNING, Trial, read_curves, trial_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True, eq=False)
class ReproductionDescription:
    """What is known of the reproduction of one exercise before its first training.

    ``identity`` is equal for every start of the same reproduction: exercise, data, seeds, backend. Of the data set only
    its description is stored; ``parameters`` are settings as resolved.
    """

    exercise: str
    backend: str
    identity: str
    data: Dataset
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)

    def tags(self, kind: str) -> dict[str, str]:
        """Tags that the reproduction and all its trainings carry."""
        common = runs.common_tags(kind, exercise=self.exercise, data=self.data, backend=self.backend)
        return common | {names.TAG_REPRODUCTION: self.identity}


@dataclass(frozen=True, eq=False)
class StoredReproduction:
    """The run of an exercise's reproduction: its id, store, start and commit, and what ``reproduction.json`` says."""

    run_id: str
    uri: str
    started: datetime
    commit: str
    content: Mapping[str, Any]


def open_reproduction(
    description: ReproductionDescription, *, uri: str | None = None, resume: bool = True
) -> ReproductionRun:
    """Start, or take up, the run of an exercise's reproduction; under ``mlflow run`` a child of the project's own.

    ``TrackingError`` is raised when the store cannot be written, or another process is at work on the same one.
    """
    client, uri = open_store(uri)
    with store_errors(uri, "Starting a reproduction"):
        run = _start(client, description, resume=resume)
    return ReproductionRun(client, uri, run, description)


class ReproductionRun(runs.EndingRun):
    """The parent run of an exercise; made by ``open_reproduction``, ended by its ``with`` block."""

    what = "a reproduction"

    def __init__(self, client: MlflowClient, uri: str, run: Run, description: ReproductionDescription) -> None:
        super().__init__(client, uri, run.info.run_id)
        self.experiment_id: str = run.info.experiment_id
        self._tags = {**description.tags(names.KIND_VARIANT), names.TAG_PARENT: self.run_id}

    @property
    def link(self) -> str:
        """Address of the experiment's runs in the MLflow UI."""
        return ui_link(self.uri, self.experiment_id)

    def finished(self) -> dict[str, Trial]:
        """Trainings of this reproduction that are done, by their hash; those whose files are gone are left out."""
        tags = {names.TAG_KIND: names.KIND_VARIANT, names.TAG_PARENT: self.run_id}
        with store_errors(self.uri, "Reading finished trainings"):
            found = runs.search(self._client, [self.experiment_id], tags, status=FINISHED)
            read = [(run.data.tags.get(names.TAG_TRAINING, ""), self._read(run)) for run in found]
        return {training: trial for training, trial in read if trial is not None}

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
        with store_errors(self.uri, "Recording figures"):
            runs.log_numbers(self._client, run_id, metrics)

    def save(self, content: Mapping[str, Any]) -> None:
        """Keep everything that the report needs, beside the curves, as ``reproduction.json``."""
        with store_errors(self.uri, "Recording a reproduction"):
            self._client.log_text(self.run_id, plain_text(content, indent=1), names.REPRODUCTION_FILE)

    def _read(self, run: Run) -> Trial | None:
        from mlflow.exceptions import MlflowException

        try:
            with TemporaryDirectory() as folder:
                files = (names.CURVES_FILE, names.MEASURED_FILE)
                curves, measured = (Path(self._client.download_artifacts(run.info.run_id, f, folder)) for f in files)
                return replace(trial_of(run), curves=read_curves(curves), measured=read_json(measured))
        except (OSError, ValueError, KeyError, MlflowException):
            return None


class TrainingRun(runs.EndingRun):
    """The child run of a training; made by ``ReproductionRun.training``."""

    def finish(self, trial: Trial) -> None:
        """Record curves, numbers and parameters, and end the run with the trial's own status."""
        with store_errors(self.uri, "Recording a training"):
            self._client.log_text(self.run_id, json.dumps(dict(trial.measured)), names.MEASURED_FILE)
            runs.log_trial(self._client, self.run_id, trial)
        self._end(trial.status)


def read_stored_reproductions(uri: str, run_ids: Sequence[str] = ()) -> tuple[StoredReproduction, ...]:
    """The named reproductions, or the latest of each exercise that was recorded whole, by the exercise's name.

    ``TrackingError`` is raised when the store does not answer, or holds no such reproduction.
    """
    client, uri = open_store(uri)
    with store_errors(uri, "Reading reproductions"):
        found = [client.get_run(run_id) for run_id in run_ids] or _latest(client)
    stored = []
    for run in found:
        run_id = run.info.run_id
        content = read_artifact(names.REPRODUCTION_FILE, read_json, run_id=run_id, uri=uri, place=run.info.artifact_uri)
        if content is None and run_ids:
            raise TrackingError(
                f"The run {run_id} in the tracking store {redacted(uri)} has no {names.REPRODUCTION_FILE}: it "
                "is no finished reproduction."
            )
        if content is not None:
            commit = run.data.tags.get(names.TAG_COMMIT, "")
            stored.append(StoredReproduction(run_id, uri, time_of(run.info.start_time), commit, content=content))
    if not stored:
        raise TrackingError(
            f"The tracking store {redacted(uri)} holds no reproduction; 'mlflow run . -e reproduce' makes one."
        )
    return tuple(stored)


def _latest(client: MlflowClient) -> list[Run]:
    latest: dict[str, Run] = {}
    for run in runs.search_all(client, names.KIND_REPRODUCTION):
        if any(file.path == names.REPRODUCTION_FILE for file in client.list_artifacts(run.info.run_id)):
            latest[run.data.tags.get(names.TAG_EXERCISE, run.info.run_id)] = run
    return [latest[name] for name in sorted(latest)]


def _start(client: MlflowClient, description: ReproductionDescription, *, resume: bool) -> Run:
    project = runs.project_run(client)
    experiment = runs.experiment_of(client)
    run = _earlier(client, experiment, description) if resume else None
    tags = description.tags(names.KIND_REPRODUCTION)
    if project:
        tags[names.TAG_PARENT] = project.info.run_id
    if run is None:
        run_id = runs.start_run(
            client,
            experiment,
            name=f"{description.exercise} reproduction",
            tags=tags,
            params={names.SWEEP_PARAM_PREFIX + key: value for key, value in description.parameters.items()},
            data=description.data,
        )
    else:
        run_id = run.info.run_id
        client.update_run(run_id, status=RUNNING)
        runs.log_batches(client, run_id, (), tags=tags)
    runs.close_abandoned(client, experiment, run_id)
    return client.get_run(run_id)


def _earlier(client: MlflowClient, experiment: str, description: ReproductionDescription) -> Run | None:
    """The run of an earlier start of the same reproduction, the latest; None where there is none."""
    tags = {names.TAG_KIND: names.KIND_REPRODUCTION, names.TAG_REPRODUCTION: description.identity}
    found = runs.search(client, [experiment], tags)
    if not found:
        return None
    run = found[-1]
    own = runs.process_tags()[names.TAG_PROCESS]
    if run.info.status == RUNNING and runs.is_here(run) and run.data.tags.get(names.TAG_PROCESS) != own:
        raise TrackingError(
            f"Process {runs.process_of(run)} is at work on the reproduction of {description.exercise} in this store; "
            "wait for it, or start another with resume=false."
        )
    return run
