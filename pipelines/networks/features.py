"""What a frozen backbone makes of the images, computed once and kept: only the head is trained, on all folds together.

A frozen backbone sees every image in the same way in every epoch, fold and trial. Its features are therefore part of
the data: an entry of the cache, named after the images, the backbone's weights and the normalisation.
"""

import hashlib
import itertools
import math
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset
from pipelines.datasets.cache import Description, cached, write_array, write_arrays
from pipelines.datasets.places import Places
from pipelines.datasets.preparation import FIXED
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration, setting_named
from pipelines.exercises.exercise import Exercise
from pipelines.networks.backbones import Weights, WeightsError, build_backbone, check_images, find_weights
from pipelines.networks.models import check_input_shape

#: Called with the images done, and all of them.
OnProgress = Callable[[int, int], None]

#: Half the memory of float32, and the third digit of a feature changes nothing (measured: the same accuracy).
DTYPE = np.float16
#: Pixels that are in work together on one device: the widest layer holds some 100 bytes for each.
_BATCH_PIXELS = 32 * 192 * 192
_HASH_BYTES = 1 << 24


def has_frozen_backbone(configuration: Configuration) -> bool:
    """Whether the configuration trains a head on the features of a backbone that stays as it is."""
    return configuration.backbone != "none" and not configuration.fine_tune


def prepare_dataset(
    dataset: Dataset,
    configuration: Configuration,
    places: Places,
    *,
    on_progress: OnProgress | None = None,
    test: bool = True,
) -> Dataset:
    """The data that a configuration is trained on: the features of a frozen backbone, else the data set itself.

    Parameters
    ----------
    places
        Where the backbone's weights are (``backbones.find_weights``), and where the features are kept.
    on_progress
        Told of the images done, where they are not in the cache already.
    test
        Whether to prepare the test split too. A sweep does not: the returned test split is then empty.

    Returns
    -------
    With inputs (samples, height / 32, width / 32, 1280) float16, a read-only memory map. ``details`` says which
    backbone, weights and preprocessing they come from.

    Raises
    ------
    UserError
        For data that are no colour images, weights that are not the backbone's, and a normalisation that is fitted
        on training rows: the features are the same for all folds.
    """
    if not has_frozen_backbone(configuration):
        return dataset
    check_images(configuration.backbone, dataset.input_shape)
    check_normalisation(configuration)
    found = find_weights(configuration.backbone, places)
    task = _Task(configuration.backbone, dataset.input_shape, found, configuration.normalisation)
    features = partial(_features, task=task, cache_dir=places.cache_dir, on_progress=on_progress)
    inputs = features(dataset)
    details = dataset.details | task.details(inputs.shape[1:])
    test_inputs, test_targets = np.empty((0, *inputs.shape[1:]), DTYPE), dataset.test_targets[:0]
    if test and len(dataset.test_inputs):
        test_targets = dataset.test_targets
        test_inputs = features(replace(dataset, inputs=dataset.test_inputs, targets=test_targets))
    return replace(dataset, inputs=inputs, test_inputs=test_inputs, test_targets=test_targets, details=details)


def check_normalisation(configuration: Configuration) -> None:
    """Raise ``UserError`` where a frozen backbone is to see images normalised by each fold's own training rows."""
    if has_frozen_backbone(configuration) and configuration.normalisation not in FIXED:
        raise UserError(
            f"normalisation: '{configuration.normalisation}' is fitted on each fold's training rows, but the features "
            f"of the frozen backbone {configuration.backbone} are shared by all folds; allowed: {', '.join(FIXED)} "
            "(MobileNetV2 was trained with minus_one_one), or fine_tune: true."
        )


