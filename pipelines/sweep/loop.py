"""The sweep: ask -> train -> judge -> record -> tell, until the budget of trials is spent.

The tracking store is the only record. A sweep that starts again finds its finished trials there, tells them to a fresh
tuner, and goes on.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from pipelines.datasets import Dataset, load_dataset
from pipelines.datasets.folds import Split, make_splits
from pipelines.errors import TrackingError, UserError
from pipelines.executors import Executor, Job, make_executor, program_cache
from pipelines.exercises.configurations import Configuration
from pipelines.networks.backbones import Weights
from pipelines.networks.features import find_all_weights, has_frozen_backbone, prepare_dataset
from pipelines.overfitting.judging import Judge, Tally, objective
from pipelines.overfitting.point import Verdict
from pipelines.sweep.description import SweepSettings, describe_sweep, sweep_identity
from pipelines.sweep.display import SweepDisplay
from pipelines.sweep.stopping import Stop, Watch, epochs_between_looks, make_rule
from pipelines.tracking.recording import SweepRun, open_sweep
from pipelines.tracking.trials import FAILED, FINISHED, FitLabel, Trial
from pipelines.training.plan import Training
from pipelines.training.planning import fit_seed
from pipelines.tuners import make_tuner
from pipelines.tuners.base import Suggestion, Tuner
from pipelines.words import counted

__all__ = ["Stop", "SweepOutcome", "SweepSettings", "run_sweep", "sweep_identity"]

#: Suggestions in a row that were all trained before, after which the space counts as exhausted: so many, and so many
#: times the trials that are known, which a Hyperband that is taken up names all again, on several rungs.
_REPEATS_ALLOWED = 200
_REPEATS_ALLOWED_A_TRIAL = 4
#: Trials in a row that end in an unexpected error, after which the sweep gives up.
_ERRORS_ALLOWED = 3

_Curve = NDArray[np.float64]


@dataclass(frozen=True)
class SweepOutcome:
    """Where a finished sweep is to be found, and how much of it was done now."""

    run: SweepRun
    trained: int
    resumed: int
    failed: int


@dataclass(frozen=True)
class _Candidate:
    configuration: Configuration
    origin: str
    suggestion: Suggestion | None = None


@dataclass
class _Results:
    """What is known of each trained configuration, by its hash: its monitored curve, mean over the fits, or None."""

    known: dict[str, _Curve | None] = field(default_factory=dict)
    failed: int = 0
    errors_in_a_row: int = 0

    def curves(self) -> list[_Curve]:
        return [curve for curve in self.known.values() if curve is not None]


def run_sweep(settings: SweepSettings, console: Console) -> SweepOutcome:
    """Run a sweep to the end of its budget, or of its space.

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
    dataset = load_dataset(exercise.dataset, exercise.task, data_dir=settings.data_dir, cache_dir=settings.cache_dir)
    splits = make_splits(
        dataset.targets,
        dataset.task,
        validation=exercise.validation,
        folds=exercise.folds,
        repeats=exercise.repeats,
        seed=settings.seed,
        holdout=exercise.holdout,
        classes=dataset.classes,
    )
    weights = find_all_weights(
        exercise, dataset, settings.weights, data_dir=settings.data_dir, documented=settings.documented
    )
    description = describe_sweep(settings, dataset, splits, weights)
    with (
        open_sweep(description, resume=settings.resume) as run,
        make_executor(settings.backend, cache_dir=program_cache(settings.cache_dir)) as executor,
    ):
        _print_start(console, settings, dataset, splits)
        sweep = _Sweep(settings, dataset, splits, weights, tuner, run, executor, console)
        sweep.take_up()
        sweep.train()
        return sweep.outcome()


