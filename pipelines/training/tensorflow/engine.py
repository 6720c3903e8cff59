"""The TensorFlow engine: a chunk of epochs of one fit is one compiled program, and the fits take turns in it.

TensorFlow's optimizers keep their state in variables, so fits cannot share an instruction as in the JAX engine. They
share the variables and the program instead: before each fit the variables are put to that fit's initial weights and the
optimizer's initial state. A trial of any number of fits therefore compiles once (with batch normalisation once for each
size of fold). TensorFlow never forgets a program, 15 to 20 MB each: a long sweep runs in worker processes that are
replaced now and then (``pipelines.executors.worker``).
"""

import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Unpack

import numpy as np
import psutil
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.errors import UserError
from pipelines.networks.layers import count_parameters
from pipelines.training.batches import epoch_rows, evaluation_rows
from pipelines.training.plan import FitPlan, OutOfMemoryError, Results, Training, Wishes
from pipelines.training.tensorflow.program import Program, effective_batch

#: Programs kept for further trials, and bytes of their models' and optimizers' variables.
_PROGRAMS_KEPT = 16
_PROGRAM_BYTES_KEPT = 2**28
#: Elements of a validation chunk after the cast to float32 (32 MB), and rows of the epochs of one call (1 MB).
_EVALUATION_ELEMENTS = 2**23
_CALL_ROWS = 2**18
#: Share of the host's free memory for the variables of fits that take turns.
_HOST_SHARE = 0.5
#: Seconds between two progress reports that the engine aims at where it may choose.
_REPORT_SECONDS = 0.3


@dataclass
class TensorFlowEngine:
    """Trains plans with TensorFlow; see ``pipelines.training.plan.Engine`` for the contract.

    Runs on one device: that of the ``tf.distribute`` strategy whose scope it is called in, else the first TPU core,
    else the first GPU, else the CPU. One compiled fit after another leaves nothing to a second device; several
    devices are what the JAX engine is for.
    """

    name: str = field(default="tensorflow", init=False)
    _programs: "OrderedDict[Any, Program]" = field(default_factory=OrderedDict, init=False, repr=False)
    _on_device: tuple[Any, Any, tuple[Any, Any]] | None = field(default=None, init=False, repr=False)

    def train(self, plan: FitPlan, **wishes: Unpack[Wishes]) -> Training:
        """Train every fit of the plan; see ``Engine.train``."""
        started = time.perf_counter()
        strategy = choose_strategy()
        with strategy.scope():
            try:
                program, data = self._program(plan, strategy), self._data(plan)
            except tf.errors.ResourceExhaustedError as error:
                raise OutOfMemoryError(_too_large(plan)) from error
            on_chunk = wishes.get("on_chunk")
            results = Results(plan, has_penalty=program.has_penalty, on_chunk=on_chunk, started=started)
            run = _Run(plan, program, data, results, wishes=wishes)
            groups = run.groups()
            for indices in groups:
                run.train_group(indices)
        return results.training(group_size=max(map(len, groups)), parameters=count_parameters(program.model))

    def _program(self, plan: FitPlan, strategy: Any) -> "Program":
        if not plan.key:
            return Program(plan, strategy)
        shape = (plan.inputs.shape[1:], plan.inputs.dtype.str, plan.targets.shape[1:], plan.targets.dtype.str)
        device = strategy.extended.worker_devices if tf.distribute.has_strategy() else ()
        key = (plan.key, effective_batch(plan), shape, device)
        program = self._programs.pop(key, None) or Program(plan, strategy)
        self._programs[key] = program
        while len(self._programs) > 1 and (
            len(self._programs) > _PROGRAMS_KEPT
            or sum(kept.state_bytes for kept in self._programs.values()) > _PROGRAM_BYTES_KEPT
        ):
            self._programs.popitem(last=False)
        return program

    def _data(self, plan: FitPlan) -> tuple[Any, Any]:
        """The plan's data on the device; kept for the next plan, which mostly has the same."""
        held = self._on_device
        if held is None or held[0] is not plan.inputs or held[1] is not plan.targets:
            self._on_device = held = None  # free the old before the new is copied
            data = tf.constant(np.asarray(plan.inputs)), tf.constant(plan.device_targets())
            self._on_device = held = plan.inputs, plan.targets, data
        return held[2]


def choose_strategy() -> Any:
    """The ``tf.distribute`` strategy to train under: the caller's, or one for the best single device there is.

    A TPU is found where TensorFlow has one initialised (``tf.tpu.experimental.initialize_tpu_system``).

    Raises
    ------
    UserError
        For a caller's strategy of several replicas: it would add up the gradients of equal trainings.
    """
    if tf.distribute.has_strategy():
        strategy = tf.distribute.get_strategy()
        if strategy.num_replicas_in_sync > 1:
            raise UserError(
                f"The TensorFlow engine trains on one device, but it was called in the scope of a "
                f"{type(strategy).__name__} with {strategy.num_replicas_in_sync} replicas; use a OneDeviceStrategy, "
                "or the JAX backend, which spreads the fits over all devices."
            )
        return strategy
    for kind in ("TPU", "GPU"):
        if tf.config.list_logical_devices(kind):
            return tf.distribute.OneDeviceStrategy(f"/{kind}:0")
    return tf.distribute.get_strategy()


