"""One training as a pure function of its state: a scan over steps inside a scan over epochs.

``FitProgram`` closes over what is static (network, optimizer, loss, shape of an epoch). Its ``chunk`` is a pure
function that ``jax`` can compile, run for many fits side by side, and share among trials. Curves are what it scans out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from pipelines.training.batches import EpochLayout
from pipelines.training.jax.sparse_rows import batch_of
from pipelines.training.plan import FitPlan


class State(NamedTuple):
    """What a training changes; every leaf has a leading axis of fits outside the program."""

    trainable: list[Array]
    non_trainable: list[Array]
    optimizer: list[Array]


class Data(NamedTuple):
    """What all fits share, compact, and an argument of the program: a closed-over constant costs compile time."""

    inputs: Any  # an array, or SparseRows
    targets: Array


class FitData(NamedTuple):
    """What one fit has of its own.

    Attributes
    ----------
    validation
        Row numbers, (chunks, rows a chunk) int32.
    train_count, validation_count
        Rows that are not padding, int32 scalars.
    offset, scale
        The network sees ``(inputs - offset) / scale``; None for inputs as they are, since on wide inputs dividing by 1
        takes as long as the network.
    target_offset, target_scale
        What is trained on is ``(targets - target_offset) / target_scale``; None for labels.
    class_weights
        Of validation rows by their class, (classes,), for the metric that is balanced; (0,) where none is.
    training_weights
        Of training rows by their class, (classes,), in the loss; (0,) where all rows count alike.
    """

    validation: Array
    train_count: Array
    validation_count: Array
    offset: Array | None
    scale: Array | None
    target_offset: Array | None
    target_scale: Array | None
    class_weights: Array
    training_weights: Array


class Schedule(NamedTuple):
    """What a fit does in each epoch of a chunk: row numbers, (epochs, width) int32, and learning rates, (epochs,)."""

    rows: Array
    learning_rates: Array


@dataclass(frozen=True)
class SparseShape:
    """Static shape of sparse batches: columns of a row, and room for the entries of a batch and a validation chunk."""

    features: int
    training: int
    validation: int


class FitProgram:
    """The training of one fit, with epochs of the shape of ``layout``.

    Of ``model`` and ``optimizer``, which are built, only the structure is used; their variables are not touched.
    ``sparse`` is the shape of the batches where the data are ``SparseRows``.
    """

    def __init__(
        self, plan: FitPlan, model: Any, optimizer: Any, layout: EpochLayout, sparse: SparseShape | None
    ) -> None:
        self.model, self.optimizer, self.layout, self.sparse = model, optimizer, layout, sparse
        self.quantities = [plan.loss, *plan.metrics.values()]
        self.balanced = plan.metrics[plan.balanced] if plan.balanced else None
        self.weighted = plan.weighted
        self.validated = len(self.quantities) + bool(plan.balanced)
        self.rate_index = next(i for i, v in enumerate(optimizer.variables) if v is optimizer.learning_rate)
        self.gradient = jax.grad(self._penalised_loss, has_aux=True)

    def chunk(self, state: State, data: Data, fit: FitData, schedule: Schedule, active: Array) -> tuple[State, Array]:
        """Train and validate for the epochs whose flag in ``active``, (epochs,) bool, is true.

        The others are skipped, so a last chunk that is shorter needs no program of its own.

        Returns
        -------
        The new state, and the records, (epochs, curves), in the order of ``Results.write``.
        """
        skipped = jnp.full(len(self.quantities) + self.validated + 1, jnp.nan)

        def epoch(state: State, item: tuple[Schedule, Array]) -> tuple[State, Array]:
            now, is_active = item
            return lax.cond(is_active, lambda s: self._epoch(s, data, fit, now), lambda s: (s, skipped), state)

        return lax.scan(epoch, state, (schedule, active))

    def _epoch(self, state: State, data: Data, fit: FitData, now: Schedule) -> tuple[State, Array]:
        variables = list(state.optimizer)
        variables[self.rate_index] = now.learning_rates.astype(variables[self.rate_index].dtype)
        state, training = self._train(state._replace(optimizer=variables), data, fit, now.rows)
        validation, penalty = self._validate(state, data, fit)
        return state, jnp.concatenate([training, validation, penalty[None]])

    def _train(self, state: State, data: Data, fit: FitData, rows: Array) -> tuple[State, Array]:
        """One pass over the training rows; the mean of each quantity while the weights move, as Keras reports it."""
        layout = self.layout
        size = layout.batch_size

        def step(carry: tuple[State, Array], item: tuple[Array, Array]) -> tuple[tuple[State, Array], None]:
            (state, total), (batch, first) = carry, item
            weights = (first + jnp.arange(size) < fit.train_count).astype(jnp.float32) if layout.masked else None
            moved, sums = self._step(state, self._batch(data, fit, batch), weights, fit)
            if layout.idle:
                # A fit with no row left in this step must not move: momentum alone would move it.
                moved = _select(first < fit.train_count, moved, state)
            return (moved, total + sums), None

        end = layout.steps * size
        firsts = jnp.arange(layout.steps, dtype=jnp.int32) * size
        carry = (state, jnp.zeros(len(self.quantities)))
        (state, total), _ = lax.scan(step, carry, (rows[:end].reshape(layout.steps, size), firsts))
        if layout.tail:
            state, sums = self._step(state, self._batch(data, fit, rows[end:]), None, fit)
            total = total + sums
        return state, total / fit.train_count

    def _batch(self, data: Data, fit: FitData, rows: Array, *, in_validation: bool = False) -> tuple[Any, Array]:
        targets = data.targets.at[rows].get(mode="promise_in_bounds")
        if fit.target_scale is not None:
            targets = (targets - fit.target_offset) / fit.target_scale
        if self.sparse is not None:
            capacity = self.sparse.validation if in_validation else self.sparse.training
            return batch_of(data.inputs, rows, capacity, self.sparse.features), targets
        inputs = data.inputs.at[rows].get(mode="promise_in_bounds").astype(jnp.float32)
        if fit.scale is not None:
            inputs = (inputs - fit.offset) / fit.scale
        return inputs, targets

    def _step(self, state: State, batch: tuple[Any, Array], weights: Array | None, fit: FitData) -> tuple[State, Array]:
        inputs, targets = batch
        by_class = fit.training_weights[targets] if self.weighted else None
        gradients, (non_trainable, sums) = self.gradient(
            state.trainable, state.non_trainable, inputs=inputs, targets=targets, weights=weights, by_class=by_class
        )
        trainable, variables = self.optimizer.stateless_apply(state.optimizer, gradients, state.trainable)
        return State(list(trainable), list(non_trainable), list(variables)), sums

    def _penalised_loss(
        self,
        trainable: list[Array],
        non_trainable: list[Array],
        *,
        inputs: Array,
        targets: Array,
        weights: Array | None,
        by_class: Array | None,
    ) -> tuple[Array, tuple[list[Array], Array]]:
        outputs, non_trainable, penalties = self.model.stateless_call(
            trainable, non_trainable, inputs, training=True, return_losses=True
        )
        values = jnp.stack([quantity(targets, outputs) for quantity in self.quantities])
        if weights is None:
            sums, loss = values.sum(axis=1), values[0].mean()
        else:
            sums = (values * weights).sum(axis=1)
            loss = sums[0] / jnp.maximum(weights.sum(), 1.0)
        if by_class is not None:
            # As Keras has it: weighted losses, divided by the number of rows.
            real = jnp.ones(len(by_class)) if weights is None else weights
            loss = (values[0] * by_class * real).sum() / jnp.maximum(real.sum(), 1.0)
        return loss + _sum_of(penalties), (non_trainable, sums)

    def _validate(self, state: State, data: Data, fit: FitData) -> tuple[Array, Array]:
        """Mean of each quantity over the validation rows, and of the layers' penalty, as ``model.evaluate`` adds it.

        Only a penalty on activations depends on the rows; without any it is left out.
        """
        chunks, size = fit.validation.shape
        if not chunks:
            pairs = zip(self.model.trainable_variables, state.trainable, strict=True)
            of_weights = [v.regularizer(value) for v, value in pairs if v.regularizer is not None]
            return jnp.full(self.validated, jnp.nan), _sum_of(of_weights)

        def add_chunk(total: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
            rows, first = item
            inputs, targets = self._batch(data, fit, rows, in_validation=True)
            outputs, _, penalties = self.model.stateless_call(
                state.trainable, state.non_trainable, inputs, training=False, return_losses=True
            )
            each = [quantity(targets, outputs) for quantity in self.quantities]
            if self.balanced is not None:
                each.append(self.balanced(targets, outputs) * fit.class_weights[targets])
            values = jnp.stack(each)
            # A padded row may be anything, even not a number: leave it out rather than multiply it by 0.
            is_real = first + jnp.arange(size) < fit.validation_count
            sums = jnp.where(is_real, values, 0.0).sum(axis=1)
            return total + jnp.append(sums, is_real.sum() * _sum_of(penalties)), None

        firsts = jnp.arange(chunks, dtype=jnp.int32) * size
        total, _ = lax.scan(add_chunk, jnp.zeros(self.validated + 1), (fit.validation, firsts))
        mean = total / fit.validation_count
        return mean[:-1], mean[-1]


def _sum_of(penalties: Sequence[Array]) -> Array:
    return sum((jnp.sum(penalty) for penalty in penalties), jnp.zeros(()))


def _select(condition: Array, if_true: State, if_false: State) -> State:
    return State(*jax.tree.map(lambda a, b: jnp.where(condition, a, b), if_true, if_false))
