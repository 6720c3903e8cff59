"""Reproducing the documented exercises: train every documented variant as it was documented, compare every figure.

>>> outcome = run_reproduction(ReproductionSettings((load_exercise("celsius"),)), Console())    # doctest: +SKIP

The tracking store is the only record: what an earlier start has trained is read back from it, and the report is made
from it alone.
"""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from pipelines.datasets import Dataset, Places, load_dataset
from pipelines.errors import UserError
from pipelines.executors import Executor, Job, fit_labels, make_executor, run_job
from pipelines.executors.base import failure_words
from pipelines.executors.progress import TrainingBar
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import Exercise
from pipelines.networks.backbones import Weights
from pipelines.networks.features import has_frozen_backbone, prepare_dataset
from pipelines.reproduction.display import ReproductionDisplay
from pipelines.reproduction.plan import (
    OF_WEIGHTS,
    USUAL_REPEATS,
    Measurement,
    Part,
    asked_for,
    documented_epochs_only,
    part_of,
    plan_measurements,
    splits_of,
    test_epochs,
    with_test_rows,
)
from pipelines.reproduction.results import Result, content, counts, figures_of_weights, metrics_of, rows_of
from pipelines.reproduction.rows import Row
from pipelines.tracking.reproductions import ReproductionDescription, ReproductionRun, StoredTraining, open_reproduction
from pipelines.tracking.sweeps import current_environment
from pipelines.tracking.trials import FAILED, FINISHED, FitLabel, Trial
from pipelines.training.plan import Training

#: Words of a text, and values of another sample, that a first layer has to look at: for the estimate of work.
_WORDS_A_TEXT = 100
#: Multiplications a sample that cost as much as everything else does.
_FIXED_WORK = 2e4


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

    exercise: str
    run_id: str
    uri: str
    link: str
    rows: tuple[Row, ...]
    trained: int
    resumed: int
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
    return ReproductionOutcome(
        exercise=exercise.name,
        run_id=run.run_id,
        uri=run.uri,
        link=run.link,
        rows=rows,
        trained=work.trained,
        resumed=work.resumed,
        failed=work.failed,
    )


