"""An exercise: a data set, a family of networks, what to vary, and what the textbook found. Read from YAML."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pipelines.datasets.base import DatasetSpec, Task
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.spaces import Space

#: Validation curves that over-fitting can be judged on; ``val_loss`` is comparable only where the loss does not vary.
MONITORS = {
    Task.BINARY: ("val_loss", "val_crossentropy"),
    Task.MULTICLASS: ("val_loss", "val_crossentropy"),
    Task.REGRESSION: ("val_loss", "val_mse", "val_mae"),
}
SPLITS = ("train", "validation", "test")
#: What a documented figure may be of: curves, over-fitting points in epochs, the two weights of a linear network,
#: the accuracy of a guess, and how far a loss of integer labels is from that of one-hot labels.
FIGURE_METRICS = (
    "loss",
    "accuracy",
    "crossentropy",
    "mse",
    "mae",
    "overfitting_epoch",
    "onset_epoch",
    "weight",
    "bias",
    "chance_accuracy",
    "label_difference",
)
MAX_EPOCHS = 100_000


@dataclass(frozen=True)
class Figure:
    """One documented number.

    Attributes
    ----------
    metric
        One of ``FIGURE_METRICS``.
    value
        As it was documented.
    epoch
        After which epoch it was measured; None: after the last of the variant, or not of an epoch.
    split
        On what it was measured: ``train``, ``validation`` or ``test``.
    note
        What else there is to know.
    tolerance
        How far ours may lie from it beyond the spread over seeds: half a unit of the last digit given, more for an
        "about".
    goal
        Whether it is a goal to be reached or passed, and not what a training gave.
    cause
        Why ours differs, where that is known.
    """

    metric: str
    value: float
    epoch: int | None
    split: str
    note: str = ""
    tolerance: float = 0.0
    goal: bool = False
    cause: str = ""


@dataclass(frozen=True)
class Variant:
    """A configuration that the textbook tried.

    Attributes
    ----------
    name
        Unique within the exercise.
    configuration
        The exercise's baseline with the variant's changes.
    epochs
        As documented; the sweep trains all configurations to the exercise's own epochs.
    validation
        How it was validated there: ``kfold`` or ``holdout`` as the exercise has them, or ``none`` (trained on all
        rows).
    figures
        What was measured; empty where it is an exercise for the reader.
    note
        What else there is to know.
    repeats
        Seeds of its reproduction in place of the usual five: more where the outcome moves much from seed to seed, 1
        where a fit takes too long (a sweep then leaves the variant out). None for five.
    explains
        Name of the variant whose figures it tries in another way, since they do not agree as documented; it counts for
        no figure of its own. Empty for a variant that is documented.
    """

    name: str
    configuration: Configuration
    epochs: int
    validation: str
    figures: tuple[Figure, ...] = ()
    note: str = ""
    repeats: int | None = None
    explains: str = ""


@dataclass(frozen=True)
class Question:
    """What documented variants let one ask; answered from the seeds of a reproduction.

    Attributes
    ----------
    text
        The question, or what number is told.
    variant, against
        Does the one do better than the other? Empty ``against``: how far does the number move from seed to seed?
    split, metric
        What is compared, at the end of the training.
    remark
        What else the two differ in, where that is so.
    """

    text: str
    variant: str
    split: str
    metric: str = "accuracy"
    against: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Lesson:
    """What an exercise is about, and what it lets one ask."""

    about: str
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Exercise:
    """What a sweep is about.

    Attributes
    ----------
    name
        Name of the file without its ending.
    title
        One line for reports.
    dataset, task
        What is learned from, and what is predicted.
    monitor
        Validation curve that over-fitting is judged on, and whose value at the best epoch the tuner minimises.
    baseline
        Gives the settings that the space does not vary, and is tried first.
    space
        What is varied.
    folds, repeats
        Each configuration is trained ``folds`` x ``repeats`` times; with a hold-out ``repeats`` times.
    epochs
        Length of every training. Not tuned: shorter trainings are read off the curve.
    validation
        ``kfold`` or ``holdout``.
    holdout
        Rows held out for validation: a share such as ``0.2``, or ``first 10000``.
    documented
        What the textbook found.
    path
        The file it was read from.
    lesson
        What it teaches; None where it does not say. It is no part of what a sweep is asked.
    """

    name: str
    title: str
    dataset: DatasetSpec
    task: Task
    monitor: str
    baseline: Configuration
    space: Space
    folds: int
    repeats: int
    epochs: int
    validation: str
    holdout: str
    documented: tuple[Variant, ...]
    path: Path
    lesson: Lesson | None = None

    @property
    def digest(self) -> str:
        """16 hexadecimal digits: equal for exercises whose trials are interchangeable.

        Names, notes and documented figures do not enter, nor where a file lies (its content has a hash of its own),
        nor the settings of a validation that is not used.
        """
        kfold = self.validation == "kfold"
        meaning = {
            "dataset": [self.dataset.source, self.dataset.name if self.dataset.source != "file" else ""],
            "options": {key: value for key, value in self.dataset.options.items() if key not in ("path", "test")},
            "task": self.task,
            "monitor": self.monitor,
            "baseline": self.baseline.hash,
            "space": self.space.digest,
            "validation": ["kfold", self.folds] if kfold else ["holdout", self.holdout],
            "repeats": self.repeats,
            "epochs": self.epochs,
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, default=str).encode()).hexdigest()[:16]
