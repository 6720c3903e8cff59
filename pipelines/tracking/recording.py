"""A sweep and its trials as MLflow runs: opened, recorded, and taken up again where an earlier start was interrupted.

A start of a sweep is a run; a second start is another run, since ``mlflow run`` makes one before it asks us. The new
run takes over the finished trials of the earlier ones (their tag ``mlflow.parentRunId`` is set to it), so the UI and
the report show all trials of the sweep under one run, and none is trained twice. The earlier run keeps its report and
says in ``atlas.continued_by`` where its trials are. Trials of a start that is still at work are left to it. All this is
found out from what the store holds and nothing else.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import TrackingError
from pipelines.exercises.configurations import FIELDS, SETTINGS, Configuration
from pipelines.exercises.settings import OWN_PREFIX
from pipelines.tracking import names, runs
from pipelines.tracking.store import open_store, shared_view, store_errors, ui_link
from pipelines.tracking.sweeps import SweepDescription, plain_text
from pipelines.tracking.trials import FAILED, FINISHED, KILLED, RUNNING, Trial, read_curves, trial_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

_INHERITED = (names.TAG_USER, names.TAG_SOURCE_NAME, names.TAG_SOURCE_TYPE, names.TAG_COMMIT)
#: How often the curves of a trial in work are kept for those who look.
SECONDS_BETWEEN_SHOWS = 3.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resumption:
    """What a new start of a sweep has taken over: runs of earlier starts, and their finished trials, oldest first."""

    sweeps: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()


def open_sweep(description: SweepDescription, *, uri: str | None = None, resume: bool = True) -> SweepRun:
    """Start the run of a sweep, and take over what earlier starts of the same sweep have finished.

    Under ``mlflow run`` this is the project's own run; otherwise a new one in the experiment that
    ``MLFLOW_EXPERIMENT_ID`` or ``MLFLOW_EXPERIMENT_NAME`` names, else in ``overfit-atlas``. Everything that the store
    could refuse is done here, before any training: a ``TrackingError`` is raised when it cannot be written.
    Without ``resume`` all trials are trained again, and the finished ones stay where they are.
    """
    client, uri = open_store(uri)
    with store_errors(uri, "Starting a sweep"):
        run = _start(client, description)
        try:
            runs.close_abandoned(client, run.info.experiment_id, run.info.run_id)
            runs.forget_refused(client, [run.info.experiment_id])
            resumption = _take_over(client, run, description.identity) if resume else Resumption()
        except BaseException as error:
            client.set_terminated(run.info.run_id, KILLED if runs.is_interruption(error) else FAILED)
            raise
    return SweepRun(client, run, description, uri=uri, resumption=resumption)


class SweepRun(runs.EndingRun):
    """The parent run of a sweep; made by ``open_sweep``, ended by its ``with`` block.

    The results of a trial are written by one thread in the background, while the next trial compiles and trains:
    MLflow spends about 0.2 s on them. Every method that adds something to the sweep waits for that thread first.
    """

    what = "a sweep"

    def __init__(
        self, client: MlflowClient, run: Run, description: SweepDescription, *, uri: str, resumption: Resumption
    ) -> None:
        super().__init__(client, uri, run.info.run_id)
        self.experiment_id: str = run.info.experiment_id
        self.resumed_from = resumption.sweeps
        self._earlier = resumption.trials
        inherited = {tag: run.data.tags[tag] for tag in _INHERITED if tag in run.data.tags}
        self._trial_tags = _tags(description, names.KIND_TRIAL) | inherited | {names.TAG_PARENT: self.run_id}
        self._data = runs.dataset_input(description.data)
        exercise = description.record.exercise
        self._varying = names.varying_settings(exercise) if exercise else None
        settings = description.record.settings
        self._length = {
            names.PARAM_EPOCHS: settings.epochs,
            names.PARAM_FOLDS: settings.folds,
            names.PARAM_REPEATS: settings.repeats,
        }
        self._names = {names.run_name(t.configuration, self._varying) for t in self._earlier if t.configuration}
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._writing: list[Future[None]] = []

    @property
    def link(self) -> str:
        """Address of this sweep's runs in the MLflow UI, best first."""
        return ui_link(self.uri, self.experiment_id, self._trial_tags[names.TAG_SWEEP])

    def finished_trials(self) -> tuple[Trial, ...]:
        """Trials that earlier starts of this sweep have finished, oldest first; they are children of this run now.

        Diverged trials are among them (their value is None): with the same seeds they would diverge again. Trials
        that failed for another reason or were cut off are not, and will be trained again.
        """
        return self._earlier

    def seconds_of_earlier_trials(self) -> list[float]:
        """What finished trials of this exercise took: same data, folds, repeats, epochs and backend; the latest first.

        Trials of this start are not among them, so it is asked before the first.
        """
        tags = {names.TAG_KIND: names.KIND_TRIAL} | {
            tag: self._trial_tags[tag] for tag in (names.TAG_EXERCISE, names.TAG_DATA, names.TAG_BACKEND)
        }
        with store_errors(self.uri, "Reading earlier trials"):
            found = runs.search(self._client, [self.experiment_id], tags, status=FINISHED)
        wanted = {name: str(value) for name, value in self._length.items()}
        alike = [run for run in found if wanted.items() <= run.data.params.items()]
        seconds = (run.data.metrics.get(names.SECONDS_TOTAL) for run in reversed(alike))
        return [value for value in seconds if value]

    def curves(self, trial: Trial) -> dict[str, NDArray[np.float32]]:
        """All curves of a finished trial, by name, each (fits, epochs), from the store."""
        with store_errors(self.uri, "Reading a trial's curves"), TemporaryDirectory() as folder:
            path = self._client.download_artifacts(trial.run_id, names.CURVES_FILE, folder)
            return read_curves(Path(path))

    def trial(self, configuration: Configuration, origin: str, seeds: Sequence[int]) -> TrialRun:
        """Start the run of a trial, to be used as a context manager.

        ``TrackingError`` is raised when the store does not answer, or when it refused the results of an earlier trial.
        """
        done = [task for task in self._writing if task.done()]
        self._writing = [task for task in self._writing if task not in done]
        for task in done:  # raises what the store refused
            task.result()
        tags = self._trial_tags | {
            names.TAG_CONFIGURATION: configuration.hash,
            names.TAG_ORIGIN: origin,
            names.TAG_SEEDS: ",".join(str(seed) for seed in seeds)[: names.MAX_REASON],
        }
        name = names.run_name(configuration, self._varying, self._names)
        self._names.add(name)
        with store_errors(self.uri, "Starting a trial"):
            run = self._client.create_run(self.experiment_id, tags=tags, run_name=name)
        return TrialRun(self._client, self.uri, run.info.run_id, write_later=self._write_later, data=self._data)

    def flush(self) -> None:
        """Wait until the results of all trials so far are in the store."""
        self._writing, written = [], self._writing
        for task in written:
            task.result()

    def _end(self, status: str, reason: str = "") -> None:
        try:
            self.flush()
        except TrackingError as error:
            status, reason = FAILED, reason or str(error)
            raise
        finally:
            self._writer.shutdown()
            super()._end(status, reason)

    def _write_later(self, task: Callable[[], None]) -> None:
        self._writing.append(self._writer.submit(task))


