"""Layout of a plotly figure: axes, legend, letters. plotly shows a subset of HTML, so every text is escaped."""

from html import escape
from math import log10
from typing import Any

from reports.charts.chart import Axis, Band, Bars, Line, Points, View
from reports.charts.palette import token

Layout = dict[str, Any]

#: Room between panels, as a share of the height.
_GAP = 0.12
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif'


def layout_of(view: View) -> Layout:
    """Axes one above the other, legend, letters; the height is the page's affair."""
    named = {
        mark.name for panel in view.panels for mark in panel.marks if isinstance(mark, Line | Points | Bars | Band)
    }
    layout: Layout = {
        "font": {"family": _FONT, "size": 12.5, "color": token("muted")},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 12, "r": 14, "t": 12, "b": 12, "pad": 4},
        "hovermode": "x unified" if view.panels[0].by_x else "closest",
        "hoverdistance": 16,
        "hoverlabel": {
            "bgcolor": token("raised"),
            "bordercolor": token("track"),
            "font": {"color": token("ink"), "size": 12.5},
            "align": "left",
            "namelength": -1,
        },
        "showlegend": len(named - {""}) > 1,
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "groupclick": "togglegroup",
            "itemsizing": "constant",
            "bgcolor": "rgba(0,0,0,0)",
            "font": {"color": token("ink")},
        },
        "barmode": "overlay",
        "dragmode": "zoom",
    }
    count = len(view.panels)
    height = (1 - _GAP * (count - 1)) / count
    for index, panel in enumerate(view.panels):
        suffix = "" if index == 0 else str(index + 1)
        top = 1 - index * (height + _GAP)
        across = _axis(panel.x, f"y{suffix}")
        if index + 1 < count and panel.x.title == view.panels[-1].x.title:
            across["title"] = {"text": ""}
        if index:
            across["matches"] = "x"
        layout[f"xaxis{suffix}"] = across
        layout[f"yaxis{suffix}"] = _axis(panel.y, f"x{suffix}") | {
            "domain": [round(max(0.0, top - height), 4), round(top, 4)]
        }
    return layout


def _axis(axis: Axis, anchor: str) -> Layout:
    ends = [log10(axis.low), log10(axis.high)] if axis.log else [axis.low, axis.high]
    made: Layout = {
        "title": {"text": safe(axis.title), "standoff": 8},
        "type": "log" if axis.log else "linear",
        "range": [float(f"{end:.6g}") for end in ends],
        "anchor": anchor,
        "automargin": True,
        "showgrid": axis.grid,
        "gridcolor": token("line"),
        "zeroline": False,
        "showline": False,
        "tickfont": {"color": token("muted")},
        "fixedrange": axis.bare,
    }
    if axis.bare:
        return made | {"showticklabels": False, "ticks": ""}
    if axis.ticks:
        made |= {
            "tickmode": "array",
            "tickvals": [float(f"{place:.6g}") for place, _ in axis.ticks],
            "ticktext": ["<br>".join(safe(line) for line in text.split("\n")) for _, text in axis.ticks],
        }
    else:
        made |= {"nticks": 8}
    return made


def safe(text: str) -> str:
    """A text that plotly shows as it is: no markup, on one line.

    >>> safe('<a href="x">R&D</a>')
    '&lt;a href="x"&gt;R&amp;D&lt;/a&gt;'
    """
    return escape(" ".join(text.split()), quote=False)
