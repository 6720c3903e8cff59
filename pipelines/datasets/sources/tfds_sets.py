"""The ``tfds`` source: image sets as TensorFlow Datasets prepares them.

The prepared folder is looked for in the data folder (``tfds/mnist/3.0.1`` or ``mnist/3.0.1``), then in TensorFlow
Datasets' own (``$TFDS_DATA_DIR``, ``~/tensorflow_datasets``), then downloaded there. Its records are read by a child
process (``tfds_reader``), once; from then on the cache serves, and this process never imports TensorFlow.

Options: ``size`` (side of the square images; needed where the originals differ in size, and 192 for tf_flowers) and
``test_fraction`` (for sets without a test split; 0.2). Rows come in the records' own order, unshuffled.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.datasets.base import Dataset, DatasetSpec, Task
from pipelines.datasets.cache import cached
from pipelines.datasets.options import OPTIONS, check_name, check_options, check_task, option
from pipelines.datasets.places import Places
from pipelines.datasets.sources import downloads
from pipelines.errors import DataError

READ_SECONDS = 1800.0  # for decoding a set on a slow machine; ends a child that hangs


@dataclass(frozen=True)
class ImageSet:
    """One of the sets: where TensorFlow Datasets downloads it from, and the side of its images where they differ."""

    url: str
    size: int | None = None


SETS = {
    "fashion_mnist": ImageSet("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
    "mnist": ImageSet("https://storage.googleapis.com/cvdf-datasets/mnist/"),
    "tf_flowers": ImageSet("http://download.tensorflow.org/example_images/flower_photos.tgz", size=192),
}


def load(spec: DatasetSpec, task: Task | None, places: Places) -> Dataset:
    """Load ``fashion_mnist``, ``mnist`` or ``tf_flowers``.

    Returns
    -------
    Images as uint8, shape (samples, side, side, channels).

    Raises
    ------
    DataError
        Where the set cannot be had or read, or an option is wrong.
    """
    check_name(spec, SETS)
    check_options(spec, OPTIONS[spec.source])
    check_task(spec, task, Task.MULTICLASS)
    known = SETS[spec.name]
    size = option(spec, "size") or known.size
    fraction = option(spec, "test_fraction")
    prepared = _find(spec.name, known, places)
    sha256 = hash_folder(prepared)
    identity = {
        "source": spec.source,
        "name": spec.name,
        "sha256": sha256,
        "size": size,
        "test_fraction": fraction,
    }

    def build(folder: Path) -> None:
        order = {"prepared": str(prepared), "name": spec.name, "size": size, "test_fraction": fraction}
        try:
            downloads.run_child(
                "pipelines.datasets.sources.tfds_reader",
                [str(folder), json.dumps(order), json.dumps(identity)],
                seconds=READ_SECONDS,
                environment={"CUDA_VISIBLE_DEVICES": "-1"},  # decoding needs no GPU; the sweep may be using it
            )
        except downloads.ChildError as error:
            raise DataError(f"Data set {spec.name!r} in {prepared} cannot be read: {error}") from error

    entry = cached(places.cache_dir, spec.name, identity, build)
    return Dataset(
        name=spec.name,
        task=entry.description.task,
        **entry.arrays,
        classes=entry.description.classes,
        features=(),
        sha256=sha256,
        source=str(prepared),
        details=entry.description.details,
    )


def hash_folder(folder: Path) -> str:
    """Hash of a prepared set: the sha256 of ``sha256sum``'s lines for its record files, in the order of their names.

    Raises
    ------
    DataError
        Where there is none.
    """
    records = sorted(path for path in folder.iterdir() if re.search(r"\.(tfrecord|array_record)", path.name))
    if not records:
        raise DataError(f"The folder {folder} holds no record files (*.tfrecord-*).")
    lines = hashlib.sha256()
    for path in records:
        with path.open("rb") as file:
            lines.update(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n".encode())
    return lines.hexdigest()


def _find(name: str, known: ImageSet, places: Places) -> Path:
    """The prepared folder: in the data folder, in TensorFlow Datasets' own, or downloaded and prepared there."""
    own = Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    wanted = [] if places.data_dir is None else [places.data_dir / "tfds" / name, places.data_dir / name]
    looked = [*wanted, own / name]
    for folder in looked:
        if (prepared := _newest(folder)) is not None:
            return prepared
    reason = "it was prepared, but not where it was expected"
    try:
        downloads.download_tfds(name, known.url, places.download_seconds)
    except downloads.ChildError as error:
        reason = str(error)
    if (prepared := _newest(own / name)) is not None:
        return prepared
    raise downloads.unavailable(
        name,
        [str(folder) for folder in looked],
        reason,
        f"On a machine with a network, run tensorflow_datasets.load({name!r}) and copy the folder "
        f"~/tensorflow_datasets/{name} to {looked[0]} (so that {looked[0]}/<version>/dataset_info.json exists).",
    )


def _newest(folder: Path) -> Path | None:
    """The highest version in a set's folder that was prepared to its end; ``dataset_info.json`` is written last."""
    versions = []
    for info in folder.glob("*/dataset_info.json"):
        if re.fullmatch(r"\d+\.\d+\.\d+", info.parent.name):
            versions.append((tuple(int(part) for part in info.parent.name.split(".")), info.parent))
    return max(versions)[1] if versions else None
