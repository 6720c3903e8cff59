"""Finished trainings of an exercise -> figures asked for -> rows -> ``reproduction.json``, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset
from pipelines.errors import UserError
from pipelines.executors import Job
from pipelines.exercises.exercise import Exercise
from pipelines.overfitting.judging import Judge
from pipelines.overfitting.point import OverfittingPoint
from pipelines.reproduction.plan import OF_EPOCHS, OF_LABELS, OF_WEIGHTS, Asked, Measurement, Part, asked_for, part_of
from pipelines.reproduction.rows import Agreement, Ours, Row, chance_accuracies, compare, compare_epoch, values_of
from pipelines.tracking import names
from pipelines.tracking.reproductions import StoredReproduction, read_stored_reproductions
from pipelines.tracking.sweeps import Environment, from_plain
from pipelines.tracking.trials import Trial

#: Arrays of ``model.get_weights()``.
Weights = Sequence[NDArray[Any]]

#: Rows that the two losses of ``label_difference`` are computed on.
_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Result:
    """A training as the rows are read off it."""

    measurement: Measurement
    stored: Trial | None
    failure: str = ""


@dataclass(frozen=True, eq=False)
class StoredJob:
    """A ``Measurement`` as ``reproduction.json`` describes it; one with a ``failure`` has no run and no wall time."""

    run_id: str | None
    variants: tuple[str, ...]
    part: str
    as_then: bool
    epochs: int
    folds: int
    repeats: int
    seconds: float | None
    failure: str


@dataclass(frozen=True)
class ReproducedSettings:
    """What a reproduction was asked to do; None where not recorded."""

    repeats: int | None = None
    folds: int | None = None
    seed: int | None = None
    backend: str = ""


@dataclass(frozen=True, eq=False)
class Reproduced:
    """The reproduction of one exercise, as ``reproduction.json`` describes it.

    Attributes
    ----------
    run_id, uri, started, commit
        Of its MLflow run.
    monitor
        The curve that over-fitting is judged on.
    rows
        The comparison, in the order of the exercise.
    notes
        What the exercise remarks on a variant, by its name; variants without a remark are left out.
    """

    run_id: str
    uri: str
    started: datetime
    commit: str
    exercise: str
    title: str = ""
    monitor: str = "val_loss"
    settings: ReproducedSettings = ReproducedSettings()
    environment: Environment = field(default_factory=Environment)
    rows: tuple[Row, ...] = ()
    jobs: tuple[StoredJob, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def documented(self) -> tuple[Row, ...]:
        """Rows with a documented figure of their own."""
        return _documented(self.rows)

    @property
    def agreeing(self) -> tuple[Row, ...]:
        """Of these, the ones that agree."""
        return _agreeing(self.rows)

    @property
    def seconds(self) -> float:
        """Wall time of all trainings."""
        return sum(job.seconds or 0.0 for job in self.jobs)

    def job(self, variant: str, parts: Sequence[str], *, as_then: bool = True) -> StoredJob | None:
        """A finished training of a variant, of the first of these parts that it has."""
        jobs = [job for job in self.jobs if job.run_id and variant in job.variants and job.as_then is as_then]
        return next((job for part in parts for job in jobs if job.part == part), None)


def read_reproductions(*, tracking_uri: str, run_ids: Sequence[str] = ()) -> tuple[Reproduced, ...]:
    """The named reproductions, or the latest of each exercise, from the store alone.

    Raises
    ------
    TrackingError
        When the store does not answer, or holds no such reproduction.
    """
    return tuple(map(_reproduced, read_stored_reproductions(tracking_uri, run_ids)))


def _reproduced(stored: StoredReproduction) -> Reproduced:
    content = stored.content
    name = str(content.get("exercise", ""))
    return Reproduced(
        run_id=stored.run_id,
        uri=stored.uri,
        started=stored.started,
        commit=stored.commit,
        exercise=name,
        title=str(content.get("title") or name),
        monitor=str(content.get("monitor", "val_loss")),
        settings=from_plain(ReproducedSettings, content.get("settings", {}), lenient=True),
        environment=from_plain(Environment, content, lenient=True),
        rows=from_plain(tuple[Row, ...], content.get("rows", ())),
        jobs=from_plain(tuple[StoredJob, ...], content.get("trainings", ())),
        notes={str(of["name"]): str(of["note"]) for of in content.get("variants", ()) if of.get("note")},
    )


def rows_of(exercise: Exercise, dataset: Dataset, results: Sequence[Result], *, seed: int) -> tuple[Row, ...]:
    """Every row of the comparison that the results allow; a variant that was not trained has none."""
    rows = []
    for variant in exercise.documented:
        own = [result for result in results if variant.name in result.measurement.variants]
        then, now = ([result for result in own if result.measurement.as_then is as_then] for as_then in (True, False))
        for asked in asked_for(variant, exercise.task):
            today = None
            if asked.metric in OF_LABELS:
                ours, failure = _of_labels(dataset, asked, seed)
            elif own:
                ours, failure = _ours(exercise, then, asked)
                today, _ = _ours(exercise, now, asked)
            else:
                continue
            figure = asked.figure
            rows.append(
                Row(
                    variant=variant.name,
                    metric=asked.metric,
                    split=asked.split,
                    epoch=asked.epoch,
                    documented=figure.value if figure else None,
                    tolerance=figure.tolerance if figure else 0.0,
                    goal=figure.goal if figure else False,
                    note=". ".join(filter(None, [figure.note if figure else "", variant.note])),
                    cause=figure.cause if figure else "",
                    ours=ours,
                    today=today,
                    failure=failure if ours is None else "",
                    explains=variant.explains,
                )
            )
    return tuple(rows)


def _of_labels(dataset: Dataset, asked: Asked, seed: int) -> tuple[Ours | None, str]:
    """A figure that needs no training."""
    if not dataset.task.is_classification or not len(dataset.test_targets):
        return None, "needs test rows with class labels"
    return compare(chance_accuracies(dataset.test_targets, seed=seed), asked), ""


def _ours(exercise: Exercise, results: Sequence[Result], asked: Asked) -> tuple[Ours | None, str]:
    """What the trainings with one optimizer measured for a row, or why nothing was."""
    found = {result.measurement.part: result for result in results}
    part = part_of(asked)
    result = found.get(part) if part is not None else None
    of_folds = found.get(Part.FOLDS) if asked.metric in OF_EPOCHS else result
    for needed in (result, of_folds):
        if needed is None or needed.stored is None:
            return None, needed.failure if needed else "not trained"
    assert result and result.stored and of_folds
    curves, folds = result.stored.curves, result.measurement.folds
    if asked.metric in OF_EPOCHS:
        point = point_of(exercise, of_folds)
        monitored, twin = curves[exercise.monitor], curves[exercise.monitor.removeprefix("val_")]
        ours = compare_epoch(asked, monitored, twin, folds=folds, point=point)
        return ours, "" if ours else point.reason or "diverged"
    of_weights = asked.metric in OF_WEIGHTS
    values = result.stored.measured.get(asked.metric, ()) if of_weights else values_of(asked, curves, folds)
    return (compare(values, asked), "") if values else (None, "diverged, or not among what is measured")


def point_of(exercise: Exercise, result: Result) -> OverfittingPoint:
    """Over-fitting point over the k folds."""
    assert result.stored is not None
    of = result.measurement
    judge = Judge(exercise.monitor, of.folds, of.repeats, validation_ratio=1 / (of.folds - 1))
    return judge.point(result.stored.curves, of.epochs)


def metrics_of(rows: Sequence[Row], results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Documented and measured figures as metrics, by the run id of the training that they were read off."""
    found: dict[str, dict[str, float]] = {}
    for result in results:
        if result.stored is None:
            continue
        metrics = found.setdefault(result.stored.run_id, {})
        for row in rows:
            ours = row.ours if result.measurement.as_then else row.today
            if row.variant not in result.measurement.variants or ours is None or not _is_from(row, result.measurement):
                continue
            metrics[names.OURS_OF.format(row.name)] = ours.mean
            if row.documented is not None:
                metrics[names.DOCUMENTED_OF.format(row.name)] = row.documented
    return {run_id: metrics for run_id, metrics in found.items() if metrics}


