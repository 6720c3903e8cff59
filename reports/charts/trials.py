"""What figures know of the trials of a sweep: words under the pointer, ends of axes, trends, the settings that vary.

Each setting has a scale of its own: what is multiplied from one value to the next is on a logarithmic one, words are
categories, and a penalty of zero keeps a place beside the logarithmic scale.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.exercises.configurations import Configuration, setting_named
from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.trials import Trial
from pipelines.words import counted
from reports.charts.chart import Axis, Hover, around, around_log, log_ticks, named_axis, short
from reports.charts.palette import SYMBOLS
from reports.formatting import best_epoch, interval, number, percent, seconds, signed
from reports.report import Report, point_of
from reports.settings import setting_of, varied_titles

Scale = Literal["linear", "log", "category"]
Value = float | str | None

#: With fewer trials no trend is claimed.
LEAST_FOR_A_TREND = 6
#: Up to so many different values each have a tick of their own.
FEW_VALUES = 7
#: How far points of one value may be moved apart, as a share of the distance between values.
JITTER = 0.28


def trial_hover(report: Report, trial: Trial, *more: str) -> Hover:
    """A trial in a few lines: its name, what else is asked for, verdict and epochs, value, cost."""
    point = point_of(trial)
    of_interval = interval(point)
    epochs = f"best epoch {best_epoch(point)}" + (f", 95 % interval {of_interval}" if of_interval else "")
    deviation = [
        f"± {number(deviation, 2)} between {what}"
        for deviation, what in ((point.sd_folds, "folds"), (point.sd_seeds, "seeds"))
        if deviation is not None
    ]
    ends = "" if point.severity is None else f", ends at {percent(point.severity)}"
    cost = [] if trial.parameters is None else [counted(trial.parameters, "weight")]
    cost += [] if trial.seconds is None else [seconds(trial.seconds)]
    return tuple(
        line
        for line in (
            report.labels[trial.run_id],
            *more,
            f"{point.verdict}: {epochs}",
            "" if point.onset is None else f"over-fits from epoch {point.onset} of {point.epochs}",
            f"{report.value_name} {number(point.best_value)}{ends}",
            ", ".join(deviation),
            "" if point.gap_best is None else f"gap {signed(point.gap_best)} at best, {signed(point.gap_final)} at end",
            ", ".join(cost),
            f"{counted(point.folds, 'fold')} x {counted(point.repeats, 'seed')}",
        )
        if line
    )


def configured(report: Report) -> list[Trial]:
    """Ranked trials whose configuration is known; empty where there is nothing to compare."""
    found = [trial for trial in report.ranked if trial.configuration is not None]
    return found if len(found) > 1 else []


def by_verdict(trials: Sequence[Trial]) -> Iterator[tuple[Verdict, str, list[int]]]:
    """Each verdict that is drawn, its symbol, and which of the trials have it."""
    for verdict, symbol in SYMBOLS.items():
        yield verdict, symbol, [index for index, trial in enumerate(trials) if point_of(trial).verdict is verdict]


def trend(places: Sequence[float | None], values: Sequence[float | None]) -> float:
    """Spearman's rank correlation of two rows of numbers where it is surely not zero (p < 0.05), else 0."""
    pairs = np.array(
        [(place, value) for place, value in zip(places, values, strict=True) if place is not None and value is not None]
    )
    if len(pairs) < LEAST_FOR_A_TREND or (pairs.min(axis=0) == pairs.max(axis=0)).any():
        return 0.0
    from scipy.stats import spearmanr

    found = spearmanr(pairs[:, 0], pairs[:, 1])
    return float(found.statistic) if found.pvalue < 0.05 else 0.0


def interval_ends(point: OverfittingPoint) -> tuple[int, int] | None:
    """Ends of the best epoch's interval, which goes on to the end where the training did not last for it."""
    if point.best_epoch_low is None or point.best_epoch_high is None:
        return None
    return point.best_epoch_low, point.epochs if point.censored else point.best_epoch_high


