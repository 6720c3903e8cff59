"""Which settings vary in a sweep, and what over-fitting looks like at each of their values.

A table of winners hides over-fitting: the tuner has picked them for not doing it. So each row speaks of *all*
configurations at a value, and of the best one beside them (Godbole et al., Deep learning tuning playbook: look for
over-fitting at each value of the scientific parameter). The other settings differ from row to row; what a setting does
by itself is the business of ``remedies``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, median_low

from pipelines.exercises.configurations import SETTINGS, Configuration
from pipelines.exercises.settings import OWN_UNITS
from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.trials import Trial
from reports.analysis.bins import Level, number_levels
from reports.formatting import best_epoch
from reports.report import Report, point_of

Value = str | float

#: What a report tells of every configuration: the layers by ``units`` and ``depth``.
_REPORTED = [name for name in SETTINGS if name not in ("layers", *OWN_UNITS)]


@dataclass(frozen=True, eq=False)
class Parameter:
    """A setting that takes more than one value in a sweep.

    Attributes
    ----------
    name
        A field of ``Configuration``; or ``units``, ``depth``, and ``units_2``, ``units_3``, ... where a later layer has
        a width of its own.
    title
        In words.
    numeric, log
        Whether it is a number, and whether equal ratios of it count as equal steps.
    levels
        Its values, or bins of them, in rising order (words: in alphabetical order).
    level_of
        Position in ``levels`` by run id; trials in which the setting has no effect are not there.
    value_of
        The value by run id, for the same trials.
    """

    name: str
    title: str
    numeric: bool
    log: bool
    levels: tuple[Level, ...]
    level_of: Mapping[str, int]
    value_of: Mapping[str, Value]

    @property
    def binned(self) -> bool:
        """Whether a level may hold several values."""
        return any(level.low != level.high for level in self.levels)

    def position(self, value: float) -> float:
        """Where a number lies on the parameter's scale: its logarithm to base 10 on a log scale, else itself.

        Zero has no logarithm; it is put one power of ten below the smallest other value.
        """
        if not self.log:
            return float(value)
        if value > 0:
            return math.log10(value)
        return math.log10(min(v for v in self.value_of.values() if not isinstance(v, str) and v > 0)) - 1


@dataclass(frozen=True, eq=False)
class ValueRow:
    """Over-fitting at one value of a parameter.

    Attributes
    ----------
    level
        The value, or the bin.
    configurations, diverged
        Number with a result, and number that diverged instead.
    best
        The best configuration found here, with its over-fitting point; None where all diverged.
    overfitting
        Number of configurations that over-fit.
    median_onset
        Epoch by which half of *all* configurations here over-fit. None where fewer than half do within their training:
        an onset that was not reached counts as late, never as missing, so that a value at which one configuration in
        ten over-fits early does not look worse than one at which all do.
    median_best_epoch, beyond
        The (lower) median; a best epoch at the end of a training counts as that end. ``beyond`` where the median may
        lie later for that reason: print ">=".
    median_severity, median_gap_best, median_gap_final
        Over the configurations that have them; None where none has.
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


def varied_parameters(report: Report) -> tuple[Parameter, ...]:
    """The settings that take more than one value, as the configurations themselves have them.

    Trials with a result count, and those that diverged; a setting without effect in a network (dropout without hidden
    layers) does not count there.
    """
    configurations = {
        trial.run_id: trial.configuration.canonical() for trial in counted_trials(report) if trial.configuration
    }
    titles = varied_titles(list(configurations.values()))
    of_each = {name: {run_id: setting(c, name) for run_id, c in configurations.items()} for name in titles}
    return tuple(
        _parameter(name, title, {run_id: value for run_id, value in of_each[name].items() if value is not None})
        for name, title in titles.items()
    )


def varied_titles(configurations: Sequence[Configuration]) -> dict[str, str]:
    """Names and titles of the parameters that take more than one value, in the order of a report.

    ``units`` is called the first layer's only where later layers have widths of their own.
    """
    own = [f"units_{number}" for number in _own_widths(configurations)]
    names = sorted([*_REPORTED, *own], key=lambda name: SETTINGS[name].place)
    titles = {name: SETTINGS[name].title for name in names} | ({} if own else {"units": "units"})
    return {
        name: title
        for name, title in titles.items()
        if len({value for c in configurations if (value := setting(c, name)) is not None}) > 1
    }


def parameter_table(report: Report, parameter: Parameter) -> tuple[ValueRow, ...]:
    """A row for each value (or bin of values) of a parameter, in the order of ``parameter.levels``."""
    rows = []
    for position, level in enumerate(parameter.levels):
        here = [trial for trial in report.ranked if parameter.level_of.get(trial.run_id) == position]
        diverged = sum(trial.diverged and parameter.level_of.get(trial.run_id) == position for trial in report.others)
        rows.append(_row(level, here, diverged))
    return tuple(rows)


def setting(configuration: Configuration, name: str) -> Value | None:
    """Value of a parameter in a configuration; None where it has no effect there.

    ``units`` is the width of the first hidden layer, ``units_2`` of the second; ``depth`` their number.
    """
    if name == "depth":
        return len(configuration.layers)
    if name.partition("_")[0] == "units":
        layer = int(name.partition("_")[2] or 1)
        return configuration.layers[layer - 1] if layer <= len(configuration.layers) else None
    if name in configuration.idle:
        return None
    value = getattr(configuration, name)
    return ("yes" if value else "no") if isinstance(value, bool) else value


def counted_trials(report: Report) -> tuple[Trial, ...]:
    """Trials that say something about their settings: those with a result, and those that diverged."""
    return (*report.ranked, *(trial for trial in report.others if trial.diverged))


def last_seen(point: OverfittingPoint) -> tuple[int, bool]:
    """The best epoch, or the last epoch and True where the best may only be where the training ended."""
    beyond = best_epoch(point) != str(point.best_epoch)
    return (point.epochs if beyond or point.best_epoch is None else point.best_epoch), beyond


def _own_widths(configurations: Sequence[Configuration]) -> list[int]:
    """Numbers of the layers, from the second on, whose width is not simply that of the first."""
    wide = [configuration.layers for configuration in configurations]
    deepest = max(map(len, wide), default=0)
    return [n + 1 for n in range(1, deepest) if any(len(layers) > n and layers[n] != layers[0] for layers in wide)]


def _parameter(name: str, title: str, values: Mapping[str, Value]) -> Parameter:
    if any(isinstance(value, str) for value in values.values()):
        words = sorted({str(value) for value in values.values()})
        positions = {run_id: words.index(str(value)) for run_id, value in values.items()}
        return Parameter(name, title, False, False, tuple(map(Level, words)), positions, values)
    numbers = [float(value) for value in values.values()]
    log = SETTINGS[name].log
    levels, of = number_levels(numbers, log=log, whole=all(number == int(number) for number in numbers))
    return Parameter(name, title, True, log, levels, dict(zip(values, of, strict=True)), values)


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
        median_severity=_middle([point.severity for point in points]),
        median_gap_best=_middle([point.gap_best for point in points]),
        median_gap_final=_middle([point.gap_final for point in points]),
    )


def _median(epochs: Sequence[tuple[int, bool]]) -> tuple[int | None, bool]:
    """Lower median of epochs some of which are only lower bounds, and whether it is itself no more than that."""
    if not epochs:
        return None, False
    middle = median_low([epoch for epoch, _ in epochs])
    return middle, any(bound and epoch <= middle for epoch, bound in epochs)


def _middle(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return median(present) if present else None
