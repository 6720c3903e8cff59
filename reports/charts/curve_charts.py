"""Learning curves: those of one configuration with everything that is known of them, and those of all together."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median_low

import numpy as np
from numpy.typing import NDArray

from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.trials import Curves, Trial
from pipelines.words import counted
from reports.analysis.fits import guess_of
from reports.charts.chart import (
    Axis,
    Band,
    Chart,
    Line,
    Mark,
    Numbers,
    Panel,
    Points,
    Texts,
    View,
    around,
    epoch_axis,
    one_view,
    rounded,
)
from reports.charts.palette import verdict_class
from reports.charts.trials import by_verdict, interval_ends, settled, shown_range, trial_hover
from reports.formatting import best_epoch, interval, last_seen, number
from reports.report import BASELINE, Report, point_of
from reports.tables.configurations import GLYPHS, guessing_line

Array = NDArray[np.float64]

#: Epochs a curve is drawn with, and configurations that are drawn; the best ones, where there are more.
MOST_EPOCHS = 80
MOST_CURVES = 200
#: Configurations on the static picture, and first in the choice; the baseline is always among them.
PICTURED = 6
_NOTE = (
    "The first epochs, far above the rest, may be cut off at the top. Single folds are drawn of the best few and the "
    "baseline."
)
#: Of panels with one scale, how many times as high as the middle one's curve they may be.
MOST_STRETCH = 4.0
#: Folds or seeds that have a line of their own.
MOST_FOLDS = 20


def curve_order(report: Report) -> list[Trial]:
    """The trials in the order of the views of ``learning_curves``."""
    drawn = _with_curves(report)
    baseline = [trial for trial in drawn[PICTURED:] if trial.origin == BASELINE][:1]
    few = drawn[: PICTURED - len(baseline)] + baseline
    return (few + [trial for trial in drawn if trial not in few])[:MOST_CURVES]


def learning_curves(report: Report) -> Chart | None:
    """Training against validation of one configuration, which the reader chooses; the best few and the baseline first.

    None where no ranked trial has a validation curve of two epochs or more.
    """
    shown = curve_order(report)
    if not shown:
        return None
    views = tuple(
        View(_view_name(report, trial), (_panel(report, trial, folds=place < PICTURED),))
        for place, trial in enumerate(shown)
    )
    alt = f"Training and validation curves of {counted(len(shown), 'configuration')}. {_curve_words(report, shown[0])}"
    return Chart(
        "learning-curves",
        "Learning curves, training against validation",
        alt,
        views,
        choice="Configuration: the best few and the baseline, then all others",
        note=" ".join(filter(None, [_NOTE, guessing_line(report), _left_out(report, shown)])),
        pictured=PICTURED,
    )


def all_curves(report: Report) -> Chart | None:
    """Mean validation curves of all configurations in one picture, each with its best epoch.

    None where fewer than two ranked trials have a validation curve.
    """
    drawn = _with_curves(report)[:MOST_CURVES]
    if len(drawn) < 2:
        return None
    points = [point_of(trial) for trial in drawn]
    means = [
        _of_fits(report.curves[trial.run_id], report.sweep.monitor, point).mean(axis=0)
        for trial, point in zip(drawn, points, strict=True)
    ]
    marks: list[Mark] = []
    for verdict, symbol, chosen in by_verdict(drawn):
        role = verdict_class(verdict)
        for index in reversed(chosen):
            columns = _columns(points[index])
            hover = trial_hover(report, drawn[index], "" if index else "best of all")
            line = Line("", role, _epochs(columns), rounded(means[index][columns]), hover=hover, group=str(verdict))
            width, opacity = (1.2, 0.55) if index else (3.0, 1.0)
            marks.append(replace(line, width=width, opacity=opacity))
        if chosen:
            best_epochs = tuple(points[index].best_epoch or 1 for index in chosen)
            lowest = rounded([means[index][epoch - 1] for index, epoch in zip(chosen, best_epochs, strict=True)])
            hovers = tuple(trial_hover(report, drawn[index]) for index in chosen)
            best = Points(f"{verdict}, best epoch", role, best_epochs, lowest, symbol=symbol, hover=hovers)
            marks.append(replace(best, size=8, group=str(verdict)))
    last = max(point.epochs for point in points)
    later = np.concatenate([mean[settled(point) :] for mean, point in zip(means, points, strict=True)])
    later = later[np.isfinite(later)]
    # Of the highest values not all are shown: some configuration is hopeless.
    shown = around([float(later.min()), float(np.quantile(later, 0.9))])
    panel = Panel(epoch_axis(last), Axis(report.value_name, *shown), tuple(marks))
    onsets = sorted(point.onset for point in points if point.onset is not None)
    turning = (
        f"{len(onsets)} of {len(drawn)} rise again for sure, half of those by epoch {median_low(onsets)}"
        if onsets
        else f"none of {len(drawn)} surely rises again"
    )
    return Chart(
        "all-curves",
        "Validation curves of all configurations",
        f"Mean validation curves of {counted(len(drawn), 'configuration')} over {last} epochs: {turning}.",
        one_view(panel),
        note=" ".join(filter(None, ["The thick line is the best configuration.", _left_out(report, drawn)])),
        height=460,
        emphasis=True,
    )


def small_curves(report: Report, trials: Sequence[Trial]) -> list[Panel | None]:
    """A small panel for each trial, all with one scale: curves, best epoch with interval, onset; None without curves.

    The scale shows every configuration's best value and what it comes to at the end. One that is hopeless beside the
    others would flatten them; it is cut off at the top.
    """
    drawn = _with_curves(report)
    kept = [trial for trial in trials if trial in drawn]
    ranges = [_range_of(report, trial) for trial in kept]
    if not ranges:
        return [None] * len(trials)
    low = min(low for low, _ in ranges)
    tops = sorted(high for _, high in ranges)
    high = min(tops[-1], low + MOST_STRETCH * (tops[(len(tops) - 1) // 2] - low))
    if high <= low:  # most of them are best, and end, at one and the same value
        high = max(tops[-1], low + (0.1 * abs(low) or 1.0))
    panels = dict(zip(kept, (_panel(report, of, folds=False, y=(low, high)) for of in kept), strict=True))
    return [panels.get(trial) for trial in trials]


def winner_panel(report: Report) -> Panel | None:
    """The curves of the best configuration; None where they are missing."""
    best = report.best
    return _panel(report, best, folds=False) if best is not None and best in _with_curves(report) else None


def mean_marks(
    name: str, role: str, of_fits: Array | None, columns: NDArray[np.int_], *, dash: bool, deviate: str = "fits"
) -> list[Mark]:
    """The deviation between fits as a band, and their mean as a line; both empty where there are no fits.

    Parameters
    ----------
    of_fits
        Shape (fits, epochs).
    columns
        Those that are drawn.
    deviate
        What the band is said to be the deviation of.
    """
    band = Band("", role, (), low=(), high=(), group=name)
    line = Line(name, role, (), (), width=2.2, dash=dash, group=name)
    if of_fits is None:
        return [band, line]
    epochs, mean = _epochs(columns), of_fits.mean(axis=0)[columns]
    line = replace(line, x=epochs, y=rounded(mean))
    if len(of_fits) > 1:
        deviation = of_fits.std(axis=0, ddof=1)[columns]
        low, high = rounded(mean - deviation), rounded(mean + deviation)
        band = replace(band, name=f"{name} ± deviation of the {deviate}", x=epochs, low=low, high=high)
        line = replace(line, spread=rounded(deviation, 2))
    return [band, line]


def _view_name(report: Report, trial: Trial) -> str:
    """Rank, the verdict's shape, name, who asked for it unless the tuner did, and the verdict."""
    verdict = point_of(trial).verdict
    origin = "" if trial.origin == "tuner" else f" ({trial.origin})"
    return f"{report.ranks[trial.run_id]}. {GLYPHS[verdict]} {report.labels[trial.run_id]}{origin}: {verdict}"


