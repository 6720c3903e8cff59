"""What the pictures are drawn with: colours, letters, images as they may be shown, a canvas in pixels."""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

P = ParamSpec("P")
R = TypeVar("R")

# Colours of the style sheet, here those of a light page; each stands for one role, so that a dark page can exchange it.
INK, MUTED, LINE, TRACK = "#1b1f24", "#5c656e", "#e3e6e8", "#b9c0c6"
RIGHT, WRONG = "#0072b2", "#c8380a"
DARK: Mapping[str, str] = {
    INK: "#e7eaed",
    MUTED: "#9aa4ad",
    LINE: "#2a3036",
    TRACK: "#56606a",
    RIGHT: "#56b4e9",
    WRONG: "#ff8a5c",
}

#: Images with a longer side are photographs: shown smaller and smooth. Smaller ones show their pixels.
SMALL_IMAGE = 64
#: Pixels of a photograph for each pixel of the page.
SHARPNESS = 1.5
DPI = 96
_LETTERS = "DejaVu Sans"  # comes with matplotlib, so the figures look the same everywhere

_STYLE: Any = {  # matplotlib's own type lists every setting there is
    "font.family": _LETTERS,
    "font.size": 9,
    "text.parse_math": False,  # a class may be called "$5"
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "figure.facecolor": "none",
    "grid.color": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw with our colours and letters, whatever matplotlib is set to elsewhere."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


def pixels(size: float) -> float:
    """Pixels of a page as points, in which matplotlib measures letters."""
    return size * 72 / DPI


def plain(text: str) -> str:
    """A text on one line, without characters that cannot be printed."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def shortened(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """A text cut to the room it has in pixels, at letters of ``size`` pixels.

    >>> shortened("Ankle boot", 100, 12), shortened("Ankle boot", 40, 12)
    ('Ankle boot', 'Ankl…')
    """
    letters = max(2, int(room / ((0.67 if bold else 0.6) * size)))
    text = plain(text)
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def photograph(images: NDArray[Any]) -> list[NDArray[np.uint8]]:
    """Images as they are shown: (height, width, 3) uint8 each, one brightness scale for all.

    One channel is shown as ink on paper, its largest value black; three are colours: uint8 as they are, others from 0
    (or from their least value, where that is negative) to their largest.

    Parameters
    ----------
    images
        Shape (n, height, width, channels), 1 channel or 3.

    Raises
    ------
    ValueError
        Where the shape is another.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"images of shape {images.shape}; allowed: (n, height, width, 1) or (n, height, width, 3)")
    if images.shape[3] == 3 and images.dtype == np.uint8:
        return list(images)
    values = np.nan_to_num(images.astype(np.float32))
    low = min(float(values.min(initial=0.0)), 0.0)
    high = float(values.max(initial=low))
    shares = (values - low) / ((high - low) or 1.0)
    if images.shape[3] == 1:
        shares = np.repeat(1 - shares, 3, axis=3)
    return list(np.rint(255 * shares).astype(np.uint8))


class Canvas:
    """A grid of tiles on one pair of axes, in pixels from the upper left corner.

    Parameters
    ----------
    tiles, columns
        How many there are, and how many side by side.
    width, height
        Of a tile.
    gap
        Between tiles.
    """

    def __init__(self, tiles: int, columns: int, width: float, height: float, *, gap: float) -> None:
        self._columns, self._step = min(columns, max(tiles, 1)), (width + gap, height + gap)
        self._tiles = tiles
        across = self._columns * self._step[0] - gap
        down = max(1, -(-tiles // self._columns)) * self._step[1] - gap
        self.figure = Figure(figsize=(across / DPI, down / DPI), dpi=DPI)
        self.figure.suppressComposite = True  # else SVG would have one large image in place of many small ones
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set(xlim=(0, across), ylim=(down, 0))

    def places(self) -> Iterator[tuple[float, float]]:
        """Upper left corner of each tile."""
        for tile in range(self._tiles):
            row, column = divmod(tile, self._columns)
            yield column * self._step[0], row * self._step[1]

    def image(self, image: NDArray[np.uint8], x: float, y: float, side: float) -> None:
        """An image (height, width, 3) in the middle of a square."""
        height, width = image.shape[:2]
        across, down = side * width / max(height, width), side * height / max(height, width)
        if max(height, width) > max(SMALL_IMAGE, SHARPNESS * side):
            image = np.asarray(
                Image.fromarray(image).resize(
                    (round(SHARPNESS * across), round(SHARPNESS * down)), Image.Resampling.BOX
                )
            )
        left, top = x + (side - across) / 2, y + (side - down) / 2
        limits = self._axes.get_xlim(), self._axes.get_ylim()
        self._axes.imshow(
            image,
            extent=(left, left + across, top + down, top),
            aspect="auto",
            interpolation="none",
        )
        self._axes.set(xlim=limits[0], ylim=limits[1])

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        colour: str = INK,
        bold: bool = False,
        align: str = "left",
        middle: bool = False,
    ) -> None:
        """A line of text whose upper edge, or middle, is at ``y``."""
        self._axes.text(
            x,
            y,
            text,
            fontsize=pixels(size),
            color=colour,
            fontweight="bold" if bold else "normal",
            ha=align,
            va="center_baseline" if middle else "top",
        )

    def bar(self, x: float, y: float, width: float, height: float, colour: str, *, name: str) -> None:
        """A filled rectangle; ``name`` says what it is the bar of."""
        # As an artist: for a patch matplotlib would compute new limits of the axes.
        self._axes.add_artist(Rectangle((x, y), max(width, 0.8), height, facecolor=colour, linewidth=0, label=name))
