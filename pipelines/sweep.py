"""The sweep: ask -> train -> judge -> record -> tell, until the budget of trials is spent.

The tracking store is the only record. A sweep that starts again finds its finished trials there, tells them to a fresh
tuner, and goes on.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from pipelines.configurations import Configuration
from pipelines.curve_statistics import first_minimum, smooth
from pipelines.datasets import Dataset, load_dataset
from pipelines.datasets.cache import default_cache_dir
from pipelines.display import SweepDisplay
from pipelines.errors import TrackingError, UserError
from pipelines.executors import Executor, Job, make_executor
from pipelines.exercises import Exercise
from pipelines.folds import Split, make_splits
from pipelines.overfitting import OverfittingPoint, Verdict, analyse
from pipelines.planning import fit_seed
from pipelines.tracking import FitLabel, SweepDescription, SweepRun, TrialRecord, environment, open_sweep
from pipelines.training.plan import Progress, Training
from pipelines.tuners import make_tuner
from pipelines.tuners.base import Suggestion, Tuner
from pipelines.tuners.pruning import is_hopeless

#: Suggestions in a row that were all trained before, after which the space counts as exhausted: so many, and so many
#: times the trials that are known, which a Hyperband that is taken up names all again, on several rungs.
_REPEATS_ALLOWED = 200
_REPEATS_ALLOWED_A_TRIAL = 4
#: Trials in a row that end in an unexpected error, after which the sweep gives up.
_ERRORS_ALLOWED = 3
#: How often at most stopping rules look at a trial's curves.
_LOOKS_A_TRIAL = 20


class Stop(StrEnum):
    """When a trial may end before its last epoch."""

    NEVER = "never"
    OVERFIT = "overfit"
    PRUNE = "prune"


@dataclass(frozen=True)
class SweepSettings:
    """What a sweep is asked to do.

    Attributes
    ----------
    exercise
        With the command line's overrides applied.
    trials
        Configurations to have trained in all, those of an interrupted start included.
    tuner, backend
        ``optuna:tpe``, ...; ``jax`` or ``tensorflow``.
    stop
        Whether trials may end early: ``never`` for whole curves, ``overfit`` once an onset is sure, ``prune`` when
        the trial is worse than the median of the others.
    seed
        Of folds, weights, batches and tuner.
    documented
        Whether the documented variants are trained, before the tuner is asked.
    resume
        Whether to go on with the finished trials of an earlier start of the same sweep.
    data_dir, cache_dir
        Where files put there by hand, and prepared data, lie; None for the download and the platform's cache.
    """

    exercise: Exercise
    trials: int = 12
    tuner: str = "optuna:tpe"
    backend: str = "jax"
    stop: Stop = Stop.NEVER
    seed: int = 1
    documented: bool = True
    resume: bool = True
    data_dir: Path | None = None
    cache_dir: Path | None = None


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


@dataclass(frozen=True, eq=False)
class _Result:
    """What is known of a trained configuration: its monitored curve, mean over the fits; None without a result."""

    curve: NDArray[np.float64] | None

    def value(self, epochs: int | None = None) -> float | None:
        """The objective: the curve at its best epoch, the minimum of the smoothed curve, within so many epochs."""
        if self.curve is None:
            return None
        within = self.curve[:epochs]
        return float(within[first_minimum(smooth(within))])


@dataclass
class _Results:
    """Results by hash of the configuration."""

    known: dict[str, _Result] = field(default_factory=dict)
    failed: int = 0
    errors_in_a_row: int = 0

    def curves(self) -> list[NDArray[np.float64]]:
        return [result.curve for result in self.known.values() if result.curve is not None]


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
    )
    description = _describe(settings, dataset, splits)
    with (
        open_sweep(description, resume=settings.resume) as run,
        make_executor(settings.backend, cache_dir=_program_cache(settings.cache_dir)) as executor,
    ):
        _print_start(console, settings, dataset, splits)
        sweep = _Sweep(settings, dataset, splits, tuner, run, executor, console)
        sweep.take_up()
        sweep.train()
        return sweep.outcome()


class _Sweep:
    def __init__(
        self,
        settings: SweepSettings,
        dataset: Dataset,
        splits: tuple[Split, ...],
        tuner: Tuner,
        run: SweepRun,
        executor: Executor,
        console: Console,
    ) -> None:
        self.settings, self.exercise, self.dataset, self.splits = settings, settings.exercise, dataset, splits
        self.tuner, self.run, self.executor, self.console = tuner, run, executor, console
        self.results = _Results()
        self.resumed = 0
        self.labels = tuple(
            FitLabel(split.repeat, split.fold, fit_seed(settings.seed, split.repeat, split.fold)) for split in splits
        )
        self.folds = 1 + max(split.fold for split in splits)
        self.repeats = len(splits) // self.folds

    def take_up(self) -> None:
        """Tell the tuner of the trials that an earlier start has finished."""
        for stored in self.run.finished_trials():
            try:
                curve = None if stored.value is None else self._mean(self.run.curves(stored))
            except TrackingError as error:
                raise TrackingError(f"{error} With resume=false the sweep starts afresh.") from error
            self._learn(stored.configuration, _Result(curve))
        self.resumed = len(self.results.known)
        if self.resumed:
            trained = "1 trial was" if self.resumed == 1 else f"{self.resumed:,} trials were"
            self.console.print(f"{trained} finished by an earlier start and not trained again.")

    def train(self) -> None:
        """Train candidates until as many configurations are known as the budget has."""
        trials, known = self.settings.trials, self.results.known
        with SweepDisplay(self.console, trials, min(self.resumed, trials), self.exercise.monitor) as display:
            for stored in self.run.finished_trials():
                if stored.value is not None:
                    display.seen(stored.configuration, stored.value)
            if len(known) >= trials:
                return
            for candidate in self._candidates():
                result = self._evaluate(candidate, display)
                if candidate.suggestion is None:
                    self._learn(candidate.configuration, result)
                else:
                    known[candidate.configuration.hash] = result
                    self.tuner.tell(candidate.suggestion, result.value(candidate.suggestion.epochs))
                if len(known) >= trials:
                    return
            self.console.print("The search space is exhausted: every configuration the tuner names has been trained.")

    def outcome(self) -> SweepOutcome:
        """What was done; a sweep without a single result is a failure."""
        results = self.results
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
                yield from self._new(_Candidate(variant.configuration, f"documented: {variant.name}"))
        repeats = 0
        while repeats < _REPEATS_ALLOWED + _REPEATS_ALLOWED_A_TRIAL * len(self.results.known):
            suggestion = self.tuner.ask()
            if suggestion is None:
                return
            configuration = self.exercise.space.configuration(suggestion.values, self.exercise.baseline)
            known = self.results.known.get(configuration.hash)
            if known is not None:
                repeats += 1
                self.tuner.tell(suggestion, known.value(suggestion.epochs))
            else:
                repeats = 0
                yield _Candidate(configuration, "tuner", suggestion)

    def _new(self, candidate: _Candidate) -> Iterator[_Candidate]:
        if candidate.configuration.hash not in self.results.known:
            yield candidate

    def _learn(self, configuration: Configuration, result: _Result) -> None:
        """Keep a result that the tuner did not ask for, and tell it."""
        self.results.known[configuration.hash] = result
        values = self.exercise.space.values(configuration, self.exercise.baseline)
        if values is not None:
            self.tuner.add(values, result.value())

    def _mean(self, curves: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64] | None:
        """The monitored curve, mean over the fits, to the last epoch that all of them have."""
        mean = np.asarray(curves[self.exercise.monitor], np.float64).mean(axis=0)
        finite = np.isfinite(mean)
        trained = len(mean) if finite.all() else int(finite.argmin())
        return mean[:trained] if trained else None

    def _evaluate(self, candidate: _Candidate, display: SweepDisplay) -> _Result:
        """Train, judge and record one configuration."""
        started = time.perf_counter()
        configuration = candidate.configuration.canonical()
        job = Job(configuration, self.dataset, self.splits, self.settings.seed, self.exercise.epochs)
        seeds = sorted({self.settings.seed + split.repeat for split in self.splits})
        display.begin(configuration, len(self.splits), job.epochs)
        with self.run.trial(configuration, candidate.origin, seeds) as trial:
            watch = _Watch(self, candidate, display)
            training, failure = self._train(job, watch)
            point = None if training is None else self.judge(training.curves, watch.stopped_at or job.epochs)
            if point is not None and point.verdict is Verdict.DIVERGED:
                failure = point.reason or "diverged"
            record = TrialRecord(
                configuration=configuration,
                origin=candidate.origin,
                epochs=job.epochs,
                folds=self.folds,
                repeats=self.repeats,
                fits=self.labels,
                curves=training.curves if training else {},
                point=point,
                seconds=time.perf_counter() - started,
                training_seconds=training.seconds if training else 0.0,
                compile_seconds=training.compile_seconds if training else 0.0,
                model_parameters=training.parameters if training else 0,
                failure=failure,
                remark=watch.remark,
            )
            trial.finish(record)
        self.results.failed += bool(failure)
        display.end(configuration, point, record.seconds, failure)
        return _Result(None if failure or training is None else self._mean(training.curves))

    def _train(self, job: Job, watch: "_Watch") -> tuple[Training | None, str]:
        """The training, or why there is none; one broken trial must not end a sweep of hundreds."""
        chunk = None if self.settings.stop is Stop.NEVER else max(1, job.epochs // _LOOKS_A_TRIAL)
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

    def judge(self, curves: Mapping[str, NDArray[np.float32]], trained: int | None) -> OverfittingPoint:
        """The over-fitting point of a trial's curves so far."""
        monitor = self.exercise.monitor
        return analyse(
            curves[monitor],
            curves[monitor.removeprefix("val_")],
            folds=self.folds,
            repeats=self.repeats,
            validation_ratio=float(np.mean([len(split.validation) / len(split.train) for split in self.splits])),
            trained=trained,
        )


