"""An exercise: a data set, a family of networks, what to vary, and what the textbook found. Read from YAML."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.datasets.base import DatasetSpec, Task
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.design import DesignPoint, Points, design_points
from pipelines.exercises.own_network import OwnNetwork
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
    *("loss", "accuracy", "crossentropy", "mse", "mae"),
    *("overfitting_epoch", "onset_epoch", "weight", "bias", "chance_accuracy", "label_difference"),
)
MAX_EPOCHS = 100_000


@dataclass(frozen=True)
class Figure:
    """One documented number."""

    #: One of ``FIGURE_METRICS``.
    metric: str
    #: As it was documented.
    value: float
    #: After which epoch it was measured; None: after the last of the variant, or not of an epoch.
    epoch: int | None
    #: On what it was measured: ``train``, ``validation`` or ``test``.
    split: str
    #: What else there is to know.
    note: str = ""
    #: How far ours may lie from it beyond the spread over seeds: half a unit of the last digit given, more for an
    #: "about".
    tolerance: float = 0.0
    #: Whether it is a goal to be reached or passed, and not what a training gave.
    goal: bool = False
    #: Why ours differs, where that is known.
    cause: str = ""


@dataclass(frozen=True)
class Variant:
    """A configuration that the textbook tried."""

    #: Unique within the exercise.
    name: str
    #: The exercise's baseline with the variant's changes.
    configuration: Configuration
    #: As documented; the sweep trains all configurations to the exercise's own epochs.
    epochs: int
    #: How it was validated there: ``kfold`` or ``holdout`` as the exercise has them, or ``none`` (trained on all rows).
    validation: str
    #: What was measured; empty where it is an exercise for the reader.
    figures: tuple[Figure, ...] = ()
    #: What else there is to know.
    note: str = ""
    #: Seeds of its reproduction in place of the usual five: more where the outcome moves much from seed to seed, 1
    #: where a fit takes too long (a sweep then leaves the variant out). None for five.
    repeats: int | None = None
    #: Name of the variant whose figures it tries in another way, since they do not agree as documented; it counts for
    #: no figure of its own. Empty for a variant that is documented.
    explains: str = ""


@dataclass(frozen=True)
class Question:
    """What documented variants let one ask; answered from the seeds of a reproduction."""

    #: The question, or what number is told.
    text: str
    #: Does it do better than ``against``? Where that is empty: how far does the number move from seed to seed?
    variant: str
    #: What is compared, at the end of the training.
    split: str
    metric: str = "accuracy"
    against: str = ""
    #: What else the two differ in, where that is so.
    remark: str = ""


@dataclass(frozen=True)
class Lesson:
    """What an exercise is about, and what it lets one ask."""

    about: str
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Exercise:
    """What a sweep is about."""

    #: Name of the file without its ending.
    name: str
    #: One line for reports.
    title: str
    #: What is learned from, and what is predicted.
    dataset: DatasetSpec
    task: Task
    #: Validation curve that over-fitting is judged on, and whose value at the best epoch the tuner minimises.
    monitor: str
    #: Gives the settings that the space does not vary, and is tried first.
    baseline: Configuration
    #: What is varied.
    space: Space
    #: Each configuration is trained ``folds`` x ``repeats`` times; with a hold-out ``repeats`` times.
    folds: int
    repeats: int
    #: Length of every training. Not tuned: shorter trainings are read off the curve.
    epochs: int
    #: ``kfold`` or ``holdout``.
    validation: str
    #: Rows held out for validation: a share such as ``0.2``, or ``first 10000``.
    holdout: str
    #: What the textbook found.
    documented: tuple[Variant, ...]
    #: The file it was read from.
    path: Path
    #: What it teaches; None where it does not say. It is no part of what a sweep is asked.
    lesson: Lesson | None = None
    #: What is changed about the baseline, one setting at a time, before a tuner is asked; empty for nothing.
    design: Points = field(default_factory=dict)
    #: The user's own function that builds the network; None for networks of ours.
    network: OwnNetwork | None = None

    @property
    def design_points(self) -> tuple[DesignPoint, ...]:
        """The configurations of the design, each once."""
        return design_points(self.design, self.baseline)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits: equal for exercises whose trials are interchangeable.

        Names, notes, documented figures and the design do not enter, nor where a file lies (its content has a hash of
        its own), nor the settings of a validation that is not used.
        """
        kfold = self.validation == "kfold"
        meaning: dict[str, object] = {
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
        if self.network is not None:
            meaning["network"] = [self.network.sha256, self.network.function]
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, default=str).encode()).hexdigest()[:16]
