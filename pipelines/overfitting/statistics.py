"""The estimators behind the over-fitting point, each a pure function of arrays.

Curves have the shape (fits, epochs), repeat-major. Epochs are 1-based, columns 0-based. "Smoothed" curves come from
``smooth``; smoothing is linear, so the mean of smoothed curves is the smoothed mean curve.
"""

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
#: Differences below this part of the curve's early level matter to nobody (a linear task solved to the last digit).
NEGLIGIBLE = 1e-6
#: Values of the bootstrap held at a time (16 MB), which bounds the memory of a very long training.
BLOCK_VALUES = 2_000_000
#: A single fit shows no deviation between fits: its onset asks for this many errors of the curve's own wander.
SINGLE_FIT_ERRORS = 4.0
#: Share of the average before it in a value of the textbook's moving average.
FACTOR = 0.9


def smooth(curves: NDArray[Any]) -> Array:
    """Centred moving average with a Hann window of about a fifteenth of the epochs, odd, at least 3; edges padded.

    Centred, since a causal average runs late on a trend: by 9 epochs with the usual factor .9. ``curves`` are finite,
    (..., epochs), and so is what becomes of them.
    """
    curves = np.asarray(curves, np.float64)
    window = _window(curves.shape[-1])
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


def best_epoch_interval(
    smoothed: Array, folds: int, repeats: int, validation_ratio: float, *, seed: int = 0, draws: int = 1000
) -> tuple[int | None, int | None]:
    """Lowest and highest best epoch of the 95 % interval, (None, None) for a single fit.

    A percentile bootstrap: fits are drawn anew within each repeat.

    Fits share training rows, so the plain bootstrap is too sure: with noise as correlated as Nadeau and Bengio (2003)
    assume it covers the truth in about .74 of trials with 4 folds, with 3 repeats in .64. Every draw's distance from
    the mean curve is therefore widened by ``sqrt((1 + folds * validation_ratio) * n / (n - 1))``, ``n`` being the
    units drawn in a repeat: it gives the mean of a repeat their corrected variance, and undoes the bootstrap's own
    shrinkage. Repeats count as independent, so that they narrow the interval. With 3 folds or more it then covers .84
    to .99, whether the noise is correlated or not; with 2 folds and one repeat only .64 to .75, there being too few
    units to draw from.

    With one fold and several repeats (a hold-out) the repeats are drawn: the interval then says how far the best
    epoch moves with the seed, not with other data.
    """
    if len(smoothed) == 1:
        return None, None
    drawn = best_epoch_draws(smoothed, folds, repeats, validation_ratio, seed=seed, draws=draws)
    tail = 100 * (1 - INTERVAL_LEVEL) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail], method="nearest")
    return int(low), int(high)


def best_epoch_draws(
    smoothed: Array, folds: int, repeats: int, validation_ratio: float, *, seed: int = 0, draws: int = 1000
) -> NDArray[np.intp]:
    """The best epochs of ``best_epoch_interval``'s draws, shape (draws,); two fits or more.

    Of two configurations with the same folds, repeats and seed the same fits are drawn, so draw by draw their
    difference is one of paired fits.
    """
    fits, epochs = smoothed.shape
    generator = np.random.default_rng(seed)
    strata, size = (repeats, folds) if folds > 1 else (1, repeats)
    counts = generator.multinomial(size, np.full(size, 1 / size), size=(draws, strata)).reshape(draws, fits)
    correlated = 1 + folds * validation_ratio
    widening = np.sqrt(correlated * size / (size - 1))
    weights = 1 / fits + widening * (counts - 1) / fits
    block = max(1, BLOCK_VALUES // epochs)
    best = [first_minimum(weights[start : start + block] @ smoothed) for start in range(0, draws, block)]
    return np.concatenate(best) + 1


def standard_error(differences: Array, validation_ratio: float) -> Array:
    """Standard error of a mean over fits that share training rows (Nadeau and Bengio 2003), shape (fits, ...) -> (...).

    ``s_d * sqrt(1 / fits + n_validation / n_training)``; needs two fits or more.
    """
    deviation = differences.std(axis=0, ddof=1)
    return np.asarray(deviation * np.sqrt(1 / len(differences) + validation_ratio))


def find_onset(smoothed: Array, validation_ratio: float, *, curves: Array) -> int | None:
    """First epoch after the best from which the validation curve is surely above its best, and stays so.

    Each fit's difference is taken from the epoch that is best *for the other fits*: from the common best epoch, which
    was chosen for being low, a curve of pure noise seems to rise. The mean difference must exceed
    ``t(.95, fits - 1)`` standard errors for a run of 5 epochs (or a fortieth of the training) and for nine tenths of
    all epochs that follow: over hundreds of epochs some run is above by chance.

    With a single fit the wander of the smoothed curve itself stands in for the standard error, four times over; it
    cannot tell slow, strongly autocorrelated noise from a rise. Both sets of curves have the shape (fits, epochs).
    """
    fits, epochs = smoothed.shape
    mean = smoothed.mean(axis=0)
    best = int(first_minimum(mean))
    if fits == 1:
        rise = mean - mean[best]
        threshold = np.full(epochs, SINGLE_FIT_ERRORS * _single_fit_error(curves[0]))
    else:
        of_others = first_minimum(mean * fits - smoothed)
        differences = smoothed - smoothed[np.arange(fits), of_others][:, None]
        rise = differences.mean(axis=0)
        threshold = stdtrit(fits - 1, ONSET_LEVEL) * standard_error(differences, validation_ratio)
    above = rise > np.maximum(threshold, negligible(mean))
    above[: best + 1] = False
    run = min(max(5, -(-epochs // 40)), max(2, epochs // 4))
    if epochs <= run:
        return None
    starts = np.convolve(above, np.ones(run), mode="valid") > run - 0.5
    lasting = np.cumsum(above[::-1])[::-1] >= PERSISTENCE * np.arange(epochs, 0, -1)
    candidates = np.flatnonzero(starts & lasting[: len(starts)])
    return int(candidates[0]) + 1 if candidates.size else None


def find_one_se_epoch(smoothed: Array, best: int, validation_ratio: float, *, curves: Array) -> int:
    """Earliest epoch whose smoothed mean is within one standard error of the best (Breiman et al. 1984).

    Deliberately early: the cheapest training that is as good. ``best`` is a column, the result an epoch.
    """
    differences = smoothed - smoothed[:, best : best + 1]
    if len(smoothed) == 1:
        error = np.full(smoothed.shape[1], _single_fit_error(curves[0]))
    else:
        error = standard_error(differences, validation_ratio)
    enough = np.maximum(error, negligible(smoothed.mean(axis=0)))
    return int(np.argmax(differences.mean(axis=0) <= enough)) + 1


def _window(epochs: int, share: float = 15.0) -> Array:
    """Hann weights, odd in number, about ``epochs / share``, at least 3."""
    width = max(3, round(epochs / share))
    window = np.hanning(width + 1 - width % 2 + 2)[1:-1]
    return np.asarray(window / window.sum())


def _single_fit_error(curve: Array) -> float:
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
