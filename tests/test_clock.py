"""The virtual clock: an order of telling that hangs on costs alone, and keeps workers busy."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.datasets.base import Dataset, Task
from pipelines.datasets.folds import Split
from pipelines.exercises.configurations import Configuration
from pipelines.networks.models import build_network
from pipelines.networks.sizes import count_weights
from pipelines.sweep.clock import VirtualClock, trial_cost

BASE = Configuration(layers=(64, 64), batch_size=16)


def dataset() -> Dataset:
    inputs, targets = np.zeros((1000, 20), np.float32), np.zeros(1000, np.int32)
    return Dataset("made", Task.MULTICLASS, inputs, targets, inputs[:0], targets[:0], ("a", "b", "c"), (), "", "tests")


def splits() -> tuple[Split, ...]:
    rows = np.arange(1000, dtype=np.int32)
    return tuple(Split(0, fold, rows[:800], rows[800:]) for fold in range(5))


@pytest.mark.parametrize("change", [{"layers": (256, 256)}, {"batch_size": 1}, {"layers": (64, 64, 64)}], ids=str)
def test_what_takes_longer_costs_more(change: dict[str, object]) -> None:
    costs = [trial_cost(each, dataset(), splits(), 60) for each in (BASE, replace(BASE, **change))]
    assert costs[0] < costs[1]
    assert trial_cost(replace(BASE, train_fraction=0.25), dataset(), splits(), 60) < costs[0]


@pytest.mark.parametrize(
    ("shape", "changes"),
    [((20,), {}), ((20,), {"layers": ()}), ((8, 8, 3), {}), ((8, 8, 1), {"layers": (5,), "convolutions": "4x8s8"})],
)
def test_a_network_is_as_large_as_when_it_is_built(shape: tuple[int, ...], changes: dict[str, object]) -> None:
    """The last one's only convolution sees the image once, so that its weights are its multiplications."""
    configuration = replace(BASE, **changes)
    assert count_weights(configuration, shape, 3) == build_network(configuration, shape, 3).count_params()


def busy_share(workers: int, *, in_order: bool, trials: int = 400, seed: int = 0) -> float:
    """How busy workers are with durations that are log-normal, and costs that are off by a tenth."""
    generator = np.random.default_rng(seed)
    durations = generator.lognormal(0, 0.8, trials)
    costs = durations * generator.lognormal(0, 0.1, trials)
    clock, free, told = VirtualClock(workers), np.zeros(workers), 0.0
    flights: list[tuple[float, float]] = []
    for number in range(trials):
        if len(flights) == clock.window:
            following = min(flights) if in_order else min(flights, key=lambda flight: flight[1])
            flights.remove(following)
            clock.tell(following[0])
            told = max(told, following[1])
        worker = int(free.argmin())
        free[worker] = max(free[worker], told) + durations[number]
        flights.append((clock.due(costs[number]), free[worker]))
    return float(durations.sum() / (workers * free.max()))


def test_workers_hardly_wait_for_their_turn() -> None:
    ordered, free = (
        np.mean([busy_share(8, in_order=order, seed=seed) for seed in range(5)]) for order in (True, False)
    )
    assert ordered > 0.88
    assert ordered > free - 0.06


def test_one_worker_has_one_trial_in_flight() -> None:
    assert [VirtualClock(workers).window for workers in (1, 2, 3, 8)] == [1, 3, 5, 12]
