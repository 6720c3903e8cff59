"""What a comparison of several sweeps says: a row a sweep, and of each exercise that has several what changed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from statistics import median_low
from string import ascii_uppercase

from pipelines.overfitting.point import Verdict
from pipelines.tracking.trials import Trial
from reports.analysis.changes import Basis, Change, Match, by_hash, changes, deviation_margin, match, same_fits
from reports.report import Report, median_of_known, point_of, read_report, saved_epochs, short_labels


@dataclass(frozen=True, eq=False)
class Entry:
    """A sweep of the comparison: its letter on the page, its trials, and the short name of its exercise.

    The name has that of the data with it where several exercises are called the same.
    """

    letter: str
    report: Report
    name: str

    @property
    def run_id(self) -> str:
        """MLflow run of the sweep."""
        return self.report.sweep.run_id

    @property
    def onsets(self) -> tuple[int, ...]:
        """Onsets of the configurations that surely over-fit, ascending."""
        return tuple(sorted(onset for trial in self.report.ranked if (onset := point_of(trial).onset) is not None))

    @property
    def verdicts(self) -> tuple[tuple[Verdict, int], ...]:
        """How many configurations have each verdict; those that diverged are among ``report.others``."""
        found = Counter(point_of(trial).verdict for trial in self.report.ranked)
        found[Verdict.DIVERGED] += sum(trial.diverged for trial in self.report.others)
        return tuple((verdict, found[verdict]) for verdict in Verdict if found[verdict])

    @property
    def severity(self) -> float | None:
        """Median severity of the configurations that have one."""
        return median_of_known(point_of(trial).severity for trial in self.report.ranked)

    @property
    def epochs(self) -> tuple[int, int]:
        """Epochs after the best one of each configuration, summed, and all epochs; where censored none count."""
        points = [point_of(trial) for trial in self.report.ranked]
        return sum(saved_epochs(point) or 0 for point in points), sum(point.epochs for point in points)

    @property
    def seconds(self) -> float:
        """Wall time of all trials."""
        return sum(trial.seconds or 0.0 for trial in self.report.sweep.trials)


@dataclass(frozen=True)
class Progress:
    """How the search of the sweep with this letter got to its best configuration.

    ``best_so_far`` is the value after each trial, in the order of the search; None before the first result. The best
    configuration was ``found_after`` so many trials, that one counted, which took so many ``seconds`` of wall time.
    """

    letter: str
    best_so_far: tuple[float | None, ...]
    found_after: int
    seconds: float


@dataclass(frozen=True, eq=False)
class SweepPair:
    """Two sweeps of one exercise, the one that was named first comes first.

    Their values can be paired fit by fit (``same_fits``), or are of the same metric at all (``same_curve``).
    ``matches`` are configurations that both have, those that moved first, then as the first one ranks them; the ranked
    configurations that one alone has come the best first. ``better`` is the letter of the sweep whose best value is
    lower, empty where there is none or the metrics differ; ``lead`` by how much, ``margin`` what chance explains of
    that, ``basis`` where this comes from.
    """

    first: Entry
    second: Entry
    same_fits: bool
    same_curve: bool
    matches: tuple[Match, ...]
    only_first: tuple[Trial, ...]
    only_second: tuple[Trial, ...]
    better: str
    lead: float | None
    margin: float | None
    basis: Basis


@dataclass(frozen=True, eq=False)
class Group:
    """The sweeps of one exercise as they were named, what differs between them, and each against the first.

    ``labels`` name each trial by run id, without what all configurations of the group share. ``progress`` has one a
    sweep that has a result; it is empty where the sweeps were judged on different curves.
    """

    entries: tuple[Entry, ...]
    labels: Mapping[str, str]
    changes: tuple[Change, ...]
    pairs: tuple[SweepPair, ...]
    progress: tuple[Progress, ...]

    @property
    def name(self) -> str:
        """Of the exercise."""
        return self.entries[0].name

    @property
    def monitors(self) -> tuple[str, ...]:
        """Curves that the sweeps were judged on."""
        return tuple(dict.fromkeys(entry.report.value_name for entry in self.entries))


@dataclass(frozen=True, eq=False)
class SweepComparison:
    """Several sweeps, ready to be shown: all of them, and by exercise, in the order given."""

    entries: tuple[Entry, ...]
    groups: tuple[Group, ...]

    @property
    def compared(self) -> tuple[Group, ...]:
        """The groups with more than one sweep."""
        return tuple(group for group in self.groups if len(group.entries) > 1)


def read_comparison(run_ids: Sequence[str], *, tracking_uri: str) -> SweepComparison:
    """Read several sweeps from one store, and the curves of those configurations that can be paired.

    A run id that is given twice counts once.

    Raises
    ------
    TrackingError
        When the store does not answer, or one of the runs is not there or is not that of a sweep.
    """
    return make_comparison([read_report(run_id, tracking_uri=tracking_uri) for run_id in dict.fromkeys(run_ids)])


def make_comparison(reports: Sequence[Report]) -> SweepComparison:
    """Put sweeps beside each other, in the order in which they are to be shown."""
    grouped = _by_exercise(reports)
    letters = chain(ascii_uppercase, (f"S{number}" for number in count(len(ascii_uppercase) + 1)))
    letter_of = dict(zip((report.sweep.run_id for report in reports), letters, strict=False))
    groups = [
        [Entry(letter_of[report.sweep.run_id], report, name) for report in group]
        for group, name in zip(grouped, _names([group[0] for group in grouped]), strict=True)
    ]
    entries = {entry.run_id: entry for group in groups for entry in group}
    return SweepComparison(tuple(entries[report.sweep.run_id] for report in reports), tuple(map(_group, groups)))


def typical_onset(entry: Entry) -> int | None:
    """Epoch by which half of the configurations that over-fit do so; None where none does."""
    return median_low(entry.onsets) if entry.onsets else None


def _group(entries: Sequence[Entry]) -> Group:
    trials = [trial for entry in entries for trial in entry.report.sweep.trials]
    shortened, _ = short_labels([trial.name for trial in trials])
    labels = {trial.run_id: label for trial, label in zip(trials, shortened, strict=True)}
    same_curve = len({entry.report.sweep.monitor for entry in entries}) == 1
    return Group(
        entries=tuple(entries),
        labels=labels,
        changes=changes([entry.report.sweep for entry in entries]),
        pairs=tuple(_pair(entries[0], entry, labels) for entry in entries[1:]),
        progress=tuple(progress(entry) for entry in entries if entry.report.best) if same_curve else (),
    )


def progress(entry: Entry) -> Progress:
    """The search of a sweep that has a result."""
    best, best_so_far, found_after, spent, until = None, list[float | None](), 0, 0.0, 0.0
    for number, trial in enumerate(entry.report.sweep.trials, start=1):
        spent += trial.seconds or 0.0
        value = point_of(trial).best_value if trial.has_result else None
        if value is not None and (best is None or value < best):
            best, found_after, until = value, number, spent
        best_so_far.append(best)
    return Progress(entry.letter, tuple(best_so_far), found_after, until)


def _pair(first: Entry, second: Entry, labels: Mapping[str, str]) -> SweepPair:
    matches = match(first.report, second.report, labels)
    ours, theirs = by_hash(first.report), by_hash(second.report)
    same_curve = first.report.sweep.monitor == second.report.sweep.monitor
    better, lead, margin, basis = "", None, None, Basis.NONE
    bests = first.report.best, second.report.best
    if same_curve and bests[0] is not None and bests[1] is not None:
        both = next((m for m in matches if m.first is bests[0] and m.second is bests[1]), None)
        difference = (point_of(bests[1]).best_value or 0.0) - (point_of(bests[0]).best_value or 0.0)
        margin, basis = deviation_margin(point_of(bests[0]), point_of(bests[1]))
        if both is not None:
            margin, basis = both.margin, both.basis
        lead = abs(difference)
        better = (second.letter if difference < 0 else first.letter) if lead else ""
    return SweepPair(
        first=first,
        second=second,
        same_fits=same_fits(first.report.sweep, second.report.sweep),
        same_curve=same_curve,
        matches=tuple(sorted(matches, key=lambda found: not found.moved)),
        only_first=tuple(trial for hashed, trial in ours.items() if hashed not in theirs),
        only_second=tuple(trial for hashed, trial in theirs.items() if hashed not in ours),
        better=better,
        lead=lead,
        margin=margin,
        basis=basis,
    )


def _by_exercise(reports: Sequence[Report]) -> list[list[Report]]:
    """Sweeps of one exercise together, in the order given: the first is what the others are held against.

    All tables of a user's own are the exercise ``table``, so the name of the data belongs to it.
    """
    groups: dict[tuple[str, str], list[Report]] = {}
    for report in reports:
        groups.setdefault((report.sweep.exercise, _data_name(report)), []).append(report)
    return list(groups.values())


def _names(reports: Sequence[Report]) -> list[str]:
    """A short name a group; where two would be the same, with the name of the data."""
    short = [report.title.partition(":")[0] for report in reports]
    return [
        f"{name} ({_data_name(report)})" if short.count(name) > 1 and _data_name(report) else name
        for name, report in zip(short, reports, strict=True)
    ]


def _data_name(report: Report) -> str:
    return report.sweep.record.data.name
