"""What the engines must know about a network's layers."""

import math
from typing import Any

_PER_SAMPLE = frozenset(
    """
    InputLayer Sequential Functional Dense SparseInputDense Flatten Reshape Permute RepeatVector Embedding Rescaling
    Activation ReLU LeakyReLU ELU PReLU Softmax
    Dropout SpatialDropout1D SpatialDropout2D GaussianDropout GaussianNoise AlphaDropout
    LayerNormalization RMSNormalization GroupNormalization UnitNormalization
    Conv1D Conv2D Conv3D Conv2DTranspose DepthwiseConv2D SeparableConv2D
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
        and type(layer).__module__.startswith(("keras.", "pipelines."))
        and getattr(layer, "activity_regularizer", None)
        is None  # a penalty on the batch's activations, padding included
        for layer in model._flatten_layers()
    )


def has_penalty(model: Any) -> bool:
    """Whether some layer adds a penalty to the loss."""
    return bool(model.losses)


def count_parameters(model: Any) -> int:
    """Number of trainable parameters."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)
