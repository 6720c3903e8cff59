"""Which early-stopping rule to use: the rules that people write, replayed on every recorded curve.

A rule sees a fit's raw validation curve epoch by epoch, as a callback would have, and says after which epoch it ends
the training and the weights of which epoch are kept. Recorded curves go on beyond that point, so the loss it gives away
against the fit's own best epoch, and the epochs it saves, are read off without another training. The criteria are
Keras' callback, the three kinds of Prechelt (1998, Early stopping - but when?), and what to hold them against.

The fit's own best epoch is a hard judge: it is partly the luck of its validation rows, which a rule that restores the
best weights shares and the common best epoch of all fits does not. Rules of one kind are compared fairly; the last
percent between the kinds is not worth an argument.

Curves have the shape (fits, epochs) and are finite; epochs are 1-based. A rule that never fires trains to the last
epoch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipelines.overfitting.point import Verdict
from pipelines.overfitting.statistics import negligible
from pipelines.tracking.trials import Trial
from reports.analysis.fits import Array, FitCurves, fit_curves
from reports.report import Report, point_of

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
#: A rule may give away so many percentage points more than the one that gives away least, and still be recommended.
TOLERANCE = 1.0


@dataclass(frozen=True, eq=False)
class Stops:
    """Where a rule ends each fit's training, and the epoch whose weights are kept; both of shape (fits,), 1-based."""

    stopped: Epochs
    kept: Epochs


@dataclass(frozen=True, eq=False)
class FitGroup:
    """Fits of one length, of several trials, as rules see them.

    The curves have the shape (fits, epochs) and are finite; ``training`` is None where it was not recorded.
    ``best_epoch`` and ``one_se_epoch``, shape (fits,), are those of the fit's configuration, from the mean over fits.
    """

    validation: Array
    training: Array | None
    best_epoch: Epochs
    one_se_epoch: Epochs


Replayed = Callable[[FitGroup], Stops | None]


@dataclass(frozen=True)
class Rule:
    """A stopping rule, by its name in words, of the family ``Keras``, ``Prechelt`` or ``baseline``.

    With ``restores`` the weights of the best epoch are kept, not those of the last. ``arguments`` is what stands after
    ``monitor`` in Keras' ``EarlyStopping(...)``, of which ``patience`` and ``min_delta`` are two; empty for other
    families. ``replay`` gives the stops for a group of
    fits; None where it needs a training curve and there is none.
    """

    name: str
    family: str
    restores: bool
    replay: Replayed
    arguments: str = ""
    patience: int = 0
    min_delta: float = 0.0


@dataclass(frozen=True)
class RuleResult:
    """What a rule costs and saves.

    ``loss_percent`` is the loss given away, in percent: the value at the epoch that is kept over the lowest of the
    curve, minus 1; mean over configurations of the mean over fits. None where every configuration's lowest value is
    negligible. ``loss_percent_sd`` is its deviation between configurations, in percentage points; None with fewer than
    two. ``saved_share`` are the epochs not trained, as a share of those recorded, mean over configurations;
    ``stopped_share`` is that of the fits that it ended before the last epoch; the others it trained to the end.
    """

    rule: Rule
    loss_percent: float | None
    loss_percent_sd: float | None
    saved_share: float
    stopped_share: float
    configurations: int
    fits: int


@dataclass(frozen=True)
class Replay:
    """All rules on all curves of a sweep, in the order of the rules; without those that no curves were there for.

    They watched the curve ``monitor`` of so many ``configurations``, of which some were ``still_improving`` at their
    last epoch. Those that are ``negligible`` are left out of the loss given away (not of the epochs saved), since a
    fit's lowest value is, and a ratio to it means nothing; ``left_out`` are those without usable curves.
    """

    monitor: str
    results: tuple[RuleResult, ...]
    configurations: int
    fits: int
    still_improving: int
    negligible: int
    left_out: int


def standard_rules() -> tuple[Rule, ...]:
    """The rules that Keras users write, Prechelt's, and what to hold them against; 32 in all."""
    keras = [_keras(patience, restores) for restores in (False, True) for patience in PATIENCES]
    keras += [_keras(patience, True, min_delta) for patience in MIN_DELTA_PATIENCES for min_delta in MIN_DELTAS]
    gl = [(f"GL {alpha:g}: {alpha:g} % above the lowest so far", _gl(alpha)) for alpha in GL_ALPHAS]
    pq = [(f"PQ {alpha:g}: rise over progress above {alpha:g}", _pq(alpha)) for alpha in PQ_ALPHAS]
    up = [(f"UP {strips}: {strips} rises in a row over {STRIP} epochs each", _up(strips)) for strips in UP_STRIPS]
    return (
        *keras,
        *(Rule(name, PRECHELT, restores=True, replay=replay) for name, replay in (*gl, *pq, *up)),
        _baseline("train to the end", lambda group: np.full(len(group.validation), group.validation.shape[1])),
        _baseline(COMMON_BEST, lambda group: group.best_epoch),
        _baseline("all fits to their common one-SE epoch", lambda group: group.one_se_epoch),
    )


