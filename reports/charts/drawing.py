"""Pictures drawn with matplotlib as files: SVG in the colours of the page, light or dark, and PNG beside Markdown."""

import base64
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from reports.charts.canvas import DARK, DPI

PNG_DPI = 1.25 * DPI

_LETTERS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif'.replace('"', "'")
_NAMES = {colour: f"--c{index}" for index, colour in enumerate(DARK)}


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


def svg(figure: Figure, *, photographs: bool = False) -> str:
    """A figure as an SVG document that follows the reader's choice of light or dark.

    Letters stay letters: any script can be read, and the file is small. ``photographs`` says that its images are ones,
    and may be stored as JPEG.
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
    text = re.sub(
        r"(fill|stroke): (#[0-9a-f]{6})",
        lambda m: f"{m[1]}: var({_NAMES[m[2]]})" if m[2] in _NAMES else m[0],
        text,
    )
    text = text.replace("font-family: 'DejaVu Sans'", f"font-family: {_LETTERS}")
    light = "".join(f"{name}:{colour};" for colour, name in _NAMES.items())
    dark = "".join(f"{name}:{DARK[colour]};" for colour, name in _NAMES.items())
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    start = text.index(">") + 1
    return text[:start] + style + text[start:]


def png(figure: Figure) -> bytes:
    """The figure on white."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="png", dpi=PNG_DPI, facecolor="white")
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