def counts(rows: Sequence[Row]) -> dict[str, float]:
    """How many rows there are, how many have a documented figure, and how many of these agree."""
    return {"rows/agreeing": len(_agreeing(rows)), "rows/documented": len(_documented(rows)), "rows/all": len(rows)}


def _documented(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(row for row in rows if row.documented is not None and not row.explains)


def _agreeing(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(row for row in _documented(rows) if row.agreement is Agreement.AGREES)


def _is_from(row: Row, measurement: Measurement) -> bool:
    if row.metric in OF_EPOCHS:
        return measurement.part is Part.FOLDS
    if row.split == "test":
        return measurement.part is Part.TEST and row.metric not in OF_LABELS
    return measurement.part in (Part.VALIDATION, Part.TRAINING) or (
        row.split == "train" and measurement.part is Part.TEST
    )


def content(
    exercise: Exercise,
    dataset: Dataset,
    results: Sequence[Result],
    rows: Sequence[Row],
    *,
    settings: Mapping[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """What ``reproduction.json`` holds: everything that a report needs, but the curves."""
    return {
        "exercise": exercise.name,
        "title": exercise.title,
        "task": str(exercise.task),
        "monitor": exercise.monitor,
        "holdout": exercise.holdout,
        "settings": dict(settings),
        "data": {
            "name": dataset.name,
            "source": dataset.source,
            "sha256": dataset.sha256,
            "samples": dataset.samples,
            "test_samples": len(dataset.test_inputs),
            "classes": dataset.classes,
        },
        "variants": [
            {
                "name": variant.name,
                "label": variant.configuration.label,
                "epochs": variant.epochs,
                "validation": variant.validation,
                "note": variant.note,
            }
            for variant in exercise.documented
        ],
        "trainings": [_training_content(exercise, result) for result in results],
        "rows": [row.to_json() for row in rows],
        "seconds": seconds,
    }


def _training_content(exercise: Exercise, result: Result) -> dict[str, Any]:
    measurement, stored = result.measurement, result.stored
    point = point_of(exercise, result) if stored is not None and measurement.part is Part.FOLDS else None
    return {
        "run_id": stored.run_id if stored else None,
        "variants": measurement.variants,
        "part": str(measurement.part),
        "validation": measurement.validation,
        "as_then": measurement.as_then,
        "configuration": measurement.configuration.parameters(),
        "label": measurement.configuration.label,
        "epochs": measurement.epochs,
        "folds": measurement.folds,
        "repeats": measurement.repeats,
        "seconds": stored.seconds if stored else None,
        "parameters": stored.parameters if stored else None,
        "point": asdict(point) if point else None,
        "failure": result.failure,
    }


def figures_of_weights(metrics: Sequence[str], job: Job, weights: Sequence[Weights]) -> dict[str, list[float]]:
    """The figures that are read off the weights of a job's trained networks, by name, one value a fit.

    Raises
    ------
    UserError
        For a figure that the network, or the task, does not have.
    """
    found: dict[str, list[float]] = {}
    if {"weight", "bias"} & set(metrics):
        found["weight"], found["bias"] = map(list, zip(*_lines(job, weights), strict=True))
    if "label_difference" in metrics:
        found["label_difference"] = _label_differences(job, weights)
    return {name: found[name] for name in metrics if name in found}


def _lines(job: Job, weights: Sequence[Weights]) -> list[tuple[float, float]]:
    """Slope and intercept of each linear network in the units of its inputs: the normalisation is folded back."""
    configuration, dataset = job.configuration, job.dataset
    if configuration.layers or dataset.input_shape != (1,) or dataset.outputs != 1:
        raise UserError(
            "The figures weight and bias are those of one linear unit with one input; this network has hidden layers "
            f"{configuration.layers_text}, {dataset.outputs} outputs and inputs of shape {dataset.input_shape}."
        )
    lines = []
    for fit, (kernel, bias) in zip(job.plan().fits, weights, strict=True):
        offset, scale = float(np.ravel(fit.offset)[0]), float(np.ravel(fit.scale)[0])
        slope = float(np.ravel(kernel)[0]) / scale
        lines.append((slope, float(np.ravel(bias)[0]) - slope * offset))
    return lines


def _label_differences(job: Job, weights: Sequence[Weights]) -> list[float]:
    """Largest difference, over samples, of the cross-entropy with integer and with one-hot labels, on each network.

    Two losses that are equal for every sample have equal gradients, so a training with the one is that with the other.
    """
    import keras

    dataset = job.dataset
    if len(dataset.classes) < 3:
        raise UserError("The figure label_difference needs a classification with three classes or more.")
    plan = job.plan()
    network = plan.build_model()
    differences = []
    for split, fit, of_fit in zip(job.splits, plan.fits, weights, strict=True):
        rows = (split.validation if len(split.validation) else split.train)[:_ROWS]
        network.set_weights(list(of_fit))
        inputs = (dataset.inputs[rows].astype(np.float32) - fit.offset) / fit.scale
        outputs = network(inputs, training=False)
        labels = dataset.targets[rows]
        integer = keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)
        one_hot = keras.losses.categorical_crossentropy(
            keras.ops.one_hot(labels, len(dataset.classes), dtype="float32"), outputs, from_logits=True
        )
        differences.append(float(np.abs(np.asarray(integer) - np.asarray(one_hot)).max()))
    return differences
