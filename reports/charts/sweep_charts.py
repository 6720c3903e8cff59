"""What a sweep found: its history, what quality costs in time, capacity and data, and which settings matter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipelines.tracking.trials import Trial
from pipelines.words import counted, listed
from reports.analysis.data_size import DataSize
from reports.analysis.fits import Estimate
from reports.charts.chart import (
    Axis,
    Band,
    Bars,
    Chart,
    Line,
    Mark,
    Panel,
    Points,
    around,
    around_log,
    log_axis,
    named_axis,
    one_view,
    percent_ticks,
    rounded,
)
from reports.charts.palette import verdict_class
from reports.charts.trials import by_verdict, configured, trend, trial_hover
from reports.formatting import number, seconds, signed, whole
from reports.report import Report, point_of, value_of
from reports.settings import varied_titles

#: Values further apart than this factor are shown on a logarithmic axis.
_WIDE = 8.0
_MOST_LETTERS = 12
#: How a number is written.
Shown = Callable[[float | None], str]


def history(report: Report) -> Chart | None:
    """Value at the best epoch of each trial in the order they were asked for, and the best so far.

    None where fewer than two trials have a result.
    """
    numbered = [(number_, trial) for number_, trial in enumerate(report.sweep.trials, start=1) if trial.has_result]
    if len(numbered) < 2:
        return None
    places, trials = zip(*numbered, strict=True)
    values = [value_of(trial) for trial in trials]
    best = np.minimum.accumulate(values)
    last = len(report.sweep.trials)
    asked = [index for index, trial in enumerate(trials) if trial.origin != "tuner"]
    x, y = tuple(places[index] for index in asked), rounded([values[index] for index in asked])
    hovers = tuple(trial_hover(report, trials[index], trials[index].origin) for index in asked)
    marks: tuple[Mark, ...] = (
        Line("best so far", "accent", (*places, last), rounded([*best, best[-1]]), step=True),
        *_by_verdict(report, trials, places, values, counted_as="trial"),
        Points("baseline or documented", "ink", x, y, symbol="ring", hover=hovers, size=15),
    )
    found = int(np.argmin(values))
    missing = last - len(trials)
    across = Axis("trial", 1 - min(0.7, 0.03 * last), last * 1.03)
    return Chart(
        "history",
        "Search history",
        f"{report.value_name} at the best epoch of {counted(len(trials), 'trial')} in the order of the search: the "
        f"best, {number(values[found])}, was found by trial {places[found]} of {last}; the first trial had "
        f"{number(values[0])}.",
        one_view(Panel(across, _value_axis(report, values), marks)),
        note=f"{counted(missing, 'trial')} without a result {'is' if missing == 1 else 'are'} left out."
        if missing
        else "",
    )


def time_against_quality(report: Report) -> Chart | None:
    """Seconds of each trial against its value, and the trials that no other beats in both.

    None where fewer than two trials have both.
    """
    trials = [trial for trial in report.ranked if trial.seconds is not None and trial.seconds > 0]
    if len(trials) < 2:
        return None
    times = [trial.seconds or 0.0 for trial in trials]
    values = [value_of(trial) for trial in trials]
    front = pareto_front(times, values)
    letters = tuple("ABCDEFGHIJKL"[: len(front)]) if len(front) <= _MOST_LETTERS else ("",) * len(front)
    x, y = rounded([times[index] for index in front]), rounded([values[index] for index in front])
    hovers = tuple(trial_hover(report, trials[index], "on the front") for index in front)
    marks: tuple[Mark, ...] = (
        Line("nothing is both faster and better", "ink", x, y, step=True, width=1.6, dash=True),
        *_by_verdict(report, trials, times, values),
        Points("", "ink", x, y, symbol="ring", hover=hovers, labels=letters, size=15),
    )
    words = [
        f"{report.labels[trials[index].run_id]} ({seconds(times[index])}, {number(values[index])})" for index in front
    ]
    named = [f"{letter}{': ' if letter else ''}{of}" for letter, of in zip(letters, words, strict=True)]
    front_words = (
        f"one configuration, {report.labels[trials[front[-1]].run_id]}, is both the fastest and the best"
        if len(front) == 1
        else f"{counted(len(front), 'configuration')} are beaten by none in both, from {words[0]} to {words[-1]}"
    )
    return Chart(
        "time",
        "Time against quality",
        f"Seconds against {report.value_name} of {counted(len(trials), 'configuration')}: {front_words}.",
        one_view(Panel(log_axis("seconds of the trial, all fits", times), _value_axis(report, values), marks)),
        note="; ".join(named[:_MOST_LETTERS]) + ".",
    )


def capacity(report: Report) -> Chart | None:
    """Gap between validation and training against the trainable parameters: the capacity curve.

    None where fewer than two sizes of networks have a gap.
    """
    sized = [(trial.parameters, trial, point_of(trial)) for trial in report.ranked if trial.parameters]
    known = [entry for entry in sized if entry[2].gap_best is not None and entry[2].gap_final is not None]
    known.sort(key=lambda entry: entry[0])
    sizes = tuple(float(parameters) for parameters, _, _ in known)
    if len(set(sizes)) < 2:
        return None
    at_best, at_end = [point.gap_best for *_, point in known], [point.gap_final for *_, point in known]
    hovers = tuple(trial_hover(report, trial) for _, trial, _ in known)
    of_ends = tuple((report.labels[t.run_id], f"gap {signed(p.gap_final)} at the last epoch") for _, t, p in known)
    joined_x = tuple(place for size in sizes for place in (size, size, None))
    joined_y = [place for one, other in zip(at_best, at_end, strict=True) for place in (one, other, None)]
    marks = (
        Line("", "track", joined_x, rounded(joined_y), width=1.2),
        Points("at the last epoch", "overfits", sizes, rounded(at_end), symbol="diamond", hover=of_ends),
        Points("at the best epoch", "accent", sizes, rounded(at_best), hover=hovers, size=8),
    )
    up = Axis("gap: validation − training", *around([*at_best, *at_end, 0.0]))
    return Chart(
        "capacity",
        "Generalisation gap against the size of the network",
        f"Gap between validation and training of {counted(len(known), 'configuration')} against trainable parameters: "
        f"at the best epoch {_trend_words(sizes, at_best)}, at the last epoch {_trend_words(sizes, at_end)}.",
        one_view(Panel(log_axis("trainable parameters", sizes), up, marks)),
        note="A line joins the two gaps of one configuration: its length is what training on costs.",
    )


def importance(
    report: Report, for_value: Mapping[str, float], for_severity: Mapping[str, float] | None = None
) -> Chart | None:
    """How much of the differences each setting explains.

    None where no setting has a share above 0.

    ``for_value``, ``for_severity``: share of each setting by its name, 0 to 1; the second may be missing.
    """
    for_severity = for_severity or {}
    asked = for_value or for_severity
    names = sorted({*for_value, *for_severity}, key=lambda of: (for_value.get(of, 0.0), for_severity.get(of, 0.0), of))
    if not names or max((*for_value.values(), *for_severity.values())) <= 0:
        return None
    titles = varied_titles([trial.configuration for trial in configured(report) if trial.configuration])
    words = {name: titles.get(name, name.replace("_", " ")) for name in names}
    series = [("value", "accent", for_value), ("severity", "overfits", for_severity)]
    series = [(name, role, shares) for name, role, shares in series if shares]
    thickness = 0.7 / len(series)
    marks = []
    for order, (name, role, shares) in enumerate(series):
        heights = tuple(place + (len(series) - 1 - 2 * order) * thickness / 2 for place in range(len(names)))
        told = [f"{_share(shares.get(of, 0.0))} of the differences in the {name}" for of in names]
        hovers = tuple(zip(words.values(), told, strict=True))
        bars = Bars(f"of the {name}", role, heights, rounded([shares.get(of, 0.0) for of in names]), hover=hovers)
        marks.append(replace(bars, thickness=thickness * 0.92, hatched=order == 1))
    high = max(max(shares.values()) for _, _, shares in series)
    shown = [f"{words[name]} ({_share(asked[name])})" for name in sorted(asked, key=lambda name: -asked[name])[:3]]
    across = Axis("share of the differences explained", 0, high * 1.06, ticks=percent_ticks(0, high))
    return Chart(
        "importance",
        "Which settings matter",
        f"Importance of {counted(len(names), 'setting')}: most of the differences in "
        f"{report.value_name if for_value else 'severity'} are explained by {listed(shown)}.",
        one_view(Panel(across, named_axis("", list(words.values()), room=0.6), tuple(marks))),
        height=110 + 44 * len(names),
    )


def data_sizes(report: Report, size: DataSize | None) -> Chart | None:
    """What more training rows did to the best value and to the gap.

    ``size``: see ``reports.analysis.data_size``; without it, where the number of rows does not vary, None.
    """
    if size is None:
        return None
    points = size.points
    known = [float(point.rows) for point in points if point.rows is not None]
    rows_known = len(known) == len(points)
    places = known if rows_known else [point.fraction for point in points]
    title = "training rows of a fit" if rows_known else "share of the training rows"
    ticks = tuple(
        (place, f"{whole(place)} ({point.label})" if rows_known else point.label)
        for place, point in zip(places, points, strict=True)
    )
    low, high = around_log(places, margin=0.12)
    x = Axis(title, low, high, log=True, ticks=ticks)
    values = [point.value for point in points]
    panels = [_estimates(x, places, values, f"{report.value_name} at best", role="accent", show=number)]
    gaps = [point.gap for point in points if point.gap is not None]
    if len(gaps) == len(points):
        panels.append(_estimates(x, places, gaps, "gap at best", role="overfits", show=signed))
    first, last = points[0], points[-1]
    return Chart(
        "data-size",
        "More data",
        f"{report.value_name} at the best epoch against the number of training rows: {number(first.value.value)} with "
        f"{first.label}, {number(last.value.value)} with {last.label}. {size.sentence}",
        one_view(*panels),
        note="The bands are 95 % intervals over the fits. "
        + (
            f"Means over {counted(size.sets, 'set')} of configurations that are equal but for the number of rows."
            if size.sets
            else "Each point is the best configuration found at its size."
        ),
        height=300 * len(panels),
    )


def pareto_front(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """Indices of what nothing else beats in both, cheapest first; of equals, the first.

    >>> pareto_front([1.0, 2.0, 3.0, 2.5], [0.9, 0.5, 0.4, 0.6])
    [0, 1, 2]
    """
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda index: (costs[index], values[index])):
        if not front or values[index] < values[front[-1]]:
            front.append(index)
    return front


def _by_verdict(
    report: Report, trials: Sequence[Trial], x: Sequence[float], y: Sequence[float], *, counted_as: str = ""
) -> list[Points]:
    marks = []
    for verdict, symbol, chosen in by_verdict(trials):
        places, values = rounded([x[index] for index in chosen]), rounded([y[index] for index in chosen])
        more = [f"{counted_as} {x[index]:g}" if counted_as else "" for index in chosen]
        hovers = tuple(trial_hover(report, trials[at], words) for at, words in zip(chosen, more, strict=True))
        points = Points(str(verdict), verdict_class(verdict), places, values, symbol=symbol, hover=hovers)
        marks.append(replace(points, group=str(verdict)))
    return marks


def _value_axis(report: Report, values: Sequence[float]) -> Axis:
    """Of the value at the best epoch, logarithmic where the worst would flatten all others."""
    title = f"{report.value_name} at best"
    is_wide = min(values) > 0 and max(values) > _WIDE * min(values)
    return log_axis(title, values) if is_wide else Axis(title, *around(values))


def _trend_words(sizes: Sequence[float], gaps: Sequence[float | None]) -> str:
    direction = trend(sizes, gaps)
    known = [gap for gap in gaps if gap is not None]
    ends = f"(median {signed(float(np.median(known)))})"
    if not direction:
        return f"it shows no clear trend {ends}"
    return f"it {'grows' if direction > 0 else 'shrinks'} with size {ends}"


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _estimates(
    x: Axis, places: Sequence[float], estimates: Sequence[Estimate], title: str, *, role: str, show: Shown
) -> Panel:
    values = rounded([estimate.value for estimate in estimates])
    lows = rounded([estimate.value if estimate.low is None else estimate.low for estimate in estimates])
    highs = rounded([estimate.value if estimate.high is None else estimate.high for estimate in estimates])
    at = rounded(places)
    within = [
        "no interval" if of.low is None or of.high is None else f"95 %: {show(of.low)} to {show(of.high)}"
        for of in estimates
    ]
    hover = tuple((f"{title} {show(of.value)}", words) for of, words in zip(estimates, within, strict=True))
    marks = (
        Band("", role, at, lows, high=highs),
        Line("", role, at, values),
        Points("", role, at, values, hover=hover, low=lows, high=highs),
    )
    return Panel(x, Axis(title, *around([*lows, *highs])), marks)
