"""Figures of a sweep: interactive on the page, and as PNG and SVG files.

``make_charts`` makes them all; ``embed`` gives the parts of a page that needs no network, ``as_files.save`` the files,
and ``plotly_figure`` a figure for a notebook.
"""

from collections.abc import Mapping

from reports.analysis.data_size import DataSize
from reports.charts.as_plotly import plotly_figure
from reports.charts.chart import Chart
from reports.charts.curve_charts import all_curves, learning_curves
from reports.charts.embedding import embed
from reports.charts.setting_charts import over_settings, parallel, units_by_depth
from reports.charts.sweep_charts import capacity, data_sizes, history, importance, time_against_quality
from reports.report import Report

__all__ = ["Chart", "embed", "make_charts", "plotly_figure"]


def make_charts(
    report: Report,
    for_value: Mapping[str, float] | None = None,
    for_severity: Mapping[str, float] | None = None,
    size: DataSize | None = None,
) -> tuple[Chart, ...]:
    """All figures that have something to show, in the order of the page.

    Parameters
    ----------
    for_value, for_severity
        Importance of each setting, see ``importance``.
    size
        What the number of training rows does; None where it does not vary.
    """
    charts = (
        *(draw(report) for draw in (learning_curves, all_curves, over_settings, units_by_depth, parallel)),
        importance(report, for_value or {}, for_severity),
        data_sizes(report, size),
        *(draw(report) for draw in (history, time_against_quality, capacity)),
    )
    return tuple(chart for chart in charts if chart is not None)
