"""Logs -> a sweep: configurations with their points and curves, as if this project had trained them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import UserError
from pipelines.logs.axis import EPOCH, STEP, RunCurves, Turned, counted_from_one, run_curves
from pipelines.logs.base import LoggedRun, Logs
from pipelines.logs.configuration import configurations, most_compared
from pipelines.logs.grouping import Stated, find_groups
from pipelines.logs.judging import Judged, judge_all, some_of
from pipelines.logs.metrics import Choice, choose, is_higher_better, metric_name, twin
from pipelines.overfitting.point import OverfittingPoint
from pipelines.tracking.sweeps import DataFacts, RecordedSettings, Sweep, SweepRecord
from pipelines.tracking.trials import Curves, Trial
from pipelines.words import counted, did_you_mean, listed

#: The longest axis that is drawn epoch by epoch.
MOST_EPOCHS = 20_000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """What a user may say of logs; empty or None where it is to be found.

    Attributes
    ----------
    validation, training
        Names of the metrics that are judged.
    better
        ``lower`` or ``higher``: which values of the metric are good.
    stated
        What makes a configuration, its folds and its repeats.
    steps_per_epoch
        Steps in an epoch, for logs that know steps only.
    validation_share
        Part of all rows that a fit is validated on, for hold-outs: 0.2 for a fifth.
    """

    validation: str = ""
    training: str = ""
    better: str = ""
    stated: Stated = field(default_factory=Stated)
    steps_per_epoch: float | None = None
    validation_share: float | None = None


@dataclass(frozen=True, eq=False)
class LoggedSweep:
    """All that was found in logs: a sweep like those of this project, its curves, and what is to be said.

    Attributes
    ----------
    sweep, curves
        For a report: trials, and by their run id the curves by name, each (fits, epochs).
    judged
        The configurations in the order of the trials that have a point.
    choice, unit
        The metrics that were judged, and ``epoch`` or ``step``.
    notes
        Sentences on what was found, taken and left out.
    logs
        As they were read.
    """

    sweep: Sweep
    curves: Mapping[str, Curves]
    judged: tuple[Judged, ...]
    choice: Choice
    unit: str
    notes: tuple[str, ...]
    logs: Logs


def analyse_logs(logs: Logs, name: str, wanted: Wanted | None = None, *, group: str = "") -> LoggedSweep:
    """Judge every configuration in logs.

    Parameters
    ----------
    logs
        As a reader has read them.
    name
        Of the source, for the title of the page.
    wanted
        What the user says of them; None where all is to be found.
    group
        Of sources that are compared with each other, a name that all of them have.

    Raises
    ------
    UserError
        Where there is no run, no validation curve, or what the user says does not fit.
    """
    wanted = wanted or Wanted()
    if not logs.runs:
        raise UserError(f"{name} holds no runs with curves; {' '.join(logs.notes) or 'nothing was logged there'}")
    choice = _choice(logs.runs, wanted, name)
    notes = [*logs.notes]
    curves, without = _run_curves(logs.runs, choice, wanted)
    if not curves:
        raise UserError(f"No run of {name} can be judged: {without[0][0]} {without[0][1]}.")
    notes += _left_out(without)
    notes += _handled(curves)
    unit = EPOCH if all(of.unit == EPOCH for of in curves) else STEP
    if choice.higher_is_better:
        curves, told = _turned(curves, choice)
        notes.append(told.sentence)
        monitor = f"val_{told.name}"
    else:
        monitor = f"val_{choice.base}"
    groups, found = find_groups(curves, wanted.stated)
    notes += found
    ratio = None if wanted.validation_share is None else wanted.validation_share / (1 - wanted.validation_share)
    judged, problems = judge_all(groups, ratio, unit)
    notes += problems
    if not judged:
        raise UserError(f"No configuration of {name} can be judged: {problems[0]}")
    notes += _said_of_ratio(judged, ratio)
    notes += _said_of_axis(judged, unit)
    trials, of_trials = _trials(judged, monitor, unit, logs)
    if base := next((trial for trial in trials if trial.origin), None):
        notes.append(f"{base.name} is called the baseline: most others differ from it in one setting alone.")
    sweep = Sweep(
        run_id=name,
        uri="",
        status="FINISHED",
        exercise=group or name,
        monitor=monitor,
        started=datetime.now(UTC),
        experiment_id=logs.experiment,
        record=SweepRecord(
            settings=RecordedSettings(monitor=monitor, epochs=max(of.point.epochs for of in judged)),
            data=DataFacts(
                name=group or f"{logs.kind}, {counted(len(curves), 'run')}",
                details={"logged": notes},
                warnings=_axis_of_page(judged, unit),
            ),
        ),
        trials=tuple(trials),
    )
    return LoggedSweep(
        sweep=sweep,
        curves=of_trials,
        judged=tuple(judged),
        choice=choice,
        unit=unit,
        notes=tuple(notes),
        logs=logs,
    )


def _choice(runs: Sequence[LoggedRun], wanted: Wanted, name: str) -> Choice:
    """The metrics that are judged: those that most runs have, unless the user names them."""
    every = sorted({metric for run in runs for metric in run.series})
    for metric in filter(None, (wanted.validation, wanted.training)):
        if metric not in every:
            raise UserError(
                f"No run of {name} has a curve {metric!r}{did_you_mean(metric, every)}; allowed: "
                f"{listed(every) or 'none, for nothing was logged with steps'}."
            )
    if wanted.validation:
        base = metric_name(wanted.validation).base or wanted.validation
        training = wanted.training or twin(wanted.validation, every)
        found = Choice(wanted.validation, training, base, is_higher_better(base))
    else:
        chosen = Counter(choice for run in runs if (choice := choose(run.series)) is not None)
        if not chosen:
            raise UserError(_nothing_to_judge(every, name))
        found = chosen.most_common(1)[0][0]
        found = replace(found, training=wanted.training or found.training)
    return replace(found, higher_is_better=wanted.better == "higher") if wanted.better else found


def _nothing_to_judge(every: Sequence[str], name: str) -> str:
    if not every:
        return f"The runs of {name} have no metric with steps; log the losses of each epoch with its number."
    what = "only training curves" if any(metric_name(each).base == "loss" for each in every) else "no validation curve"
    return (
        f"The runs of {name} have {what}: {listed(every[:8])}. Over-fitting shows on validation data; name its curve "
        "with validation=NAME."
    )


def _run_curves(
    runs: Sequence[LoggedRun], choice: Choice, wanted: Wanted
) -> tuple[list[RunCurves], list[tuple[str, str]]]:
    found, without = [], []
    for run in runs:
        of = run_curves(run, choice, wanted.steps_per_epoch)
        if isinstance(of, str):
            without.append((run.name, of))
        else:
            found.append(of)
    return counted_from_one(found), without


def _left_out(without: Sequence[tuple[str, str]]) -> list[str]:
    """One sentence for each reason, with the first runs that it holds for."""
    by_reason: dict[str, list[str]] = {}
    for name, why in without:
        by_reason.setdefault(why, []).append(name)
    return [f"Left out: {some_of(names)} {why}." for why, names in by_reason.items()]


def _handled(curves: Sequence[RunCurves]) -> list[str]:
    by_note: dict[str, list[str]] = {}
    for of in curves:
        for note in of.notes:
            by_note.setdefault(note, []).append(of.run.name)
        if of.run.unfinished:
            by_note.setdefault("not finished; judged as far as it has come", []).append(of.run.name)
    return [f"{some_of(names)}: {note}." for note, names in by_note.items()]


@dataclass(frozen=True)
class _Told:
    name: str
    sentence: str


def _turned(curves: Sequence[RunCurves], choice: Choice) -> tuple[list[RunCurves], _Told]:
    """Curves of a metric that is better when higher, turned upside down."""
    parts = [of.validation for of in curves] + [of.training for of in curves if of.training is not None]
    turned = Turned.of(choice.base, parts)
    found = [
        replace(
            of,
            validation=turned.top - of.validation,
            training=None if of.training is None else turned.top - of.training,
        )
        for of in curves
    ]
    how = f"{turned.top:g} - {choice.base}" if turned.top else f"-{choice.base}"
    return found, _Told(turned.name, f"{choice.validation} is better when higher; it is judged as {how}.")


def _said_of_ratio(judged: Sequence[Judged], ratio: float | None) -> list[str]:
    if ratio is not None or all(of.group.folds > 1 for of in judged):
        return []
    return ["How many rows are for validation is not known: a fifth is assumed. validation_share=0.1 says a tenth."]


def _said_of_axis(judged: Sequence[Judged], unit: str) -> list[str]:
    if unit == EPOCH:
        spacings = {float(np.median(np.diff(of.at))) for of in judged}
        widest = max(spacings)
        return [f"Validated every {widest:g} epochs: an epoch in between is not seen."] if widest > 1 else []
    return ["Epochs are not known, so places are steps; steps_per_epoch=N turns steps into epochs."]


def _axis_of_page(judged: Sequence[Judged], unit: str) -> tuple[str, ...]:
    """What a page's columns are where they are no epochs; empty where they are."""
    if unit == EPOCH:
        return ()
    spacings = {float(np.median(np.diff(of.at))) for of in judged}
    first = judged[0]
    twelfth = min(12, len(first.at))
    each = f", {spacings.pop():g} steps" if len(spacings) == 1 else ""
    return (
        f"Epochs are not known here. What this page calls an epoch is one value of the curve{each}: in "
        f"{first.group.name} epoch {twelfth} is step {first.at[twelfth - 1]:,.0f}.",
    )