class _Work:
    """The trainings of one exercise."""

    def __init__(
        self,
        settings: ReproductionSettings,
        exercise: Exercise,
        dataset: Dataset,
        *,
        run: ReproductionRun,
        executor: Executor,
    ) -> None:
        self.settings, self.exercise, self.dataset, self.run, self.executor = settings, exercise, dataset, run, executor
        self.trained = self.resumed = self.failed = 0
        self._prepared: tuple[tuple[str, bool], Dataset] | None = None
        self._backbones: dict[str, Weights | UserError] = {}

    def train(self, measurements: Sequence[Measurement], wanted: set[str], console: Console) -> tuple[Result, ...]:
        """A result for each measurement that is wanted or known already."""
        finished = self.run.finished()
        identities = [
            m.identity(
                self.exercise,
                self.dataset,
                seed=self.settings.seed,
                backend=self.settings.backend,
                weights=self._weights_sha256(m.configuration),
            )
            for m in measurements
        ]
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
        with ReproductionDisplay(console, works, self.resumed) as display:
            for measurement, identity in zip(measurements, identities, strict=True):
                if identity in finished:
                    results.append(Result(measurement, finished[identity]))
                elif measurement in missing:
                    results.append(self._measure(measurement, identity, display))
        return tuple(results)

    def _measure(self, measurement: Measurement, identity: str, display: ReproductionDisplay) -> Result:
        """Train and record one measurement; one that fails is a row that says so, and the rest goes on."""
        started = time.perf_counter()
        configuration = measurement.configuration.canonical()
        bar = display.begin(measurement)
        variants = ", ".join(measurement.variants)
        training: Training | None = None
        curves: Mapping[str, NDArray[np.float32]] = {}
        measured: dict[str, Any] = {}
        labels: tuple[FitLabel, ...] = ()
        failure = ""
        with self.run.training(measurement.name, variants, identity, configuration.hash) as run:
            try:
                job = self._job(measurement, bar)
                labels = fit_labels(job.splits, job.seed)
                training = run_job(self.executor, job, on_chunk=partial(display.advance, bar))
                curves = training.curves
                if measurement.part is Part.TEST:
                    curves = documented_epochs_only(curves, test_epochs(self.exercise, measurement))
                if training.weights is not None:
                    measured = figures_of_weights(self._asked_of_weights(measurement), job, training.weights)
                if not np.isfinite(curves["loss"][:, -1]).any():
                    failure = "diverged"
            except Exception as error:
                failure = failure_words(error)
            seconds = time.perf_counter() - started
            record = Trial(
                configuration=configuration,
                origin=f"documented: {variants}",
                epochs=measurement.epochs,
                folds=measurement.folds,
                repeats=measurement.repeats,
                fits=labels,
                curves=curves,
                point=None,
                seconds=seconds,
                training_seconds=training.seconds if training else 0.0,
                compile_seconds=training.compile_seconds if training else 0.0,
                parameters=training.parameters if training else None,
                status=FAILED if failure else FINISHED,
                reason=failure,
            )
            run.finish(record, measured)
        display.end(bar, measurement, seconds, failure)
        if failure or training is None:
            self.failed += 1
            return Result(measurement, None, failure)
        self.trained += 1
        return Result(
            measurement, StoredTraining(run.run_id, curves, measured, seconds=seconds, parameters=training.parameters)
        )

    def _job(self, measurement: Measurement, bar: TrainingBar) -> Job:
        configuration, seed = measurement.configuration.canonical(), self.settings.seed
        dataset = self._data(measurement, bar)
        return Job(
            configuration,
            dataset,
            splits_of(measurement, self.exercise, self.dataset, seed=seed),
            seed=seed,
            epochs=measurement.epochs,
            weights=self._weights_file(configuration),
            keep_weights=measurement.keep_weights,
        )

    def _data(self, measurement: Measurement, bar: TrainingBar) -> Dataset:
        """What the configuration is trained on; with the test rows behind it where they are to be measured."""
        configuration = measurement.configuration
        frozen = has_frozen_backbone(configuration)
        features = f"{configuration.backbone} {configuration.normalisation}" if frozen else ""
        key = (features, measurement.part is Part.TEST)
        if self._prepared is None or self._prepared[0] != key:
            data = self.dataset
            if frozen:
                data = prepare_dataset(
                    data,
                    configuration,
                    replace(self.settings.places, weights=self._weights_file(configuration)),
                    on_progress=lambda done, total: bar.show(f"{done}/{total} images", f"features, {bar.label}"),
                    test=measurement.part is Part.TEST,
                )
            # Kept, since an engine that is given the same arrays does not move them to its device again.
            self._prepared = (key, with_test_rows(data) if measurement.part is Part.TEST else data)
        return self._prepared[1]

    def _asked_of_weights(self, measurement: Measurement) -> list[str]:
        """Names of the figures that are read off the weights of this training."""
        return [
            entry.metric
            for variant in self.exercise.documented
            if variant.name in measurement.variants
            for entry in asked_for(variant, self.exercise.task)
            if entry.metric in OF_WEIGHTS and part_of(entry) is measurement.part
        ]

    def _weights(self, configuration: Configuration) -> Weights | None:
        """Its backbone's weights; None for a network without one.

        Raises
        ------
        WeightsError
            Where the file cannot be had, at every time anew without a further search.
        """
        name = configuration.backbone
        if name == "none":
            return None
        if name not in self._backbones:
            from pipelines.networks.backbones import WeightsError, find_weights

            try:
                self._backbones[name] = find_weights(name, self.settings.places)
            except WeightsError as error:
                self._backbones[name] = error
        found = self._backbones[name]
        if isinstance(found, UserError):
            raise found
        return found

    def _weights_file(self, configuration: Configuration) -> Path | None:
        found = self._weights(configuration)
        return found.path if found else None

    def _weights_sha256(self, configuration: Configuration) -> str:
        try:
            found = self._weights(configuration)
        except UserError:
            return ""  # its training fails, and says why
        return found.sha256 if found else ""


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
