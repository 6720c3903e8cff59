"""What one setting does by itself, where many settings differ at once: a regression over configurations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.tracking.trials import Trial
from reports.analysis.parameters import Parameter

Array = NDArray[np.float64]

#: Configurations that a regression needs, at least; and of those more than it has coefficients.
LEAST, SPARE = 10, 5
#: A setting that the other settings predict to this share of its variance has no effect of its own to be found.
COLLINEAR = 0.9
DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Partial:
    """The outcome where a setting is at its first end and at its second, everything else being average.

    Attributes
    ----------
    first, second
        Shape (1 + draws,): the estimate, then one value a draw of the bootstrap.
    configurations
        Number that it rests on.
    """

    first: Array
    second: Array
    configurations: int


def partial_effect(outcome: Array, setting: Array, others: Array, *, seed: int = 0) -> Partial | str:
    """Ordinary least squares of an outcome on a setting and all others, and a bootstrap over the configurations.

    The bootstrap draws weights (Rubin 1981) and not configurations, so that no draw lacks a value of a setting. With
    few configurations for many coefficients it is too sure; every draw's distance from the estimate is therefore
    widened by ``sqrt(n / (n - coefficients - 1))``. In a simulation (``tests/test_remedies.py``) 9 of 10 or more of
    the intervals hold the true effect.

    Parameters
    ----------
    outcome
        Shape (n,).
    setting
        Shape (n,), 0 at its first end, 1 at its second.
    others
        Shape (n, k), columns centred, as ``covariates`` makes them.

    Returns
    -------
    The effect; or why there is none, as the end of a sentence.
    """
    count = len(outcome)
    if count < LEAST:
        return f"{count} configurations are too few for it"
    others = _independent(others)
    if count < others.shape[1] + 2 + SPARE:
        return f"{count} configurations are too few to tell {others.shape[1] + 1} effects apart"
    centred = setting - setting.mean()
    if others.shape[1]:
        explained = others @ np.linalg.lstsq(others, centred, rcond=None)[0]
        if explained @ explained > COLLINEAR * (centred @ centred):
            return "it has changed together with other settings"
    design = np.column_stack([np.ones(count), setting, others])
    generator = np.random.default_rng(seed)
    weights = np.vstack([np.ones(count), count * generator.dirichlet(np.ones(count), DRAWS)])
    width = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(count, -1)
    left = (weights @ products).reshape(-1, width, width) + 1e-9 * np.eye(width)
    right = (weights @ (design * outcome[:, None]))[:, :, None]
    coefficients = np.linalg.solve(left, right)[:, :, 0]
    widening = np.sqrt(count / (count - width - 1))
    coefficients = coefficients[0] + np.where(np.arange(len(weights))[:, None] > 0, widening, 1.0) * (
        coefficients - coefficients[0]
    )
    return Partial(coefficients[:, 0], coefficients[:, 0] + coefficients[:, 1], count)


def covariates(trials: Sequence[Trial], parameters: Sequence[Parameter]) -> Array:
    """The settings of some trials as columns, each of mean 0; shape (trials, columns).

    A number is put on its scale, a word becomes a column for every value but the most frequent one. Where a setting
    has no effect it is average, and a column of its own says so. The learning rate has its square as well, for both
    ends of its range are bad.
    """
    columns: list[Array] = []
    for parameter in parameters:
        present = np.array([trial.run_id in parameter.value_of for trial in trials])
        columns.append(1.0 - present)
        if not parameter.numeric:
            levels = np.array([parameter.level_of.get(trial.run_id, -1) for trial in trials])
            names, counts = np.unique(levels[present], return_counts=True)
            columns += [(levels == name) * 1.0 for name in np.delete(names, np.argmax(counts))] if len(names) else []
            continue
        values = np.array([parameter.position(float(parameter.value_of.get(t.run_id, 0.0))) for t in trials])
        centred = np.where(present, values - values[present].mean(), 0.0) if present.any() else np.zeros(len(values))
        columns.append(centred)
        if parameter.name == "learning_rate":
            columns.append(centred**2)
    if not columns:
        return np.empty((len(trials), 0))
    table = np.column_stack(columns)
    return np.asarray(table - table.mean(axis=0))


def _independent(columns: Array) -> Array:
    """Columns scaled to unit length, without those that earlier ones already say."""
    kept: list[Array] = []
    basis = np.empty((len(columns), 0))
    for column in columns.T:
        size = np.linalg.norm(column)
        if size < 1e-9:
            continue
        rest = column / size - basis @ (basis.T @ (column / size))
        if (left := np.linalg.norm(rest)) > 1e-4:
            kept.append(column / size)
            basis = np.column_stack([basis, rest / left])
    return np.column_stack(kept) if kept else np.empty((len(columns), 0))
