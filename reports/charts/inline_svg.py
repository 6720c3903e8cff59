"""Figures as inline SVG: they follow the page's light or dark colours, need no script, and stay small.

The forest plot's rows have no fixed size: positions are percentages, so that it fits a telephone as well as a screen
without shrinking its marks. Searches have a fixed canvas and are scaled by a few per cent.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from pipelines.overfitting.point import OverfittingPoint, Verdict
from reports.analysis.several import Progress
from reports.charts.chart import Band, Line, Mark, Numbers, Panel, Texts, epoch_ticks, ticks
from reports.charts.palette import verdict_class
from reports.charts.trials import interval_ends
from reports.formatting import best_epoch, interval, number

#: Lines of a search with a colour and dashes of their own; more than these begin again.
STYLES = 5

_DIAMOND = "M0,-5.5 L5.5,0 L0,5.5 L-5.5,0 Z"
_ARROW = "M3,-5 L10,0 L3,5 Z"
#: Characters that a label of an axis has without an exponent at most, and the width of one in pixels.
_LONGEST_LABEL, _CHARACTER = 7, 7
#: A search in pixels: the canvas, and the plotting area within it (left, top, width, height).
_CANVAS, _BOX = (480, 260), (58, 14, 392, 212)


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
    if (ends := interval_ends(point)) is not None:
        low, high = map(axis.at, ends)
        parts.append(f'<line class="interval" x1="{low}" x2="{high}" y1="50%" y2="50%"/>')
    if point.censored:
        parts.append(_mark(end, f'<path class="arrow" d="{_ARROW}"/>'))
    if point.one_se_epoch is not None and point.one_se_epoch != point.best_epoch:
        parts.append(f'<circle class="one-se" cx="{axis.at(point.one_se_epoch)}" cy="50%" r="4"/>')
    if point.verdict is not Verdict.STILL_IMPROVING:
        parts.append(f'<circle class="best" cx="{axis.at(point.best_epoch)}" cy="50%" r="5"/>')
    if point.onset is not None:
        parts.append(_mark(axis.at(point.onset), f'<path class="onset" d="{_DIAMOND}"/>'))
    words = _words(point)
    return Markup(
        f'<svg class="forest {verdict_class(point.verdict)}" role="img" aria-label="{words}">'
        f"<title>{words}</title>{''.join(parts)}</svg>"
    )


def panel_figure(panel: Panel, words: str, *, width: int = 230, height: int = 160) -> Markup:
    """A panel as a picture of so many pixels, which a page may scale: lines, bands, points and words.

    ``words`` say what is seen, for those who do not see it.
    """
    levels = ticks(panel.y.low, panel.y.high, max(2, height // 50))
    texts = axis_texts(levels)
    left, top, bottom, right = max(40, 8 + _CHARACTER * max(map(len, texts), default=0)), 6, 20, 8
    across, down = width - left - right, height - top - bottom

    def x(place: float) -> float:
        return round(across * (place - panel.x.low) / (panel.x.high - panel.x.low), 1)

    def y(place: float) -> float:
        return round(down * (panel.y.high - place) / (panel.y.high - panel.y.low), 1)

    epochs = [place for place in ticks(0, panel.x.high, max(3, width // 80)) if panel.x.low < place < panel.x.high]
    axes = [
        f'<line class="grid" x1="{left}" x2="{left + across}" y1="{top + y(level)}" y2="{top + y(level)}"/>'
        f'<text x="{left - 5}" y="{top + y(level) + 3.5:.1f}" text-anchor="end">{text}</text>'
        for level, text in zip(levels, texts, strict=True)
    ]
    axes += [
        f'<text x="{left + x(epoch)}" y="{height - 5}" text-anchor="middle">{epoch:.0f}</text>' for epoch in epochs
    ]
    drawn = [part for mark in panel.marks for part in _drawn(mark, x, y)]
    label = escape(words)
    return Markup(
        f'<svg class="panel" viewBox="0 0 {width} {height}" role="img" aria-label="{label}"><title>{label}</title>'
        f'{"".join(axes)}<svg x="{left}" y="{top}" width="{across}" height="{down}">{"".join(drawn)}</svg></svg>'
    )


def _drawn(mark: Mark, x: Callable[[float], float], y: Callable[[float], float]) -> Iterator[str]:
    """The elements of a mark; of the kinds of marks those that curves have."""

    def places(of_x: Numbers, of_y: Numbers) -> list[str]:
        known = ((at, height) for at, height in zip(of_x, of_y, strict=True) if at is not None and height is not None)
        return [f"{x(at):g},{y(height):g}" for at, height in known]

    match mark:
        case Line() if mark.x:
            dashes = ' stroke-dasharray="4 3"' if mark.dash else ""
            yield (
                f'<polyline fill="none" style="stroke:var(--{mark.role})" stroke-width="{0.8 * mark.width:g}"{dashes} '
                f'points="{" ".join(places(mark.x, mark.y))}"/>'
            )
        case Band() if mark.x:
            around = [*places(mark.x, mark.high), *reversed(places(mark.x, mark.low))]
            yield f'<polygon style="fill:var(--{mark.role})" opacity="{mark.opacity:g}" points="{" ".join(around)}"/>'
        case Texts() if mark.x:
            for at, height, text in zip(mark.x, mark.y, mark.texts, strict=True):
                anchor, aside = ("end", -4) if mark.align == "left" else ("start", 4)
                yield (
                    f'<text class="of-line" style="fill:var(--{mark.role})" x="{x(at or 0) + aside:g}" '
                    f'y="{y(height or 0) + 4:g}" text-anchor="{anchor}">{escape(text)}</text>'
                )


def search_figure(lines: Sequence[Progress], value_name: str) -> Markup:
    """Best value so far against trials, a line for each sweep; empty where none has a result.

    Each line ends with the letter of its sweep and a mark where its best configuration was found. Dashes differ as
    well as colours.
    """
    values = [value for line in lines for value in line.best_so_far if value is not None]
    if not values:
        return Markup("")
    longest = max(len(line.best_so_far) for line in lines)
    room = 0.05 * (max(values) - min(values)) or 0.01 * (abs(min(values)) or 1.0)
    low, high = min(values) - room, max(values) + room
    left, top, width, height = _BOX

    def x(trial: float) -> float:
        return left + width * (trial - 1) / max(longest - 1, 1)

    def y(value: float) -> float:
        return top + height * (high - value) / (high - low)

    levels = ticks(low, high, 5)
    drawn = [
        f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>'
        f'<text x="{left - 6}" y="{y(level) + 3.5:.1f}" text-anchor="end">{text}</text>'
        for level, text in zip(levels, axis_texts(levels), strict=True)
    ]
    drawn += [
        f'<text x="{x(tick):.1f}" y="{top + height + 16}" text-anchor="middle">{tick:.0f}</text>'
        for tick in [tick for tick in ticks(1, longest) if tick == int(tick)] or [1.0]
    ]
    drawn.append(f'<text x="{left + width}" y="{_CANVAS[1] - 4}" text-anchor="end">trials</text>')
    ends = [(len(line.best_so_far), line.best_so_far[-1]) for line in lines]
    for index, line in enumerate(lines):
        (start, first), *more = [
            (x(trial), y(value)) for trial, value in enumerate(line.best_so_far, start=1) if value is not None
        ]
        right, bottom = ([(start, first), *more])[-1]
        path = f"M{start:.1f},{first:.1f}" + "".join(f" H{across:.1f} V{up:.1f}" for across, up in more)
        # Letters of lines that end at the same place stand one above the other.
        beside = bottom + 4 - 12 * ends[:index].count(ends[index])
        drawn.append(
            f'<g class="search line-{index % STYLES}"><path d="{path}"/>'
            f'<circle cx="{x(line.found_after):.1f}" cy="{bottom:.1f}" r="4"/>'
            f'<text x="{right + 7:.1f}" y="{beside:.1f}">{escape(line.letter)}</text></g>'
        )
    words = "; ".join(
        f"sweep {line.letter} reaches {number(line.best_so_far[-1])} after {line.found_after} trials" for line in lines
    )
    label = escape(f"Best {value_name} so far against trials: {words}")
    return Markup(
        f'<svg class="searches" viewBox="0 0 {_CANVAS[0]} {_CANVAS[1]}" role="img" aria-label="{label}">'
        f"<title>{label}</title>{''.join(drawn)}</svg>"
    )


def _mark(x: str, drawing: str) -> str:
    """A shape around a point whose position is a percentage, which a path itself cannot have."""
    return f'<svg class="mark" x="{x}" y="50%">{drawing}</svg>'


def axis_texts(levels: Sequence[float]) -> list[str]:
    """Labels of an axis that tell its levels apart; with an exponent where they would be long.

    >>> axis_texts([0.2, 0.4]), axis_texts([5.85e10, 5.86e10])
    (['0.2', '0.4'], ['5.85e10', '5.86e10'])
    """
    plain = [f"{level:,.{_digits(levels)}f}" for level in levels]
    if max(map(len, plain), default=0) <= _LONGEST_LABEL:
        return plain
    for digits in range(6):
        short = [f"{level:.{digits}e}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-") for level in levels]
        if len(set(short)) == len(short) and all(map(math.isclose, levels, map(float, short))):
            return short
    return plain


def _digits(levels: Sequence[float]) -> int:
    """Decimals that tell the labels of an axis apart."""
    step = min((b - a for a, b in pairwise(levels)), default=abs(levels[0]) or 1.0)
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _words(point: OverfittingPoint) -> str:
    """What a row shows, in words, for a pointer that rests on it and for a screen reader."""
    of_interval = interval(point)
    parts = [f"best epoch {best_epoch(point)}" + (f", interval {of_interval}" if of_interval else "")]
    if point.onset is not None:
        parts.append(f"onset {point.onset}")
    if point.one_se_epoch is not None:
        parts.append(f"one-SE epoch {point.one_se_epoch}")
    parts.append(f"value {number(point.best_value)}")
    return f"{point.verdict}: {', '.join(parts)}"
