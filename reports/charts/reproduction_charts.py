"""Figures of a reproduction: documented values beside ours, and learning curves with the documented points on them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.overfitting.point import DROPPED
from pipelines.overfitting.statistics import causal_average, smooth
from pipelines.reproduction.plan import OF_EPOCHS
from pipelines.reproduction.results import Reproduced, StoredJob
from pipelines.reproduction.rows import Agreement, Ours, Row
from pipelines.tracking.trials import Curves
from reports.charts.chart import (
    Axis,
    Band,
    Chart,
    Line,
    Mark,
    Panel,
    Points,
    Texts,
    View,
    around,
    epoch_axis,
    named_axis,
    one_view,
    short,
    ticks,
)
from reports.charts.curve_charts import mean_marks
from reports.charts.drawing import cut
from reports.formatting import number
from reports.tables.reproduction_wording import quantity

AGREES, DIFFERS, TRAINING = "accent", "overfits", "training"
SCORES = ("accuracy", "mae")
#: Half-widths of the interval that the figure of all documented values shows to either side.
_FURTHEST = 3.0
_LETTERS = 74
_ROW, _AXES = 22, 58  # pixels


def agreement_chart(reproductions: Sequence[Reproduced]) -> Chart:
    """Every documented figure in units of the half-width of its interval: within -1 and 1 it agrees.

    Raises ``ValueError`` where no row has both a figure and an interval.
    """
    rows = [
        (of.exercise.replace("_", " "), row, at)
        for of in reproductions
        for row in of.documented
        if (at := _position(row, row.ours)) is not None
    ]
    if not rows:
        raise ValueError("there is no documented figure to draw")
    then = [(height, at) for height, (_, row, _) in enumerate(rows) if (at := _position(row, row.today)) is not None]
    borders = [height - 0.5 for height, (above, row) in enumerate(pairwise(rows), start=1) if above[0] != row[0]]
    ends = (len(rows) - 0.5, -0.5)
    edge = _FURTHEST + 0.25
    marks: list[Mark] = [
        Band("", AGREES, (-1, 1), low=(ends[1],) * 2, high=(ends[0],) * 2, opacity=0.1),
        Line("", "behind", (0, 0), ends, width=1.3),
        *(Line("", "line", (-edge, edge), (border, border), width=1.3) for border in borders),
        Points("with today's optimizer", TRAINING, *_clipped(then), symbol="circle-open", size=8),
    ]
    agreeing, off = (
        [(height, at) for height, (_, row, at) in enumerate(rows) if (row.agreement is Agreement.AGREES) is agrees]
        for agrees in (True, False)
    )
    for name, role, symbol, found in (
        ("agrees", AGREES, "circle", agreeing),
        ("differs", DIFFERS, "x", [pair for pair in off if abs(pair[1]) <= _FURTHEST]),
        ("differs, further off", DIFFERS, "triangle-left", [pair for pair in off if pair[1] < -_FURTHEST]),
        ("differs, further off", DIFFERS, "triangle-right", [pair for pair in off if pair[1] > _FURTHEST]),
    ):
        marks.append(Points(name, role, *_clipped(found), symbol=symbol, size=10))
    texts = [cut(f"{exercise}: {row.variant}, {quantity(row)}", _LETTERS) for exercise, row, _ in rows]
    title = "documented value less ours, in half-widths of the 95 % interval"
    return Chart(
        "agreement",
        "Every documented figure",
        f"{len(rows)} documented figures in half-widths of our interval.",
        one_view(Panel(_rounded_axis(title, -edge, edge, about=7), _rows_axis(texts), tuple(marks))),
        height=_AXES + _ROW * len(rows),
        least_width=1000,
    )


def scores_chart(reproduced: Reproduced) -> Chart | None:
    """Accuracies, or mean absolute errors, of all variants: ours with the interval, and the documented value.

    None where the exercise has none.
    """
    rows = [(row, row.ours) for row in reproduced.rows if row.metric in SCORES and row.ours is not None]
    if not rows:
        return None
    marks: list[Mark] = []
    for role, differs in ((AGREES, False), (DIFFERS, True)):
        chosen = [
            (height, ours)
            for height, (row, ours) in enumerate(rows)
            if (row.agreement is Agreement.DIFFERS and not row.explains) is differs
        ]
        within = [(height, ours.low, ours.high) for height, ours in chosen if None not in (ours.low, ours.high)]
        interval = tuple(place for _, low, high in within for place in (low, high, None))
        heights = tuple(place for height, _, _ in within for place in (height, height, None))
        seeds = [(height, value) for height, ours in chosen for value in ours.values]
        # The entries of the legend are those of what agrees, where there is any.
        named = "" if any(isinstance(mark, Points) and mark.x for mark in marks) else "ours, mean over the seeds"
        marks += [
            Line("where one more run falls" if named else "", role, interval, heights, width=6.5, opacity=0.35),
            Points("each seed" if named else "", role, *_apart(seeds), symbol="tick", size=9),
            Points(named, role, *_apart([(height, ours.mean) for height, ours in chosen]), size=9),
        ]
    known = [(height, row.documented) for height, (row, _) in enumerate(rows) if row.documented is not None]
    marks.append(Points("documented", "ink", *_apart(known), symbol="diamond-open", size=9.5))
    places = [place for _, ours in rows for place in (ours.low, ours.high, *ours.values)]
    low, high = around([*places, *(value for _, value in known)], margin=0.02)
    wide = high + 0.14 * (high - low)  # room for the means
    means = tuple(number(ours.mean) for _, ours in rows)
    marks.append(Texts("ink", (wide,) * len(rows), tuple(range(len(rows))), means, align="left"))
    texts = [cut(f"{row.variant}: {quantity(row)}", _LETTERS) for row, _ in rows]
    return Chart(
        f"{reproduced.exercise}-scores",
        "Documented and measured scores",
        f"{len(rows)} scores with the interval into which one more run falls.",
        one_view(Panel(replace(_rounded_axis("", low, high, about=6), high=wide), _rows_axis(texts), tuple(marks))),
        height=_AXES + (_ROW + 4) * len(rows),
        least_width=1000,
    )


def curves_chart(reproduced: Reproduced, variant: str, job: StoredJob, curves: Curves) -> Chart | None:
    """Loss and score of one variant over the epochs: training, validation, documented points.

    None where a single epoch was trained.
    """
    names = [name for name in ("loss", *SCORES) if name in curves]
    if job.epochs < 2 or not names:
        return None
    rows = [row for row in reproduced.documented if row.variant == variant]
    point = next((row.ours.point for row in rows if row.ours and row.ours.point), None)
    ends: tuple[float, ...] = ()
    if point is not None and (best := point.best_epoch) is not None:
        ends = ((point.best_epoch_low or best) - 0.3, (point.best_epoch_high or best) + 0.3)
    return Chart(
        f"{reproduced.exercise}-curves",
        f"Learning curves of {variant}",
        f"Learning curves of {variant} over {job.epochs} epochs, with the documented values.",
        tuple(View(name, (_curves_panel(name, job, curves, rows=rows, ends=ends),)) for name in names),
        height=320,
        pictured=len(names),
    )


def smoothing_chart(reproduced: Reproduced, row: Row, job: StoredJob, curves: Curves) -> Chart | None:
    """The textbook's smoothing beside ours, on the mean over folds and seeds, with both minima.

    None where the training is too short to be smoothed as the textbook does.
    """
    curve = curves.get(reproduced.monitor)
    if curve is None or curve.shape[1] <= 2 * DROPPED or row.ours is None or row.ours.point is None:
        return None
    of_seeds = _of_seeds(curve, job)
    if not np.isfinite(of_seeds).all():
        return None
    mean, last = of_seeds.mean(axis=0), of_seeds.shape[1]
    smoothed = smooth(mean)
    axis, epochs = epoch_axis(last), tuple(range(1, last + 1))
    ends = float(mean.min()) * 0.99, float(np.quantile(smoothed[DROPPED:], 0.98)) * 1.03
    thick = Line("", DIFFERS, epochs[DROPPED:], tuple(causal_average(mean[DROPPED:])), width=2.2)
    thin = [tuple(causal_average(values[DROPPED:])) for values in of_seeds]
    best = float(row.ours.point.best_epoch or 1)
    marks: list[Mark] = [
        Band("", AGREES, (row.ours.low or 1, row.ours.high or last), ends[:1] * 2, high=ends[1:] * 2, opacity=0.1),
        Line("mean over folds and seeds, as it is", "behind", epochs, tuple(mean), width=0.9),
        *(replace(thick, y=values, width=0.8, opacity=0.35) for values in thin),
        replace(thick, name="the textbook's smoothing (thin: each seed)"),
        Line("ours", AGREES, epochs, tuple(smoothed), width=2.2),
        Line("", AGREES, (best, best), ends, width=1.3),
    ]
    if row.documented is not None:
        marks.append(Line(f"documented: {row.documented:g}", "ink", (row.documented,) * 2, ends, width=1.3, dash=True))
    return Chart(
        f"{reproduced.exercise}-smoothing",
        "The textbook's smoothing beside ours",
        f"{reproduced.monitor} over {last} epochs: the textbook's smoothing beside ours.",
        one_view(Panel(axis, Axis(reproduced.monitor, *ends), tuple(marks))),
        height=340,
        least_width=1000,
    )


def _curves_panel(name: str, job: StoredJob, curves: Curves, *, rows: Sequence[Row], ends: tuple[float, ...]) -> Panel:
    first = min(DROPPED, job.epochs // 10)  # the first epochs of a long training would flatten the rest
    seen: list[float] = []
    marks: list[Mark] = []
    for named, of, role, dash in (("training", name, TRAINING, True), ("validation", f"val_{name}", AGREES, False)):
        of_seeds = _of_seeds(curves[of], job) if of in curves else None
        marks += mean_marks(named, role, of_seeds, np.arange(job.epochs), dash=dash, deviate="seeds")
        seen += [] if of_seeds is None else of_seeds.mean(axis=0)[first:].tolist()
    tested = curves.get(f"test_{name}", np.empty((0, 0)))
    test = [(value, epoch + 1) for epoch, of_fits in enumerate(tested.T) for value in of_fits if np.isfinite(value)]
    marks.append(Points("test", AGREES, *_apart([*test]), symbol="dash", size=12))
    of_metric = [row for row in rows if row.metric == name and row.documented is not None]
    for named, role, differs in (("documented", "ink", False), ("documented, differs", DIFFERS, True)):
        of_role = [row for row in of_metric if (row.agreement is Agreement.DIFFERS) is differs]
        known = [(row.documented or 0.0, row.epoch) for row in of_role]
        marks.append(Points(named, role, *_apart(known), symbol="diamond-open", size=9))
    seen += [value for value, _ in test] + [row.documented or 0.0 for row in of_metric]
    low_end, high_end = around([value for value in seen if np.isfinite(value)])
    of_ends = (low_end,) * len(ends), (high_end,) * len(ends)
    marks.insert(0, Band("", AGREES, ends, of_ends[0], high=of_ends[1], opacity=0.1))
    return Panel(epoch_axis(job.epochs), Axis("", low_end, high_end), tuple(marks))


def _of_seeds(curve: NDArray[Any], job: StoredJob) -> NDArray[np.float64]:
    """Curves of the fits as those of the seeds, shape (repeats, epochs): the mean over the folds of each."""
    return np.asarray(curve, np.float64).reshape(job.repeats, job.folds, -1).mean(axis=1)


def _rows_axis(texts: Sequence[str]) -> Axis:
    """An axis of lines of text, the first at the top."""
    return replace(named_axis("", texts), low=len(texts) - 0.5, high=-0.5)


def _rounded_axis(title: str, low: float, high: float, *, about: int) -> Axis:
    return Axis(title, low, high, ticks=tuple((place, short(place)) for place in ticks(low, high, about)))


def _position(row: Row, ours: Ours | None) -> float | None:
    """Documented less ours in half-widths of the interval; None without an interval."""
    if ours is None or ours.low is None or ours.high is None or row.documented is None:
        return None
    if row.goal:
        return 0.0 if ours.agrees else _FURTHEST
    half = (ours.high - ours.low) / 2 + (0.0 if row.metric in OF_EPOCHS else row.tolerance)
    distance = row.documented - (ours.low + ours.high) / 2
    return distance / half if half else 0.0 if not distance else float(np.sign(distance)) * _FURTHEST


def _apart(pairs: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Pairs of a height and a value as values and heights."""
    return tuple(value for _, value in pairs), tuple(height for height, _ in pairs)


def _clipped(pairs: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return _apart([(height, float(np.clip(at, -_FURTHEST, _FURTHEST))) for height, at in pairs])
