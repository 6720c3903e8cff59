"""What a report says, before it is put on a page: ranking, labels, curves, what varies, the answer in words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from statistics import median, median_low

import numpy as np

from pipelines.datasets.folds import parse_holdout
from pipelines.errors import UserError
from pipelines.exercises.configurations import NO_HIDDEN_LAYER, setting_named
from pipelines.exercises.settings import Setting
from pipelines.logs.analysis import Wanted, analyse_logs
from pipelines.logs.sources import Where, read_logs, source_name
from pipelines.overfitting.judging import Judge
from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.reading import read_sweep, read_trial_curves
from pipelines.tracking.sweeps import Sweep
from pipelines.tracking.trials import RUNNING, Curves, Trial
from pipelines.words import counted, listed
from reports.formatting import epochs_to_train, interval, last_seen, number
from reports.settings import VariedSetting, varied_settings, wide_ranges

BASELINE = "baseline"
DOWNLOADS = 8


class StoredCurves(Mapping[str, Curves]):
    """Curves by run id, each file read when it is first asked for.

    A trial whose file is gone or cannot be read is left out, as if it had no curves.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._trials = {trial.run_id: trial for trial in sweep.trials}
        self._read = cache(lambda run_id: read_trial_curves(self._trials[run_id], uri=sweep.uri))

    def __getitem__(self, run_id: str) -> Curves:
        if (found := self._read(run_id)) is None:
            raise KeyError(run_id)
        return found

    def __iter__(self) -> Iterator[str]:
        return (run_id for run_id in self._trials if run_id in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, eq=False)
class Report:
    """A sweep, ready to be shown.

    Attributes
    ----------
    sweep
        As recorded.
    ranked
        Trials with a result, the lowest value at the best epoch first.
    others
        The rest: diverged, failed, cut off.
    labels
        Short name of each trial by run id: what is common to all configurations is left out.
    common
        What is common to all configurations, as in their labels; empty where nothing is.
    curves
        Of the trials by run id, then by name, each (fits, epochs), repeat-major; trials may be missing.
    """

    sweep: Sweep
    ranked: tuple[Trial, ...]
    others: tuple[Trial, ...]
    labels: Mapping[str, str]
    common: str
    curves: Mapping[str, Curves] = field(default_factory=dict)

    @property
    def best(self) -> Trial | None:
        """The configuration to choose."""
        return self.ranked[0] if self.ranked else None

    @cached_property
    def baseline(self) -> Trial | None:
        """The configuration that the exercise starts from, where it has a result."""
        exercise = self.sweep.record.exercise
        wanted = exercise.baseline.hash if exercise else ""
        by_hash = {trial.configuration.hash: trial for trial in reversed(self.ranked) if trial.configuration}
        asked = (trial for trial in self.ranked if trial.origin == BASELINE)
        return by_hash.get(wanted) or next(asked, None)

    @property
    def title(self) -> str:
        """Title of the exercise."""
        exercise = self.sweep.record.exercise
        return (exercise and exercise.title) or self.sweep.exercise or "Sweep"

    @property
    def value_name(self) -> str:
        """The monitored metric as a heading names it."""
        return self.sweep.monitor or "validation value"

    @property
    def epochs(self) -> int:
        """Length of the longest training."""
        return max((point_of(trial).epochs for trial in self.ranked), default=0)

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """Rank of each trial with a result by run id, from 1."""
        return {trial.run_id: rank for rank, trial in enumerate(self.ranked, start=1)}

    @cached_property
    def on_log_scales(self) -> frozenset[str]:
        """Arguments of the user's own network whose axes are logarithmic; of other settings that is known."""
        exercise = self.sweep.record.exercise
        if exercise is not None:
            return frozenset(axis.name for axis in exercise.space.parameters if axis.log)
        return wide_ranges(trial.configuration for trial in self.sweep.trials if trial.configuration)

    @property
    def read_from_logs(self) -> tuple[str, ...]:
        """Of curves that another tool has logged: sentences on how they were read; empty for a sweep of our own."""
        return tuple(self.sweep.record.data.details.get("logged", ()))

    def setting(self, name: str) -> Setting:
        """What is known of a setting of this sweep."""
        return setting_named(name, self.on_log_scales)

    @cached_property
    def varied(self) -> tuple[VariedSetting, ...]:
        """The settings that take more than one value in the trials with a result, and in those that diverged."""
        shown = (*self.ranked, *(trial for trial in self.others if trial.diverged))
        return varied_settings(shown, self.on_log_scales)

    @cached_property
    def validation_ratio(self) -> float | None:
        """Validation rows over training rows of a fit, mean over the fits, as the sweep recorded its splits.

        Without that record ``1 / (folds - 1)`` for k folds, and what the exercise says of a hold-out; None where that
        is gone too. A configuration with a ``train_fraction`` below 1 trains on fewer rows; the ratio is that of the
        splits, as for its over-fitting point.
        """
        record = self.sweep.record
        if record.splits and all(split.training for split in record.splits):
            return float(np.mean([split.validation / split.training for split in record.splits]))
        folds = max((point_of(trial).folds for trial in self.ranked), default=0)
        if folds > 1:
            return 1 / (folds - 1)
        try:
            held_out = parse_holdout(record.exercise.holdout if record.exercise else "")
        except UserError:
            return None
        samples = record.data.samples or 0
        if held_out < 1:
            return held_out / (1 - held_out)
        return held_out / (samples - held_out) if samples > held_out else None

    def read_curves(self) -> None:
        """Read the curves of all trials with a result now, several at a time: on a server a request takes long."""
        with ThreadPoolExecutor(max_workers=DOWNLOADS) as pool:
            list(pool.map(self.curves.get, self.ranks))

    @property
    def headline(self) -> str:
        """The answer in one sentence: which configuration, how many epochs."""
        if self.best is None:
            if not self.others:
                return "This sweep has no trials yet, so there is nothing to choose."
            return f"None of the {counted(len(self.others), 'trial')} of this sweep has a result."
        point, name = point_of(self.best), self.labels[self.best.run_id]
        if name.replace("-", "").isdigit():  # widths alone need a word to go with them
            name = f"hidden {'layers' if '-' in name else 'layer'} {name}"
        epochs = epochs_to_train(point)
        if point.verdict is Verdict.STILL_IMPROVING:
            return f"Choose {name} and train it for {epochs}: it was still improving."
        if last_seen(point)[1]:
            enough = point.one_se_epoch or point.epochs
            beyond = f"Its best epoch may lie beyond the {point.epochs} that were trained"
            return f"Choose {name}. {beyond}; after epoch {enough} nothing is gained for sure."
        sureness = f" (95 % interval {interval(point)})" if interval(point) else ""
        if point.verdict is Verdict.PLATEAU:
            sureness += "; going on neither helps nor surely harms"
        return f"Choose {name} and train it for {epochs}{sureness}."

    @property
    def remarks(self) -> tuple[str, ...]:
        """What belongs to the answer: how many configurations over-fit and from when, and how clear the choice is."""
        return tuple(filter(None, [_overfitting_sentence(self), _rest_sentence(self), _closeness_sentence(self)]))


