"""A trained network as a model for others: raw inputs in, probabilities or values out, nothing of ours inside.

The networks that are trained see normalised inputs, end without an activation, and have some classes of ours in them.
What is saved has the normalisation as its first layer, the output activation as its last, and Keras' own classes, so
that ``keras.saving.load_model`` is all it takes to use it.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.compat import nothing_on_stderr
from pipelines.datasets.base import Task


def build_predictor(
    network: Any,
    weights: Sequence[NDArray[Any]],
    *,
    input_shape: tuple[int, ...],
    task: Task,
    offset: NDArray[np.float32],
    scale: NDArray[np.float32],
    backbone: Any = None,
) -> Any:
    """A ``keras.Sequential`` of plain Keras layers.

    Parameters
    ----------
    network
        As ``models.build_network`` makes it, with any weights.
    weights
        What the training ended with, in the order of ``network.get_weights()``.
    input_shape
        Of a raw sample; they may be of any number type, and are cast inside.
    offset, scale
        The network (or the backbone) sees ``(inputs - offset) / scale``.
    backbone
        A frozen network, with its weights, between the normalisation and ``network``, which was trained on its
        outputs.
    """
    import keras

    head = plain(network, weights)
    layers = [keras.Input(input_shape), *normalisation_layers(offset, scale)]
    if backbone is not None:
        layers.append(plain(backbone, backbone.get_weights()))
    layers += head.layers
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
