"""The ``tfds`` source: image sets as TensorFlow Datasets prepares them.

The prepared folder is looked for in the data folder (``tfds/mnist/3.0.1`` or ``mnist/3.0.1``), then in TensorFlow
Datasets' own (``$TFDS_DATA_DIR``, ``~/tensorflow_datasets``), then downloaded there. Its records are read by a child
process, once; from then on the cache serves, and this process never imports TensorFlow. The child is this module:
``python -m pipelines.datasets.sources.tfds_sets FOLDER PREPARED IDENTITY`` writes the entry to FOLDER.

The option ``size`` is needed where the originals differ in size. Rows come in the records' own order, unshuffled.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset, DatasetSpec, Task
from pipelines.datasets.cache import Description, cached, hash_file, seal, write_array, write_arrays
from pipelines.datasets.folds import split_off_test
from pipelines.datasets.options import option, task_of
from pipelines.datasets.places import Places
from pipelines.datasets.sources import downloads
from pipelines.errors import DataError

BATCH_IMAGES = 250
READ_SECONDS = 1800.0  # for decoding a set on a slow machine; ends a child that hangs


#: Where TensorFlow Datasets downloads each set from, and the side of its images in pixels where the originals differ.
URLS = {
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "tf_flowers": "http://download.tensorflow.org/example_images/flower_photos.tgz",
}
SIZES = {"tf_flowers": 192}


def load(spec: DatasetSpec, task: Task | None, places: Places) -> Dataset:
    """Load ``fashion_mnist``, ``mnist`` or ``tf_flowers``.

    Images as uint8, shape (samples, side, side, channels). Raises ``DataError`` where the set cannot be had or read, or
    an option is wrong.
    """
    task_of(spec, dict.fromkeys(URLS, Task.MULTICLASS), task)
    size, fraction = option(spec, "size") or SIZES.get(spec.name), option(spec, "test_fraction")
    prepared = _find(spec.name, places)
    sha256 = hash_folder(prepared)
    identity = {"source": spec.source, "name": spec.name, "sha256": sha256, "size": size, "test_fraction": fraction}

    def build(folder: Path) -> None:
        try:
            downloads.run_child(
                __name__,
                [str(folder), str(prepared), json.dumps(identity)],
                seconds=READ_SECONDS,
                environment={"CUDA_VISIBLE_DEVICES": "-1"},  # decoding needs no GPU; the sweep may be using it
            )
        except downloads.ChildError as error:
            raise DataError(f"Data set {spec.name!r} in {prepared} cannot be read: {error}") from error

    entry = cached(places.cache_dir, spec.name, identity, build)
    return entry.dataset(spec.name, sha256, str(prepared))


def hash_folder(folder: Path) -> str:
    """Hash of a prepared set: the sha256 of ``sha256sum``'s lines for its record files, in the order of their names.

    Raises ``DataError`` where there is none.
    """
    records = sorted(path for path in folder.iterdir() if re.search(r"\.(tfrecord|array_record)", path.name))
    if not records:
        raise DataError(f"The folder {folder} holds no record files (*.tfrecord-*).")
    lines = "".join(f"{hash_file(path)}  {path.name}\n" for path in records)
    return hashlib.sha256(lines.encode()).hexdigest()


def _find(name: str, places: Places) -> Path:
    """The prepared folder: in the data folder, in TensorFlow Datasets' own, or downloaded and prepared there."""
    own = Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser() / name
    looked = [*places.within("tfds", name), own]
    if (prepared := next(filter(None, map(_newest, looked)), None)) is not None:
        return prepared
    reason = "it was prepared, but not where it was expected"
    try:
        downloads.download_tfds(name, URLS[name], places.download_seconds)
    except downloads.ChildError as error:
        reason = str(error)
    if (prepared := _newest(own)) is not None:
        return prepared
    raise downloads.unavailable(
        name,
        looked,
        reason,
        f"On a machine with a network, run tensorflow_datasets.load({name!r}) and copy the folder "
        f"~/tensorflow_datasets/{name} to {looked[0]} (so that {looked[0]}/<version>/dataset_info.json exists).",
    )


def _newest(folder: Path) -> Path | None:
    """The highest version in a set's folder that was prepared to its end; ``dataset_info.json`` is written last."""
    prepared = (info.parent for info in folder.glob("*/dataset_info.json"))
    versions = (path for path in prepared if re.fullmatch(r"\d+\.\d+\.\d+", path.name))
    return max(versions, key=lambda path: [int(part) for part in path.name.split(".")], default=None)


