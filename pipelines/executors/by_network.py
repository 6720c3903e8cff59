"""Each trial with the engine that trains its network faster on this machine: ``backend=auto``."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pipelines.executors.base import Executor, Job
from pipelines.exercises.configurations import Configuration
from pipelines.training.plan import OnChunk, Training


def is_convolutional(configuration: Configuration) -> bool:
    """Whether images go through convolutions in every epoch; those of a frozen backbone are computed once.

    >>> is_convolutional(Configuration(convolutions="16x3")), is_convolutional(Configuration())
    (True, False)
    """
    return configuration.convolutions != "none" or (configuration.backbone != "none" and configuration.fine_tune)


@dataclass(frozen=True)
class ByNetwork:
    """Two executors: one for networks that convolve images, one for all others.

    On a CPU TensorFlow, with oneDNN, is twice as fast at convolutions as XLA, which wins everywhere else. Both engines
    hold to one contract, so that their curves may stand in one sweep.
    """

    others: Executor
    convolutional: Executor

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        """Train a job; see ``Executor.train``."""
        executor = self.convolutional if is_convolutional(job.configuration) else self.others
        return executor.train(job, on_chunk=on_chunk, chunk_epochs=chunk_epochs)

    def __enter__(self) -> Self:
        self.others.__enter__()
        self.convolutional.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.convolutional.__exit__(kind, error, traceback)
        finally:
            self.others.__exit__(kind, error, traceback)