def read_report(sweep_run_id: str, *, tracking_uri: str) -> Report:
    """Read a sweep from the tracking store and rank its trials; curves are read where they are first asked for.

    Raises
    ------
    TrackingError
        When the store does not answer, has no such run, or the run is not that of a sweep.
    """
    sweep = read_sweep(sweep_run_id, uri=tracking_uri)
    curves = StoredCurves(sweep)
    return make_report(_judged_again(sweep, curves), curves)


def logged_report(source: str, where: Where | None = None, wanted: Wanted | None = None) -> Report:
    """The report of curves that another tool has logged, as that of a sweep.

    Parameters
    ----------
    source
        A folder or file of logs, ``mlflow:EXPERIMENT`` or ``optuna:STORAGE``; see ``pipelines.logs.sources``.
    where, wanted
        What else is known of where they are, and of what they mean; None where all is to be found.

    Raises
    ------
    UserError
        Where nothing can be read, or nothing of it judged.
    """
    found = analyse_logs(read_logs(source, where), source_name(source), wanted)
    return make_report(found.sweep, found.curves)


def _judged_again(sweep: Sweep, curves: Mapping[str, Curves]) -> Sweep:
    """Trials that an earlier version judged by its own rules, judged by today's: one table has one measure.

    Where the curves are gone, or the sweep does not say how many rows a fit has, what is stored stays.
    """
    stored = make_report(sweep)
    ratio, monitor = stored.validation_ratio, sweep.monitor

    def today(trial: Trial) -> Trial:
        point, found = trial.point, {} if trial.judged_today or not trial.has_result else curves.get(trial.run_id, {})
        if ratio is None or point is None or not {monitor, monitor.removeprefix("val_")} <= set(found):
            return trial
        judge = Judge(monitor, point.folds, point.repeats, ratio)
        return replace(trial, point=judge.point(found, point.epochs))

    return replace(sweep, trials=tuple(map(today, sweep.trials)))


def make_report(sweep: Sweep, curves: Mapping[str, Curves] | None = None) -> Report:
    """Rank the trials of a sweep and shorten their names; without ``curves``, by run id, a report has none."""
    labels, common = short_labels([trial.name for trial in sweep.trials])
    labels = _told_apart(labels, sweep.trials)
    return Report(
        sweep=sweep,
        ranked=tuple(sorted((trial for trial in sweep.trials if trial.has_result), key=value_of)),
        others=tuple(trial for trial in sweep.trials if not trial.has_result),
        labels={trial.run_id: label for trial, label in zip(sweep.trials, labels, strict=True)},
        common=common,
        curves={} if curves is None else curves,
    )


