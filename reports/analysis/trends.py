"""What a table of a parameter shows, in a sentence; nothing where it shows nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from pipelines.overfitting.point import OverfittingPoint
from pipelines.tracking.trials import Trial
from pipelines.words import listed
from reports.analysis.bins import number_text
from reports.analysis.parameters import Parameter, ValueRow, last_seen, parameter_table
from reports.formatting import NONE, number
from reports.report import Report, point_of

#: A dozen parameters with three quantities each: at the usual 5 % two of the sentences would be chance.
LEVEL = 0.01
#: With fewer configurations only a perfect order would pass, and would say little.
LEAST = 8


@dataclass(frozen=True)
class Trend:
    """How a quantity moves with a parameter.

    Attributes
    ----------
    quantity
        ``best epoch``, ``severity``, or the monitored metric.
    correlation
        Spearman's rank correlation; None for a parameter of words, where the test is that of Kruskal and Wallis.
    p_value
        Two-sided.
    configurations
        Number that it rests on.
    text
        ``the median best epoch falls from 12 to 3``.
    """

    quantity: str
    correlation: float | None
    p_value: float
    configurations: int
    text: str


def trends(report: Report, parameter: Parameter) -> tuple[Trend, ...]:
    """How best epoch, severity and best value move with a parameter, as far as that is more than chance.

    By rank over all configurations; a best epoch that may lie beyond the end of a training counts as that end. The
    other settings differ as well, so a trend is no proof of a cause.
    """
    trials = [trial for trial in report.ranked if trial.run_id in parameter.level_of]
    rows = [row for row in parameter_table(report, parameter) if row.configurations]
    if len(trials) < LEAST or len(rows) < 2:
        return ()
    found = []
    for quantity in _quantities(report):
        values = [(trial, value) for trial in trials if (value := quantity.value(point_of(trial))) is not None]
        if len(values) >= LEAST and (trend := _trend(parameter, quantity, values, rows)):
            found.append(trend)
    return tuple(found)


def trend_sentence(report: Report, parameter: Parameter) -> str:
    """What the table shows in a sentence; empty where it shows no more than chance.

    For example "With units of the first hidden layer from 16 to 1024, the median best epoch falls from 12 to 3 and the
    median severity rises from 2 % to 40 % (rank correlations -0.71 and +0.64 over 40 configurations)." The medians are
    those of the first and the last row.
    """
    found = trends(report, parameter)
    if not found:
        return ""
    counts = sorted({trend.configurations for trend in found})
    over = f"{counts[0]} configurations" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} configurations"
    said = listed([trend.text for trend in found])
    if not parameter.numeric:
        return f"By {parameter.title}, {said} (Kruskal-Wallis test, p < {LEVEL:g}, over {over})."
    low, high = parameter.levels[0].low or 0.0, parameter.levels[-1].high or 0.0
    correlations = listed([f"{trend.correlation:+.2f}" for trend in found])
    plural = "s" if len(found) > 1 else ""
    return (
        f"With {parameter.title} from {number_text(low, 3)} to {number_text(high, 3)}, {said} (rank "
        f"correlation{plural} {correlations} over {over})."
    )


@dataclass(frozen=True)
class _Quantity:
    """One of the three: its name, its value to rank, and the median of some configurations as text."""

    name: str
    value: Callable[[OverfittingPoint], float | None]
    text: Callable[[ValueRow, Sequence[Trial]], str]


def _quantities(report: Report) -> tuple[_Quantity, ...]:
    def best_epoch(row: ValueRow, _: Sequence[Trial]) -> str:
        return f"{'≥ ' if row.beyond else ''}{row.median_best_epoch}"

    def severity(row: ValueRow, _: Sequence[Trial]) -> str:
        return NONE if row.median_severity is None else f"{round(100 * row.median_severity)} %"

    def best_value(_: ValueRow, trials: Sequence[Trial]) -> str:
        return number(median([value for trial in trials if (value := point_of(trial).best_value) is not None]), 3)

    return (
        _Quantity("best epoch", lambda point: last_seen(point)[0], best_epoch),
        _Quantity("severity", lambda point: point.severity, severity),
        _Quantity(report.value_name, lambda point: point.best_value, best_value),
    )


def _trend(
    parameter: Parameter, quantity: _Quantity, values: Sequence[tuple[Trial, float]], rows: Sequence[ValueRow]
) -> Trend | None:
    from scipy import stats  # a second

    groups: dict[int, list[tuple[Trial, float]]] = {}
    for trial, value in values:
        groups.setdefault(parameter.level_of[trial.run_id], []).append((trial, value))
    texts = {
        row.level.label: quantity.text(row, [trial for trial, _ in groups[position]])
        for row in rows
        if (position := parameter.levels.index(row.level)) in groups
    }
    if len({value for _, value in values}) < 2 or len(groups) < 2:
        return None
    if not parameter.numeric:
        p_value = float(stats.kruskal(*([value for _, value in group] for group in groups.values())).pvalue)
        text = _lowest_and_highest(quantity.name, groups, texts, parameter)
        return Trend(quantity.name, None, p_value, len(values), text) if p_value < LEVEL and text else None
    settings = [float(parameter.value_of[trial.run_id]) for trial, _ in values]
    if len(set(settings)) < 2:
        return None
    correlation, p_value = map(float, stats.spearmanr(settings, [value for _, value in values]))
    first, last = groups[min(groups)], groups[max(groups)]
    change = median([value for _, value in last]) - median([value for _, value in first])
    ends = list(texts.values())
    if p_value >= LEVEL or change * correlation <= 0 or ends[0] == ends[-1]:
        return None
    moves = "rises" if correlation > 0 else "falls"
    text = f"the median {quantity.name} {moves} from {ends[0]} to {ends[-1]}"
    return Trend(quantity.name, correlation, p_value, len(values), text)


def _lowest_and_highest(
    quantity: str, groups: Mapping[int, Sequence[tuple[Trial, float]]], texts: Mapping[str, str], parameter: Parameter
) -> str:
    """Where a quantity is lowest and where highest; empty where the printed medians do not differ."""
    middle = {position: median([value for _, value in group]) for position, group in groups.items()}
    low, high = (parameter.levels[choose(middle, key=middle.__getitem__)].label for choose in (min, max))
    if texts[low] == texts[high]:
        return ""
    return f"the median {quantity} is lowest with {low} ({texts[low]}) and highest with {high} ({texts[high]})"
