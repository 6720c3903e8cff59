"""The contract between the sweep and where its trials run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pipelines.datasets.base import Dataset
from pipelines.datasets.folds import Split
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.training.plan import OnChunk, Training


class WorkerLostError(UserError):
    """The process that trained a trial ended before the trial did, as when the system is out of memory."""


@dataclass(frozen=True, eq=False)
class Job:
    """One trial to train; everything in it can travel to another process.

    Attributes
    ----------
    configuration, dataset, splits, seed, epochs, weights
        The arguments of ``pipelines.training.planning.make_plan``.
    keep_weights
        Whether the training returns the weights of every fit after its last epoch.
    """

    configuration: Configuration
    dataset: Dataset
    splits: Sequence[Split]
    seed: int
    epochs: int
    weights: Path | None = None
    keep_weights: bool = False


class Executor(Protocol):
    """Trains jobs, one at a time; a context manager that lets go of its resources."""

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        """Train a job to its end; see ``pipelines.training.plan.Engine.train``.

        Raises
        ------
        OutOfMemoryError
            Where one fit alone exceeds the memory.
        WorkerLostError
            Where the process that trained it was killed; the next job gets a new one.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
