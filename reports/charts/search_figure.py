"""Best value so far against trials, a line a sweep, as inline SVG."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from reports.analysis.several import Progress
from reports.charts.inline_svg import ticks
from reports.formatting import number

_WIDTH, _HEIGHT = 480, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 30, 14, 34
#: Lines with a colour and dashes of their own; more than these begin again.
STYLES = 5


def search_figure(lines: Sequence[Progress], value_name: str) -> Markup:
    """The figure; an empty text where no sweep has a result.

    Each line ends with the letter of its sweep and a mark where its best configuration was found. Dashes differ as
    well as colours.
    """
    values = [value for line in lines for value in line.best_so_far if value is not None]
    if not values:
        return Markup("")
    longest = max(len(line.best_so_far) for line in lines)
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.01 * (abs(low) or 1.0)
    low, high = low - room, high + room
    across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(trial: float) -> float:
        return _LEFT + across * (trial - 1) / max(longest - 1, 1)

    def y(value: float) -> float:
        return _TOP + down * (high - value) / (high - low)

    drawn = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{number(tick, 3)}</text>'
        for tick in ticks(low, high)
    ]
    whole = [tick for tick in ticks(1, longest) if tick == int(tick)] or [1.0]
    drawn += [
        f'<text x="{x(tick):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{tick:.0f}</text>' for tick in whole
    ]
    drawn.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">trials</text>')
    for index, line in enumerate(lines):
        found = [(trial, value) for trial, value in enumerate(line.best_so_far, start=1) if value is not None]
        start, path = found[0], ""
        path = f"M{x(start[0]):.1f},{y(start[1]):.1f}" + "".join(f" H{x(t):.1f} V{y(v):.1f}" for t, v in found[1:])
        end = found[-1]
        drawn.append(
            f'<g class="search line-{index % STYLES}"><path d="{path}"/>'
            f'<circle cx="{x(line.found_after):.1f}" cy="{y(end[1]):.1f}" r="4"/>'
            f'<text x="{x(end[0]) + 7:.1f}" y="{y(end[1]) + 4 - 12 * _collisions(lines, index):.1f}">'
            f"{escape(line.letter)}</text></g>"
        )
    said = "; ".join(
        f"sweep {line.letter} reaches {number(line.best_so_far[-1])} after {line.found_after} trials" for line in lines
    )
    label = escape(f"Best {value_name} so far against trials: {said}")
    return Markup(
        f'<svg class="searches" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"<title>{label}</title>{''.join(drawn)}</svg>"
    )


def _collisions(lines: Sequence[Progress], index: int) -> int:
    """Earlier lines that end at the same place, so that their letters do not cover each other."""
    ends = [(len(line.best_so_far), line.best_so_far[-1]) for line in lines]
    return ends[:index].count(ends[index])