class Inputs:
    """What configurations are trained on: a data set, or what a frozen backbone makes of it.

    Found and computed once, and kept: an engine that is given the same arrays does not move them to its device again.
    """

    def __init__(self, dataset: Dataset, places: Places) -> None:
        self.dataset, self._places = dataset, places
        self._weights: dict[str, Weights | UserError] = {}
        self._features: dict[tuple[str, str, bool], Dataset] = {}

    def weights(self, configuration: Configuration) -> Weights | None:
        """The weights of its backbone; None for a network without one.

        Raises ``WeightsError`` where the file cannot be had, at every time anew without a further search.
        """
        name = configuration.backbone
        if name == "none":
            return None
        if name not in self._weights:
            try:
                self._weights[name] = find_weights(name, self._places)
            except WeightsError as error:
                self._weights[name] = error
        if isinstance(found := self._weights[name], UserError):
            raise found
        return found

    def weights_file(self, configuration: Configuration) -> Path | None:
        """Where these weights are."""
        found = self.weights(configuration)
        return found.path if found else None

    def of(self, configuration: Configuration, *, test: bool = False, on_progress: OnProgress | None = None) -> Dataset:
        """The data that a configuration is trained on; for ``test`` and ``on_progress`` see ``prepare_dataset``."""
        if not has_frozen_backbone(configuration):
            return self.dataset
        key = (configuration.backbone, configuration.normalisation, test)
        if key not in self._features:
            places = replace(self._places, weights=self.weights_file(configuration))
            self._features[key] = prepare_dataset(
                self.dataset, configuration, places, on_progress=on_progress, test=test
            )
        return self._features[key]


def find_all_weights(exercise: Exercise, inputs: Inputs, *, documented: bool) -> dict[str, Weights]:
    """Weights of every backbone that a sweep's trials may have, by its name.

    Before the first trial, and with all else that would make trials fail for the images alone.

    Parameters
    ----------
    documented
        Whether the documented variants are trained.

    Raises
    ------
    UserError
        For samples that a backbone or convolutions cannot see, weights that cannot be had, and a frozen backbone
        under a fitted normalisation.
    """
    shape = inputs.dataset.input_shape
    configurations = [exercise.baseline, *_networks(exercise)]
    if documented:
        configurations += [variant.configuration for variant in exercise.documented]
    configurations += [point.configuration for point in exercise.design_points]
    found: dict[str, Weights] = {}
    for configuration in configurations:
        if configuration.backbone != "none":
            check_images(configuration.backbone, shape)
            check_normalisation(configuration)
        if (weights := inputs.weights(configuration)) is not None:
            found[configuration.backbone] = weights
        check_input_shape(configuration, shape)
    return found


def _networks(exercise: Exercise) -> Iterator[Configuration]:
    """Configurations with every combination of those axes of the space that decide what the samples must be."""
    space = exercise.space
    axes = [axis for axis in space.parameters if setting_named(axis.name).decides_samples]
    for values in itertools.product(*([(axis.name, choice) for choice in axis.choices] for axis in axes)):
        yield space.configuration(dict(values), exercise.baseline).canonical()


@dataclass(frozen=True)
class _Task:
    """What features depend on beside the images."""

    backbone: str
    image_shape: tuple[int, ...]
    weights: Weights
    normalisation: str

    def details(self, shape: tuple[int, ...]) -> dict[str, str]:
        offset, scale = FIXED[self.normalisation]
        return {
            "backbone": f"{self.backbone}, frozen",
            "weights": self.weights.path.name,
            "weights_sha256": self.weights.sha256,
            "preprocessing": f"{self.normalisation}: (pixel - {offset:g}) / {scale:g}",
            "features": f"{' x '.join(map(str, shape))}, {np.dtype(DTYPE).name}",
        }


def _features(dataset: Dataset, task: _Task, cache_dir: Path | None, on_progress: OnProgress | None) -> NDArray[Any]:
    """Features of a data set's training images, from the cache where they are there."""
    images, targets = dataset.inputs, dataset.targets
    identity = {
        "images": _hash(images),
        "backbone": task.backbone,
        "weights": task.weights.sha256,
        "normalisation": task.normalisation,
        "dtype": np.dtype(DTYPE).str,
    }

    def build(folder: Path) -> Description:
        blocks = _blocks(images, task, on_progress)
        first = next(blocks)
        shape = first.shape[1:]
        write_array(folder, "inputs", itertools.chain([first], blocks), dtype=DTYPE, shape=(len(images), *shape))
        empty = np.empty((0, *shape), DTYPE)
        write_arrays(folder, {"targets": targets, "test_inputs": empty, "test_targets": targets[:0]})
        return Description(dataset.task, dataset.classes, (), task.details(shape))

    entry = cached(cache_dir, f"{dataset.name}-{task.backbone}", identity, build)
    return entry.arrays["inputs"]