def replay_rules(report: Report, rules: Sequence[Rule] | None = None) -> Replay:
    """Replay rules (None for ``standard_rules()``) on every fit of every trial; trials without curves are left out."""
    recorded = [(trial, found) for trial in report.ranked if (found := fit_curves(report, trial)) is not None]
    # Fits of one length go through a rule together: a rule's work is a loop over epochs, not over fits.
    recorded.sort(key=_shape)
    groups = [_Trials.of(list(members)) for _, members in groupby(recorded, key=_shape)]
    results = [_result(rule, groups) for rule in (standard_rules() if rules is None else rules)]
    return Replay(
        monitor=report.sweep.monitor,
        results=tuple(result for result in results if result is not None),
        configurations=len(recorded),
        fits=sum(len(curves.validation) for _, curves in recorded),
        still_improving=sum(point_of(trial).verdict is Verdict.STILL_IMPROVING for trial, _ in recorded),
        negligible=sum(_is_negligible(curves) for _, curves in recorded),
        left_out=len(report.ranked) - len(recorded),
    )


def chosen_rule(replay: Replay) -> tuple[RuleResult, float, float] | None:
    """The rule to use: of Keras' callbacks that restore the best weights, the one that saves the most epochs.

    Only those compete whose loss given away is within ``TOLERANCE`` of the smallest among them. Of equal savings the
    one that gives away less is taken, then the first. With it come the loss that it gives away, and the smallest loss
    given away, both in percent. None where nothing was replayed, or no loss given away can be told.
    """
    candidates = [
        (result, result.loss_percent)
        for result in replay.results
        if result.rule.family == KERAS and result.rule.restores and result.loss_percent is not None
    ]
    if not candidates:
        return None
    least = min(loss for _, loss in candidates)
    careful = [(result, loss) for result, loss in candidates if loss <= least + TOLERANCE]
    chosen, loss = min(careful, key=lambda candidate: (-round(candidate[0].saved_share, 9), candidate[1]))
    return chosen, loss, least


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
    strips = training[:, : len(ends) * STRIP].reshape(len(training), len(ends), STRIP)
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

    return Rule(name, KERAS, restores, replay, arguments=arguments, patience=patience, min_delta=min_delta)


def _gl(alpha: float) -> Replayed:
    return lambda group: generalisation_loss(group.validation, alpha)


def _pq(alpha: float) -> Replayed:
    return lambda group: None if group.training is None else progress_quotient(group.validation, group.training, alpha)


def _up(strips: int) -> Replayed:
    return lambda group: successive_rises(group.validation, strips)


def _baseline(name: str, epochs: Callable[[FitGroup], Epochs]) -> Rule:
    return Rule(name, BASELINE, restores=False, replay=lambda group: Stops(epochs(group), epochs(group)))


@dataclass(frozen=True, eq=False)
class _Trials(FitGroup):
    """Trials of one length: where each one's fits begin, and whether its lowest values can be denominators."""

    starts: Epochs
    has_ratio: NDArray[np.bool_]

    @classmethod
    def of(cls, members: Sequence[tuple[Trial, FitCurves]]) -> "_Trials":
        counts = [len(curves.validation) for _, curves in members]
        points = [point_of(trial) for trial, _ in members]
        training = [curves.training for _, curves in members if curves.training is not None]
        return cls(
            validation=np.concatenate([curves.validation for _, curves in members]),
            training=np.concatenate(training) if training else None,
            best_epoch=np.repeat([point.best_epoch or point.epochs for point in points], counts),
            one_se_epoch=np.repeat([point.one_se_epoch or point.epochs for point in points], counts),
            starts=np.cumsum([0, *counts[:-1]]),
            has_ratio=np.array([not _is_negligible(curves) for _, curves in members]),
        )

    def means(self, values: Array) -> Array:
        """Mean over the fits of each trial, (fits,) -> (trials,)."""
        counts = np.diff([*self.starts, len(values)])
        return np.asarray(np.add.reduceat(values, self.starts) / counts)


def _is_negligible(curves: FitCurves) -> bool:
    """Whether the lowest value of some fit is too small to be a denominator."""
    return bool(curves.validation.min() <= negligible(curves.validation.mean(axis=0)))


def _shape(found: tuple[Trial, FitCurves]) -> tuple[int, bool]:
    return found[1].validation.shape[1], found[1].training is None


def _result(rule: Rule, groups: Sequence[_Trials]) -> RuleResult | None:
    replayed = [(group, stops) for group in groups if (stops := rule.replay(group)) is not None]
    if not replayed:
        return None
    saved, stopped, lost = [], [], []
    for group, stops in replayed:
        validation = group.validation
        epochs = validation.shape[1]
        saved.append(group.means(1 - stops.stopped / epochs))
        stopped.append(stops.stopped < epochs)
        lowest = validation.min(axis=1)
        kept = validation[np.arange(len(validation)), stops.kept - 1]
        # A trial with a negligible lowest value is dropped just below; 1 only keeps its division quiet.
        ratio = kept / np.where(lowest > 0, lowest, 1.0) - 1
        lost.append(100 * group.means(ratio)[group.has_ratio])
    losses, of_trials, of_fits = np.concatenate(lost), np.concatenate(saved), np.concatenate(stopped)
    return RuleResult(
        rule=rule,
        loss_percent=float(losses.mean()) if losses.size else None,
        loss_percent_sd=float(losses.std(ddof=1)) if losses.size > 1 else None,
        saved_share=float(of_trials.mean()),
        stopped_share=float(of_fits.mean()),
        configurations=len(of_trials),
        fits=len(of_fits),
    )