class _Watch:
    """What looks at a trial after every chunk of epochs: the display, and the stopping rule."""

    def __init__(self, sweep: _Sweep, candidate: _Candidate, display: SweepDisplay) -> None:
        self.sweep, self.candidate, self.display = sweep, candidate, display
        self.remark = ""
        self.stopped_at: int | None = None

    def __call__(self, progress: Progress) -> bool:
        fits = len(self.sweep.splits)
        in_work = int(np.isfinite(progress.curves["loss"]).any(axis=1).sum()) - progress.fits_done
        self.display.advance(progress, max(in_work, 0))
        # A rule judges the mean over all fits: it has to wait until all of them are in work.
        if self.sweep.settings.stop is Stop.NEVER or in_work < fits:
            return False
        self.remark = self._reason_to_stop(progress)
        if self.remark:
            self.stopped_at = progress.epoch
        return bool(self.remark)

    def _reason_to_stop(self, progress: Progress) -> str:
        sweep = self.sweep
        curves = {name: curve[:, : progress.epoch] for name, curve in progress.curves.items()}
        if sweep.settings.stop is Stop.OVERFIT:
            point = sweep.judge(curves, progress.epoch)
            return f"stopped at epoch {progress.epoch}: over-fits since epoch {point.onset}" if point.onset else ""
        so_far = sweep._mean(curves)
        if so_far is None or not is_hopeless(so_far, sweep.results.curves()):
            return ""
        return f"stopped at epoch {progress.epoch}: pruned, worse than the median of the others"


