"""What is done to the data of one fit: normalising its inputs and its target, using a share of its training rows only.

All look at the training rows and at nothing else. What a network sees is ``(inputs - offset) / scale``, computed a
batch at a time on the device, so the data themselves stay in their compact form and are shared by all fits. Targets
likewise.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.datasets.base import Task
from pipelines.errors import UserError

TARGET_SCALINGS = ("none", "standardise")
NORMALISATIONS = ("none", "divide_255", "divide_256", "minus_one_one", "standardise", "minmax")

BLOCK_VALUES = 1 << 21  # values of a block as float64: 16 MiB
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)  # dividing by less would give infinities
#: Deviations of a target outside these, their squares are no more numbers of float32, in which curves are kept.
SMALLEST_DEVIATION, LARGEST_DEVIATION = 1e-15, 1e15
#: Offset and scale of what needs no fitting.
FIXED = {"none": (0.0, 1.0), "divide_255": (0.0, 255.0), "divide_256": (0.0, 256.0), "minus_one_one": (127.5, 127.5)}


def fit_normalisation(
    inputs: NDArray[np.generic], rows: ArrayLike, kind: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Offset and scale of a normalisation, learned from the training rows.

    Parameters
    ----------
    inputs
        All samples, shape (samples, *features), of any number type; may be a memory map, since it is read in blocks.
    rows
        The training rows of one fit, shape (n_train,).
    kind
        ``none``; ``divide_255``, ``divide_256``, ``minus_one_one`` (images of 0 to 255); ``standardise``: each
        feature's mean, and its deviation
        ``sqrt(mean((x - mean)^2))`` (NumPy's ``std``, not the sample deviation with n - 1); ``minmax``: each feature's
        smallest value, and its range.

    Returns
    -------
    Offset and scale, float32: scalar arrays, or of one sample's shape for ``standardise`` and ``minmax``. The scale of
    a feature that is constant among the rows is 1, so it becomes 0.

    Raises
    ------
    UserError
        Where the kind is not known or there are no rows.

    Examples
    --------
    >>> offset, scale = fit_normalisation(np.array([[1.0], [3.0], [99.0]]), [0, 1], "standardise")
    >>> offset.tolist(), scale.tolist()
    ([2.0], [1.0])
    """
    if kind not in NORMALISATIONS:
        raise UserError(f"There is no normalisation {kind!r}. Allowed: {', '.join(NORMALISATIONS)}.")
    if kind in FIXED:
        offset, scale = FIXED[kind]
        return np.full((), offset, np.float32), np.full((), scale, np.float32)
    chosen = np.asarray(rows)
    if not len(chosen):
        raise UserError(f"The normalisation {kind!r} needs at least one training row.")
    shape = inputs.shape[1:]
    low, high, total = np.full(shape, np.inf), np.full(shape, -np.inf), np.zeros(shape)
    for block in _blocks(inputs, chosen):
        np.minimum(low, block.min(axis=0), out=low)
        np.maximum(high, block.max(axis=0), out=high)
        total += block.sum(axis=0, dtype=np.float64)
    # The mean of equal values may differ from them in the last digit: take the value itself.
    constant = low == high
    if kind == "minmax":
        return low.astype(np.float32), _scale(high - low, constant)
    mean = np.where(constant, low, total / len(chosen))
    squares = np.zeros(shape)
    for block in _blocks(inputs, chosen):
        deviation = block - mean
        squares += np.square(deviation, out=deviation).sum(axis=0)
    return mean.astype(np.float32), _scale(np.sqrt(squares / len(chosen)), constant)


