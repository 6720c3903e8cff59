"""Trials in a process of their own, replaced now and then: TensorFlow never forgets a compiled program.

A data set travels to it once: files by their path, other arrays by value, the test split not at all. The process is
also the one that the system kills when memory runs out; then the trial has failed, and the sweep goes on with a new
process. Sweep and worker talk over a pipe. After every chunk of epochs the worker waits for the answer whether to stop,
so a trial ends at the very epoch at which it would have ended in this process.
"""

import os
import pickle
import signal
import traceback
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.compat import nothing_on_stderr
from pipelines.datasets.base import Dataset
from pipelines.errors import UserError
from pipelines.executors.base import Executor, Handle, Job, WorkerLostError
from pipelines.executors.devices import Share
from pipelines.training.plan import Engine, OnChunk, Progress, Training

#: Trials after which a worker of a backend is replaced. A trial costs a TensorFlow process 15 to 20 MB for good, and a
#: new process some six seconds.
TRIALS_A_WORKER = {"tensorflow": 40}


@dataclass
class WorkerProcess(Executor):
    """Trains jobs in another process, which is started by the first job and again whenever it is needed."""

    #: Engine of the worker, ``tensorflow`` or ``jax``.
    backend: str = "tensorflow"
    #: Trials after which a worker is replaced.
    trials_a_worker: int = TRIALS_A_WORKER["tensorflow"]
    _worker: "Worker | None" = field(default=None, init=False, repr=False)

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        """Train a job in the worker; what the engine or ``on_chunk`` raises, and ``WorkerLostError``, is raised."""
        if self._worker is not None and self._worker.trials >= self.trials_a_worker:
            self._end_worker()
        if self._worker is None:
            self._worker = Worker(self.backend)
        try:
            return _train(self._worker, Handle(job, on_chunk, chunk_epochs))
        except BaseException:
            # Whatever happened, a worker that is not back to waiting for a job is of no further use.
            if not self._worker.is_waiting:
                self._end_worker()
            raise

    @property
    def process_id(self) -> int | None:
        """Process id of the worker; None where none is running."""
        return self._worker.process.pid if self._worker is not None else None

    def __exit__(self, *error: object) -> None:
        self._end_worker()

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker = None


def _train(worker: "Worker", handle: Handle) -> Training:
    try:
        worker.begin(handle)
        while isinstance(message := worker.receive(), Progress):
            worker.answer(handle.on_chunk is not None and handle.on_chunk(message))
    except (EOFError, ConnectionError) as error:
        raise WorkerLostError(worker.last_words()) from error
    return message


