"""Numbers that pictures and tables of a final model need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.tracking.final_models import Floats, Ints
from reports.formatting import NONE


def confusion_counts(targets: NDArray[np.generic], predictions: NDArray[np.generic], classes: int) -> Ints:
    """How many samples of each class (row) were taken for each class (column), shape (classes, classes).

    >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    cells = np.asarray(targets, np.int64) * classes + np.asarray(predictions, np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def row_shares(counts: Ints) -> Floats:
    """Counts as shares of their row, nan in a row of zeros: a class that has no test samples."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


def confusions(counts: Ints, most: int) -> list[tuple[int, int, int]]:
    """The commonest mistakes as (true class, predicted class, count), the most frequent first.

    >>> confusions(np.array([[5, 2], [3, 1]]), 1)
    [(1, 0, 3)]
    """
    off = counts.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    pairs = [divmod(int(cell), len(counts)) for cell in order]
    return [(true, taken, int(off[true, taken])) for true, taken in pairs if off[true, taken] > 0]


def share(probability: float) -> str:
    """A probability as a percentage that never claims a certainty it does not have.

    >>> share(0.876), share(0.9971), share(1.0), share(0.002), share(0.0)
    ('88 %', '>99 %', '100 %', '<1 %', '0 %')
    """
    if not np.isfinite(probability):
        return NONE
    rounded = round(100 * probability)
    if rounded == 100 and probability < 0.9999:
        return ">99 %"
    if rounded == 0 and probability > 0.0001:
        return "<1 %"
    return f"{rounded} %"


def wilson_interval(right: int, samples: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, which holds for a finite test set of independent samples.

    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 2), round(high, 2)
    (0.49, 0.94)
    """
    from scipy.stats import binomtest

    interval = binomtest(right, samples).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Probabilities in steps of equal width beside what came true; steps without a sample are left out.

    Attributes
    ----------
    said, happened, low, high
        Mean probability, share that came true, and the ends of Wilson's 95 % interval of that, shape (steps,).
    counts
        Samples, shape (steps,).
    steps
        Ends of each step, shape (steps, 2).
    """

    said: Floats
    happened: Floats
    low: Floats
    high: Floats
    counts: Ints
    steps: Floats

    @property
    def means(self) -> tuple[float, float]:
        """Mean probability, and share that came true, of all samples."""
        whole = self.counts.sum()
        return float(self.said @ self.counts / whole), float(self.happened @ self.counts / whole)


def calibration(probabilities: Floats, came_true: NDArray[np.bool_], steps: int = 10) -> Calibration:
    """How often what was said with a probability came true, both of shape (samples,), at least one.

    >>> found = calibration(np.array([0.1, 0.9, 0.9, 0.9]), np.array([False, True, True, False]), steps=2)
    >>> found.said.round(2).tolist(), found.happened.round(2).tolist(), found.counts.tolist()
    ([0.1, 0.9], [0.0, 0.67], [1, 3])
    """
    from sklearn.calibration import calibration_curve

    happened, said = calibration_curve(came_true, probabilities, n_bins=steps, strategy="uniform")
    ends = np.linspace(0, 1, steps + 1)
    counts = np.bincount(np.searchsorted(ends[1:-1], probabilities), minlength=steps)
    filled = np.flatnonzero(counts)
    right = np.rint(happened * counts[filled]).astype(np.int64)
    ends_of = [wilson_interval(int(of), int(among)) for of, among in zip(right, counts[filled], strict=True)]
    low, high = np.array(ends_of).T
    return Calibration(
        said, happened, low, high, counts=counts[filled], steps=np.stack([ends[filled], ends[filled + 1]], axis=1)
    )
