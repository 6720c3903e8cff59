"""Whether a trial is worth its next epochs: one rule for all tuners, on the curves that the sweep has anyway.

>>> good = [np.linspace(1.0, 0.1, 50)] * 5
>>> is_hopeless(np.full(20, 2.0), good)
True
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

PERCENTILE = 50.0
STARTUP_TRIALS = 5
WARMUP_EPOCHS = 10


def is_hopeless(
    so_far: Array,
    finished: Sequence[Array],
    *,
    percentile: float = PERCENTILE,
    startup_trials: int = STARTUP_TRIALS,
    warmup_epochs: int = WARMUP_EPOCHS,
) -> bool:
    """Whether the best value of a trial so far is worse than what most others had by the same epoch.

    The percentile rule of Golovin et al. 2017 (Google Vizier), as in Optuna's ``PercentilePruner``. Best values are
    compared, not last ones: a trial that over-fits has had its good epoch and keeps it.

    A stopped trial has a short curve, so its over-fitting point is censored. Where the points themselves are wanted
    rather than the best network, do not prune.

    Parameters
    ----------
    so_far
        Monitored validation curve of the trial, mean over its fits, shape (epochs so far,). NaN counts as worst.
    finished
        The same curve of every other trial, each of shape (its epochs,). One that was itself stopped before this
        epoch does not count.
    percentile
        The trial is stopped when it is worse than this share of the others, 0 to 100; 50 is the median.
    startup_trials
        With fewer others that got this far, nothing is stopped.
    warmup_epochs
        No trial is stopped before it has had this many epochs.

    References
    ----------
    Golovin et al. 2017, Google Vizier: a service for black-box optimization, section 3.5.2.
    """
    epoch = len(so_far)
    others = [best_value(curve[:epoch]) for curve in finished if len(curve) >= epoch]
    if epoch < max(warmup_epochs, 1) or len(others) < max(startup_trials, 1):
        return False
    # Not interpolated: between a finite and an infinite value it would give NaN.
    threshold = np.percentile(others, percentile, method="higher")
    return bool(best_value(so_far) > threshold)


def best_value(curve: Array) -> float:
    """Lowest value of a curve; infinity where it has none that is a number."""
    finite = curve[np.isfinite(curve)]
    return float(finite.min()) if len(finite) else float("inf")
