"""A folder of images by class, ``flowers/rose/1.jpg``, as one array; the folders' names are the classes."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipelines.datasets.user_file.rows import Rows
from pipelines.errors import DataError
from pipelines.words import counted

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
USUAL_SIDE, LARGEST_SIDE = 64, 256
_GREY = ("1", "L", "LA", "I;16")
_BROKEN = (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Form:
    """What images are made: squares of so many pixels a side, with 1 channel (grey) or 3."""

    side: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return self.side, self.side, self.channels


def image_paths(folder: Path) -> list[Path]:
    """All images below a folder, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def hash_folder(folder: Path) -> str:
    """A sha256 of names and contents of all images."""
    whole = hashlib.sha256()
    for path in image_paths(folder):
        whole.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def read_images(folder: Path, side: int | None, form: Form | None = None) -> tuple[Rows, Form, str]:
    """Images with the names of their folders as targets.

    Parameters
    ----------
    side
        Pixels a side; None for the images' own where all are squares of one size up to 256, else 64.
    form
        That of the training images, for a folder of test images.

    Returns
    -------
    The rows, their form, and how they were read in words.

    Raises
    ------
    DataError
        Where there are no folders of images, or an image cannot be read.
    """
    paths = image_paths(folder)
    if not paths:
        raise DataError(f"The folder {folder} holds no images; files that end in {', '.join(SUFFIXES)} are read.")
    loose = [path for path in paths if path.parent == folder]
    if loose:
        raise DataError(
            f"{loose[0]} lies in no folder of a class; each image belongs into a folder with the name of its class, as "
            f"{folder.name}/rose/1.jpg."
        )
    classes = [path.relative_to(folder).parts[0] for path in paths]
    sizes, modes = _sizes(paths)
    form = form or _form_of(sizes, modes, side)
    words = [
        f"{counted(len(paths), 'image')} in {counted(len(set(classes)), 'folder')}",
        f"{form.side} x {form.side} pixels",
        "grey" if form.channels == 1 else "in colour",
    ]
    if set(sizes) != {(form.side, form.side)}:
        width, height = sizes.most_common(1)[0][0]
        words.append(f"made of {'' if len(sizes) == 1 else 'mostly '}{width} x {height}")
    pixels = load_images(paths, form)
    return Rows(pixels, pd.Series(classes, name="class", dtype="str"), str(folder)), form, ", ".join(words)


def load_images(paths: Sequence[Path], form: Form) -> NDArray[np.uint8]:
    """Images in a form, uint8, shape (images, side, side, channels).

    Raises ``DataError`` where one cannot be read.
    """
    pixels = np.empty((len(paths), *form.shape), np.uint8)
    for place, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                made = _eight_bits(image).convert("L" if form.channels == 1 else "RGB")
                if made.size != (form.side, form.side):
                    made = made.resize((form.side, form.side), Image.Resampling.BILINEAR, reducing_gap=2.0)
                pixels[place] = np.asarray(made).reshape(form.shape)
        except _BROKEN as error:
            raise DataError(f"{path} cannot be read as an image, it is damaged or cut off: {error}.") from error
    return pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    """An image of 16 bits in 8, which Pillow would else cut off at 255."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _sizes(paths: Sequence[Path]) -> tuple["Counter[tuple[int, int]]", set[str]]:
    sizes: Counter[tuple[int, int]] = Counter()
    modes = set()
    for path in paths:
        try:
            with Image.open(path) as image:
                sizes[image.size] += 1
                modes.add(image.mode)
        except _BROKEN as error:
            raise DataError(f"{path} cannot be read as an image: {error}.") from error
    return sizes, modes


def _form_of(sizes: "Counter[tuple[int, int]]", modes: set[str], side: int | None) -> Form:
    width, height = next(iter(sizes))
    own = width if len(sizes) == 1 and width == height <= LARGEST_SIDE else USUAL_SIDE
    return Form(side or own, 1 if modes <= set(_GREY) else 3)
