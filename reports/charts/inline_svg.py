"""Figures as inline SVG: they follow the page's light or dark colours, need no script, and stay small.

The forest plot's rows have no fixed size: positions are percentages, so that it fits a telephone as well as a screen
without shrinking its marks. Learning curves have a fixed canvas and are scaled by a few per cent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.trials import Curves
from reports.formatting import best_epoch, interval, number

Array = NDArray[np.float64]

#: Points a line is drawn with; a panel is about 400 pixels wide.
MAX_POINTS = 160

_DIAMOND = "M0,-5.5 L5.5,0 L0,5.5 L-5.5,0 Z"
_ARROW = "M3,-5 L10,0 L3,5 Z"

_WIDTH, _HEIGHT = 400, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 22, 26


def verdict_class(verdict: Verdict) -> str:
    """Name of a verdict's colour in the style sheet: ``still-improving``."""
    return str(verdict).replace(" ", "-")


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two values, about so many.

    >>> ticks(0, 200), ticks(0.21, 0.5, 3)
    ([0.0, 50.0, 100.0, 150.0, 200.0], [0.3, 0.4, 0.5])
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * scale for factor in (1, 2, 5, 10) if factor * scale >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def epoch_ticks(epochs: int) -> list[int]:
    """Epochs to label on an axis from 1 to ``epochs``."""
    inner = [int(tick) for tick in ticks(0, epochs) if tick == int(tick) and tick > 1]
    return [1, *inner] if epochs > 1 else [1]


@dataclass(frozen=True)
class EpochAxis:
    """Epochs 1 to ``epochs`` as percentages of a row's width, with room for marks at both ends."""

    epochs: int

    def at(self, epoch: float) -> str:
        """Position of an epoch."""
        span = max(self.epochs - 1, 1)
        return f"{2 + 94 * (epoch - 1) / span:.2f}%"

    def labels(self) -> list[tuple[str, int]]:
        """Position and epoch of each label."""
        return [(self.at(tick), tick) for tick in epoch_ticks(self.epochs)]


