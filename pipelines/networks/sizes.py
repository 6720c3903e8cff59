"""The size of a network by its configuration alone: nothing is built, so no framework is loaded for it."""

import math

from pipelines.exercises.configurations import Configuration
from pipelines.exercises.settings import parse_convolutions

#: Features of a backbone that is trained as well, and weights of its own; about those of MobileNetV2.
_BACKBONE_FEATURES, _BACKBONE_WEIGHTS = 1280, 2_200_000


def count_weights(configuration: Configuration, input_shape: tuple[int, ...], outputs: int) -> int:
    """Weights of the network, each counted as often as a sample is multiplied with it: about its multiplications.

    >>> count_weights(Configuration(layers=(64,)), (10,), 1)
    769
    """
    total = 0
    if configuration.fine_tune:
        # One multiplication a weight would be too few: its kernels pass over the image.
        total, width = _BACKBONE_WEIGHTS * max(1, math.prod(input_shape[:2]) // 1024), _BACKBONE_FEATURES
    elif configuration.convolutions != "none" and len(input_shape) == 3:
        height, breadth, channels = input_shape
        for convolution in parse_convolutions(configuration.convolutions):
            height, breadth = (math.ceil(side / convolution.stride) for side in (height, breadth))
            total += height * breadth * convolution.filters * (channels * convolution.kernel**2 + 1)
            height, breadth = (math.ceil(side / convolution.pool) for side in (height, breadth))
            channels = convolution.filters
        width = height * breadth * channels
    else:
        width = math.prod(input_shape)
    for units in (*configuration.layers, outputs):
        total += (width + 1) * units
        width = units
    return total
