"""What has to be trained so that every documented figure of an exercise is measured as it was documented.

A documented variant names its split. Each part of it that a figure asks for is one measurement: all seeds of it are
trained as one job, and variants that ask for the same training share it.

The test rows come into it in one way only: to measure a documented test figure, they are the validation rows of a
training whose own rows are all of the training data (``splits_of``). A training never sees its validation rows, the
normalisation is fitted on the training rows, nothing is chosen by what comes out, and of the curve over epochs only
the documented epoch is kept (``documented_epochs_only``).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset, Task
from pipelines.datasets.folds import Split, make_splits
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import Exercise, Figure, Variant

#: Figures read off a trained network, and those that need no training.
OF_WEIGHTS = ("weight", "bias", "label_difference")
OF_LABELS = ("chance_accuracy",)
OF_EPOCHS = ("overfitting_epoch", "onset_epoch")
#: Optimizer of today's Keras -> as it was in the textbook's version: see ``pipelines.networks.models.build_optimizer``.
OPTIMIZERS_THEN = {"rmsprop": "rmsprop_keras2"}
#: Seeds of a variant, where it does not ask for another number.
USUAL_REPEATS = 5
#: Times that the k folds are cut anew for the interval of an over-fitting point, where the textbook held rows out: k
#: folds then cost k times what it did. Where it had k folds itself, as often as there are seeds.
FOLD_REPEATS = 2


class Part(StrEnum):
    """Which rows a training is measured on."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"
    FOLDS = "folds"


@dataclass(frozen=True)
class Asked:
    """One row of the comparison: what is to be measured, and the figure that was documented, if one was."""

    variant: Variant
    metric: str
    split: str
    epoch: int
    figure: Figure | None = None


