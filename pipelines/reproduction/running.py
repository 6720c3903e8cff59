"""Reproducing the documented exercises: train every documented variant as it was documented, compare every figure.

>>> outcome = run_reproduction(ReproductionSettings((load_exercise("celsius"),)), Console())    # doctest: +SKIP

The tracking store is the only record: what an earlier start has trained is read back from it, and the report is made
from it alone.
"""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np
from rich.console import Console
from rich.text import Text

from pipelines.datasets import Dataset, Places, load_dataset
from pipelines.errors import UserError, reason_of
from pipelines.executors import Executor, Job, fit_labels, make_executor, run_job
from pipelines.executors.progress import Bars, TrainingBar, failure_line, time_left
from pipelines.exercises.design import DOCUMENTED_ORIGIN
from pipelines.exercises.exercise import Exercise
from pipelines.networks.features import Inputs
from pipelines.reproduction.plan import (
    USUAL_REPEATS,
    Measurement,
    Part,
    asked_of,
    documented_epochs_only,
    part_of,
    plan_measurements,
    splits_of,
    test_epochs,
    with_test_rows,
)
from pipelines.reproduction.results import Result, content, counts, figures_of_weights, metrics_of, rows_of
from pipelines.reproduction.rows import Row
from pipelines.tracking.reproductions import ReproductionDescription, ReproductionRun, open_reproduction
from pipelines.tracking.sweeps import current_environment
from pipelines.tracking.trials import FAILED, FINISHED, Trial
from pipelines.training.plan import Progress
from pipelines.words import shortened

#: Words of a text, and values of another sample, that a first layer has to look at: for the estimate of work.
_WORDS_A_TEXT = 100
#: Multiplications a sample that cost as much as everything else does.
_FIXED_WORK = 2e4
#: Characters of a training's name in its line.
_LONGEST_NAME = 70


@dataclass(frozen=True)
class ReproductionSettings:
    """What is to be reproduced.

    Attributes
    ----------
    exercises
        At least one, each with documented variants.
    variants
        Names of the variants wanted; empty for all. What of the others the store has already is compared as well.
    repeats
        Seeds of a variant that names no number of its own; those that do are scaled along.
    folds
        k of the intervals of over-fitting points; None for the exercise's own.
    seed, backend, resume, places
        As of a sweep.
    """

    exercises: tuple[Exercise, ...]
    variants: tuple[str, ...] = ()
    repeats: int = USUAL_REPEATS
    folds: int | None = None
    seed: int = 1
    backend: str = "jax"
    resume: bool = True
    places: Places = field(default_factory=Places)


@dataclass(frozen=True)
class ReproductionOutcome:
    """Where the reproduction of an exercise is to be found, and what it came to."""

    run: ReproductionRun
    rows: tuple[Row, ...]
    trained: int
    failed: int


def run_reproduction(settings: ReproductionSettings, console: Console) -> tuple[ReproductionOutcome, ...]:
    """Reproduce the exercises one after another.

    Raises
    ------
    UserError
        For settings, data or a store that cannot be used; and when nothing could be measured.
    Interrupted
        After Ctrl-C or SIGTERM; finished trainings are in the store.
    """
    check_variants(settings)
    outcomes = []
    with make_executor(settings.backend, settings.places) as executor:
        for number, exercise in enumerate(settings.exercises, start=1):
            console.print(Text(f"{exercise.title}  ({number} of {len(settings.exercises)})", style="bold"))
            outcomes.append(_reproduce(settings, exercise, executor, console))
    if not any(row.ours for outcome in outcomes for row in outcome.rows):
        raise UserError("None of the documented variants could be measured; the runs of the trainings say why.")
    return tuple(outcomes)


def check_variants(settings: ReproductionSettings) -> None:
    """Raise ``UserError`` for an exercise without documented variants, or a variant that none of them has."""
    for exercise in settings.exercises:
        if not exercise.documented:
            raise UserError(f"Exercise {exercise.name} documents nothing that could be reproduced.")
    known = list(dict.fromkeys(v.name for exercise in settings.exercises for v in exercise.documented))
    for name in settings.variants:
        if name not in known:
            raise UserError(f"There is no documented variant {name!r}; allowed: {', '.join(known)}.")


