"""Optuna's samplers behind the contract: ``tpe``, ``random``, ``qmc`` and ``grid``."""

import math
import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GridSampler, QMCSampler, RandomSampler, TPESampler

from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.settings import Value
from pipelines.exercises.spaces import Parameter, Space
from pipelines.tuners.base import GRID_POINTS, Tuner

#: Optuna lists every point of a grid in memory, before the first is asked.
_MAX_GRID = 500_000


class OptunaTuner(Tuner):
    """An Optuna study in memory, asked and told.

    ``tpe`` (default): multivariate tree-structured Parzen estimator, with what matters only under some depths in
    groups of its own; the first 10 points, added ones included, are random, and the better quarter counts as good.
    ``random``: uniform. ``qmc``: a scrambled Sobol sequence, which fills the space more evenly than chance; good where
    the whole landscape is wanted. ``grid``: every combination of ``GRID_POINTS`` points per axis, equal networks once,
    in an order shuffled by the seed, so that a budget smaller than the grid is spread over it. Only ``tpe`` learns from
    what it is told.

    Raises
    ------
    UserError
        For a grid too large to be listed.
    """

    def __init__(self, algorithm: str, space: Space, *, baseline: Configuration, seed: int) -> None:
        super().__init__(f"optuna:{algorithm}", space, baseline=baseline, seed=seed)
        self.free = algorithm != "grid"
        # Sobol sequences and grids have a fixed number of axes.
        self._conditional = algorithm in ("tpe", "random")
        self._learns = algorithm == "tpe"
        self._grid_left = 0
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of group=True and of QMC
            warnings.simplefilter("ignore", FutureWarning)  # of gamma, which Optuna 6 will not have
            sampler = self._sampler(algorithm, seed)
        self._study = optuna.create_study(sampler=sampler, direction="minimize")

    def _sampler(self, algorithm: str, seed: int) -> BaseSampler:
        if algorithm == "tpe":
            # What is in flight counts as bad, so that the next suggestion goes elsewhere.
            return TPESampler(seed=seed, multivariate=True, group=True, gamma=_good_ones, constant_liar=True)
        if algorithm == "random":
            return RandomSampler(seed=seed)
        if algorithm == "qmc":
            return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
        points = {axis.name: list(axis.points(GRID_POINTS)) for axis in self.space.parameters}
        self._grid_left = math.prod(len(values) for values in points.values())
        if self._grid_left > _MAX_GRID:
            raise UserError(
                f"tuner 'optuna:grid': the grid of this space has {self._grid_left:,} points ({GRID_POINTS} for each "
                f"range, and all choices); allowed: at most {_MAX_GRID:,}. Vary less at a time, or take another tuner."
            )
        return GridSampler(points, seed=seed)

    def _propose(self) -> tuple[optuna.Trial, dict[str, Value], int | None] | None:
        if not self.free:
            # Asked once more, Optuna's sampler would begin the grid again.
            if self._grid_left == 0:
                return None
            self._grid_left -= 1
        trial = self._study.ask()
        structure = self.space.structure
        values: dict[str, Value] = {}
        for axis in self.space.ordered:
            under = None if structure is None else values.get(structure.name)
            if not self._conditional or axis is structure or self.space.matters(axis.name, under):
                values[axis.name] = _suggest(trial, axis)
        return trial, values, None

    def _start(self, values: dict[str, Value]) -> optuna.Trial:
        # Suggested at once, or the values would not be part of the trial.
        distributions = self._distributions(values)
        self._study.enqueue_trial({name: values[name] for name in distributions})
        return self._study.ask(distributions)

    def _report(self, handle: Any, value: float | None, *, repeat: bool) -> None:
        if not self.free:
            return  # A grid learns nothing, and telling the last point of one raises.
        if value is None or repeat:
            # Failed trials are left out of the estimate; so are repeats, which would count a point twice.
            self._study.tell(handle, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(handle, value)

    def _learn(self, values: dict[str, Value], value: float | None) -> None:
        if not self._learns or value is None:
            return
        distributions = self._distributions(values)
        params = {name: values[name] for name in distributions}
        self._study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))

    def _distributions(self, values: dict[str, Value]) -> dict[str, BaseDistribution]:
        """Of the axes that a trial at this point has."""
        names = self.active(values) if self._conditional else values
        return {axis.name: _distribution(axis) for axis in self.space.ordered if axis.name in names}


def _good_ones(points: int) -> int:
    """How many of so many points TPE takes for good ones: a quarter, at most 25.

    Optuna's tenth leaves three behind a design, whose points all lie around the baseline: good ones then look rare
    there, and TPE leaves the region for worse ones. On a model of digits the median of the next ten suggestions is 0.20
    in place of 0.24; without a design, 30 suggestions do as well either way.
    """
    return min(math.ceil(points / 4), 25)


def _distribution(axis: Parameter) -> BaseDistribution:
    if axis.kind == "categorical":
        return CategoricalDistribution(axis.choices)
    low, high = axis.bounds
    if axis.kind == "int":
        return IntDistribution(int(low), int(high), log=axis.log)
    return FloatDistribution(low, high, log=axis.log)


def _suggest(trial: optuna.Trial, axis: Parameter) -> Value:
    if axis.kind == "categorical":
        choice: Value = trial.suggest_categorical(axis.name, axis.choices)  # type: ignore[assignment]
        return choice
    low, high = axis.bounds
    if axis.kind == "int":
        return trial.suggest_int(axis.name, int(low), int(high), log=axis.log)
    return trial.suggest_float(axis.name, low, high, log=axis.log)
