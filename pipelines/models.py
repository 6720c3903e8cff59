"""Configuration -> Keras model and optimizer. One builder a model family; dense is the first."""

from typing import Any

from pipelines.configurations import Configuration
from pipelines.datasets.base import Task


def build_network(configuration: Configuration, input_shape: tuple[int, ...], outputs: int) -> Any:
    """A built ``keras.Model`` from (batch, *input_shape) to raw outputs (batch, outputs).

    A hidden layer is Dense, then layer normalisation (where asked for), activation, dropout. The output layer is
    linear, without a penalty: losses are computed from raw outputs, see ``pipelines.objectives``.

    Initial weights are drawn from Python's ``random`` module, as Keras does for layers without a seed: call
    ``random.seed`` before, or use the engines, which do.
    """
    import keras

    flatten = [keras.layers.Flatten()] if len(input_shape) > 1 else []
    return keras.Sequential([keras.Input(input_shape), *flatten, *_layers(configuration, outputs)])


def build_sparse_network(configuration: Configuration, features: int, outputs: int, frequent: int) -> Any:
    """The network of ``build_network``, with the same weights, for inputs that are mostly zeros (JAX only).

    Its inputs are two: the first ``frequent`` columns, dense, and the others as a sparse (batch, features).
    """
    import keras

    from pipelines.sparse_layer import SparseInputDense

    inputs = [keras.Input((frequent,)), keras.Input((features,), sparse=True)]
    first, *others = _layers(configuration, outputs, first=SparseInputDense)
    return keras.Model(inputs, keras.Sequential(others)(first(inputs)) if others else first(inputs))


def _layers(configuration: Configuration, outputs: int, first: Any = None) -> list[Any]:
    """Hidden layers and output layer; ``first`` is the class of the first one, where it is not ``Dense``."""
    import keras

    from pipelines.initializers import HostGlorotUniform, HostZeros

    layers: list[Any] = []

    def add_dense(units: int, penalty: Any = None) -> None:
        kind = keras.layers.Dense if layers or first is None else first
        # An initializer of its own a layer: one used twice would draw the same weights twice.
        initial = {"kernel_initializer": HostGlorotUniform(), "bias_initializer": HostZeros()}
        layers.append(kind(units, kernel_regularizer=penalty, **initial))

    kernel_penalty = keras.regularizers.L2(configuration.l2) if configuration.l2 else None
    for width in configuration.layers:
        normalisation = _layer_normalisation(configuration.layer_normalisation)
        # Behind a normalisation a bias has no effect on the output of a batch normalisation, but Keras' users leave
        # it in; so do we, that the number of parameters is the one they know.
        add_dense(width, kernel_penalty)
        if normalisation is not None:
            layers.append(normalisation)
        layers.append(keras.layers.Activation(configuration.activation))
        if configuration.dropout:
            layers.append(keras.layers.Dropout(configuration.dropout))
    add_dense(outputs)
    return layers


def build_optimizer(configuration: Configuration) -> Any:
    """A new Keras optimizer with the configuration's learning rate, everything else as Keras has it by default."""
    import keras

    rate = configuration.learning_rate
    if configuration.optimizer == "momentum":
        return keras.optimizers.SGD(rate, momentum=0.9)
    return keras.optimizers.get({"class_name": configuration.optimizer, "config": {"learning_rate": rate}})


def with_output_activation(network: Any, task: Task) -> Any:
    """The same weights as a model that predicts probabilities (classification) or values (regression)."""
    import keras

    if task is Task.REGRESSION:
        return network
    activation = "sigmoid" if task is Task.BINARY else "softmax"
    return keras.Sequential([network, keras.layers.Activation(activation)])


def _layer_normalisation(name: str) -> Any:
    import keras

    if name == "batch":
        return keras.layers.BatchNormalization()
    return keras.layers.LayerNormalization() if name == "layer" else None
