"""Final models in MLflow: the sweep that one is made from, and its run; its versions are those of ``registry``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset
from pipelines.errors import TrackingError
from pipelines.tracking import names, resuming
from pipelines.tracking.ending import EndingRun
from pipelines.tracking.opening import dataset_input, project_run
from pipelines.tracking.records import StoredTrial, stored_trial
from pipelines.tracking.registry import MISSING, Registered, quiet, register, registered_name, withdraw
from pipelines.tracking.store import check_store, redacted, store_errors, tracking_uri, ui_link
from pipelines.tracking.writing import log_batches

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MODEL_NAME = "model"


@dataclass(frozen=True, eq=False)
class StoredSweep:
    """A sweep whose best configuration may become a final model.

    Attributes
    ----------
    run_id, experiment_id, uri
        Its run, and where that is.
    details
        Content of ``sweep.json``.
    trials
        Finished trials with a result, the best first; at least one.
    """

    run_id: str
    experiment_id: str
    uri: str
    details: Mapping[str, Any]
    trials: tuple[StoredTrial, ...]

    def section(self, name: str) -> Mapping[str, Any]:
        """A part of ``sweep.json``.

        Raises
        ------
        TrackingError
            Where the file does not have it.
        """
        found = self.details.get(name)
        if not isinstance(found, Mapping):
            raise TrackingError(
                f"The file {names.SWEEP_FILE} of sweep {self.run_id} does not say {name!r}: it was written by another "
                "version, or changed since. Run the sweep again."
            )
        return found


@dataclass(frozen=True)
class FinalDescription:
    """What is known of a final model before it is trained: what it is made from, and how."""

    sweep: StoredSweep
    trial: StoredTrial
    exercise: str
    backend: str
    monitor: str
    epochs: int
    seed: int
    data: Dataset


def read_sweep(run_id: str, *, uri: str | None = None) -> StoredSweep:
    """Read a sweep, its description and its finished trials.

    Raises
    ------
    TrackingError
        Where the store does not answer or has no such sweep, or the sweep has no finished trial.
    """
    uri = tracking_uri(uri)
    check_store(uri)
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    with store_errors(uri, "Reading a sweep"):
        run = _sweep_run(client, uri, run_id)
        trials = _finished_trials(client, run)
    if not trials:
        heir = run.data.tags.get(names.TAG_CONTINUED_BY)
        why = f"it was continued by run {heir}, which has its trials; name that" if heir else "nothing can be retrained"
        raise TrackingError(f"The sweep {run_id} has no finished trial: {why}.")
    return StoredSweep(run.info.run_id, run.info.experiment_id, uri, _details(client, uri, run), trials)


def open_final(description: FinalDescription) -> FinalRun:
    """Start the run of a final model, in the experiment of its sweep.

    Under ``mlflow run`` that is the project's own run. Where this lies in another experiment, a new run is made beside
    the sweep, and the project's says where.

    Raises
    ------
    TrackingError
        Where the store cannot be written.
    """
    from mlflow import MlflowClient
    from mlflow.entities import Param, RunTag
    from mlflow.tracking.context.registry import resolve_tags

    sweep, configuration = description.sweep, description.trial.configuration
    client = MlflowClient(sweep.uri)
    name = f"{description.exercise} final"
    tags = {
        names.TAG_SCHEMA: names.SCHEMA,
        names.TAG_KIND: names.KIND_FINAL,
        names.TAG_EXERCISE: description.exercise,
        names.TAG_FINAL_SWEEP: sweep.run_id,
        names.TAG_CONFIGURATION: configuration.hash,
        names.TAG_DATA: description.data.sha256,
        names.TAG_BACKEND: description.backend,
        **resuming.process_tags(),
    }
    with store_errors(sweep.uri, "Starting a final model"):
        project = project_run(client)
        if project is not None and project.info.experiment_id == sweep.experiment_id:
            run = project
            client.update_run(run.info.run_id, status=resuming.RUNNING, name=name)
        else:
            run = client.create_run(sweep.experiment_id, run_name=name, tags=resolve_tags())
            if project is not None:
                client.set_tag(project.info.run_id, names.TAG_NOTE, f"The final model is run {run.info.run_id}.")
        sizes = {names.PARAM_EPOCHS: description.epochs, "seed": description.seed}
        known = client.get_run(run.info.run_id).data.params
        params = {key: str(value) for key, value in (configuration.parameters() | sizes).items() if key not in known}
        client.log_batch(
            run.info.run_id,
            params=[Param(key, value) for key, value in params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        client.log_inputs(run.info.run_id, datasets=[dataset_input(description.data)])
    return FinalRun(client, run, description)


class FinalRun(EndingRun):
    """The run of a final model; made by ``open_final``, ended by its ``with`` block."""

    def __init__(self, client: MlflowClient, run: Run, description: FinalDescription) -> None:
        super().__init__(client, description.sweep.uri, run.info.run_id)
        self.uri = description.sweep.uri
        self.description = description
        # The page of the run itself: the address of the list of runs, without what filters and orders them.
        address, _, view = ui_link(self.uri, run.info.experiment_id).partition("?")
        self.link = f"{address}/{self.run_id}?{view.partition('&')[0]}"

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Numbers of the run; to be there before the model is logged, whose page then shows them as well."""
        with store_errors(self.uri, "Recording a final model"):
            log_batches(
                self._client,
                self.run_id,
                [(key, float(value), 0) for key, value in metrics.items() if np.isfinite(value)],
            )

    def log_files(self, folder: Path) -> None:
        """Keep all files of a folder with the run."""
        with store_errors(self.uri, "Keeping the files of a final model"):
            self._client.log_artifacts(self.run_id, str(folder))

    def describe(self, markdown: str) -> None:
        """Set the description of the run, which the UI shows first."""
        with store_errors(self.uri, "Describing a final model"):
            self._client.set_tag(self.run_id, names.TAG_NOTE, markdown[: resuming.MAX_TAG])

    def log_model(
        self, model: Any, example: NDArray[Any], outputs: NDArray[Any], metadata: Mapping[str, Any]
    ) -> Registered:
        """Log a Keras model in the ``.keras`` format, register it, and give it its alias.

        Parameters
        ----------
        example, outputs
            A few raw inputs, and what the model says to them: input example and signature.
        metadata
            What one needs to know to use the model (classes, features); kept in its ``MLmodel`` file.
        """
        import mlflow
        from mlflow.models import Model, infer_signature

        mlflow.set_tracking_uri(self.uri)
        with store_errors(self.uri, "Logging a model"), quiet():
            # As mlflow.keras.log_model, which fails where there is an example (see _KerasFlavour) and wants its run to
            # be the active one of the process.
            logged = Model.log(
                None,
                flavor=_KerasFlavour,
                flavor_name="mlflow.keras",
                name=MODEL_NAME,
                run_id=self.run_id,
                model=model,
                signature=infer_signature(example, outputs),
                input_example=example,
                pip_requirements=_requirements(self.description.backend),
                metadata=dict(metadata),
            )
        return self._register(f"models:/{logged.model_id}")

    def load(self, registered: Registered) -> Any:
        """The model as anyone would load it, by its alias."""
        import mlflow

        with store_errors(self.uri, "Loading the model back"), quiet():
            return mlflow.keras.load_model(registered.uri)

    def withdraw(self, registered: Registered) -> None:
        """Give the alias back to the version that had it."""
        with store_errors(self.uri, "Withdrawing a model"):
            withdraw(self._client, registered)

    def _register(self, model_uri: str) -> Registered:
        description = self.description
        tags = {
            names.TAG_EXERCISE: description.exercise,
            names.TAG_FINAL_SWEEP: description.sweep.run_id,
            names.TAG_CONFIGURATION: description.trial.configuration.hash,
            names.TAG_DATA: description.data.sha256,
            names.TAG_MONITOR: description.monitor,
            names.BEST_VALUE: repr(float(description.trial.metrics[names.BEST_VALUE])),
        }
        with store_errors(self.uri, "Registering a model"):
            return register(self._client, model_uri, registered_name(description.exercise), tags)


