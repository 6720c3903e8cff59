"""The contract between those who want trials trained and where they are trained: submit a job, wait for what ends.

Behind it, those that train in this process, or leave each network to the engine that trains it faster.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypedDict, Unpack

from pipelines.datasets.base import Dataset
from pipelines.datasets.folds import Split
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.own_network import OwnNetwork
from pipelines.networks.layers import has_native_convolutions
from pipelines.networks.own import Shapes, errors_of, own_builder
from pipelines.tracking.trials import FitLabel
from pipelines.training.plan import Engine, FitPlan, OnChunk, Training
from pipelines.training.planning import fit_seed, make_plan


class WorkerLostError(UserError):
    """The process that trained a trial ended before the trial did, as when the system is out of memory."""


@dataclass(frozen=True, eq=False)
class Job:
    """One trial to train: the arguments of ``make_plan``, all of which can travel to another process."""

    configuration: Configuration
    dataset: Dataset
    splits: Sequence[Split]
    seed: int
    epochs: int
    weights: Path | None = None
    #: The user's own function that builds the network.
    network: OwnNetwork | None = None
    #: Whether the training returns the weights of every fit after its last epoch.
    keep_weights: bool = False

    def plan(self) -> FitPlan:
        """What an engine is to carry out."""
        return make_plan(
            self.configuration,
            self.dataset,
            self.splits,
            seed=self.seed,
            epochs=self.epochs,
            weights=self.weights,
            network=self.network,
        )

    def convolves(self) -> bool:
        """Whether images go through convolutions in every epoch; a user's own network is built to see."""
        if self.network is None:
            return is_convolutional(self.configuration)
        shapes = Shapes(self.dataset.input_shape, self.dataset.outputs, self.dataset.task)
        return has_native_convolutions(own_builder(self.network, self.configuration, shapes)())

    def train_by(self, engine: Engine, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        """Train it; what a user's own network does wrong meanwhile is a ``UserError``."""
        plan = self.plan()
        with errors_of(self.network, "training the network", always=False):
            return engine.train(plan, on_chunk=on_chunk, chunk_epochs=chunk_epochs, keep_weights=self.keep_weights)


def fit_labels(splits: Sequence[Split], seed: int) -> tuple[FitLabel, ...]:
    """What the fits of a job are called in the store: repeat, fold, and the seed of each."""
    return tuple(FitLabel(split.repeat, split.fold, fit_seed(seed, split.repeat, split.fold)) for split in splits)


class Calls(TypedDict, total=False):
    """What the executor of a job calls, and how often.

    Attributes
    ----------
    on_chunk
        The job's own: called after every chunk of its epochs, always during a ``wait`` and in the thread that waits, so
        that those of several jobs never run at the same time; a job goes on when it has its answer.
    chunk_epochs
        Epochs between two calls; None lets the engine choose.
    on_start
        Called when its training starts, again where it starts anew; during ``submit`` or a ``wait``.
    """

    on_chunk: OnChunk | None
    chunk_epochs: int | None
    on_start: Callable[[], None] | None


@dataclass(frozen=True, eq=False)
class Handle:
    """A job in flight, as ``Executor.submit`` returns it; equal to itself alone."""

    job: Job
    on_chunk: OnChunk | None = None
    chunk_epochs: int | None = None
    on_start: Callable[[], None] | None = None


@dataclass(frozen=True, eq=False)
class Ended:
    """What became of a job: its training, or the error that kept it from one."""

    handle: Handle
    #: None where there is an error.
    training: Training | None = None
    #: ``OutOfMemoryError`` where one fit alone exceeds the memory, ``WorkerLostError`` where the process that trained
    #: it was killed (others in flight are not touched), else whatever the engine, or ``on_chunk``, has raised.
    error: Exception | None = None


class Executor:
    """Trains jobs, as many at a time as it has slots; a context manager that lets go of its resources.

    As it stands it has one slot, and trains jobs by its ``train`` in the order in which they are waited for.
    """

    #: Jobs that it trains at a time. Further ones wait in line.
    slots = 1

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        """Train a job to its end; see ``Engine.train``."""
        raise NotImplementedError

    def submit(self, job: Job, **calls: Unpack[Calls]) -> Handle:
        """Hand a job over, to be trained as ``pipelines.training.plan.Engine.train`` does; returns at once."""
        return Handle(job, **calls)

    def wait(self, handles: Collection[Handle]) -> Sequence[Ended]:
        """Wait until at least one of these jobs has ended; each is to be waited for until it is among what ended.

        Errors of a job are part of the answer. What is raised, as by Ctrl-C, ends the wait and with it every job.
        """
        handle = next(iter(handles))
        if handle.on_start is not None:
            handle.on_start()
        try:
            training = self.train(handle.job, on_chunk=handle.on_chunk, chunk_epochs=handle.chunk_epochs)
        except Exception as error:
            return (Ended(handle, error=error),)
        return (Ended(handle, training),)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None


def run_job(
    executor: Executor, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None
) -> Training:
    """Submit a single job and wait for it; what kept it from its end, see ``Ended.error``, is raised."""
    (ended,) = executor.wait([executor.submit(job, on_chunk=on_chunk, chunk_epochs=chunk_epochs)])
    try:
        if ended.error is not None:
            raise ended.error
        assert ended.training is not None
        return ended.training
    finally:
        del ended  # with the error it would keep its own frame, and all that the engine had in hand


@dataclass(frozen=True)
class InProcess(Executor):
    """Runs an engine where the sweep runs: what JAX wants, whose compiled programs serve one trial after another."""

    engine: Engine

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        """Train a job to its end; see ``Engine.train``."""
        return job.train_by(self.engine, on_chunk=on_chunk, chunk_epochs=chunk_epochs)


def is_convolutional(configuration: Configuration) -> bool:
    """Whether images go through convolutions in every epoch; those of a frozen backbone are computed once.

    >>> is_convolutional(Configuration(convolutions="16x3")), is_convolutional(Configuration())
    (True, False)
    """
    return configuration.convolutions != "none" or (configuration.backbone != "none" and configuration.fine_tune)


@dataclass(frozen=True)
class ByNetwork(Executor):
    """Two executors that take turns: one for networks that convolve images, one for all others (``backend=auto``).

    On a CPU TensorFlow, with oneDNN, is twice as fast at convolutions as XLA, which wins everywhere else. Both engines
    hold to one contract, so that their curves may stand in one sweep.
    """

    others: Executor
    convolutional: Executor
    _open: ExitStack = field(default_factory=ExitStack, init=False, repr=False, compare=False)

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        """Train a job to its end."""
        executor = self.convolutional if job.convolves() else self.others
        return run_job(executor, job, on_chunk=on_chunk, chunk_epochs=chunk_epochs)

    def __enter__(self) -> Self:
        self._open.enter_context(self.others)
        self._open.enter_context(self.convolutional)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()
