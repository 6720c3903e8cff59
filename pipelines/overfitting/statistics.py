"""The estimators behind the over-fitting point, each a pure function of arrays.

Curves have the shape (fits, epochs), repeat-major. Epochs are 1-based, columns 0-based. "Smoothed" curves come from
``smooth``; smoothing is linear, so the mean of smoothed curves is the smoothed mean curve.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # what scipy.stats.t.ppf calls, without the second that scipy.stats takes to import

Array = NDArray[np.float64]

#: One-sided level of the onset's test, and two-sided level of the best epoch's interval.
ONSET_LEVEL = 0.95
INTERVAL_LEVEL = 0.95
#: From the onset to the end of the training, at least this share of the epochs must lie above the best epoch.
PERSISTENCE = 0.9
#: Variance that repeats cannot take away from a mean of paired differences, in parts of that between fits.
REPEATED_ROWS = 0.12
#: Validation rows over training rows where a fifth of all is held out.
USUAL_RATIO = 0.25
#: Differences below this part of the curve's early level matter to nobody (a linear task solved to the last digit).
NEGLIGIBLE = 1e-6
#: Values of the bootstrap held at a time (16 MB), which bounds the memory of a very long training.
BLOCK_VALUES = 2_000_000
#: A single fit shows no deviation between fits: its onset asks for this many errors of the curve's own wander.
SINGLE_FIT_ERRORS = 4.0
#: Share of the average before it in a value of the textbook's moving average.
FACTOR = 0.9


def smooth(curves: NDArray[Any], *, share: float = 15.0) -> Array:
    """Centred moving average with a Hann window of ``epochs / share``, odd, at least 3; edges padded.

    Centred, since a causal average runs late on a trend: by 9 epochs with the usual factor .9. ``curves`` are finite,
    (..., epochs), and so is what becomes of them.
    """
    curves = np.asarray(curves, np.float64)
    window = _window(curves.shape[-1], share)
    half = len(window) // 2
    padded = np.pad(curves, [(0, 0)] * (curves.ndim - 1) + [(half, half)], mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, len(window), axis=-1) @ window)


def causal_average(curve: NDArray[Any]) -> Array:
    """Exponential moving average of a curve, shape (epochs,), that looks back only, as the textbook smooths its plots.

    Each value is nine tenths of the average before it and a tenth of the new one; the first is itself. It runs late
    on a trend, see ``smooth``. ``scipy.signal.lfilter`` would do the same, but takes a second to import.
    """
    values = np.asarray(curve, np.float64)
    averages = accumulate(values, lambda average, value: FACTOR * average + (1 - FACTOR) * value)
    return np.fromiter(averages, np.float64, len(values))


def first_minimum(values: NDArray[Any]) -> NDArray[np.intp]:
    """Index of the minimum along the last axis; of values equal to rounding, the first. Shape (..., n) -> (...)."""
    lowest = values.min(axis=-1, keepdims=True)
    return np.asarray(np.argmax(values <= lowest + 1e-9 * np.abs(lowest), axis=-1))


def negligible(mean: Array) -> float:
    """Difference too small to matter on a mean curve, shape (epochs,).

    Measured by the first quarter's median: one wild first epoch must not decide what is small.
    """
    return NEGLIGIBLE * float(np.median(np.abs(mean[: max(1, len(mean) // 4)])))


def best_for_others(smoothed: Array, repeats: int = 1) -> NDArray[np.intp]:
    """Of each fit the column that is best for the mean of the fits of all *other* folds, shape (fits,).

    What a fit says at this epoch is not flattered by its own noise having chosen the epoch. Read at the epoch that the
    same curves chose, values of real networks are 0.7 to 2.9 % too good, and a plateau seems to rise by 2 to 5 %.
    Repeats of the fold stay out as well: they have its rows, and part of its noise. With a single fold the other
    repeats choose; a single fit has nobody else.
    """
    fits, epochs = smoothed.shape
    if fits == 1:
        return first_minimum(smoothed)
    folds = fits // repeats
    of_folds = smoothed if folds == 1 else smoothed.reshape(repeats, folds, epochs).sum(axis=0)
    return np.resize(first_minimum(of_folds.sum(axis=0) - of_folds), fits)


def read_at(curves: NDArray[Any], columns: NDArray[np.intp]) -> NDArray[Any]:
    """Of each fit its value at a column of its own, (fits, epochs) and (fits,) -> (fits,)."""
    return np.asarray(np.take_along_axis(curves, columns[:, None], axis=1)[:, 0])


def at_end(smoothed: Array) -> Array:
    """Of each fit the level at the end of its training, (fits, epochs) -> (fits,): the mean of the last epochs.

    They are as many as half the smoothing window. The last smoothed value alone has lost the half of its window that
    would lie beyond the end, and with it most of the smoothing.
    """
    return np.asarray(smoothed[:, -max(1, len(_window(smoothed.shape[1])) // 2) :].mean(axis=1))


def rises(smoothed: Array, repeats: int = 1) -> Array:
    """Of each fit how far every epoch lies above the epoch that is best for the other folds, shape (fits, epochs)."""
    return np.asarray(smoothed - read_at(smoothed, best_for_others(smoothed, repeats))[:, None])


def bootstrap_weights(folds: int, repeats: int, factor: float, *, seed: int = 0, draws: int = 1000) -> Array:
    """Weights of the fits in each draw of a bootstrap, shape (draws, fits): fits are drawn anew within each repeat.

    The plain bootstrap of a few fits that share training rows is too sure. Every draw's distance from the mean is
    therefore widened until the variance of a weighted mean is ``factor ** 2`` times that between fits: for the
    difference of two epochs or configurations ``error_factor``.

    With one fold and several repeats (a hold-out) the repeats are drawn: an interval then says how far something moves
    with the seed, not with other data. A single fit cannot be drawn from.
    """
    fits = folds * repeats
    strata, size = (repeats, folds) if folds > 1 else (1, repeats)
    shares = np.full(size, 1 / size)
    counts = np.random.default_rng(seed).multinomial(size, shares, size=(draws, strata)).reshape(draws, fits)
    widening = factor * np.sqrt(fits * size / (size - 1))
    return np.asarray(1 / fits + widening * (counts - 1) / fits)


def best_epoch_interval(
    smoothed: Array, folds: int, repeats: int, validation_ratio: float, *, seed: int = 0, draws: int = 1000
) -> tuple[int | None, int | None]:
    """Lowest and highest best epoch of the 95 % interval, (None, None) for a single fit.

    A percentile bootstrap, widened to the corrected variance that Nadeau and Bengio (2003) give the mean of a repeat;
    repeats count as independent, so that they narrow the interval. With 3 folds or more it covers the truth in .84 to
    .99 of trials, whether the noise of fits is correlated or not (unwidened with 4 folds in .74, with 3 repeats in
    .64); with 2 folds and one repeat only in .59 to .75, there being too few units to draw from.
    """
    if len(smoothed) == 1:
        return None, None
    factor = float(np.sqrt((1 / folds + validation_ratio) / repeats))
    return percentiles(best_epochs(smoothed, bootstrap_weights(folds, repeats, factor, seed=seed, draws=draws)))


def best_epochs(smoothed: Array, weights: Array) -> NDArray[np.intp]:
    """The best epoch in each draw of a bootstrap, (draws,), from 1; ``weights`` are (draws, fits)."""
    return np.concatenate([first_minimum(block @ smoothed) for block in _blocks(weights, smoothed.shape[1])]) + 1


def standard_error(differences: Array, validation_ratio: float) -> Array:
    """Standard error of a mean over fits that share training rows (Nadeau and Bengio 2003), shape (fits, ...) -> (...).

    ``s_d * sqrt(1 / fits + n_validation / n_training)``; needs two fits or more. It is made for the comparison of
    algorithms over new data. For what happens *within* given configurations it is too careful, see ``paired_error``;
    for the best of many against the next its excess pays for the choice.
    """
    deviation = differences.std(axis=0, ddof=1)
    return np.asarray(deviation * np.sqrt(1 / len(differences) + validation_ratio))


def paired_error(differences: Array, folds: int, repeats: int, validation_ratio: float = USUAL_RATIO) -> Array:
    """Standard error of a mean of paired differences, shape (fits, ...) -> (...): two epochs, or two configurations.

    ``s_d * error_factor(folds, repeats)``, for configurations that were not picked as the best of many: of true nulls a
    test at 5 % then rejects 3.6 to 4.4 %, with Nadeau and Bengio's error 0.9 to 2.3 %. Needs two fits or more.
    """
    return np.asarray(differences.std(axis=0, ddof=1) * error_factor(folds, repeats, validation_ratio))


def error_factor(folds: int, repeats: int, validation_ratio: float = USUAL_RATIO) -> float:
    """Standard error of a mean of paired differences over their deviation between fits.

    ``sqrt(max(1 / folds, 1 / (folds * repeats) + 0.12))``. Differences within a fit hardly correlate between folds (by
    .03 on real data), and repeats bring no new rows. Over independent data sets the variance was .289 and .286 of the
    squared deviation with 4 folds (this: .37), .116 and .252 with 4 folds and 5 repeats (this: .25; Nadeau and Bengio:
    .583 and .383). With a single fold there is nothing to learn about other rows from: there it stays theirs.
    """
    if folds == 1:
        return float(np.sqrt(1 / repeats + validation_ratio))
    return float(np.sqrt(max(1 / folds, 1 / (folds * repeats) + REPEATED_ROWS)))


def find_onset(
    smoothed: Array, validation_ratio: float, *, curves: Array, repeats: int = 1, level: float = ONSET_LEVEL
) -> int | None:
    """First epoch after the best from which the validation curve lies above its best, where it surely comes to that.

    *That* it rises: each fit's difference is taken from the epoch that is best for the other folds (from the common
    best epoch, which was chosen for being low, a curve of pure noise seems to rise). The mean difference must exceed
    ``t(level, fits - 1)`` standard errors (``paired_error``; that of an epoch counts for no less than the mean of all
    after the best: of many epochs some have a small one by chance) for a run of 5 epochs (or a fortieth of the
    training) and for nine tenths of all epochs that follow: over hundreds of epochs some run is above by chance.

    *Where*: from the first epoch on which the mean difference, as lastingly, exceeds one standard error, the mirror of
    the one-SE epoch. The epoch at which the test is passed is no place: it comes later with every fold that is missing.

    With a single fit the wander of the smoothed curve itself stands in for the standard error, four times over, and is
    both test and place; it cannot tell slow, strongly autocorrelated noise from a rise. Both sets of curves have the
    shape (fits, epochs).
    """
    fits = len(smoothed)
    mean = smoothed.mean(axis=0)
    after = int(first_minimum(mean)) + 1
    small = negligible(mean)
    if fits == 1:
        threshold = max(SINGLE_FIT_ERRORS * single_fit_error(curves[0]), small)
        return _epoch(lasting(mean - mean[after - 1] > threshold, after))
    differences = rises(smoothed, repeats)
    rise, error = differences.mean(axis=0), paired_error(differences, fits // repeats, repeats, validation_ratio)
    usual = np.sqrt(np.mean(error[min(after, len(error) - 1) :] ** 2))
    if lasting(rise > np.maximum(stdtrit(fits - 1, level) * np.maximum(error, usual), small), after) < 0:
        return None
    return _epoch(lasting(rise > np.maximum(error, small), after))


def onset_interval(
    smoothed: Array, folds: int, repeats: int, validation_ratio: float, *, seed: int = 0, draws: int = 1000
) -> tuple[int | None, int | None]:
    """95 % interval of the onset of a configuration that has one, by the draws that give the best epoch's.

    It answers: were the fits others, where would the mean rise leave one standard error? A draw in which it never does
    counts as the last epoch. (None, None) for a single fit.
    """
    fits, epochs = smoothed.shape
    if fits == 1:
        return None, None
    factor = error_factor(folds, repeats, validation_ratio)
    weights = bootstrap_weights(folds, repeats, factor, seed=seed, draws=draws)
    differences = rises(smoothed, repeats)
    threshold = np.maximum(
        paired_error(differences, folds, repeats, validation_ratio), negligible(smoothed.mean(axis=0))
    )
    found = []
    for block in _blocks(weights, epochs):
        after = first_minimum(block @ smoothed) + 1
        onset = lasting(block @ differences > threshold, after)
        found.append(np.where(onset < 0, epochs, onset + 1))
    return percentiles(np.concatenate(found))


def find_one_se_epoch(smoothed: Array, best: int, validation_ratio: float, *, curves: Array) -> int:
    """Earliest epoch whose smoothed mean is within one standard error of the best (Breiman et al. 1984).

    Deliberately early: the cheapest training that is as good. ``best`` is a column, the result an epoch.
    """
    differences = smoothed - smoothed[:, best : best + 1]
    if len(smoothed) == 1:
        error = np.full(smoothed.shape[1], single_fit_error(curves[0]))
    else:
        error = standard_error(differences, validation_ratio)
    enough = np.maximum(error, negligible(smoothed.mean(axis=0)))
    return int(np.argmax(differences.mean(axis=0) <= enough)) + 1


def lasting(above: NDArray[np.bool_], after: NDArray[np.intp] | int) -> NDArray[np.intp]:
    """The first column from ``after`` on that begins a run of true ones and keeps nine tenths true to the end; else -1.

    Shape (..., epochs) -> (...). A run is 5 epochs or a fortieth of the training; in a short one a quarter, at least 2.
    """
    epochs = above.shape[-1]
    run = min(max(5, -(-epochs // 40)), max(2, epochs // 4))
    if epochs <= run:
        return np.full(above.shape[:-1], -1)
    above = above & (np.arange(epochs) >= np.asarray(after)[..., None])
    total: NDArray[np.intp] = np.cumsum(above, axis=-1)
    before: NDArray[np.intp] = total - above
    runs = np.zeros_like(above)
    runs[..., : epochs - run + 1] = total[..., run - 1 :] - before[..., : epochs - run + 1] == run
    lasting = total[..., -1:] - before >= PERSISTENCE * np.arange(epochs, 0, -1)
    found = runs & lasting
    return np.where(found.any(axis=-1), found.argmax(axis=-1), -1)


def _epoch(column: NDArray[np.intp]) -> int | None:
    return None if column < 0 else int(column) + 1


def _blocks(weights: Array, epochs: int) -> Iterator[Array]:
    """Weights of draws, so many at a time that the curves made of them stay small."""
    size = max(1, BLOCK_VALUES // epochs)
    return (weights[start : start + size] for start in range(0, len(weights), size))


def percentiles(epochs: NDArray[np.intp]) -> tuple[int, int]:
    """Ends of the 95 % interval of epochs, or of differences of them, one a draw of a bootstrap, shape (draws,)."""
    tail = 100 * (1 - INTERVAL_LEVEL) / 2
    low, high = np.percentile(epochs, [tail, 100 - tail], method="nearest")
    return int(low), int(high)


def _window(epochs: int, share: float = 15.0) -> Array:
    """Hann weights, odd in number, about ``epochs / share``, at least 3."""
    width = max(3, round(epochs / share))
    window = np.hanning(width + 1 - width % 2 + 2)[1:-1]
    return np.asarray(window / window.sum())


def single_fit_error(curve: Array) -> float:
    """Standard error of a difference of two smoothed values of one curve, from the curve's own noise.

    The larger of two robust estimates, each right where the other fails: white noise from the residuals around the
    smoothed curve, and slow wander from the smoothed curve's distance to one smoothed three times as wide.
    """
    smoothed = smooth(curve)
    window = _window(len(curve))
    power = float(window @ window)
    white = _robust_deviation(curve - smoothed) * np.sqrt(power / (1 - 2 * window[len(window) // 2] + power))
    wide = _window(len(curve), 5.0)
    wander = _robust_deviation(smoothed - np.convolve(np.pad(smoothed, len(wide) // 2, mode="edge"), wide, "valid"))
    return float(np.sqrt(2) * max(white, wander))


def _robust_deviation(values: Array) -> float:
    """Standard deviation of the bulk of the values, from their median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