def fit_target_scaling(
    targets: NDArray[np.generic], rows: ArrayLike, kind: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Offset and scale of a regression's target, learned from the training rows.

    Parameters
    ----------
    targets
        Of all samples, shape (samples,).
    rows
        The training rows of one fit, shape (n_train,).
    kind
        ``none``: 0 and 1; ``standardise``: mean and deviation (NumPy's ``std``), computed in float64.

    Returns
    -------
    Offset and scale, float32 scalars. The scale of a constant target is 1.

    Raises
    ------
    UserError
        Where the kind is not known, there are no rows, or the deviation is so large or small that squared errors are no
        numbers any more.

    Examples
    --------
    >>> offset, scale = fit_target_scaling(np.array([1.0, 3.0, 99.0]), [0, 1], "standardise")
    >>> float(offset), float(scale)
    (2.0, 1.0)
    """
    if kind not in TARGET_SCALINGS:
        raise UserError(f"There is no target scaling {kind!r}. Allowed: {', '.join(TARGET_SCALINGS)}.")
    if kind == "none":
        return np.zeros((), np.float32), np.ones((), np.float32)
    values = targets[np.asarray(rows)].astype(np.float64)
    if not len(values):
        raise UserError(f"The target scaling {kind!r} needs at least one training row.")
    if values.min() == values.max():
        return np.array(values[0], np.float32), np.ones((), np.float32)
    deviation = float(values.std())
    if not SMALLEST_DEVIATION <= deviation <= LARGEST_DEVIATION:
        size = "large" if deviation > 1 else "small"
        raise UserError(
            f"The target's deviation is {deviation:.3g}, too {size} for the squares of its errors; allowed: "
            f"{SMALLEST_DEVIATION:g} to {LARGEST_DEVIATION:g}. Give the target in another unit."
        )
    return np.array(values.mean(), np.float32), np.array(deviation, np.float32)


def subsample(
    rows: NDArray[np.int32], targets: NDArray[np.generic], task: Task, fraction: float, seed: int
) -> NDArray[np.int32]:
    """A share of the training rows, each class by itself for a classification.

    The rows of a smaller fraction are among those of a larger one with the same seed, so a curve over fractions shows
    what more data do, and not what other data do.

    Parameters
    ----------
    rows
        Training rows of a fit, shape (n_train,).
    targets
        Targets of all samples, shape (samples,); ``rows`` point into it.
    fraction
        Above 0 to 1. Each class (a regression: all rows) keeps its count times the fraction, rounded, at least 1.
    seed
        0 or more; which rows are kept depends on it and on the rows only.

    Returns
    -------
    The rows kept, in rising order, int32.

    Raises
    ------
    UserError
        Where the fraction is out of range or there are no rows.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 0, 1, 1], np.int32)
    >>> labels[subsample(np.arange(6, dtype=np.int32), labels, Task.BINARY, 0.5, seed=0)]
    array([0, 0, 1], dtype=int32)
    """
    if not 0 < fraction <= 1:
        raise UserError(f"train_fraction is {fraction!r}; allowed: a number above 0, to 1.")
    if not len(rows):
        raise UserError("There are no training rows to take a fraction of.")
    ordered = np.sort(np.asarray(rows, np.int32))
    if fraction == 1:
        return ordered
    groups = np.asarray(targets)[ordered] if task.is_classification else np.zeros(len(ordered), np.int32)
    generator = np.random.default_rng(seed)
    kept = []
    for group in np.unique(groups):
        # One permutation a group whatever the fraction: its first rows are the smaller fraction's.
        members = generator.permutation(ordered[groups == group])
        kept.append(members[: max(1, int(len(members) * fraction + 0.5))])
    return np.sort(np.concatenate(kept))


def _blocks(inputs: NDArray[np.generic], rows: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """The chosen rows, some at a time, in the type they are stored in (floats as float64)."""
    size = max(1, BLOCK_VALUES // max(1, int(np.prod(inputs.shape[1:]))))
    for first in range(0, len(rows), size):
        block = inputs[rows[first : first + size]]
        yield block.astype(np.float64) if block.dtype.kind == "f" else block


def _scale(spread: NDArray[np.float64], constant: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(constant | (spread < SMALLEST_SCALE), 1.0, spread).astype(np.float32)
