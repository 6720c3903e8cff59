"""What this machine has, seen without starting a framework, and how it is shared out among workers."""

import os
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from pipelines.training.memory import free_bytes

#: Free memory that a worker needs beside its data: imports, programs, and a network of some size.
_WORKER_BYTES = 1 << 30
#: Cores that count as devices of one process at most; each has a copy of the data.
_MOST_DEVICES = 8
_GPUS = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Share:
    """A worker's part of the machine: cores by number, a GPU or None, and part of the free memory, above 0 to 1."""

    cores: tuple[int, ...]
    gpu: int | None = None
    memory: float = 1.0

    def take(self) -> None:
        """Keep this process to its share; to be called before a framework is loaded."""
        if self.gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = str(self.gpu)
        elif hasattr(os, "sched_setaffinity"):
            # Frameworks make as many threads as there are cores for them.
            os.sched_setaffinity(0, self.cores)

    @property
    def devices(self) -> int:
        """Cores that JAX is to count as devices."""
        return min(len(self.cores), _MOST_DEVICES)


def cores() -> tuple[int, ...]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def gpus() -> tuple[int, ...]:
    """Numbers of the NVIDIA GPUs that JAX could use; none where its plugin for them is not installed."""
    if not any("cuda" in (each.name or "") for each in distributions() if (each.name or "").startswith("jax")):
        return ()
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return tuple(int(number) for number in visible.split(",") if number.strip().isdecimal())
    return tuple(range(len(list(_GPUS.iterdir())))) if _GPUS.is_dir() else ()


def has_accelerator() -> bool:
    """Whether trials run on a GPU or a TPU."""
    return bool(gpus()) or any((each.name or "") == "libtpu" for each in distributions())


def affordable_workers(data_bytes: int, most: int) -> int:
    """Workers that the free memory takes, each with a copy of the data for its device; at least one."""
    return max(1, min(most, int(0.8 * free_bytes() // (_WORKER_BYTES + 2 * data_bytes))))


def shares(workers: int) -> tuple[Share, ...]:
    """The machine cut into so many parts: a GPU each where there are several, else cores."""
    found, own = gpus(), cores()
    if len(found) > 1:
        return tuple(Share(own, gpu=found[number % len(found)], memory=1 / workers) for number in range(workers))
    # With more workers than cores some share one.
    return tuple(
        Share(own[number::workers] or (own[number % len(own)],), memory=1 / workers) for number in range(workers)
    )
