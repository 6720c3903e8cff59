"""What everything that matplotlib draws has in common: letters, places in pixels, a canvas of images, and its files.

Files are SVG in the colours of the page, light or dark, and PNG on white.
"""

import base64
import io
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from reports.charts.palette import LIGHT, css_variables, with_variables

P = ParamSpec("P")
R = TypeVar("R")

#: Images with a longer side are photographs: shown smaller and smooth. Smaller ones show their pixels.
SMALL_IMAGE = 64
#: Pixels of a photograph for each pixel of the page.
SHARPNESS = 1.5
DPI = 96
PNG_DPI = 1.25 * DPI

_DRAWN_LETTERS = "DejaVu Sans"  # comes with matplotlib, so the figures look the same everywhere
_LETTERS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"
_STYLE: Any = {  # matplotlib's own type lists every setting there is
    "font.family": _DRAWN_LETTERS,
    "font.size": 9,
    "text.parse_math": False,  # a class may be called "$5"
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["line"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "figure.facecolor": "none",
    "grid.color": LIGHT["line"],
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
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


def sheet(width: float, height: float) -> Figure:
    """An empty figure of a size in pixels."""
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI)


def placed(figure: Figure, x: float, y: float, *, width: float, height: float) -> Axes:
    """Axes at a place in pixels from the figure's upper left corner."""
    across, down = figure.get_size_inches() * DPI
    return figure.add_axes((x / across, 1 - (y + height) / down, width / across, height / down))


def plain(text: str) -> str:
    """A text on one line, without characters that cannot be printed."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def cut(text: str, letters: int) -> str:
    """A text of at most so many letters."""
    text = plain(text)
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def shortened(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """A text cut to the room it has in pixels, at letters of ``size`` pixels.

    >>> shortened("Ankle boot", 100, 12), shortened("Ankle boot", 40, 12)
    ('Ankle boot', 'Ankl…')
    """
    return cut(text, max(2, int(room / ((0.67 if bold else 0.6) * size))))


def photograph(images: NDArray[Any]) -> list[NDArray[np.uint8]]:
    """Images as they are shown: (height, width, 3) uint8 each, one brightness scale for all.

    One channel is shown as ink on paper, its largest value black; three are colours: uint8 as they are, others from 0
    (or from their least value, where that is negative) to their largest.

    Raises ``ValueError`` where the shape is another.

    ``images``: shape (n, height, width, channels), 1 channel or 3.
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

    Axes of their own for every sample would take seconds.

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
        self.figure = sheet(across, down)
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
            size = round(SHARPNESS * across), round(SHARPNESS * down)
            image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
        left, top = x + (side - across) / 2, y + (side - down) / 2
        limits = self._axes.get_xlim(), self._axes.get_ylim()
        extent = left, left + across, top + down, top
        self._axes.imshow(image, extent=extent, aspect="auto", interpolation="none")
        self._axes.set(xlim=limits[0], ylim=limits[1])

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        role: str = "ink",
        bold: bool = False,
        align: str = "left",
        middle: bool = False,
    ) -> None:
        """A line of text whose upper edge, or middle, is at ``y``."""
        written = self._axes.text(x, y, text, ha=align, va="center_baseline" if middle else "top")
        written.set(fontsize=pixels(size), color=LIGHT[role], fontweight="bold" if bold else "normal")

    def bar(self, x: float, y: float, *, width: float, height: float, role: str, name: str) -> None:
        """A filled rectangle; ``name`` says what it is the bar of."""
        # As an artist: for a patch matplotlib would compute new limits of the axes.
        size = max(width, 0.8), height
        self._axes.add_artist(Rectangle((x, y), *size, facecolor=LIGHT[role], linewidth=0, label=name))


@dataclass(frozen=True)
class Embedded:
    """An image within a page: its address, which holds it, and its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Drawn:
    """A picture as files: for a wide page, for a narrow one (None where that scrolls), and as PNG."""

    wide: Embedded
    narrow: Embedded | None
    png: bytes


def drawn(draw: Callable[[bool], Figure], *, photographs: bool = False, scrolls: bool = False) -> Drawn:
    """Draw a picture in all its forms.

    Parameters
    ----------
    draw
        Gives the figure, for a narrow page where its argument is true.
    photographs
        Whether the images within it are photographs, which may be stored as JPEG.
    scrolls
        Whether a narrow page shows the wide figure.
    """
    figure = draw(False)
    narrow = None if scrolls else _embedded(draw(True), photographs)
    return Drawn(_embedded(figure, photographs), narrow, png(figure))


def svg(figure: Figure, *, head: str = "", photographs: bool = False) -> str:
    """A figure as an SVG document that follows the reader's choice of light or dark.

    Letters stay letters: any script can be read, and the file is small.

    Parameters
    ----------
    head
        XML that stands before what is drawn.
    photographs
        Whether its images are photographs, and may be stored as JPEG.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "overfit-atlas"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="svg", dpi=2 * DPI, metadata=nothing, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    if photographs:  # pixels of their own size are not to be shown as squares, and JPEG takes a tenth of the bytes
        text = text.replace("image-rendering:crisp-edges;image-rendering:pixelated", "")
        text = re.sub(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)", _lighter, text)
    text = with_variables(text).replace(f"font-family: '{_DRAWN_LETTERS}'", f"font-family: {_LETTERS}")
    start = text.index(">")
    return f'{text[:start]} role="img">{head}<style>{css_variables()}</style>{text[start + 1 :]}'


def png(figure: Figure, *, dpi: float = PNG_DPI) -> bytes:
    """The figure on white."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="png", dpi=dpi, facecolor=LIGHT["paper"])
    return buffer.getvalue()


def _embedded(figure: Figure, photographs: bool) -> Embedded:
    width, height = figure.get_size_inches() * DPI
    text = svg(figure, photographs=photographs)
    uri = "data:image/svg+xml;base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")
    return Embedded(uri, round(width), round(height))


def _lighter(found: re.Match[str]) -> str:
    image = Image.open(io.BytesIO(base64.b64decode(found[1])))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
