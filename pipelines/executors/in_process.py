"""Trials in this process: what the JAX engine wants, whose compiled programs serve one trial after another."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pipelines.executors.base import Job
from pipelines.training.plan import Engine, OnChunk, Training
from pipelines.training.planning import make_plan


@dataclass(frozen=True)
class InProcess:
    """Runs an engine where the sweep runs."""

    engine: Engine

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        """Train a job; see ``Executor.train``."""
        plan = make_plan(
            job.configuration, job.dataset, job.splits, seed=job.seed, epochs=job.epochs, weights=job.weights
        )
        return self.engine.train(plan, on_chunk=on_chunk, chunk_epochs=chunk_epochs, keep_weights=job.keep_weights)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None
