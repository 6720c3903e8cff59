"""Learning curves with a known truth, for tests and benchmarks.

A validation curve is a common curve, plus an offset and a tilt of each fold, plus AR(1) noise of which a part may be
shared by all fits (folds share training rows, so their errors are correlated). Of 200 epochs the optimum of an
over-fitting curve is near the 69th; other lengths are the same curve stretched.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Array = NDArray[np.float64]

KINDS = ("overfits", "plateau", "flat", "improving")
_LENGTH = 200
_OPTIMUM = 69


@dataclass(frozen=True)
class Noise:
    """How single curves differ from the common one, in units of a loss that falls from about 1.3 to 0.5.

    Attributes
    ----------
    deviation, autocorrelation
        Of the noise from epoch to epoch.
    shared
        Share of that noise's variance common to all fits; 1/4 is what Nadeau and Bengio assume of 4 folds.
    offset, tilt
        Deviation between folds of their level, and of what they gain or lose over the whole training.
    """

    deviation: float = 0.04
    autocorrelation: float = 0.5
    shared: float = 0.0
    offset: float = 0.1
    tilt: float = 0.0


def common_curve(kind: str, epochs: int = _LENGTH) -> Array:
    """The curve that all fits share, shape (epochs,)."""
    t = np.arange(1, epochs + 1) * _LENGTH / epochs
    if kind == "overfits":
        return 0.35 + np.exp(-t / 20) + np.exp(-_OPTIMUM / 20) / 20 * t
    if kind == "plateau":
        return 0.4 + np.exp(-t / 20)
    if kind == "flat":
        return np.full(epochs, 0.4)
    if kind == "improving":
        return 0.4 + np.exp(-t / 80)
    raise ValueError(f"{kind!r} is none of {KINDS}")


def true_best_epoch(kind: str, epochs: int = _LENGTH) -> int:
    return int(common_curve(kind, epochs).argmin()) + 1


def make_curves(
    kind: str, *, folds: int = 4, repeats: int = 1, epochs: int = _LENGTH, noise: Noise | None = None, seed: int = 0
) -> tuple[Array, Array]:
    """Validation and training curves, each (folds * repeats, epochs), repeat-major."""
    noise = noise or Noise()
    generator = np.random.default_rng(seed)
    shape = (repeats, folds, epochs)
    own = autoregressive(generator, shape, noise.autocorrelation) * np.sqrt(1 - noise.shared)
    shared = autoregressive(generator, (1, 1, epochs), noise.autocorrelation) * np.sqrt(noise.shared)
    offset = noise.offset * generator.standard_normal((1, folds, 1))
    tilt = noise.tilt * generator.standard_normal((1, folds, 1)) * np.linspace(0, 1, epochs)
    validation = common_curve(kind, epochs) + offset + tilt + noise.deviation * (own + shared)
    t = np.arange(1, epochs + 1) * _LENGTH / epochs
    falling = 0.1 + 1.2 * np.exp(-t / 40)
    training = falling + 0.3 * noise.deviation * autoregressive(generator, shape, noise.autocorrelation)
    return validation.reshape(-1, epochs), training.reshape(-1, epochs)


def autoregressive(generator: np.random.Generator, shape: tuple[int, ...], autocorrelation: float) -> Array:
    """Stationary AR(1) noise of unit variance along the last axis."""
    innovations = np.sqrt(1 - autocorrelation**2) * generator.standard_normal(shape)
    before = autocorrelation * generator.standard_normal((*shape[:-1], 1))
    return np.asarray(lfilter([1.0], [1.0, -autocorrelation], innovations, axis=-1, zi=before)[0])
