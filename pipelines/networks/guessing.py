"""The trivial predictor: a network that says the same of every sample, namely what is best of the training rows.

A network that does no better has learned nothing of its inputs, however flat its curve is. The numbers are those that
such a network would get by ``pipelines.networks.objectives``. They are computed by NumPy, since the process that starts
a sweep must not load the framework that another one is to train with.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtrit

from pipelines.datasets.base import Dataset, Task
from pipelines.datasets.folds import Split
from pipelines.datasets.preparation import fit_target_scaling
from pipelines.networks.objectives import class_weights, explained_share, unit_powers
from pipelines.overfitting.statistics import best_for_others, paired_error, read_at, smooth

Array = NDArray[np.float64]

#: How sure it has to be that a configuration beats guessing.
GUESSING_LEVEL = 0.95


def guess(
    dataset: Dataset, splits: Sequence[Split], loss: str, target_scaling: str = "none"
) -> dict[str, tuple[float, ...]]:
    """What guessing comes to on the validation rows of each fit, by validation curve.

    For each curve it is the constant that is best for it on the fit's training rows: the mean for squared errors, the
    median for absolute ones, for ``huber`` and ``log_cosh`` the one that is found numerically; the shares of the
    classes for cross-entropies and for squared errors of probabilities, the most frequent class for accuracies. A class
    that no training row is of gets the share of half a row, without which a cross-entropy would be infinite.

    Parameters
    ----------
    splits
        One a fit, repeat-major.
    loss
        That of the sweep, one of ``LOSSES`` of the task: its values are those of ``val_loss``.
    target_scaling
        Likewise: in what unit the target of a regression is trained on, which decides where ``huber`` and ``log_cosh``
        are no squares any more.

    Returns
    -------
    By curve (``val_loss``, ``val_accuracy``) one value a fit; without curves in which a fit has none.
    """
    fits: list[Mapping[str, float]] = []
    for split in splits:
        training, validation = dataset.targets[split.train], dataset.targets[split.validation]
        if dataset.task is Task.REGRESSION:
            scale = float(fit_target_scaling(dataset.targets, split.train, target_scaling)[1])
            fits.append(_of_values(training.astype(np.float64), validation.astype(np.float64), loss, scale))
        else:
            fits.append(_of_labels(training, validation, max(dataset.outputs, 2), loss))
    found = {f"val_{name}": tuple(float(fit[name]) for fit in fits) for name in fits[0]}
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


def surely_beats(monitored: Array, guesses: Array, *, folds: int, ratio: float) -> bool:
    """Whether a configuration is better than guessing, by a one-sided 95 % test of what its fits are ahead by.

    Each fit is read at the epoch that is best for the others. A single fit only has to be better.

    Parameters
    ----------
    monitored
        The curves that over-fitting is judged on, (fits, epochs), lower is better.
    guesses
        What guessing comes to on the same rows, (fits,).
    ratio
        Of validation to training rows.
    """
    fits = len(monitored)
    at_best = read_at(monitored, best_for_others(smooth(monitored), fits // folds))
    leads = np.asarray(guesses - at_best, np.float64)
    if fits == 1:
        return bool(leads[0] > 0)
    error = paired_error(leads, folds, fits // folds, ratio)
    return bool(leads.mean() > stdtrit(fits - 1, GUESSING_LEVEL) * error)


def _of_values(training: Array, validation: Array, loss: str, scale: float) -> dict[str, float]:
    """Of a regression, by name without ``val_``; the loss that of targets divided by ``scale``, in their own unit."""
    powers = unit_powers(loss, Task.REGRESSION)
    found = {
        name: scale**power * float(_ERRORS[name](_CENTRES[name](training / scale) - validation / scale).mean())
        for name, power in {**powers, loss: powers["loss"]}.items()
        if name != "loss"
    }
    explained = float(explained_share(np.array(found["mse"]), validation))
    return {"loss": found[loss], "mse": found["mse"], "mae": found["mae"], "r2": explained}


def _of_labels(training: NDArray[Any], validation: NDArray[Any], classes: int, loss: str) -> dict[str, float]:
    """Of a classification, by name without ``val_``."""
    counts = np.maximum(np.bincount(training, minlength=classes), 0.5)
    shares = counts / counts.sum()
    own = shares[validation]  # what a row's class is said to have
    entropy = float(-np.log(own).mean())
    # Of one probability, or the mean over those of all classes.
    squares = np.square(1 - own) if classes == 2 else (np.square(shares).sum() - 2 * own + 1) / classes
    right = validation == counts.argmax()
    return {
        "loss": entropy if loss == "crossentropy" else float(squares.mean()),
        "accuracy": float(right.mean()),
        "crossentropy": entropy,
        "balanced_accuracy": float((right * class_weights(validation, classes)[validation]).mean()),
    }


def _where_zero(slope: Callable[[Array], Array]) -> Callable[[Array], float]:
    """The constant at which a convex loss of this ``slope``, a function of the errors, is lowest."""

    def centre(targets: Array) -> float:
        low, high = float(targets.min()), float(targets.max())
        return low if low == high else float(brentq(lambda constant: slope(constant - targets).mean(), low, high))

    return centre


#: Of each loss of a regression: the best constant for these targets, and the loss of each error.
_CENTRES: Mapping[str, Callable[[Array], float]] = {
    "mse": np.mean,
    "mae": np.median,
    "huber": _where_zero(lambda errors: np.clip(errors, -1, 1)),
    "log_cosh": _where_zero(np.tanh),
}
_ERRORS: Mapping[str, Callable[[Array], Array]] = {
    "mse": np.square,
    "mae": np.abs,
    "huber": lambda errors: np.where(np.abs(errors) <= 1, np.square(errors) / 2, np.abs(errors) - 0.5),
    "log_cosh": lambda errors: np.logaddexp(errors, -errors) - np.log(2),
}
