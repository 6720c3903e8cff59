"""The criteria of early stopping as pure functions of curves, and the rules made of them.

Keras' callback, the three kinds of Prechelt (1998, Early stopping - but when?), and what to hold them against. Curves
have the shape (fits, epochs) and are finite; epochs are 1-based. A rule that never fires trains to the last epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Epochs = NDArray[np.intp]

#: Prechelt's strips: epochs over which training progress is measured, and between two looks of PQ and UP.
STRIP = 5
PATIENCES = (1, 2, 3, 5, 10, 15, 20)
#: ``min_delta`` is absolute; these are what people write, each with these patiences.
MIN_DELTAS, MIN_DELTA_PATIENCES = (0.001, 0.01), (5, 10)
#: Those that Prechelt (1998) compared, the fast and the middling ones.
GL_ALPHAS, PQ_ALPHAS, UP_STRIPS = (1, 2, 3, 5), (0.5, 0.75, 1, 2), (2, 3, 4)
KERAS, PRECHELT, BASELINE = "Keras", "Prechelt", "baseline"
#: What this project recommends: the best epoch of the mean curve, for every fit.
COMMON_BEST = "all fits to their common best epoch"


@dataclass(frozen=True, eq=False)
class Stops:
    """Where a rule ends each fit's training, and the epoch whose weights are kept; both of shape (fits,), 1-based."""

    stopped: Epochs
    kept: Epochs


@dataclass(frozen=True, eq=False)
class FitGroup:
    """Fits of one length, of several trials, as rules see them.

    Attributes
    ----------
    validation, training
        Shape (fits, epochs), finite; ``training`` is None where it was not recorded.
    best_epoch, one_se_epoch
        Those of the fit's configuration, from the mean over its fits; shape (fits,).
    """

    validation: Array
    training: Array | None
    best_epoch: Epochs
    one_se_epoch: Epochs


@dataclass(frozen=True)
class Rule:
    """A stopping rule.

    Attributes
    ----------
    name
        In words, for a table.
    family
        ``Keras``, ``Prechelt`` or ``baseline``.
    restores
        Whether the weights of the best epoch are kept, not those of the last.
    arguments
        What stands after ``monitor`` in Keras' ``EarlyStopping(...)``; empty for other families.
    replay
        Gives its stops for a group of fits; None where it needs a training curve and there is none.
    """

    name: str
    family: str
    restores: bool
    arguments: str
    replay: Callable[[FitGroup], Stops | None]


def standard_rules() -> tuple[Rule, ...]:
    """The rules that Keras users write, Prechelt's, and what to hold them against; 32 in all."""
    keras = [_keras(patience, restores) for restores in (False, True) for patience in PATIENCES]
    keras += [_keras(patience, True, min_delta) for patience in MIN_DELTA_PATIENCES for min_delta in MIN_DELTAS]
    criteria: list[tuple[str, Callable[[FitGroup], Stops | None]]] = [
        *((f"GL {alpha:g}: {alpha:g} % above the lowest so far", partial(_gl, alpha=alpha)) for alpha in GL_ALPHAS),
        *((f"PQ {alpha:g}: rise over progress above {alpha:g}", partial(_pq, alpha=alpha)) for alpha in PQ_ALPHAS),
        *(
            (f"UP {strips}: {strips} rises in a row over {STRIP} epochs each", partial(_up, strips=strips))
            for strips in UP_STRIPS
        ),
    ]
    prechelt = [Rule(name, PRECHELT, True, "", replay) for name, replay in criteria]
    baselines = [
        Rule("train to the end", BASELINE, False, "", _to_the_end),
        Rule(COMMON_BEST, BASELINE, False, "", _common_best),
        Rule("all fits to their common one-SE epoch", BASELINE, False, "", _common_one_se),
    ]
    return (*keras, *prechelt, *baselines)


def keras_early_stopping(
    validation: Array, patience: int, *, restores: bool, min_delta: float = 0.0, start_from_epoch: int = 0
) -> Stops:
    """Exactly ``keras.callbacks.EarlyStopping`` of Keras 3 on a value that is better when lower, without a baseline.

    An epoch improves where its value, plus ``min_delta``, is below the best so far; the first one always does. Training
    ends when ``patience`` epochs in a row did not (with a patience of 0 or 1: at the first that does not). The best
    weights are restored whether or not it was stopped, and they are those of the last epoch that improved: with a
    ``min_delta`` not always the lowest.
    """
    fits, epochs = validation.shape
    if start_from_epoch >= epochs:
        return Stops(np.full(fits, epochs), np.full(fits, epochs))
    watched = validation[:, start_from_epoch:]
    improved_at = _last_improvement(watched, min_delta)
    waited = np.arange(watched.shape[1]) - improved_at
    stop = _first(waited >= max(patience, 1))
    kept = improved_at[np.arange(fits), stop] if restores else stop
    return Stops(stop + 1 + start_from_epoch, kept + 1 + start_from_epoch)


