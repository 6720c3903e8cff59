"""The final model as others get it, and what it is worth on rows it has never seen.

The networks that are trained see normalised inputs, end without an activation, and have some classes of ours in them.
What is saved has the normalisation as its first layer, the output activation as its last, and Keras' own classes, so
that ``keras.saving.load_model`` is all it takes to use it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.compat import nothing_on_stderr
from pipelines.datasets.base import Task
from pipelines.networks.objectives import make_loss, make_metrics

#: Bootstrap samples; the ends of a 95 % interval are then known to about 2 % of its width.
RESAMPLES = 2000
COVERAGE = 0.95
#: Samples whose inputs are on the device together.
_BATCH_VALUES = 1 << 22


def build_predictor(
    network: Any,
    weights: Sequence[NDArray[Any]],
    *,
    input_shape: tuple[int, ...],
    task: Task,
    offset: NDArray[np.float32],
    scale: NDArray[np.float32],
    backbone: Any = None,
    own: bool = False,
) -> Any:
    """A ``keras.Sequential`` of plain Keras layers, for raw inputs of any number type.

    ``network`` is as ``build_network`` makes it, with any weights; it gets those that the training ended with, in the
    order of ``network.get_weights()``. It (or the ``backbone``, a frozen network with its weights on whose outputs it
    was trained) sees ``(inputs - offset) / scale``. ``input_shape`` is that of one sample. A user's ``own`` network is
    taken as it is, with whatever layers it has; no class of ours is in it.
    """
    import keras

    if own:
        network.set_weights(list(weights))
    head = network if own else plain(network, weights)
    layers = [keras.Input(input_shape), *normalisation_layers(offset, scale)]
    if backbone is not None:
        layers.append(plain(backbone, backbone.get_weights()))
    layers += head.layers if isinstance(head, keras.Sequential) else [head]
    if task is not Task.REGRESSION:
        layers.append(keras.layers.Activation("sigmoid" if task is Task.BINARY else "softmax", name="probabilities"))
    return keras.Sequential(layers)


def plain(network: Any, weights: Sequence[NDArray[Any]]) -> Any:
    """A copy with these weights in which each class of ours is the one of Keras' own that it is a form of.

    Ours are reproducible or faster, and derive from Keras' with the same settings, weights and outputs.
    """
    with nothing_on_stderr():  # to see whether a TensorShape is among the settings, Keras imports TensorFlow
        config = network.get_config()
    copy = type(network).from_config(_plain(config))
    copy.set_weights(list(weights))
    return copy


def normalisation_layers(offset: NDArray[np.float32], scale: NDArray[np.float32]) -> list[Any]:
    """Layers that compute ``(inputs - offset) / scale``, for inputs of any number type.

    One ``Rescaling`` where both are scalars. Of one value a feature, one subtracts and a second divides: a single one
    would multiply first, which takes digits off a feature whose mean is large beside its deviation, and Keras'
    ``Normalization`` takes no deviation below 1e-7.
    """
    import keras

    if offset.ndim == 0:
        return [keras.layers.Rescaling(float(1 / scale), float(-offset / scale), name="normalisation")]
    return [
        keras.layers.Rescaling(1.0, (-offset).tolist(), name="minus_offset"),
        keras.layers.Rescaling((1 / scale.astype(np.float64)).tolist(), name="over_scale"),
    ]


def _plain(config: Any) -> Any:
    """A configuration of Keras with our classes replaced, wherever they stand in it."""
    if isinstance(config, list | tuple):
        return type(config)(_plain(item) for item in config)
    if not isinstance(config, dict):
        return config
    made = {key: _plain(value) for key, value in config.items()}
    if str(made.get("module")).startswith("pipelines."):
        module, name = _kerass(str(made["module"]), str(made["class_name"]))
        made |= {"module": module, "class_name": name, "registered_name": None}
    return made


def _kerass(module: str, name: str) -> tuple[str, str]:
    """Module and name, as Keras writes them, of the class of its own that one of ours derives from."""
    import keras

    ours = getattr(import_module(module), name)
    base = next(base for base in ours.__mro__ if base.__module__.startswith("keras."))
    if base in (keras.layers.Layer, keras.initializers.Initializer):
        raise TypeError(f"{module}.{name} is a form of no class of Keras, which others would need to load the model")
    return "keras.layers" if issubclass(base, keras.layers.Layer) else "keras.initializers", base.__name__


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

    The model is a ``keras.Sequential`` that ends with an output activation (``build_predictor``); the loss, by its
    name, and the metrics are computed from what comes before it, as in training. Inputs and targets have the shapes
    (samples, *features) and (samples,), at least one sample.

    The 95 % intervals are percentiles of the means of ``RESAMPLES`` bootstrap samples of the rows. They say how much
    the figures depend on which samples are in the test set, and nothing of other seeds or other training data.
    """
    import keras

    if task is Task.REGRESSION:
        outputs = raw = predict(model, inputs)
        probabilities = None
    else:
        raw = predict(keras.Sequential([keras.Input(model.input_shape[1:]), *model.layers[:-1]]), inputs)
        outputs = keras.ops.convert_to_numpy(model.layers[-1](raw))
        probabilities = np.concatenate([1 - outputs, outputs], axis=1) if task is Task.BINARY else outputs
    measures = {"loss": make_loss(loss, task), **make_metrics(task)}
    expected, answered = keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(raw)
    each = {name: keras.ops.convert_to_numpy(measure(expected, answered)) for name, measure in measures.items()}
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


def intervals(each: Mapping[str, NDArray[Any]]) -> dict[str, Figure]:
    """Mean of each measure (by name one value a sample) with its bootstrap interval, all from the same rows."""
    values = np.stack([np.asarray(column, np.float64) for column in each.values()], axis=1)
    generator = np.random.default_rng(0)
    rows = (generator.integers(len(values), size=len(values)) for _ in range(RESAMPLES))
    means = np.stack([values[drawn].mean(axis=0) for drawn in rows])
    tail = 100 * (1 - COVERAGE) / 2
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return {
        name: Figure(float(values[:, column].mean()), float(low[column]), float(high[column]))
        for column, name in enumerate(each)
    }
