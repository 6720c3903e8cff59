"""Charts within a page that opens from a disk without a network: plotly.js is written into it, once.

Data are JSON that no script runs; ``templates/figures.js`` reads them and draws each figure when it is first seen.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from reports.charts.as_plotly import interactive
from reports.charts.chart import Chart
from reports.charts.palette import LIGHT

_SAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_FIGURE = Markup(
    '<figure class="chart"><figcaption id="{0}-title">{1.title}</figcaption>{choice}'
    '<div class="chart-scroll"><div class="chart-area" id="{0}" role="img" tabindex="0" '
    'aria-label="{1.title}. {1.alt}" style="height: {1.height}px; min-width: {1.least_width}px"></div></div>'
    '<noscript><p class="note">{1.alt}</p></noscript>{note}'
    '<script type="application/json" data-chart="{0}">{data}</script></figure>'
)


@dataclass(frozen=True)
class Embedded:
    """Parts of a page."""

    #: A ``<style>`` for the page's head. Its colours are variables of ``reports/pages/templates/style.css``.
    style: Markup
    figures: Mapping[str, Markup]  #: a ``<figure>`` each, by the chart's name; put wherever it belongs
    script: Markup  #: plotly.js and what draws the figures, after all of them; empty where there are none


def embed(charts: Sequence[Chart]) -> Embedded:
    """Charts as parts of a page.

    Raises ``ValueError`` where two charts have one name.
    """
    figures = {chart.name: figure_markup(chart) for chart in charts}
    if len(figures) != len(charts):
        raise ValueError("two charts of one page have the same name; names must differ")
    style = Markup(f"<style>\n{_template('figures.css')}</style>")
    if not figures:
        return Embedded(style, figures, Markup(""))
    paper = f'<script type="application/json" id="chart-paper">{json_text(dict(LIGHT))}</script>'
    scripts = [f"<script>{text}</script>" for text in (_plotly(), _template("figures.js"))]
    return Embedded(style, figures, Markup("\n".join([paper, *scripts])))


def figure_markup(chart: Chart) -> Markup:
    """One chart: heading, choice of a view, the place it is drawn in, its data."""
    figure, identifier = interactive(chart), f"chart-{chart.name}"
    data = {
        "traces": figure.traces,
        "layout": figure.layout,
        "views": [{"traces": traces, "layout": layout} for _, traces, layout in figure.views[1:]],
        "height": chart.height,
        "least": chart.least_width,
        "emphasis": chart.emphasis,
    }
    note = Markup('<p class="note">{}</p>').format(chart.note) if chart.note else ""
    choice = _choice(chart, identifier)
    return _FIGURE.format(identifier, chart, choice=choice, note=note, data=Markup(json_text(data)))


def json_text(content: Any) -> str:
    """JSON that may stand within a ``<script>``, whatever its texts hold."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).translate(_SAFE)


def _choice(chart: Chart, identifier: str) -> Markup:
    if len(chart.views) < 2:
        return Markup("")
    options = Markup("").join(
        Markup('<option value="{}">{}</option>').format(index, view.name) for index, view in enumerate(chart.views)
    )
    return Markup('<label class="chart-choice">{} <select data-for="{}" autocomplete="off">{}</select></label>').format(
        chart.choice, identifier, options
    )


def _template(name: str) -> str:
    return (files("reports.pages") / "templates" / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """plotly.js as it is installed."""
    text = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError("this version of plotly.js cannot be written into a page: it holds an HTML tag")
    return text
