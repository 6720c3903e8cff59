"""Trials in this process, or each with the engine that trains its network faster on this machine."""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pipelines.executors.base import Ended, Executor, Handle, Job, OneSlot
from pipelines.exercises.configurations import Configuration
from pipelines.training.plan import Engine, OnChunk, Training


@dataclass(frozen=True)
class InProcess(OneSlot):
    """Runs an engine where the sweep runs: what JAX wants, whose compiled programs serve one trial after another."""

    engine: Engine

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        """Train a job to its end; see ``Engine.train``."""
        return self.engine.train(
            job.plan(), on_chunk=on_chunk, chunk_epochs=chunk_epochs, keep_weights=job.keep_weights
        )


def is_convolutional(configuration: Configuration) -> bool:
    """Whether images go through convolutions in every epoch; those of a frozen backbone are computed once.

    >>> is_convolutional(Configuration(convolutions="16x3")), is_convolutional(Configuration())
    (True, False)
    """
    return configuration.convolutions != "none" or (configuration.backbone != "none" and configuration.fine_tune)


@dataclass(frozen=True)
class ByNetwork:
    """Two executors that take turns: one for networks that convolve images, one for all others (``backend=auto``).

    On a CPU TensorFlow, with oneDNN, is twice as fast at convolutions as XLA, which wins everywhere else. Both engines
    hold to one contract, so that their curves may stand in one sweep.
    """

    others: Executor
    convolutional: Executor
    slots: int = field(default=1, init=False)
    _open: ExitStack = field(default_factory=ExitStack, init=False, repr=False, compare=False)

    def submit(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Handle:
        """See ``Executor.submit``."""
        return self._for(job).submit(job, on_chunk=on_chunk, chunk_epochs=chunk_epochs)

    def wait(self, handles: Collection[Handle]) -> Sequence[Ended]:
        """See ``Executor.wait``: both share the machine, so the one that has the first of the jobs goes on."""
        first = self._for(next(iter(handles)).job)
        return first.wait([handle for handle in handles if self._for(handle.job) is first])

    def _for(self, job: Job) -> Executor:
        return self.convolutional if is_convolutional(job.configuration) else self.others

    def __enter__(self) -> Self:
        self._open.enter_context(self.others)
        self._open.enter_context(self.convolutional)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, traceback)