@dataclass(frozen=True)
class Measurement:
    """One job: a configuration, all its seeds, and the rows that it is measured on.

    Attributes
    ----------
    variants
        Names of the documented variants that it serves.
    validation
        How the variant was validated: ``none``, ``holdout`` or ``kfold``; its training rows follow from it.
    as_then
        Whether the optimizer is the one that the textbook's version of Keras had; true where both are the same.
    keep_weights
        Whether a figure is read off the weights.
    """

    variants: tuple[str, ...]
    configuration: Configuration
    part: Part
    validation: str
    epochs: int
    folds: int
    repeats: int
    as_then: bool
    keep_weights: bool = False

    @property
    def fits(self) -> int:
        """Models that are trained."""
        return self.folds * self.repeats

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for trainings that are one and the same."""
        validation = "kfold" if self.part is Part.FOLDS else self.validation
        return (self.configuration.hash, self.part, validation, self.epochs, self.folds, self.repeats)

    def identity(self, exercise: Exercise, dataset: Dataset, *, seed: int, backend: str, weights: str = "") -> str:
        """Hash of all that its result depends on: a training with the same one need not be done again.

        ``weights`` is the sha256 of its backbone's weights; empty where it has none.
        """
        holdout = exercise.holdout if self.validation == "holdout" else ""
        parts = [*self.key, holdout, self.keep_weights, dataset.sha256, str(dataset.task), seed, backend]
        parts += [weights] if weights else []
        parts += [exercise.network.sha256, exercise.network.function] if exercise.network else []
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """For displays and the name of its run."""
        rows = {Part.FOLDS: f"{self.folds} folds"}.get(self.part, str(self.part))
        return f"{', '.join(self.variants)}: {rows}" + ("" if self.as_then else ", Keras 3")


def asked_for(variant: Variant, task: Task) -> tuple[Asked, ...]:
    """Every figure of a variant; of one without figures its accuracy (regression: mean absolute error) at the end.

    Without a figure the rows are those that the other figures of such exercises are of: the test rows where nothing
    was held out, else the validation rows.
    """
    if variant.figures:
        return tuple(
            Asked(variant, figure.metric, figure.split, figure.epoch or variant.epochs, figure=figure)
            for figure in variant.figures
        )
    metric = "accuracy" if task.is_classification else "mae"
    return (Asked(variant, metric, "test" if variant.validation == "none" else "validation", variant.epochs),)


def part_of(asked: Asked) -> Part | None:
    """The part of the variant that an asked figure is read off; None where it needs no training."""
    if asked.metric in OF_LABELS:
        return None
    if asked.split == "test":
        return Part.TEST
    if asked.variant.validation != "none":
        return Part.VALIDATION
    tested = any(figure.split == "test" and figure.metric not in OF_LABELS for figure in asked.variant.figures)
    # The training curve is the same whatever is measured beside it.
    return Part.TEST if tested and asked.metric not in OF_WEIGHTS else Part.TRAINING


def optimizers_of(variant: Variant) -> tuple[tuple[Configuration, bool], ...]:
    """The variant's configuration with the optimizer as Keras had it then, and, where that differs, as it is today.

    Without a figure to compare there is today's alone; where a fit takes so long that the variant asks for one
    seed, or the variant only explains another, the one of then alone.
    """
    then = OPTIMIZERS_THEN.get(variant.configuration.optimizer)
    if then is None or not variant.figures:
        return ((variant.configuration, True),)
    as_then = (replace(variant.configuration, optimizer=then), True)
    if variant.repeats == 1 or variant.explains:
        return (as_then,)
    return (as_then, (variant.configuration, False))


def plan_measurements(exercise: Exercise, *, repeats: int, folds: int | None = None) -> tuple[Measurement, ...]:
    """Every training that the documented variants of an exercise need, each once.

    Parameters
    ----------
    repeats
        Seeds of a variant that names no number; a number of its own is scaled along.
    folds
        k of the interval of an over-fitting point; None for the exercise's own.

    Raises
    ------
    UserError
        For a test figure of a variant that was validated on k folds.
    """
    found: dict[tuple[object, ...], Measurement] = {}
    for variant in exercise.documented:
        for new in _of_variant(exercise, variant, repeats, folds):
            same = found.get(new.key, new)
            found[new.key] = replace(
                same,
                variants=tuple(dict.fromkeys(same.variants + new.variants)),
                keep_weights=same.keep_weights or new.keep_weights,
            )
    return tuple(found.values())


def splits_of(measurement: Measurement, exercise: Exercise, dataset: Dataset, *, seed: int) -> tuple[Split, ...]:
    """The rows of a measurement's fits, repeat-major; test rows are numbered as ``with_test_rows`` has them.

    The k folds of a variant are cut as the textbook cuts them, in the order of the rows, the same for every seed; those
    of an interval (``Part.FOLDS``) are shuffled and cut anew in every repeat.

    Raises
    ------
    UserError
        Where the data set has no test rows to measure on, or cannot be split so.
    """
    rows = np.arange(dataset.samples, dtype=np.int32)
    if measurement.part is Part.FOLDS or measurement.validation == "holdout":
        kind = "kfold" if measurement.part is Part.FOLDS else "holdout"
        splits = make_splits(
            dataset.targets,
            dataset.task,
            validation=kind,
            folds=measurement.folds,
            repeats=measurement.repeats,
            seed=seed,
            holdout=exercise.holdout,
            classes=dataset.classes,
        )
    elif measurement.validation == "kfold":
        splits = contiguous_folds(rows, measurement.folds, measurement.repeats)
    else:
        splits = tuple(Split(repeat, 0, rows, rows[:0]) for repeat in range(measurement.repeats))
    if measurement.part is Part.TEST:
        if not len(dataset.test_inputs):
            raise UserError(
                f"Data set {dataset.name} has no test rows, so its documented test figures cannot be measured."
            )
        test_rows = np.arange(dataset.samples, dataset.samples + len(dataset.test_inputs), dtype=np.int32)
        return tuple(replace(split, validation=test_rows) for split in splits)
    if measurement.part is Part.TRAINING:
        return tuple(replace(split, validation=rows[:0]) for split in splits)
    return splits


def contiguous_folds(rows: NDArray[np.int32], folds: int, repeats: int) -> tuple[Split, ...]:
    """k folds of neighbouring rows."""
    if folds > len(rows):
        raise UserError(f"There are {len(rows)} samples for {folds} folds; allowed: 2 to {len(rows)} folds.")
    cut = np.array_split(rows, folds)
    return tuple(
        Split(repeat, fold, np.setdiff1d(rows, held), held)
        for repeat in range(repeats)
        for fold, held in enumerate(cut)
    )


def with_test_rows(dataset: Dataset) -> Dataset:
    """The data set with its test rows behind the training rows."""
    return replace(
        dataset,
        inputs=np.concatenate([dataset.inputs, dataset.test_inputs]),
        targets=np.concatenate([dataset.targets, dataset.test_targets]),
    )


def documented_epochs_only(
    curves: Mapping[str, NDArray[np.float32]], epochs: Sequence[int]
) -> dict[str, NDArray[np.float32]]:
    """The curves of a training on the test rows, without what they were at other than the documented epochs (from 1).

    Curves are (fits, epochs); those of the test rows have names that begin with ``val_``, and with ``test_`` in turn.
    """
    kept = {}
    for name, curve in curves.items():
        if name.startswith("val_"):
            documented = np.isin(np.arange(1, curve.shape[1] + 1), epochs)
            kept[name.replace("val_", "test_", 1)] = np.where(documented, curve, np.float32(np.nan))
        else:
            kept[name] = curve
    return kept


def asked_of(exercise: Exercise, measurement: Measurement) -> list[Asked]:
    """Everything that is asked for by the variants of a measurement, whatever it is read off."""
    variants = [variant for variant in exercise.documented if variant.name in measurement.variants]
    return [asked for variant in variants for asked in asked_for(variant, exercise.task)]


def test_epochs(exercise: Exercise, measurement: Measurement) -> tuple[int, ...]:
    """Epochs at which the variants of a measurement document a test figure, or, without figures, end."""
    asked = asked_of(exercise, measurement)
    return tuple(sorted({each.epoch for each in asked if each.split == "test" and each.metric not in OF_LABELS}))


def _of_variant(exercise: Exercise, variant: Variant, repeats: int, folds: int | None) -> Iterator[Measurement]:
    """The parts of a variant, with each optimizer."""
    asked = asked_for(variant, exercise.task)
    wanted = {part for entry in asked if (part := part_of(entry)) is not None}
    if any(entry.metric in OF_EPOCHS for entry in asked):
        wanted.add(Part.FOLDS)
    if Part.TEST in wanted and variant.validation == "kfold":
        raise UserError(
            f"Variant {variant.name!r} of exercise {exercise.name} documents a test figure of a training on k folds; "
            "allowed with test figures: validation none or holdout."
        )
    # The variant's own number is that of the usual five.
    seeds = max(1, round((variant.repeats or USUAL_REPEATS) * repeats / USUAL_REPEATS))
    for (configuration, as_then), part in product(optimizers_of(variant), Part):
        if part not in wanted:
            continue
        of_folds, on_folds = part is Part.FOLDS, variant.validation == "kfold"
        k = (folds or exercise.folds) if of_folds else exercise.folds if on_folds else 1
        yield Measurement(
            variants=(variant.name,),
            configuration=configuration,
            part=part,
            validation=variant.validation,
            epochs=variant.epochs,
            folds=k,
            repeats=min(seeds, FOLD_REPEATS) if of_folds and not on_folds else seeds,
            as_then=as_then,
            keep_weights=any(entry.metric in OF_WEIGHTS and part_of(entry) is part for entry in asked),
        )