def _reproduce(
    settings: ReproductionSettings, exercise: Exercise, executor: Executor, console: Console
) -> ReproductionOutcome:
    started = time.perf_counter()
    dataset = load_dataset(exercise.dataset, exercise.task, settings.places)
    everything = plan_measurements(exercise, repeats=settings.repeats, folds=settings.folds)
    wanted = set(settings.variants) or {variant.name for variant in exercise.documented}
    description = _describe(settings, exercise, dataset)
    with open_reproduction(description, resume=settings.resume) as run:
        work = _Work(settings, exercise, dataset, run=run, executor=executor)
        results = work.train(everything, wanted, console)
        rows = rows_of(exercise, dataset, results, seed=settings.seed)
        for run_id, metrics in metrics_of(rows, results).items():
            run.log_rows(run_id, metrics)
        run.log_rows(run.run_id, counts(rows))
        seconds = time.perf_counter() - started
        parameters = description.parameters
        run.save(
            content(exercise, dataset, results, rows, settings=parameters, seconds=seconds)
            | asdict(current_environment())
        )
    return ReproductionOutcome(run, rows, work.trained, work.failed)


class _Display(Bars):
    """A line a training, and in a terminal a bar for it and for the exercise.

    ``works`` is the work of each training still to be done, in any unit, in their order: what the time left is reckoned
    from. So many trainings ``already`` are finished by an earlier start.
    """

    def __init__(self, console: Console, works: list[float], already: int) -> None:
        super().__init__(console)
        self._works, self._already, self._done = works, already, 0
        self._exercise = self._progress.add_task("exercise", total=sum(works) or 1.0, count="", note="")
        self._show(0.0)

    def advance(self, bar: TrainingBar, progress: Progress) -> bool:
        """A chunk of epochs is done; never stops the training."""
        stop = bar.watch(progress)
        self._show(min(1.0, bar.done / bar.total))
        return stop

    def end(self, bar: TrainingBar, measurement: Measurement, seconds: float, failure: str) -> None:
        """A training is done, or has failed."""
        self.remove_bar(bar)
        self._done += 1
        left = self._show(0.0)
        number, total = self._already + self._done, self._already + len(self._works)
        fits, epochs = measurement.fits, measurement.epochs
        name = shortened(measurement.name, _LONGEST_NAME)
        line = Text(f"  {number:>{len(str(total))}}/{total}  {name:<{_LONGEST_NAME}}  ")
        line.append(f"{fits} fit{'s' * (fits > 1)} x {epochs} epoch{'s' * (epochs > 1)}")
        if failure:
            line.append(f"  {failure_line(failure)}", style="red")
        line.append(f"  {seconds:.1f} s", style="dim")
        if left:
            line.append(f"  {left}", style="dim")
        self.console.print(line, soft_wrap=True)

    def _show(self, share: float) -> str:
        """Bring the exercise's bar up to date, this share of the training in work being done; returns the time left.

        It goes by the work done so far, and is empty before there is any, and when all is done.
        """
        done, total = sum(self._works[: self._done]), sum(self._works)
        done += share * sum(self._works[self._done : self._done + 1])
        elapsed = self._progress.tasks[0].elapsed or 0.0
        left = time_left(elapsed * (total - done) / done) if 0 < done < total else ""
        count = f"{self._already + self._done}/{self._already + len(self._works)} trainings"
        self._progress.update(self._exercise, completed=done, count=count, note=left)
        return left


