"""Prices in cents, dollars or millions: real sweeps give one ranking and the same over-fitting points."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.small_sweep import small_exercise, sweep

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.executors import InProcess
from pipelines.tracking.reading import read_sweep
from pipelines.tracking.sweeps import Sweep
from pipelines.tracking.trials import Trial
from pipelines.training.jax.engine import JaxEngine

pytestmark = pytest.mark.usefixtures("in_store")

ROWS = 72
UNITS = {"dollars": 1.0, "cents": 100.0, "millions": 1e-6}
EXERCISE: dict[str, Any] = {
    "dataset": {"source": "file", "path": "prices.csv", "target": "price"},
    "task": "regression",
    "epochs": 40,
    "repeats": 2,
    "baseline": {
        "layers": "16",
        "learning_rate": 0.02,
        "batch_size": 16,
        "normalisation": "standardise",
        "target_scaling": "standardise",
    },
    "space": {"learning_rate": {"low": 0.003, "high": 0.1, "log": True}, "dropout": [0.0, 0.3]},
    "documented": [],
}


def swept(folder: Path, uri: str, unit: float, **changes: Any) -> Sweep:
    """A sweep of prices with a mean of 282,000 dollars, ``unit`` to the dollar, from a file in this folder."""
    folder.mkdir()
    generator = np.random.default_rng(11)
    inputs = generator.normal(size=(ROWS, 4))
    prices = 282_000 + 70_000 * (inputs[:, 0] + np.tanh(inputs[:, 1]) + 0.7 * generator.normal(size=ROWS))
    rows = np.column_stack([inputs, prices * unit]).tolist()
    lines = [",".join(map(repr, row)) for row in rows]
    (folder / "prices.csv").write_text("\n".join(["a,b,c,d,price", *lines, ""]))
    outcome, _ = sweep(InProcess(JaxEngine()), small_exercise(folder, **EXERCISE | changes), trials=5, resume=False)
    return read_sweep(outcome.run.run_id, uri=uri)


def ranking(found: Sweep) -> list[str]:
    return [trial.name for trial in found.finished]


def place(trial: Trial) -> tuple[Any, ...]:
    """What the over-fitting point says in epochs and words, which no unit may change."""
    point = trial.point
    assert point is not None
    epochs = (point.best_epoch, point.best_epoch_low, point.best_epoch_high, point.onset, point.one_se_epoch)
    return (*epochs, point.verdict, trial.beats_guessing)


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_the_unit_of_the_target_changes_no_ranking_and_no_over_fitting_point(
    tmp_path: Path, uri: str, loss: str
) -> None:
    baseline = {**EXERCISE["baseline"], "loss": loss}
    found = {name: swept(tmp_path / name, uri, unit, baseline=baseline) for name, unit in UNITS.items()}
    dollars = found["dollars"]
    assert len(ranking(dollars)) == 5
    assert len({place(trial)[0] for trial in dollars.finished}) > 1, "points that differ can be told apart"
    for name, unit in UNITS.items():
        assert ranking(found[name]) == ranking(dollars), name
        for other, trial in zip(found[name].finished, dollars.finished, strict=True):
            assert place(other) == place(trial), name
            assert other.value == pytest.approx((trial.value or 0) * unit**2, rel=1e-3)
            assert other.validation["mae"] == pytest.approx(trial.validation["mae"] * unit, rel=1e-3)
            assert other.validation["r2"] == pytest.approx(trial.validation["r2"], abs=1e-3)
    best = dollars.finished[0]
    assert 20_000 < best.validation["mae"] < 80_000, "in dollars"
    assert best.beats_guessing


def test_without_scaling_such_prices_are_not_learned(tmp_path: Path, uri: str) -> None:
    """The fault that the scaling mends: a network starts near 0 and has 282,000 to go."""
    baseline = {**EXERCISE["baseline"], "target_scaling": "none"}
    found = swept(tmp_path / "plain", uri, 1.0, baseline=baseline)
    assert not any(trial.beats_guessing for trial in found.finished)
