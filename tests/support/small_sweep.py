"""Sweeps that take no time, for tests: a table of sixty rows, a store that is there already, and made curves."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import io
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from numpy.typing import NDArray
from rich.console import Console

from pipelines.executors import Executor, Job
from pipelines.executors.base import Handle
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import Exercise
from pipelines.exercises.reader import load_exercise
from pipelines.exercises.settings import Value
from pipelines.exercises.spaces import Values
from pipelines.sweep import loop as sweep_module
from pipelines.sweep.description import SweepSettings
from pipelines.sweep.loop import SweepOutcome, run_sweep
from pipelines.tracking.trials import read_curves
from pipelines.training.plan import OnChunk, Progress, Training
from pipelines.tuners.base import Suggestion

ROWS = 60
EXERCISE = {
    "title": "A small table",
    "dataset": {"source": "file", "path": "table.csv", "target": "y"},
    "task": "binary",
    "folds": 3,
    "epochs": 40,
    "baseline": {
        "layers": "4",
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "batch_size": 20,
        "normalisation": "standardise",
    },
    "space": {"learning_rate": {"low": 0.001, "high": 1.0, "log": True}, "batch_size": [10, 20]},
    "design": "none",
    "documented": [{"name": "slow", "epochs": 40, "configuration": {"learning_rate": 0.03}}],
}


def write_exercise(folder: Path, **changes: Any) -> Path:
    """An exercise of one's own in this folder, beside its table; ``changes`` replace keys of ``EXERCISE``."""
    generator = np.random.default_rng(3)
    inputs = generator.normal(size=(ROWS, 2))
    labels = (inputs.sum(axis=1) + 0.5 * generator.normal(size=ROWS) > 0).astype(int)
    lines = [f"{a:.6f},{b:.6f},{label}" for (a, b), label in zip(inputs, labels, strict=True)]
    (folder / "table.csv").write_text("\n".join(["a,b,y", *lines, ""]))
    path = folder / "small.yaml"
    path.write_text(json.dumps(EXERCISE | changes))  # JSON is YAML
    return path


def small_exercise(folder: Path, **changes: Any) -> Exercise:
    return load_exercise(write_exercise(folder, **changes))


@dataclass
class MadeExecutor(Executor):
    """Gives curves of a known shape in place of a training.

    Every fit's validation curve is a parabola with its lowest value, ``floor(configuration)``, at epoch ``best``; the
    training curve falls all the time.

    Attributes
    ----------
    error
        What the training of a job raises, by its number from 1 and its configuration; None where it succeeds.
    noise
        Deviation of the fits from each other and from epoch to epoch.
    jobs
        What was trained.
    """

    floor: Callable[[Configuration], float] = lambda configuration: configuration.learning_rate
    best: int = 10
    noise: float = 0.0
    rise: float = 4.0
    error: Callable[[int, Configuration], BaseException | None] = lambda number, configuration: None
    jobs: list[Job] = field(default_factory=list)

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        self.jobs.append(job)
        steps = self.steps(Handle(job, on_chunk, chunk_epochs), len(self.jobs))
        while True:
            try:
                next(steps)
            except StopIteration as done:
                training: Training = done.value
                return training

    def steps(self, handle: Handle, number: int) -> Generator[None, None, Training]:
        """A training that can be left and taken up after every chunk of epochs."""
        job, on_chunk = handle.job, handle.on_chunk
        if error := self.error(number, job.configuration):
            raise error
        whole = self.curves(job)
        shown = {name: np.full_like(curve, np.nan) for name, curve in whole.items()}
        fits, chunk = len(job.splits), handle.chunk_epochs or job.epochs
        for end in range(chunk, job.epochs + chunk, chunk):
            for name, curve in whole.items():
                shown[name][:, :end] = curve[:, :end]
            if on_chunk and on_chunk(Progress(min(end, job.epochs), 0, fits, shown)):
                break
            yield
        return Training(shown, None, 0.1, 0.05, fits, 17)

    def curves(self, job: Job) -> dict[str, NDArray[np.float32]]:
        fits, generator = len(job.splits), np.random.default_rng(job.seed)
        epoch = np.arange(1, job.epochs + 1)
        valley = self.floor(job.configuration) + self.rise * ((epoch - self.best) / job.epochs) ** 2
        validation = valley + self.noise * generator.standard_normal((fits, job.epochs))
        training = np.tile(1.0 / epoch, (fits, 1))
        curves = {"loss": training, "val_loss": validation, "accuracy": 1 - training, "val_accuracy": 1 - validation}
        return {name: curve.astype(np.float32) for name, curve in curves.items()}

    @property
    def hashes(self) -> list[str]:
        return [job.configuration.hash for job in self.jobs]


@dataclass
class ScriptedTuner:
    """Names given learning rates, and keeps what it is told."""

    rates: Sequence[float]
    epochs: int | None = None
    told: list[tuple[float, float | None]] = field(default_factory=list)
    added: list[tuple[Value, float | None]] = field(default_factory=list)
    name: str = "scripted"
    asked: int = 0

    def ask(self) -> Suggestion | None:
        if self.asked == len(self.rates):
            return None
        self.asked += 1
        rate = self.rates[self.asked - 1]
        return Suggestion(self.asked, {"learning_rate": rate, "batch_size": 20}, self.epochs)

    def tell(self, suggestion: Suggestion, value: float | None) -> None:
        self.told.append((float(suggestion.values["learning_rate"]), value))

    def add(self, values: Values, value: float | None) -> None:
        self.added.append((values["learning_rate"], value))


def sweep(executor: Any, exercise: Exercise, **settings: Any) -> tuple[SweepOutcome, str]:
    """Run a sweep on this executor; returns its outcome, and what it printed into a log file."""
    printed = io.StringIO()
    made = sweep_module.make_executor
    sweep_module.make_executor = lambda backend, places=None, workers=1: executor
    try:
        console = Console(file=printed, width=140, highlight=False)
        outcome = run_sweep(SweepSettings(exercise, **settings), console)
    finally:
        sweep_module.make_executor = made
    return outcome, printed.getvalue()


def runs(kind: str = "trial") -> list[Run]:
    """Runs of a kind in the experiment in use, oldest first."""
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    found = client.search_runs([experiment.experiment_id], f"tags.`atlas.kind` = '{kind}'") if experiment else []
    return sorted(found, key=lambda run: run.info.start_time)


def statuses(kind: str = "trial") -> list[str]:
    return [run.info.status for run in runs(kind)]


def curves_file(run: Run) -> Path:
    """Where the store has the curves of a trial."""
    return Path(run.info.artifact_uri.removeprefix("file://")) / "curves.parquet"


def curves_of(run: Run) -> dict[str, NDArray[np.float32]]:
    return read_curves(curves_file(run))


def hashes_of(found: Sequence[Run]) -> list[str]:
    return [run.data.tags["atlas.configuration"] for run in found]


def use_store(uri: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in this folder, with an experiment of its own and an empty cache, undisturbed by the environment.

    Not with a store of its own, for MLflow takes a while to open one: a module shares one of ``empty_store``.
    """
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", str(folder))
    monkeypatch.setenv("OVERFIT_ATLAS_CACHE", str(folder / "cache"))
    monkeypatch.chdir(folder)