def point_of(trial: Trial) -> OverfittingPoint:
    """The over-fitting point of a ranked trial, which has one."""
    if trial.point is None:
        raise ValueError(f"the trial {trial.run_id} has no over-fitting point")
    return trial.point


def median_of_known(values: Iterable[float | None]) -> float | None:
    """Median of the values that there are; None without any."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def saved_epochs(point: OverfittingPoint) -> int | None:
    """Epochs that a training which stops at its best would save; None where that may lie beyond the end."""
    epoch, beyond = last_seen(point)
    return None if beyond or point.best_epoch is None else point.epochs - epoch


def short_labels(labels: Sequence[str]) -> tuple[list[str], str]:
    """Labels without the words that all of them share, and those words; numbers with three digits.

    The first word, the hidden layers, always stays.

    >>> short_labels(["64-64 relu adam lr=0.0113673", "no hidden layer adam", "64 tanh adam"])
    (['64-64 relu lr=0.0114', 'no hidden layer', '64 tanh'], 'adam')
    """
    # The one name of a network that has blanks in it; runs of older stores go by the other.
    words = [label.replace(NO_HIDDEN_LAYER, "none").split(" ") for label in labels]
    differ = len(set(labels)) > 1
    shared = [word for word in words[0][1:] if all(word in label[1:] for label in words)] if differ else []
    shortened = [
        [NO_HIDDEN_LAYER if layers == "none" else layers, *(_rounded(word) for word in rest if word not in shared)]
        for layers, *rest in words
    ]
    return list(map(" ".join, shortened)), " ".join(shared)


def _told_apart(labels: Sequence[str], trials: Sequence[Trial]) -> list[str]:
    """Labels of which no two configurations have the same, as rounded numbers may make them, by their hash."""
    owners: dict[str, str] = {}
    found = []
    for label, trial in zip(labels, trials, strict=True):
        hashed = trial.configuration.hash if trial.configuration else ""
        alone = not hashed or owners.setdefault(label, hashed) == hashed
        found.append(label if alone else f"{label} #{hashed[:4]}")
    return found


def _rounded(word: str) -> str:
    """A setting as a label shows it: ``lr=0.0113673`` as ``lr=0.0114``."""
    name, equals, value = word.partition("=")
    try:
        return f"{name}={float(value):.3g}" if equals and "." in value else word
    except ValueError:
        return word


def value_of(trial: Trial) -> float:
    """The value at the best epoch; infinite without one."""
    value = point_of(trial).best_value
    return float("inf") if value is None else value


def _overfitting_sentence(report: Report) -> str:
    onsets = sorted(point.onset for trial in report.ranked if (point := trial.point) and point.onset)
    total = len(report.ranked)
    if not total:
        return ""
    if not onsets:
        who = "The configuration does not" if total == 1 else f"None of the {counted(total, 'configuration')}"
        return f"{who} surely over-fit{'' if total == 1 else 's'} within {counted(report.epochs, 'epoch')}."
    if total == 1:
        return f"It over-fits from epoch {onsets[0]} on."
    who = f"{len(onsets)} of {total} configurations over-fit{'s' if len(onsets) == 1 else ''}"
    if len(onsets) <= 2:
        return f"{who}, from epoch {' and '.join(map(str, onsets))} on."
    return f"{who}, the earliest from epoch {onsets[0]} on, half of them by epoch {median_low(onsets)}."


def _rest_sentence(report: Report) -> str:
    verdicts = Counter(point_of(trial).verdict for trial in report.ranked)
    diverged = sum(trial.diverged for trial in report.others)
    in_work = sum(trial.status == RUNNING for trial in report.others)
    parts = (
        (verdicts[Verdict.STILL_IMPROVING], "{were} still improving at the end"),
        (verdicts[Verdict.PLATEAU], "{were} on a plateau"),
        (verdicts[Verdict.UNDECIDED], "{were} undecided"),
        (diverged, "diverged"),
        (len(report.others) - diverged - in_work, "failed or {were} cut off"),
        (in_work, "{were} in work"),
    )
    counts = [f"{count} {what.format(were='was' if count == 1 else 'were')}" for count, what in parts if count]
    return f"{listed(counts)}." if counts else ""


def _closeness_sentence(report: Report) -> str:
    """Whether the choice is one: how many are no further from the best than another seed would move it."""
    best = report.best
    if best is None or len(report.ranked) < 2:
        return ""
    own = point_of(best).sd_seeds
    if own is None:
        return "With a single seed it is not known how far another seed would change this order."

    def deviation(other: Trial) -> float:
        """The larger of the two, as where pairs are compared."""
        return max(own, point_of(other).sd_seeds or 0.0)

    close = sum(value_of(trial) - value_of(best) < deviation(trial) for trial in report.ranked[1:])
    if not close:
        widest = number(deviation(report.ranked[1]), 2)
        return f"The runner-up is further behind than the deviation between seeds (±{widest})."
    others = "1 other lies" if close == 1 else f"{close} others lie"
    return f"{others} within the deviation between seeds of it, so the choice among them is open."