class _KerasFlavour:
    """MLflow's Keras flavour, which writes the input example into a folder that it makes only afterwards.

    MLflow's issue 16183; 3.17 has it still.
    """

    @staticmethod
    def save_model(path: str, **arguments: Any) -> None:
        import mlflow

        Path(path).mkdir()
        mlflow.keras.save_model(path=path, **arguments)


def _requirements(backend: str) -> list[str]:
    """What loading the model takes; the versions that are installed here."""
    from importlib.metadata import version

    packages = ("keras", "jax", "jaxlib") if backend == "jax" else ("keras", "tensorflow")
    return [f"{package}=={version(package)}" for package in (*packages, "numpy")]


def _sweep_run(client: MlflowClient, uri: str, run_id: str) -> Run:
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in MISSING:
            raise
        raise TrackingError(
            f"The tracking store {redacted(uri)} has no run {run_id!r}; allowed: the run id of a sweep, as the MLflow "
            "UI shows it."
        ) from error
    kind = run.data.tags.get(names.TAG_KIND)
    if kind == names.KIND_TRIAL:
        parent, configuration = run.data.tags.get(names.TAG_PARENT), run.data.tags.get(names.TAG_CONFIGURATION)
        raise TrackingError(
            f"The run {run_id} is a single trial; name its sweep, {parent}, and the configuration {configuration}."
        )
    if kind != names.KIND_SWEEP:
        raise TrackingError(f"The run {run_id} is not a sweep of overfit-atlas: it has no tag {names.TAG_KIND}=sweep.")
    return run


def _finished_trials(client: MlflowClient, run: Run) -> tuple[StoredTrial, ...]:
    condition = (
        f"tags.`{names.TAG_PARENT}` = '{run.info.run_id}' AND tags.`{names.TAG_KIND}` = '{names.KIND_TRIAL}' "
        f"AND attributes.status = '{resuming.FINISHED}'"
    )
    found = (
        stored_trial(child.info.run_id, child.data.params, child.data.tags, child.data.metrics)
        for child in resuming._search(client, run.info.experiment_id, condition)
    )
    complete = [trial for trial in found if trial and {names.BEST_VALUE, names.BEST_EPOCH} <= set(trial.metrics)]
    return tuple(sorted(complete, key=lambda trial: trial.metrics[names.BEST_VALUE]))


def _details(client: MlflowClient, uri: str, run: Run) -> Mapping[str, Any]:
    with store_errors(uri, f"Reading {names.SWEEP_FILE} of sweep {run.info.run_id}"), TemporaryDirectory() as folder:
        path = client.download_artifacts(run.info.run_id, names.SWEEP_FILE, folder)
        text = Path(path).read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise TrackingError(f"The file {names.SWEEP_FILE} of sweep {run.info.run_id} is no JSON object.")
    return content