def sweep_identity(settings: SweepSettings, dataset: Dataset) -> str:
    """Hash of all that makes the trials of two starts interchangeable; the budget of trials is not part of it."""
    parts = {
        "exercise": settings.exercise.digest,
        "data": dataset.sha256,
        "tuner": settings.tuner,
        "backend": settings.backend,
        "stop": settings.stop,
        "seed": settings.seed,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _program_cache(cache_dir: Path | None) -> Path | None:
    """Where compiled programs are kept for the next sweep; None where nothing can be: they are then compiled again."""
    folder = cache_dir or default_cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _describe(settings: SweepSettings, dataset: Dataset, splits: tuple[Split, ...]) -> SweepDescription:
    exercise = settings.exercise
    parameters: dict[str, str | int | float] = {
        "exercise": exercise.name,
        "trials": settings.trials,
        "tuner": settings.tuner,
        "backend": settings.backend,
        "stop": str(settings.stop),
        "seed": settings.seed,
        "validation": exercise.validation,
        "folds": exercise.folds,
        "repeats": exercise.repeats,
        "epochs": exercise.epochs,
        "monitor": exercise.monitor,
    }
    details = {
        "exercise": asdict(exercise),
        "parameters": parameters,
        "data": {
            "name": dataset.name,
            "source": dataset.source,
            "sha256": dataset.sha256,
            "task": str(dataset.task),
            "samples": dataset.samples,
            "test_samples": len(dataset.test_inputs),
            "input_shape": dataset.input_shape,
            "classes": dataset.classes,
            "features": dataset.features,
            "details": dataset.details,
        },
        "splits": [
            {"repeat": s.repeat, "fold": s.fold, "training": len(s.train), "validation": len(s.validation)}
            for s in splits
        ],
        **environment(),
    }
    return SweepDescription(
        exercise=exercise.name,
        tuner=settings.tuner,
        backend=settings.backend,
        identity=sweep_identity(settings, dataset),
        data=dataset,
        parameters=parameters,
        details=details,
    )


def _print_start(console: Console, settings: SweepSettings, dataset: Dataset, splits: tuple[Split, ...]) -> None:
    exercise = settings.exercise
    kind = "hold-out" if exercise.validation == "holdout" else f"{exercise.folds} folds"
    line = Text(exercise.title, style="bold")
    line.append(
        f": {dataset.samples:,} samples, {kind} x {_count(exercise.repeats, 'repeat')} = "
        f"{_count(len(splits), 'fit')} a trial, {_count(exercise.epochs, 'epoch')}, "
        f"{_count(settings.trials, 'trial')}, {settings.tuner}, {settings.backend}",
        style="not bold",
    )
    console.print(line)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
