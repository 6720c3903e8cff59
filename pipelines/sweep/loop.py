"""The sweep: ask -> train -> judge -> record -> tell, until the budget of trials is spent.

The tracking store is the only record. A sweep that starts again finds its finished trials there, tells them to a fresh
tuner, and goes on.

Several trials may be in flight. Whatever ends first, the tuner is told in an order that hangs on no measured time, and
is asked again only after the next in that order was told (see ``clock``): equal seeds give equal sweeps.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from rich.console import Console
from rich.text import Text

from pipelines.datasets import Dataset, load_dataset
from pipelines.datasets.folds import Split, make_splits
from pipelines.errors import TrackingError, UserError, reason_of
from pipelines.executors import Executor, Job, fit_labels, make_executor
from pipelines.executors.base import Ended, Handle
from pipelines.executors.progress import TrainingBar
from pipelines.exercises.configurations import Configuration
from pipelines.networks.features import Inputs, find_all_weights
from pipelines.networks.guessing import surely_beats
from pipelines.networks.own import Shapes
from pipelines.networks.own_checks import check_own
from pipelines.overfitting.judging import Judge, Tally
from pipelines.overfitting.point import Verdict
from pipelines.sweep.candidates import Candidate, Candidates, Results
from pipelines.sweep.clock import MOST_ASKED, VirtualClock, choose_workers, trial_cost
from pipelines.sweep.description import SweepSettings, describe_sweep, is_adaptive
from pipelines.sweep.display import OnProgress, SweepDisplay
from pipelines.sweep.plan import SweepPlan, duration_line, make_plan
from pipelines.sweep.stopping import Stop, Watch, epochs_between_looks, make_rule
from pipelines.tracking.recording import SweepRun, TrialRun, open_sweep
from pipelines.tracking.trials import FAILED, FINISHED, RUNNING, Curves, Trial
from pipelines.training.plan import Progress
from pipelines.tuners import make_tuner
from pipelines.tuners.base import Tuner
from pipelines.words import counted

#: Trials in a row that end in an unexpected error, after which the sweep gives up.
_ERRORS_ALLOWED = 3


@dataclass(frozen=True)
class SweepOutcome:
    """Where a finished sweep is to be found, and how much of it was done now."""

    run: SweepRun
    trained: int
    resumed: int
    failed: int


def run_sweep(
    settings: SweepSettings, console: Console, *, uri: str | None = None, on_progress: OnProgress | None = None
) -> SweepOutcome:
    """Run a sweep to the end of its budget, or of its space.

    ``uri`` is the tracking store, None for the one in use; ``on_progress`` is told of every trial, see ``display``.

    Raises
    ------
    UserError
        For settings, data or a store that cannot be used, found before any training; and when no trial finished.
    Interrupted
        After Ctrl-C or SIGTERM; finished trials are in the store, the run is marked KILLED.
    """
    exercise = settings.exercise
    tuner = make_tuner(
        settings.tuner, exercise.space, baseline=exercise.baseline, seed=settings.seed, epochs=exercise.epochs
    )
    dataset = load_dataset(exercise.dataset, exercise.task, settings.places)
    splits = make_splits(
        dataset.targets,
        dataset.task,
        validation=exercise.validation,
        folds=exercise.folds,
        repeats=exercise.repeats,
        seed=settings.seed,
        holdout=exercise.holdout,
        classes=dataset.classes,
        groups=dataset.groups,
        times=dataset.times,
    )
    inputs = Inputs(dataset, settings.places)
    weights = find_all_weights(exercise, inputs, documented=settings.documented)
    notes: tuple[str, ...] = ()
    if exercise.network is not None:
        shapes = Shapes(dataset.input_shape, dataset.outputs, dataset.task)
        notes = check_own(exercise.network, exercise.baseline, shapes)
    workers = settings.workers or choose_workers(exercise.baseline, dataset, splits, exercise.epochs)
    settings = replace(settings, workers=workers)
    description = describe_sweep(settings, dataset, splits, weights)
    with (
        open_sweep(description, uri=uri, resume=settings.resume) as run,
        make_executor(settings.backend, settings.places, workers) as executor,
    ):
        _print_start(console, settings, dataset, splits)
        for note in notes:
            console.print(note, markup=False)
        trials = _Trials(settings, inputs, splits, description.record.guessing.get(exercise.monitor, ()))
        sweep = _Sweep(trials, tuner, run=run, executor=executor, console=console)
        sweep.take_up()
        sweep.train(sweep.plan(), on_progress)
        return sweep.outcome()


class _Trials:
    """Every trial of a sweep: what is trained for a configuration, and what is recorded of it.

    ``guesses`` are what guessing comes to on the monitored curve, one a fit.
    """

    def __init__(
        self, settings: SweepSettings, inputs: Inputs, splits: Sequence[Split], guesses: Sequence[float]
    ) -> None:
        self.settings, self.inputs, self.splits, self.guesses = settings, inputs, splits, np.array(guesses)
        self.judge = Judge.of(splits, settings.exercise.monitor)
        self.seeds = sorted({settings.seed + split.repeat for split in splits})
        self._labels = fit_labels(splits, settings.seed)

    def job(self, configuration: Configuration, display: SweepDisplay) -> Job:
        """The training of a configuration."""
        prepare = partial(display.prepare, f"features of {configuration.backbone}")
        return Job(
            configuration,
            self.inputs.of(configuration, on_progress=prepare),
            self.splits,
            seed=self.settings.seed,
            epochs=self.settings.exercise.epochs,
            weights=self.inputs.weights_file(configuration),
            network=self.settings.exercise.network,
        )

    def so_far(self, configuration: Configuration, curves: Curves) -> Trial:
        """What there is of a trial in work."""
        return Trial(configuration=configuration, status=RUNNING, fits=self._labels, curves=curves)

    def record(self, flight: "_Flight", ended: Ended) -> Trial:
        """What became of a trial; a diverged one has failed."""
        training, failure = ended.training, reason_of(ended.error) if ended.error else ""
        job = flight.handle.job
        point = None if training is None else self.judge.point(training.curves, flight.watch.stopped_at or job.epochs)
        if point is not None and point.verdict is Verdict.DIVERGED:
            failure = point.reason or "diverged"
        curves = training.curves if training else {}
        judged = point is not None and not failure
        return Trial(
            configuration=job.configuration,
            origin=flight.candidate.origin,
            epochs=job.epochs,
            folds=self.judge.folds,
            repeats=self.judge.repeats,
            fits=self._labels,
            curves=curves,
            point=point,
            seconds=time.perf_counter() - flight.starts[-1] if flight.starts else 0.0,
            training_seconds=training.seconds if training else 0.0,
            compile_seconds=training.compile_seconds if training else 0.0,
            parameters=training.parameters if training else None,
            status=FAILED if failure else FINISHED,
            reason=failure or flight.watch.remark,
            validation=self.judge.validation(curves) if judged else {},
            beats_guessing=self._beats_guessing(curves) if judged else None,
        )

    def _beats_guessing(self, curves: Curves) -> bool | None:
        monitored = self.judge.monitored(curves)
        if monitored is None or not len(self.guesses):
            return None
        return surely_beats(monitored, self.guesses, folds=self.judge.folds, ratio=self.judge.validation_ratio)


@dataclass(eq=False)
class _Flight:
    """A trial from its submission until the tuner is told of it."""

    candidate: Candidate
    handle: Handle
    watch: Watch
    #: Its run in the store, and its bar on the display.
    run: TrialRun
    bar: TrainingBar
    #: When its turn comes to be told, by the virtual clock.
    due: float
    #: When its training started: once, again where its worker was lost, and not yet while it waits for one.
    starts: list[float]
    #: What the executor said of it; None until then.
    ended: Ended | None = None
    #: As it is in the store; None until then.
    record: Trial | None = None


class _Sweep:
    """The loop: launches trials, waits for them, and tells of them in the order of the virtual clock."""

    def __init__(self, trials: _Trials, tuner: Tuner, *, run: SweepRun, executor: Executor, console: Console) -> None:
        self.trials, self.settings, self.judge = trials, trials.settings, trials.judge
        self.run, self.executor, self.console = run, executor, console
        self.tuner, self.tally = tuner, Tally()
        self.clock = VirtualClock(executor.slots)
        self.most_asked = MOST_ASKED if is_adaptive(self.settings) else self.clock.window
        self.results = Results(self.settings.exercise, tuner)
        self.time_is_told = False
        self.resumed = self.failed = self.errors_in_a_row = 0

    def take_up(self) -> None:
        """Tell the tuner of the trials that an earlier start has finished."""
        for stored in self.run.finished_trials():
            try:
                curves = None if stored.value is None else self.run.curves(stored)
            except TrackingError as error:
                raise TrackingError(f"{error} With resume=false the sweep starts afresh.") from error
            point, monitored = stored.point, None
            if curves is not None and point is not None:
                point, monitored = self.judge.point(curves, point.epochs), self.judge.monitored(curves)
            if stored.configuration is not None:
                self.results.learn(Candidate(stored.configuration, "an earlier start"), monitored)
            self.tally.add_point(point)
        self.resumed = len(self.results.known)
        if self.resumed:
            trained = "1 trial was" if self.resumed == 1 else f"{self.resumed:,} trials were"
            self.console.print(f"{trained} finished by an earlier start and not trained again.")

    def plan(self) -> SweepPlan:
        """What is to be trained, told with the time that it will take where earlier trials show that."""
        settings, known = self.settings, self.results.known
        plan = make_plan(settings.exercise, settings.trials, documented=settings.documented, known=known)
        if (missing := plan.trials - len(known)) > 0:
            seconds = self.run.seconds_of_earlier_trials()
            self.time_is_told = bool(seconds)
            lines = [duration_line(seconds, missing, earlier=True)] if seconds else []
            for line in [*plan.lines(), *lines]:
                self.console.print(line)
        return plan

    def train(self, plan: SweepPlan, on_progress: OnProgress | None = None) -> None:
        """Train candidates until as many configurations are known as the plan has trials."""
        trials, known = plan.trials, self.results.known
        candidates = Candidates(self.settings.exercise, self.tuner, self.results, given=plan.given)
        # What leaves this block by an error ends the runs of all trials in flight, too.
        with (
            SweepDisplay(
                self.console, trials, min(self.resumed, trials), self.judge.monitor, on_progress=on_progress
            ) as display,
            ExitStack() as runs,
        ):
            for stored in self.run.finished_trials():
                if stored.value is not None and stored.configuration is not None:
                    display.seen(stored.configuration.label, stored.value)
            in_flight: list[_Flight] = []
            started = time.perf_counter()
            while len(known) < trials:
                while len(in_flight) < min(self.clock.window, trials - len(known)):
                    asked = sum(flight.candidate.suggestion is not None for flight in in_flight)
                    if asked >= self.most_asked or (candidate := candidates.next()) is None:
                        break
                    in_flight.append(self._launch(candidate, display, runs))
                if not in_flight:
                    exhausted = "The search space is exhausted: every configuration the tuner names has been trained."
                    self.console.print(exhausted)
                    return
                # Of equal ones the one that was launched first.
                following = min(in_flight, key=lambda flight: flight.due)
                while following.ended is None:
                    self._wait(in_flight, display)
                in_flight.remove(following)
                self._tell(following, display)
                if not self.time_is_told and len(known) < trials:
                    seconds = time.perf_counter() - started
                    self.console.print(duration_line([seconds], trials - len(known), earlier=False))
                self.time_is_told = True

    def outcome(self) -> SweepOutcome:
        """What was done; a sweep without a single result is a failure."""
        known = self.results.known
        self.run.log_metrics(self.tally.metrics())
        if not self.results.curves():
            raise UserError(
                f"None of the {len(known)} trials has a result; the runs of the trials say why. "
                f"A smaller learning rate or a smaller network often helps."
            )
        return SweepOutcome(self.run, len(known) - self.resumed, self.resumed, self.failed)

    def _launch(self, candidate: Candidate, display: SweepDisplay, runs: ExitStack) -> _Flight:
        configuration, fits = candidate.configuration.canonical(), len(self.trials.splits)
        job = self.trials.job(configuration, display)
        bar = display.begin(configuration, fits, job.epochs)
        # The whole curve of a comparison is wanted however bad it is; the tuner's trials are there to find the best.
        is_spared = self.settings.stop is Stop.PRUNE and candidate.suggestion is None
        # Of what was told by now, whatever else ends while it trains.
        rule = None if is_spared else make_rule(self.settings.stop, self.judge, self.results.curves())
        run = runs.enter_context(self.run.trial(configuration, candidate.origin, self.trials.seeds))

        def show(progress: Progress, in_work: int) -> None:
            bar.advance(progress, in_work)
            run.show(self.trials.so_far(configuration, progress.curves))

        watch = Watch(fits, rule, show)
        chunk = epochs_between_looks(self.settings.stop, job.epochs)
        starts: list[float] = []

        def start() -> None:
            starts.append(time.perf_counter())
            bar.start()

        handle = self.executor.submit(job, on_chunk=watch, chunk_epochs=chunk, on_start=start)
        self.results.expect(candidate)
        due = self.clock.due(trial_cost(configuration, job.dataset, job.splits, job.epochs))
        return _Flight(candidate, handle, watch=watch, run=run, bar=bar, due=due, starts=starts)

    def _wait(self, in_flight: Sequence[_Flight], display: SweepDisplay) -> None:
        """Wait for a trial, and record it at once, whatever is in flight before it."""
        flights = {flight.handle: flight for flight in in_flight if flight.ended is None}
        for ended in self.executor.wait(list(flights)):
            flight = flights[ended.handle]
            flight.ended = ended
            # An error that nobody foresaw waits for its turn, which may end the sweep.
            if ended.error is None or isinstance(ended.error, UserError):
                self._record(flight, display)

    def _record(self, flight: _Flight, display: SweepDisplay) -> None:
        assert flight.ended is not None
        flight.record = record = self.trials.record(flight, flight.ended)
        flight.run.finish(record)
        display.end(flight.bar, record)

    def _tell(self, flight: _Flight, display: SweepDisplay) -> None:
        """It is the turn of this trial: count it, and tell the tuner."""
        assert flight.ended is not None
        self.clock.tell(flight.due)
        error = flight.ended.error
        if error is None:
            self.errors_in_a_row = 0
        elif not isinstance(error, UserError):
            # One broken trial must not end a sweep of hundreds.
            self.errors_in_a_row += 1
            if self.errors_in_a_row >= _ERRORS_ALLOWED:
                raise error
        if flight.record is None:
            self._record(flight, display)
        record = flight.record
        assert record is not None
        self.failed += record.status == FAILED
        self.tally.add_point(record.point)
        self.results.learn(flight.candidate, None if record.status == FAILED else self.judge.monitored(record.curves))


def _print_start(console: Console, settings: SweepSettings, dataset: Dataset, splits: Sequence[Split]) -> None:
    exercise = settings.exercise
    kind = "hold-out" if exercise.validation == "holdout" else f"{exercise.folds} folds"
    if dataset.groups is not None:
        kind += " of whole groups"
    elif dataset.times is not None:
        kind += " in time"
    line = Text(exercise.title, style="bold")
    line.append(
        f": {dataset.samples:,} samples, {kind} x {counted(exercise.repeats, 'repeat')} = "
        f"{counted(len(splits), 'fit')} a trial, {counted(exercise.epochs, 'epoch')}, "
        f"{settings.tuner}, {settings.backend}",
        style="not bold",
    )
    console.print(line)
    for heading, name in (("Read", "read"), ("Left out", "left out"), ("Filled in", "imputed")):
        if text := dataset.details.get(name):
            console.print(Text(f"{heading}: {text}", style="dim"))
    for warning in dataset.warnings:
        console.print(Text("Warning: ", style="bold yellow") + Text(warning, style="not bold"))
