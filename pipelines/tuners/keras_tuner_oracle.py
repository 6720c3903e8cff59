"""KerasTuner's oracles behind the contract: ``bayesian``, ``random``, ``grid`` and ``hyperband``.

KerasTuner's own loop keeps one number for each trial and knows no folds, so the oracle is asked and told by itself.
"""

import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from pipelines.compat import OracleDoor, replace_gaussian_process
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.settings import Value
from pipelines.exercises.spaces import Space
from pipelines.tuners.base import GRID_POINTS, Tuner

_OBJECTIVE = "value"
#: KerasTuner ends a search after so many failures in a row; whether to go on is the sweep's decision.
_NEVER = 10**9


class KerasTunerOracle(Tuner):
    """One of KerasTuner's oracles.

    ``bayesian``: a Gaussian process over the whole space, after as many random points as the space has axes
    (KerasTuner's own default, three times as many, is more than a short sweep has); added points count. ``random``:
    uniform. ``grid``: every combination of ``GRID_POINTS`` points per axis, the baseline's values first and the last
    axis fastest; give it the trials to finish. ``epochs`` is the length of a whole training.

    ``hyperband`` draws points at random and lets only the best of them have more epochs: a bracket starts with many
    points and few epochs, and of each rung the best third comes back with three times as many, up to ``epochs``.
    ``Suggestion.epochs`` says how many; what is to be told is the best value within them. A point that comes back is
    a suggestion of its own, which a sweep that trained the whole curve at first answers from its record. Such a
    sweep saves nothing by Hyperband: its points are those of a random search, and the rungs only spend suggestions.
    To save, it must train a suggestion for its epochs only, and again from the start when it comes back. Hyperband
    never ends by itself, and begins with its most impatient bracket: with 60 epochs, 34 points of 3 epochs each.

    Only ``bayesian`` learns from added points. ``grid`` passes over them, ``random`` does not draw them again, and
    ``hyperband`` asks for them where its own sequence has them, so a sweep taken up again repeats its rungs from the
    record.
    """

    patience = 2  # a proposal of the Gaussian process takes a second

    def __init__(self, algorithm: str, space: Space, *, baseline: Configuration, seed: int, epochs: int) -> None:
        super().__init__(f"keras_tuner:{algorithm}", space, baseline=baseline, seed=seed)
        self.free = algorithm in ("bayesian", "random")
        self._calls = 0
        self._oracle = self._make_oracle(algorithm, seed, epochs)
        self._oracle.verbose = 0
        folder = tempfile.mkdtemp(prefix="overfit-atlas-tuner-")  # it writes every trial to a file
        self._door = OracleDoor(self._oracle, folder)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        weakref.finalize(self, self._door.forget)

    def _make_oracle(self, algorithm: str, seed: int, epochs: int) -> Any:
        common: dict[str, Any] = {
            "objective": keras_tuner.Objective(_OBJECTIVE, "min"),
            "hyperparameters": self._hyperparameters(on_grid=algorithm == "grid"),
            "seed": seed + 1,  # 0 means a random seed there
            "max_consecutive_failed_trials": _NEVER,
        }
        oracles = keras_tuner.oracles
        if algorithm == "hyperband":
            return oracles.HyperbandOracle(max_epochs=epochs, hyperband_iterations=None, **common)
        if algorithm == "grid":
            return oracles.GridSearchOracle(max_trials=None, **common)
        if algorithm == "random":
            return oracles.RandomSearchOracle(max_trials=None, **common)
        initial = len(self.space.parameters)
        oracle = oracles.BayesianOptimizationOracle(max_trials=None, num_initial_points=initial, **common)
        replace_gaussian_process(oracle, lambda alpha: _GaussianProcess(alpha, seed + 1))
        return oracle

    def _hyperparameters(self, *, on_grid: bool) -> Any:
        """The space in KerasTuner's terms; what matters only under some structures lies in a conditional scope."""
        hyperparameters = keras_tuner.HyperParameters()
        for axis in self.space.ordered:
            conditions = self.space.conditions(axis.name)
            structure = self.space.structure
            scope = (
                nullcontext()
                if conditions is None or structure is None
                else hyperparameters.conditional_scope(structure.name, list(conditions))
            )
            with scope:
                default = self.space.default(axis, self.baseline)
                if on_grid:
                    points = axis.points(GRID_POINTS)
                    hyperparameters.Choice(axis.name, list(points), default=_nearest(points, default))
                elif axis.kind == "categorical":
                    hyperparameters.Choice(axis.name, list(axis.choices), default=default)
                else:
                    method = hyperparameters.Int if axis.kind == "int" else hyperparameters.Float
                    method(axis.name, *axis.bounds, sampling="log" if axis.log else "linear", default=default)
        return hyperparameters

    def _propose(self) -> tuple[Any, dict[str, Value], int | None] | None:
        self._calls += 1
        with _safely(self._door):
            trial = self._oracle.create_trial(str(self._calls))
        if trial.status != TrialStatus.RUNNING:
            return None
        held = trial.hyperparameters.values
        for axis in self.space.parameters:
            if axis.name in held and axis.kind == "categorical":
                # Of true and false it makes 1 and 0.
                held[axis.name] = next(choice for choice in axis.choices if choice == held[axis.name])
            elif axis.name in held:
                # The end of a logarithmic range of whole numbers comes out as one more.
                inside = float(np.clip(held[axis.name], *axis.bounds))
                held[axis.name] = int(inside) if axis.kind == "int" else inside
        values = {name: value for name, value in held.items() if name in self.space.names}
        epochs = held.get("tuner/epochs")
        return trial, values, None if epochs is None else int(epochs)

    def _start(self, values: dict[str, Value]) -> Any:
        self._calls += 1
        hyperparameters = self._oracle.get_space()
        hyperparameters.values = self.active(values)
        trial = Trial(hyperparameters=hyperparameters, trial_id=f"given-{len(self._oracle.trials)}")
        with _safely(self._door):
            self._door.enter(trial, str(self._calls))
        return trial

    def _report(self, handle: Any, value: float | None, *, repeat: bool) -> None:
        with _safely(self._door):
            if value is None:
                handle.status = TrialStatus.FAILED
            else:
                self._oracle.update_trial(handle.trial_id, {_OBJECTIVE: value})
                handle.status = TrialStatus.COMPLETED
            self._oracle.end_trial(handle)

    def _learn(self, values: dict[str, Value], value: float | None) -> None:
        # A grid and Hyperband go through trials of their own only.
        if self.free:
            self._report(self._start(values), value, repeat=False)


