"""The doors: one module an entry point, what all of them share, and the only importer of ``reports``.

A module of an entry point has its ``PARAMETERS`` and a function that reads them, does the work of other rooms, and
prints what came of it. Nothing heavy is imported before the parameters are known: the backend must be chosen before
Keras is loaded, and a mistake in a parameter should be answered at once.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipelines.commands.launch import MADE
from pipelines.commands.parameters import Parameters
from pipelines.errors import UserError

BACKENDS = ("auto", "jax", "tensorflow")
#: NumPy's older generators, which the tuners use, take 32 bits.
MAX_SEED = 2**31 - 1
#: Parameters of which ``pipelines.datasets.Places`` is made.
PLACES = ("data_dir", "cache_dir", "weights")


def read_places(parameters: Parameters) -> tuple[Path | None, Path | None, Path | None]:
    """The first fields of ``Places``, which are whole only when ``parameters`` have been checked."""
    data_dir = parameters.folder("data_dir", must_exist=True)
    return data_dir, parameters.folder("cache_dir", must_exist=False), parameters.weights()


def read_backend(parameters: Parameters) -> str:
    """The backend that is asked for, which is prepared."""
    backend = parameters.choice("backend", BACKENDS, BACKENDS[0])
    prepare_backend(backend)
    return backend


def prepare_backend(backend: str) -> None:
    """Choose Keras' backend, and quiet what its libraries print at their start.

    A ``UserError`` is raised where Keras is imported already, and on another: it can be chosen once a process.
    """
    wanted = "jax" if backend == "auto" else backend
    keras = sys.modules.get("keras")
    if keras is not None and (running := keras.config.backend()) != wanted:
        raise UserError(
            f"Keras was imported before, on {running}, and this needs {wanted}. Start the notebook's kernel or the "
            f"program anew and call this first, or set backend to {running}."
        )
    os.environ["KERAS_BACKEND"] = wanted
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def print_lines(console: Console, lines: Sequence[str]) -> None:
    """What there is to say in the end, below an empty line; a path may be wider than the terminal."""
    console.print("\n".join(["", *lines]), markup=False, soft_wrap=True)


def short_id(run_id: str) -> str:
    """The beginning of a run's id, as the folder of a report has it; the commands take it for the whole."""
    return run_id[:8]


def ui_lines(uri: str, link: str) -> list[str]:
    """How to see a run in the MLflow UI."""
    from pipelines.tracking.store import ui_command

    command = "make ui" if os.environ.get(MADE) and not uri.startswith("http") else ui_command(uri)
    return [f"MLflow UI   {command}", f"then open   {link}"] if command else [f"MLflow UI   {link}"]
