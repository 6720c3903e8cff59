"""Where trials run: in this process (JAX), or in a worker process that is replaced now and then (TensorFlow)."""

import os
from pathlib import Path

from pipelines.datasets.cache import default_cache_dir
from pipelines.executors.base import Executor, Job
from pipelines.executors.by_network import ByNetwork
from pipelines.executors.in_process import InProcess

__all__ = ["ByNetwork", "Executor", "InProcess", "Job", "make_executor", "program_cache"]

#: Cores that count as devices at most; each has a copy of the data.
_CPU_DEVICES = 8


def make_executor(backend: str, *, cache_dir: Path | None = None) -> Executor:
    """The executor for a backend.

    Parameters
    ----------
    backend
        ``jax``, ``tensorflow``, or ``auto``: JAX, but TensorFlow for networks that convolve images where there is no
        accelerator.
    cache_dir
        Where compiled programs are kept between sweeps; None to keep none.
    """
    from pipelines.executors.worker import WorkerProcess

    if backend == "tensorflow":
        return WorkerProcess()
    import jax

    from pipelines.training.jax.engine import JaxEngine, configure

    configure(None if cache_dir is None else cache_dir / "programs", cpu_devices=min(os.cpu_count() or 1, _CPU_DEVICES))
    in_process = InProcess(JaxEngine())
    # Asked last: with it JAX is started, and can be configured no more.
    if backend == "auto" and jax.default_backend() == "cpu":
        return ByNetwork(in_process, WorkerProcess())
    return in_process


def program_cache(cache_dir: Path | None) -> Path | None:
    """Where compiled programs are kept for the next sweep; None where nothing can be: they are then compiled again.

    Parameters
    ----------
    cache_dir
        Where prepared data are kept; None for the default.
    """
    folder = cache_dir or default_cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
