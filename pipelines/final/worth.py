"""What predictions are worth: the figures of some rows, each with a bootstrap interval over these rows.

The figures are scikit-learn's. Their intervals need each of them for some thousand draws of the rows, which calling
scikit-learn would take minutes for. A draw is how often each row is in it, and every figure follows from sums with
these counts as weights; the tests hold them against scikit-learn's, with the same counts as its ``sample_weight``.

Intervals say how much a figure depends on which rows are in the test set, and nothing of other seeds or other training
data. The accuracy, a share, has Wilson's interval: where every row is right, all draws are alike, and say nothing.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Task

Floats = NDArray[np.float64]

#: Draws of the rows; the ends of a 95 % interval are then known to about 2 % of its width.
RESAMPLES = 2000
#: Fewer of many rows (7 % of the width), for rows times draws, and for those times classes where rows are ranked.
FEWEST, MOST_DRAWN, MOST_RANKED = 200, 40_000_000, 20_000_000
COVERAGE = 0.95
#: Counts that are in memory together.
_BLOCK = 1 << 21


@dataclass(frozen=True)
class Figure:
    """A figure of some rows with the ends of its interval; these are not numbers where all draws are alike."""

    value: float
    low: float
    high: float


def figures(task: Task, targets: NDArray[Any], answers: NDArray[Any]) -> dict[str, Figure]:
    """Every figure of a task that needs no more than predictions.

    Of a classification ``accuracy``, ``balanced_accuracy``, ``f1_macro``, ``mcc`` (Matthews' correlation coefficient),
    ``auc`` and ``average_precision`` (of the second of two classes; of more classes the mean over each against all
    others) and ``brier``; of a regression ``mse``, ``rmse``, ``mae`` and ``r2``. What the rows cannot give is left
    out: AUC where all rows are of one class, R2 where all targets are equal.

    Parameters
    ----------
    targets
        Labels, or values of a regression, shape (rows,), at least one row.
    answers
        Probabilities of all classes, shape (rows, classes), or values of a regression, shape (rows,).
    """
    if task is Task.REGRESSION:
        return _of_values(np.asarray(targets, np.float64), np.asarray(answers, np.float64))
    return _of_labels(np.asarray(targets, np.int64), np.asarray(answers, np.float64))


def intervals(each: Mapping[str, NDArray[Any]]) -> dict[str, Figure]:
    """Mean of each measure (by name one value a row) with its interval, all from the same draws."""
    values = np.stack([np.asarray(column, np.float64) for column in each.values()], axis=1)
    drawn = _over_draws(len(values), lambda counts: counts @ values / len(values))
    means = values.mean(axis=0)
    return {name: _figure(means[column], drawn[:, column]) for column, name in enumerate(each)}


def brier(targets: NDArray[np.int64], shares: Floats) -> Floats:
    """Squared error of the probabilities of each row, shape (rows,): of the second of two classes, else of all.

    ``shares`` are those of each row, shape (rows, classes), or of all alike, shape (classes,).
    """
    classes = shares.shape[-1]
    squares: Floats = np.square(shares - np.eye(classes)[targets]).sum(axis=1)
    return squares / 2 if classes == 2 else squares


def _of_values(targets: Floats, values: Floats) -> dict[str, Figure]:
    from sklearn import metrics

    errors = values - targets
    found = intervals({"mse": errors**2, "mae": np.abs(errors)})
    mse = found["mse"]
    found["rmse"] = Figure(float(metrics.root_mean_squared_error(targets, values)), mse.low**0.5, mse.high**0.5)
    if len(targets) > 1 and np.ptp(targets) > 0:
        found["r2"] = _figure(
            metrics.r2_score(targets, values), _over_draws(len(targets), lambda counts: _r2(counts, targets, values))
        )
    return found


def _of_labels(targets: NDArray[np.int64], shares: Floats) -> dict[str, Figure]:
    from sklearn import metrics

    classes = shares.shape[1]
    said = shares.argmax(axis=1)
    found = {
        "accuracy": _share(int((said == targets).sum()), len(targets)),
        **intervals({"brier": brier(targets, shares)}),
    }
    drawn = _over_draws(len(targets), lambda counts: _of_confusions(counts, targets, said, classes=classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where all rows are of one class
        values = (
            metrics.balanced_accuracy_score(targets, said),
            metrics.f1_score(targets, said, average="macro", zero_division=0),
            metrics.matthews_corrcoef(targets, said),
        )
    for column, (name, value) in enumerate(zip(("balanced_accuracy", "f1_macro", "mcc"), values, strict=True)):
        found[name] = _figure(value, drawn[:, column])
    return found | _ranked(targets, shares)


def _ranked(targets: NDArray[np.int64], shares: Floats) -> dict[str, Figure]:
    """AUC and average precision: means over the classes that some rows are of and others are not."""
    from sklearn import metrics

    present = [int(label) for label in np.unique(targets) if (targets != label).any()]
    ranked = [1] if shares.shape[1] == 2 and present else present
    if not ranked:
        return {}
    pairs = [(targets == label, shares[:, label]) for label in ranked]
    rankings = [_Ranking(*pair) for pair in pairs]
    drawn = _over_draws(
        len(targets),
        lambda counts: _mean_of_known(np.stack([ranking.areas(counts) for ranking in rankings])),
        most=MOST_RANKED // len(ranked),
    )
    scores = {"auc": metrics.roc_auc_score, "average_precision": metrics.average_precision_score}
    return {
        name: _figure(np.mean([score(*pair) for pair in pairs]), drawn[:, column])
        for column, (name, score) in enumerate(scores.items())
    }


class _Ranking:
    """Rows by their score, the highest first; equal scores are one step."""

    def __init__(self, positive: NDArray[np.bool_], scores: Floats) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of each step
        self._positive = positive[self._order].astype(np.float64)

    def areas(self, counts: Floats) -> Floats:
        """AUC and average precision of each draw, shape (draws, 2); not numbers where all rows are of one kind."""
        weights = counts[:, self._order]
        hits = np.cumsum(weights * self._positive, axis=1)[:, self._last]
        taken = np.cumsum(weights, axis=1)[:, self._last]
        misses = taken - hits
        new_hits = np.diff(hits, axis=1, prepend=0)
        of_pairs = (np.diff(misses, axis=1, prepend=0) * (hits - new_hits / 2)).sum(axis=1)
        precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
        positives, negatives = hits[:, -1], misses[:, -1]
        both = np.where((positives > 0) & (negatives > 0), 1.0, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            auc = both * of_pairs / (positives * negatives)
            return np.stack([auc, both * (new_hits * precision).sum(axis=1) / positives], axis=1)


def _of_confusions(counts: Floats, targets: NDArray[np.int64], said: NDArray[np.int64], *, classes: int) -> Floats:
    """Balanced accuracy, F1 (macro) and Matthews' coefficient of each draw, shape (draws, 3)."""
    right = _sums(counts * (targets == said), targets, classes)
    true, taken = _sums(counts, targets, classes), _sums(counts, said, classes)
    rows = counts.sum(axis=1)
    recalls = np.divide(right, true, out=np.full_like(right, np.nan), where=true > 0)
    f1 = np.divide(2 * right, true + taken, out=np.full_like(right, np.nan), where=true + taken > 0)
    spread = (rows**2 - np.square(true).sum(axis=1)) * (rows**2 - np.square(taken).sum(axis=1))
    above = right.sum(axis=1) * rows - (true * taken).sum(axis=1)
    mcc = np.divide(above, np.sqrt(spread), out=np.zeros_like(above), where=spread > 0)
    return np.stack([np.nanmean(recalls, axis=1), np.nanmean(f1, axis=1), mcc], axis=1)


def _sums(counts: Floats, labels: NDArray[np.int64], classes: int) -> Floats:
    """Sums of the counts by the label of their row, shape (draws, classes)."""
    order = np.argsort(labels, kind="stable")
    present, first = np.unique(labels[order], return_index=True)
    sums = np.zeros((len(counts), classes))
    sums[:, present] = np.add.reduceat(counts[:, order], first, axis=1)
    return sums


def _r2(counts: Floats, targets: Floats, values: Floats) -> Floats:
    """R2 of each draw, shape (draws,)."""
    centred = targets - targets.mean()  # squares of large targets would lose digits
    rows = counts.sum(axis=1)
    spread = counts @ np.square(centred) - np.square(counts @ centred) / rows
    errors = counts @ np.square(values - targets)
    return np.where(spread > 0, 1 - errors / np.where(spread > 0, spread, 1), np.nan)


def _mean_of_known(each: Floats) -> Floats:
    """The mean over the first axis of what is a number; not a number where nothing is."""
    known = np.isfinite(each)
    counts = known.sum(axis=0)
    return np.where(counts > 0, np.where(known, each, 0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def _over_draws(rows: int, of: Callable[[Floats], Floats], *, most: int = MOST_DRAWN) -> Floats:
    """What ``of`` makes of the counts of some draws, shape (draws, rows), for all draws: shape (draws, ...)."""
    draws = min(RESAMPLES, max(FEWEST, most // rows))
    generator = np.random.default_rng(0)
    block = max(1, _BLOCK // rows)
    made = []
    for start in range(0, draws, block):
        size = min(block, draws - start)
        places = generator.integers(rows, size=(size, rows)) + rows * np.arange(size)[:, np.newaxis]
        made.append(of(np.bincount(places.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)))
    return np.concatenate(made)


def _figure(value: Any, drawn: Floats) -> Figure:
    tail = 100 * (1 - COVERAGE) / 2
    known = drawn[np.isfinite(drawn)]
    if not len(known) or np.ptp(known) == 0:
        return Figure(float(value), np.nan, np.nan)
    low, high = np.percentile(known, [tail, 100 - tail])
    return Figure(float(value), float(low), float(high))


def _share(right: int, rows: int) -> Figure:
    """A share with Wilson's interval, which is one even where all rows are right."""
    from scipy.stats import binomtest

    interval = binomtest(right, rows).proportion_ci(COVERAGE, method="wilson")
    return Figure(right / rows, float(interval.low), float(interval.high))