class _Sweep:
    def __init__(
        self,
        settings: SweepSettings,
        dataset: Dataset,
        splits: tuple[Split, ...],
        weights: Mapping[str, Weights],
        tuner: Tuner,
        run: SweepRun,
        executor: Executor,
        console: Console,
    ) -> None:
        self.settings, self.exercise, self.dataset, self.splits = settings, settings.exercise, dataset, splits
        self.weights, self.prepared = weights, dict[tuple[str, str], Dataset]()
        self.tuner, self.run, self.executor, self.console = tuner, run, executor, console
        self.results, self.tally = _Results(), Tally()
        self.resumed = 0
        self.labels = tuple(
            FitLabel(split.repeat, split.fold, fit_seed(settings.seed, split.repeat, split.fold)) for split in splits
        )
        self.judge = Judge.of(splits, self.exercise.monitor)

    def take_up(self) -> None:
        """Tell the tuner of the trials that an earlier start has finished."""
        for stored in self.run.finished_trials():
            try:
                curve = None if stored.value is None else self.judge.mean(self.run.curves(stored))
            except TrackingError as error:
                raise TrackingError(f"{error} With resume=false the sweep starts afresh.") from error
            if stored.configuration is not None:
                self._learn(stored.configuration, curve)
            self.tally.add_point(stored.point)
        self.resumed = len(self.results.known)
        if self.resumed:
            trained = "1 trial was" if self.resumed == 1 else f"{self.resumed:,} trials were"
            self.console.print(f"{trained} finished by an earlier start and not trained again.")

    def train(self) -> None:
        """Train candidates until as many configurations are known as the budget has."""
        trials, known = self.settings.trials, self.results.known
        with SweepDisplay(self.console, trials, min(self.resumed, trials), self.exercise.monitor) as display:
            for stored in self.run.finished_trials():
                if stored.value is not None and stored.configuration is not None:
                    display.seen(stored.configuration, stored.value)
            if len(known) >= trials:
                return
            for candidate in self._candidates():
                curve = self._evaluate(candidate, display)
                if candidate.suggestion is None:
                    self._learn(candidate.configuration, curve)
                else:
                    known[candidate.configuration.hash] = curve
                    self.tuner.tell(candidate.suggestion, objective(curve, candidate.suggestion.epochs))
                if len(known) >= trials:
                    return
            self.console.print("The search space is exhausted: every configuration the tuner names has been trained.")

    def outcome(self) -> SweepOutcome:
        """What was done; a sweep without a single result is a failure."""
        results = self.results
        self.run.log_metrics(self.tally.metrics())
        if not results.curves():
            raise UserError(
                f"None of the {len(results.known)} trials has a result; the runs of the trials say why. "
                f"A smaller learning rate or a smaller network often helps."
            )
        return SweepOutcome(self.run, len(results.known) - self.resumed, self.resumed, results.failed)

    def _candidates(self) -> Iterator[_Candidate]:
        """Configurations that were not trained yet: baseline, documented variants, then what the tuner asks for.

        A suggestion that was trained before is answered from the record and costs nothing.
        """
        yield from self._new(_Candidate(self.exercise.baseline, "baseline"))
        if self.settings.documented:
            for variant in self.exercise.documented:
                if variant.repeats == 1 or variant.explains:  # too long, or not documented: left to reproduce
                    continue
                yield from self._new(_Candidate(variant.configuration, f"documented: {variant.name}"))
        repeats = 0
        while repeats < _REPEATS_ALLOWED + _REPEATS_ALLOWED_A_TRIAL * len(self.results.known):
            suggestion = self.tuner.ask()
            if suggestion is None:
                return
            configuration = self.exercise.space.configuration(suggestion.values, self.exercise.baseline)
            if configuration.hash in self.results.known:
                repeats += 1
                self.tuner.tell(suggestion, objective(self.results.known[configuration.hash], suggestion.epochs))
            else:
                repeats = 0
                yield _Candidate(configuration, "tuner", suggestion)

    def _new(self, candidate: _Candidate) -> Iterator[_Candidate]:
        if candidate.configuration.hash not in self.results.known:
            yield candidate

    def _learn(self, configuration: Configuration, curve: _Curve | None) -> None:
        """Keep a result that the tuner did not ask for, and tell it."""
        self.results.known[configuration.hash] = curve
        values = self.exercise.space.values(configuration, self.exercise.baseline)
        if values is not None:
            self.tuner.add(values, objective(curve))

    def _evaluate(self, candidate: _Candidate, display: SweepDisplay) -> _Curve | None:
        """Train, judge and record one configuration; returns its monitored curve, None where it failed."""
        configuration = candidate.configuration.canonical()
        job = Job(
            configuration,
            self._data(configuration, display),
            self.splits,
            self.settings.seed,
            self.exercise.epochs,
            self._weights(configuration),
        )
        started = time.perf_counter()
        seeds = sorted({self.settings.seed + split.repeat for split in self.splits})
        display.begin(configuration, len(self.splits), job.epochs)
        rule = make_rule(self.settings.stop, self.judge, self.results.curves)
        with self.run.trial(configuration, candidate.origin, seeds) as trial:
            watch = Watch(len(self.splits), rule, display.advance)
            training, failure = self._train(job, watch)
            point = None if training is None else self.judge.point(training.curves, watch.stopped_at or job.epochs)
            if point is not None and point.verdict is Verdict.DIVERGED:
                failure = point.reason or "diverged"
            record = Trial(
                configuration=configuration,
                origin=candidate.origin,
                epochs=job.epochs,
                folds=self.judge.folds,
                repeats=self.judge.repeats,
                fits=self.labels,
                curves=training.curves if training else {},
                point=point,
                seconds=time.perf_counter() - started,
                training_seconds=training.seconds if training else 0.0,
                compile_seconds=training.compile_seconds if training else 0.0,
                parameters=training.parameters if training else None,
                status=FAILED if failure else FINISHED,
                reason=failure or watch.remark,
            )
            trial.finish(record)
        self.results.failed += bool(failure)
        self.tally.add_point(point)
        display.end(configuration, point, record.seconds or 0.0, failure)
        return None if failure or training is None else self.judge.mean(training.curves)

    def _weights(self, configuration: Configuration) -> Path | None:
        """The file of the configuration's backbone, None where it has none."""
        return self.weights[configuration.backbone].path if configuration.backbone != "none" else None

    def _data(self, configuration: Configuration, display: SweepDisplay) -> Dataset:
        """What the configuration is trained on: the data set, or what its frozen backbone makes of it, computed once.

        Kept, since an engine that is given the same arrays does not move them to its device again.
        """
        if not has_frozen_backbone(configuration):
            return self.dataset
        key = (configuration.backbone, configuration.normalisation)
        if key not in self.prepared:
            self.prepared[key] = prepare_dataset(
                self.dataset,
                configuration,
                weights=self._weights(configuration),
                cache_dir=self.settings.cache_dir,
                on_progress=lambda done, images: display.prepare(f"features of {key[0]}", done, images),
                test=False,
            )
        return self.prepared[key]

    def _train(self, job: Job, watch: Watch) -> tuple[Training | None, str]:
        """The training, or why there is none; one broken trial must not end a sweep of hundreds."""
        chunk = epochs_between_looks(self.settings.stop, job.epochs)
        try:
            training = self.executor.train(job, on_chunk=watch, chunk_epochs=chunk)
        except UserError as error:
            return None, str(error)
        except Exception as error:
            self.results.errors_in_a_row += 1
            if self.results.errors_in_a_row >= _ERRORS_ALLOWED:
                raise
            return None, f"{type(error).__name__}: {error}"
        self.results.errors_in_a_row = 0
        return training, ""


def _print_start(console: Console, settings: SweepSettings, dataset: Dataset, splits: tuple[Split, ...]) -> None:
    exercise = settings.exercise
    kind = "hold-out" if exercise.validation == "holdout" else f"{exercise.folds} folds"
    line = Text(exercise.title, style="bold")
    line.append(
        f": {dataset.samples:,} samples, {kind} x {counted(exercise.repeats, 'repeat')} = "
        f"{counted(len(splits), 'fit')} a trial, {counted(exercise.epochs, 'epoch')}, "
        f"{counted(settings.trials, 'trial')}, {settings.tuner}, {settings.backend}",
        style="not bold",
    )
    console.print(line)
