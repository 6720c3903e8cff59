"""The sentences of a comparison; none says more than its numbers do."""

from collections.abc import Sequence

from pipelines.overfitting.point import Verdict
from pipelines.tracking.trials import Trial
from pipelines.words import counted, listed
from reports.analysis.changes import Basis, Match, shape_text
from reports.analysis.several import Entry, Group, Progress, SweepComparison, SweepPair, typical_onset
from reports.formatting import NONE, best_epoch_with_interval, number, percent, seconds
from reports.report import Report, point_of

_BASES = {
    Basis.PAIRED: "95 % interval of the paired fits, corrected for shared training rows",
    Basis.SEEDS: "twice the deviation over seeds of such a difference",
    Basis.FOLDS: "twice the deviation over folds of such a difference",
}


def headline(comparison: SweepComparison) -> str:
    """The answer in one sentence."""
    if len(comparison.groups) > 1:
        return earliest_sentence([group.entries[-1] for group in comparison.groups])
    (group,) = comparison.groups
    if len(group.entries) == 1:
        return group.entries[0].report.headline
    if len(group.pairs) == 1:
        return f"{group.name}: {shared_sentence(group.pairs[0])}"
    return f"{group.name}: {counted(len(group.entries), 'sweep')} compared. {best_sentence(group)}".strip()


def remarks(comparison: SweepComparison) -> list[str]:
    """What belongs to the answer."""
    if len(comparison.groups) > 1:
        return ["Values are not compared between exercises: their data, metrics and lengths of an epoch differ."]
    group = comparison.groups[0]
    sentence = best_sentence(group) if len(group.pairs) == 1 else ""
    return [sentence] if sentence else []


def earliest_sentence(entries: Sequence[Entry]) -> str:
    """Which of several exercises over-fits earliest; of each its newest sweep."""
    onsets = {entry: onset for entry in entries if (onset := typical_onset(entry)) is not None}
    if not onsets:
        return "In none of these exercises does a configuration surely over-fit within the epochs trained."
    first = min(onsets.values())
    earliest = [entry for entry, onset in onsets.items() if onset == first]
    if len(earliest) > 1:
        names = listed([entry.name for entry in earliest])
        return f"{names} over-fit earliest: half of their over-fitting configurations by epoch {first}."
    name, share = earliest[0].name, _share_words(earliest[0])
    if len(onsets) == 1:
        return f"Only {name} surely over-fits: {share}."
    later = sorted((onset, entry.name) for entry, onset in onsets.items() if onset != first)
    return f"{name} over-fits earliest: {share}; then {listed([f'{other} (epoch {at})' for at, other in later])}."


def shared_sentence(pair: SweepPair) -> str:
    """How many configurations that both sweeps have stayed as they were."""
    matches = pair.matches
    if not matches:
        return f"sweeps {pair.first.letter} and {pair.second.letter} have no configuration in common."
    if not pair.same_curve:
        return (
            f"{counted(len(matches), 'configuration')} in common, but judged on different curves "
            f"({pair.first.report.value_name}, {pair.second.report.value_name}), so no value is compared."
        )
    moved = sum(found.moved for found in matches)
    unknown = sum(not found.moved and (found.within is None or found.intervals_overlap is None) for found in matches)
    kept = len(matches) - moved - unknown
    total = counted(len(matches), "configuration")
    if unknown == len(matches):
        return f"of the {total} in common it is not known whether they stayed within their deviation."
    if kept == len(matches):
        return f"{_all_words(kept)} in common stayed within {'its' if kept == 1 else 'their'} deviation."
    open_words = "" if not unknown else f"; of {unknown} it is not known"
    if moved == len(matches):
        return f"{_all_words(moved)} in common moved beyond the deviation."
    return f"{kept} of {total} in common stayed within their deviation, {moved} moved beyond it{open_words}."


def best_sentence(group: Group) -> str:
    """Which sweep of an exercise found the better configuration, after how many trials and seconds."""
    if not group.progress:
        return ""
    letters = {entry.letter: entry for entry in group.entries}
    ranked = sorted(group.progress, key=_last)
    winner = letters[ranked[0].letter]
    best = winner.report.best
    if best is None or len(ranked) < 2:
        return ""
    value = f"{winner.report.value_name} {number(point_of(best).best_value)}"
    if _last(ranked[0]) == _last(ranked[1]):
        return f"The best configurations found are equally good ({value})."
    found = (
        f"Sweep {winner.letter} found the {'better' if len(ranked) == 2 else 'best'} configuration, "
        f"{group.labels[best.run_id]} ({value}), after {_effort(ranked[0], winner)}"
    )
    second = letters[ranked[1].letter]
    behind = f"sweep {second.letter}'s best is {number(_last(ranked[1]))}, after {_effort(ranked[1], second)}"
    pair = next((p for p in group.pairs if {p.first.letter, p.second.letter} == {winner.letter, second.letter}), None)
    return f"{found}; {behind}. {lead_sentence(pair) if pair else ''}".strip()


