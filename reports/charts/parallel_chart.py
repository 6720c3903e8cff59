"""All varied settings as axes side by side, a line a configuration.

Drawn as plain lines, not as plotly's own parallel coordinates: those need WebGL, cannot be printed sharply, tell
verdicts by colour alone, and say nothing under the pointer.
"""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np

from pipelines.overfitting.point import Verdict
from pipelines.words import counted
from reports.charts.chart import Axis, Chart, Line, Mark, Panel, Texts, View, rounded, short
from reports.charts.inline_svg import ticks, verdict_class
from reports.charts.palette import SYMBOLS
from reports.charts.varied import Varied, value_words, varied
from reports.charts.words import configured, trial_hover
from reports.report import Report, point_of, value_of

#: Height of what has no effect, under the axes, which go from 0 to 1.
_NONE = -0.1


def parallel(report: Report) -> Chart | None:
    """All varied settings, the best epoch and the value as axes side by side, a line a configuration.

    Returns
    -------
    None where fewer than two trials have a result, or nothing was varied.
    """
    trials = configured(report)
    settings = varied([trial.configuration for trial in trials if trial.configuration])
    if not settings:
        return None
    epochs = [float(point_of(trial).best_epoch or 0) for trial in trials]
    values = [value_of(trial) for trial in trials]
    scales: list[tuple[str, Axis, list[float | None]]] = [
        *((of.setting.words, of.axis, list(of.places)) for of in settings),
        ("best epoch", _with_ticks(epochs), list(epochs)),
        (report.value_name, _with_ticks(values), list(values)),
    ]
    heights = [[_NONE if height is None else height for height in _heights(axis, of)] for _, axis, of in scales]
    marks: list[Mark] = [Line("", "track", (index, index), (0, 1), width=1) for index in range(len(scales))]
    for verdict in SYMBOLS:
        chosen = [index for index, trial in enumerate(trials) if point_of(trial).verdict is verdict]
        for order, index in enumerate(reversed(chosen)):
            best = index == 0
            marks.append(
                Line(
                    str(verdict) if order == 0 else "",
                    verdict_class(verdict),
                    tuple(range(len(scales))),
                    rounded([of_axis[index] for of_axis in heights]),
                    hover=trial_hover(report, trials[index], *_settings_line(settings, index)),
                    width=3.5 if best else 1.3,
                    opacity=1.0 if best else 0.5,
                    dash=verdict is Verdict.PLATEAU,
                    group=str(verdict),
                )
            )
    marks += [_labels(index, axis, of) for index, (_, axis, of) in enumerate(scales)]
    names = tuple((float(index), "\n".join(wrap(name, 14))) for index, (name, _, _) in enumerate(scales))
    across = Axis("", -0.45, len(scales) - 0.8, ticks=names, grid=False)
    best_of = ", ".join(f"{of.setting.words} {of.words(0)}" for of in settings)
    return Chart(
        "parallel",
        "All settings side by side",
        f"{counted(len(trials), 'configuration')} as lines over {counted(len(settings), 'varied setting')}, the best "
        f"epoch and {report.value_name}. The best has {best_of}.",
        (View("", (Panel(across, Axis("", _NONE - 0.05, 1.04, bare=True, grid=False), tuple(marks)),)),),
        note="The thick line is the best configuration. A dash under an axis: the setting has no effect there.",
        height=440,
        least_width=104 * len(scales),
        emphasis=True,
    )


def _labels(index: int, axis: Axis, places: Sequence[float | None]) -> Texts:
    written = axis.ticks or tuple((place, short(place)) for place in ticks(axis.low, axis.high))
    at = _heights(axis, [place for place, _ in written])
    shown = [(height, text) for height, (_, text) in zip(at, written, strict=True) if height is not None]
    if None in places:
        shown.append((_NONE, value_words(None)))
    return Texts("ink", (index,) * len(shown), tuple(h for h, _ in shown), tuple(text for _, text in shown), "left")


def _settings_line(settings: Sequence[Varied], index: int) -> list[str]:
    """Lines of three settings each."""
    said = [f"{of.setting.words} {value_words(of.values[index])}" for of in settings if of.values[index] is not None]
    return [", ".join(said[start : start + 3]) for start in range(0, len(said), 3)]


def _with_ticks(values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    places = ticks(low, high, 5)
    return Axis("", low, high, ticks=tuple((place, short(place)) for place in places if low <= place <= high))


def _heights(axis: Axis, places: Sequence[float | None]) -> list[float | None]:
    """Places as shares of an axis."""
    low, high = (np.log10(axis.low), np.log10(axis.high)) if axis.log else (axis.low, axis.high)
    span = (high - low) or 1.0
    return [
        None if place is None else float(((np.log10(place) if axis.log else place) - low) / span) for place in places
    ]