def _trials(
    judged: Sequence[Judged], monitor: str, unit: str, logs: Logs
) -> tuple[list[Trial], dict[str, dict[str, NDArray[np.float32]]]]:
    configured = configurations([of.group.name for of in judged], [of.group.settings for of in judged])
    baseline = most_compared(configured)
    trials, curves = [], {}
    for number, (of, configuration) in enumerate(zip(judged, configured, strict=True)):
        runs = [member.run for member in of.group.members]
        run_id = runs[0].run_id if logs.uri and len(runs) == 1 else f"{number:04d}-{configuration.hash}"
        shown, point = _shown(of, unit)
        names = [monitor] if of.training is None else [monitor, monitor.removeprefix("val_")]
        curves[run_id] = dict(zip(names, shown, strict=True))
        seconds = [run.seconds for run in runs if run.seconds is not None]
        trials.append(
            Trial(
                configuration=configuration,
                origin="baseline" if number == baseline else "",
                epochs=point.epochs,
                folds=point.folds,
                repeats=point.repeats,
                point=point,
                seconds=sum(seconds) if seconds else None,
                run_id=run_id,
                name=of.group.name,
            )
        )
    return trials, curves


def _shown(of: Judged, unit: str) -> tuple[list[NDArray[np.float32]], OverfittingPoint]:
    """Curves for a page, which has a column an epoch, and the point in its columns.

    Where epochs were left out between two validations, a line joins both; where steps are all there is, a column is
    one value.
    """
    rows = [of.validation] if of.training is None else [of.validation, of.training]
    last = float(of.at[-1])
    if unit == STEP or last > MOST_EPOCHS:
        return [row.astype(np.float32) for row in rows], of.in_values
    every = np.arange(1, round(last) + 1)
    filled = [np.stack([np.interp(every, of.at, fit) for fit in row]).astype(np.float32) for row in rows]
    return filled, of.point
