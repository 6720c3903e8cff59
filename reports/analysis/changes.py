"""What differs between two or more sweeps: of their settings, data, programs, and of each configuration they share."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipelines.exercises.spaces import Parameter
from pipelines.overfitting.point import OverfittingPoint
from pipelines.tracking.sweeps import DataFacts, Sweep
from pipelines.tracking.trials import Trial
from reports.analysis.fits import best_values, over_fits
from reports.formatting import plain
from reports.report import Report, point_of

#: A difference of two values counts as within their deviation up to this many deviations of such a difference.
DEVIATIONS = 2.0


@dataclass(frozen=True)
class Change:
    """A setting that is not the same in all sweeps, and its value in each of them; empty where it is not recorded."""

    what: str
    values: tuple[str, ...]


class Basis(StrEnum):
    """By what a difference of two values is judged."""

    PAIRED = "paired fits"
    SEEDS = "deviation over seeds"
    FOLDS = "deviation over folds"
    NONE = "not known"


@dataclass(frozen=True)
class Match:
    """A configuration that two sweeps have trained; its label is without what all configurations share.

    ``intervals_overlap`` says whether the intervals of the best epoch have an epoch in common; None where one has no
    interval. ``difference`` is the second value minus the first, in units of the monitored metric; None where the
    sweeps were judged on different curves, which are never compared. ``margin`` is the half-width of what chance
    explains of it, and ``basis`` where that comes from; None where that is ``NONE``.
    """

    label: str
    first: Trial
    second: Trial
    intervals_overlap: bool | None
    difference: float | None
    margin: float | None
    basis: Basis

    @property
    def within(self) -> bool | None:
        """Whether the difference of the values is within the deviation; None where that is not known."""
        if self.difference is None or self.margin is None:
            return None
        return abs(self.difference) <= self.margin

    @property
    def moved(self) -> bool:
        """Whether anything has surely changed: the best epoch or its value."""
        return self.intervals_overlap is False or self.within is False


def changes(sweeps: Sequence[Sweep]) -> tuple[Change, ...]:
    """What differs between sweeps: data, settings, search space, versions, commit, machine; nothing that is equal."""
    described = [dict(_described(sweep)) for sweep in sweeps]
    names = dict.fromkeys(name for one in described for name in one)
    found = (Change(name, tuple(one.get(name, "") for one in described)) for name in names)
    return tuple(change for change in found if len(set(change.values)) > 1)


def match(first: Report, second: Report, labels: Mapping[str, str]) -> tuple[Match, ...]:
    """Configurations that both sweeps have a result of, in the order of the first's ranking, by its trials' ``labels``.

    Where curves are missing, the deviation over seeds stands in.
    """
    theirs = by_hash(second)
    ratio = first.validation_ratio if same_fits(first.sweep, second.sweep) else None
    found = []
    for hashed, trial in by_hash(first).items():
        if (other := theirs.get(hashed)) is not None:
            difference, margin, basis = _difference((first, second), (trial, other), ratio)
            found.append(
                Match(
                    label=labels[trial.run_id],
                    first=trial,
                    second=other,
                    intervals_overlap=intervals_overlap(point_of(trial), point_of(other)),
                    difference=difference,
                    margin=margin,
                    basis=basis,
                )
            )
    return tuple(found)


def by_hash(report: Report) -> dict[str, Trial]:
    """Trials with a result by the hash of their configuration, the best first; of one trained twice the better."""
    found: dict[str, Trial] = {}
    for trial in report.ranked:
        if trial.configuration is not None:
            found.setdefault(trial.configuration.hash, trial)
    return found


def same_fits(first: Sweep, second: Sweep) -> bool:
    """Whether fit by fit both had the same rows and the same seed, so that their values can be paired."""
    ours, theirs = first.record, second.record
    return (
        first.data_sha256 == second.data_sha256 != ""
        and first.monitor == second.monitor
        and ours.settings.seed == theirs.settings.seed is not None
        and ours.settings.validation == theirs.settings.validation
        and ours.splits == theirs.splits is not None
    )


def intervals_overlap(first: OverfittingPoint, second: OverfittingPoint) -> bool | None:
    """Whether the intervals of two best epochs meet; a censored one is open towards later epochs."""
    if first.best_epoch_low is None or second.best_epoch_low is None:
        return None
    highs = [
        math.inf if point.censored or point.best_epoch_high is None else point.best_epoch_high
        for point in (first, second)
    ]
    return first.best_epoch_low <= highs[1] and second.best_epoch_low <= highs[0]


def deviation_margin(first: OverfittingPoint, second: OverfittingPoint) -> tuple[float | None, Basis]:
    """What chance explains of the difference of two best values, from their recorded deviations.

    Twice the deviation of a difference of two such values: over seeds where both sweeps have several; else of the mean
    over folds, which share training rows (Nadeau and Bengio's correction).
    """
    seeds = (first.sd_seeds, second.sd_seeds)
    if seeds[0] is not None and seeds[1] is not None:
        return DEVIATIONS * math.hypot(seeds[0], seeds[1]), Basis.SEEDS
    if first.sd_folds is None or second.sd_folds is None:
        return None, Basis.NONE
    errors = [(point.sd_folds or 0.0) * math.sqrt(1 / point.folds + 1 / (point.folds - 1)) for point in (first, second)]
    return DEVIATIONS * math.hypot(*errors), Basis.FOLDS


def _difference(
    reports: tuple[Report, Report], trials: tuple[Trial, Trial], ratio: float | None
) -> tuple[float | None, float | None, Basis]:
    points = point_of(trials[0]), point_of(trials[1])
    of_one_curve = reports[0].sweep.monitor == reports[1].sweep.monitor
    if not of_one_curve or points[0].best_value is None or points[1].best_value is None:
        return None, None, Basis.NONE
    if ratio is not None and (points[0].folds, points[0].repeats) == (points[1].folds, points[1].repeats):
        values = [best_values(report, trial) for report, trial in zip(reports, trials, strict=True)]
        if values[0] is not None and values[1] is not None and len(values[0]) > 1:
            found = over_fits(values[1] - values[0], points[0], ratio)
            return found.value, (found.high or 0.0) - found.value, Basis.PAIRED
    return points[1].best_value - points[0].best_value, *deviation_margin(*points)


def _described(sweep: Sweep) -> Iterator[tuple[str, str]]:
    """Everything of a sweep that may differ, as a reader names it."""
    record = sweep.record
    environment = record.environment
    yield "data (sha256)", sweep.data_sha256[:16]
    yield "samples", plain(record.data.samples)
    yield "features", shape_text(record.data)
    yield "tuner", sweep.tuner
    yield "backend", sweep.backend
    yield "judged on", sweep.monitor
    for name in ("validation", "folds", "repeats", "epochs", "seed", "stop", "trials"):
        yield {"stop": "stopping rule"}.get(name, name), plain(getattr(record.settings, name))
    axes = record.exercise.space.parameters if record.exercise else ()
    yield from ((f"space: {axis.name}", axis_text(axis)) for axis in axes)
    yield "Python", environment.python
    yield from environment.packages.items()
    yield "commit", sweep.commit[:12]
    yield "processor", environment.processor
    yield "cores", plain(environment.cores)


def axis_text(axis: Parameter) -> str:
    """An axis of a search space: ``4 to 512, log`` or ``relu, tanh``."""
    if axis.choices:
        return ", ".join(str(choice) for choice in axis.choices)
    text = " to ".join("" if bound is None else f"{bound:g}" for bound in (axis.low, axis.high))
    return f"{text}, log" if axis.log else text


def shape_text(data: DataFacts) -> str:
    """Shape of one sample: ``13`` or ``28 x 28``; empty where it is not recorded."""
    return " x ".join(str(size) for size in data.input_shape)
