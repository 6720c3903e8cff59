"""A chart as static pictures, drawn with matplotlib: PNG on white, and SVG in the page's light or dark colours."""

import math
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, NullLocator

from reports.charts.as_plotly import FAINTEST, STRONGEST
from reports.charts.chart import Axis, Band, Bars, Cells, Chart, Line, Mark, Panel, Points, Texts
from reports.charts.drawing import pixels, placed, png, sheet, shortened, styled, svg
from reports.charts.palette import LIGHT

#: An open arrow upwards.
_ARROW = Outline(
    [(0, -0.5), (0, 0.5), (-0.35, 0.1), (0, 0.5), (0.35, 0.1)],
    [Outline.MOVETO, Outline.LINETO, Outline.MOVETO, Outline.LINETO, Outline.LINETO],
)
_MARKERS: dict[str, Any] = {
    "circle": "o",
    "diamond": "D",
    "square": "s",
    "x": "X",
    "triangle-up": "^",
    "triangle-down": "v",
    "triangle-left": "<",
    "triangle-right": ">",
    "ring": "o",
    "circle-open": "o",
    "diamond-open": "D",
    "arrow": _ARROW,
    "tick": "|",
    "dash": "_",
}
#: Symbols that are strokes rather than areas.
_OPEN = ("ring", "circle-open", "diamond-open", "arrow", "tick", "dash")
#: Where a text is from its place: points to the right and upwards, and how matplotlib aligns that.
_ALIGN: dict[str, tuple[tuple[int, int], str, str]] = {
    "left": ((-4, 0), "right", "center"),
    "right": ((4, 0), "left", "center"),
    "middle": ((0, 0), "center", "center"),
    "top left": ((-5, 4), "right", "bottom"),
    "bottom right": ((5, -4), "left", "top"),
}
_WIDTH, _NARROW = 860, 440
#: Views side by side.
_ABREAST = 3
_TITLE, _LEGEND, _HEADING, _LOW = 34, 28, 26, 210


def save(chart: Chart, folder: Path) -> tuple[Path, Path]:
    """Write a chart as ``<name>.png`` and ``<name>.svg``; its alternative text is within the SVG.

    The two files, PNG first.
    """
    figure = picture(chart)
    files = folder / f"{chart.name}.png", folder / f"{chart.name}.svg"
    files[0].write_bytes(png(figure))
    head = f"<title>{_xml(chart.title)}</title><desc>{_xml(chart.alt)}</desc>"
    files[1].write_text(svg(figure, head=head), encoding="utf-8")
    return files


