"""The child process that reads a prepared TensorFlow Datasets folder into a cache entry.

``python -m pipelines.datasets.sources.tfds_reader FOLDER ORDER IDENTITY`` writes the four arrays and ``meta.json`` to
FOLDER. Only here is TensorFlow imported: its memory goes when this process ends.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.datasets.cache import Description, seal, write_array
from pipelines.datasets.sources.splitting import split_off_test
from pipelines.errors import DataError

BATCH_IMAGES = 250


def read(folder: Path, order: dict[str, Any], identity: dict[str, Any]) -> None:
    """Read the folder ``order["prepared"]`` and write the entry.

    Parameters
    ----------
    order
        ``prepared`` (folder of one version), ``name``, ``size`` (side of the square images, or None to keep them as
        they are), ``test_fraction`` (for a set without a test split; 0 for none).

    Raises
    ------
    DataError
        Where the records are fewer than stated, or the images differ in size and no size is stated.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(order["prepared"])
    classes = tuple(str(name) for name in builder.info.features["label"].names)
    details = {"order": "as TensorFlow Datasets stores it, unshuffled"}
    labels = _labels(builder, "train")
    everything = np.arange(len(labels))
    if "test" in builder.info.splits:
        test_labels = _labels(builder, "test")
        parts = [("", "train", everything, labels), ("test_", "test", np.arange(len(test_labels)), test_labels)]
    else:
        train, test = everything, everything[:0]
        if order["test_fraction"]:
            train, test = split_off_test(labels, Task.MULTICLASS, order["test_fraction"], order["name"], classes)
            details["test"] = f"a fixed stratified split of {order['test_fraction']:.0%}; the source has none"
        parts = [("", "train", train, labels[train]), ("test_", "train", test, labels[test])]
    shape = _image_shape(builder, order["size"])
    if order["size"]:
        details["size"] = f"{order['size']} x {order['size']}, centre-cropped and resized where another"
    for prefix, split, rows, chosen in parts:
        blocks = _images(builder, split, rows, shape)
        write_array(folder, f"{prefix}inputs", np.uint8, (len(rows), *shape), blocks)
        write_array(folder, f"{prefix}targets", np.int32, (len(rows),), [chosen])
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


def _main(arguments: Sequence[str]) -> int:
    folder, order, identity = arguments
    try:
        read(Path(folder), json.loads(order), json.loads(identity))
    except Exception as error:  # the parent shows the last line: TensorFlow's reasons fill many
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # Without the name of the operation, which TensorFlow puts on either side.
        print(re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*", "", lines[0]), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
