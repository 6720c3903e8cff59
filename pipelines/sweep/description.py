"""What a sweep is asked to do, what makes it the same sweep as another, and what is written about it in the store."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipelines.datasets import Dataset
from pipelines.datasets.folds import Split
from pipelines.exercises.exercise import Exercise
from pipelines.networks.backbones import Weights
from pipelines.sweep.stopping import Stop
from pipelines.tracking import SweepDescription, environment


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
    weights
        File or folder of a backbone's weights; None: see ``pipelines.networks.backbones.find_weights``.
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
    weights: Path | None = None


def sweep_identity(settings: SweepSettings, dataset: Dataset, weights: Mapping[str, Weights] | None = None) -> str:
    """Hash of all that makes the trials of two starts interchangeable; the budget of trials is not part of it.

    Parameters
    ----------
    weights
        Of every backbone that a trial may have.
    """
    parts = {
        "exercise": settings.exercise.digest,
        "data": dataset.sha256,
        "tuner": settings.tuner,
        "backend": settings.backend,
        "stop": settings.stop,
        "seed": settings.seed,
    }
    if weights:
        parts["weights"] = {name: found.sha256 for name, found in weights.items()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def describe_sweep(
    settings: SweepSettings, dataset: Dataset, splits: Sequence[Split], weights: Mapping[str, Weights] | None = None
) -> SweepDescription:
    """What the store is told of a sweep before its first trial: settings as resolved, data, splits, environment."""
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
        "exercise": asdict(replace(exercise, lesson=None)),
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
        "weights": {name: {"file": found.path.name, "sha256": found.sha256} for name, found in (weights or {}).items()},
        **environment(),
    }
    return SweepDescription(
        exercise=exercise.name,
        tuner=settings.tuner,
        backend=settings.backend,
        identity=sweep_identity(settings, dataset, weights),
        data=dataset,
        parameters=parameters,
        details=details,
    )
