"""What a trained model predicts for rows it has never seen, how good that is, and how sure the figures are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.networks.objectives import make_loss, make_metrics

#: Bootstrap samples; the ends of a 95 % interval are then known to about 2 % of its width.
RESAMPLES = 2000
COVERAGE = 0.95
#: Samples whose inputs are on the device together.
_BATCH_VALUES = 1 << 22


@dataclass(frozen=True)
class Figure:
    """A mean over samples with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions for some samples, and what they are worth.

    Attributes
    ----------
    targets
        What was to be predicted, shape (samples,).
    outputs
        Of the model, shape (samples, outputs): probabilities, or values for a regression.
    predictions
        A label (int) or a value (float) a sample, shape (samples,).
    probabilities
        Of every class, shape (samples, classes), two columns for a binary task; None for a regression.
    figures
        By name: ``loss`` and the metrics of the task.
    """

    targets: NDArray[Any]
    outputs: NDArray[np.float32]
    predictions: NDArray[Any]
    probabilities: NDArray[np.float32] | None
    figures: Mapping[str, Figure]


def evaluate(model: Any, inputs: NDArray[Any], targets: NDArray[Any], *, task: Task, loss: str) -> Evaluation:
    """Predict every sample once, and compare.

    Parameters
    ----------
    model
        ``keras.Sequential`` that ends with an output activation (``exporting.build_predictor``); losses are computed
        from what comes before it, as in training.
    inputs, targets
        Shapes (samples, *features) and (samples,), at least one sample.
    loss
        Name of the loss that was trained.

    Returns
    -------
    With 95 % intervals: percentiles of the means of ``RESAMPLES`` bootstrap samples of the rows. They say how much
    the figures depend on which samples are in the test set, and nothing of other seeds or other training data.
    """
    import keras

    raw = predict(_without_activation(model, task), inputs)
    outputs = raw if task is Task.REGRESSION else keras.ops.convert_to_numpy(model.layers[-1](raw))
    measures = {"loss": make_loss(loss, task), **make_metrics(task)}
    expected, answered = keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(raw)
    each = {name: keras.ops.convert_to_numpy(measure(expected, answered)) for name, measure in measures.items()}
    probabilities = _probabilities(outputs, task)
    return Evaluation(
        targets=targets,
        outputs=outputs,
        predictions=outputs[:, 0] if probabilities is None else probabilities.argmax(axis=1).astype(np.int32),
        probabilities=probabilities,
        figures=intervals(each),
    )


def predict(model: Any, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Outputs of a Keras model, shape (samples, outputs), in batches that fit the memory."""
    values = int(np.prod(inputs.shape[1:]))
    batch = min(max(1, _BATCH_VALUES // max(1, values)), max(1, len(inputs)))
    outputs: NDArray[np.float32] = model.predict(inputs, batch_size=batch, verbose=0)
    return outputs


def intervals(each: Mapping[str, NDArray[Any]], *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Figure]:
    """Mean of each measure with its bootstrap interval, all from the same samples of the rows.

    Parameters
    ----------
    each
        By name one value a sample, shape (samples,).
    """
    values = np.stack([np.asarray(column, np.float64) for column in each.values()], axis=1)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for number in range(resamples):
        means[number] = values[generator.integers(len(values), size=len(values))].mean(axis=0)
    tail = 100 * (1 - COVERAGE) / 2
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return {
        name: Figure(float(values[:, column].mean()), float(low[column]), float(high[column]))
        for column, name in enumerate(each)
    }


def _without_activation(model: Any, task: Task) -> Any:
    """The same layers without the output activation."""
    import keras

    if task is Task.REGRESSION:
        return model
    return keras.Sequential([keras.Input(model.input_shape[1:]), *model.layers[:-1]])


def _probabilities(outputs: NDArray[np.float32], task: Task) -> NDArray[np.float32] | None:
    if task is Task.REGRESSION:
        return None
    return np.concatenate([1 - outputs, outputs], axis=1) if task is Task.BINARY else outputs
