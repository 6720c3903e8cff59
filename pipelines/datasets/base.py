"""What a data set is to the rest of the pipeline: which one is asked for, and the compact arrays it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Task(StrEnum):
    """The kind of prediction; it fixes the output layer, the losses on offer and the metrics."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        """Whether the targets are class labels."""
        return self is not Task.REGRESSION


@dataclass(frozen=True)
class DatasetSpec:
    """Which data set an exercise asks for.

    Attributes
    ----------
    source
        Where it comes from: ``keras``, ``tfds``, ``sklearn``, ``formula`` or ``file``.
    name
        Its name within the source, for example ``reuters``; for a file the name it goes by in reports.
    options
        Settings of the source, for example ``{"words": 10000}``; each source's module lists its own.
    """

    source: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """A data set in its compact form, as it is kept on the device and cast a batch at a time.

    Attributes
    ----------
    name
        Name of the data set, for example ``reuters``.
    task
        What is predicted.
    inputs
        Training inputs, shape (samples, *features): uint8 for images and multi-hot words, float32 for tables.
        May be a read-only memory map.
    targets
        Training targets, shape (samples,): int32 class labels, or values of a regression, float32 or, where that has
        too few digits for them, float64.
    test_inputs, test_targets
        The test split in the same form; empty (0 samples) where the source has none. Touched by the final model only.
    classes
        Name of each class in label order; empty for a regression.
    features
        Name of each input column of a table; empty for images and words.
    sha256
        Hash of the content of the source, the key of the cache and of the sweep's identity.
    source
        Where it was read from, in words that may be logged (no secrets).
    details
        Anything worth recording: vocabulary size, encoded categories, number of imputed values.
    groups
        Number of each training sample's group (one person, one machine), int32, shape (samples,): samples of one group
        stay in one fold. None for no groups.
    times
        Place in time of each training sample, int32, shape (samples,), equal ones at the same time: a fold is validated
        on what comes after its training samples. None where there is no order.
    encoding
        How the rows of a user's file become inputs and targets, as plain data (JSON) that travels with the final model;
        empty for other sources.
    warnings
        What may be wrong with the data, a sentence each, for the terminal and the page.
    """

    name: str
    task: Task
    inputs: NDArray[Any]
    targets: NDArray[Any]
    test_inputs: NDArray[Any]
    test_targets: NDArray[Any]
    classes: tuple[str, ...]
    features: tuple[str, ...]
    sha256: str
    source: str
    details: dict[str, str] = field(default_factory=dict)
    groups: NDArray[np.int32] | None = None
    times: NDArray[np.int32] | None = None
    encoding: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """Number of training samples."""
        return len(self.inputs)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch axis."""
        return tuple(self.inputs.shape[1:])

    @property
    def outputs(self) -> int:
        """Units of the output layer: one a class, but 1 for a binary classification and for a regression."""
        return len(self.classes) if self.task is Task.MULTICLASS else 1

    @property
    def class_shares(self) -> dict[str, float]:
        """Share of the training samples that is of each class, by its name; empty for a regression."""
        if not self.task.is_classification:
            return {}
        counts = np.bincount(self.targets, minlength=len(self.classes))
        return dict(zip(self.classes, (counts / max(len(self.targets), 1)).tolist(), strict=True))
