"""Every private part of another library that is used here, and what would take its place.

Versions: those of ``requirements.txt`` (Keras 3.15, KerasTuner 1.4.8, MLflow 3.17, TensorFlow 2.21). The libraries are
imported within the functions; nothing else touches a name of theirs that begins with an underscore or lies in ``src``.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def nothing_on_stderr() -> Iterator[None]:
    """Keep TensorFlow from greeting: what it prints while it is loaded no setting of its own keeps back."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def layers_of(model: Any) -> list[Any]:
    """The model and all layers in it, those within wrappers too; Keras' ``layers`` has the outermost only."""
    return list(model._flatten_layers())


class OracleDoor:
    """What an oracle of KerasTuner keeps to itself, for one that is asked and told without KerasTuner's own loop.

    A public ``Oracle.add_trial`` and an oracle that keeps nothing on disk would make it unnecessary.
    """

    def __init__(self, oracle: Any, folder: str) -> None:
        self._oracle = oracle
        oracle._set_project_dir(folder, "oracle")  # the tuner, which is not there, would name it

    def enter(self, trial: Any, tuner_id: str) -> None:
        """Enter a trial at a point of our choice, as ``create_trial`` enters one at a point of the oracle's."""
        oracle = self._oracle
        oracle.ongoing_trials[tuner_id] = trial
        oracle.trials[trial.trial_id] = trial
        oracle.start_order.append(trial.trial_id)
        oracle._record_values(trial)

    def unlock(self) -> None:
        """Give back the lock, which an error inside the oracle leaves held for ever."""
        from keras_tuner.src.engine.oracle import LOCKS, THREADS

        THREADS[self._oracle] = None
        if LOCKS[self._oracle].locked():
            LOCKS[self._oracle].release()

    def forget(self) -> None:
        """Take the oracle out of the tables of locks, which would keep it for as long as the process lives."""
        from keras_tuner.src.engine.oracle import LOCKS, THREADS

        LOCKS.pop(self._oracle, None)
        THREADS.pop(self._oracle, None)


def replace_gaussian_process(oracle: Any, make: Callable[[float], Any]) -> None:
    """Let a Bayesian oracle use another regressor, made from its alpha; KerasTuner has no argument for it."""
    oracle.gpr = make(oracle.alpha)


class KerasFlavour:
    """MLflow's Keras flavour, which writes the input example into a folder that it makes only afterwards.

    MLflow's issue 16183; 3.17 has it still. Once it is mended, ``mlflow.keras.log_model`` takes its place.
    """

    @staticmethod
    def save_model(path: str, **arguments: Any) -> None:
        """``mlflow.keras.save_model`` into a folder that is there already."""
        import mlflow

        Path(path).mkdir()
        mlflow.keras.save_model(path=path, **arguments)
