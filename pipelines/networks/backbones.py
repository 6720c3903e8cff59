"""Pretrained networks without their classifier: where their weights are, whether they are the right ones, the model.

The weights are searched where the user said, in ``weights`` of the data folder, where Keras keeps its own, and are
downloaded at last. Nothing here draws a random number: every fit starts from the same pretrained weights.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from pipelines.compat import nothing_on_stderr
from pipelines.datasets.cache import hash_file
from pipelines.datasets.places import Places
from pipelines.datasets.sources import downloads
from pipelines.errors import UserError

URL = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
CHANNELS = 3
SMALLEST_SIDE = 32
_INITIALIZERS = ("kernel_initializer", "depthwise_initializer")


class WeightsError(UserError):
    """A backbone's weights are missing, damaged, or another network's."""


@dataclass(frozen=True)
class Backbone:
    """One of the pretrained networks: MobileNetV2's width multiplier, and how many values its file of weights holds.

    These are the parameters, and means and variances of the batch normalisations.
    """

    alpha: float
    numbers: int

    @property
    def file(self) -> str:
        """What Keras calls the file of its weights."""
        return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{self.alpha}_224_no_top.h5"


BACKBONES: Mapping[str, Backbone] = {
    "mobilenet_v2": Backbone(1.0, 2_257_984),
    "mobilenet_v2_0.35": Backbone(0.35, 410_208),
}


@dataclass(frozen=True)
class Weights:
    """A file of weights that was found and fits its backbone: where it is, and its hash."""

    path: Path
    sha256: str


def find_weights(name: str, places: Places) -> Weights:
    """The file of a backbone's weights, checked to be that.

    Parameters
    ----------
    name
        One of ``BACKBONES``.
    places
        ``weights`` is the file, or a folder that holds it under Keras' name. None: searched in ``weights`` of the data
        folder and in Keras' own folder, else downloaded there.

    Raises
    ------
    WeightsError
        Where it is nowhere, damaged, or of another network; the sentence says what was tried and what to do.
    """
    stat = (path := _locate(name, places)).stat()
    return Weights(path, _checked(name, path, stat.st_size, stat.st_mtime_ns))


def check_images(name: str, shape: Sequence[int]) -> None:
    """Raise ``UserError`` where a backbone cannot see samples of this shape."""
    sides = " x ".join(map(str, shape)) or "()"
    if len(shape) != 3:
        fault = f"a sample has the shape {sides}"
    elif shape[2] != CHANNELS:
        fault = f"these have {shape[2]} channel{'s' if shape[2] != 1 else ''} ({sides})"
    elif min(shape[:2]) < SMALLEST_SIDE:
        fault = f"these are {sides}"
    else:
        return
    raise UserError(
        f"backbone {name}: needs colour images, height x width x {CHANNELS}, of at least {SMALLEST_SIDE} x "
        f"{SMALLEST_SIDE} pixels, but {fault}; allowed here: backbone none."
    )


def build_backbone(name: str, input_shape: tuple[int, ...], weights: Path | None, *, plain: bool = False) -> Any:
    """The pretrained network from images, already normalised, to features (batch, height / 32, width / 32, 1280).

    Parameters
    ----------
    weights
        As in ``Places``.
    plain
        Keras' own layers, for a model that is saved. Otherwise, with JAX, the convolutions are computed by routes
        that are faster in a compiled program; weights and outputs are the same.

    Raises
    ------
    UserError
        For images that it cannot see, and for weights that cannot be had or are another network's.
    """
    check_images(name, input_shape)
    found = find_weights(name, Places(weights=weights))
    original = _pretrained(name, tuple(input_shape), found)
    import keras

    is_fast = not plain and keras.backend.backend() == "jax"
    with nothing_on_stderr():  # Keras imports TensorFlow to see whether a TensorShape is among the settings
        clone = keras.models.clone_model(original, clone_function=partial(_copied, is_fast=is_fast))
    clone.set_weights(original.get_weights())
    if plain:
        for layer in clone.layers:
            for attribute in _INITIALIZERS:
                if hasattr(layer, attribute):
                    setattr(layer, attribute, keras.initializers.GlorotUniform())
    return clone


def _locate(name: str, places: Places) -> Path:
    file = BACKBONES[name].file
    if (weights := places.weights) is not None:
        path = weights / file if weights.is_dir() else weights
        if not path.is_file():
            where = "that folder has no such file" if weights.is_dir() else "there is no such file or folder"
            raise WeightsError(
                f"The weights of backbone {name} cannot be read from {path}: {where}. Allowed: a file of weights, a "
                f"folder that holds {file}, or nothing, for Keras' download."
            )
        return path
    own = downloads.keras_folder("models") / file
    looked = [own] if places.data_dir is None else [places.data_dir / "weights" / file, own]
    if (found := next((path for path in looked if path.is_file()), None)) is not None:
        return found
    try:
        return downloads.download_keras_file(file, URL + file, "", places.download_seconds, folder="models")
    except downloads.ChildError as error:
        raise WeightsError(
            f"The weights of backbone {name} are not on this machine (looked for {', '.join(map(str, looked))}) and "
            f"their download failed: {error}. Download {URL}{file} on a machine with a network, copy it to {own}, or "
            "name the file or its folder with the parameter weights. The exercise 'digits' runs without a download."
        ) from error


@lru_cache(maxsize=16)
def _checked(name: str, path: Path, _size: int, _changed: int) -> str:
    """The sha256 of a file that holds as many numbers as the backbone; size and time stamp are for the cache alone."""
    numbers, wanted = _count_numbers(name, path), BACKBONES[name].numbers
    if numbers != wanted:
        owner = next((f", those of {other}" for other, known in BACKBONES.items() if known.numbers == numbers), "")
        raise WeightsError(
            f"The weights in {path} are not those of backbone {name}: they are {numbers:,} numbers"
            f"{owner}, and {name} has {wanted:,}. Allowed: a file like Keras' "
            f"{BACKBONES[name].file}; several backbones need a folder that holds a file for each."
        )
    return hash_file(path)


def _count_numbers(name: str, path: Path) -> int:
    """Values of all arrays of an HDF5 file, without reading them."""
    import h5py

    sizes: list[int] = []

    def count(_name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            sizes.append(int(entry.size or 0))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(count)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise _damaged(name, path, error) from error
    return sum(sizes)


@lru_cache(maxsize=2)
def _pretrained(name: str, input_shape: tuple[int, ...], found: Weights) -> Any:
    """Keras' model with its weights; kept, since every fit of a trial asks for it."""
    import keras
    import numpy as np

    from pipelines.networks.initial_weights import HostZeros

    # Keras would draw weights only for the file's to replace them, and JAX compile a program for each of their shapes.
    zeros = {"glorot_uniform": HostZeros, "GlorotUniform": HostZeros}
    state = random.getstate()
    try:
        with keras.saving.custom_object_scope(zeros):
            model = keras.applications.MobileNetV2(
                input_shape=input_shape, alpha=BACKBONES[name].alpha, include_top=False, weights=None
            )
    finally:
        random.setstate(state)
    try:
        model.load_weights(found.path)
    except Exception as error:  # whatever h5py and Keras raise for a file with other arrays than the model's
        raise _damaged(name, found.path, error) from error
    if not all(np.isfinite(values).all() for values in model.get_weights()):
        raise _damaged(name, found.path, "it holds values that are not finite")
    return model


def _damaged(name: str, path: Path, reason: object) -> WeightsError:
    first = (str(reason).strip().splitlines() or [type(reason).__name__])[0]
    return WeightsError(
        f"The weights of backbone {name} cannot be read from {path}: {first.rstrip('.')}. Is it the whole of the HDF5 "
        f"file that Keras calls {BACKBONES[name].file}?"
    )


def _copied(layer: Any, is_fast: bool) -> Any:
    """A layer that computes the same, ``is_fast``: and that XLA compiles well; its weights are replaced at once."""
    from pipelines.networks.initial_weights import HostZeros

    kind: Any = type(layer)
    config = layer.get_config()
    if is_fast:
        from pipelines.networks.fast_layers import PatchConv2D, ShiftedDepthwiseConv2D

        fast: dict[str, Any] = {"Conv2D": PatchConv2D, "DepthwiseConv2D": ShiftedDepthwiseConv2D}
        kind = fast.get(kind.__name__, kind)
    return kind.from_config(config | {key: HostZeros() for key in config if key in _INITIALIZERS})
