"""Pictures of a reproduction: figures beside ours, and learning curves with the documented points on them.

PNG, for a Markdown file that is read on its own; colours that a colour-blind eye tells apart, and a shape besides.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipelines.overfitting.statistics import smooth
from pipelines.reproduction.results import Reproduced, StoredJob
from pipelines.reproduction.rows import Agreement, Ours, Row
from pipelines.tracking.trials import Curves
from reports.charts.canvas import DPI, INK, LINE, MUTED, TRACK, styled
from reports.formatting import number
from reports.tables.reproduction_wording import quantity

AGREES, DIFFERS, TRAINING = "#0072b2", "#d55e00", "#8a9199"
SCORES = ("accuracy", "mae")
#: Half-widths of the interval that the picture of all figures shows to either side.
_FURTHEST = 3.0
_ROW_INCHES = 0.23
_DROPPED, _FACTOR = 10, 0.9  # the textbook's smoothing, see overfitting.documented_best_epoch


@styled
def agreement_picture(reproductions: Sequence[Reproduced]) -> bytes:
    """Every documented figure in units of the half-width of its interval: within -1 and 1 it agrees.

    Raises
    ------
    ValueError
        Where no row has both a figure and an interval.
    """
    rows = [(of.exercise, row) for of in reproductions for row in of.documented if _position(row, row.ours) is not None]
    if not rows:
        raise ValueError("there is no documented figure to draw")
    figure = Figure(figsize=(8.6, 1.0 + _ROW_INCHES * len(rows)), dpi=2 * DPI)
    axes = figure.add_axes(
        (0.46, 0.55 / (1.0 + _ROW_INCHES * len(rows)), 0.5, 1 - 1.0 / (1.0 + _ROW_INCHES * len(rows)))
    )
    axes.axvspan(-1, 1, color=AGREES, alpha=0.1, lw=0)
    axes.axvline(0, color=TRACK, lw=1)
    previous = ""
    for height, (exercise, row) in enumerate(rows):
        if previous and exercise != previous:
            axes.axhline(height - 0.5, color=LINE, lw=1)
        previous = exercise
        if row.today is not None and (then := _position(row, row.today)) is not None:
            axes.plot(_clipped(then), height, "o", ms=4.5, mfc="white", mec=TRAINING, mew=1)
        at = _position(row, row.ours)
        if at is not None:
            _mark(axes, at, height, row.agreement is Agreement.AGREES)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(-_FURTHEST - 0.25, _FURTHEST + 0.25))
    labels = [f"{exercise.replace('_', ' ')}: {row.variant}, {quantity(row)}" for exercise, row in rows]
    axes.set_yticks(range(len(rows)), [_cut(label, 74) for label in labels], fontsize=7)
    axes.set_xlabel("documented value less ours, in half-widths of the 95 % interval", fontsize=8)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
    return _png(figure)


@styled
def scores_picture(reproduced: Reproduced) -> bytes | None:
    """Accuracies, or mean absolute errors, of all variants: ours with the interval, and the documented value.

    Returns
    -------
    None where the exercise has none.
    """
    rows = [row for row in reproduced.rows if row.metric in SCORES and row.ours is not None]
    if not rows:
        return None
    height = 0.75 + 0.28 * len(rows)
    figure = Figure(figsize=(8.6, height), dpi=2 * DPI)
    axes = figure.add_axes((0.44, 0.48 / height, 0.46, 1 - 0.55 / height))
    for level, row in enumerate(rows):
        ours = row.ours
        assert ours is not None
        color = DIFFERS if row.agreement is Agreement.DIFFERS and not row.explains else AGREES
        if ours.low is not None and ours.high is not None:
            axes.plot([ours.low, ours.high], [level, level], color=color, lw=5, alpha=0.35, solid_capstyle="round")
        axes.plot(ours.values, [level] * len(ours.values), "|", color=color, ms=7, mew=0.8)
        axes.plot(ours.mean, level, "o", color=color, ms=5)
        if row.documented is not None:
            axes.plot(row.documented, level, "D", mfc="white", mec=INK, ms=5.5, mew=1.3)
        axes.annotate(number(ours.mean), (1.02, level), xycoords=("axes fraction", "data"), va="center", color=INK)
    axes.set(ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), [_cut(f"{row.variant}: {quantity(row)}", 60) for row in rows], fontsize=7.5)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("● ours, mean over the seeds   | each seed   ▬ where one more run falls   ◇ documented", fontsize=8)
    return _png(figure)


@styled
def curves_picture(reproduced: Reproduced, variant: str, job: StoredJob, curves: Curves) -> bytes | None:
    """Loss and score of one variant over the epochs: training, validation, documented points.

    Returns
    -------
    None where a single epoch was trained.
    """
    if job.epochs < 2:
        return None
    shown = [name for name in ("loss", *SCORES) if name in curves]
    figure = Figure(figsize=(4.3 * len(shown), 3.2), dpi=2 * DPI, layout="constrained")
    rows = [row for row in reproduced.documented if row.variant == variant]
    point = next((row.ours.point for row in rows if row.ours and row.ours.point), None)
    for panel, name in zip(np.ravel(figure.subplots(1, len(shown))), shown, strict=True):
        _panel(panel, name, job, curves, rows)
        if point is not None and point.best_epoch is not None:
            low, high = point.best_epoch_low or point.best_epoch, point.best_epoch_high or point.best_epoch
            panel.axvspan(low - 0.3, high + 0.3, color=AGREES, alpha=0.1, lw=0)
    return _png(figure)


@styled
def smoothing_picture(reproduced: Reproduced, row: Row, job: StoredJob, curves: Curves) -> bytes | None:
    """The textbook's smoothing beside ours, on the mean over folds and seeds, with both minima.

    Returns
    -------
    None where the training is too short to be smoothed as the textbook does.
    """
    curve = curves.get(reproduced.monitor)
    if curve is None or curve.shape[1] <= 2 * _DROPPED or row.ours is None or row.ours.point is None:
        return None
    of_seeds = np.asarray(curve, np.float64).reshape(job.repeats, job.folds, -1).mean(axis=1)
    if not np.isfinite(of_seeds).all():
        return None
    epochs = np.arange(1, of_seeds.shape[1] + 1)
    figure = Figure(figsize=(8.6, 3.4), dpi=2 * DPI, layout="constrained")
    axes = figure.subplots()
    mean = of_seeds.mean(axis=0)
    axes.plot(epochs, mean, color=TRACK, lw=0.7, label="mean over folds and seeds, as it is")
    for values in of_seeds:
        axes.plot(epochs[_DROPPED:], causal_average(values[_DROPPED:]), color=DIFFERS, lw=0.6, alpha=0.35)
    axes.plot(
        epochs[_DROPPED:],
        causal_average(mean[_DROPPED:]),
        color=DIFFERS,
        lw=1.8,
        label="the textbook's smoothing (thin: each seed)",
    )
    smoothed = smooth(mean)
    axes.plot(epochs, smoothed, color=AGREES, lw=1.8, label="ours")
    point = row.ours.point
    axes.axvspan(row.ours.low or 1, row.ours.high or len(epochs), color=AGREES, alpha=0.1, lw=0)
    axes.axvline(float(point.best_epoch or 1), color=AGREES, lw=1)
    if row.documented is not None:
        axes.axvline(row.documented, color=INK, lw=1, ls=(0, (4, 3)), label=f"documented: {row.documented:g}")
    kept = smoothed[_DROPPED:]
    axes.set(ylim=(float(mean.min()) * 0.99, float(np.quantile(kept, 0.98)) * 1.03), xlim=(1, len(epochs)))
    axes.set(xlabel="epoch", ylabel=reproduced.monitor)
    axes.legend(frameon=False, fontsize=8, labelcolor=MUTED)
    return _png(figure)


def causal_average(values: NDArray[Any]) -> NDArray[np.float64]:
    """The textbook's moving average: nine tenths of the last average, one tenth of the value."""
    average = np.asarray(values, np.float64).copy()
    for index in range(1, len(average)):
        average[index] = _FACTOR * average[index - 1] + (1 - _FACTOR) * average[index]
    return average