class TrialRun(runs.EndingRun):
    """The child run of a trial; made by ``SweepRun.trial``."""

    what = "a trial"

    def __init__(
        self, client: MlflowClient, uri: str, run_id: str, *, write_later: Callable[..., None], data: DatasetInput
    ) -> None:
        super().__init__(client, uri, run_id)
        self._write_later, self._data = write_later, data
        self._next_show = time() + SECONDS_BETWEEN_SHOWS

    def show(self, trial: Trial) -> None:
        """Keep the curves so far of a trial in work, for a page that is renewed; ``finish`` writes over them.

        Returns at once. At most every few seconds, and never while an earlier one is being written: a trial of a
        second has none.
        """
        if not self._open or time() < self._next_show:
            return
        self._next_show = math.inf
        kept = replace(trial, curves={name: np.array(curve) for name, curve in trial.curves.items()})
        self._write_later(lambda: self._write_curves(kept))

    def _write_curves(self, trial: Trial) -> None:
        # What cannot be shown is no reason to end a sweep: the results themselves are written by ``finish``.
        with suppress(TrackingError), store_errors(self.uri, "Recording curves so far"):
            runs.log_curves(self._client, self.run_id, trial)
        self._next_show = time() + SECONDS_BETWEEN_SHOWS

    def finish(self, trial: Trial) -> None:
        """Record everything and end the run, with the trial's own status.

        Returns at once; the trial's arrays must not be changed afterwards. The status is written last, so a run
        that says FINISHED is whole.
        """
        self._open = False
        ended = int(time() * 1000)
        self._write_later(lambda: self._write(trial, ended))

    def _write(self, trial: Trial, ended: int) -> None:
        with store_errors(self.uri, "Recording a trial"):
            self._client.log_inputs(self.run_id, datasets=[self._data])
            runs.log_trial(self._client, self.run_id, trial)
            self._client.set_terminated(self.run_id, trial.status, end_time=ended)


