"""Tuners behind one contract (``pipelines.tuners.base``), chosen by name: ``optuna:tpe``, ``keras_tuner:bayesian``.

A library is imported when one of its tuners is made. KerasTuner imports Keras and with it the backend, so
``KERAS_BACKEND`` must be set before; with ``jax`` TensorFlow stays out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.errors import UserError

if TYPE_CHECKING:
    from pipelines.exercises.configurations import Configuration
    from pipelines.exercises.spaces import Space
    from pipelines.tuners.base import Tuner

DEFAULT = "optuna:tpe"
SPECS = (
    "optuna:tpe",
    "optuna:random",
    "optuna:grid",
    "optuna:qmc",
    "keras_tuner:bayesian",
    "keras_tuner:random",
    "keras_tuner:grid",
    "keras_tuner:hyperband",
)
#: Those that learn from what they are told.
ADAPTIVE = ("optuna:tpe", "keras_tuner:bayesian", "keras_tuner:hyperband")


def make_tuner(spec: str, space: Space, *, baseline: Configuration, seed: int, epochs: int = 100) -> Tuner:
    """The tuner of a name, one of ``SPECS``, for the space and the baseline of an exercise.

    Equal seeds, 0 or more, make equal suggestions. ``epochs`` is the length of a training: Hyperband divides it, the
    others do not use it.

    Raises
    ------
    UserError
        For an unknown name, or a grid too large to be listed.
    """
    # Light, but it imports numpy: kept from those who want ``SPECS``.
    from pipelines.words import did_you_mean

    if spec not in SPECS:
        raise UserError(f"tuner {spec!r} is not known{did_you_mean(spec, SPECS)}; allowed: {', '.join(SPECS)}")
    library, algorithm = spec.split(":")
    if library == "optuna":
        from pipelines.tuners.optuna_tuner import OptunaTuner

        return OptunaTuner(algorithm, space, baseline=baseline, seed=seed)
    from pipelines.tuners.keras_tuner_oracle import KerasTunerOracle

    return KerasTunerOracle(algorithm, space, baseline=baseline, seed=seed, epochs=epochs)
