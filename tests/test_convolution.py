"""``PatchConv2D`` is ``Conv2D`` by another route."""

import os

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration

os.environ.setdefault("KERAS_BACKEND", "jax")


@pytest.mark.parametrize(
    ("shape", "filters", "side", "stride"),
    [((7, 7, 1), 3, 3, 1), ((8, 6, 2), 4, 4, 2), ((5, 9, 3), 2, 5, 3), ((4, 4, 1), 1, 1, 2), ((3, 3, 2), 2, 6, 1)],
)
def test_equals_keras_own_convolution(shape: tuple[int, ...], filters: int, side: int, stride: int) -> None:
    import jax
    import keras

    from pipelines.networks.fast_layers import PatchConv2D

    images = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    ours = PatchConv2D(filters, side, strides=stride, padding="same")
    theirs = keras.layers.Conv2D(filters, side, strides=stride, padding="same")
    ours.build(images.shape)
    theirs.build(images.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(images), theirs(images), rtol=1e-4, atol=1e-5)

    def gradient(layer: keras.layers.Layer) -> np.ndarray:
        values = [v.value for v in layer.trainable_variables]
        loss = lambda values: (layer.stateless_call(values, [], images)[0] ** 2).sum()  # noqa: E731
        return np.asarray(jax.grad(loss)(values)[0])

    np.testing.assert_allclose(gradient(ours), gradient(theirs), rtol=1e-3, atol=1e-3)


def test_networks_of_a_configuration() -> None:
    """Each convolution with normalisation, activation and pooling; dropout behind dense layers only."""
    from pipelines.networks.models import build_network

    configuration = Configuration(
        convolutions="3x3p2-4x5s2", layers=(6,), layer_normalisation="batch", dropout=0.5, l2=0.1
    )
    network = build_network(configuration, (8, 8, 1), 10)
    kinds = [type(layer).__name__ for layer in network.layers]
    block = ["BatchNormalization", "Activation"]
    assert kinds == [
        *("PatchConv2D", *block, "MaxPooling2D", "PatchConv2D", *block, "Flatten"),
        *("Dense", *block, "Dropout", "Dense"),
    ]
    assert network.layers[-6].output.shape == (None, 2 * 2 * 4)
    assert len(network.losses) == 3  # both convolutions and the hidden dense layer


def test_convolutions_need_images() -> None:
    from pipelines.networks.models import build_network

    with pytest.raises(UserError, match=r"convolutions: need images.* but a sample has the shape 13"):
        build_network(Configuration(convolutions="3x3"), (13,), 1)


def test_activations_are_counted_with_their_patches() -> None:
    from pipelines.networks.layers import activation_sizes, has_native_convolutions
    from pipelines.networks.models import build_network

    network = build_network(Configuration(convolutions="2x3", layers=()), (4, 4, 1), 10)
    assert activation_sizes(network) == [4 * 4, 4 * 4 * (2 + 9), 4 * 4 * 2, 4 * 4 * 2, 10]
    assert not has_native_convolutions(network)
