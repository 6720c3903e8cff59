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
from pipelines.final.worth import Figure, figures, intervals
from pipelines.networks.objectives import make_loss, make_metrics, unit_powers

#: Name of a predictor's last layer where it turns outputs into the target's units.
TARGET_UNITS = "target_units"
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
    target_offset: float = 0.0,
    target_scale: float = 1.0,
    own: bool = False,
) -> Any:
    """A ``keras.Sequential`` of plain Keras layers, for raw inputs of any number type.

    ``network`` is as ``build_network`` makes it, with any weights; it gets those that the training ended with, in the
    order of ``network.get_weights()``. It (or the ``backbone``, a frozen network with its weights on whose outputs it
    was trained) sees ``(inputs - offset) / scale``. ``input_shape`` is that of one sample. What the network says to a
    regression means ``output * target_scale + target_offset``, in the target's units. A user's ``own`` network is taken
    as it is, with whatever layers it has; no class of ours is in it.
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
    elif (target_offset, target_scale) != (0.0, 1.0):
        layers.append(keras.layers.Rescaling(float(target_scale), float(target_offset), name=TARGET_UNITS))
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
        By name: ``loss``, the metrics of the task, and those of ``worth.figures``.
    """

    targets: NDArray[Any]
    outputs: NDArray[Any]
    predictions: NDArray[Any]
    probabilities: NDArray[np.float32] | None
    figures: Mapping[str, Figure]


def evaluate(model: Any, inputs: NDArray[Any], targets: NDArray[Any], *, task: Task, loss: str) -> Evaluation:
    """Predict every sample once, and compare.

    The model is as ``build_predictor`` makes it; the loss, by its name, and the metrics are computed from what comes
    before its last layer, as in training, and given in the target's units. Inputs and targets have the shapes (samples,
    *features) and (samples,), at least one sample.
    """
    import keras

    raw, outputs = _raw_and_meant(model, inputs)
    expected, scale = np.asarray(targets), 1.0
    if task is Task.REGRESSION:
        offset, scale = _target_units(model)
        expected = ((expected - offset) / scale).astype(np.float32)
    measures = {"loss": make_loss(loss, task), **make_metrics(task)}
    powers = unit_powers(loss, task)
    given = keras.ops.convert_to_tensor(expected), keras.ops.convert_to_tensor(raw)
    each = {
        name: scale ** powers.get(name, 0) * np.asarray(keras.ops.convert_to_numpy(measure(*given)), np.float64)
        for name, measure in measures.items()
    }
    probabilities = None
    if task is not Task.REGRESSION:
        probabilities = np.concatenate([1 - outputs, outputs], axis=1) if task is Task.BINARY else outputs
    answers = outputs[:, 0] if probabilities is None else probabilities
    return Evaluation(
        targets=targets,
        outputs=outputs,
        predictions=answers if probabilities is None else probabilities.argmax(axis=1).astype(np.int32),
        probabilities=probabilities,
        figures={**intervals(each), **figures(task, targets, answers)},
    )


def _raw_and_meant(model: Any, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Outputs before and behind a last layer that says what they mean; values in the target's units are float64."""
    import keras

    last = model.layers[-1]
    is_activation = isinstance(last, keras.layers.Activation)
    if not is_activation and last.name != TARGET_UNITS:
        raw = predict(model, inputs)
        return raw, raw
    raw = predict(keras.Sequential([keras.Input(model.input_shape[1:]), *model.layers[:-1]]), inputs)
    if is_activation:
        return raw, keras.ops.convert_to_numpy(last(raw))
    return raw, raw.astype(np.float64) * last.scale + last.offset


def _target_units(model: Any) -> tuple[float, float]:
    """Offset and scale of the target."""
    last = model.layers[-1]
    return (last.offset, last.scale) if last.name == TARGET_UNITS else (0.0, 1.0)


def predict(model: Any, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Outputs of a Keras model, shape (samples, outputs), in batches that fit the memory."""
    values = int(np.prod(inputs.shape[1:]))
    batch = min(max(1, _BATCH_VALUES // max(1, values)), max(1, len(inputs)))
    outputs: NDArray[np.float32] = model.predict(inputs, batch_size=batch, verbose=0)
    return outputs