@dataclass(eq=False)
class _Run:
    """One call of ``TensorFlowEngine.train``."""

    plan: FitPlan
    program: Program
    data: tuple[Any, Any]
    results: Results
    wishes: Wishes
    busy_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.chunk_epochs = self.wishes.get("chunk_epochs")
        self.reports = self.wishes.get("on_chunk") is not None
        plan, sample = self.plan, math.prod(self.plan.inputs.shape[1:])
        chunk = max(plan.batch_size, _EVALUATION_ELEMENTS // max(sample, 1), 1)
        self.evaluation_chunk = min(chunk, max(1, *(len(fit.validation) for fit in plan.fits)))

    def groups(self) -> list[list[int]]:
        """Fits that advance together.

        Where the caller asked for chunks, it compares the fits after each: they take turns chunk by chunk, as many as
        the host can keep the variables of. Otherwise each is trained to its end, which swaps nothing.
        """
        fits = range(len(self.plan.fits))
        size = 1
        if self.chunk_epochs is not None and self.reports:
            size = max(1, int(psutil.virtual_memory().available * _HOST_SHARE / self.program.state_bytes))
        return [list(fits[first : first + size]) for first in fits[::size]]

    def train_group(self, indices: list[int]) -> None:
        """Train these fits, evaluating fewer rows at a time whenever the device runs out of memory."""
        while True:
            try:
                self._train_group(indices)
                return
            except tf.errors.ResourceExhaustedError as error:
                # A training step holds a batch and its gradients; evaluating fewer rows than that saves nothing.
                if self.evaluation_chunk <= self.plan.batch_size:
                    raise OutOfMemoryError(_too_large(self.plan, count_parameters(self.program.model))) from error
                self.evaluation_chunk = max(self.evaluation_chunk // 2, self.plan.batch_size)
                self.results.erase(indices)

    def _train_group(self, indices: list[int]) -> None:
        states: dict[int, list[NDArray[Any]]] = {}
        in_work = list(indices)
        for chunk in self._chunks():
            for index in tuple(in_work):
                if chunk.start == 0:
                    self._start(index)
                elif len(indices) > 1:
                    self.program.restore(states[index])
                if not self._train_chunk(index, chunk):
                    in_work.remove(index)
                if self.wishes.get("keep_weights"):
                    self.results.weights[index] = tuple(self.program.model.get_weights())
                if len(indices) > 1:
                    states[index] = self.program.state()
            if self.results.report(chunk.stop, indices[0]) or not in_work:
                return

    def _chunks(self) -> Iterator[range]:
        """Epochs between two reports: as the caller asked, else so many that reports come a few times a second."""
        total = self.plan.epochs
        chunk = self.chunk_epochs or (1 if self.reports else total)
        first = 0
        while first < total:
            busy = self.busy_seconds
            epochs = range(first, min(first + chunk, total))
            yield epochs
            first = epochs.stop
            if self.chunk_epochs is None:
                pace = _REPORT_SECONDS / max(self.busy_seconds - busy, 1e-6)
                chunk = max(1, int(chunk * min(pace, 4.0)))

    def _start(self, index: int) -> None:
        """Bring the program to where the fit begins, and compile it where that has not been done yet."""
        weights = self.wishes.get("initial_weights")
        with self.results.compiling():
            self.program.start(self.plan, self.plan.fits[index], None if weights is None else weights[index])
            self._call(index, range(0))

    def _train_chunk(self, index: int, chunk: range) -> bool:
        """Train one fit; whether it is still worth training."""
        started = time.perf_counter()
        capacity = self._capacity(index)
        is_alive = True
        for first in chunk[::capacity]:
            epochs = range(first, min(first + capacity, chunk.stop))
            self.results.write([index], epochs, self._call(index, epochs)[np.newaxis, : len(epochs)])
            is_alive = not self.results.are_lost([index], epochs)
            if not is_alive:
                break
        self.busy_seconds += time.perf_counter() - started
        return is_alive

    def _call(self, index: int, epochs: range) -> NDArray[np.float32]:
        """Train one fit for at most as many epochs as the program takes; no epoch at all still compiles it."""
        plan, fit = self.plan, self.plan.fits[index]
        layout, capacity = self.program.layout(plan, fit), self._capacity(index)
        rows, rates = np.zeros((capacity, layout.width), np.int32), np.zeros(capacity, np.float32)
        rows[: len(epochs)] = epoch_rows([fit], epochs, layout)[0]
        rates[: len(epochs)] = fit.rates(epochs)
        # Padded to the longest fit's, so that all fits share a program, but where padding would alter a penalty.
        alike, place = (plan.fits, index) if self.program.pads else ((fit,), 0)
        validation = evaluation_rows(alike, self.evaluation_chunk)[place]
        scaling = fit.offset, fit.scale, plan.device_offset(fit), fit.target_scale
        of_classes = plan.class_weights(fit), plan.training_weights(fit)
        arguments = (*of_classes, rows, rates, len(epochs), len(fit.train), validation, len(fit.validation))
        known = (tf.constant(argument, tf.float32) for argument in scaling)
        return self.program.run(self.data, *known, *(tf.constant(argument) for argument in arguments))

    def _capacity(self, index: int) -> int:
        """Epochs of this fit that one call of the program takes, whatever the length of the training."""
        return max(1, min(_CALL_ROWS // self.program.layout(self.plan, self.plan.fits[index]).width, 256))


def _too_large(plan: FitPlan, parameters: int | None = None) -> str:
    network = "A fit" if parameters is None else f"One fit of {parameters:,} parameters"
    megabytes = plan.inputs.nbytes / 2**20
    return (
        f"{network} with a batch of {plan.batch_size} and {megabytes:,.0f} MB of data does not fit the memory of the "
        "device; fewer units or a smaller batch do."
    )
