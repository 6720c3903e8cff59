"""The run of a final model in MLflow, opened beside its sweep, and the version of the Model Registry that comes of it.

A new version gets one of two aliases. ``champion`` is the best model so far, judged by the value at the best epoch that
its sweep measured *on validation rows*: choosing by the test set would wear that out. A version takes the alias over
from another only where the two can be compared, that is with the same data and the same monitored curve, and only
where it is better. Otherwise it is the ``challenger``, and it is for a person to decide.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pipelines.compat import KerasFlavour
from pipelines.datasets.base import Dataset
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import Exercise
from pipelines.tracking import names, runs
from pipelines.tracking.store import MISSING, store_client, store_errors, ui_link
from pipelines.tracking.sweeps import Sweep
from pipelines.tracking.trials import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MODEL_NAME = "model"
CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class Registered:
    """A version in the Model Registry; ``reason`` is a clause that says why it has its alias."""

    name: str
    version: str
    alias: str
    reason: str
    previous: str = ""  # the version that had the alias before

    @property
    def uri(self) -> str:
        """Where ``mlflow.keras.load_model`` finds it."""
        return f"models:/{self.name}@{self.alias}"


@dataclass(frozen=True)
class FinalDescription:
    """What is known of a final model before it is trained: what it is made from, and how."""

    sweep: Sweep
    trial: Trial
    configuration: Configuration
    exercise: Exercise
    backend: str
    epochs: int
    seed: int
    data: Dataset


def open_final(description: FinalDescription) -> FinalRun:
    """Start the run of a final model, in the experiment of its sweep; ``TrackingError`` where the store refuses.

    Under ``mlflow run`` that is the project's own run. Where this lies in another experiment, a new run is made beside
    the sweep, and the project's says where.
    """
    sweep, configuration = description.sweep, description.configuration
    exercise, data = description.exercise.name, description.data
    tags = runs.common_tags(names.KIND_FINAL, exercise=exercise, data=data, backend=description.backend)
    tags |= {names.TAG_FINAL_SWEEP: sweep.run_id, names.TAG_CONFIGURATION: configuration.hash}
    with store_client(sweep.uri, "Starting a final model") as client:
        project = runs.project_run(client)
        inside = project is not None and project.info.experiment_id == sweep.experiment_id
        run_id = runs.start_run(
            client,
            sweep.experiment_id,
            name=f"{exercise} final",
            tags=tags,
            params=configuration.parameters() | {names.PARAM_EPOCHS: description.epochs, "seed": description.seed},
            data=data,
            own=project if inside else None,
        )
        if project is not None and not inside:
            client.set_tag(project.info.run_id, names.TAG_NOTE, f"The final model is run {run_id}.")
    return FinalRun(client, run_id, description)


class FinalRun(runs.EndingRun):
    """The run of a final model; made by ``open_final``, ended by its ``with`` block."""

    what = "a final model"

    def __init__(self, client: MlflowClient, run_id: str, description: FinalDescription) -> None:
        super().__init__(client, description.sweep.uri, run_id)
        self.description = description
        # The page of the run itself: the address of the list of runs, without what filters and orders them.
        address, _, view = ui_link(self.uri, description.sweep.experiment_id).partition("?")
        self.link = f"{address}/{self.run_id}?{view.partition('&')[0]}"

    def log_files(self, folder: Path) -> None:
        """Keep all files of a folder with the run."""
        with store_errors(self.uri, "Keeping the files of a final model"):
            self._client.log_artifacts(self.run_id, str(folder))

    def log_model(
        self, model: Any, example: NDArray[Any], outputs: NDArray[Any], metadata: Mapping[str, Any]
    ) -> Registered:
        """Log a Keras model in the ``.keras`` format, register it, and give it its alias.

        ``example`` and ``outputs`` are a few raw inputs and what the model says to them; ``metadata`` is what one needs
        to know to use it (classes, features), and is kept in its ``MLmodel`` file.
        """
        import mlflow
        from mlflow.models import Model, infer_signature

        mlflow.set_tracking_uri(self.uri)
        # What loading the model takes; the versions that are installed here.
        needed = ("keras", *(("jax", "jaxlib") if self.description.backend == "jax" else ("tensorflow",)), "numpy")
        with store_errors(self.uri, "Logging a model"), _quiet():
            # As mlflow.keras.log_model, which fails where there is an example (see KerasFlavour) and wants its run to
            # be the active one of the process.
            logged = Model.log(
                None,
                flavor=KerasFlavour,
                flavor_name="mlflow.keras",
                name=MODEL_NAME,
                run_id=self.run_id,
                model=model,
                signature=infer_signature(example, outputs),
                input_example=example,
                pip_requirements=[f"{package}=={installed(package)}" for package in needed],
                metadata=dict(metadata),
            )
        return self._register(f"models:/{logged.model_id}")

    def load(self, registered: Registered) -> Any:
        """The model as anyone would load it, by its alias."""
        import mlflow

        with store_errors(self.uri, "Loading the model back"), _quiet():
            return mlflow.keras.load_model(registered.uri)

    def withdraw(self, registered: Registered) -> None:
        """Give the alias back to the version that had it."""
        with store_errors(self.uri, "Withdrawing a model"):
            self._client.delete_registered_model_alias(registered.name, registered.alias)
            if registered.previous:
                self._client.set_registered_model_alias(registered.name, registered.alias, registered.previous)

    def _register(self, model_uri: str) -> Registered:
        """Make a logged model the next version of the exercise's, and give it its alias."""
        import mlflow

        client, description = self._client, self.description
        name = registered_name(description.exercise.name)
        tags = {
            names.TAG_EXERCISE: description.exercise.name,
            names.TAG_FINAL_SWEEP: description.sweep.run_id,
            names.TAG_CONFIGURATION: description.configuration.hash,
            names.TAG_DATA: description.data.sha256,
            names.TAG_MONITOR: description.exercise.monitor,
            names.BEST_VALUE: repr(description.trial.value),
        }
        with store_errors(self.uri, "Registering a model"):
            with _quiet():
                made = str(mlflow.register_model(model_uri, name, tags=tags).version)
            champion = _with_alias(client, name, CHAMPION)
            alias, reason = choose_alias(tags, champion.tags, champion.version) if champion else choose_alias(tags)
            previous = champion if alias == CHAMPION else _with_alias(client, name, alias)
            client.set_registered_model_alias(name, alias, made)
        return Registered(name, made, alias, reason, previous=str(previous.version) if previous else "")