def _panel(axes: Axes, name: str, job: StoredJob, curves: Curves, rows: Sequence[Row]) -> None:
    epochs = np.arange(1, job.epochs + 1)
    first = min(_DROPPED, job.epochs // 10)  # the first epochs of a long training would flatten the rest
    seen = []
    for curve_name, color, style in ((name, TRAINING, (0, (4, 2))), (f"val_{name}", AGREES, "-")):
        curve = curves.get(curve_name)
        if curve is None:
            continue
        of_seeds = np.asarray(curve, np.float64).reshape(job.repeats, job.folds, -1).mean(axis=1)
        mean = of_seeds.mean(axis=0)
        label = "training" if curve_name == name else "validation"
        axes.plot(epochs, mean, color=color, ls=style, lw=1.8, label=label)
        if len(of_seeds) > 1:
            deviation = of_seeds.std(axis=0, ddof=1)
            axes.fill_between(epochs, mean - deviation, mean + deviation, color=color, alpha=0.2, lw=0)
        seen += [mean[first:]]
    test = curves.get(f"test_{name}")
    if test is not None:
        for epoch in np.flatnonzero(np.isfinite(test).any(axis=0)):
            axes.plot([epoch + 1] * len(test), test[:, epoch], "_", color=AGREES, ms=9, label="test")
            seen += [test[:, epoch]]
    for row in rows:
        if row.metric == name and row.documented is not None:
            axes.plot(row.epoch, row.documented, "D", mfc="white", mec=_color(row), ms=5.5, mew=1.4, zorder=5)
            seen += [np.array([row.documented])]
    values = np.concatenate(seen) if seen else np.zeros(1)
    values = values[np.isfinite(values)]
    margin = 0.06 * (float(np.ptp(values)) or 1.0)
    axes.set(ylim=(float(values.min()) - margin, float(values.max()) + margin), xlabel="epoch", title="")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys(), frameon=False, fontsize=8, labelcolor=MUTED)


def _color(row: Row) -> str:
    return DIFFERS if row.agreement is Agreement.DIFFERS else INK


def _position(row: Row, ours: Ours | None) -> float | None:
    """Documented less ours in half-widths of the interval; None without an interval."""
    if ours is None or ours.low is None or ours.high is None or row.documented is None:
        return None
    middle = (ours.low + ours.high) / 2
    widening = row.tolerance if row.metric not in ("overfitting_epoch", "onset_epoch") else 0.0
    if row.goal:
        return 0.0 if ours.agrees else _FURTHEST
    half = (ours.high - ours.low) / 2 + widening
    distance = row.documented - middle
    return distance / half if half else 0.0 if not distance else float(np.sign(distance)) * _FURTHEST


def _mark(axes: Axes, at: float, height: int, agrees: bool) -> None:
    color = AGREES if agrees else DIFFERS
    marker = "o" if abs(at) <= _FURTHEST else ("<" if at < 0 else ">")
    if not agrees and marker == "o":
        marker = "X"
    axes.plot(_clipped(at), height, marker, color=color, ms=6)


def _clipped(at: float) -> float:
    return float(np.clip(at, -_FURTHEST, _FURTHEST))


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _png(figure: Figure) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="png", facecolor="white")
    return stream.getvalue()
