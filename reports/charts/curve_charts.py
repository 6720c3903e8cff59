"""Learning curves: those of one configuration with everything that is known of them, and those of all together."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median_low

import numpy as np
from numpy.typing import NDArray

from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.trials import Curves, Trial
from pipelines.words import counted
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
from reports.charts.palette import SYMBOLS, verdict_class
from reports.charts.trials import interval_ends, settled, shown_range, trial_hover
from reports.formatting import best_epoch, interval, number
from reports.report import BASELINE, Report, point_of
from reports.tables.configurations import GLYPHS

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
#: Folds or seeds that have a line of their own.
MOST_FOLDS = 20


def learning_curves(report: Report) -> Chart | None:
    """Training against validation of one configuration, which the reader chooses; the best few and the baseline first.

    None where no ranked trial has a validation curve of two epochs or more.
    """
    drawn = _with_curves(report)
    if not drawn:
        return None
    baseline = [trial for trial in drawn[PICTURED:] if trial.origin == BASELINE][:1]
    few = drawn[: PICTURED - len(baseline)] + baseline
    shown = (few + [trial for trial in drawn if trial not in few])[:MOST_CURVES]
    views = tuple(View(_view_name(report, trial), (_panel(report, trial, folds=trial in few),)) for trial in shown)
    alt = f"Training and validation curves of {counted(len(shown), 'configuration')}. {_curve_words(report, drawn[0])}"
    return Chart(
        "learning-curves",
        "Learning curves, training against validation",
        alt,
        views,
        choice="Configuration: the best few and the baseline, then all others",
        note=" ".join(filter(None, [_NOTE, _left_out(report, shown)])),
        pictured=PICTURED,
    )


def all_curves(report: Report) -> Chart | None:
    """Mean validation curves of all configurations in one picture, each with its best epoch.

    None where fewer than two ranked trials have a validation curve.
    """
    drawn = _with_curves(report)[:MOST_CURVES]
    if len(drawn) < 2:
        return None
    marks: list[Line | Points] = []
    means = {trial.run_id: _mean(report.curves[trial.run_id], report.sweep.monitor, point_of(trial)) for trial in drawn}
    for verdict, symbol in SYMBOLS.items():
        role = verdict_class(verdict)
        of_verdict = [trial for trial in drawn if point_of(trial).verdict is verdict]
        for trial in reversed(of_verdict):
            columns = _columns(point_of(trial))
            best = trial is drawn[0]
            marks.append(
                Line(
                    "",
                    role,
                    _epochs(columns),
                    rounded(means[trial.run_id][columns]),
                    hover=trial_hover(report, trial, "best of all" if best else ""),
                    width=3.0 if best else 1.2,
                    opacity=1.0 if best else 0.55,
                    group=str(verdict),
                )
            )
        if of_verdict:
            best_epochs = tuple(point_of(trial).best_epoch or 1 for trial in of_verdict)
            lowest = [means[trial.run_id][epoch - 1] for trial, epoch in zip(of_verdict, best_epochs, strict=True)]
            hovers = tuple(trial_hover(report, trial) for trial in of_verdict)
            points = Points(f"{verdict}, best epoch", role, best_epochs, rounded(lowest), hover=hovers)
            marks.append(replace(points, symbol=symbol, size=8, group=str(verdict)))
    last = max(point_of(trial).epochs for trial in drawn)
    later = np.concatenate([means[trial.run_id][settled(point_of(trial)) :] for trial in drawn])
    later = later[np.isfinite(later)]
    # Of the highest values not all are shown: some configuration is hopeless.
    shown = around([float(later.min()), float(np.quantile(later, 0.9))])
    panel = Panel(epoch_axis(last), Axis(report.value_name, *shown), tuple(marks))
    onsets = sorted(point.onset for trial in drawn if (point := point_of(trial)).onset is not None)
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


def _panel(report: Report, trial: Trial, *, folds: bool) -> Panel:
    point, monitor, curves = point_of(trial), report.sweep.monitor, report.curves[trial.run_id]
    validation = np.asarray(curves[monitor], np.float64)[:, : point.epochs]
    twin = curves.get(monitor.removeprefix("val_")) if monitor.startswith("val_") else None
    training = None if twin is None else np.asarray(twin, np.float64)[:, : point.epochs]
    columns = _columns(point)
    low, high = shown_range(validation, None if training is None else training.mean(axis=0), point)
    high += 0.14 * (high - low)  # room for the words
    marks: list[Mark] = [_interval_band(point, low, high)]
    for name, role, of_fits, dash in (
        ("training", "training", training, True),
        ("validation", "accent", validation, False),
    ):
        marks += mean_marks(name, role, of_fits, columns, dash=dash)
    marks.append(_single_folds(validation, point, columns, most=MOST_FOLDS if folds else 0))
    last, height = point.epochs, high - low
    best, onset = f"best {best_epoch(point)}", f"onset {point.onset}"
    for line, epoch, words, share in (
        (Line("best epoch", "accent", (), (), width=1.6), point.best_epoch, best, 0.97),
        (Line("onset of over-fitting", "overfits", (), (), width=1.6, dash=True), point.onset, onset, 0.87),
    ):
        marks += _marked(line, epoch, words, y=(low, low + share * height, high), last=last)
    return Panel(epoch_axis(point.epochs), Axis(report.value_name, low, high), tuple(marks), by_x=True)


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


def _mean(curves: Curves, monitor: str, point: OverfittingPoint) -> Array:
    return np.asarray(curves[monitor], np.float64)[:, : point.epochs].mean(axis=0)


def _columns(point: OverfittingPoint) -> NDArray[np.int_]:
    """Columns to draw: every one where there are few, else evenly spread with both ends and the marked epochs."""
    marked = [epoch - 1 for epoch in (point.best_epoch, point.onset) if epoch is not None]
    if point.epochs <= MOST_EPOCHS:
        return np.arange(point.epochs)
    spread = np.linspace(0, point.epochs - 1, MOST_EPOCHS - len(marked)).round().astype(int)
    return np.unique([*spread, *marked])


def _epochs(columns: NDArray[np.int_]) -> Numbers:
    return tuple(int(column) + 1 for column in columns)


def _interval_band(point: OverfittingPoint, low: float, high: float) -> Band:
    name = "95 % interval of the best epoch"
    if (ends := interval_ends(point)) is None:
        return Band(name, "accent", (), low=(), high=(), opacity=0.1)
    return Band(name, "accent", ends, low=rounded([low, low]), high=rounded([high, high]), opacity=0.1)


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
    side = "left" if epoch > 0.75 * last else "right"
    return [replace(line, x=(epoch, epoch), y=(low, high)), Texts(line.role, (epoch,), (at,), (words,), align=side)]
