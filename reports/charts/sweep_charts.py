"""What a sweep found: its history, what quality costs in time, capacity and data, and which settings matter."""

from collections.abc import Callable, Mapping, Sequence

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
    Hover,
    Line,
    Mark,
    Panel,
    Points,
    around,
    around_log,
    log_ticks,
    one_view,
    percent_ticks,
    rounded,
)
from reports.charts.palette import SYMBOLS, verdict_class
from reports.charts.trials import configured, trend, trial_hover
from reports.formatting import number, seconds, signed, whole
from reports.report import Report, point_of, value_of
from reports.settings import varied_titles

#: Values further apart than this factor are shown on a logarithmic axis.
_WIDE = 8.0
_MOST_LETTERS = 12


def history(report: Report) -> Chart | None:
    """Value at the best epoch of each trial in the order they were asked for, and the best so far.

    None where fewer than two trials have a result.
    """
    numbers = {trial.run_id: number_ for number_, trial in enumerate(report.sweep.trials, start=1)}
    trials = [trial for trial in report.sweep.trials if trial.has_result]
    if len(trials) < 2:
        return None
    values = [value_of(trial) for trial in trials]
    best = np.minimum.accumulate(values)
    last = len(report.sweep.trials)
    asked = [trial for trial in trials if trial.origin != "tuner"]
    marks: list[Mark] = [
        Line(
            "best so far",
            "accent",
            (*(numbers[trial.run_id] for trial in trials), last),
            rounded([*best, best[-1]]),
            step=True,
        ),
        *_by_verdict(report, trials, [numbers[trial.run_id] for trial in trials], values, counted_as="trial"),
        Points(
            "baseline or documented",
            "ink",
            tuple(numbers[trial.run_id] for trial in asked),
            rounded([value_of(trial) for trial in asked]),
            symbol="ring",
            hover=tuple(trial_hover(report, trial, trial.origin) for trial in asked),
            size=15,
        ),
    ]
    found = int(np.argmin(values))
    first = f"trial {numbers[trials[found].run_id]} of {last}"
    missing = last - len(trials)
    return Chart(
        "history",
        "Search history",
        f"{report.value_name} at the best epoch of {counted(len(trials), 'trial')} in the order of the search: the "
        f"best, {number(values[found])}, was found by {first}; the first trial had {number(values[0])}.",
        one_view(
            Panel(Axis("trial", 1 - min(0.7, 0.03 * last), last * 1.03), _value_axis(report, values), tuple(marks))
        ),
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
    letters = list("ABCDEFGHIJKL"[: len(front)]) if len(front) <= _MOST_LETTERS else [""] * len(front)
    of_front = [trials[index] for index in front]
    marks: list[Mark] = [
        Line(
            "nothing is both faster and better",
            "ink",
            rounded([times[index] for index in front]),
            rounded([values[index] for index in front]),
            step=True,
            width=1.6,
            dash=True,
        ),
        *_by_verdict(report, trials, times, values),
        Points(
            "",
            "ink",
            rounded([times[index] for index in front]),
            rounded([values[index] for index in front]),
            symbol="ring",
            hover=tuple(trial_hover(report, trial, "on the front") for trial in of_front),
            labels=tuple(letters),
            size=15,
        ),
    ]
    low, high = around_log(times)
    across = Axis("seconds of the trial, all fits", low, high, log=True, ticks=log_ticks(low, high))
    named = [
        f"{letter}{': ' if letter else ''}{_front_words(report, trial)}"
        for letter, trial in zip(letters, of_front, strict=True)
    ]
    fastest, best = of_front[0], of_front[-1]
    front_words = (
        f"one configuration, {report.labels[best.run_id]}, is both the fastest and the best"
        if len(front) == 1
        else f"{counted(len(front), 'configuration')} are beaten by none in both, from {_front_words(report, fastest)} "
        f"to {_front_words(report, best)}"
    )
    return Chart(
        "time",
        "Time against quality",
        f"Seconds against {report.value_name} of {counted(len(trials), 'configuration')}: {front_words}.",
        one_view(Panel(across, _value_axis(report, values), tuple(marks))),
        note="; ".join(named[:_MOST_LETTERS]) + ".",
    )


def capacity(report: Report) -> Chart | None:
    """Gap between validation and training against the trainable parameters: the capacity curve.

    None where fewer than two sizes of networks have a gap.
    """
    trials = sorted(
        (
            t
            for t in report.ranked
            if t.parameters and point_of(t).gap_best is not None and point_of(t).gap_final is not None
        ),
        key=lambda trial: trial.parameters or 0,
    )
    sizes = [float(trial.parameters or 0) for trial in trials]
    if len(set(sizes)) < 2:
        return None
    at_best = [point_of(trial).gap_best for trial in trials]
    at_end = [point_of(trial).gap_final for trial in trials]
    hovers = tuple(trial_hover(report, trial) for trial in trials)
    of_ends = tuple((report.labels[t.run_id], f"gap {signed(point_of(t).gap_final)} at the last epoch") for t in trials)
    joined_x = [place for size in sizes for place in (size, size, None)]
    joined_y = [place for one, other in zip(at_best, at_end, strict=True) for place in (one, other, None)]
    low, high = around_log(sizes)
    marks: tuple[Mark, ...] = (
        Line("", "track", tuple(joined_x), rounded(joined_y), width=1.2),
        Points("at the last epoch", "overfits", tuple(sizes), rounded(at_end), symbol="diamond", hover=of_ends),
        Points("at the best epoch", "accent", tuple(sizes), rounded(at_best), hover=hovers, size=8),
    )
    across = Axis("trainable parameters", low, high, log=True, ticks=log_ticks(low, high))
    bottom, top = around([*at_best, *at_end, 0.0])
    alt = (
        f"Gap between validation and training of {counted(len(trials), 'configuration')} against trainable parameters: "
        f"at the best epoch {_trend_words(sizes, at_best)}, at the last epoch {_trend_words(sizes, at_end)}."
    )
    return Chart(
        "capacity",
        "Generalisation gap against the size of the network",
        alt,
        one_view(Panel(across, Axis("gap: validation − training", bottom, top), marks)),
        note="A line joins the two gaps of one configuration: its length is what training on costs.",
    )


def importance(
    report: Report, for_value: Mapping[str, float], for_severity: Mapping[str, float] | None = None
) -> Chart | None:
    """How much of the differences each setting explains.

    None where no setting has a share above 0.

    Parameters
    ----------
    for_value, for_severity
        Share of each setting by its name, 0 to 1; the second may be missing.
    """
    for_severity = for_severity or {}
    names = sorted(
        {*for_value, *for_severity}, key=lambda name: (for_value.get(name, 0.0), for_severity.get(name, 0.0), name)
    )
    if not names or max((*for_value.values(), *for_severity.values())) <= 0:
        return None
    words = varied_titles([trial.configuration for trial in configured(report) if trial.configuration])
    spoken = [words.get(name, name.replace("_", " ")) for name in names]
    series = [("of the value", "accent", for_value), ("of the severity", "overfits", for_severity)]
    series = [(name, role, shares) for name, role, shares in series if shares]
    thickness = 0.7 / len(series)
    marks = tuple(
        Bars(
            name,
            role,
            tuple(place + (len(series) - 1 - 2 * order) * thickness / 2 for place in range(len(names))),
            rounded([shares.get(of, 0.0) for of in names]),
            hover=tuple(_bar_hover(title, shares.get(of, 0.0), name) for of, title in zip(names, spoken, strict=True)),
            thickness=thickness * 0.92,
            hatched=order == 1,
        )
        for order, (name, role, shares) in enumerate(series)
    )
    high = max(max(shares.values()) for _, _, shares in series)
    top = sorted(for_value or for_severity, key=lambda name: -(for_value or for_severity)[name])[:3]
    shown = [f"{words.get(name, name.replace('_', ' '))} ({_share((for_value or for_severity)[name])})" for name in top]
    across = Axis("share of the differences explained", 0, high * 1.06, ticks=percent_ticks(0, high))
    up = Axis("", -0.6, len(names) - 0.4, ticks=tuple((float(i), name) for i, name in enumerate(spoken)), grid=False)
    return Chart(
        "importance",
        "Which settings matter",
        f"Importance of {counted(len(names), 'setting')}: most of the differences in "
        f"{report.value_name if for_value else 'severity'} are explained by {listed(shown)}.",
        one_view(Panel(across, up, marks)),
        height=110 + 44 * len(names),
    )


def data_sizes(report: Report, size: DataSize | None) -> Chart | None:
    """What more training rows did to the best value and to the gap.

    None without it.

    Parameters
    ----------
    size
        See ``reports.analysis.data_size``; None where the number of rows does not vary.
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
    panels = [_estimates(x, places, values, title=f"{report.value_name} at best", role="accent", show=number)]
    gaps = [point.gap for point in points if point.gap is not None]
    if len(gaps) == len(points):
        panels.append(_estimates(x, places, gaps, title="gap at best", role="overfits", show=signed))
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
) -> list[Mark]:
    marks: list[Mark] = []
    for verdict, symbol in SYMBOLS.items():
        chosen = [index for index, trial in enumerate(trials) if point_of(trial).verdict is verdict]
        marks.append(
            Points(
                str(verdict),
                verdict_class(verdict),
                rounded([x[index] for index in chosen]),
                rounded([y[index] for index in chosen]),
                symbol=symbol,
                hover=tuple(
                    trial_hover(report, trials[i], f"{counted_as} {x[i]:g}" if counted_as else "") for i in chosen
                ),
                group=str(verdict),
            )
        )
    return marks


def _value_axis(report: Report, values: Sequence[float]) -> Axis:
    """Of the value at the best epoch, logarithmic where the worst would flatten all others."""
    if min(values) > 0 and max(values) > _WIDE * min(values):
        low, high = around_log(values)
        return Axis(f"{report.value_name} at best", low, high, log=True, ticks=log_ticks(low, high))
    return Axis(f"{report.value_name} at best", *around(values))


def _front_words(report: Report, trial: Trial) -> str:
    return f"{report.labels[trial.run_id]} ({seconds(trial.seconds)}, {number(value_of(trial))})"


def _trend_words(sizes: Sequence[float], gaps: Sequence[float | None]) -> str:
    direction = trend(sizes, gaps)
    known = [gap for gap in gaps if gap is not None]
    ends = f"(median {signed(float(np.median(known)))})"
    if not direction:
        return f"it shows no clear trend {ends}"
    return f"it {'grows' if direction > 0 else 'shrinks'} with size {ends}"


def _bar_hover(setting: str, share: float, of: str) -> Hover:
    return setting, f"{_share(share)} of the differences {of.replace('of the', 'in the')}"


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _estimates(
    x: Axis,
    places: Sequence[float],
    estimates: Sequence[Estimate],
    *,
    title: str,
    role: str,
    show: Callable[[float | None], str],
) -> Panel:
    values = rounded([estimate.value for estimate in estimates])
    lows = rounded([estimate.value if estimate.low is None else estimate.low for estimate in estimates])
    highs = rounded([estimate.value if estimate.high is None else estimate.high for estimate in estimates])
    at = rounded(places)
    hover = tuple((f"{title} {show(estimate.value)}", _interval_words(estimate, show)) for estimate in estimates)
    marks: tuple[Mark, ...] = (
        Band("", role, at, lows, high=highs),
        Line("", role, at, values),
        Points("", role, at, values, hover=hover, low=lows, high=highs),
    )
    low, high = around([*lows, *highs])
    return Panel(x, Axis(title, low, high), marks)


def _interval_words(estimate: Estimate, show: Callable[[float | None], str]) -> str:
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return f"95 %: {show(estimate.low)} to {show(estimate.high)}"
