"""Curves of a trial -> its over-fitting point: best epoch with interval, onset, one-SE epoch, verdict.

Knows arrays only: nothing of Keras, of the tracking store or of exercises. Epochs are 1-based (epoch ``e`` is column
``e - 1``); curves have the shape (fits, epochs), repeat-major: ``fit = repeat * folds + fold``.

Where an estimator differs from the usual one, its docstring in ``overfitting.statistics`` says why, and
``tests/test_overfitting.py`` holds the evidence on curves with known truth.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from pipelines.errors import UserError
from pipelines.overfitting.statistics import (
    ONSET_LEVEL,
    SINGLE_FIT_ERRORS,
    Array,
    at_end,
    best_epoch_interval,
    best_for_others,
    causal_average,
    error_factor,
    find_one_se_epoch,
    find_onset,
    first_minimum,
    negligible,
    onset_interval,
    paired_error,
    read_at,
    single_fit_error,
    smooth,
)

#: An optimum in this last share of the training may lie beyond its end.
CENSORED_SHARE = 0.05
#: Still improving: nothing before this share of the training is as good as the best epoch.
IMPROVING_SHARE = 0.75
#: A rise of the validation curve by this share of its best value matters: no plateau where it may be as large.
RISE_THAT_MATTERS = 0.05
#: Nobody trains more often than this to get a verdict.
MOST_REPEATS = 20
#: A fit has exploded when its training loss ends this many times above its first epoch.
EXPLOSION = 10.0
#: First epochs that the textbook leaves out.
DROPPED = 10


class Verdict(StrEnum):
    """What became of a configuration by the end of its training."""

    OVERFITS = "overfits"
    STILL_IMPROVING = "still improving"
    PLATEAU = "plateau"
    UNDECIDED = "undecided"
    DIVERGED = "diverged"


@dataclass(frozen=True, kw_only=True)
class OverfittingPoint:
    """Where a configuration stops learning, how surely, and what training on costs.

    Values are in the units of the monitored metric. For a diverged configuration every number is None but ``epochs``,
    ``fits``, ``folds``, ``repeats`` and ``diverged_fits``.

    Attributes
    ----------
    verdict
        ``overfits`` where an onset exists; ``still improving`` where the optimum is censored and no epoch of the
        first three quarters is within a standard error of it (the upper end of the interval alone says little: on a
        flat curve it reaches the end in most draws); ``plateau`` where a rise by 5 % at the end is excluded as surely
        as an onset is shown; else ``undecided``. ``diverged`` where any fit diverged.
    best_epoch
        Minimum of the smoothed mean curve; what a final training uses.
    best_epoch_low, best_epoch_high
        95 % interval; None for a single fit. With one fold and several seeds it speaks of the seeds alone.
    censored
        The best epoch or its upper end lies in the last 5 % of the training: print ">= epochs". False with an onset.
    onset
        First epoch from which the validation curve lies lastingly above its best, where it surely comes to that.
    onset_low, onset_high
        95 % interval of the onset; None without one and for a single fit.
    one_se_epoch
        Earliest epoch within one standard error of the best.
    best_value, final_value
        Mean over fits at the best and at the last epoch, as measured (not smoothed). "At the best", here and below,
        each fit is read at the epoch that is best for the *other folds*, which its own noise has not chosen.
    sd_folds
        Deviation between the folds of one repeat at the best epoch (root of the mean variance over repeats). None
        with one fold.
    sd_seeds
        Deviation of the mean over folds between repeats at the best epoch: how far the whole k-fold result moves
        with another seed. None with one repeat.
    gap_best, gap_final
        Mean validation minus mean training value at the two epochs; None without training curves.
    severity
        The rise at the end: smoothed curves, end over best, minus 1 (Prechelt's generalisation loss); None where the
        best value is negligible.
    severity_low, severity_high
        Its 90 % interval, each end as sure as the verdict (95 %); None where there is no severity.
    epochs, fits, folds, repeats
        Size of what was analysed; ``epochs`` is shorter than planned where the training was stopped.
    diverged_fits, diverged_epoch
        Number of fits that diverged, and the first epoch at which one did.
    """

    verdict: Verdict
    best_epoch: int | None = None
    best_epoch_low: int | None = None
    best_epoch_high: int | None = None
    censored: bool = False
    onset: int | None = None
    onset_low: int | None = None
    onset_high: int | None = None
    one_se_epoch: int | None = None
    best_value: float | None = None
    sd_folds: float | None = None
    sd_seeds: float | None = None
    final_value: float | None = None
    gap_best: float | None = None
    gap_final: float | None = None
    severity: float | None = None
    severity_low: float | None = None
    severity_high: float | None = None
    epochs: int
    fits: int
    folds: int
    repeats: int
    diverged_fits: int = 0
    diverged_epoch: int | None = None

    @property
    def reason(self) -> str | None:
        """Why the configuration counts as diverged, in a sentence; None where it does not."""
        if self.verdict is not Verdict.DIVERGED:
            return None
        return f"{self.diverged_fits} of {self.fits} fits diverged, the first at epoch {self.diverged_epoch}."

    @property
    def beyond(self) -> bool:
        """Whether the best epoch itself lies so close to the end that it may only be where the training ended."""
        at_the_end = self.best_epoch is not None and is_censored(self.best_epoch, None, self.onset, self.epochs)
        return at_the_end or self.verdict is Verdict.STILL_IMPROVING

    @property
    def visible_rise(self) -> float | None:
        """The smallest rise at the end that would have been sure, as a share of the best value; None if not known."""
        return None if self.severity is None or self.severity_high is None else self.severity_high - self.severity

    @property
    def repeats_to_decide(self) -> int | None:
        """Repeats in all with which an undecided rise, if it stays as it is, would be sure or too small to matter.

        None where there is nothing to decide; where 20 would not do, and only more folds or rows can; and where the end
        has surely risen, but not for long enough: then only a longer training can.
        """
        severity = self.severity or 0.0
        if self.verdict is not Verdict.UNDECIDED or self.folds == 1 or not severity < (self.visible_rise or 0.0):
            return None
        seen = self.visible_rise or 0.0

        def error(repeats: int) -> float:
            return float(stdtrit(self.folds * repeats - 1, ONSET_LEVEL)) * error_factor(self.folds, repeats)

        for repeats in range(self.repeats + 1, MOST_REPEATS + 1):
            half = seen * error(repeats) / error(self.repeats)
            if severity > half or severity + half <= RISE_THAT_MATTERS:
                return repeats
        return None


def analyse(
    validation: NDArray[Any],
    training: NDArray[Any] | None = None,
    *,
    folds: int,
    repeats: int,
    validation_ratio: float,
    seed: int = 0,
    draws: int = 1000,
    trained: int | None = None,
) -> OverfittingPoint:
    """Over-fitting point of a configuration from the curves of all its fits.

    A configuration counts as diverged when *any* fit diverged: a final training is one fit, so a setting that fails
    now and then cannot be recommended, and a mean over the survivors would be over other folds than everyone else's.
    A fit has diverged when a value is infinite, is not a number before the others' last epoch, or when its training
    loss ends ten times above its first epoch. NaN in *all* fits from one epoch on is a stopped training.

    Parameters
    ----------
    validation, training
        The monitored curve and its training twin, shape (folds * repeats, epochs), lower is better.
    validation_ratio
        Validation rows over training rows of a fit, 1 / (folds - 1) for k folds.
    trained
        Epochs that were trained, where the caller knows; then NaN before it is a divergence even where all fits have
        it. None: read off the curves.

    Raises
    ------
    UserError
        Where shapes, folds and repeats do not agree, or the ratio is negative.
    """
    curves, twin = _checked(validation, training, folds=folds, repeats=repeats, validation_ratio=validation_ratio)
    epochs, diverged_at = _divergence(curves, twin, trained)
    diverged = diverged_at > 0
    made = partial(OverfittingPoint, epochs=epochs, fits=len(curves), folds=folds, repeats=repeats)
    if diverged.any():
        return made(
            verdict=Verdict.DIVERGED,
            diverged_fits=int(diverged.sum()),
            diverged_epoch=int(diverged_at[diverged].min()),
        )
    curves = curves[:, :epochs]
    smoothed = smooth(curves)
    best = int(first_minimum(smoothed.mean(axis=0)))
    bootstrap = {"seed": seed, "draws": draws}
    low, high = best_epoch_interval(smoothed, folds, repeats, validation_ratio, **bootstrap)
    if low is not None and high is not None:
        low, high = min(low, best + 1), max(high, best + 1)
    onset = find_onset(smoothed, validation_ratio, curves=curves, repeats=repeats)
    onset_low = onset_high = None
    if onset is not None:
        onset_low, onset_high = onset_interval(smoothed, folds, repeats, validation_ratio, **bootstrap)
    if onset_low is not None and onset_high is not None and onset is not None:
        onset_low, onset_high = min(onset_low, onset), max(onset_high, onset)
    one_se = find_one_se_epoch(smoothed, best, validation_ratio, curves=curves)
    censored = is_censored(best + 1, high, onset, epochs)
    rise = _rise(smoothed, curves, repeats, validation_ratio)
    if onset is not None:
        verdict = Verdict.OVERFITS
    elif censored and one_se > IMPROVING_SHARE * epochs:
        verdict = Verdict.STILL_IMPROVING
    else:
        verdict = Verdict.PLATEAU if rise.excluded else Verdict.UNDECIDED
    of_others = best_for_others(smoothed, repeats)
    at_best = read_at(curves, of_others).reshape(repeats, folds)
    return made(
        verdict=verdict,
        best_epoch=best + 1,
        best_epoch_low=low,
        best_epoch_high=high,
        censored=censored,
        onset=onset,
        onset_low=onset_low,
        onset_high=onset_high,
        one_se_epoch=one_se,
        best_value=float(at_best.mean()),
        sd_folds=float(np.sqrt(at_best.var(axis=1, ddof=1).mean())) if folds > 1 else None,
        sd_seeds=float(at_best.mean(axis=1).std(ddof=1)) if repeats > 1 else None,
        final_value=float(curves[:, -1].mean()),
        gap_best=None if twin is None else float(read_at(curves - twin[:, :epochs], of_others).mean()),
        gap_final=None if twin is None else float((curves[:, -1] - twin[:, epochs - 1]).mean()),
        severity=rise.share,
        severity_low=rise.low,
        severity_high=rise.high,
    )


@dataclass(frozen=True)
class _Rise:
    """The rise at the end over the best value with its interval, and whether one that matters is excluded."""

    share: float | None
    low: float | None
    high: float | None
    excluded: bool


def _rise(smoothed: Array, curves: Array, repeats: int, validation_ratio: float) -> _Rise:
    fits = len(smoothed)
    at_best = read_at(smoothed, best_for_others(smoothed, repeats))
    differences = at_end(smoothed) - at_best
    if fits == 1:
        half = SINGLE_FIT_ERRORS * single_fit_error(curves[0])
    else:
        error = paired_error(differences, fits // repeats, repeats, validation_ratio)
        half = float(stdtrit(fits - 1, ONSET_LEVEL) * error)
    rise, best, small = float(differences.mean()), float(at_best.mean()), negligible(smoothed.mean(axis=0))
    excluded = rise + half <= max(RISE_THAT_MATTERS * best, small)
    if not best > small:
        return _Rise(None, None, None, excluded)
    if fits == 1:
        return _Rise(rise / best, None, None, excluded)
    return _Rise(rise / best, (rise - half) / best, (rise + half) / best, excluded)


def is_censored(best_epoch: int, best_epoch_high: int | None, onset: int | None, epochs: int) -> bool:
    """Whether the optimum may lie beyond the last epoch: it, or its upper end, is in the last 5 %, without an onset."""
    return onset is None and max(best_epoch, best_epoch_high or 0) > (1 - CENSORED_SHARE) * epochs


def documented_best_epoch(curve: NDArray[Any]) -> int | None:
    """The textbook's estimator: drop the first ten epochs, then the minimum of a causal exponential moving average.

    It runs about 13 epochs late where the truth is known; reported beside ours for comparison only.

    ``curve`` is the mean validation curve over the folds, (epochs,). The epoch is in the numbering of the whole
    training, as a final training would use it (the textbook's plot numbers from the first epoch kept, hence lower);
    None where fewer than eleven finite epochs exist.
    """
    values = np.asarray(curve, np.float64)
    finite = np.isfinite(values)
    kept = values[DROPPED:] if finite.all() else values[DROPPED : int(np.argmin(finite))]
    return DROPPED + int(first_minimum(causal_average(kept))) + 1 if kept.size else None


def _checked(
    validation: NDArray[Any], training: NDArray[Any] | None, *, folds: int, repeats: int, validation_ratio: float
) -> tuple[Array, Array | None]:
    curves = np.asarray(validation, np.float64)
    if curves.ndim != 2 or folds < 1 or repeats < 1 or len(curves) != folds * repeats:
        raise UserError(
            f"Validation curves of shape {curves.shape} do not belong to {folds} folds x {repeats} repeats; "
            f"({folds * repeats}, epochs) is needed."
        )
    twin = None if training is None else np.asarray(training, np.float64)
    if twin is not None and twin.shape != curves.shape:
        raise UserError(f"Training curves have the shape {twin.shape}, validation curves {curves.shape}.")
    if not validation_ratio >= 0:
        raise UserError(f"The ratio of validation to training rows is {validation_ratio}; 0 or more is allowed.")
    return curves, twin


def _divergence(curves: Array, twin: Array | None, trained: int | None) -> tuple[int, NDArray[np.intp]]:
    """Epochs to analyse, and for each fit the epoch at which it diverged (0: it did not)."""
    total = curves.shape[1]
    both = np.stack([curves] if twin is None else [curves, twin])
    finite = np.all(np.isfinite(both), axis=0)
    prefix = np.where(finite.all(axis=1), total, np.argmin(finite, axis=1)) if total else np.zeros(len(curves), int)
    epochs = int(prefix.max()) if trained is None else min(trained, total)
    infinite = np.isinf(both).any(axis=(0, 2))
    diverged_at = np.where((prefix < epochs) | infinite | (epochs == 0), prefix + 1, 0)
    if twin is not None:
        stretch = max(1, round(CENSORED_SHARE * epochs))
        for fit in np.flatnonzero(diverged_at == 0):
            last = twin[fit, epochs - stretch : epochs].mean()
            limit = EXPLOSION * abs(twin[fit, 0])
            if last > limit:
                diverged_at[fit] = int(np.argmax(twin[fit, :epochs] > limit)) + 1
    return epochs, diverged_at
