"""Losses and metrics, one value a sample, computed from the network's raw outputs.

The networks end without an output activation (``models.build_network``): a cross-entropy of probabilities has to clip
them, which hides how wrong a confident network is, and that is what over-fitting looks like. ``model.fit`` on the
TensorFlow backend goes back to the raw outputs by itself; here it is explicit, so that all backends agree.
"""

from collections.abc import Callable
from typing import Any

from pipelines.datasets.base import Task
from pipelines.errors import UserError
from pipelines.exercises.settings import LOSSES

#: (targets, outputs of the network) -> one value a sample, shape (batch,); written with ``keras.ops``.
PerSample = Callable[[Any, Any], Any]


def make_loss(name: str, task: Task) -> PerSample:
    """The loss that is trained.

    Parameters
    ----------
    name
        One of ``LOSSES[task]``.

    Returns
    -------
    Function of targets, shape (batch,), and raw outputs, shape (batch, outputs), giving shape (batch,).

    Raises
    ------
    UserError
        For a loss that the task does not have.
    """
    if name not in LOSSES[task]:
        raise UserError(f"loss: '{name}' is not a loss of a {task} task; allowed: {', '.join(LOSSES[task])}.")
    return _REGRESSION[name] if task is Task.REGRESSION else _CLASSIFICATION[task, name]


def make_metrics(task: Task) -> dict[str, PerSample]:
    """What is recorded beside the loss, whatever the loss: comparable between configurations that vary it."""
    if task is Task.REGRESSION:
        return {"mse": _mse, "mae": _mae}
    if task is Task.BINARY:
        return {"accuracy": _binary_accuracy, "crossentropy": _binary_crossentropy}
    return {"accuracy": _accuracy, "crossentropy": _crossentropy}


def _crossentropy(targets: Any, outputs: Any) -> Any:
    import keras

    return keras.losses.sparse_categorical_crossentropy(targets, outputs, from_logits=True)


def _binary_crossentropy(targets: Any, outputs: Any) -> Any:
    import keras

    labels = keras.ops.expand_dims(keras.ops.cast(targets, outputs.dtype), -1)
    return keras.losses.binary_crossentropy(labels, outputs, from_logits=True)


def _binary_mse(targets: Any, outputs: Any) -> Any:
    import keras

    error = keras.ops.cast(targets, outputs.dtype) - keras.ops.sigmoid(outputs)[:, 0]
    return keras.ops.square(error)


def _multiclass_mse(targets: Any, outputs: Any) -> Any:
    import keras

    labels = keras.ops.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return keras.ops.mean(keras.ops.square(labels - keras.ops.softmax(outputs)), axis=-1)


def _binary_accuracy(targets: Any, outputs: Any) -> Any:
    import keras

    # A logit above 0 is a probability above one half.
    guess = keras.ops.cast(outputs[:, 0] > 0, "int32")
    return keras.ops.cast(keras.ops.equal(guess, keras.ops.cast(targets, "int32")), "float32")


def _accuracy(targets: Any, outputs: Any) -> Any:
    import keras

    guess = keras.ops.cast(keras.ops.argmax(outputs, axis=-1), "int32")
    return keras.ops.cast(keras.ops.equal(guess, keras.ops.cast(targets, "int32")), "float32")


def _error(targets: Any, outputs: Any) -> Any:
    import keras

    return outputs[:, 0] - keras.ops.cast(targets, outputs.dtype)


def _mse(targets: Any, outputs: Any) -> Any:
    import keras

    return keras.ops.square(_error(targets, outputs))


def _mae(targets: Any, outputs: Any) -> Any:
    import keras

    return keras.ops.abs(_error(targets, outputs))


def _huber(targets: Any, outputs: Any) -> Any:
    import keras

    size = keras.ops.abs(_error(targets, outputs))
    return keras.ops.where(size <= 1.0, 0.5 * keras.ops.square(size), size - 0.5)


def _log_cosh(targets: Any, outputs: Any) -> Any:
    import keras

    error = _error(targets, outputs)
    # log(cosh(e)) without overflow: cosh itself is infinite from |e| = 89 in float32.
    return keras.ops.abs(error) + keras.ops.softplus(-2.0 * keras.ops.abs(error)) - 0.6931471805599453


_REGRESSION: dict[str, PerSample] = {"mse": _mse, "mae": _mae, "huber": _huber, "log_cosh": _log_cosh}
_CLASSIFICATION: dict[tuple[Task, str], PerSample] = {
    (Task.BINARY, "crossentropy"): _binary_crossentropy,
    (Task.BINARY, "mse"): _binary_mse,
    (Task.MULTICLASS, "crossentropy"): _crossentropy,
    (Task.MULTICLASS, "mse"): _multiclass_mse,
}
