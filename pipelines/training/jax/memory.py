"""How much fits a device's memory; a CPU does not refuse an allocation, its process is killed."""

from typing import Any

import jax
import numpy as np

from pipelines.networks.layers import activation_sizes
from pipelines.training import memory
from pipelines.training.plan import FitPlan

#: Share of the free memory that a training may take.
_SHARE = 0.7
#: Validation rows are cast to float32 this many bytes at a time.
_EVALUATION_BYTES = 32 * 2**20


def evaluation_chunk(plan: FitPlan, model: Any) -> int:
    """Validation rows to evaluate at a time, at least one batch; their largest array counts, input or activation."""
    sample = 4 * max(int(np.prod(plan.inputs.shape[1:])), *activation_sizes(model), 1)
    return max(plan.batch_size, _EVALUATION_BYTES // sample, 1)


def affordable_fits(plan: FitPlan, model: Any, optimizer: Any, *, side_by_side: bool, share: float = 1.0) -> int:
    """Fits that may be trained together; 0 where this share of the free memory is less than a single one needs.

    Each needs its weights and optimizer state, old and new for a moment, its gradients, and its batch with the
    activations; fits that take turns share all but the state.
    """
    state = 4 * sum(int(np.prod(v.shape)) for v in [*model.variables, *optimizer.variables])
    gradients = 4 * sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    a_row = 4 * (int(np.prod(plan.inputs.shape[1:])) + 2 * sum(activation_sizes(model)))
    rows = min(evaluation_chunk(plan, model), max(len(fit.validation) for fit in plan.fits))
    in_work = state + gradients + a_row * max(plan.batch_size, rows)
    each, shared = (state + in_work, 0) if side_by_side else (state, in_work)
    free = share * free_bytes()
    if each + shared > free:
        return 0
    return max(1, int((_SHARE * free - shared) // max(each, 1)))


def free_bytes() -> int:
    """Memory that is free on all devices together; on a CPU that of the machine, or of the container."""
    device = jax.devices()[0]
    statistics = device.memory_stats() if device.platform != "cpu" else None
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics["bytes_in_use"]) * len(jax.devices())
    return memory.free_bytes()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device, or the host, said that it has no memory left."""
    text = str(error)
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text or "Out of memory" in text
