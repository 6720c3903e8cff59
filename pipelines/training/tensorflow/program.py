"""What TensorFlow compiles: a chunk of epochs of one fit, on variables that serve one fit after another."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.networks.initial_weights import build_seeded
from pipelines.networks.layers import has_native_convolutions, has_penalty, is_per_sample
from pipelines.training.batches import EpochLayout, epoch_layout
from pipelines.training.plan import Fit, FitPlan


class Program:
    """A model, an optimizer and the compiled function that trains them, for one fit after another."""

    def __init__(self, plan: FitPlan, strategy: Any) -> None:
        self.strategy = strategy
        self.batch_size = effective_batch(plan)
        self.quantities = [plan.loss, *plan.metrics.values()]
        self.balanced = plan.metrics[plan.balanced] if plan.balanced else None
        self.weighted = plan.weighted
        self.validated = len(self.quantities) + bool(plan.balanced)
        self.model = build_seeded(plan.build_model, plan.fits[0].seed)
        self.optimizer = plan.build_optimizer()
        self.optimizer.build(self.model.trainable_variables)
        self.initial_optimizer = [variable.numpy() for variable in self.optimizer.variables]
        self.pads = is_per_sample(self.model)
        self.has_penalty = has_penalty(self.model)
        # Compiled by XLA, convolutions lose the CPU's fast library: ten times slower in a loop.
        on_cpu = not (tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"))
        compiled = not (on_cpu and has_native_convolutions(self.model))
        # Automatic conversion of Python's control flow is off: the loops below are tf.while_loop, and layers written
        # with keras.ops have none.
        self._epochs = tf.function(self._train_epochs, jit_compile=compiled, autograph=False)

    @property
    def state_bytes(self) -> int:
        """Size of what ``state`` copies."""
        return sum(math.prod(variable.shape) * 4 for variable in self._variables)

    @property
    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.optimizer.variables]

    def start(self, plan: FitPlan, fit: Fit, weights: Sequence[NDArray[Any]] | None) -> None:
        """Put every variable to where this fit begins."""
        fresh = build_seeded(plan.build_model, fit.seed)
        if weights is not None:
            fresh.set_weights(list(weights))
        self.restore([*(variable.numpy() for variable in fresh.variables), *self.initial_optimizer])

    def layout(self, plan: FitPlan, fit: Fit) -> EpochLayout:
        """Batches of an epoch of this fit; all fits share one shape, and so one program, where they may be padded."""
        return epoch_layout(plan.fits if self.pads else (fit,), plan.batch_size, pads=self.pads)

    def state(self) -> list[NDArray[Any]]:
        """Copies of all variables, for ``restore``."""
        return [variable.numpy() for variable in self._variables]

    def restore(self, state: Sequence[NDArray[Any]]) -> None:
        """Put every variable to where a fit was when ``state`` was called."""
        for variable, value in zip(self._variables, state, strict=True):
            variable.assign(value)

    def run(self, *arguments: Any) -> NDArray[np.float32]:
        """Train some epochs; see ``_train_epochs``."""
        records = self.strategy.run(self._epochs, args=arguments)
        return np.asarray(self.strategy.experimental_local_results(records)[0])

    def _train_epochs(
        self,
        data: Any,
        offset: Any,
        scale: Any,
        target_offset: Any,
        target_scale: Any,
        class_weights: Any,
        training_weights: Any,
        rows: Any,
        rates: Any,
        epochs: Any,
        count: Any,
        validation: Any,
        validation_count: Any,
    ) -> Any:
        """One chunk of epochs, on the device.

        Parameters
        ----------
        data
            Inputs (samples, *features) and targets of all samples. Arguments, since constants are slow to compile.
        offset, scale
            The network sees ``(inputs - offset) / scale``.
        target_offset, target_scale
            What is trained on is ``(targets - target_offset) / target_scale``, but for labels.
        class_weights
            Of validation rows by their class, (classes,), for the metric that is balanced; (0,) where none is.
        training_weights
            Of training rows by their class, (classes,), in the loss; (0,) where all rows count alike.
        rows, rates
            Of each epoch the training rows in order, (capacity, width) int32, and the learning rate, (capacity,).
        epochs, count
            How many of these epochs, and rows of each, to train; one program serves chunks of any length.
        validation, validation_count
            Validation rows (chunks, rows a chunk) int32, and how many of them are not padding.

        Returns
        -------
        (capacity, curves) float32: training curves, validation curves, penalty; NaN where not trained. It ends early
        when the loss is no longer a number.
        """
        capacity = rows.shape[0]
        curves = len(self.quantities) + self.validated + 1

        def batch(batch_rows: Any) -> tuple[Any, Any]:
            inputs = (tf.cast(tf.gather(data[0], batch_rows), tf.float32) - offset) / scale
            targets = tf.gather(data[1], batch_rows)
            return inputs, (targets - target_offset) / target_scale if targets.dtype.is_floating else targets

        def epoch(index: Any, _alive: Any, records: Any) -> tuple[Any, Any, Any]:
            self.optimizer.learning_rate.assign(rates[index])
            training = self._train_epoch(batch, rows[index], count, training_weights) / tf.cast(count, tf.float32)
            evaluation = self._evaluate(batch, validation, validation_count, class_weights)
            record = tf.concat([training, evaluation], axis=0)
            records = tf.tensor_scatter_nd_update(records, [[index]], record[None])
            return index + 1, tf.math.is_finite(training[0]), records

        start = (tf.constant(0), tf.constant(True), tf.fill((capacity, curves), math.nan))
        return tf.while_loop(lambda index, alive, _: (index < epochs) & alive, epoch, start)[2]

    def _train_epoch(self, batch: Any, rows: Any, count: Any, training_weights: Any) -> Any:
        """Sums over an epoch's samples of the loss and each metric, before the step that the sample took part in."""
        size = self.batch_size
        steps, tail = divmod(rows.shape[0], size)
        batches = tf.reshape(rows[: steps * size], (steps, size))
        # A shorter fit is through before the padding that makes it as long as the longest.
        needed = tf.minimum(steps, (count + size - 1) // size)

        def step(index: Any, totals: Any) -> tuple[Any, Any]:
            real = index * size + tf.range(size) < count if self.pads and size > 1 else None
            inputs, targets = batch(batches[index])
            return index + 1, totals + self._step(inputs, targets, real, training_weights)

        start = (tf.constant(0), tf.zeros(len(self.quantities)))
        totals = tf.while_loop(lambda index, _: index < needed, step, start)[1] if steps else start[1]
        if tail:
            inputs, targets = batch(rows[-tail:])
            totals += self._step(inputs, targets, None, training_weights)
        return totals

    def _step(self, inputs: Any, targets: Any, real: Any, training_weights: Any) -> Any:
        """Train one batch; sums over its samples of the loss and each metric, but for those that are not real."""
        with tf.GradientTape() as tape:
            outputs = self.model(inputs, training=True)
            values = [quantity(targets, outputs) for quantity in self.quantities]
            samples = tf.cast(tf.shape(values[0])[0], tf.float32)
            if real is not None:
                values = [tf.where(real, value, 0.0) for value in values]
                samples = tf.reduce_sum(tf.cast(real, tf.float32))
            sums = [tf.reduce_sum(value) for value in values]
            trained = sums[0]
            if self.weighted:
                trained = tf.reduce_sum(values[0] * tf.gather(training_weights, targets))
            loss = trained / samples + _sum_of(self.model.losses)
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self.optimizer.apply(gradients, variables)
        return tf.stack(sums)

    def _evaluate(self, batch: Any, validation: Any, count: Any, class_weights: Any) -> Any:
        """Means over the validation rows of the loss and each metric, and of the layers' penalty.

        All at inference, as ``model.evaluate`` adds them up. Only a penalty on activations depends on the rows;
        without any it is left out.
        """
        chunks, size = validation.shape
        if not chunks:
            variables = self.model.trainable_variables
            of_weights = _sum_of([v.regularizer(v.value) for v in variables if v.regularizer is not None])
            return tf.concat([tf.fill([self.validated], math.nan), [of_weights]], axis=0)

        def chunk(index: Any, totals: Any) -> tuple[Any, Any]:
            inputs, targets = batch(validation[index])
            outputs = self.model(inputs, training=False)
            real = index * size + tf.range(size) < count
            # A padded row may be anything, even not a number: leave it out rather than multiply it by 0.
            each = [quantity(targets, outputs) for quantity in self.quantities]
            if self.balanced is not None:
                each.append(self.balanced(targets, outputs) * tf.gather(class_weights, targets))
            values = [tf.where(real, value, 0.0) for value in each]
            penalty = tf.reduce_sum(tf.cast(real, tf.float32)) * _sum_of(self.model.losses)
            return index + 1, totals + tf.stack([*(tf.reduce_sum(value) for value in values), penalty])

        start = (tf.constant(0), tf.zeros(self.validated + 1))
        totals = tf.while_loop(lambda index, _: index < chunks, chunk, start)[1]
        return totals / tf.cast(count, tf.float32)


def effective_batch(plan: FitPlan) -> int:
    """Rows of a batch: no more than the longest fit has."""
    return min(plan.batch_size, max(len(fit.train) for fit in plan.fits))


def _sum_of(penalties: Sequence[Any]) -> Any:
    return tf.add_n([tf.reduce_sum(penalty) for penalty in penalties] or [tf.zeros(())])
