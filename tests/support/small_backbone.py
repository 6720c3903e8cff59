"""Weights of MobileNetV2 with the smaller width multiplier, made at random once, and images to go with them."""

import os

os.environ["KERAS_BACKEND"] = "jax"

from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import jax
import keras
import numpy as np
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group
from numpy.typing import NDArray

from pipelines.networks.backbones import BACKBONES
from pipelines.networks.initial_weights import HostZeros

NAME = "mobilenet_v2_0.35"
FILE = BACKBONES[NAME].file
SHAPE = (32, 40, 3)


@lru_cache(maxsize=1)
def random_model() -> Any:
    """Keras' own model with weights drawn by NumPy, for JAX would compile a program for every shape."""
    with keras.saving.custom_object_scope({"glorot_uniform": HostZeros}):
        model = keras.applications.MobileNetV2(
            input_shape=SHAPE, alpha=BACKBONES[NAME].alpha, include_top=False, weights=None
        )
    generator = np.random.default_rng(5)

    def drawn(variable: Any) -> NDArray[Any]:
        if "kernel" in variable.path:
            return generator.normal(size=variable.shape) * np.sqrt(2 / np.prod(variable.shape[:-1]))
        low = 0.5 if "gamma" in variable.path or "variance" in variable.path else -0.2
        return generator.uniform(low, low + 1, variable.shape)

    model.set_weights([drawn(variable) for variable in model.weights])
    return model


def write_weights(path: Path) -> Path:
    """These weights as a file in the format of those that Keras hosts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, random_model())
    return path


def images(count: int, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), np.uint8)


def predict(model: Any, inputs: NDArray[Any], *, training: bool = False) -> NDArray[Any]:
    """Outputs of a model as one compiled program, for called layer by layer JAX compiles each."""
    weights = [[v.value for v in variables] for variables in (model.trainable_variables, model.non_trainable_variables)]
    program = jax.jit(lambda weights, inputs: model.stateless_call(*weights, inputs, training=training)[0])
    return np.asarray(program(weights, inputs))