def lead_sentence(pair: SweepPair) -> str:
    """Whether the lead of the better sweep is more than chance."""
    if pair.lead is None or not pair.better:
        return ""
    if pair.margin is None:
        return "How sure that lead is, is not known: each sweep has a single fit a configuration."
    within = pair.lead <= pair.margin
    return (
        f"The lead of {number(pair.lead, 2)} is {'within' if within else 'beyond'} ±{number(pair.margin, 2)}, "
        f"{_BASES[pair.basis]}."
    )


def within_words(found: Match) -> str:
    """Whether a difference of values is within its deviation: ``within ±0.02 (paired fits)``."""
    if found.within is None or found.margin is None:
        return NONE
    # Two programs that computed the same have no deviation at all.
    if found.margin == 0:
        return "equal" if found.difference == 0 else f"beyond ±0 ({found.basis})"
    return f"{'within' if found.within else 'beyond'} ±{number(found.margin, 2)} ({found.basis})"


def overlap_words(found: Match) -> str:
    """Whether the intervals of the best epoch overlap."""
    return {True: "overlap", False: "apart", None: NONE}[found.intervals_overlap]


def value_words(trial: Trial) -> str:
    """A best value with its deviation over seeds, else over folds."""
    point = point_of(trial)
    deviation = point.sd_seeds if point.sd_seeds is not None else point.sd_folds
    return number(point.best_value) + ("" if deviation is None else f" ± {number(deviation, 2)}")


def verdict_words(found: Match) -> tuple[Verdict, ...]:
    """The verdict, or the two where it has changed."""
    verdicts = point_of(found.first).verdict, point_of(found.second).verdict
    return verdicts[:1] if verdicts[0] is verdicts[1] else verdicts


def only_sentence(entry: Entry, trials: Sequence[Trial], group: Group) -> str:
    """Configurations that one sweep alone has, and the best of them."""
    if not trials:
        return f"Sweep {entry.letter} has no configuration that the other has not."
    best = trials[0]
    count = counted(len(trials), "configuration")
    whose = "it is" if len(trials) == 1 else "the best of them is"
    return (
        f"Sweep {entry.letter} alone has {count}; {whose} {group.labels[best.run_id]}, "
        f"{entry.report.value_name} {value_words(best)}, best epoch {best_epoch_with_interval(point_of(best))}."
    )


def basis_note(pair: SweepPair) -> str:
    """How the values of a pair of sweeps are compared."""
    if not pair.same_curve:
        return "Best epochs and onsets are of different curves and stand beside each other for information only."
    if pair.same_fits:
        return (
            "Data, folds and seeds are the same, so values are compared fit by fit where their curves are kept: within "
            f"means within the {_BASES[Basis.PAIRED]}."
        )
    other_rows = pair.first.report.sweep.data_sha256 != pair.second.report.sweep.data_sha256
    rows = "The data differ, so the values are of other rows. " if other_rows else ""
    return f"{rows}Fits cannot be paired; within means within {_BASES[Basis.SEEDS]} (with one seed, over folds)."


def entry_words(entry: Entry) -> str:
    """A sweep as a heading names it."""
    sweep = entry.report.sweep
    return f"{sweep.tuner or 'sweep'}, {sweep.started:%Y-%m-%d %H:%M} UTC, {sweep.run_id[:8]}"


def data_words(report: Report) -> str:
    """Samples and features: ``404 x 13``."""
    data = report.sweep.record.data
    words = ["" if data.samples is None else f"{data.samples:,}", shape_text(data)]
    return " x ".join(filter(None, words)) or NONE


def onset_words(entry: Entry) -> str:
    """Share of the configurations that surely over-fit: ``7 of 10``."""
    total = len(entry.report.ranked)
    return f"{len(entry.onsets)} of {total}" if total else NONE


def saved_words(entry: Entry) -> str:
    """Epochs that need not have been trained: ``320 (40 %)``."""
    saved, total = entry.epochs
    return f"{saved:,} ({percent(saved / total).removeprefix('+')})" if total else NONE


def seconds_note(group: Group) -> str:
    """A warning where seconds are of different machines."""
    machines = {entry.report.sweep.record.environment.processor for entry in group.entries}
    return "The sweeps ran on different processors: do not compare their seconds." if len(machines) > 1 else ""


def _all_words(count: int) -> str:
    words = {1: "the one configuration", 2: "both configurations"}
    return words.get(count, f"all {count:,} configurations")


def _share_words(entry: Entry) -> str:
    onset, count = typical_onset(entry), len(entry.onsets)
    total = counted(len(entry.report.ranked), "configuration")
    if count == 1:
        return f"1 of {total}, from epoch {onset} on"
    return f"{count} of {total}, half of these by epoch {onset}"


def _effort(found: Progress, entry: Entry) -> str:
    return f"{found.found_after} of {counted(len(entry.report.sweep.trials), 'trial')} ({seconds(found.seconds)})"


def _last(found: Progress) -> float:
    last = found.best_so_far[-1] if found.best_so_far else None
    return float("inf") if last is None else last
