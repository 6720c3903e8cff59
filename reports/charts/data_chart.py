"""Best value and gap against the number of training rows, with bands over the fits."""

from collections.abc import Callable, Sequence

from pipelines.words import counted
from reports.analysis.data_size import DataSize
from reports.analysis.fits import Estimate
from reports.charts.chart import Axis, Band, Chart, Line, Mark, Panel, Points, View, around, around_log, rounded
from reports.formatting import number, signed, whole
from reports.report import Report


def data_sizes(report: Report, size: DataSize | None) -> Chart | None:
    """What more training rows did to the best value and to the gap.

    Parameters
    ----------
    size
        See ``reports.analysis.data_size``; None where the number of rows does not vary.

    Returns
    -------
    None without it.
    """
    if size is None:
        return None
    points = size.points
    known = [float(point.rows) for point in points if point.rows is not None]
    counted_rows = len(known) == len(points)
    places = known if counted_rows else [point.fraction for point in points]
    title = "training rows of a fit" if counted_rows else "share of the training rows"
    ticks = tuple(
        (place, f"{whole(place)} ({point.label})" if counted_rows else point.label)
        for place, point in zip(places, points, strict=True)
    )
    low, high = around_log(places, margin=0.12)
    x = Axis(title, low, high, log=True, ticks=ticks)
    panels = [_panel(f"{report.value_name} at best", "accent", x, places, [p.value for p in points], number)]
    gaps = [point.gap for point in points if point.gap is not None]
    if len(gaps) == len(points):
        panels.append(_panel("gap at best", "overfits", x, places, gaps, signed))
    first, last = points[0], points[-1]
    return Chart(
        "data-size",
        "More data",
        f"{report.value_name} at the best epoch against the number of training rows: {number(first.value.value)} with "
        f"{first.label}, {number(last.value.value)} with {last.label}. {size.sentence}",
        (View("", tuple(panels)),),
        note="The bands are 95 % intervals over the fits. "
        + (
            f"Means over {counted(size.sets, 'set')} of configurations that are equal but for the number of rows."
            if size.sets
            else "Each point is the best configuration found at its size."
        ),
        height=300 * len(panels),
    )


def _panel(
    title: str,
    role: str,
    x: Axis,
    places: Sequence[float],
    estimates: Sequence[Estimate],
    show: Callable[[float | None], str],
) -> Panel:
    values = rounded([estimate.value for estimate in estimates])
    lows = rounded([estimate.value if estimate.low is None else estimate.low for estimate in estimates])
    highs = rounded([estimate.value if estimate.high is None else estimate.high for estimate in estimates])
    at = rounded(places)
    hover = tuple((f"{title} {show(estimate.value)}", _interval(estimate, show)) for estimate in estimates)
    marks: tuple[Mark, ...] = (
        Band("", role, at, lows, highs),
        Line("", role, at, values),
        Points("", role, at, values, hover=hover, low=lows, high=highs),
    )
    low, high = around([*lows, *highs])
    return Panel(x, Axis(title, low, high), marks)


def _interval(estimate: Estimate, show: Callable[[float | None], str]) -> str:
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return f"95 %: {show(estimate.low)} to {show(estimate.high)}"
