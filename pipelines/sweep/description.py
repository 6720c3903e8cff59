"""What a sweep is asked to do, what makes it the same sweep as another, and what is written about it in the store."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.datasets import Dataset, Places
from pipelines.datasets.folds import Split
from pipelines.exercises.design import NONE, ONE_AT_A_TIME
from pipelines.exercises.exercise import Exercise
from pipelines.networks.backbones import Weights
from pipelines.networks.guessing import guess
from pipelines.sweep.plan import make_plan
from pipelines.sweep.stopping import Stop
from pipelines.tracking import sweeps
from pipelines.tracking.sweeps import SweepDescription
from pipelines.tuners import ADAPTIVE


@dataclass(frozen=True)
class SweepSettings:
    """What a sweep is asked to do."""

    #: With the command line's overrides applied.
    exercise: Exercise
    #: Configurations to have trained in all, those of an interrupted start included; None: all that is given (see
    #: ``plan``) and ten of the tuner.
    trials: int | None = None
    #: ``optuna:tpe``, ...; ``jax`` or ``tensorflow``.
    tuner: str = "optuna:tpe"
    backend: str = "jax"
    #: Whether trials may end early: ``never`` for whole curves, ``overfit`` once an onset is sure, ``prune`` when a
    #: trial that the tuner asked for is worse than the median of the others.
    stop: Stop = Stop.NEVER
    #: Of folds, weights, batches and tuner.
    seed: int = 1
    #: Whether the documented variants are trained, before the tuner is asked.
    documented: bool = True
    #: Whether to go on with the finished trials of an earlier start of the same sweep.
    resume: bool = True
    #: Trials at a time; None: what cores and memory take, as ``run_sweep`` finds them.
    workers: int | None = 1
    #: Where data and weights are read from, and where what is made of them is kept.
    places: Places = field(default_factory=Places)


def is_adaptive(settings: SweepSettings) -> bool:
    """Whether what is trained, or for how long, hangs on the trials that were told before."""
    return settings.tuner in ADAPTIVE or settings.stop is Stop.PRUNE


def sweep_identity(settings: SweepSettings, dataset: Dataset, weights: Mapping[str, Weights] | None = None) -> str:
    """Hash of all that makes the trials of two starts interchangeable; budget and design are not part of it.

    ``weights`` are those of every backbone that a trial may have.
    """
    parts: dict[str, Any] = {
        "exercise": settings.exercise.digest,
        "data": dataset.sha256,
        "tuner": settings.tuner,
        "backend": settings.backend,
        "stop": settings.stop,
        "seed": settings.seed,
    }
    # One by one, or random ones in any number at a time, are the sweep that they always were.
    if settings.workers not in (None, 1) and is_adaptive(settings):
        parts["workers"] = settings.workers
    if not _is_plainly_read(dataset):  # the same file read in another way is other data
        parts["reading"] = json.dumps(dataset.encoding, sort_keys=True) + f" {dataset.samples}"
    if weights:
        parts["weights"] = {name: found.sha256 for name, found in weights.items()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _is_plainly_read(dataset: Dataset) -> bool:
    """Whether a file's values became inputs as they stand there, all of its columns and rows, as they ever did."""
    turned = any({"form", "decimal", "thousands"} & set(column) for column in dataset.encoding.get("columns", ()))
    apart = dataset.groups is not None or dataset.times is not None
    return not (turned or apart or ({"left out", "test"} & set(dataset.details) and dataset.encoding))


def describe_sweep(
    settings: SweepSettings, dataset: Dataset, splits: Sequence[Split], weights: Mapping[str, Weights] | None = None
) -> SweepDescription:
    """What the store is told of a sweep before its first trial: settings as resolved, data, splits, environment."""
    exercise = settings.exercise
    record = sweeps.SweepRecord(
        exercise=exercise,
        settings=sweeps.RecordedSettings(
            exercise=exercise.name,
            trials=make_plan(exercise, settings.trials, documented=settings.documented).trials,
            tuner=settings.tuner,
            backend=settings.backend,
            stop=str(settings.stop),
            seed=settings.seed,
            workers=settings.workers,
            validation=exercise.validation,
            folds=exercise.folds,
            repeats=exercise.repeats,
            epochs=exercise.epochs,
            monitor=exercise.monitor,
            design=ONE_AT_A_TIME if exercise.design else NONE,
        ),
        data=sweeps.DataFacts.of(dataset),
        splits=tuple(sweeps.SplitSizes(s.repeat, s.fold, len(s.train), len(s.validation)) for s in splits),
        weights={name: sweeps.WeightsFile(found.path.name, found.sha256) for name, found in (weights or {}).items()},
        guessing=guess(dataset, splits, exercise.baseline.loss, exercise.baseline.target_scaling),
        environment=sweeps.current_environment(),
    )
    return SweepDescription(sweep_identity(settings, dataset, weights), dataset, record)