class Worker:
    """The parent's end of one worker process: begin a job, then receive until it is a training.

    ``share`` is the process's part of the machine, None for all of it; ``programs`` the folder of compiled programs.
    """

    def __init__(self, backend: str, share: Share | None = None, programs: Path | None = None) -> None:
        # Not forked: a forked child would inherit the threads' locks of this process, but not the threads.
        context = get_context("spawn")
        self.pipe, childs_end = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(childs_end, backend, share, programs), name="trials", daemon=True
        )
        self.process.start()
        childs_end.close()  # else the end of the process would not end the pipe
        self.trials = 0
        self.is_waiting = True
        self._sent: Dataset | None = None

    def begin(self, handle: Handle) -> None:
        """Send a job; raises ``EOFError`` or ``ConnectionError``, as ``receive`` does, where the process is no more."""
        job = handle.job
        self.trials += 1
        self.is_waiting = False
        # The data set travels once; the jobs of a sweep have the same one.
        if job.dataset is not self._sent:
            self.pipe.send(PackedDataset.of(job.dataset))
            self._sent = job.dataset
        self.pipe.send((replace(job, dataset=None), handle.on_chunk is not None, handle.chunk_epochs))  # type: ignore[arg-type]

    def receive(self) -> Progress | Training:
        """What the worker says next; after a ``Progress`` it waits for an ``answer``. An engine's error is raised."""
        message = self.pipe.recv()
        self.is_waiting = not isinstance(message, Progress)
        if isinstance(message, _Failure):
            raise message.error from _RemoteError(message.traceback)
        assert isinstance(message, Progress | Training)
        return message

    def answer(self, stops: bool) -> None:
        """Whether the training is to stop at this epoch."""
        self.pipe.send(stops)

    def last_words(self) -> str:
        """Why the process is no more."""
        self.process.join()
        code = self.process.exitcode or 0
        if code == -signal.SIGKILL:
            return (
                "The process that trained this trial was killed (SIGKILL), as the system does when memory runs out; "
                "fewer units or a smaller batch need less."
            )
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"The process that trained this trial {how} before the trial was done."

    def kill(self) -> None:
        """End the process. A worker has nothing to save, and TensorFlow takes seconds to end in good order."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


@dataclass(frozen=True)
class _Failure:
    error: Exception
    traceback: str


class _RemoteError(Exception):
    """The traceback of an error in the worker, for the cause of the error that is raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _serve(pipe: Connection, backend: str, share: Share | None, programs: Path | None) -> None:
    """What the worker does: take a job, train it, send the result, until it is killed or the sweep is no more."""
    # Ctrl-C reaches every process of the terminal; whether and how to end is the sweep's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if share is not None:
        share.take()
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    engine: Engine | None = None
    dataset: Dataset | None = None

    def report(progress: Progress) -> bool:
        pipe.send(progress)
        return bool(pipe.recv())

    try:
        while True:
            message = pipe.recv()
            if isinstance(message, PackedDataset):
                dataset = message.unpack()
                continue
            job, reports, chunk_epochs = message
            on_chunk = report if reports else None
            try:
                engine = engine or _make_engine(backend, share, programs)
                whole = replace(job, dataset=dataset)
                result: Any = whole.train_by(engine, on_chunk=on_chunk, chunk_epochs=chunk_epochs)
            except (EOFError, ConnectionError):
                raise
            except Exception as error:
                result = _Failure(_portable(error), traceback.format_exc())
            pipe.send(result)
    except (EOFError, ConnectionError):
        return


def _make_engine(backend: str, share: Share | None, programs: Path | None) -> Engine:
    if backend == "jax":
        from pipelines.training.jax.engine import JaxEngine, configure

        configure(programs, cpu_devices=None if share is None else share.devices)
        return JaxEngine(memory_share=1.0 if share is None else share.memory)
    with nothing_on_stderr():
        from pipelines.training.tensorflow.engine import TensorFlowEngine

    return TensorFlowEngine()


def _portable(error: Exception) -> Exception:
    """The error, or where it cannot travel one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        known = isinstance(error, UserError)
        return UserError(str(error)) if known else RuntimeError(f"{type(error).__name__}: {error}")
    return error


@dataclass(frozen=True)
class MappedArray:
    """Where the values of an array lie in a file."""

    #: The file, and the byte in it where the values begin.
    path: Path
    offset: int
    #: Of the array, which is in C order.
    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, array: NDArray[Any]) -> "MappedArray | None":
        """The place in its file of a memory map, or of a contiguous part of one; None for any other array."""
        if not isinstance(array, np.memmap) or array.filename is None or not array.flags.c_contiguous or not array.size:
            return None
        # A part of a map keeps the offset of the whole; where it really begins, the addresses tell.
        whole = array
        while isinstance(whole.base, np.memmap):
            whole = whole.base
        distance = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        return cls(Path(array.filename), whole.offset + distance, array.dtype.str, array.shape)

    def open(self) -> NDArray[Any]:
        """The array, read-only, mapped again."""
        return np.memmap(self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=self.shape)


@dataclass(frozen=True, eq=False)
class PackedDataset:
    """A data set without its test split, and with inputs that are a memory map replaced by their place in the file."""

    dataset: Dataset
    inputs: MappedArray | None

    @classmethod
    def of(cls, dataset: Dataset) -> "PackedDataset":
        """Take out what need not travel; the test split is touched by the final model only."""
        inputs = MappedArray.of(dataset.inputs)
        return cls(
            replace(
                dataset,
                inputs=dataset.inputs if inputs is None else np.empty(0),
                test_inputs=np.empty((0, *dataset.input_shape), dataset.inputs.dtype),
                test_targets=np.empty(0, dataset.targets.dtype),
            ),
            inputs,
        )

    def unpack(self) -> Dataset:
        """The data set as it was, but for the test split."""
        return self.dataset if self.inputs is None else replace(self.dataset, inputs=self.inputs.open())
