"""How the settings of a network move its over-fitting point: each on its own scale, units x depth, all side by side."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, groupby
from statistics import median
from textwrap import wrap

import numpy as np

from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.trials import Trial
from pipelines.words import counted, listed
from reports.charts.chart import (
    Axis,
    Cell,
    Cells,
    Chart,
    Hover,
    Line,
    Mark,
    Panel,
    Points,
    Texts,
    View,
    around,
    named_axis,
    one_view,
    percent_ticks,
    rounded,
    short,
    ticks,
)
from reports.charts.palette import SYMBOLS, verdict_class
from reports.charts.trials import (
    FEW_VALUES,
    JITTER,
    Varied,
    by_verdict,
    configured,
    trend,
    trial_hover,
    value_words,
    varied,
)
from reports.formatting import best_epoch, number
from reports.report import Report, point_of, value_of
from reports.tables.configurations import GLYPHS

_LEAST_FILLED = 2
#: More different widths than this are put together by powers of two.
_COLUMNS = 8
#: Height of what has no effect, under the axes side by side, which go from 0 to 1.
_NONE = -0.1


def over_settings(report: Report) -> Chart | None:
    """Best epoch with interval, and severity, against each varied setting, which the reader chooses.

    None where fewer than two trials have a result, or nothing was varied.
    """
    trials = configured(report)
    settings = varied([trial.configuration for trial in trials if trial.configuration], report.on_log_scales)
    if not settings:
        return None
    hovers = [trial_hover(report, trial) for trial in trials]
    views = tuple(View(of.setting.words, _over([point_of(trial) for trial in trials], of, hovers)) for of in settings)
    return Chart(
        "settings",
        "Best epoch and severity against each setting",
        _settings_words(trials, settings),
        views,
        choice="Setting",
        note="A bar is the 95 % interval of the best epoch. Outlined shapes under an arrow: the best epoch may lie "
        "beyond the end of the training. A line marks the median of a category.",
        height=560,
        pictured=len(views),
    )


def units_by_depth(report: Report) -> Chart | None:
    """Best value found at each number of units and hidden layers.

    None where fewer than two widths at two depths were tried.
    """
    layered = [
        (trial.configuration.layers, trial)
        for trial in configured(report)
        if trial.configuration and trial.configuration.layers
    ]
    widths, depths = sorted({layers[0] for layers, _ in layered}), sorted({len(layers) for layers, _ in layered})
    binned = len(widths) > _COLUMNS
    # Of many widths a column is those of one power of two.
    powers = {units: units.bit_length() - 1 if binned else index for index, units in enumerate(widths)}
    columns = sorted(set(powers.values()))
    filled: dict[tuple[int, int], list[Trial]] = {}
    for layers, trial in layered:  # best first
        filled.setdefault((columns.index(powers[layers[0]]), depths.index(len(layers))), []).append(trial)
    rows = [{y for x, y in filled if x == column} for column in range(len(columns))]
    if not any(len(one & other) >= _LEAST_FILLED for one, other in combinations(rows, 2)):
        return None
    names = [_power_words(power) if binned else f"{widths[power]:,}" for power in columns]
    values = {key: value_of(found[0]) for key, found in filled.items()}
    cells = []
    for (x, y), (first, *more) in sorted(filled.items()):
        point, here = point_of(first), f"best of {counted(1 + len(more), 'configuration')} here"
        texts = number(point.best_value, 3), f"{GLYPHS[point.verdict]} {best_epoch(point)}"
        shade = _shade(values[x, y], list(values.values()))
        cells.append(Cell(x, y, shade, texts=texts, hover=trial_hover(report, first, here)))
    uniform = all(len(set(layers)) == 1 for layers, _ in layered)
    across = named_axis("units of each hidden layer" if uniform else "units of the first hidden layer", names)
    up = named_axis("hidden layers", [str(depth) for depth in depths])
    best = min(values, key=lambda key: values[key])
    shapes = ", ".join(f"{GLYPHS[verdict]} {verdict}" for verdict in SYMBOLS)
    return Chart(
        "units-depth",
        f"Best {report.value_name} by units and depth",
        f"Heat map of {counted(len(cells), 'cell')}: the lowest {report.value_name}, {number(values[best])}, is found "
        f"with {names[best[0]]} units and {counted(depths[best[1]], 'hidden layer')}; the highest cell has "
        f"{number(max(values.values()))}.",
        one_view(Panel(across, up, (Cells("accent", tuple(cells)),))),
        note="Each cell shows its best configuration: the value, and the best epoch after the verdict's shape "
        f"({shapes}). The stronger the colour, the better.",
        height=110 + 74 * len(depths),
        least_width=64 * len(columns) + 60,
    )


def parallel(report: Report) -> Chart | None:
    """All varied settings, the best epoch and the value as axes side by side, a line for each configuration.

    Drawn as plain lines, not as plotly's own parallel coordinates: those need WebGL, cannot be printed sharply, tell
    verdicts by colour alone, and say nothing under the pointer.

    None where fewer than two trials have a result, or nothing was varied.
    """
    trials = configured(report)
    settings = varied([trial.configuration for trial in trials if trial.configuration], report.on_log_scales)
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
    for verdict, _, chosen in by_verdict(trials):
        for order, index in enumerate(reversed(chosen)):
            name, y = str(verdict) if order == 0 else "", rounded([of_axis[index] for of_axis in heights])
            hover = trial_hover(report, trials[index], *_settings_line(settings, index))
            line = Line(name, verdict_class(verdict), tuple(range(len(scales))), y, hover=hover, group=str(verdict))
            width, opacity = (3.5, 1.0) if index == 0 else (1.3, 0.5)
            marks.append(replace(line, width=width, opacity=opacity, dash=verdict is Verdict.PLATEAU))
    marks += [_labels(index, axis, of) for index, (_, axis, of) in enumerate(scales)]
    names = tuple((float(index), "\n".join(wrap(name, 14))) for index, (name, _, _) in enumerate(scales))
    across = Axis("", -0.45, len(scales) - 0.8, ticks=names, grid=False)
    best_of = ", ".join(f"{of.setting.words} {value_words(of.values[0])}" for of in settings)
    return Chart(
        "parallel",
        "All settings side by side",
        f"{counted(len(trials), 'configuration')} as lines over {counted(len(settings), 'varied setting')}, the best "
        f"epoch and {report.value_name}. The best has {best_of}.",
        one_view(Panel(across, Axis("", _NONE - 0.05, 1.04, bare=True, grid=False), tuple(marks))),
        note="The thick line is the best configuration. A dash under an axis: the setting has no effect there.",
        height=440,
        least_width=82 * len(scales),
        emphasis=True,
    )


def _over(points: Sequence[OverfittingPoint], of: Varied, hovers: Sequence[Hover]) -> tuple[Panel, Panel]:
    places = rounded(_apart(of), 5)
    last = max(point.epochs for point in points)
    severities = [point.severity for point in points]
    epoch_marks: list[Mark] = [_medians(of, [point.best_epoch for point in points])]
    severity_marks: list[Mark] = [_medians(of, severities)]
    for verdict, symbol in SYMBOLS.items():
        chosen = [(index, point) for index, point in enumerate(points) if point.verdict is verdict]
        hollow = tuple(best_epoch(point).startswith("≥") for _, point in chosen)
        best = (point.epochs if open_ else point.best_epoch for (_, point), open_ in zip(chosen, hollow, strict=True))
        drawn = Points(
            str(verdict),
            verdict_class(verdict),
            tuple(places[index] for index, _ in chosen),
            tuple(float(epoch or 0) for epoch in best),
            symbol=symbol,
            hollow=hollow,
            hover=tuple(hovers[index] for index, _ in chosen),
            last=tuple(f"{of.setting.words} {value_words(of.values[index])}" for index, _ in chosen),
            low=tuple(point.best_epoch_low for _, point in chosen),
            high=tuple(point.epochs if point.censored else point.best_epoch_high for _, point in chosen),
            group=str(verdict),
        )
        epoch_marks.append(drawn)
        at = rounded([point.severity for _, point in chosen])
        severity_marks.append(replace(drawn, name="", y=at, hollow=(), low=(), high=()))
    beyond = [(place, point.epochs) for place, point in zip(places, points, strict=True) if point.censored]
    heights = rounded([epochs + 0.075 * last for _, epochs in beyond])
    arrows = Points("may lie beyond the end", "ink", tuple(at for at, _ in beyond), heights, symbol="arrow")
    low, high = around([*severities, 0.0])
    return (
        Panel(of.axis, Axis("best epoch", -0.02 * last, last * 1.13), (*epoch_marks, arrows)),
        Panel(of.axis, Axis("severity", low, high, ticks=percent_ticks(low, high)), tuple(severity_marks)),
    )


def _medians(of: Varied, values: Sequence[float | None]) -> Line:
    """A short line at the median of each category; none on a scale of numbers."""
    x: list[float | None] = []
    y: list[float | None] = []
    if of.setting.scale == "category":
        for place in sorted({place for place in of.places if place is not None}):
            known = [v for p, v in zip(of.places, values, strict=True) if p == place and v is not None]
            if known:
                x += [place - 0.36, place + 0.36, None]
                y += [median(known), median(known), None]
    return Line("median", "ink", tuple(x), rounded(y), width=1.6, opacity=0.6)


def _apart(of: Varied) -> list[float | None]:
    """Places of the configurations, those of one value moved apart where there are few values: nothing is random."""
    known = sorted({place for place in of.places if place is not None})
    if len(known) > FEW_VALUES and of.setting.scale != "category":
        return list(of.places)
    scaled = np.log10(known) if of.axis.log else np.asarray(known)
    room = JITTER * float(np.diff(scaled).min())
    moved: list[float | None] = [None] * len(of.places)
    for place in known:
        same = [index for index, other in enumerate(of.places) if other == place]
        for order, index in enumerate(same):
            # Neighbours in rank go to opposite sides, so that equally good ones do not form a row.
            share = 0.0 if len(same) == 1 else 2 * ((order * 0.618 + 0.5) % 1) - 1
            moved[index] = place * 10 ** (share * room) if of.axis.log else place + share * room
    return moved


def _settings_words(trials: Sequence[Trial], settings: Sequence[Varied]) -> str:
    words = []
    for of in settings:
        known = [(place, point_of(trial)) for place, trial in zip(of.places, trials, strict=True) if place is not None]
        if of.setting.scale == "category":
            known = sorted(known, key=lambda pair: pair[0])
            middles = [
                (of.axis.ticks[int(place)][1], median(point.best_epoch or 0 for _, point in group))
                for place, group in groupby(known, key=lambda pair: pair[0])
            ]
            words.append(f"median best epoch by {of.setting.words}: {listed([f'{m:g} with {n}' for n, m in middles])}")
            continue
        best, severities = [point.best_epoch for _, point in known], [point.severity for _, point in known]
        for what, values in (("best epoch", best), ("severity", severities)):
            if direction := trend([place for place, _ in known], values):
                verb = "rises" if direction > 0 else "falls"
                noun = "grow" if of.setting.name.startswith("units") or of.setting.name == "depth" else "grows"
                words.append(f"{what} {verb} as {of.setting.words} {noun}")
    text = "; ".join(words) or f"no clear trend over {listed([of.setting.words for of in settings])}"
    return f"{text[0].upper()}{text[1:]} ({counted(len(trials), 'configuration')})."


def _shade(value: float, values: Sequence[float]) -> float:
    """1 for the lowest, by rank: one hopeless cell would make all others look alike."""
    ordered = sorted(set(values))
    return 1.0 if len(ordered) == 1 else 1 - ordered.index(value) / (len(ordered) - 1)


def _power_words(power: int) -> str:
    low, high = 2**power, 2 ** (power + 1) - 1
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _labels(index: int, axis: Axis, places: Sequence[float | None]) -> Texts:
    written = axis.ticks or tuple((place, short(place)) for place in ticks(axis.low, axis.high))
    at = _heights(axis, [place for place, _ in written])
    shown = [(height, text) for height, (_, text) in zip(at, written, strict=True) if height is not None]
    if None in places:
        shown.append((_NONE, value_words(None)))
    heights, texts = zip(*shown, strict=True)
    return Texts("ink", (index,) * len(shown), heights, texts, align="left")


def _settings_line(settings: Sequence[Varied], index: int) -> list[str]:
    """Lines of three settings each."""
    words = [f"{of.setting.words} {value_words(of.values[index])}" for of in settings if of.values[index] is not None]
    return [", ".join(words[start : start + 3]) for start in range(0, len(words), 3)]


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
