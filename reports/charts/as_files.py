"""A chart as static pictures: PNG on white, and SVG that follows the reader's choice of light or dark."""

import math
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.charts.as_plotly import FAINTEST, STRONGEST
from reports.charts.chart import Axis, Band, Bars, Cells, Chart, Line, Mark, Panel, Points, Texts
from reports.charts.palette import DARK, LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = {"circle": "o", "diamond": "D", "square": "s", "triangle-up": "^", "triangle-down": "v", "ring": "o"}
_WIDTH, _NARROW = 860, 440
#: Where a text is from its place, and what matplotlib calls that.
_ALIGN = {"left": "right", "right": "left", "middle": "center"}
#: Views side by side.
_ABREAST = 3
_TITLE, _LEGEND, _HEADING, _LOW = 34, 28, 26, 210


def save(chart: Chart, folder: Path) -> tuple[Path, Path]:
    """Write a chart as ``<name>.png`` and ``<name>.svg``; its alternative text is within the SVG.

    Returns
    -------
    The two files, PNG first.
    """
    from reports.charts.drawing import png

    figure = picture(chart)
    files = folder / f"{chart.name}.png", folder / f"{chart.name}.svg"
    files[0].write_bytes(png(figure))
    files[1].write_text(svg_text(chart, figure), encoding="utf-8")
    return files


def picture(chart: Chart) -> "Figure":
    """A chart as a matplotlib figure in light colours: of several views the first few, side by side."""
    from reports.charts.canvas import styled

    return styled(_picture)(chart)


def svg_text(chart: Chart, figure: "Figure") -> str:
    """An SVG document with title and description, its colours those of a light or a dark page."""
    from reports.charts.drawing import svg

    text = svg(figure)
    names = {LIGHT[role]: f"--{role}" for role in LIGHT if LIGHT[role] in text}
    text = re.sub(
        r"(fill|stroke): (#[0-9a-f]{6})", lambda m: f"{m[1]}: var({names[m[2]]})" if m[2] in names else m[0], text
    )
    light = "".join(f"{name}:{colour};" for colour, name in names.items())
    dark = "".join(f"{name}:{DARK[name.removeprefix('--')]};" for name in names.values())
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    said = f"<title>{_xml(chart.title)}</title><desc>{_xml(chart.alt)}</desc>"
    start = text.index(">") + 1
    opening = text[: start - 1] + ' role="img">'
    return opening + said + style + text[start:]


