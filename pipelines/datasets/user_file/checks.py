"""What may be wrong with the data of a user, said before anything is trained: a sentence for each finding.

- A column that alone predicts the target almost perfectly may be known only after it (a leak).
- Rows that are there twice fall into different folds, so that validation rows have been trained on.
- Few rows for the classes, more inputs than rows, one class that is most of the rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.datasets.user_file.encoding import dates_of, numbers_of, places_of
from pipelines.words import counted, listed

ALMOST_PERFECT = 0.99  # of the balanced accuracy, or of R2
SAMPLE_ROWS, FEWEST_ROWS = 5000, 20
ROWS_PER_CLASS = 10
LARGE_SHARE = 0.8  # of the largest class
DOUBLE_SHARE = 0.01  # so many doubles are there by chance
_BINS, _WORTH_A_TREE = 64, 0.8
_SHOWN = 3


def count_doubles(inputs: NDArray[Any], targets: NDArray[Any]) -> int:
    """How many rows have inputs, shape (rows, *features), and target of an earlier row.

    One column after the other is compared, and only of rows that have been the same so far: of most tables few.

    >>> count_doubles(np.array([[1, 2], [1, 2], [3, 2]], np.uint8), np.array([0, 0, 0], np.int32))
    1
    """
    flat = inputs.reshape(len(inputs), -1)
    rows, groups = np.arange(len(flat)), _bits(targets).astype(np.uint64)
    for place in range(flat.shape[1]):
        bits = _bits(flat[rows, place])
        if place and len(bits) and bool((bits == bits[0]).all()):
            continue
        keys = (groups << np.uint64(32)) | bits
        ordered = np.sort(keys)
        same = ordered[1:] == ordered[:-1]
        twice = np.unique(ordered[1:][same])
        if not len(twice):
            return 0
        places = np.minimum(np.searchsorted(twice, keys), len(twice) - 1)
        kept = twice[places] == keys
        rows, groups = rows[kept], places[kept].astype(np.uint64)
    return len(rows) - len(np.unique(groups))


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values).view(np.uint32) if values.dtype.itemsize == 4 else values


def warn_of_rows(inputs: int, targets: NDArray[Any], classes: Sequence[str], doubles: int) -> Iterable[str]:
    """What the numbers of training rows, inputs, classes and doubles give reason to say; ``inputs`` 0 for images."""
    samples = len(targets)
    if doubles > 1 and doubles >= DOUBLE_SHARE * samples:
        yield (
            f"{counted(doubles, 'row')} of {samples:,} double an earlier row. Where one is trained on and its double "
            "is validated on, over-fitting looks smaller than it is: take them out of the file."
        )
    if classes and samples < ROWS_PER_CLASS * len(classes):
        yield (
            f"{counted(samples, 'row')} for {len(classes)} classes are fewer than {ROWS_PER_CLASS} for each: expect "
            "wide intervals."
        )
    if inputs > samples:
        yield (
            f"There are more inputs ({inputs:,}) than rows ({samples:,}): a network can learn the rows by heart. "
            "Penalties help, and fewer columns."
        )
    if classes:
        counts = np.bincount(targets, minlength=len(classes))
        largest = int(np.argmax(counts))
        share = counts[largest] / samples
        if share >= LARGE_SHARE:
            yield (
                f"{100 * share:.1f} % of the rows are of class {classes[largest]!r}: always guessing it reaches that "
                "accuracy. Look at the balanced accuracy."
            )


def warn_of_leaks(
    encoding: Mapping[str, Any], frame: pd.DataFrame, known: tuple[NDArray[Any], NDArray[np.int64] | None], task: Task
) -> Iterable[str]:
    """Columns that alone predict the target almost perfectly, where there are others.

    Parameters
    ----------
    frame
        Raw inputs of all rows.
    known
        Encoded targets of all rows, and numbers of the training rows, None for all of them.
    """
    targets, train = known
    rows = np.arange(len(targets)) if train is None else train
    if len(encoding["columns"]) < 2 or len(rows) < FEWEST_ROWS:
        return
    if len(rows) > SAMPLE_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, SAMPLE_ROWS, replace=False))
    leaks = []
    for column in encoding["columns"]:
        if _predicts(column, frame[column["name"]].iloc[rows], targets[rows], task):
            leaks.append(repr(column["name"]))
    target = repr(encoding["target"]["name"])
    if len(leaks) == 1:
        yield (
            f"{leaks[0]} alone predicts {target} almost perfectly: check that it is known before {target} is, else "
            "leave it out with the option 'exclude'."
        )
    elif leaks:
        more = [f"{len(leaks) - _SHOWN} more"] if len(leaks) > _SHOWN else []
        yield (
            f"Each of {listed([*leaks[:_SHOWN], *more])} alone predicts {target} almost perfectly: check that they are "
            f"known before {target} is, else leave them out with the option 'exclude'."
        )


def _predicts(column: Mapping[str, Any], series: "pd.Series[Any]", targets: NDArray[Any], task: Task) -> bool:
    if "categories" in column:
        places = places_of(series, column["categories"])
        return _binned_score(places + 2, targets, task) >= ALMOST_PERFECT
    if "first" in column:
        dates = dates_of(series, column["form"])
        values = np.where(np.isnat(dates), np.nan, (dates - dates.min()) / np.timedelta64(1, "D")).astype(np.float64)
    else:
        values = numbers_of(series, column.get("decimal", "."), column.get("thousands", ""))
    there = np.isfinite(values)
    if not there.any() or np.ptp(values[there]) == 0:
        return False
    straight = not task.is_classification and there.all() and np.ptp(targets) > 0
    if straight and np.corrcoef(values, targets)[0, 1] ** 2 >= ALMOST_PERFECT:
        return True
    edges = np.unique(np.quantile(values[there], np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = np.where(there, np.searchsorted(edges, values, side="right"), len(edges) + 1)
    return _binned_score(bins, targets, task) >= _WORTH_A_TREE and _tree_score(values, targets, task) >= ALMOST_PERFECT


def _binned_score(bins: NDArray[np.intp], targets: NDArray[Any], task: Task) -> float:
    """Balanced accuracy or R2 of each bin's commonest class or mean, learned on one half and tried on the other."""
    halves = np.random.default_rng(1).permutation(len(targets)) % 2
    scores = []
    for half in (0, 1):
        learned, tried = halves != half, halves == half
        if task.is_classification:
            classes = int(targets.max()) + 1
            counts = np.zeros((int(bins.max()) + 1, classes))
            np.add.at(counts, (bins[learned], targets[learned]), 1)
            guessed = (counts / np.maximum(counts.sum(axis=0), 1)).argmax(axis=1)[bins[tried]]
            right = guessed == targets[tried]
            scores.append(np.mean([right[targets[tried] == label].mean() for label in np.unique(targets[tried])]))
        else:
            sums = np.bincount(bins[learned], targets[learned], minlength=int(bins.max()) + 1)
            sizes = np.bincount(bins[learned], minlength=int(bins.max()) + 1)
            means = np.where(sizes > 0, sums / np.maximum(sizes, 1), targets[learned].mean())
            scores.append(_r2(targets[tried], means[bins[tried]]))
    return float(np.mean(scores))


def _tree_score(values: NDArray[np.float64], targets: NDArray[Any], task: Task) -> float:
    """Balanced accuracy or R2 of a small tree on three folds; it takes missing values as they are."""
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    inputs = values[:, np.newaxis]
    if not task.is_classification:
        order = np.random.default_rng(2).permutation(len(targets))
        tree = DecisionTreeRegressor(min_samples_leaf=2, random_state=0)
        return float(cross_val_score(tree, inputs[order], targets[order], cv=3, scoring="r2").mean())
    if np.bincount(targets).min() < 3:
        return 0.0
    tree = DecisionTreeClassifier(max_leaf_nodes=4 * (int(targets.max()) + 1), class_weight="balanced", random_state=0)
    return float(cross_val_score(tree, inputs, targets, cv=3, scoring="balanced_accuracy").mean())


def _r2(values: NDArray[Any], predicted: NDArray[Any]) -> float:
    spread = float(np.sum((values - values.mean()) ** 2))
    return 1 - float(np.sum((values - predicted) ** 2)) / spread if spread else 0.0
