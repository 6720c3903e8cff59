"""The reliability diagram: what a model said with a probability, against how often it came true."""

import numpy as np
from matplotlib.figure import Figure

from reports.analysis.predictions import Calibration
from reports.charts.as_files import draw_panel
from reports.charts.chart import Axis, Line, Panel, Points
from reports.charts.drawing import pixels, placed, sheet, styled
from reports.charts.palette import LIGHT

_TICKS = tuple((share / 5, f"{20 * share} %") for share in range(6))


@styled
def reliability(found: Calibration, *, narrow: bool = False) -> Figure:
    """A point a step of probabilities with its interval; below it bars, how many samples each step has."""
    width, side = (354, 270) if narrow else (500, 370)
    left, top, low = 62, 14, 74
    figure = sheet(width, top + side + 16 + low + 46)
    across = width - left - 24
    upper = placed(figure, left, top, width=across, height=side)
    marks = (
        Line("", "ink", (0.0, 1.0), (0.0, 1.0), width=1.4, dash=True),
        Line("", "accent", tuple(found.said), tuple(found.happened), width=1.6, opacity=0.6),
        Points(
            "",
            "accent",
            tuple(found.said),
            tuple(found.happened),
            low=tuple(found.low),
            high=tuple(found.high),
            size=8.0,
        ),
    )
    draw_panel(upper, Panel(Axis("", 0, 1, ticks=_TICKS), Axis("came true", -0.02, 1.02, ticks=_TICKS), marks))
    upper.set_xticklabels([])
    bars = placed(figure, left, top + side + 16, width=across, height=low)
    highest = float(found.counts.max())
    # Steps of a few samples would not be seen beside those of many; the words say their counts.
    draw_panel(bars, Panel(Axis("probability", 0, 1, ticks=_TICKS), Axis("samples", 0, 1.35 * highest, bare=True), ()))
    middles, each = found.steps.mean(axis=1), np.diff(found.steps, axis=1)[:, 0]
    bars.bar(middles, found.counts, width=0.86 * each, color=LIGHT["behind"], linewidth=0)
    for middle, count in zip(middles, found.counts, strict=True):
        bars.annotate(
            f"{count:,}",
            (middle, count),
            (0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=pixels(9 if narrow else 10.5),
            color=LIGHT["muted"],
        )
    return figure