def _range_of(report: Report, trial: Trial) -> tuple[float, float]:
    """Lowest value of a configuration's mean curves, and the higher of its best and its last validation value."""
    point, monitor, curves = point_of(trial), report.sweep.monitor, report.curves[trial.run_id]
    mean = _of_fits(curves, monitor, point).mean(axis=0)
    twin = monitor.removeprefix("val_")
    lowest = min(mean.min(), _of_fits(curves, twin, point).mean(axis=0).min() if twin in curves else mean.min())
    return float(lowest), float(max(mean[-1], mean.min()))


def _panel(report: Report, trial: Trial, *, folds: bool, y: tuple[float, float] | None = None) -> Panel:
    point, monitor, curves = point_of(trial), report.sweep.monitor, report.curves[trial.run_id]
    validation, twin = _of_fits(curves, monitor, point), monitor.removeprefix("val_")
    training = _of_fits(curves, twin, point) if twin != monitor and twin in curves else None
    columns = _columns(point)
    low, high = y or shown_range(validation, None if training is None else training.mean(axis=0), point)
    guess = guess_of(report, monitor)
    if not y and guess is not None and high < guess < high + 0.5 * (high - low):
        high = guess  # close enough to be shown
    high += (0.3 if y else 0.14) * (high - low)  # room for the words
    ends = interval_ends(point) or ()
    lows, highs = (rounded([end] * len(ends)) for end in (low, high))
    best = Line("best epoch", "accent", (), (), width=1.6)
    onset = Line("onset of over-fitting", "overfits", (), (), width=1.6, dash=True)
    heights = (0.93, 0.8) if y else (0.97, 0.87)
    at_best, at_onset = ((low, low + share * (high - low), high) for share in heights)
    marks = (
        Band("95 % interval of the best epoch", "accent", ends, lows, high=highs, opacity=0.1),
        *mean_marks("training", "training", training, columns, dash=True),
        *mean_marks("validation", "accent", validation, columns, dash=False),
        _single_folds(validation, point, columns, most=MOST_FOLDS if folds else 0),
        _guess_line(guess, point.epochs, low, high),
        *_marked(best, last_seen(point)[0], f"best {best_epoch(point)}", y=at_best, last=point.epochs),
        *_marked(onset, point.onset, f"onset {point.onset}", y=at_onset, last=point.epochs),
    )
    return Panel(epoch_axis(point.epochs), Axis(report.value_name, low, high), marks, by_x=True)


