"""Reproductions that take no time, for tests: a small exercise with documented variants, and made curves."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tests.support.small_sweep import MadeExecutor, write_exercise

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.reproduction import running as reproduction_module
from pipelines.exercises.configurations import Configuration
from pipelines.executors import Job
from pipelines.exercises.exercise import Exercise, Variant
from pipelines.exercises.reader import load_exercise
from pipelines.reproduction.running import ReproductionOutcome, ReproductionSettings, run_reproduction

BASE = Configuration(layers=(4,), optimizer="sgd", learning_rate=0.1, batch_size=20, normalisation="standardise")
DOCUMENTED: list[dict[str, Any]] = [
    {
        "name": "curve",
        "epochs": 40,
        "validation": "holdout",
        "figures": [
            {"metric": "loss", "split": "train", "epoch": 10, "value": 0.1},
            {"metric": "loss", "split": "validation", "epoch": 20, "value": 0.9, "note": "far off"},
            {"metric": "overfitting_epoch", "split": "validation", "value": 10},
        ],
    },
    {
        "name": "final, slow",
        "configuration": {"learning_rate": 0.03},
        "epochs": 10,
        "validation": "none",
        "figures": [{"metric": "loss", "split": "test", "value": 0.03}],
    },
    {"name": "to the reader", "configuration": {"layers": "none"}, "epochs": 5, "validation": "none"},
]


DATASET = {"source": "file", "path": "table.csv", "target": "y", "test_fraction": 0.2}


def documented_exercise(folder: Path, documented: Sequence[dict[str, Any]] = DOCUMENTED, **changes: Any) -> Exercise:
    """A small table with these documented variants and test rows, the first 12 rows held out."""
    settings = {"dataset": DATASET, "documented": list(documented), "holdout": "first 12", **changes}
    return load_exercise(write_exercise(folder, **settings))


def variant_of(exercise: Exercise, name: str) -> Variant:
    return next(variant for variant in exercise.documented if variant.name == name)


@dataclass
class MadeMeasurements(MadeExecutor):
    """Made curves, with a little noise that differs between fits."""

    noise: float = 0.02
    rise: float = 2.0

    def curves(self, job: Job) -> dict[str, NDArray[np.float32]]:
        curves = super().curves(job)
        if not len(job.splits[0].validation):
            return {name: curve for name, curve in curves.items() if not name.startswith("val_")}
        return curves


def reproduce(executor: Any, *exercises: Exercise, **settings: Any) -> tuple[tuple[ReproductionOutcome, ...], str]:
    """Reproduce with this executor; returns the outcomes, and what was printed into a log file."""
    printed = io.StringIO()
    made = reproduction_module.make_executor
    reproduction_module.make_executor = lambda backend, places=None: executor
    try:
        console = Console(file=printed, width=160, highlight=False)
        outcomes = run_reproduction(ReproductionSettings(tuple(exercises), **settings), console)
    finally:
        reproduction_module.make_executor = made
    return outcomes, printed.getvalue()
