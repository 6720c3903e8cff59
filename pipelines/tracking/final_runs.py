"""The run of a final model in MLflow, opened beside its sweep, and the model that is logged and registered with it.

A model of a user's own data takes raw rows (``served_model``). Those of the well-known data sets take arrays, and are
kept in MLflow's Keras flavour.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

from pipelines.compat import KerasFlavour
from pipelines.datasets.base import Dataset
from pipelines.datasets.user_file import encoding as encoding_module
from pipelines.errors import TrackingError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import Exercise
from pipelines.tracking import names, runs
from pipelines.tracking.registered import CHAMPION, Registered, choose_alias, registered_name, target_of, with_alias
from pipelines.tracking.store import store_client, store_errors, ui_link
from pipelines.tracking.sweeps import Sweep
from pipelines.tracking.trials import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pipelines.tracking.served_model import RowsModel

MODEL_NAME = "model"
#: The script that MLflow runs to load a model of a user's own data.
SERVED = Path(__file__).with_name("served_model.py")


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
        from mlflow.models import infer_signature

        # As mlflow.keras.log_model, which fails where there is an example (see KerasFlavour).
        return self._log(
            KerasFlavour,
            flavor_name="mlflow.keras",
            model=model,
            signature=infer_signature(example, outputs),
            input_example=example,
            metadata=dict(metadata),
            pip_requirements=self._needed(),
        )

    def log_rows_model(
        self,
        model: Any,
        example: pd.DataFrame | NDArray[Any],
        *,
        encoding: Mapping[str, Any],
        metadata: Mapping[str, Any],
        own: Mapping[str, str] | None = None,
    ) -> Registered:
        """Log a model that takes a user's raw rows, register it, and give it its alias.

        Parameters
        ----------
        model
            A Keras model, for encoded rows.
        example
            A few raw rows, of the columns that are needed.
        encoding
            Of the data set, with ``labels`` (the classes as the user wrote them).
        metadata
            As for ``log_model``.
        own
            What the network has from the user's own file: names as Keras registers them, and as the file has them. The
            file is then part of the model.
        """
        import mlflow
        from mlflow.models import ModelSignature, infer_signature

        from pipelines.tracking.served_model import OWN_FILE, RowsModel

        content = {**encoding, "backend": self.description.backend, "own": dict(own or {})}
        outputs = RowsModel(encoding_module, content, model).answer(example)
        with _quiet():  # a hint about whole numbers, which are classes here
            signature = ModelSignature(_rows_schema(encoding, example), infer_signature(outputs).inputs)
        with TemporaryDirectory() as name:
            network, plain = Path(name) / "network.keras", Path(name) / "encoding.json"
            model.save(network)
            plain.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
            code = [encoding_module.__file__]
            if own and (of_user := self.description.exercise.network) is not None:
                file = Path(name) / OWN_FILE
                file.write_text(of_user.read(), encoding="utf-8")
                code.append(str(file))
            return self._log(
                mlflow.pyfunc,
                python_model=str(SERVED),
                code_paths=code,
                artifacts={"network": str(network), "encoding": str(plain)},
                signature=signature,
                input_example=example,
                metadata=dict(metadata) | {"columns": dict(encoding_module.columns_of(encoding))},
                pip_requirements=[f"mlflow=={installed('mlflow')}", *self._needed(), f"pandas=={installed('pandas')}"],
            )

    def _needed(self) -> list[str]:
        """What loading the model takes, in the versions that are installed here."""
        backend = ("jax", "jaxlib") if self.description.backend == "jax" else ("tensorflow",)
        return [f"{package}=={installed(package)}" for package in ("keras", *backend, "numpy")]

    def _log(self, flavor: Any, **arguments: Any) -> Registered:
        import mlflow
        from mlflow.models import Model

        mlflow.set_tracking_uri(self.uri)
        with store_errors(self.uri, "Logging a model"), _quiet():
            # Not log_model of the flavour, which wants its run to be the active one of the process.
            logged = Model.log(None, flavor=flavor, name=MODEL_NAME, run_id=self.run_id, **arguments)
        return self._register(f"models:/{logged.model_id}")

    def load(self, registered: Registered) -> Any:
        """The model as anyone would load it, by its alias."""
        import mlflow

        with store_errors(self.uri, "Loading the model back"), _quiet():
            return mlflow.keras.load_model(registered.uri)

    def load_rows_model(self, registered: Registered) -> RowsModel:
        """The model of raw rows as anyone would load it, by its alias."""
        return load_rows_model(registered.uri, uri=self.uri)

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
        name = registered_name(description.exercise)
        tags = {
            names.TAG_EXERCISE: description.exercise.name,
            names.TAG_FINAL_SWEEP: description.sweep.run_id,
            names.TAG_CONFIGURATION: description.configuration.hash,
            names.TAG_DATA: description.data.sha256,
            names.TAG_TARGET: target_of(description.exercise.dataset),
            names.TAG_MONITOR: description.exercise.monitor,
            names.BEST_VALUE: repr(description.trial.value),
        }
        with store_errors(self.uri, "Registering a model"):
            with _quiet():
                made = str(mlflow.register_model(model_uri, name, tags=tags).version)
            champion = with_alias(client, name, CHAMPION)
            alias, reason = choose_alias(tags, champion.tags, champion.version) if champion else choose_alias(tags)
            previous = champion if alias == CHAMPION else with_alias(client, name, alias)
            client.set_registered_model_alias(name, alias, made)
        return Registered(name, made, alias, reason, previous=str(previous.version) if previous else "")


def load_rows_model(model_uri: str, *, uri: str) -> RowsModel:
    """A model of raw rows from the registry; ``TrackingError`` where it cannot be loaded or takes no raw rows."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    with store_errors(uri, f"Loading {model_uri}"), _quiet():
        made_by = mlflow.models.get_model_info(model_uri).flavors.get("python_function", {})
        if Path(made_by.get("model_code_path", "")).name != SERVED.name:
            raise TrackingError(
                f"The model {model_uri} does not take the rows of a file: it is none of a user's own data, or was made "
                "by an earlier version. Make it with 'mlflow run . -e final' on a sweep of your own data."
            )
        model: RowsModel = mlflow.pyfunc.load_model(model_uri, suppress_warnings=True).unwrap_python_model()
        return model


def _rows_schema(encoding: Mapping[str, Any], example: pd.DataFrame | NDArray[Any]) -> Any:
    """What MLflow checks of raw rows before the model sees them.

    Of columns their names alone, for what MLflow takes for another type is often none: it refuses whole numbers in a
    column of decimals, a category, a number in a column of texts, a date that is written as text, a boolean with gaps.
    The encoding takes them all, and says what is wrong with what it cannot take. So it does of a column that is
    missing; MLflow would print the whole table with its complaint.
    """
    from mlflow.types import Schema, TensorSpec

    if isinstance(example, pd.DataFrame):
        columns = [{"type": "any", "name": name, "required": False} for name, _ in encoding_module.columns_of(encoding)]
        return Schema.from_json(json.dumps(columns))
    return Schema([TensorSpec(example.dtype, (-1, *example.shape[1:]))])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what MLflow and Keras print in passing; errors are raised, not printed."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield
