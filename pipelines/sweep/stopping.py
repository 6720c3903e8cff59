"""When a trial may end before its last epoch: the stopping rules, and what applies them while it trains."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.executors.progress import fits_in_work
from pipelines.overfitting.judging import Curves, Judge
from pipelines.training.plan import Progress

#: How often at most a rule looks at a trial's curves.
LOOKS_A_TRIAL = 20
#: No trial is pruned before it has had so many epochs, nor with fewer others that got as far.
WARMUP_EPOCHS, STARTUP_TRIALS = 10, 5

#: Curves of all fits so far, each (fits, epochs so far) -> why the trial should end now; empty where it should go on.
Rule = Callable[[Curves], str]


class Stop(StrEnum):
    """The rules: ``never`` for whole curves, ``overfit`` once an onset is sure, ``prune`` when the trial is worse than
    the median of the others.
    """

    NEVER = "never"
    OVERFIT = "overfit"
    PRUNE = "prune"


def make_rule(stop: Stop, judge: Judge, others: Sequence[NDArray[np.floating[Any]]]) -> Rule | None:
    """The rule of that name; None for ``never``.

    ``others``: monitored curves, each (fits, epochs), of the trials whose results were told before this one began.
    """
    means = [curves.mean(axis=0) for curves in others]

    def overfits(curves: Curves) -> str:
        onset = judge.onset_so_far(curves)
        return f"over-fits since epoch {onset}" if onset else ""

    def is_pruned(curves: Curves) -> str:
        so_far = judge.monitored(curves)
        hopeless = so_far is not None and is_hopeless(so_far.mean(axis=0), means)
        return "pruned, worse than the median of the others" if hopeless else ""

    return {Stop.NEVER: None, Stop.OVERFIT: overfits, Stop.PRUNE: is_pruned}[stop]


def is_hopeless(so_far: NDArray[np.floating[Any]], finished: Sequence[NDArray[np.floating[Any]]]) -> bool:
    """Whether the best value of a trial so far is worse than what most others had by the same epoch.

    The median rule of Golovin et al. 2017 (Google Vizier, section 3.5.2), as in Optuna's ``MedianPruner``. Best values
    are compared, not last ones: a trial that over-fits has had its good epoch and keeps it.

    A stopped trial has a short curve, so its over-fitting point is censored. Where the points themselves are wanted
    rather than the best network, do not prune.

    Parameters
    ----------
    so_far
        Monitored validation curve of the trial, mean over its fits, shape (epochs so far,). NaN counts as worst.
    finished
        The same curve of every other trial, each of shape (its epochs,). One that was itself stopped before this
        epoch does not count.

    >>> is_hopeless(np.full(20, 2.0), [np.linspace(1.0, 0.1, 50)] * 5)
    True
    """

    def best(curve: NDArray[np.floating[Any]]) -> float:
        return float(np.min(curve, where=np.isfinite(curve), initial=np.inf))

    epoch = len(so_far)
    others = [best(curve[:epoch]) for curve in finished if len(curve) >= epoch]
    if epoch < WARMUP_EPOCHS or len(others) < STARTUP_TRIALS:
        return False
    # Not interpolated: between a finite and an infinite value it would give NaN.
    return bool(best(so_far) > np.percentile(others, 50.0, method="higher"))


def epochs_between_looks(stop: Stop, epochs: int) -> int | None:
    """Epochs of a chunk in a training of so many epochs; None where no rule wants to look."""
    return None if stop is Stop.NEVER else max(1, epochs // LOOKS_A_TRIAL)


class Watch:
    """Looks at a trial of so many fits after every chunk of epochs: an engine's ``on_chunk``.

    The rule may end the trial (None lets it train to its last epoch); ``show`` is told of every chunk, with the number
    of fits in work.
    """

    def __init__(self, fits: int, rule: Rule | None, show: Callable[[Progress, int], None]) -> None:
        #: Epoch at which the rule ended the trial, and why, in words; None and empty where it did not.
        self.stopped_at: int | None = None
        self.remark = ""
        self._fits, self._rule, self._show = fits, rule, show

    def __call__(self, progress: Progress) -> bool:
        """Whether the trial should end at this epoch."""
        in_work = fits_in_work(progress)
        self._show(progress, in_work)
        # A rule judges the mean over all fits: it has to wait until all of them are in work.
        if self._rule is None or in_work < self._fits:
            return False
        reason = self._rule({name: curve[:, : progress.epoch] for name, curve in progress.curves.items()})
        if reason:
            self.stopped_at = progress.epoch
            self.remark = f"stopped at epoch {progress.epoch}: {reason}"
        return bool(reason)
