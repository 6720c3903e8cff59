"""What the page of a sweep that is still going on has beside it: the trials in work, with their curves so far."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from pipelines.errors import UserError
from pipelines.overfitting.any_curves import analyse, sentence
from pipelines.tracking.reading import read_trial_curves
from pipelines.tracking.trials import FINISHED, RUNNING, Curves, Trial
from pipelines.words import counted
from reports.charts.curve_charts import winner_panel
from reports.charts.inline_svg import panel_figure
from reports.report import Report, make_report

#: Before this many epochs there is no curve to judge.
LEAST_EPOCHS = 3


@dataclass(frozen=True)
class InWork:
    """A trial that is being trained: its name, the point as it stands in words, and its curves so far."""

    name: str
    words: str
    figure: Markup


@dataclass(frozen=True)
class Live:
    """What a live page has beside the report: the trials in work, and in words how far everything is."""

    in_work: tuple[InWork, ...]
    state: str
    running: bool
    #: Of the page: another one where anything on it has changed.
    version: str = ""


def live_state(report: Report) -> Live:
    """What is in work now; the curves of running trials are read anew."""
    running = [trial for trial in report.sweep.trials if trial.status == RUNNING]
    going_on = report.sweep.status == RUNNING and bool(report.sweep.uri)
    done = counted(len(report.ranked), "configuration")
    state = f"live: {done} done, {len(running)} in work"
    if not going_on:
        state = f"{done}; this sweep has ended" if report.sweep.uri else f"live: {done}"
    found = Live(tuple(_in_work(report, trial) for trial in running), state, going_on)
    points = [(trial.run_id, trial.status, trial.point) for trial in report.sweep.trials]
    version = hashlib.sha256(repr((points, found)).encode()).hexdigest()[:16]
    return replace(found, version=version)


def _in_work(report: Report, trial: Trial) -> InWork:
    name = report.labels[trial.run_id]
    curves = read_trial_curves(trial, uri=report.sweep.uri) or {}
    monitored = curves.get(report.sweep.monitor)
    if monitored is None or not np.isfinite(monitored).any():
        return InWork(name, "no epochs yet", Markup(""))
    begun = np.asarray(np.isfinite(monitored).any(axis=1))
    rows = {key: curve[begun] for key, curve in curves.items()}
    epochs = int(np.isfinite(rows[report.sweep.monitor]).all(axis=0).sum())
    fits = f"{int(begun.sum())} of {counted(len(begun), 'fit')}"
    if epochs < LEAST_EPOCHS:
        return InWork(name, f"epoch {epochs}, {fits}", Markup(""))
    return InWork(name, *_as_it_stands(report, trial, {key: curve[:, :epochs] for key, curve in rows.items()}, fits))


def _as_it_stands(report: Report, trial: Trial, so_far: Curves, fits: str) -> tuple[str, Markup]:
    """The point of the curves so far, in words, and their picture."""
    monitor = report.sweep.monitor
    rows, epochs = so_far[monitor].shape
    folds = report.sweep.record.settings.folds or rows
    try:
        point = analyse(
            so_far[monitor],
            so_far.get(monitor.removeprefix("val_")),
            folds=folds if rows % folds == 0 else rows,
        )
    except UserError as error:
        return str(error), Markup("")
    words = f"Epoch {epochs}, {fits}. As it stands: {sentence(point)}"
    alone = replace(trial, status=FINISHED, point=point)
    only: Mapping[str, Curves] = {trial.run_id: so_far}
    panel = winner_panel(make_report(replace(report.sweep, trials=(alone,)), only)) if point.best_epoch else None
    return words, panel_figure(panel, words, width=360, height=180) if panel else Markup("")
