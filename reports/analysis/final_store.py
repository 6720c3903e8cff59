"""The final model of a sweep as it is read back from the tracking store; nothing else is known of it.

Whatever is missing or cannot be read is left out: a report without some of its pictures is worth more than none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.exercises.configurations import Configuration
from pipelines.tracking import names
from pipelines.tracking.store import store_errors
from reports.analysis.predictions import Predictions
from reports.store import local_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


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


@dataclass(frozen=True, eq=False)
class FinalModel:
    """A final model as recorded.

    Attributes
    ----------
    run_id
        Its MLflow run.
    task, input_kind
        What it predicts, from what: ``image``, ``words`` or ``table``.
    classes, features
        Names; empty for a regression, and for inputs that are no table.
    configuration
        None where what is recorded cannot be read.
    epochs, seed, samples, test_samples
        How it was trained and tested; None where not recorded.
    figures
        What it reached on the test set, by name without ``test/``.
    registered
        ``name``, ``version``, ``alias`` of the registered model; may be empty.
    predictions
        Of all test samples; None where there are none.
    test, train
        Samples that may be shown; None where there are none.
    intervals, validation
        Of each figure a 95 % interval (low, high), and what the sweep measured on validation rows; may be empty.
    texts, train_texts
        Decoded texts by test row, and (class label, text) of some training samples; empty where the inputs are no
        words.
    remark
        Why there are no texts where there should be; else empty.
    """

    run_id: str
    task: Task
    input_kind: str
    classes: tuple[str, ...]
    features: tuple[str, ...]
    configuration: Configuration | None
    epochs: int | None
    seed: int | None
    samples: int | None
    test_samples: int | None
    figures: Mapping[str, float]
    registered: Mapping[str, str]
    predictions: Predictions | None
    test: Samples | None
    train: Samples | None
    intervals: Mapping[str, tuple[float, float]]
    validation: Mapping[str, float]
    texts: Mapping[int, str]
    train_texts: tuple[tuple[int, str], ...]
    remark: str


def read_final(sweep_run_id: str, *, uri: str) -> FinalModel | None:
    """The newest final model that was made from a sweep; None where there is none.

    Raises
    ------
    TrackingError
        When the store does not answer.
    """
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    with store_errors(uri, "Looking for a final model"):
        run = _newest(client, sweep_run_id)
    if run is None:
        return None
    with TemporaryDirectory() as folder:
        files = _Files(client, run, Path(folder))
        record = files.json(names.FINAL_FILE)
        try:
            return _final(run, record, files)
        except (KeyError, ValueError, TypeError):
            return None


def _newest(client: "MlflowClient", sweep_run_id: str) -> "Run | None":
    experiment = client.get_run(sweep_run_id).info.experiment_id
    condition = (
        f"tags.`{names.TAG_KIND}` = '{names.KIND_FINAL}' AND tags.`{names.TAG_FINAL_SWEEP}` = '{sweep_run_id}' "
        "AND attributes.status = 'FINISHED'"
    )
    found = client.search_runs([experiment], condition, order_by=["attributes.start_time DESC"], max_results=1)
    return found[0] if found else None


class _Files:
    """Artifacts of a run, each fetched when it is asked for."""

    def __init__(self, client: "MlflowClient", run: "Run", folder: Path) -> None:
        self._client, self._run, self._folder = client, run, folder

    def path(self, name: str) -> Path | None:
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        if (local := local_folder(self._run.info.artifact_uri)) is not None:
            return local / name if (local / name).is_file() else None
        try:
            return Path(self._client.download_artifacts(self._run.info.run_id, name, str(self._folder)))
        except (OSError, MlflowException, RequestException):
            return None

    def json(self, name: str) -> Mapping[str, Any]:
        path = self.path(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8")) if path else {}
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _final(run: "Run", record: Mapping[str, Any], files: _Files) -> FinalModel:
    task = Task(record["task"])
    classes = tuple(str(name) for name in record.get("classes") or ())
    texts = files.json(names.TEXTS_FILE)
    return FinalModel(
        run_id=run.info.run_id,
        task=task,
        input_kind=str(record.get("input_kind", "")),
        classes=classes,
        features=tuple(str(name) for name in record.get("features") or ()),
        configuration=_configuration(record.get("configuration")),
        epochs=_whole(record.get("epochs")),
        seed=_whole(record.get("seed")),
        samples=_whole(record.get("samples")),
        test_samples=_whole(record.get("test_samples")),
        figures=_figures(record.get("figures")),
        registered={key: str(value) for key, value in (record.get("registered") or {}).items() if value is not None},
        predictions=_predictions(files.path(names.PREDICTIONS_FILE), len(classes) if task.is_classification else 0),
        test=_samples(files.path(names.SAMPLES_FILE), "rows", "inputs", None),
        train=_samples(files.path(names.SAMPLES_FILE), "train_rows", "train_inputs", "train_targets"),
        intervals=_intervals(record.get("intervals")),
        validation=_figures(record.get("validation")),
        texts=_texts(texts.get("texts")),
        train_texts=_labelled(texts, len(classes)),
        remark=str(texts.get("remark") or ""),
    )


def _predictions(path: Path | None, classes: int) -> Predictions | None:
    """A table as ``predictions.parquet`` has it; None where labels and classes do not belong together."""
    import pandas as pd
    from pyarrow import ArrowException

    if path is None:
        return None
    try:
        table = pd.read_parquet(path)
        rows = table["row"].to_numpy(np.int64)
        if not classes:
            targets, said = table["target"].to_numpy(np.float64), table["prediction"].to_numpy(np.float64)
            return Predictions(rows, targets, said, None) if len(rows) else None
        true, labels = table["target"].to_numpy(np.int64), table["prediction"].to_numpy(np.int64)
        probabilities = table[[f"p_{label}" for label in range(classes)]].to_numpy(np.float64)
    except (OSError, ValueError, KeyError, ArrowException):
        return None
    if not len(rows) or any(column.min() < 0 or column.max() >= classes for column in (true, labels)):
        return None
    return Predictions(rows, true, labels, np.nan_to_num(probabilities))


def _samples(path: Path | None, rows: str, inputs: str, targets: str | None) -> Samples | None:
    from zipfile import BadZipFile

    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = Samples(arrays[rows].astype(np.int64), arrays[inputs], arrays[targets] if targets else None)
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
    lengths = {len(found.rows), len(found.inputs), len(found.rows if found.targets is None else found.targets)}
    return found if len(lengths) == 1 and len(found.rows) else None


def _figures(content: object) -> dict[str, float]:
    """Finite numbers by name without ``test/``."""
    found = content if isinstance(content, dict) else {}
    return {
        str(name).removeprefix("test/"): float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and isfinite(value)
    }


def _intervals(content: object) -> dict[str, tuple[float, float]]:
    pairs = content if isinstance(content, dict) else {}
    lows, highs = ({name: pair[end] for name, pair in pairs.items() if len(pair) == 2} for end in (0, 1))
    low, high = _figures(lows), _figures(highs)
    return {name: (low[name], high[name]) for name in low if name in high}


def _texts(content: object) -> dict[int, str]:
    texts = content if isinstance(content, dict) else {}
    return {int(row): str(text) for row, text in texts.items() if str(row).isdecimal()}


def _labelled(content: Mapping[str, Any], classes: int) -> tuple[tuple[int, str], ...]:
    """Training texts with their labels, in the order of the labels' own list."""
    texts, targets = _texts(content.get("train_texts")), content.get("train_targets")
    labels = targets if isinstance(targets, dict) else {}
    known = ((int(row), label) for row, label in labels.items() if str(row).isdecimal() and isinstance(label, int))
    return tuple((label, texts[row]) for row, label in known if row in texts and 0 <= label < classes)


def _configuration(parameters: object) -> Configuration | None:
    try:
        return Configuration.from_parameters({str(k): str(v) for k, v in dict(parameters).items()})  # type: ignore[call-overload]
    except (TypeError, ValueError, KeyError):
        return None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
