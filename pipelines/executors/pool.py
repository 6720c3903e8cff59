"""Several trials at a time on one machine: worker processes, each with an engine and compiled programs of its own.

Data reach them as memory maps, which all of them share. Each worker has cores of its own: threads that outnumber the
cores cost more than they do. A worker that the system kills costs its trial another try, not the sweep.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for_any
from pathlib import Path
from typing import Unpack

from pipelines.executors.base import Calls, Ended, Executor, Handle, Job, WorkerLostError
from pipelines.executors.devices import Share
from pipelines.executors.worker import TRIALS_A_WORKER, Worker
from pipelines.training.plan import Progress, Training

#: How often a trial is tried that loses its worker.
_TRIES = 2


@dataclass(eq=False)
class _Slot:
    """A place for one trial at a time, with a process for each backend that its trials need."""

    share: Share
    processes: dict[str, Worker] = field(default_factory=dict)
    #: What is in work, and in which of the processes; None where nothing is.
    handle: Handle | None = None
    worker: Worker | None = None

    def end(self, worker: Worker) -> None:
        """End a process, which is of no further use."""
        worker.kill()
        self.processes = {backend: each for backend, each in self.processes.items() if each is not worker}


class Pool(Executor):
    """Trains as many jobs at a time as it has shares of the machine, each in a process of its own.

    Parameters
    ----------
    shares
        One a worker: its cores or its GPU, and its part of the memory.
    backend_of
        Which backend trains a job, ``jax`` or ``tensorflow``.
    programs
        Folder of compiled programs; None to keep none.
    """

    def __init__(self, shares: Sequence[Share], backend_of: Callable[[Job], str], programs: Path | None = None) -> None:
        self.slots = len(shares)
        self._slots = [_Slot(share) for share in shares]
        self._backend_of, self._programs = backend_of, programs
        self._waiting: deque[Handle] = deque()
        self._ended: list[Ended] = []
        self._tries: dict[Handle, int] = {}

    def submit(self, job: Job, **calls: Unpack[Calls]) -> Handle:
        """Put a job in line, and start it at once where a worker is free; see ``Executor.submit``."""
        handle = super().submit(job, **calls)
        self._waiting.append(handle)
        self._assign()
        return handle

    def wait(self, handles: Collection[Handle]) -> Sequence[Ended]:
        """Wait until at least one of these jobs has ended; see ``Executor.wait``."""
        while not (found := [ended for ended in self._ended if ended.handle in handles]):
            self._assign()
            busy = {slot.worker.pipe: slot for slot in self._slots if slot.worker is not None}
            for pipe in wait_for_any(list(busy)):
                self._hear(busy[pipe])  # type: ignore[index]
        self._ended = [ended for ended in self._ended if ended not in found]
        self._assign()
        return found

    @property
    def processes(self) -> list[int]:
        """Process ids of the workers that are there."""
        return [worker.process.pid or 0 for slot in self._slots for worker in slot.processes.values()]

    def process_of(self, handle: Handle) -> int | None:
        """Process id of the worker that trains a job; None where none does."""
        found = [slot.worker for slot in self._slots if slot.handle is handle]
        return found[0].process.pid if found and found[0] is not None else None

    def __exit__(self, *error: object) -> None:
        for slot in self._slots:
            for worker in list(slot.processes.values()):
                slot.end(worker)

    def _assign(self) -> None:
        """Give every free worker the job that has waited longest."""
        for slot in self._slots:
            if not self._waiting:
                return
            if slot.handle is None:
                self._start(slot, self._waiting.popleft())

    def _start(self, slot: _Slot, handle: Handle) -> None:
        backend = self._backend_of(handle.job)
        worker = slot.processes.get(backend)
        if worker is not None and worker.trials >= TRIALS_A_WORKER.get(backend, worker.trials + 1):
            slot.end(worker)
            worker = None
        if worker is None:
            worker = slot.processes[backend] = Worker(backend, slot.share, self._programs)
        slot.handle, slot.worker = handle, worker
        if handle.on_start is not None:
            handle.on_start()
        try:
            worker.begin(handle)
        except (EOFError, ConnectionError) as error:
            self._lose(slot, error)

    def _hear(self, slot: _Slot) -> None:
        """Take what a worker has to say."""
        worker, handle = slot.worker, slot.handle
        assert worker is not None
        assert handle is not None
        try:
            message = worker.receive()
            if isinstance(message, Progress):
                worker.answer(handle.on_chunk is not None and handle.on_chunk(message))
                return
        except (EOFError, ConnectionError) as error:
            self._lose(slot, error)
            return
        except Exception as error:
            # Of the engine, or of ``on_chunk``; after the latter the worker is still in the midst of the trial.
            if not worker.is_waiting:
                slot.end(worker)
            self._finish(slot, Ended(handle, error=error))
            return
        assert isinstance(message, Training)
        self._finish(slot, Ended(handle, message))

    def _lose(self, slot: _Slot, error: Exception) -> None:
        """A worker is no more: its job goes to the front of the line, once."""
        worker, handle = slot.worker, slot.handle
        assert worker is not None
        assert handle is not None
        reason = worker.last_words()
        slot.end(worker)
        tries = self._tries[handle] = self._tries.get(handle, 0) + 1
        if tries < _TRIES:
            slot.handle = slot.worker = None
            self._waiting.appendleft(handle)
            return
        lost = WorkerLostError(f"{reason} It was tried {tries} times.")
        lost.__cause__ = error
        self._finish(slot, Ended(handle, error=lost))

    def _finish(self, slot: _Slot, ended: Ended) -> None:
        slot.handle = slot.worker = None
        self._tries.pop(ended.handle, None)
        self._ended.append(ended)