@styled
def picture(chart: Chart) -> Figure:
    """A chart as a matplotlib figure in light colours: of several views the first few, side by side."""
    views = chart.views[: chart.pictured]
    columns = min(_ABREAST, len(views))
    rows = -(-len(views) // columns)
    panels = len(views[0].panels)
    width = max(_WIDTH, chart.least_width) if columns == 1 else _NARROW * columns
    each = chart.height if columns == 1 else _HEADING + _LOW * panels
    down = _TITLE + _LEGEND + each * rows
    figure = sheet(width, down)
    for index, view in enumerate(views):
        left, top = index % columns * width / columns, _TITLE + _LEGEND + index // columns * each
        if len(views) > 1:
            top += _HEADING
            heading = shortened(view.name, _NARROW - 40, 12)
            figure.text((left + 10) / width, 1 - (top - 8) / down, heading, fontsize=pixels(12), va="bottom")
        high = (each - (_HEADING if len(views) > 1 else 0)) / panels
        margin = max(_left_margin(panel) for panel in view.panels)
        for depth, panel in enumerate(view.panels):
            lines = max((text.count("\n") for _, text in panel.x.ticks), default=0)
            below = (46 if panel.x.title else 30) + 15 * lines
            size = {"width": width / columns - margin - 16, "height": high - below - 6}
            draw_panel(placed(figure, left + margin, top + depth * high + 6, **size), panel)
    figure.text(10 / width, 1 - 9 / down, chart.title, fontsize=pixels(15), fontweight="bold", va="top")
    _legend(figure, down)
    return figure


def draw_panel(axes: Axes, panel: Panel) -> None:
    """The marks of a panel, and its axes with their ticks, titles and grid."""
    for mark in panel.marks:
        _mark(axes, mark)
    _axis(axes, panel.x, "x")
    _axis(axes, panel.y, "y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=pixels(11), pad=5)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _left_margin(panel: Panel) -> int:
    """Pixels for what is written beside the y axis."""
    if panel.y.bare:
        return 12
    letters = max((len(text) for _, text in panel.y.ticks), default=6)
    return 16 + round(6.6 * letters) + (18 if panel.y.title else 0)


def _mark(axes: Axes, mark: Mark) -> None:
    colour = LIGHT[mark.role]
    match mark:
        case Line() if mark.x:
            (line,) = axes.plot(_floats(mark.x), _floats(mark.y), color=colour, label=mark.name or None)
            line.set(linewidth=0.8 * mark.width, alpha=mark.opacity, solid_capstyle="round")
            line.set(linestyle=(0, (4, 2.5)) if mark.dash else "-", drawstyle="steps-post" if mark.step else "default")
        case Band() if mark.x:
            low, high = _floats(mark.low), _floats(mark.high)
            axes.fill_between(_floats(mark.x), low, high, color=colour, alpha=mark.opacity, linewidth=0)
        case Points() if mark.x:
            _points(axes, mark)
        case Bars():
            axes.barh(
                _floats(mark.y),
                _floats(mark.lengths),
                height=mark.thickness,
                color=colour,
                hatch="///" if mark.hatched else None,
                edgecolor=LIGHT["page"] if mark.hatched else "none",
                linewidth=0,
                label=mark.name,
            )
        case Cells():
            _cells(axes, mark)
        case Texts():
            _texts(axes, mark)


def _texts(axes: Axes, mark: Texts) -> None:
    aside, across, up = _ALIGN[mark.align]
    halo = [withStroke(linewidth=2.5, foreground=LIGHT["page"])]
    for place, text in zip(zip(_floats(mark.x), _floats(mark.y), strict=True), mark.texts, strict=True):
        written = axes.annotate(text, place, aside, textcoords="offset points", ha=across, va=up, fontsize=8)
        written.set(color=LIGHT[mark.role], path_effects=halo)


def _points(axes: Axes, mark: Points) -> None:
    colour, x, y = LIGHT[mark.role], _floats(mark.x), _floats(mark.y)
    ends = [of for of in zip(x, mark.low, mark.high, strict=False) if None not in of]
    if ends:
        axes.vlines(*zip(*ends, strict=True), color=colour, alpha=0.38, linewidth=2.4)
    stroke = mark.symbol in _OPEN
    hollow = mark.hollow or (stroke,) * len(x)
    inside = LIGHT["page"] if mark.symbol.endswith("-open") else "none"
    # The entry of the legend is the filled shape, whatever the first point is.
    for outlined in (False, True):
        chosen = [index for index, open_ in enumerate(hollow) if open_ is outlined]
        label = mark.name if mark.name and outlined is stroke else None
        if not (chosen or label):
            continue
        axes.plot(
            [x[index] for index in chosen],
            [y[index] for index in chosen],
            linestyle="none",
            marker=_MARKERS[mark.symbol],
            color=colour,
            markerfacecolor=inside if outlined else colour,
            markeredgewidth=1.3 if outlined else 0,
            markersize=(1.0 if mark.symbol == "arrow" else 0.75) * mark.size,
            clip_on=False,
            label=label,
        )
    for at, height, label in zip(x, y, mark.labels, strict=False):
        axes.annotate(label, (at, height), (-7, -7), textcoords="offset points", ha="right", va="top", fontsize=8.5)


def _cells(axes: Axes, mark: Cells) -> None:
    for cell in mark.cells:
        place, opacity = (cell.x - 0.49, cell.y - 0.48), FAINTEST + (STRONGEST - FAINTEST) * cell.shade
        axes.add_artist(Rectangle(place, 0.98, 0.96, facecolor=LIGHT[mark.role], alpha=opacity, linewidth=0))
        for order, text in enumerate(cell.texts):
            axes.text(cell.x, cell.y + 0.16 - 0.34 * order, text, ha="center", va="center", fontsize=8.5)


def _axis(axes: Axes, axis: Axis, name: str) -> None:
    if axis.log:
        getattr(axes, f"set_{name}scale")("log")
    getattr(axes, f"set_{name}lim")(axis.low, axis.high)
    of: Any = getattr(axes, f"{name}axis")
    of.set_minor_locator(NullLocator())
    if axis.bare:
        of.set_visible(False)
    elif axis.ticks:
        getattr(axes, f"set_{name}ticks")([place for place, _ in axis.ticks], [text for _, text in axis.ticks])
    elif not axis.log:
        of.set_major_locator(MaxNLocator(6))
    if axis.grid and not axis.bare:
        axes.grid(visible=True, axis=name, linewidth=0.8)  # type: ignore[arg-type]
    getattr(axes, f"set_{name}label")(axis.title, fontsize=pixels(12))


def _legend(figure: Figure, down: float) -> None:
    entries: dict[str, Any] = {}
    for of in figure.axes:
        handles, labels = of.get_legend_handles_labels()
        for label, handle in zip(labels, handles, strict=True):
            entries.setdefault(label, handle)
    if len(entries) > 1:
        place: Any = {"loc": "upper left", "bbox_to_anchor": (0.0, 1 - _TITLE / down), "ncols": len(entries)}
        room: Any = {"borderpad": 0.2, "columnspacing": 1.6, "handletextpad": 0.6}
        figure.legend(list(entries.values()), list(entries), frameon=False, fontsize=pixels(11.5), **place, **room)


def _floats(values: Any) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


def _xml(text: str) -> str:
    return escape("".join(letter if letter.isprintable() else " " for letter in text))
