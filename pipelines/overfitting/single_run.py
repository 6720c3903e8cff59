"""How sure the best epoch of a single training is, from the curve's own noise: a moving-block bootstrap."""

import numpy as np

from pipelines.overfitting.statistics import Array, first_minimum, percentiles, smooth

#: Draws of the bootstrap.
DRAWS = 1000
#: Share of the training over which the pilot is smoothed; the curve itself is smoothed over a fifteenth.
PILOT_SHARE = 5.0
#: Blocks shorter than this would break up the noise that neighbouring epochs share.
LEAST_BLOCK = 3


def single_run_interval(curve: Array, *, seed: int = 0, draws: int = DRAWS) -> tuple[int, int]:
    """Lowest and highest best epoch that the noise of this one curve explains, a 95 % interval.

    The curve is taken apart into a smooth pilot and what is left over. Blocks of neighbouring leftovers are drawn anew
    and put back on the pilot, each such curve is smoothed as the real one is, and its minimum found. The pilot is
    smoothed three times as wide as the curve: on a pilot with the curve's own wiggles the draws return to the same
    wiggle, and the interval is too short.

    It says how far the best epoch moves with the noise from epoch to epoch. It says nothing of other rows or other
    seeds: only folds or repeats can. Where the noise is slow, so that it lasts for tens of epochs, it is too short;
    ``benchmarks/results/logs.md`` has its coverage on curves with known truth.

    Parameters
    ----------
    curve
        The validation curve, finite, (epochs,).
    """
    curve = np.asarray(curve, np.float64)
    epochs = len(curve)
    smoothed = smooth(curve)
    pilot = smooth(curve, share=PILOT_SHARE)
    best = int(first_minimum(smoothed)) + 1
    block = min(max(LEAST_BLOCK, round(epochs / 15)), epochs)
    leftover = curve - pilot
    leftover -= leftover.mean()
    generator = np.random.default_rng(seed)
    starts = generator.integers(0, epochs - block + 1, size=(draws, -(-epochs // block)))
    columns = (starts[:, :, None] + np.arange(block)).reshape(draws, -1)[:, :epochs]
    low, high = percentiles(first_minimum(smooth(pilot + leftover[columns])) + 1)
    return min(low, best), max(high, best)
