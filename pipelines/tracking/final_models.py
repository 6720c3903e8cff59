"""Final models as they are recorded, and read back from the tracking store; nothing else is known of them.

Whatever is missing or cannot be read is left out: a report without some of its pictures is worth more than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.exercises.configurations import Configuration
from pipelines.tracking import names
from pipelines.tracking.reading import read_artifact, read_json
from pipelines.tracking.runs import search
from pipelines.tracking.store import store_client
from pipelines.tracking.sweeps import from_plain
from pipelines.tracking.trials import FINISHED

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a final model said of n test samples.

    Attributes
    ----------
    rows
        Which row of the test set each is, shape (n,).
    targets, predictions
        Labels (int64) or values (float64), shape (n,).
    probabilities
        Of the classes, shape (n, classes), rows sum to 1; None for a regression.
    """

    rows: Ints
    targets: NDArray[np.generic]
    predictions: NDArray[np.generic]
    probabilities: Floats | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which labels are wrong, shape (n,); for a regression every prediction is, more or less."""
        if self.probabilities is None:
            return np.ones(len(self), np.bool_)
        return np.asarray(self.targets != self.predictions)

    @property
    def residuals(self) -> Floats:
        """Predicted minus true value of a regression, shape (n,)."""
        return np.asarray(self.predictions, np.float64) - np.asarray(self.targets, np.float64)

    @property
    def confidence(self) -> Floats:
        """Probability of the class that was predicted, shape (n,)."""
        if self.probabilities is None:
            raise ValueError("a regression has no confidence")
        return self.probabilities[np.arange(len(self)), self.predictions.astype(np.int64)]

    def worst(self) -> Ints:
        """Positions of the mistakes, the worst first: the most confident, or furthest off; equal ones in test order.

        >>> shares = np.array([[0.2, 0.8], [0.4, 0.6], [0.1, 0.9]])
        >>> Predictions(np.arange(3), np.array([0, 0, 1]), np.array([1, 1, 1]), shares).worst()
        array([0, 1])
        """
        size = np.abs(self.residuals) if self.probabilities is None else self.confidence
        mistakes = np.flatnonzero(self.wrong & np.isfinite(size))
        return mistakes[np.lexsort((self.rows[mistakes], -size[mistakes]))]

    def positions(self, rows: Ints) -> dict[int, int]:
        """Where each of some test rows lies in these arrays; rows without a prediction are left out."""
        at = {int(row): position for position, row in enumerate(self.rows)}
        return {int(row): at[int(row)] for row in rows if int(row) in at}


@dataclass(frozen=True, eq=False)
class Samples:
    """Some samples that may be shown, with the data set's row that each is.

    Attributes
    ----------
    rows
        Shape (n,).
    inputs
        Images, shape (n, height, width, channels), or a table's rows, shape (n, columns).
    targets
        Labels or values, shape (n,); None where the predictions have them.
    """

    rows: NDArray[np.int64]
    inputs: NDArray[Any]
    targets: NDArray[Any] | None = None


@dataclass(frozen=True)
class _Texts:
    """What ``samples.json`` says: texts by row, labels of the training texts, and why there are none."""

    texts: Mapping[str, str] = field(default_factory=dict)
    train_texts: Mapping[str, str] = field(default_factory=dict)
    train_targets: Mapping[str, int] = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class FinalRecord:
    """What ``final.json`` says of a final model; empty or None where not recorded.

    Attributes
    ----------
    exercise, title, sweep, data_sha256
        What it is made from.
    task, input_kind
        What it predicts, from what: ``image``, ``words`` or ``table``.
    classes, features
        Names; empty for a regression, and for inputs that are no table.
    configuration, epochs, seed, samples, test_samples
        How it was trained and tested.
    figures, intervals
        What it reached on the test set, by name, and of each figure a 95 % interval (low, high).
    validation
        What the sweep measured on validation rows, by the same names.
    guessing
        What the best constant prediction of the training rows comes to on the test set, by the same names.
    majority
        The commonest class of the training rows, which the accuracy of guessing is that of.
    registered
        ``name``, ``version``, ``alias`` of the registered model.
    """

    exercise: str = ""
    title: str = ""
    task: Task
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    sweep: str = ""
    configuration: Configuration | None = None
    epochs: int | None = None
    seed: int | None = None
    samples: int | None = None
    test_samples: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    guessing: Mapping[str, float] = field(default_factory=dict)
    majority: str = ""
    data_sha256: str = ""
    registered: Mapping[str, Any] = field(default_factory=dict)
    input_kind: str = ""

    def to_json(self) -> dict[str, Any]:
        """The content of ``final.json``."""
        return asdict(self) | {
            "configuration": self.configuration.parameters() if self.configuration else {},
            "figures": {f"test/{name}": value for name, value in self.figures.items()},
            "intervals": {f"test/{name}": pair for name, pair in self.intervals.items()},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FinalRecord:
        """The record that ``to_json`` wrote; raises ``ValueError`` where it does not say what is predicted."""
        record: FinalRecord = from_plain(cls, {**content, "configuration": None}, lenient=True)
        return replace(
            record,
            configuration=_configuration(content.get("configuration")),
            figures=_finite(record.figures),
            intervals={
                name.removeprefix("test/"): pair for name, pair in record.intervals.items() if all(map(isfinite, pair))
            },
            validation=_finite(record.validation),
            guessing=_finite(record.guessing),
            registered={key: str(value) for key, value in record.registered.items() if value is not None},
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class FinalModel(FinalRecord):
    """A final model as recorded, with its files.

    Attributes
    ----------
    run_id
        Its MLflow run.
    predictions
        Of all test samples; None where there are none.
    test, train
        Samples that may be shown; None where there are none.
    texts, train_texts
        Decoded texts by test row, and (class label, text) of some training samples; empty where the inputs are no
        words.
    remark
        Why there are no texts where there should be; else empty.
    """

    run_id: str
    predictions: Predictions | None
    test: Samples | None
    train: Samples | None
    texts: Mapping[int, str]
    train_texts: tuple[tuple[int, str], ...]
    remark: str


def read_final(sweep_run_id: str, *, uri: str) -> FinalModel | None:
    """The newest final model that was made from a sweep; None where there is none, or where it cannot be read.

    ``TrackingError`` is raised when the store does not answer.
    """
    with store_client(uri, "Looking for a final model") as client:
        experiment = client.get_run(sweep_run_id).info.experiment_id
        tags = {names.TAG_KIND: names.KIND_FINAL, names.TAG_FINAL_SWEEP: sweep_run_id}
        finals = search(client, [experiment], tags, status=FINISHED)
    if not finals:
        return None
    run = finals[-1]

    def file(name: str, read: Callable[[Path], _T]) -> _T | None:
        return read_artifact(name, read, run_id=run.info.run_id, uri=uri, place=run.info.artifact_uri)

    record = file(names.FINAL_FILE, lambda path: FinalRecord.from_json(read_json(path)))
    if record is None:
        return None
    classes = len(record.classes) if record.task.is_classification else 0
    texts: _Texts = from_plain(_Texts, file(names.TEXTS_FILE, read_json) or {}, lenient=True)
    return FinalModel(
        **vars(record),
        run_id=run.info.run_id,
        predictions=file(names.PREDICTIONS_FILE, lambda path: _predictions(path, classes)),
        test=file(names.SAMPLES_FILE, lambda path: _samples(path, "", with_targets=False)),
        train=file(names.SAMPLES_FILE, lambda path: _samples(path, "train_", with_targets=True)),
        texts={int(row): text for row, text in texts.texts.items()},
        train_texts=tuple(
            (label, texts.train_texts[row])
            for row, label in texts.train_targets.items()
            if row in texts.train_texts and 0 <= label < len(record.classes)
        ),
        remark=texts.remark,
    )


def _predictions(path: Path, classes: int) -> Predictions | None:
    """A table as ``predictions.parquet`` has it; None where labels and classes do not belong together."""
    import pandas as pd

    table = pd.read_parquet(path)
    rows = table["row"].to_numpy(np.int64)
    if not classes:
        targets, predicted = table["target"].to_numpy(np.float64), table["prediction"].to_numpy(np.float64)
        return Predictions(rows, targets, predicted, None) if len(rows) else None
    true, labels = table["target"].to_numpy(np.int64), table["prediction"].to_numpy(np.int64)
    probabilities = table[[f"p_{label}" for label in range(classes)]].to_numpy(np.float64)
    if not len(rows) or any(column.min() < 0 or column.max() >= classes for column in (true, labels)):
        return None
    return Predictions(rows, true, labels, np.nan_to_num(probabilities))


def _samples(path: Path, prefix: str, *, with_targets: bool) -> Samples | None:
    with np.load(path, allow_pickle=False) as arrays:
        targets = arrays[f"{prefix}targets"] if with_targets else None
        found = Samples(arrays[f"{prefix}rows"].astype(np.int64), arrays[f"{prefix}inputs"], targets)
    lengths = {len(found.rows), len(found.inputs), len(found.rows if found.targets is None else found.targets)}
    return found if len(lengths) == 1 and len(found.rows) else None


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    """Finite numbers by name without ``test/``."""
    return {name.removeprefix("test/"): float(value) for name, value in figures.items() if isfinite(value)}


def _configuration(parameters: object) -> Configuration | None:
    """A configuration as ``Configuration.parameters`` has it; None where it cannot be read."""
    try:
        return Configuration.from_parameters({str(k): str(v) for k, v in dict(parameters).items()})  # type: ignore[call-overload]
    except (TypeError, ValueError, KeyError):
        return None