def _hash(images: NDArray[Any]) -> str:
    """Hash of type, shape and values: the source's hash leaves out how images were chosen, cropped and split."""
    digest = hashlib.sha256(f"{images.dtype.str} {images.shape}".encode())
    rows = max(1, _HASH_BYTES // max(1, images[:1].nbytes))
    for first in range(0, len(images), rows):
        digest.update(np.ascontiguousarray(images[first : first + rows]).data)
    return digest.hexdigest()


def _blocks(images: NDArray[Any], task: _Task, on_progress: OnProgress | None) -> Iterator[NDArray[Any]]:
    """Features of the images, some at a time, in order."""
    done = 0
    compute = _with_tensorflow if os.environ.get("KERAS_BACKEND") == "tensorflow" else _with_jax
    for block in compute(images, task):
        done += len(block)
        if on_progress is not None:
            on_progress(done, len(images))
        yield block


def _batch_size(shape: tuple[int, ...]) -> int:
    return max(1, _BATCH_PIXELS // math.prod(shape[:2]))


def _with_jax(images: NDArray[Any], task: _Task) -> Iterator[NDArray[Any]]:
    """The backbone as one compiled program, with each batch spread over all devices."""
    import jax

    program, along_images, weights = _program(task.backbone, task.image_shape, task.weights)
    devices = along_images.mesh.size
    size = _batch_size(task.image_shape) * devices
    offset, scale = (np.float32(value) for value in FIXED[task.normalisation])
    for first in range(0, len(images), size):
        block = images[first : first + size]
        # One shape, one program: a last batch that is shorter is filled up.
        batch = np.zeros((min(size, -(-len(images) // devices) * devices), *images.shape[1:]), images.dtype)
        batch[: len(block)] = block
        yield np.asarray(program(weights, jax.device_put(batch, along_images), offset, scale))[: len(block)]


@lru_cache(maxsize=2)
def _program(backbone: str, image_shape: tuple[int, ...], weights: Weights) -> tuple[Any, Any, Any]:
    """The compiled backbone, how its images lie on the devices, and its weights there; both splits have one."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    model = build_backbone(backbone, image_shape, weights.path)
    mesh = Mesh(np.array(jax.devices()), ("images",))
    values = [[v.value for v in variables] for variables in (model.trainable_variables, model.non_trainable_variables)]

    def features(weights: Any, batch: Any, offset: Any, scale: Any) -> Any:
        outputs, _ = model.stateless_call(*weights, (batch.astype(jnp.float32) - offset) / scale, training=False)
        return outputs.astype(DTYPE)

    there = jax.device_put(values, NamedSharding(mesh, PartitionSpec()))
    return jax.jit(features), NamedSharding(mesh, PartitionSpec("images")), there


def _with_tensorflow(images: NDArray[Any], task: _Task) -> Iterator[NDArray[Any]]:
    """The backbone in a process of its own, since trials have theirs, and this one is to stay without TensorFlow."""
    size = _batch_size(task.image_shape)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin_child) as pool:
        try:
            for first in range(0, len(images), size):
                yield pool.submit(_predict, task, np.array(images[first : first + size])).result()
        except BrokenProcessPool as error:
            raise UserError(
                f"The process that computed the features of backbone {task.backbone} was ended, as the system does "
                "when memory runs out; smaller images need less."
            ) from error


def _begin_child() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; ending is the sweep's to decide
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the process that trains has the GPU
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@lru_cache(maxsize=1)
def _model(task: _Task) -> Any:
    # Outside a compiled program TensorFlow has a library for Keras' own layers.
    return build_backbone(task.backbone, task.image_shape, task.weights.path, plain=True)


def _predict(task: _Task, images: NDArray[Any]) -> NDArray[Any]:
    offset, scale = FIXED[task.normalisation]
    inputs = (images.astype(np.float32) - np.float32(offset)) / np.float32(scale)
    features: NDArray[Any] = _model(task).predict_on_batch(inputs).astype(DTYPE)
    return features
