"""What a figure shows, whoever draws it: a title, a text for those who do not see it, axes, and marks on them.

Texts are plain here, whatever characters they have; a renderer escapes what its output language asks for. Marks are
few and simple, so that the interactive figure (``as_plotly``) and the pictures (``as_files``) cannot drift apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = tuple[float | None, ...]
#: Lines of a text that appears under the pointer; the first is the heading.
Hover = tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """A line through points; None interrupts it."""

    #: ``name``, ``role``: entry of the legend, none where empty; and the colour's role in ``palette``.
    name: str
    role: str
    #: ``x``, ``y``: points, in the axes' units.
    x: Numbers
    y: Numbers
    #: What is said of the whole line; without it, and outside a panel that is read by its x, the line is silent.
    hover: Hover = ()
    spread: Numbers = ()  #: deviation at each point, said beside its value in a panel that is read by its x
    width: float = 2.0
    dash: bool = False
    step: bool = False  #: whether the value stays until the next point
    opacity: float = 1.0
    group: str = ""  #: lines of one group are shown and hidden together


@dataclass(frozen=True)
class Band:
    """The area between two lines."""

    name: str
    role: str
    x: Numbers
    low: Numbers
    high: Numbers
    opacity: float = 0.16
    group: str = ""


@dataclass(frozen=True)
class Points:
    """Separate points."""

    name: str
    role: str
    x: Numbers
    y: Numbers
    #: ``circle``, ``diamond``, ``square``, ``x``, ``triangle-up``, ``-down``, ``-left`` or ``-right``; as outlines
    #: ``circle-open``, ``diamond-open``, ``ring`` (around another), ``arrow`` (upwards), ``tick`` (an upright stroke)
    #: and ``dash``.
    symbol: str = "circle"
    hollow: tuple[bool, ...] = ()  #: which of them are drawn as an outline; empty for none
    hover: tuple[Hover, ...] = ()
    #: ``low``, ``high``: ends of an interval in y; empty for none at all, None for none at a point.
    low: Numbers = ()
    high: Numbers = ()
    labels: tuple[str, ...] = ()  #: a letter or two beside each point; empty for none
    #: A last line for each point's ``hover``: what differs between views, where all else is said once.
    last: tuple[str, ...] = ()
    size: float = 9.0
    group: str = ""


@dataclass(frozen=True)
class Bars:
    """Bars from zero to the right, at heights of the y axis."""

    name: str
    role: str
    y: Numbers
    lengths: Numbers
    hover: tuple[Hover, ...]
    thickness: float = 0.4
    hatched: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a heat map, 1 wide and high: ``shade`` is 0 (faint) to 1 (strong), ``texts`` its lines."""

    x: int
    y: int
    shade: float
    texts: tuple[str, ...]
    hover: Hover


@dataclass(frozen=True)
class Cells:
    """A heat map; where there is no cell there is nothing to show."""

    role: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Texts:
    """Words at places of the axes: ``left`` or ``right`` of them, ``top left``, ``bottom right`` or ``middle``."""

    role: str
    x: Numbers
    y: Numbers
    texts: tuple[str, ...]
    align: str = "middle"


Mark = Line | Band | Points | Bars | Cells | Texts


@dataclass(frozen=True)
class Axis:
    """An axis from ``low`` to ``high``; ``ticks`` are places and what is written there, empty for the renderer's."""

    title: str
    low: float
    high: float
    log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()
    grid: bool = True
    bare: bool = False