# What the child process does.


def read(folder: Path, prepared: str, identity: dict[str, Any]) -> None:
    """Read the folder of one version and write the entry.

    Parameters
    ----------
    identity
        Of the entry: ``name``, ``size`` (side of the square images, or None to keep them as they are),
        ``test_fraction`` (for a set without a test split; 0 for none).

    Raises
    ------
    DataError
        Where the records are fewer than stated, or the images differ in size and no size is stated.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(prepared)
    classes = tuple(str(name) for name in builder.info.features["label"].names)
    details = {"order": "as TensorFlow Datasets stores it, unshuffled"}
    labels = _labels(builder, "train")
    everything = np.arange(len(labels))
    if "test" in builder.info.splits:
        test_labels = _labels(builder, "test")
        parts = [("", "train", everything, labels), ("test_", "test", np.arange(len(test_labels)), test_labels)]
    else:
        train, test = everything, everything[:0]
        if fraction := identity["test_fraction"]:
            train, test = split_off_test(labels, Task.MULTICLASS, fraction, name=identity["name"], classes=classes)
            details["test"] = f"a fixed stratified split of {fraction:.0%}; the source has none"
        parts = [("", "train", train, labels[train]), ("test_", "train", test, labels[test])]
    shape = _image_shape(builder, size := identity["size"])
    if size:
        details["size"] = f"{size} x {size}, centre-cropped and resized where another"
    for prefix, split, rows, chosen in parts:
        blocks = _images(builder, split, rows, shape)
        write_array(folder, f"{prefix}inputs", blocks, dtype=np.uint8, shape=(len(rows), *shape))
        write_arrays(folder, {f"{prefix}targets": chosen})
    seal(folder, Description(Task.MULTICLASS, classes, (), details), identity)


def _batches(builder: Any, split: str, **keywords: Any) -> Any:
    """The records of a split in their own order, in batches as NumPy arrays; nothing is kept in memory."""
    import tensorflow_datasets as tfds

    reading = tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1)
    dataset = builder.as_dataset(split=split, shuffle_files=False, read_config=reading, **keywords)
    return tfds.as_numpy(dataset)


def _labels(builder: Any, split: str) -> NDArray[np.int32]:
    """Labels of a split, without decoding an image."""
    import tensorflow_datasets as tfds

    skip = {"image": tfds.decode.SkipDecoding()}
    batches = [batch["label"] for batch in _batches(builder, split, batch_size=BATCH_IMAGES, decoders=skip)]
    labels = np.concatenate(batches).astype(np.int32) if batches else np.zeros(0, np.int32)
    stated = builder.info.splits[split].num_examples
    if len(labels) != stated:
        raise DataError(f"the {split} split has {len(labels)} records, dataset_info.json states {stated}")
    return labels


def _image_shape(builder: Any, size: int | None) -> tuple[int, int, int]:
    height, width, channels = builder.info.features["image"].shape
    if size is not None:
        return size, size, int(channels)
    if height is None or width is None:
        raise DataError("its images differ in size: state the option 'size'")
    return int(height), int(width), int(channels)


def _images(
    builder: Any, split: str, rows: NDArray[np.int64], shape: tuple[int, int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Images of the chosen rows in order, in blocks of uint8 (up to ``BATCH_IMAGES``, *shape)."""
    if not len(rows):
        return
    # Images of different sizes cannot be batched before they are resized.
    same_size = None not in builder.info.features["image"].shape
    first = 0
    for batch in _batches(builder, split, batch_size=BATCH_IMAGES if same_size else None):
        images = batch["image"] if same_size else batch["image"][np.newaxis]
        chosen = images[np.isin(np.arange(first, first + len(images)), rows, assume_unique=True)]
        first += len(images)
        if len(chosen):
            yield np.stack([_fit(image, shape) for image in chosen])


def _fit(image: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The image as it is where its shape is right, else its central square resized (Lanczos)."""
    if image.shape == shape:
        return image
    from PIL import Image

    height, width, channels = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    picture = Image.fromarray(square[..., 0] if channels == 1 else square)
    resized = np.asarray(picture.resize(shape[:2], Image.Resampling.LANCZOS), np.uint8)
    return resized.reshape(shape)


def _main(folder: str, prepared: str, identity: str) -> int:
    try:
        read(Path(folder), prepared, json.loads(identity))
    except Exception as error:  # the parent shows the last line: TensorFlow's reasons fill many
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # Without the name of the operation, which TensorFlow puts on either side.
        print(re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*", "", lines[0]), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