def _picture(chart: Chart) -> "Figure":
    from matplotlib.figure import Figure

    from reports.charts.canvas import DPI, INK, pixels

    views = chart.views[: chart.pictured]
    columns = min(_ABREAST, len(views))
    rows = -(-len(views) // columns)
    panels = len(views[0].panels)
    width = max(_WIDTH, chart.least_width) if columns == 1 else _NARROW * columns
    each = chart.height if columns == 1 else _HEADING + _LOW * panels
    down = _TITLE + _LEGEND + each * rows
    figure = Figure(figsize=(width / DPI, down / DPI), dpi=DPI)
    for index, view in enumerate(views):
        left, top = index % columns * width / columns, _TITLE + _LEGEND + index // columns * each
        if len(views) > 1:
            top += _HEADING
            _heading(figure, view.name, (left + 10) / width, 1 - (top - 8) / down)
        high = (each - (_HEADING if len(views) > 1 else 0)) / panels
        margin = max(_left_margin(panel) for panel in view.panels)
        for depth, panel in enumerate(view.panels):
            lines = max((text.count("\n") for _, text in panel.x.ticks), default=0)
            below = (46 if panel.x.title else 30) + 15 * lines
            box = (left + margin, top + depth * high + 6, width / columns - margin - 16, high - below - 6)
            axes = figure.add_axes((box[0] / width, 1 - (box[1] + box[3]) / down, box[2] / width, box[3] / down))
            _draw(axes, panel)
    figure.text(10 / width, 1 - 9 / down, chart.title, fontsize=pixels(15), fontweight="bold", color=INK, va="top")
    _legend(figure, down)
    return figure


def _heading(figure: "Figure", text: str, x: float, y: float) -> None:
    from reports.charts.canvas import INK, pixels, shortened

    figure.text(x, y, shortened(text, _NARROW - 40, 12), fontsize=pixels(12), color=INK, va="bottom")


def _left_margin(panel: Panel) -> int:
    """Pixels for what is written beside the y axis."""
    if panel.y.bare:
        return 12
    letters = max((len(text) for _, text in panel.y.ticks), default=6)
    return 16 + round(6.6 * letters) + (18 if panel.y.title else 0)


def _draw(axes: "Axes", panel: Panel) -> None:
    from reports.charts.canvas import pixels

    for mark in panel.marks:
        _mark(axes, mark)
    _axis(axes, panel.x, "x")
    _axis(axes, panel.y, "y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=pixels(11), pad=5)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _mark(axes: "Axes", mark: Mark) -> None:
    match mark:
        case Line():
            _line(axes, mark)
        case Band():
            if mark.x:
                axes.fill_between(
                    _floats(mark.x),
                    _floats(mark.low),
                    _floats(mark.high),
                    color=LIGHT[mark.role],
                    alpha=mark.opacity,
                    linewidth=0,
                )
        case Points():
            _points(axes, mark)
        case Bars():
            axes.barh(
                _floats(mark.y),
                _floats(mark.lengths),
                height=mark.thickness,
                color=LIGHT[mark.role],
                hatch="///" if mark.hatched else None,
                edgecolor="white" if mark.hatched else "none",
                linewidth=0,
                label=mark.name,
            )
        case Cells():
            _cells(axes, mark)
        case Texts():
            _texts(axes, mark)


def _texts(axes: "Axes", mark: Texts) -> None:
    from matplotlib.patheffects import withStroke

    aside = {"left": -4, "right": 4, "middle": 0}[mark.align]
    for x, y, text in zip(_floats(mark.x), _floats(mark.y), mark.texts, strict=True):
        axes.annotate(
            text,
            (x, y),
            (aside, 0),
            textcoords="offset points",
            color=LIGHT[mark.role],
            fontsize=8,
            ha=_ALIGN[mark.align],
            va="center",
            path_effects=[withStroke(linewidth=2.5, foreground=LIGHT["page"])],
        )


def _line(axes: "Axes", mark: Line) -> None:
    if not mark.x:
        return
    axes.plot(
        _floats(mark.x),
        _floats(mark.y),
        color=LIGHT[mark.role],
        linewidth=0.8 * mark.width,
        alpha=mark.opacity,
        linestyle=(0, (4, 2.5)) if mark.dash else "-",
        drawstyle="steps-post" if mark.step else "default",
        label=mark.name or None,
    )


def _points(axes: "Axes", mark: Points) -> None:
    colour = LIGHT[mark.role]
    x, y = _floats(mark.x), _floats(mark.y)
    if not x:
        return
    ends = [
        (at, low, high)
        for at, low, high in zip(x, mark.low, mark.high, strict=False)
        if low is not None and high is not None
    ]
    if ends:
        axes.vlines(*zip(*ends, strict=True), color=colour, alpha=0.38, linewidth=2.4)
    if mark.symbol == "arrow":
        axes.plot(
            x,
            y,
            linestyle="none",
            marker=_arrow(),
            color=colour,
            markersize=9,
            fillstyle="none",
            label=mark.name or None,
            clip_on=False,
        )
        return
    ring = mark.symbol == "ring"
    hollow = mark.hollow or (ring,) * len(x)
    # The entry of the legend is the filled shape, whatever the first point is.
    for outlined in (False, True):
        chosen = [index for index, open_ in enumerate(hollow) if open_ is outlined]
        axes.plot(
            [x[index] for index in chosen],
            [y[index] for index in chosen],
            linestyle="none",
            marker=_MARKERS[mark.symbol],
            color=colour,
            markerfacecolor="none" if outlined else colour,
            markeredgewidth=1.3 if outlined else 0,
            markersize=0.75 * mark.size,
            clip_on=False,
            label=mark.name if mark.name and outlined is ring else None,
        )
    for at, height, label in zip(x, y, mark.labels, strict=False):
        axes.annotate(label, (at, height), (-7, -7), textcoords="offset points", ha="right", va="top", fontsize=8.5)


def _cells(axes: "Axes", mark: Cells) -> None:
    from matplotlib.patches import Rectangle

    for cell in mark.cells:
        opacity = FAINTEST + (STRONGEST - FAINTEST) * cell.shade
        axes.add_artist(
            Rectangle(
                (cell.x - 0.49, cell.y - 0.48), 0.98, 0.96, facecolor=LIGHT[mark.role], alpha=opacity, linewidth=0
            )
        )
        for order, text in enumerate(cell.texts):
            axes.text(
                cell.x, cell.y + 0.16 - 0.34 * order, text, ha="center", va="center", fontsize=8.5, color=LIGHT["ink"]
            )


def _axis(axes: "Axes", axis: Axis, name: str) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    from reports.charts.canvas import pixels

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


def _legend(figure: "Figure", down: float) -> None:
    from reports.charts.canvas import pixels

    entries: dict[str, Any] = {}
    for of in figure.axes:
        handles, labels = of.get_legend_handles_labels()
        entries |= {label: handle for handle, label in zip(handles, labels, strict=True) if label not in entries}
    if len(entries) < 2:
        return
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="upper left",
        bbox_to_anchor=(0.0, 1 - _TITLE / down),
        ncols=len(entries),
        frameon=False,
        fontsize=pixels(11.5),
        borderpad=0.2,
        columnspacing=1.6,
        handletextpad=0.6,
    )


def _arrow() -> Any:
    """An open arrow upwards, as a marker."""
    from matplotlib.path import Path as Outline

    points = [(0, -0.5), (0, 0.5), (-0.35, 0.1), (0, 0.5), (0.35, 0.1)]
    codes = [Outline.MOVETO, Outline.LINETO, Outline.MOVETO, Outline.LINETO, Outline.LINETO]
    return Outline(points, codes)


def _floats(values: Any) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


def _xml(text: str) -> str:
    return escape("".join(letter if letter.isprintable() else " " for letter in text))