def _tags(description: SweepDescription, kind: str) -> dict[str, str]:
    """Tags that the sweep and all its trials carry."""
    settings = description.record.settings
    common = runs.common_tags(
        kind, exercise=settings.exercise or "", data=description.data, backend=settings.backend or ""
    )
    return common | {names.TAG_SWEEP: description.identity, names.TAG_TUNER: settings.tuner or ""}


def _start(client: MlflowClient, description: SweepDescription) -> Run:
    record = description.record.to_json()
    project = runs.project_run(client)
    same = project and project.data.tags.get(names.TAG_SWEEP, description.identity) == description.identity
    run_id = runs.start_run(
        client,
        runs.experiment_of(client),
        name=f"{description.record.settings.exercise} {description.record.settings.tuner}",
        tags=_tags(description, names.KIND_SWEEP),
        params={names.SWEEP_PARAM_PREFIX + key: value for key, value in record["parameters"].items()},
        data=description.data,
        own=project if same else None,
    )
    client.log_text(run_id, plain_text(record), names.SWEEP_FILE)
    if (exercise := description.record.exercise) is not None and exercise.network is not None:
        client.log_text(run_id, exercise.network.read(), f"{names.NETWORK_FOLDER}/{exercise.network.file.name}")
    run = client.get_run(run_id)
    exercise, guessing = description.record.exercise, description.record.guessing
    varying = names.varying_settings(exercise) if exercise else frozenset()
    settings = dict.fromkeys(name if name in FIELDS else "layers" for name in SETTINGS if name in varying)
    settings |= dict.fromkeys(sorted(name for name in varying if name.startswith(OWN_PREFIX)))
    scores = [name for name in names.SCORES if f"val_{name}" in guessing]
    view = shared_view(description.identity, scores, tuple(settings))
    client.set_experiment_tag(run.info.experiment_id, *view)
    return run


def _take_over(client: MlflowClient, run: Run, identity: str) -> Resumption:
    """Make the finished trials of this sweep children of ``run``.

    A trial that is there twice, since two starts were at work at the same time, is taken once.
    """
    experiment, run_id = run.info.experiment_id, run.info.run_id
    busy = _busy_sweeps(client, experiment, run_id, identity)
    trials: dict[tuple[str, int, int, int], Trial] = {}
    sweeps: list[str] = []
    for found in runs.search(client, [experiment], {names.TAG_KIND: names.KIND_TRIAL, names.TAG_SWEEP: identity}):
        trial, parent = trial_of(found), found.data.tags.get(names.TAG_PARENT, "")
        done = trial.status == FINISHED or (trial.status == FAILED and trial.diverged)
        if not done or not trial.intact or trial.configuration is None or parent in busy:
            continue
        key = (trial.configuration.hash, trial.epochs, trial.folds, trial.repeats)
        if key in trials:
            continue
        trials[key] = trial
        if parent != run_id:
            first = found.data.tags.get(names.TAG_FIRST_PARENT, parent)
            runs.log_batches(client, trial.run_id, (), tags={names.TAG_PARENT: run_id, names.TAG_FIRST_PARENT: first})
            if parent not in sweeps:
                sweeps.append(parent)
    for parent in sweeps:
        client.set_tag(parent, names.TAG_CONTINUED_BY, run_id)
    if sweeps:
        client.set_tag(run_id, names.TAG_RESUMED_FROM, ",".join(sweeps)[: names.MAX_TAG])
    return Resumption(tuple(sweeps), tuple(trials.values()))


def _busy_sweeps(client: MlflowClient, experiment: str, own: str, identity: str) -> set[str]:
    """Starts of the same sweep that another process of this machine is working on."""
    tags = {names.TAG_KIND: names.KIND_SWEEP, names.TAG_SWEEP: identity}
    same = runs.search(client, [experiment], tags, status=RUNNING)
    others = [run for run in same if run.info.run_id != own and runs.is_here(run)]
    for run in others:
        _log.warning("The same sweep is being run by process %s; its trials are left to it.", runs.process_of(run))
    return {run.info.run_id for run in others}
