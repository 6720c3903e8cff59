"""What a final model leaves behind for the report: every prediction, and the samples that are worth looking at."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets import Dataset, DatasetSpec, Task
from pipelines.datasets.sources.texts import decoded_texts, has_texts
from pipelines.final.evaluation import Evaluation
from pipelines.tracking import names

FIRST, WORST, CLOSE, LABELLED = 15, 24, 10, 25


@dataclass(frozen=True, eq=False)
class Shown:
    """Rows whose inputs are kept: of the test split, and of the training split."""

    test: NDArray[np.int64]
    train: NDArray[np.int64]


def input_kind(spec: DatasetSpec, dataset: Dataset) -> str:
    """``words``, ``image`` (samples of two axes, or of three with 1, 3 or 4 channels) or ``table``."""
    if has_texts(spec):
        return "words"
    shape = dataset.input_shape
    return "image" if len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)) else "table"


def rows_to_show(dataset: Dataset, evaluation: Evaluation | None) -> Shown:
    """The first test rows, the worst mistakes, the closest ones; and labelled training rows, spread over the classes.

    The worst mistake of a classification is the wrong label that the model was surest of, the closest the one it was
    least sure of; of a regression the largest error, with further rows drawn at random in place of close ones.
    """
    test = np.empty(0, np.int64)
    if evaluation is not None:
        ranked = _mistakes(evaluation)
        worst, rest = ranked[:WORST], ranked[WORST:]
        if evaluation.probabilities is None:
            rest = np.random.default_rng(0).permutation(rest)
        chosen = [np.arange(min(FIRST, len(evaluation.targets))), worst, rest[::-1][:CLOSE]]
        test = np.fromiter(dict.fromkeys(np.concatenate(chosen).tolist()), np.int64)
    return Shown(test, _spread(dataset.targets, dataset.task))


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    """A row a test sample: ``row``, ``target``, ``prediction``, and for a classification ``p_0``, ``p_1``, ..."""
    import pyarrow
    from pyarrow import parquet

    columns: dict[str, NDArray[Any]] = {
        "row": np.arange(len(evaluation.targets), dtype=np.int32),
        "target": evaluation.targets,
        "prediction": evaluation.predictions,
    }
    if evaluation.probabilities is not None:
        columns |= {f"p_{label}": column for label, column in enumerate(evaluation.probabilities.T)}
    parquet.write_table(pyarrow.table({name: np.ascontiguousarray(column) for name, column in columns.items()}), path)


def write_samples(folder: Path, spec: DatasetSpec, dataset: Dataset, shown: Shown, *, data_dir: Path | None) -> str:
    """``samples.npz`` with inputs, images as (n, height, width, channels); for words ``samples.json`` with texts.

    Returns
    -------
    Why there are no texts where there should be; else empty.
    """
    targets = dataset.targets[shown.train]
    if has_texts(spec):
        texts, remark = decoded_texts(spec, shown.test, "test", data_dir=data_dir)
        train_texts = {} if remark else decoded_texts(spec, shown.train, "train", data_dir=data_dir)[0]
        content: Mapping[str, Any] = {
            "texts": texts,
            "train_texts": train_texts,
            "train_targets": dict(zip(map(str, shown.train.tolist()), targets.tolist(), strict=True)),
            "remark": remark,
        }
        (folder / names.TEXTS_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
        return remark
    is_image = input_kind(spec, dataset) == "image"
    np.savez_compressed(
        folder / names.SAMPLES_FILE,
        rows=shown.test,
        inputs=_taken(dataset.test_inputs, shown.test, is_image),
        train_rows=shown.train,
        train_inputs=_taken(dataset.inputs, shown.train, is_image),
        train_targets=targets,
    )
    return ""


def _mistakes(evaluation: Evaluation) -> NDArray[np.int64]:
    """Test rows that were wrong, the worst first; of a regression all rows."""
    if evaluation.probabilities is None:
        return np.argsort(-np.abs(evaluation.predictions - evaluation.targets), kind="stable")
    confidence = evaluation.probabilities.max(axis=1)
    wrong = np.flatnonzero(evaluation.predictions != evaluation.targets)
    return wrong[np.argsort(-confidence[wrong], kind="stable")]


def _spread(targets: NDArray[Any], task: Task) -> NDArray[np.int64]:
    """Training rows: the first of every class, then the second, ...; of a regression evenly over the values."""
    count = min(LABELLED, len(targets))
    if not task.is_classification:
        return np.sort(np.argsort(targets, kind="stable")[np.linspace(0, len(targets) - 1, count).round().astype(int)])
    place = np.empty(len(targets), np.int64)  # of each row within its class
    for label in np.unique(targets):
        rows = np.flatnonzero(targets == label)
        place[rows] = np.arange(len(rows))
    return np.lexsort((targets, place))[:count]


def _taken(inputs: NDArray[Any], rows: NDArray[np.int64], is_image: bool) -> NDArray[Any]:
    taken = np.asarray(inputs[rows])
    return taken[..., np.newaxis] if is_image and taken.ndim == 3 else taken