def forest_row(point: OverfittingPoint, axis: EpochAxis) -> Markup:
    """One configuration of the forest plot: training, interval, best epoch, one-SE epoch, onset."""
    if point.best_epoch is None:
        return Markup("")
    parts = [f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="100%"/>' for x, _ in axis.labels()]
    end = axis.at(point.epochs)
    parts.append(f'<line class="track" x1="{axis.at(1)}" x2="{end}" y1="50%" y2="50%"/>')
    if point.best_epoch_low is not None and point.best_epoch_high is not None:
        low, high = axis.at(point.best_epoch_low), axis.at(point.epochs if point.censored else point.best_epoch_high)
        parts.append(f'<line class="interval" x1="{low}" x2="{high}" y1="50%" y2="50%"/>')
    if point.censored:
        parts.append(_mark(end, f'<path class="arrow" d="{_ARROW}"/>'))
    if point.one_se_epoch is not None and point.one_se_epoch != point.best_epoch:
        parts.append(f'<circle class="one-se" cx="{axis.at(point.one_se_epoch)}" cy="50%" r="4"/>')
    if point.verdict is not Verdict.STILL_IMPROVING:
        parts.append(f'<circle class="best" cx="{axis.at(point.best_epoch)}" cy="50%" r="5"/>')
    if point.onset is not None:
        parts.append(_mark(axis.at(point.onset), f'<path class="onset" d="{_DIAMOND}"/>'))
    said = _spoken(point)
    return Markup(
        f'<svg class="forest {verdict_class(point.verdict)}" role="img" aria-label="{said}">'
        f"<title>{said}</title>{''.join(parts)}</svg>"
    )


def curve_panel(curves: Curves, monitor: str, point: OverfittingPoint) -> Markup:
    """Learning curves of one configuration: validation with its folds and their deviation, training, the points.

    Parameters
    ----------
    curves
        By name, (fits, epochs), repeat-major; ``monitor`` among them.

    Returns
    -------
    An empty text where there is no validation curve.
    """
    if monitor not in curves or point.best_epoch is None:
        return Markup("")
    validation = np.asarray(curves[monitor], np.float64)[:, : point.epochs]
    twin = curves.get(monitor.removeprefix("val_"))
    training = None if twin is None else np.asarray(twin, np.float64)[:, : point.epochs].mean(axis=0)
    canvas = _Canvas.around(validation, training, point)
    mean = validation.mean(axis=0)
    drawn = [canvas.axes()]
    if point.best_epoch_low is not None and point.best_epoch_high is not None:
        high = point.epochs if point.censored else point.best_epoch_high
        drawn.append(canvas.span("interval", point.best_epoch_low, high))
    clipped = []
    if len(validation) > 1:
        deviation = validation.std(axis=0, ddof=1)
        clipped.append(canvas.band("band", mean - deviation, mean + deviation))
        folds = validation.reshape(point.repeats, point.folds, -1).mean(axis=0) if point.folds > 1 else validation
        clipped += [canvas.line("fold", fold) for fold in folds[:20]]
    if training is not None:
        clipped.append(canvas.line("training", training))
    clipped.append(canvas.line("validation", mean))
    drawn.append(f'<svg x="{_LEFT}" y="{_TOP}" {_box()}>{"".join(clipped)}</svg>')
    drawn.append(canvas.marker("best", point.best_epoch, f"best {best_epoch(point)}"))
    if point.onset is not None:
        drawn.append(canvas.marker("onset", point.onset, f"onset {point.onset}"))
    return Markup(
        f'<svg class="curves" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_spoken(point)}">'
        f"{''.join(drawn)}</svg>"
    )


@dataclass(frozen=True)
class _Canvas:
    """Scales of one panel of curves; lines are in the coordinates of its plotting area."""

    epochs: int
    low: float
    high: float

    @classmethod
    def around(cls, validation: Array, training: Array | None, point: OverfittingPoint) -> "_Canvas":
        """Scales that show what matters: the mean curves but for their first epochs, and most of the band.

        The first epochs are so much worse than the rest that they would flatten everything, and so are single spikes
        of single fits.
        """
        mean = validation.mean(axis=0)
        spread = validation.std(axis=0, ddof=1) if len(validation) > 1 else np.zeros_like(mean)
        first = min(max(1, (point.best_epoch or 1) // 4), max(1, point.epochs // 10), point.epochs - 1)
        lines = [mean] + ([] if training is None else [training])
        low = min(*(float(line.min()) for line in lines), float(np.quantile(mean - spread, 0.05)))
        high = max(*(float(line[first:].max()) for line in lines), float(np.quantile((mean + spread)[first:], 0.95)))
        margin = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
        floor = 0.0 if validation.min() >= 0 else -np.inf  # a loss has none below
        return cls(point.epochs, max(low - margin, floor), high + margin)

    def x(self, epoch: float) -> float:
        return (_WIDTH - _LEFT - _RIGHT) * (epoch - 1) / max(self.epochs - 1, 1)

    def y(self, value: Array | float) -> Array | float:
        return (_HEIGHT - _TOP - _BOTTOM) * (self.high - value) / (self.high - self.low)

    def line(self, name: str, values: Array) -> str:
        return f'<polyline class="{name}" points="{self._points(values, self._epochs())}"/>'

    def band(self, name: str, low: Array, high: Array) -> str:
        epochs = self._epochs()
        outline = f"{self._points(high, epochs)} {self._points(low, epochs[::-1])}"
        return f'<polygon class="{name}" points="{outline}"/>'

    def span(self, name: str, first: int, last: int) -> str:
        left = _LEFT + self.x(first)
        width = max(self.x(last) - self.x(first), 1.5)
        return (
            f'<rect class="{name}" x="{left:.1f}" y="{_TOP}" width="{width:.1f}" height="{_HEIGHT - _TOP - _BOTTOM}"/>'
        )

    def marker(self, name: str, epoch: int, text: str) -> str:
        x = _LEFT + self.x(epoch)
        # Best and onset may be close: the first is named to the left of its line, the second to the right.
        anchor = "end" if name == "best" else "start"
        if x < _LEFT + 60:
            anchor = "start"
        elif x > _WIDTH - 70:
            anchor = "end"
        # The upper line of names is the best epoch's, so that two on one side do not collide.
        y = _TOP - 11 if name == "best" else _TOP - 2
        offset = {"start": 3, "end": -3}[anchor]
        return (
            f'<line class="at-{name}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{_HEIGHT - _BOTTOM}"/>'
            f'<text class="name-{name}" x="{x + offset:.1f}" y="{y}" text-anchor="{anchor}">{text}</text>'
        )

    def axes(self) -> str:
        parts = []
        levels = ticks(self.low, self.high, 4)
        digits = _digits(levels)
        for level in levels:
            y = _TOP + float(self.y(level))
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{level:,.{digits}f}</text>')
        for epoch in epoch_ticks(self.epochs):
            x = _LEFT + self.x(epoch)
            parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{epoch}</text>')
        return "".join(parts)

    def _epochs(self) -> NDArray[np.int_]:
        """Columns to draw: every one where there are few, else evenly spread with both ends."""
        count = min(self.epochs, MAX_POINTS)
        return np.unique(np.linspace(0, self.epochs - 1, count).round().astype(int))

    def _points(self, values: Array, columns: Sequence[int] | NDArray[np.int_]) -> str:
        # Far outside the axis a coordinate only needs to be outside.
        limit = 10.0 * _HEIGHT
        heights = np.clip(self.y(np.asarray(values)), -limit, limit)
        return " ".join(f"{self.x(column + 1):.1f},{heights[column]:.1f}" for column in columns)


def _mark(x: str, drawing: str) -> str:
    """A shape around a point whose position is a percentage, which a path itself cannot have."""
    return f'<svg class="mark" x="{x}" y="50%">{drawing}</svg>'


def _box() -> str:
    return f'width="{_WIDTH - _LEFT - _RIGHT}" height="{_HEIGHT - _TOP - _BOTTOM}" class="area"'


def _digits(levels: Sequence[float]) -> int:
    """Decimals that tell the labels of an axis apart."""
    step = min((b - a for a, b in pairwise(levels)), default=abs(levels[0]) or 1.0)
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _spoken(point: OverfittingPoint) -> str:
    """What a row or panel shows, in words, for a pointer that rests on it and for a screen reader."""
    of_interval = interval(point)
    said = [f"best epoch {best_epoch(point)}" + (f", interval {of_interval}" if of_interval else "")]
    if point.onset is not None:
        said.append(f"onset {point.onset}")
    if point.one_se_epoch is not None:
        said.append(f"one-SE epoch {point.one_se_epoch}")
    said.append(f"value {number(point.best_value)}")
    return f"{point.verdict}: {', '.join(said)}"