def _guess_line(guess: float | None, epochs: int, low: float, high: float) -> Line:
    """A level line where the best constant prediction is; empty where that is not in the picture."""
    line = Line("guessing", "muted", (), (), width=1.6, dash=True)
    if guess is None or not low <= guess <= high:
        return line
    return replace(line, x=(1, epochs), y=rounded([guess, guess]))


def _of_fits(curves: Curves, name: str, point: OverfittingPoint) -> Array:
    """A metric's curves up to the last epoch that counts, shape (fits, epochs)."""
    return np.asarray(curves[name], np.float64)[:, : point.epochs]


def _single_folds(validation: Array, point: OverfittingPoint, columns: NDArray[np.int_], *, most: int) -> Line:
    """Thin lines, a fold each (its mean over the seeds), of a hold-out a seed each; none with a single one."""
    folds = validation.reshape(-1, point.folds, validation.shape[1]).mean(axis=0) if point.folds > 1 else validation
    x: list[float | None] = []
    y: list[float | None] = []
    for fold in folds[:most] if len(folds) > 1 else ():
        x += [*_epochs(columns), None]
        y += [*rounded(fold[columns]), None]
    return Line("single folds or seeds", "accent", tuple(x), tuple(y), width=0.8, opacity=0.35)


def _with_curves(report: Report) -> list[Trial]:
    """The trials whose validation curves are there, and long enough for a line."""
    return [
        trial
        for trial in report.ranked
        if report.sweep.monitor in report.curves.get(trial.run_id, {})
        and point_of(trial).best_epoch is not None
        and 2 <= point_of(trial).epochs <= report.curves[trial.run_id][report.sweep.monitor].shape[1]
    ]


def _curve_words(report: Report, trial: Trial) -> str:
    point = point_of(trial)
    words = f"The best, {report.labels[trial.run_id]}, is lowest at epoch {best_epoch(point)}"
    of_interval = interval(point)
    words += f" (95 % interval {of_interval})" if of_interval else ""
    words += f" with {report.value_name} {number(point.best_value)}"
    if point.onset is not None:
        words += f" and over-fits from epoch {point.onset}"
    elif point.verdict is Verdict.STILL_IMPROVING:
        words += " and still improves at the end"
    return f"{words}."


def _left_out(report: Report, drawn: Sequence[Trial]) -> str:
    missing = len(report.ranked) - len(drawn)
    if not missing:
        return ""
    verb = "is" if missing == 1 else "are"
    return f"{counted(missing, 'configuration')} {verb} not drawn: the curves are missing, or {MOST_CURVES} are better."


def _columns(point: OverfittingPoint) -> NDArray[np.int_]:
    """Columns to draw: every one where there are few, else evenly spread with both ends and the marked epochs."""
    marked = [epoch - 1 for epoch in (point.best_epoch, point.onset) if epoch is not None]
    if point.epochs <= MOST_EPOCHS:
        return np.arange(point.epochs)
    spread = np.linspace(0, point.epochs - 1, MOST_EPOCHS - len(marked)).round().astype(int)
    return np.unique([*spread, *marked])


def _epochs(columns: NDArray[np.int_]) -> Numbers:
    return tuple(int(column) + 1 for column in columns)


def _marked(line: Line, epoch: int | None, words: str, *, y: tuple[float, float, float], last: int) -> list[Mark]:
    """An upright line at an epoch, and its words beside it on a height of their own, which collide with no others.

    Parameters
    ----------
    y
        Lower end of the line, height of the words, upper end.
    last
        The last epoch.
    """
    if epoch is None:
        return [line, Texts(line.role, (), (), ())]
    low, at, high = rounded(y)
    side = "left" if epoch > 0.6 * last else "right"
    return [replace(line, x=(epoch, epoch), y=(low, high)), Texts(line.role, (epoch,), (at,), (words,), align=side)]