@dataclass
class _Work:
    """The trainings of one exercise."""

    settings: ReproductionSettings
    exercise: Exercise
    dataset: Dataset
    run: ReproductionRun
    executor: Executor
    trained: int = 0
    resumed: int = 0
    failed: int = 0
    _joined: tuple[Dataset, Dataset] | None = None

    def __post_init__(self) -> None:
        self.inputs = Inputs(self.dataset, self.settings.places)

    def train(self, measurements: Sequence[Measurement], wanted: set[str], console: Console) -> tuple[Result, ...]:
        """A result for each measurement that is wanted or known already."""
        finished = self.run.finished()
        identities = [self._identity(measurement) for measurement in measurements]
        missing = [
            m
            for m, known in zip(measurements, identities, strict=True)
            if known not in finished and wanted & set(m.variants)
        ]
        self.resumed = sum(identity in finished for identity in identities)
        if self.resumed:
            done = "1 training was" if self.resumed == 1 else f"{self.resumed} trainings were"
            console.print(f"{done} finished by an earlier start and not done again.")
        works = [_work(m, self.dataset) for m in missing]
        results = []
        with _Display(console, works, self.resumed) as display:
            for measurement, identity in zip(measurements, identities, strict=True):
                if identity in finished:
                    results.append(Result(measurement, finished[identity]))
                elif measurement in missing:
                    results.append(self._measure(measurement, identity, display))
        return tuple(results)

    def _measure(self, measurement: Measurement, identity: str, display: _Display) -> Result:
        """Train and record one measurement; one that fails is a row that says so, and the rest goes on."""
        started = time.perf_counter()
        configuration = measurement.configuration.canonical()
        epochs, fits = measurement.epochs, measurement.fits
        bar = display.add_bar("training", measurement.name, fits=fits, epochs=epochs)
        variants = ", ".join(measurement.variants)
        failure = ""
        with self.run.training(measurement.name, variants, identity, configuration.hash) as run:
            record = Trial(
                configuration=configuration,
                origin=f"{DOCUMENTED_ORIGIN}{variants}",
                epochs=epochs,
                folds=measurement.folds,
                repeats=measurement.repeats,
                run_id=run.run_id,
            )
            try:
                job = Job(
                    configuration,
                    self._data(measurement, bar),
                    splits_of(measurement, self.exercise, self.dataset, seed=self.settings.seed),
                    seed=self.settings.seed,
                    epochs=epochs,
                    weights=self.inputs.weights_file(configuration),
                    network=self.exercise.network,
                    keep_weights=measurement.keep_weights,
                )
                record = replace(record, fits=fit_labels(job.splits, job.seed))
                training = run_job(self.executor, job, on_chunk=partial(display.advance, bar))
                curves = training.curves
                if measurement.part is Part.TEST:
                    curves = documented_epochs_only(curves, test_epochs(self.exercise, measurement))
                record = replace(
                    record,
                    curves=curves,
                    training_seconds=training.seconds,
                    compile_seconds=training.compile_seconds,
                    parameters=training.parameters,
                )
                if training.weights is not None:
                    asked = [a for a in asked_of(self.exercise, measurement) if part_of(a) is measurement.part]
                    measured = figures_of_weights([a.metric for a in asked], job, training.weights)
                    record = replace(record, measured=measured)
                if not np.isfinite(curves["loss"][:, -1]).any():
                    failure = "diverged"
            except Exception as error:
                failure = reason_of(error)
            seconds = time.perf_counter() - started
            record = replace(record, seconds=seconds, status=FAILED if failure else FINISHED, reason=failure)
            run.finish(record)
        display.end(bar, measurement, seconds, failure)
        if failure:
            self.failed += 1
            return Result(measurement, None, failure)
        self.trained += 1
        return Result(measurement, record)

    def _data(self, measurement: Measurement, bar: TrainingBar) -> Dataset:
        """What the configuration is trained on; with the test rows behind it where they are to be measured."""
        of_test = measurement.part is Part.TEST
        data = self.inputs.of(
            measurement.configuration,
            test=of_test,
            on_progress=lambda done, total: bar.show(f"{done}/{total} images", f"features, {bar.label}"),
        )
        if not of_test:
            self._joined = None
            return data
        # Kept, since an engine that is given the same arrays does not move them to its device again.
        if self._joined is None or self._joined[0] is not data:
            self._joined = (data, with_test_rows(data))
        return self._joined[1]

    def _identity(self, measurement: Measurement) -> str:
        try:
            found = self.inputs.weights(measurement.configuration)
        except UserError:
            found = None  # its training fails, and says why
        of = self.settings
        weights = found.sha256 if found else ""
        return measurement.identity(self.exercise, self.dataset, seed=of.seed, backend=of.backend, weights=weights)


def _describe(settings: ReproductionSettings, exercise: Exercise, dataset: Dataset) -> ReproductionDescription:
    folds = settings.folds or exercise.folds
    parts = [exercise.name, dataset.sha256, settings.backend, settings.seed, settings.repeats, folds]
    return ReproductionDescription(
        exercise=exercise.name,
        backend=settings.backend,
        identity=hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16],
        data=dataset,
        parameters={
            "exercise": exercise.name,
            "repeats": settings.repeats,
            "folds": folds,
            "seed": settings.seed,
            "backend": settings.backend,
        },
    )


def _work(measurement: Measurement, dataset: Dataset) -> float:
    """About how much a training costs, in multiplications; only the proportions matter."""
    configuration = measurement.configuration
    values = math.prod(dataset.input_shape)
    first = min(values, _WORDS_A_TEXT) if len(dataset.input_shape) == 1 else values
    widths = [first, *configuration.layers, dataset.outputs]
    a_sample = sum(a * b for a, b in pairwise(widths)) + _FIXED_WORK
    # An optimizer moves every weight once a batch.
    weights = (configuration.layers or (dataset.outputs,))[0] * values / configuration.batch_size
    return float(measurement.fits * measurement.epochs * dataset.samples * (a_sample + weights))
