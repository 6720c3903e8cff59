"""Configuration -> Keras model and optimizer: dense, convolutional, and on top of a pretrained backbone."""

import itertools
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.settings import parse_convolutions
from pipelines.networks.backbones import build_backbone

#: Epsilon of Keras' optimizers, by default, in both versions.
KERAS2_EPSILON = 1e-7


def build_network(
    configuration: Configuration, input_shape: tuple[int, ...], outputs: int, *, weights: Path | None = None
) -> Any:
    """A built ``keras.Model`` from (batch, *input_shape) to raw outputs (batch, outputs).

    In order: the backbone where it is trained as well, convolutions, dense layers. A hidden layer is Dense or Conv2D
    (``same`` padding), then layer normalisation (where asked for), activation, max pooling or dropout. The output
    layer is linear, without a penalty: losses are computed from raw outputs, see ``pipelines.networks.objectives``.

    Initial weights are drawn from Python's ``random`` module, as Keras does for layers without a seed: call
    ``random.seed`` before, or use the engines, which do.

    Parameters
    ----------
    input_shape
        Of a sample: of its features, where the backbone is frozen.
    weights
        File of the backbone's weights; None: Keras' own, downloaded once.

    Raises
    ------
    UserError
        Where convolutions or a backbone are to see anything but images, or the weights are not the backbone's.
    """
    import keras

    check_input_shape(configuration, input_shape)
    backbone = [build_backbone(configuration.backbone, input_shape, weights)] if configuration.fine_tune else []
    convolutions = _convolutions(configuration)
    flatten = [keras.layers.Flatten()] if len(input_shape) > 1 else []
    return keras.Sequential(
        [keras.Input(input_shape), *backbone, *convolutions, *flatten, *_layers(configuration, outputs)]
    )


def check_input_shape(configuration: Configuration, shape: tuple[int, ...]) -> None:
    """Raise ``UserError`` where the network needs images and the samples are none."""
    if len(shape) == 3 or configuration.family in ("dense", "own"):
        return
    what = "convolutions" if configuration.backbone == "none" else f"backbone {configuration.backbone}"
    raise UserError(
        f"{what}: need images, height x width x channels, but a sample has the shape "
        f"{' x '.join(str(side) for side in shape)}; allowed here: dense layers."
    )


def build_sparse_network(configuration: Configuration, features: int, outputs: int, frequent: int) -> Any:
    """The network of ``build_network``, with the same weights, for inputs that are mostly zeros (JAX only).

    Its inputs are two: the first ``frequent`` columns, dense, and the others as a sparse (batch, features).
    """
    import keras

    from pipelines.networks.fast_layers import SparseInputDense

    inputs = [keras.Input((frequent,)), keras.Input((features,), sparse=True)]
    first, *others = _layers(configuration, outputs, first=SparseInputDense)
    return keras.Model(inputs, keras.Sequential(others)(first(inputs)) if others else first(inputs))


def _convolutions(configuration: Configuration) -> list[Any]:
    """The hidden convolutions, each with what follows it."""
    import keras

    kind = keras.layers.Conv2D
    if keras.backend.backend() == "jax":
        from pipelines.networks.fast_layers import PatchConv2D as kind  # noqa: N813
    layers: list[Any] = []
    for convolution in parse_convolutions(configuration.convolutions):
        settings = {"strides": convolution.stride, "padding": "same"} | _weights(configuration.l2)
        layers.append(kind(convolution.filters, convolution.kernel, **settings))
        layers.extend(_activation(configuration))
        if convolution.pool > 1:
            layers.append(keras.layers.MaxPooling2D(convolution.pool, padding="same"))
    return layers


def _layers(configuration: Configuration, outputs: int, first: Any = None) -> list[Any]:
    """Hidden dense layers and output layer; ``first`` is the class of the first one, where it is not ``Dense``."""
    import keras

    kinds = itertools.chain([first or keras.layers.Dense], itertools.repeat(keras.layers.Dense))
    layers: list[Any] = []
    for width in configuration.layers:
        layers.extend([next(kinds)(width, **_weights(configuration.l2)), *_activation(configuration)])
        if configuration.dropout:
            layers.append(keras.layers.Dropout(configuration.dropout))
    return [*layers, next(kinds)(outputs, **_weights(0.0))]


def _weights(l2: float) -> dict[str, Any]:
    """How a layer's weights begin and are penalised; an initializer of its own each, for one draws the same twice."""
    import keras

    from pipelines.networks.initial_weights import HostGlorotUniform, HostZeros

    return {
        "kernel_initializer": HostGlorotUniform(),
        "bias_initializer": HostZeros(),
        "kernel_regularizer": keras.regularizers.L2(l2) if l2 else None,
    }


def _activation(configuration: Configuration) -> list[Any]:
    """Layer normalisation, where there is one, and activation.

    Before a batch normalisation a bias has no effect, but Keras' users leave it in; so do we, that the number of
    parameters is the one they know.
    """
    import keras

    kinds = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}
    kind = kinds.get(configuration.layer_normalisation)
    return [*([kind()] if kind else []), keras.layers.Activation(configuration.activation)]


def build_optimizer(configuration: Configuration) -> Any:
    """A new Keras optimizer with the configuration's learning rate, everything else as Keras has it by default.

    ``rmsprop_keras2``: up to version 2, Keras' RMSprop divided the gradient by ``sqrt(v) + 1e-7``, where ``v`` is the
    moving average of its square; version 3 divides by ``sqrt(v + 1e-7)``. The root of 1e-7 is 3e-4, so weights whose
    gradients are smaller than that, those of rare words above all, move less than they did. With the epsilon squared
    version 3 computes what version 2 did, but for gradients of the size of 1e-7.
    """
    import keras

    rate = configuration.learning_rate
    if configuration.optimizer == "momentum":
        return keras.optimizers.SGD(rate, momentum=0.9)
    if configuration.optimizer == "rmsprop_keras2":
        return keras.optimizers.RMSprop(rate, epsilon=KERAS2_EPSILON**2)
    return keras.optimizers.get({"class_name": configuration.optimizer, "config": {"learning_rate": rate}})
