"""The JAX engine: all fits of a trial as one compiled program.

On an accelerator, and for small networks on a CPU, the fits run side by side in every instruction (``vmap``). Large
matrix products keep a CPU busy by themselves; there the fits run one after another inside the program (``lax.map``).
Either way the axis of fits is spread over all devices, which needs no communication. The cores of a CPU count as
devices of their own, except where one large matrix product is to have them all.

On a CPU, rows that are mostly zeros (multi-hot words) go to the network as sparse tensors: see ``sparse_rows``.
"""

import operator
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from pipelines.networks.initial_weights import build_seeded
from pipelines.networks.layers import count_parameters, has_native_convolutions, has_penalty, is_per_sample
from pipelines.training.batches import EpochLayout, epoch_layout, epoch_rows, evaluation_rows
from pipelines.training.jax.memory import affordable_fits, evaluation_chunk, is_out_of_memory
from pipelines.training.jax.program import Data, FitData, FitProgram, Schedule, SparseShape, State
from pipelines.training.jax.sparse_rows import SparseRows, capacity_of, rounded, sparse_rows
from pipelines.training.plan import Fit, FitPlan, OutOfMemoryError, Results, Training, Wishes

#: Above this many multiplications a step, fits run one after another on a CPU (measured: benchmarks/engine_modes.py).
_SIDE_BY_SIDE_LIMIT = 2e7
#: Programs kept for further trials.
_PROGRAMS_KEPT = 32


@dataclass
class JaxEngine:
    """Trains plans with JAX; see ``pipelines.training.plan.Engine`` for the contract.

    Attributes
    ----------
    side_by_side
        Whether fits share each instruction (``vmap``) or take turns (``lax.map``); None: chosen by work per step.
    sparse
        Whether rows that are mostly zeros may be kept as such.
    memory_share
        Part of the free memory that a training may count on, where others train beside it.
    """

    side_by_side: bool | None = None
    sparse: bool = True
    memory_share: float = 1.0
    name: str = field(default="jax", init=False)
    _programs: "OrderedDict[Any, Any]" = field(default_factory=OrderedDict, init=False, repr=False)
    _on_device: tuple[tuple[Any, ...], NamedSharding, Data] | None = field(default=None, init=False, repr=False)
    _sparse: tuple[Any, SparseRows | None] | None = field(default=None, init=False, repr=False)

    def train(self, plan: FitPlan, **wishes: Unpack[Wishes]) -> Training:
        """Train every fit of the plan; see ``Engine.train``."""
        run = _Run(self, plan, wishes)
        for indices in run.groups():
            run.train_group(indices)
        return run.results.training(group_size=run.group_size, parameters=run.parameters)

    def data_on_device(self, plan: FitPlan, rows: SparseRows | None, sharding: NamedSharding) -> Data:
        """The plan's data on its devices; kept for the next plan, which mostly has the same data and devices."""
        held, wanted = self._on_device, (plan.inputs, plan.targets, rows)
        if held is None or held[1] != sharding or any(map(operator.is_not, held[0], wanted)):
            self._on_device = held = None  # free the old before the new is copied
            inputs = np.asarray(plan.inputs) if rows is None else rows
            data = jax.device_put(Data(inputs, plan.device_targets()), sharding)
            self._on_device = held = wanted, sharding, data
        return held[2]

    def rows_as_lists(self, inputs: NDArray[Any]) -> SparseRows | None:
        """``sparse_rows`` of these inputs, where that is faster: mostly zeros. Looked for once per data set."""
        if self._sparse is None or self._sparse[0] is not inputs:
            self._sparse = (inputs, sparse_rows(inputs))
        return self._sparse[1]

    def program(self, key: Any, build: Callable[[], Any]) -> Any:
        """The compiled program of this key, from an earlier trial if there was one."""
        program = self._programs.pop(key, None) or build()
        self._programs[key] = program
        while len(self._programs) > _PROGRAMS_KEPT:
            self._programs.popitem(last=False)
        return program