@dataclass(frozen=True)
class Panel:
    """Axes with marks. ``by_x``: the pointer asks for all values at its x, rather than for the mark nearest to it."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    by_x: bool = False


@dataclass(frozen=True)
class View:
    """One of the alternatives between which a reader chooses; its panels stand one above the other."""

    name: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Chart:
    """A figure."""

    name: str  #: its identifier on a page and the name of its files: lower-case letters and hyphens
    title: str  #: what is seen, as a heading
    alt: str  #: what it shows, in a sentence from its data
    views: tuple[View, ...]  #: one or more, with the same marks in the same order
    choice: str = ""  #: what the reader chooses between views; empty with a single one
    note: str = ""  #: what must be known beside it; may be empty
    height: int = 420  #: in pixels of a wide page
    least_width: int = 0  #: in pixels; a narrower page scrolls it
    pictured: int = 1  #: how many views the static picture shows, side by side
    emphasis: bool = False  #: whether the line under the pointer is drawn stronger

    def __post_init__(self) -> None:
        kinds = {tuple(tuple(type(mark) for mark in panel.marks) for panel in view.panels) for view in self.views}
        if len(kinds) != 1:
            raise ValueError(f"the views of {self.name!r} have different marks; all must have the same, empty or not")


def one_view(*panels: Panel) -> tuple[View, ...]:
    """The views of a chart in which there is nothing to choose."""
    return (View("", panels),)


def rounded(values: Sequence[float | None] | NDArray[np.floating], digits: int = 4) -> Numbers:
    """Values with so many significant digits; None for what is no finite number.

    >>> rounded([1.23456, float("nan"), None, 1234567.0])
    (1.235, None, None, 1235000.0)
    """
    return tuple(
        float(f"{value:.{digits}g}") if value is not None and math.isfinite(value) else None for value in values
    )


def around(values: Sequence[float | None], *, margin: float = 0.06) -> tuple[float, float]:
    """Ends of a linear axis that shows all values with a margin; (0, 1) where there are none."""
    known = [value for value in values if value is not None]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = margin * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def around_log(values: Sequence[float | None], *, margin: float = 0.06) -> tuple[float, float]:
    """The same for a logarithmic axis; values must be positive."""
    low, high = around([math.log10(value) for value in values if value is not None], margin=margin)
    return 10**low, 10**high


def log_axis(title: str, values: Sequence[float]) -> Axis:
    """A logarithmic axis with round ticks that shows all values, which must be positive."""
    low, high = around_log(values)
    return Axis(title, low, high, log=True, ticks=log_ticks(low, high))


def named_axis(title: str, names: Sequence[str], room: float = 0.5) -> Axis:
    """An axis of words, numbered from 0, with this room beside the first and the last."""
    places = tuple((float(place), name) for place, name in enumerate(names))
    return Axis(title, -room, len(names) - 1 + room, ticks=places, grid=False)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two values, about so many.

    >>> ticks(0, 200), ticks(0.21, 0.5, 3)
    ([0.0, 50.0, 100.0, 150.0, 200.0], [0.3, 0.4, 0.5])
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * scale for factor in (1, 2, 5, 10) if factor * scale >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def epoch_ticks(epochs: int) -> list[int]:
    """Epochs to label on an axis from 1 to ``epochs``."""
    inner = [int(tick) for tick in ticks(0, epochs) if tick == int(tick) and tick > 1]
    return [1, *inner] if epochs > 1 else [1]


def epoch_axis(epochs: int) -> Axis:
    """The axis of the epochs 1 to ``epochs``, with a little room at both ends."""
    room = 0.02 * (epochs - 1)
    return Axis("epoch", 1 - room, epochs + room)


def percent_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Round shares between two, as percentages.

    >>> percent_ticks(-0.01, 0.26)
    ((0.0, '0 %'), (0.1, '10 %'), (0.2, '20 %'))
    """
    return tuple((share, f"{100 * share:.6g} %") for share in ticks(low, high))


def log_ticks(low: float, high: float, about: int = 6) -> tuple[tuple[float, str], ...]:
    """Round places on a logarithmic axis, at most about so many.

    >>> [text for _, text in log_ticks(3, 700)]
    ['5', '10', '20', '50', '100', '200', '500']
    >>> [text for _, text in log_ticks(900, 2e6)]
    ['1k', '3k', '10k', '30k', '100k', '300k', '1M']
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1, 2, 5), (1, 3), (1,)):
        places = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        inside = [place for place in places if low * 0.999 <= place <= high * 1.001]
        if len(inside) <= about + 1:
            break
    else:
        inside = inside[:: -(-len(inside) // about)]
    if len(inside) < 2:
        inside = [place for place in ticks(low, high, 4) if place > 0]
    return tuple((place, short(place)) for place in inside)


def short(value: float) -> str:
    """A number as an axis has room for it.

    >>> short(10000), short(2.5e6), short(0.0001), short(64)
    ('10k', '2.5M', '0.0001', '64')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            thousand = size if letter != "k" else 1e3
            return f"{value / thousand:.3g}{letter}"
    if value >= 1e3 and value % 1e3 == 0:
        return f"{value / 1e3:g}k"
    return f"{value:.4g}"
