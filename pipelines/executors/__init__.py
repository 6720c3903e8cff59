"""Where trials run: in this process, or in worker processes, several at a time."""

import os
from pathlib import Path

from pipelines.datasets.cache import default_cache_dir
from pipelines.datasets.places import Places
from pipelines.executors.base import ByNetwork, Executor, InProcess, Job, fit_labels, run_job
from pipelines.executors.devices import has_accelerator, shares

__all__ = ["ByNetwork", "Executor", "InProcess", "Job", "fit_labels", "make_executor", "run_job"]

#: Cores that count as devices at most; each has a copy of the data.
_CPU_DEVICES = 8


def make_executor(backend: str, places: Places | None = None, workers: int = 1) -> Executor:
    """The executor for ``jax``, ``tensorflow``, or ``auto``: JAX, but TensorFlow for convolutions on a CPU.

    Compiled programs are kept between sweeps beside the prepared data, where that folder can be written; without
    ``places`` none are kept. With several ``workers`` each trains in a process of its own.
    """
    folder = None if places is None else _writable(places.cache_dir or default_cache_dir())
    programs = None if folder is None else folder / "programs"
    if workers > 1:
        from pipelines.executors.pool import Pool

        mixes = backend == "auto" and not has_accelerator()

        def backend_of(job: Job) -> str:
            if mixes:
                return "tensorflow" if job.convolves() else "jax"
            return "jax" if backend == "auto" else backend

        return Pool(shares(workers), backend_of, programs)
    from pipelines.executors.worker import WorkerProcess

    if backend == "tensorflow":
        return WorkerProcess()
    import jax

    from pipelines.training.jax.engine import JaxEngine, configure

    configure(programs, cpu_devices=min(os.cpu_count() or 1, _CPU_DEVICES))
    in_process = InProcess(JaxEngine())
    # Asked last: with it JAX is started, and can be configured no more.
    if backend == "auto" and jax.default_backend() == "cpu":
        return ByNetwork(in_process, WorkerProcess())
    return in_process


def _writable(folder: Path) -> Path | None:
    """The folder, made where it is not there yet; None where nothing can be kept in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