def settled(point: OverfittingPoint) -> int:
    """Columns at the beginning that are so much worse than the rest that they would flatten everything."""
    return min(max(1, (point.best_epoch or 1) // 4), max(1, point.epochs // 10), point.epochs - 1)


def shown_range(
    validation: NDArray[np.float64], training: NDArray[np.float64] | None, point: OverfittingPoint
) -> tuple[float, float]:
    """Ends of an axis that shows what matters: the mean curves but for their first epochs, and most of the band.

    Single spikes of single fits would flatten everything, and so would the first epochs.

    Parameters
    ----------
    validation
        Shape (fits, epochs).
    training
        The mean over the fits, shape (epochs,).
    """
    mean = validation.mean(axis=0)
    spread = validation.std(axis=0, ddof=1) if len(validation) > 1 else np.zeros_like(mean)
    first = settled(point)
    lines = [mean] + ([] if training is None else [training])
    low = min(*(float(line.min()) for line in lines), float(np.quantile(mean - spread, 0.05)))
    high = max(*(float(line[first:].max()) for line in lines), float(np.quantile((mean + spread)[first:], 0.95)))
    margin = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
    floor = 0.0 if validation.min() >= 0 else -np.inf  # a loss has none below
    return max(low - margin, floor), high + margin


@dataclass(frozen=True)
class Setting:
    """A hyperparameter: its name in ``reports.analysis.parameters``, its words, its scale."""

    name: str
    words: str
    scale: Scale


@dataclass(frozen=True)
class Varied:
    """A setting and the value of it in each of some configurations."""

    setting: Setting  #: which it is
    values: tuple[Value, ...]  #: one a configuration, None where it has no effect
    #: The same as places on ``axis``: categories are numbered from 0, a zero on a logarithmic scale gets a place beside
    #: it.
    places: tuple[float | None, ...]
    axis: Axis  #: with ticks


def varied(configurations: Sequence[Configuration], log: Collection[str] = ()) -> tuple[Varied, ...]:
    """The settings with at least two different values, in the order of a report.

    ``log``: arguments of a user's own network whose axes are logarithmic.
    """
    found = []
    for name, title in varied_titles(configurations).items():
        values = tuple(setting_of(configuration, name) for configuration in configurations)
        scale: Scale = "log" if setting_named(name, log).log else "linear"
        if any(isinstance(value, str) for value in values):
            scale = "category"
        found.append(_placed(Setting(name, title, scale), values))
    return tuple(found)


def value_words(value: Value) -> str:
    """A value as a reader sees it; a dash where the setting has no effect.

    >>> value_words(0.000123456), value_words(512), value_words("relu"), value_words(None)
    ('0.000123', '512', 'relu', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _placed(setting: Setting, values: tuple[Value, ...]) -> Varied:
    numbers = [float(value) for value in values if value is not None and not isinstance(value, str)]
    if setting.scale == "category" or len(numbers) < sum(value is not None for value in values):
        return _categories(setting, values)
    few = sorted(set(numbers)) if len(set(numbers)) <= FEW_VALUES else []
    if setting.scale == "linear" or min(numbers) < 0 or max(numbers) == 0:
        low, high = around(numbers, margin=_margin(few))
        axis = Axis(setting.words, low, high, ticks=tuple((place, short(place)) for place in few))
        return Varied(setting, values, tuple(_number(value) for value in values), axis)
    positive = [number for number in numbers if number > 0]
    zero = None if len(positive) == len(numbers) else _beside(positive)
    places = tuple(zero if value == 0 else _number(value) for value in values)
    shown = [*positive, *([] if zero is None else [zero])]
    logs = [math.log10(place) for place in sorted(set(shown))] if few else []
    low, high = around_log(shown, margin=_margin(logs))
    of_scale = (
        tuple((place, short(place)) for place in few if place > 0 and _apart(place, few))
        if few
        else log_ticks(min(positive), max(positive))
    )
    at_zero = () if zero is None else ((zero, "0"),)
    return Varied(setting, values, places, Axis(setting.words, low, high, log=True, ticks=(*at_zero, *of_scale)))


def _margin(few: Sequence[float]) -> float:
    """Room at both ends, as a share of the axis, for points that are moved apart."""
    if len(few) < 2:
        return 0.06
    least = min(after - before for before, after in pairwise(few))
    return max(0.06, 1.25 * JITTER * least / (few[-1] - few[0]))


def _categories(setting: Setting, values: tuple[Value, ...]) -> Varied:
    names = sorted({str(value) for value in values if value is not None})
    places = tuple(None if value is None else float(names.index(str(value))) for value in values)
    return Varied(replace(setting, scale="category"), values, places, named_axis(setting.words, names))


def _beside(positive: Sequence[float]) -> float:
    """The place of zero: one decade under the least positive value."""
    return 10.0 ** (math.floor(math.log10(min(positive)) + 1e-9) - 1)


def _apart(place: float, few: Sequence[float]) -> bool:
    """Whether there is room for a tick's text beside that of the next smaller value."""
    smaller = [other for other in few if 0 < other < place]
    return not smaller or math.log10(place / smaller[-1]) > 0.04 * math.log10(few[-1] / min(o for o in few if o > 0))


def _number(value: Value) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)
