"""What over-fitting looks like at each value of a setting, and how it moves with the setting.

A table of winners hides over-fitting: the tuner has picked them for not doing it. So each row speaks of *all*
configurations at a value, and of the best one beside them (Godbole et al., Deep learning tuning playbook: look for
over-fitting at each value of the scientific parameter). The other settings differ from row to row; what a setting does
by itself is the business of ``remedies``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, median_low

from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.trials import Trial
from reports.formatting import NONE, last_seen, number
from reports.report import Report, median_of_known, point_of
from reports.settings import Level, VariedSetting

#: A dozen settings with three quantities each: at the usual 5 % two of the sentences would be chance.
LEVEL = 0.01
#: With fewer configurations only a perfect order would pass, and would say little.
LEAST = 8


@dataclass(frozen=True, eq=False)
class ValueRow:
    """Over-fitting at one value of a setting, or in one bin.

    So many ``configurations`` have a result, so many ``diverged`` instead, and so many are ``overfitting``; ``best`` is
    the best one found here, None where all diverged. ``median_onset`` is the epoch by which half of *all* of them
    over-fit. None where fewer than half do within their training: an onset that was not reached counts as late, never
    as missing, so that a value at which one configuration in ten over-fits early does not look worse than one at which
    all do. ``median_best_epoch`` is the (lower) median; a best epoch at the end of a training counts as that end, and
    ``beyond`` is True where the median may lie later for that reason: print ">=". The other medians are over the
    configurations that have such a value; None where none has.
    """

    level: Level
    configurations: int
    diverged: int
    best: Trial | None
    overfitting: int
    median_onset: int | None
    median_best_epoch: int | None
    beyond: bool
    median_severity: float | None
    median_gap_best: float | None
    median_gap_final: float | None

    @property
    def share(self) -> float | None:
        """Share of the configurations that over-fit, 0 to 1; None where there are none."""
        return self.overfitting / self.configurations if self.configurations else None

    @property
    def point(self) -> OverfittingPoint | None:
        """Over-fitting point of the best configuration."""
        return self.best.point if self.best else None


@dataclass(frozen=True)
class Trend:
    """How a quantity (best epoch, severity, or the monitored metric) moves with a setting.

    ``correlation`` is Spearman's of the ranks; None for a setting of words, where the test is that of Kruskal and
    Wallis. It rests on so many ``configurations``; ``text`` says ``the median best epoch falls from 12 to 3``.
    """

    quantity: str
    correlation: float | None
    configurations: int
    text: str


def value_rows(report: Report, varied: VariedSetting) -> tuple[ValueRow, ...]:
    """A row for each value (or bin of values) of a setting, in the order of ``varied.levels``."""
    rows = []
    for position, level in enumerate(varied.levels):
        here = [trial for trial in report.ranked if varied.level_of.get(trial.run_id) == position]
        diverged = sum(trial.diverged and varied.level_of.get(trial.run_id) == position for trial in report.others)
        rows.append(_row(level, here, diverged))
    return tuple(rows)


def trends(report: Report, varied: VariedSetting) -> tuple[Trend, ...]:
    """How best epoch, severity and best value move with a setting, as far as that is more than chance.

    By rank over all configurations; a best epoch that may lie beyond the end of a training counts as that end. The
    other settings differ as well, so a trend is no proof of a cause.
    """
    trials = [trial for trial in report.ranked if trial.run_id in varied.level_of]
    rows = [row for row in value_rows(report, varied) if row.configurations]
    if len(trials) < LEAST or len(rows) < 2:
        return ()
    found = []
    for quantity in _quantities(report):
        values = [(trial, value) for trial in trials if (value := quantity.value(point_of(trial))) is not None]
        if len(values) >= LEAST and (trend := _trend(varied, quantity, values, rows)):
            found.append(trend)
    return tuple(found)


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
        return number(median_of_known(point_of(trial).best_value for trial in trials), 3)

    return (
        _Quantity("best epoch", lambda point: last_seen(point)[0], best_epoch),
        _Quantity("severity", lambda point: point.severity, severity),
        _Quantity(report.value_name, lambda point: point.best_value, best_value),
    )


def _trend(
    varied: VariedSetting, quantity: _Quantity, values: Sequence[tuple[Trial, float]], rows: Sequence[ValueRow]
) -> Trend | None:
    from scipy import stats  # a second

    groups: dict[int, list[tuple[Trial, float]]] = {}
    for trial, value in values:
        groups.setdefault(varied.level_of[trial.run_id], []).append((trial, value))
    texts = {
        row.level.label: quantity.text(row, [trial for trial, _ in groups[position]])
        for row in rows
        if (position := varied.levels.index(row.level)) in groups
    }
    if len({value for _, value in values}) < 2 or len(groups) < 2:
        return None
    correlation = None
    if not varied.numeric:
        p_value = float(stats.kruskal(*([value for _, value in group] for group in groups.values())).pvalue)
        text = _lowest_and_highest(quantity.name, groups, texts, varied)
    else:
        settings = [float(varied.value_of[trial.run_id]) for trial, _ in values]
        if len(set(settings)) < 2:
            return None
        correlation, p_value = map(float, stats.spearmanr(settings, [value for _, value in values]))
        first, last = groups[min(groups)], groups[max(groups)]
        change = median([value for _, value in last]) - median([value for _, value in first])
        ends = list(texts.values())
        moves = "rises" if correlation > 0 else "falls"
        is_told = change * correlation > 0 and ends[0] != ends[-1]
        text = f"the median {quantity.name} {moves} from {ends[0]} to {ends[-1]}" if is_told else ""
    if not text or not p_value < LEVEL:
        return None
    return Trend(quantity.name, correlation, len(values), text)


def _lowest_and_highest(
    quantity: str, groups: Mapping[int, Sequence[tuple[Trial, float]]], texts: Mapping[str, str], varied: VariedSetting
) -> str:
    """Where a quantity is lowest and where highest; empty where the printed medians do not differ."""
    middle = {position: median([value for _, value in group]) for position, group in groups.items()}
    low, high = (varied.levels[choose(middle, key=middle.__getitem__)].label for choose in (min, max))
    if texts[low] == texts[high]:
        return ""
    return f"the median {quantity} is lowest with {low} ({texts[low]}) and highest with {high} ({texts[high]})"


def _row(level: Level, trials: Sequence[Trial], diverged: int) -> ValueRow:
    points = [point_of(trial) for trial in trials]
    median_best, beyond = _median([last_seen(point) for point in points])
    onset, late = _median(
        [(point.epochs if point.onset is None else point.onset, point.onset is None) for point in points]
    )
    return ValueRow(
        level=level,
        configurations=len(trials),
        diverged=diverged,
        best=trials[0] if trials else None,
        overfitting=sum(point.verdict is Verdict.OVERFITS for point in points),
        median_onset=None if late else onset,
        median_best_epoch=median_best,
        beyond=beyond,
        median_severity=median_of_known(point.severity for point in points),
        median_gap_best=median_of_known(point.gap_best for point in points),
        median_gap_final=median_of_known(point.gap_final for point in points),
    )


def _median(epochs: Sequence[tuple[int, bool]]) -> tuple[int | None, bool]:
    """Lower median of epochs some of which are only lower bounds, and whether it is itself no more than that."""
    if not epochs:
        return None, False
    middle = median_low([epoch for epoch, _ in epochs])
    return middle, any(bound and epoch <= middle for epoch, bound in epochs)