def generalisation_loss(validation: Array, alpha: float) -> Stops:
    """Prechelt's GL: the first epoch whose value is more than ``alpha`` percent above the lowest so far.

    Prechelt looked at every fifth epoch only; Keras validates after every one, so here every one is looked at.
    """
    lowest = np.minimum.accumulate(validation, axis=1)
    return _restored(validation, _first(100 * (validation - lowest) > alpha * lowest))


def progress_quotient(validation: Array, training: Array, alpha: float) -> Stops:
    """Prechelt's PQ: the first end of a strip with GL over training progress above ``alpha``.

    Progress of a strip is a thousand times its mean training value over its lowest, minus 1. What Prechelt adds so
    that every training ends, a limit on its progress and on its epochs, is left out: the curve ends.
    """
    fires = np.zeros(validation.shape, bool)
    ends = np.arange(STRIP - 1, validation.shape[1], STRIP)
    if ends.size:
        strips = training[:, : len(ends) * STRIP].reshape(len(training), -1, STRIP)
        lowest, mean = strips.min(axis=2), strips.mean(axis=2)
        optimum = np.minimum.accumulate(validation, axis=1)[:, ends]
        # Both quotients multiplied out: a training value of exactly 0 is progress without end, not an error.
        loss, progress = 100 * (validation[:, ends] - optimum), 1000 * (mean - lowest)
        fires[:, ends] = loss * lowest > alpha * progress * optimum
    return _restored(validation, _first(fires))


def successive_rises(validation: Array, strips: int) -> Stops:
    """Prechelt's UP: the end of the ``strips``-th strip in a row that ends higher than the one before it."""
    fires = np.zeros(validation.shape, bool)
    ends = np.arange(STRIP - 1, validation.shape[1], STRIP)
    rises = np.diff(validation[:, ends], axis=1) > 0
    if rises.shape[1] >= strips:
        in_a_row = np.lib.stride_tricks.sliding_window_view(rises, strips, axis=1).all(axis=2)
        fires[:, ends[strips:]] = in_a_row
    return _restored(validation, _first(fires))


def _last_improvement(validation: Array, min_delta: float) -> Epochs:
    """Column of the last improvement up to each epoch, same shape as the curves.

    Backends compare in single precision, so the sum is rounded to it first, as Keras' tensors do.
    """
    values = validation.astype(np.float32)
    raised = values if min_delta == 0 else (validation + abs(min_delta)).astype(np.float32)
    best = values[:, 0].copy()
    at = np.zeros(len(values), np.intp)
    last = np.zeros(values.shape, np.intp)
    for column in range(1, values.shape[1]):
        better = raised[:, column] < best
        best[better] = values[better, column]
        at[better] = column
        last[:, column] = at
    return last


def _first(fires: NDArray[np.bool_]) -> Epochs:
    """Column of the first True of each row, the last column where there is none."""
    return np.where(fires.any(axis=1), fires.argmax(axis=1), fires.shape[1] - 1)


def _restored(validation: Array, stop: Epochs) -> Stops:
    """Stops with the weights of the lowest value so far, the first of equal ones."""
    until = np.arange(validation.shape[1]) <= stop[:, None]
    return Stops(stop + 1, np.where(until, validation, np.inf).argmin(axis=1) + 1)


def _keras(patience: int, restores: bool, min_delta: float = 0.0) -> Rule:
    name, arguments = f"patience {patience}", f"patience={patience}"
    if min_delta:
        name, arguments = f"{name}, min_delta {min_delta:g}", f"min_delta={min_delta:g}, {arguments}"
    if restores:
        name, arguments = f"{name}, best weights restored", f"{arguments}, restore_best_weights=True"

    def replay(group: FitGroup) -> Stops:
        return keras_early_stopping(group.validation, patience, restores=restores, min_delta=min_delta)

    return Rule(name, KERAS, restores, arguments, replay)


def _gl(group: FitGroup, alpha: float) -> Stops:
    return generalisation_loss(group.validation, alpha)


def _pq(group: FitGroup, alpha: float) -> Stops | None:
    return None if group.training is None else progress_quotient(group.validation, group.training, alpha)


def _up(group: FitGroup, strips: int) -> Stops:
    return successive_rises(group.validation, strips)


def _to_the_end(group: FitGroup) -> Stops:
    end = np.full(len(group.validation), group.validation.shape[1])
    return Stops(end, end)


def _common_best(group: FitGroup) -> Stops:
    return Stops(group.best_epoch, group.best_epoch)


def _common_one_se(group: FitGroup) -> Stops:
    return Stops(group.one_se_epoch, group.one_se_epoch)
