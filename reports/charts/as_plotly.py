"""A chart as a plotly figure, written as the plain dictionary that plotly.js reads.

plotly's own classes check every property of every trace, which for 200 learning curves takes seconds; the tests let
them check these dictionaries instead. plotly shows a subset of HTML in its texts: every text is escaped here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain
from math import log10
from textwrap import wrap
from typing import Any

from reports.charts.chart import Axis, Band, Bars, Cells, Chart, Hover, Line, Mark, Panel, Points, Texts, View
from reports.charts.palette import filled_in, token

Trace = dict[str, Any]
Layout = dict[str, Any]

_SYMBOLS = {"arrow": "arrow-up-open", "ring": "circle-open", "tick": "line-ns-open", "dash": "line-ew-open"}
_SIDES = {"left": "middle left", "right": "middle right", "middle": "middle center"}
#: Letters of a line under the pointer, which a telephone has room for.
_HOVER_LETTERS = 46
#: Opacity of a heat map's cells; letters in ink can be read on the strongest, on a light page and on a dark one.
FAINTEST, STRONGEST = 0.05, 0.55
#: Room between panels, as a share of the height.
_GAP = 0.12
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif'
#: What is said of each point, and of nothing else.
_POINTED = "%{hovertext}<extra></extra>"


@dataclass(frozen=True)
class Interactive:
    """A figure whose colours are tokens, see ``palette``: that of the first view, and what the others have instead."""

    #: ``traces``, ``layout``: of the first view.
    traces: tuple[Trace, ...]
    layout: Layout
    #: Of each view its name, for each trace what differs from the first view's, and what differs in the layout.
    views: tuple[tuple[str, tuple[Trace, ...], Layout], ...]


def interactive(chart: Chart) -> Interactive:
    """A chart for the page, which draws its own title and choice between views."""
    traces = [_traces(view) for view in chart.views]
    layouts = [_layout(view) for view in chart.views]
    views = tuple(
        (
            view.name,
            tuple(_difference(trace, first) for trace, first in zip(own, traces[0], strict=True)),
            _difference(layout, layouts[0]),
        )
        for view, own, layout in zip(chart.views, traces, layouts, strict=True)
    )
    return Interactive(tuple(traces[0]), layouts[0], views)


def plotly_figure(chart: Chart) -> dict[str, Any]:
    """A chart for a notebook, in light colours: ``plotly.graph_objects.Figure(plotly_figure(chart))``."""
    figure = interactive(chart)
    layout = {
        **figure.layout,
        "title": {"text": safe(chart.title), "x": 0, "xref": "paper"},
        "height": chart.height + 80,
        "paper_bgcolor": token("page"),
        "template": {"layout": {}},
    }
    if len(figure.views) > 1:
        place = {"x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
        layout["updatemenus"] = [{"buttons": [_button(figure, view) for view in figure.views], **place}]
    return filled_in({"data": list(figure.traces), "layout": layout})


def _traces(view: View) -> list[Trace]:
    return [
        {**trace, "xaxis": f"x{index + 1 if index else ''}", "yaxis": f"y{index + 1 if index else ''}"}
        for index, panel in enumerate(view.panels)
        for mark in panel.marks
        for trace in _of_mark(mark, panel)
    ]


def _of_mark(mark: Mark, panel: Panel) -> list[Trace]:
    match mark:
        case Line():
            return [_line(mark, panel)]
        case Band():
            return _band(mark)
        case Points():
            return [_points(mark)]
        case Bars():
            return [_bars(mark)]
        case Cells():
            return _cells(mark)
        case Texts():
            return [_texts(mark)]


def _line(mark: Line, panel: Panel) -> Trace:
    line: dict[str, Any] = {"color": token(mark.role), "width": mark.width}
    line |= {"dash": "6px,4px"} if mark.dash else {}
    line |= {"shape": "hv"} if mark.step else {}
    trace = _scatter("lines", mark, line=line)
    if mark.opacity < 1:
        trace["opacity"] = mark.opacity
    if mark.hover:
        trace |= {"meta": _hover_text(mark.hover), "hovertemplate": "%{meta}<extra></extra>"}
    elif panel.by_x and mark.group:
        spread = " ± %{customdata:.2~r}" if mark.spread else ""
        trace["hovertemplate"] = f"{safe(mark.name)} %{{y:.4~r}}{spread}<extra></extra>"
        trace["customdata"] = list(mark.spread)
    else:
        trace["hoverinfo"] = "skip"
    return trace | _legend(mark.name, mark.group)


def _band(mark: Band) -> list[Trace]:
    edge: Trace = {"type": "scatter", "mode": "lines", "x": list(mark.x), "hoverinfo": "skip", "line": {"width": 0}}
    filling = {"fill": "tonexty", "fillcolor": token(mark.role, mark.opacity)}
    return [
        {**edge, "y": list(mark.low), **_legend("", mark.group)},
        {**edge, "y": list(mark.high), **filling, **_legend(mark.name, mark.group)},
    ]


def _points(mark: Points) -> Trace:
    symbol, hollow = _SYMBOLS.get(mark.symbol, mark.symbol), any(mark.hollow)
    marker: dict[str, Any] = {"color": token(mark.role), "size": mark.size, "symbol": symbol}
    if hollow:
        marker["symbol"] = [f"{symbol}-open" if hollow else symbol for hollow in mark.hollow]
    marker["line"] = {"width": 1.8 if hollow or symbol.endswith("-open") else 0}
    if hollow:
        marker["line"]["color"] = token(mark.role)
    labelled = any(mark.labels)
    trace = _scatter("markers+text" if labelled else "markers", mark, marker=marker, cliponaxis=False)
    if labelled:
        trace |= {"text": [safe(label) for label in mark.labels], "textposition": "bottom left"}
        trace["textfont"] = {"color": token("ink"), "size": 12}
    if mark.hover:
        trace |= {"hovertext": [_hover_text(hover) for hover in mark.hover], "hovertemplate": _POINTED}
        if mark.last:
            trace |= {"customdata": [safe(text) for text in mark.last]}
            trace["hovertemplate"] = "%{hovertext}<br>%{customdata}<extra></extra>"
    else:
        trace["hoverinfo"] = "skip"
    if any(end is not None for end in (*mark.low, *mark.high)):
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": _lengths(mark.high, mark.y, 1),
            "arrayminus": _lengths(mark.low, mark.y, -1),
            "thickness": 3,
            "width": 0,
            "color": token(mark.role, 0.38),
        }
    return trace | _legend(mark.name, mark.group)


def _bars(mark: Bars) -> Trace:
    marker: dict[str, Any] = {"color": token(mark.role)}
    if mark.hatched:
        colours = {"fgcolor": token("page"), "bgcolor": token(mark.role)}
        marker["pattern"] = {"shape": "/", **colours, "size": 6, "solidity": 0.3}
    return {
        "type": "bar",
        "orientation": "h",
        "x": list(mark.lengths),
        "y": list(mark.y),
        "width": mark.thickness,
        "marker": marker,
        "hovertext": [_hover_text(hover) for hover in mark.hover],
        "hovertemplate": _POINTED,
    } | _legend(mark.name, "")


def _cells(mark: Cells) -> list[Trace]:
    across = sorted({cell.x for cell in mark.cells})
    up = sorted({cell.y for cell in mark.cells})
    at = {(cell.x, cell.y): cell for cell in mark.cells}
    rows = [[at.get((x, y)) for x in across] for y in up]
    heat: Trace = {
        "type": "heatmap",
        "x": across,
        "y": up,
        "z": [[None if cell is None else round(cell.shade, 4) for cell in row] for row in rows],
        "zmin": 0,
        "zmax": 1,
        "hovertext": [["" if cell is None else _hover_text(cell.hover) for cell in row] for row in rows],
        "hovertemplate": _POINTED,
        "hoverongaps": False,
        "colorscale": [[0, token(mark.role, FAINTEST)], [1, token(mark.role, STRONGEST)]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    letters = _texts(Texts("ink", tuple(cell.x for cell in mark.cells), tuple(cell.y for cell in mark.cells), ()))
    letters["text"] = ["<br>".join(safe(line) for line in cell.texts) for cell in mark.cells]
    return [heat, letters]


def _texts(mark: Texts) -> Trace:
    before, after = ("&nbsp;" if mark.align == side else "" for side in ("right", "left"))
    return _scatter(
        "text",
        mark,
        text=[f"{before}{safe(text)}{after}" for text in mark.texts],
        textposition=_SIDES.get(mark.align, mark.align),
        textfont={"color": token(mark.role), "size": 11.5},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )


def _scatter(mode: str, mark: Line | Points | Texts, **more: Any) -> Trace:
    return {"type": "scatter", "mode": mode, "x": list(mark.x), "y": list(mark.y), **more}


def _legend(name: str, group: str) -> Trace:
    shown: Trace = {"name": safe(name)} if name else {"showlegend": False}
    return shown | ({"legendgroup": group} if group else {})


def _lengths(ends: Sequence[float | None], of: Sequence[float | None], sign: int) -> list[float]:
    return [
        0.0 if end is None or start is None else max(0.0, sign * (end - start))
        for end, start in zip(ends, of, strict=True)
    ]


def _hover_text(hover: Hover) -> str:
    pieces = [[safe(piece) for piece in wrap(line, _HOVER_LETTERS)] for line in hover if line]
    if not pieces:
        return ""
    return "<br>".join([*(f"<b>{piece}</b>" for piece in pieces[0]), *chain.from_iterable(pieces[1:])])


def _layout(view: View) -> Layout:
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
    if not axis.ticks:
        return made | {"nticks": 8}
    places = [float(f"{place:.6g}") for place, _ in axis.ticks]
    words = ["<br>".join(safe(line) for line in text.split("\n")) for _, text in axis.ticks]
    return made | {"tickmode": "array", "tickvals": places, "ticktext": words}


def safe(text: str) -> str:
    """A text that plotly shows as it is: no markup, on one line.

    >>> safe('<a href="x">R&D</a>')
    '&lt;a href="x"&gt;R&amp;D&lt;/a&gt;'
    """
    return escape(" ".join(text.split()), quote=False)


def _difference(content: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """What differs from the first view; None for what is not there."""
    changed = {key: value for key, value in content.items() if key not in first or first[key] != value}
    return changed | {key: None for key in first if key not in content}


def _button(figure: Interactive, view: tuple[str, tuple[Trace, ...], Layout]) -> dict[str, Any]:
    """A button of plotly's own menu, which puts this view's traces and axes in place of what is shown."""
    name, changes, patch = view
    # Whatever differs in any view must be set in each, else it would remain from the view before.
    changing = sorted({key for _, patches, _ in figure.views for patch in patches for key in patch})
    of_layout = sorted({key for _, _, other in figure.views for key in other})
    traces = [{**trace, **change} for trace, change in zip(figure.traces, changes, strict=True)]
    layout = {**figure.layout, **patch}
    of_traces = {key: [trace.get(key) for trace in traces] for key in changing}
    arguments = [of_traces, {key: layout.get(key) for key in of_layout}]
    return {"label": safe(name), "method": "update", "args": arguments}
