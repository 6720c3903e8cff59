"""Losses and metrics, one value a sample, computed from the network's raw outputs.

The networks end without an output activation (``models.build_network``): a cross-entropy of probabilities has to clip
them, which hides how wrong a confident network is, and that is what over-fitting looks like. ``model.fit`` on the
TensorFlow backend goes back to the raw outputs by itself; here it is explicit, so that all backends agree.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    return _LOSSES[task][name]


def make_metrics(task: Task) -> dict[str, PerSample]:
    """What is recorded beside the loss, whatever the loss: comparable between configurations that vary it."""
    return dict(_METRICS[task])


def unit_powers(loss: str, task: Task) -> dict[str, int]:
    """To what power the target's unit is in the loss, and in each metric: 2 in a squared error, 1 in an absolute one.

    A network that is trained on targets in deviations from their mean has losses in such units; times the deviation
    to this power they are in the target's own. ``huber`` and ``log_cosh`` are squares near 0 and plain far away: their
    power is that of the square, as in scale² · loss(error / scale). Empty for a classification.
    """
    if task.is_classification:
        return {}
    return {"loss": _POWERS[loss]} | {name: _POWERS[name] for name in _METRICS[task]}


def class_weights(labels: NDArray[np.integer[Any]], classes: int) -> NDArray[np.float32]:
    """Weight of a row by its class, shape (classes,), with which every class of these rows counts alike.

    A weighted accuracy is the balanced one then: the mean over the classes of the share of each that is told right. The
    weights are scikit-learn's ``balanced`` ones; a class that none of the ``labels``, shape (rows,), is of has 0.

    >>> class_weights(np.array([0, 0, 0, 2]), 3).tolist()
    [0.6666666865348816, 0.0, 2.0]
    """
    counts = np.bincount(labels, minlength=classes)
    present = np.count_nonzero(counts)
    return np.where(counts > 0, len(labels) / np.maximum(present * counts, 1), 0.0).astype(np.float32)


def explained_share(squared_errors: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float32]:
    """R2 of mean squared errors, any shape: the share of the variance of these ``targets``, (rows,), that is explained.

    1 for no error, 0 for the targets' own mean, below 0 for worse. As in scikit-learn it is not a number for fewer than
    two rows; where all targets are equal it is 1 without an error, else 0.

    >>> explained_share(np.array([0.25, 2.0]), np.array([1.0, 3.0])).tolist()
    [0.75, -1.0]
    """
    errors = np.asarray(squared_errors, np.float64)
    variance = np.asarray(targets, np.float64).var() if len(targets) > 1 else np.nan
    if variance == 0:
        return np.where(np.isnan(errors), np.nan, errors == 0).astype(np.float32)
    return (1 - errors / variance).astype(np.float32)


def _keras() -> Any:
    """Keras, imported when a quantity is computed: its backend is chosen before, by the process that trains."""
    import keras

    return keras


def _crossentropy(targets: Any, outputs: Any) -> Any:
    return _keras().losses.sparse_categorical_crossentropy(targets, outputs, from_logits=True)


def _binary_crossentropy(targets: Any, outputs: Any) -> Any:
    ops = _keras().ops
    labels = ops.expand_dims(ops.cast(targets, outputs.dtype), -1)
    return _keras().losses.binary_crossentropy(labels, outputs, from_logits=True)


def _binary_mse(targets: Any, outputs: Any) -> Any:
    ops = _keras().ops
    return ops.square(ops.cast(targets, outputs.dtype) - ops.sigmoid(outputs)[:, 0])


def _multiclass_mse(targets: Any, outputs: Any) -> Any:
    ops = _keras().ops
    labels = ops.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return ops.mean(ops.square(labels - ops.softmax(outputs)), axis=-1)


def _binary_accuracy(targets: Any, outputs: Any) -> Any:
    return _are_equal(outputs[:, 0] > 0, targets)  # a logit above 0 is a probability above one half


def _accuracy(targets: Any, outputs: Any) -> Any:
    return _are_equal(_keras().ops.argmax(outputs, axis=-1), targets)


def _are_equal(guess: Any, targets: Any) -> Any:
    ops = _keras().ops
    return ops.cast(ops.equal(ops.cast(guess, "int32"), ops.cast(targets, "int32")), "float32")


def _error(targets: Any, outputs: Any) -> Any:
    return outputs[:, 0] - _keras().ops.cast(targets, outputs.dtype)


def _mse(targets: Any, outputs: Any) -> Any:
    return _keras().ops.square(_error(targets, outputs))


def _mae(targets: Any, outputs: Any) -> Any:
    return _keras().ops.abs(_error(targets, outputs))


def _huber(targets: Any, outputs: Any) -> Any:
    ops, size = _keras().ops, _mae(targets, outputs)
    return ops.where(size <= 1.0, 0.5 * ops.square(size), size - 0.5)


def _log_cosh(targets: Any, outputs: Any) -> Any:
    # log(cosh(e)) without overflow: cosh itself is infinite from |e| = 89 in float32.
    size = _mae(targets, outputs)
    return size + _keras().ops.softplus(-2.0 * size) - 0.6931471805599453


_LOSSES: dict[Task, dict[str, PerSample]] = {
    Task.REGRESSION: {"mse": _mse, "mae": _mae, "huber": _huber, "log_cosh": _log_cosh},
    Task.BINARY: {"crossentropy": _binary_crossentropy, "mse": _binary_mse},
    Task.MULTICLASS: {"crossentropy": _crossentropy, "mse": _multiclass_mse},
}
_POWERS = {"mse": 2, "mae": 1, "huber": 2, "log_cosh": 2}
_METRICS: dict[Task, dict[str, PerSample]] = {
    Task.REGRESSION: {"mse": _mse, "mae": _mae},
    Task.BINARY: {"accuracy": _binary_accuracy, "crossentropy": _binary_crossentropy},
    Task.MULTICLASS: {"accuracy": _accuracy, "crossentropy": _crossentropy},
}
