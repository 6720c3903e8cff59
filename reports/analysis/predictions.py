"""What a final model said of the test samples, and the numbers that pictures and tables of it need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.formatting import NONE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of n test samples.

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