class _Run:
    """One call of ``JaxEngine.train``."""

    def __init__(self, engine: JaxEngine, plan: FitPlan, wishes: Wishes) -> None:
        started = time.perf_counter()
        self.engine, self.plan, self.wishes = engine, plan, wishes
        # A plan without a key is never shared; a key of its own still serves its further chunks.
        self.key: Any = plan.key or object()
        self.fits_done = 0
        on_cpu = jax.default_backend() == "cpu"
        self.as_is = all((fit.offset == 0).all() and (fit.scale == 1).all() for fit in plan.fits)
        self.build_model, self.rows = plan.build_model, None
        if engine.sparse and self.as_is and on_cpu and plan.build_sparse_model is not None:
            self.rows = engine.rows_as_lists(plan.inputs)
            if self.rows is not None:
                self.build_model = partial(plan.build_sparse_model, self.rows.frequent.shape[1])
        self.model = build_seeded(self.build_model, plan.fits[0].seed)
        self.optimizer = plan.build_optimizer()
        self.optimizer.build(self.model.trainable_variables)
        self.parameters = count_parameters(self.model)
        self.is_per_sample = is_per_sample(self.model)
        work = self.parameters * min(plan.batch_size, max(len(fit.train) for fit in plan.fits))
        small = not on_cpu or (self.rows is None and work <= _SIDE_BY_SIDE_LIMIT)
        # Mapped over the kernels of several fits, a convolution becomes a grouped one, which no library does well.
        side_by_side = small and not has_native_convolutions(self.model)
        self.side_by_side = side_by_side if engine.side_by_side is None else engine.side_by_side
        # A sparse product runs on one core, a large dense one on all of them.
        one_device = on_cpu and not self.side_by_side and self.rows is None
        devices = jax.devices()[:1] if one_device else jax.devices()
        self.mesh = Mesh(np.array(devices[: len(plan.fits)]), ("fits",))
        affordable = affordable_fits(
            plan, self.model, self.optimizer, side_by_side=self.side_by_side, share=engine.memory_share
        )
        if not affordable and on_cpu:
            raise self._too_large()
        self.group_size = min(len(plan.fits), max(affordable, 1))
        self.chunk_epochs = self._chunk_epochs(wishes.get("chunk_epochs"))
        self.results = Results(
            plan, has_penalty=has_penalty(self.model), on_chunk=wishes.get("on_chunk"), started=started
        )

    def groups(self) -> Iterator[list[int]]:
        """Fits that may share a program, in order; cut to the group size when they are trained.

        A padded batch must not change what a layer computes for the other rows. Where some layer looks at the whole
        batch (batch normalisation), only fits with equal numbers of rows share a program, which then has no padding.
        """
        sizes = [len(fit.train) for fit in self.plan.fits]
        # The largest first.
        for group in [set(sizes)] if self.is_per_sample else [{size} for size in sorted(set(sizes), reverse=True)]:
            yield [index for index, size in enumerate(sizes) if size in group]

    def train_group(self, indices: list[int]) -> None:
        """Train these fits, fewer at a time whenever the device runs out of memory."""
        while indices:
            now = indices[: self.group_size]
            try:
                self._train_together(now)
            except (jax.errors.JaxRuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(now) == 1:
                    raise self._too_large() from error
                self.group_size = len(now) // 2
                self.results.erase(now)
            else:
                indices = indices[len(now) :]
                self.fits_done += len(now)

    def _too_large(self) -> OutOfMemoryError:
        return OutOfMemoryError(
            f"One fit of {self.parameters:,} parameters with a batch of {self.plan.batch_size} does not fit the memory "
            f"of {jax.devices()[0].device_kind}; fewer units or a smaller batch do."
        )

    def _train_together(self, indices: list[int]) -> None:
        plan = self.plan
        # The fit axis must divide among the devices; the last fit stands in for the ones that are missing.
        padded = indices + [indices[-1]] * (-len(indices) % self.mesh.size)
        fits = [plan.fits[index] for index in padded]
        layout = epoch_layout(fits, plan.batch_size, pads=self.is_per_sample)
        along_fits = NamedSharding(self.mesh, PartitionSpec("fits"))
        everywhere = NamedSharding(self.mesh, PartitionSpec())
        with self.results.compiling():
            state = jax.device_put(self._initial_state(padded), along_fits)
            data = self.engine.data_on_device(plan, self.rows, everywhere)
            fit_data = self._fit_data(fits)
            fit_data_there = jax.device_put(fit_data, along_fits)
        for first in range(0, plan.epochs, self.chunk_epochs):
            epochs = range(first, min(first + self.chunk_epochs, plan.epochs))
            schedule = self._schedule(fits, epochs, layout)
            shape = (layout, self._sparse_shape(layout, fit_data, schedule))
            schedule = jax.device_put(schedule, along_fits)
            active = jax.device_put(np.arange(self.chunk_epochs) < len(epochs), everywhere)
            others = (data, fit_data_there, schedule, active)
            state, records = self._program(shape, state, *others)(state, *others)
            self.results.write(indices, epochs, np.asarray(records)[: len(indices), : len(epochs)])
            if self.results.report(epochs.stop, self.fits_done) or self.results.are_lost(indices, epochs):
                break
        if self.wishes.get("keep_weights"):
            self._keep(indices, state)

    def _sparse_shape(self, layout: EpochLayout, fit_data: FitData, schedule: Schedule) -> SparseShape | None:
        """Room for the fullest batch; one more program in the rare case that a batch is fuller than foreseen."""
        if self.rows is None:
            return None
        lengths = self.rows.lengths
        batches = schedule.rows[:, :, : layout.steps * layout.batch_size].reshape(-1, layout.batch_size)
        fullest = int(lengths[batches].sum(axis=1).max(initial=0))
        training = max(capacity_of(lengths, layout.batch_size), rounded(fullest))
        validation = rounded(int(lengths[fit_data.validation].sum(axis=2).max(initial=0)))
        return SparseShape(self.plan.inputs.shape[1], training, validation)

    def _initial_state(self, indices: Sequence[int]) -> State:
        """Weights of each fit from its own seed, stacked along the axis of fits."""

        def values(variables: Sequence[Any]) -> list[Any]:
            return [np.asarray(variable.value) for variable in variables]

        weights = self.wishes.get("initial_weights")
        trainable, non_trainable = [], []
        for index in indices:
            model = build_seeded(self.build_model, self.plan.fits[index].seed)
            if weights is not None:
                model.set_weights(weights[index])
            trainable.append(values(model.trainable_variables))
            non_trainable.append(values(model.non_trainable_variables))
        return State(
            [np.stack(of_fits) for of_fits in zip(*trainable, strict=True)],
            [np.stack(of_fits) for of_fits in zip(*non_trainable, strict=True)],
            [np.broadcast_to(value, (len(indices), *value.shape)) for value in values(self.optimizer.variables)],
        )

    def _fit_data(self, fits: Sequence[Fit]) -> FitData:
        return FitData(
            validation=evaluation_rows(fits, evaluation_chunk(self.plan, self.model)),
            train_count=np.array([len(fit.train) for fit in fits], np.int32),
            validation_count=np.array([len(fit.validation) for fit in fits], np.int32),
            offset=None if self.as_is else np.stack([fit.offset for fit in fits]),
            scale=None if self.as_is else np.stack([fit.scale for fit in fits]),
            target_offset=np.stack([self.plan.device_offset(fit) for fit in fits]) if self.plan.has_values else None,
            target_scale=np.stack([fit.target_scale for fit in fits]) if self.plan.has_values else None,
            class_weights=np.stack([self.plan.class_weights(fit) for fit in fits]),
            training_weights=np.stack([self.plan.training_weights(fit) for fit in fits]),
        )

    def _schedule(self, fits: Sequence[Fit], epochs: range, layout: EpochLayout) -> Schedule:
        """Rows and rates of these epochs, filled up to a whole chunk so that one program serves all chunks."""
        shape = (len(fits), self.chunk_epochs)
        rows, rates = np.zeros((*shape, layout.width), np.int32), np.zeros(shape, np.float32)
        rows[:, : len(epochs)] = epoch_rows(fits, epochs, layout)
        rates[:, : len(epochs)] = [fit.rates(epochs) for fit in fits]
        return Schedule(rows, rates)

    def _program(self, shape: tuple[EpochLayout, SparseShape | None], *arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        shapes = (structure, *((leaf.shape, str(leaf.dtype)) for leaf in leaves))
        key = (self.key, shape, self.side_by_side, self.mesh, shapes)
        return self.engine.program(key, partial(self._compile, shape, arguments))

    def _compile(self, shape: tuple[EpochLayout, SparseShape | None], arguments: tuple[Any, ...]) -> Any:
        one_fit = FitProgram(self.plan, self.model, self.optimizer, *shape).chunk

        def all_fits(state: State, data: Data, fit_data: FitData, schedule: Schedule, active: Any) -> Any:
            def in_turn(of: tuple[State, FitData, Schedule]) -> Any:
                state, fit, now = of
                return one_fit(state, data, fit, now, active=active)

            if self.side_by_side:
                return jax.vmap(in_turn)((state, fit_data, schedule))
            return jax.lax.map(in_turn, (state, fit_data, schedule))

        fits, everywhere = PartitionSpec("fits"), PartitionSpec()
        given = (fits, everywhere, fits, fits, everywhere)
        sharded = jax.shard_map(all_fits, mesh=self.mesh, in_specs=given, out_specs=fits, check_vma=False)
        with self.results.compiling():
            return jax.jit(sharded, donate_argnums=0).lower(*arguments).compile()

    def _keep(self, indices: Sequence[int], state: State) -> None:
        variables = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        for position, index in enumerate(indices):
            for variable, value in zip(variables, [*state.trainable, *state.non_trainable], strict=True):
                variable.assign(value[position])
            self.results.weights[index] = tuple(self.model.get_weights())

    def _chunk_epochs(self, asked: int | None) -> int:
        """Epochs of a chunk: as asked, else about half a second's work, in chunks of equal length."""
        plan = self.plan
        if asked is None:
            rows = max(len(fit.train) for fit in plan.fits)
            steps = -(-rows // plan.batch_size)
            seconds = self.group_size * (steps * 3e-6 + 3 * 2 * self.parameters * rows / 5e10)
            asked = max(1, int(0.5 / seconds))
        chunks = -(-plan.epochs // asked)
        return -(-plan.epochs // chunks)


def configure(cache_dir: Path | None, cpu_devices: int | None = None) -> None:
    """Settings that have to be made before JAX starts: the cache of compiled programs, and a CPU's cores as devices.

    In a process in which JAX is at work already, the devices stay what they are.
    """
    if cache_dir is not None:
        jax.config.update("jax_compilation_cache_dir", str(cache_dir))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    if cpu_devices is not None:
        with suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", cpu_devices)