def registered_name(exercise: str) -> str:
    """Name in the Model Registry, which does not take slashes and colons.

    >>> registered_name("my:exercise")
    'overfit-atlas-my-exercise'
    """
    return "overfit-atlas-" + re.sub(r"[/:]", "-", exercise)


def choose_alias(
    tags: Mapping[str, str], champion: Mapping[str, str] | None = None, version: str | int = ""
) -> tuple[str, str]:
    """Which alias a new version gets, by its tags and those of the present ``champion``, and why."""
    if champion is None:
        return CHAMPION, "the first of its name"
    if champion.get(names.TAG_DATA) != tags[names.TAG_DATA]:
        return CHALLENGER, f"version {version}, the champion, was trained on other data and cannot be compared"
    monitor = tags[names.TAG_MONITOR]
    if champion.get(names.TAG_MONITOR) != monitor:
        return CHALLENGER, f"version {version}, the champion, was not judged by {monitor} and cannot be compared"
    try:
        best = float(champion[names.BEST_VALUE])
    except (KeyError, ValueError):
        return CHALLENGER, f"the value of version {version}, the champion, is not recorded"
    value = float(tags[names.BEST_VALUE])
    figures = f"{monitor} {value:.4g} against {best:.4g} of version {version}"
    return (CHAMPION, f"better: {figures}") if value < best else (CHALLENGER, f"not better: {figures}, the champion")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what MLflow and Keras print in passing; errors are raised, not printed."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def _with_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise
