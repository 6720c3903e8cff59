"""What the engines must know about a network's layers."""

import math
from typing import Any

import numpy as np

from pipelines.compat import layers_of

_PER_SAMPLE = frozenset(
    """
    InputLayer Sequential Functional Dense SparseInputDense Flatten Reshape Permute RepeatVector Embedding Rescaling
    Activation ReLU LeakyReLU ELU PReLU Softmax
    Dropout SpatialDropout1D SpatialDropout2D GaussianDropout GaussianNoise AlphaDropout
    LayerNormalization RMSNormalization GroupNormalization UnitNormalization
    Conv1D Conv2D PatchConv2D Conv3D Conv2DTranspose DepthwiseConv2D SeparableConv2D
    MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D
    ZeroPadding2D Cropping2D UpSampling2D
    Add Subtract Multiply Average Maximum Minimum Concatenate
    """.split()
)


def is_per_sample(model: Any) -> bool:
    """Whether every layer is known to compute each row of a batch by itself; batch normalisation does not."""
    return all(
        type(layer).__name__ in _PER_SAMPLE
        and _is_known(layer)
        and not _penalises_activations(layer)  # of the whole batch, padding included
        and _has_layers_only(layer)
        for layer in layers_of(model)
    )


def has_penalty(model: Any) -> bool:
    """Whether some layer adds a penalty to the loss: on weights, on activations, or by ``add_loss``."""
    layers = layers_of(model)
    if model.losses or any(map(_penalises_activations, layers)):
        return True
    if all(_is_known(layer) for layer in layers):
        return False
    # What a user's own layer adds is known once it is called.
    model(np.zeros((1, *model.input_shape[1:]), np.float32))
    return bool(model.losses)


def count_parameters(model: Any) -> int:
    """Number of trainable parameters."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def has_native_convolutions(model: Any) -> bool:
    """Whether the backend's own convolution is among the layers, rather than ``PatchConv2D``."""
    return any("Conv" in type(layer).__name__ and type(layer).__name__ != "PatchConv2D" for layer in _leaves(model))


def activation_sizes(model: Any) -> list[int]:
    """Values that each layer makes of one sample, the patches of a ``PatchConv2D`` among them."""
    sizes = []
    for layer in _leaves(model):
        output = getattr(layer, "output", None)
        if output is None or not hasattr(output, "shape") or None in output.shape[1:]:
            continue
        size = math.prod(output.shape[1:])
        if type(layer).__name__ == "PatchConv2D":
            size += size // layer.filters * math.prod(layer.kernel.shape[:3])
        sizes.append(size)
    return sizes


def _is_known(layer: Any) -> bool:
    """Whether a layer is one of Keras or of ours, whose ways are known."""
    return type(layer).__module__.startswith(("keras.", "pipelines."))


def _has_layers_only(layer: Any) -> bool:
    """Whether a functional model has no operation but layers; ``keras.ops`` may look at the whole batch."""
    import keras

    return all(isinstance(each, keras.layers.Layer) for each in getattr(layer, "operations", ()))


def _penalises_activations(layer: Any) -> bool:
    return getattr(layer, "activity_regularizer", None) is not None


def _leaves(model: Any) -> list[Any]:
    """All layers that are no models themselves."""
    return [layer for layer in layers_of(model) if not getattr(layer, "layers", None)]
