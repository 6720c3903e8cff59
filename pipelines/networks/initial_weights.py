"""Initial weights: from a seed the same ones in every engine, and on every backend.

Keras' default initial weights are drawn by NumPy here. JAX compiles a program for every shape it draws random numbers
in, which costs more than training a small network; and each backend has numbers of its own.
"""

import math
import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def build_seeded(build_model: Callable[[], Any], seed: int) -> Any:
    """A new model whose initial weights, and states of dropout, come from this seed.

    Keras draws the seeds of layers that have none from Python's ``random``, whose state is put back afterwards.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        return build_model()
    finally:
        random.setstate(state)


class HostGlorotUniform(keras.initializers.GlorotUniform):
    """Glorot and Bengio's uniform initializer (2010), Keras' default for kernels.

    Its seed, where none is given, comes from Python's ``random`` module, as for all of Keras' initializers.
    """

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Weights of this shape, uniform within ``sqrt(6 / (fan in + fan out))``."""
        receptive_field = math.prod(shape[:-2])
        limit = math.sqrt(6 / (receptive_field * (shape[-2] + shape[-1])))
        generator = np.random.default_rng(self.seed)
        return keras.ops.convert_to_tensor(generator.uniform(-limit, limit, shape).astype(np.float32), dtype=dtype)


class HostZeros(keras.initializers.Zeros):
    """Zeros, Keras' default for biases."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Zeros of this shape."""
        return keras.ops.convert_to_tensor(np.zeros(shape, np.float32), dtype=dtype)