class _GaussianProcess:
    """What the Bayesian oracle asks of scikit-learn's regressor, with predictions that take a hundredth of the time.

    For one suggestion the oracle predicts ten to twenty thousand single points, and scikit-learn spends nearly all of
    that on checking its input: 9 to 17 s a suggestion, longer than a small trial.
    """

    def __init__(self, alpha: float, seed: int) -> None:
        self._regressor = GaussianProcessRegressor(
            kernel=Matern(nu=2.5), alpha=alpha, n_restarts_optimizer=3, random_state=seed
        )
        self._mean, self._deviation, self._length = 0.0, 1.0, 1.0
        self._points: NDArray[np.float64] | None = None

    def fit(self, points: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Fit to points, shape (n, axes), and their values, shape (n,)."""
        self._mean, self._deviation = float(values.mean()), float(values.std()) or 1.0
        fitted = self._regressor.fit(points, (values - self._mean) / self._deviation)
        self._points, self._weights = fitted.X_train_, fitted.alpha_
        self._length = float(fitted.kernel_.length_scale)
        self._precision = cho_solve((fitted.L_, True), np.eye(len(points)))

    def predict(
        self, points: NDArray[np.float64], return_std: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation at points, shape (m, axes); Rasmussen and Williams 2006, equations 2.25, 2.26."""
        if self._points is None:
            return np.full(len(points), self._mean), np.full(len(points), self._deviation)
        distance = cdist(points, self._points) * (5**0.5 / self._length)
        covariance = (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)  # Matern, nu = 5/2
        variance = np.maximum(1.0 - ((covariance @ self._precision) * covariance).sum(axis=1), 0.0)
        return self._mean + self._deviation * (covariance @ self._weights), self._deviation * np.sqrt(variance)


def _nearest(points: tuple[Value, ...], value: Value) -> Value:
    """The point of a grid that is nearest to a value; of words, the word itself."""
    if isinstance(value, str):
        return value
    return min(points, key=lambda point: abs(float(point) - float(value)))


@cache
def _threads() -> ThreadpoolController:
    """The libraries whose threads are limited; to look for them at every call takes longer than a suggestion."""
    return ThreadpoolController()


@contextmanager
def _safely(door: OracleDoor) -> Iterator[None]:
    """Call an oracle: quietly, on one thread, and with its lock given back where it raises."""
    try:
        # On matrices this small, threads only get in each other's way (1 s a suggestion, 10 s with them).
        with warnings.catch_warnings(), _threads().limit(limits=1):
            warnings.simplefilter("ignore")  # threading.currentThread, and a Gaussian process that did not converge
            yield
    except BaseException:
        door.unlock()
        raise
