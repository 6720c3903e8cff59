"""Several trials in flight: whatever ends first, the sweep is the same, and its tuner is told by the virtual clock."""

import signal
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pytest
from mlflow.entities import Run

from tests.support.small_sweep import (
    MadeExecutor,
    ScriptedTuner,
    curves_of,
    hashes_of,
    runs,
    small_exercise,
    statuses,
    sweep,
)

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.commands.cli import Interrupted
from pipelines.executors import Job
from pipelines.executors.base import Calls, Ended, Handle, WorkerLostError
from pipelines.exercises.spaces import Values
from pipelines.sweep import loop as sweep_module
from pipelines.sweep.stopping import Stop
from pipelines.training.plan import Training
from pipelines.tuners import make_tuner
from pipelines.tuners.base import Suggestion, Tuner

pytestmark = pytest.mark.usefixtures("in_store")

#: Chunks of epochs that a job trains while another trains one, by its number: all alike, or every other one in a hurry.
PACES: dict[str, Callable[[int], int]] = {
    "alike": lambda number: 1,
    "even ones first": lambda number: 1 + 50 * (number % 2 == 0),
    "odd ones first": lambda number: 1 + 50 * (number % 2 == 1),
    "third ones last": lambda number: 20 - 19 * (number % 3 == 0),
}


@dataclass
class ManySlots(MadeExecutor):
    """Trains several jobs in turns, each at its own pace."""

    slots: int = 2
    pace: Callable[[int], int] = PACES["alike"]
    ended: list[str] = field(default_factory=list)
    waited_for: list[int] = field(default_factory=list)
    running: dict[Handle, tuple[int, Generator[None, None, Training]]] = field(default_factory=dict)

    def submit(self, job: Job, **calls: Unpack[Calls]) -> Handle:
        handle = super().submit(job, **{**calls, "chunk_epochs": calls.get("chunk_epochs") or 2})
        if handle.on_start is not None:
            handle.on_start()
        self.jobs.append(job)
        self.running[handle] = (len(self.jobs), self.steps(handle, len(self.jobs)))
        return handle

    def wait(self, handles: Collection[Handle]) -> Sequence[Ended]:
        self.waited_for.append(len(handles))
        while True:
            for handle in handles:
                number, steps = self.running[handle]
                try:
                    for _ in range(self.pace(number)):
                        next(steps)
                except StopIteration as done:
                    self.ended.append(handle.job.configuration.hash)
                    return (Ended(handle, done.value),)
                except Exception as error:
                    self.ended.append(handle.job.configuration.hash)
                    return (Ended(handle, error=error),)


@dataclass
class Listening:
    """A tuner that writes down what it is asked and told."""

    tuner: Tuner
    name: str = "listening"
    heard: list[tuple[str, Any, Any]] = field(default_factory=list)

    def ask(self) -> Suggestion | None:
        suggestion = self.tuner.ask()
        self.heard.append(("ask", *((suggestion.number, suggestion.values) if suggestion else (None, None))))
        return suggestion

    def tell(self, suggestion: Suggestion, value: float | None) -> None:
        self.heard.append(("tell", suggestion.number, value))
        self.tuner.tell(suggestion, value)

    def add(self, values: Values, value: float | None) -> None:
        self.heard.append(("add", dict(values), value))
        self.tuner.add(values, value)

    def numbers(self, what: str) -> list[int]:
        return [number for kind, number, _ in self.heard if kind == what and number is not None]


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> list[Listening]:
    """The tuners of the sweeps that are run, in their order."""
    made: list[Listening] = []

    def make(spec: str, space: Any, **settings: Any) -> Listening:
        made.append(Listening(make_tuner(spec, space, **settings)))
        return made[-1]

    monkeypatch.setattr(sweep_module, "make_tuner", make)
    return made


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Listening]:
    def make(*rates: float) -> Listening:
        tuner = Listening(ScriptedTuner(rates))
        monkeypatch.setattr(sweep_module, "make_tuner", lambda *arguments, **settings: tuner)
        return tuner

    return make


def recorded(found: Sequence[Run]) -> list[tuple[Any, ...]]:
    """What the store says of trials, but for how long they took."""
    return [
        (
            run.info.run_name,
            run.info.status,
            {name: value for name, value in run.data.tags.items() if name.startswith("atlas.c") or "reason" in name},
            {name: value for name, value in run.data.metrics.items() if not name.startswith("seconds/")},
            {name: np.nan_to_num(curve, nan=-1.0).tolist() for name, curve in curves_of(run).items()},
        )
        for run in found
    ]


@pytest.mark.parametrize(
    ("tuner", "paces", "prunes"),
    [
        ("optuna:tpe", ("even ones first", "odd ones first", "even ones first"), True),
        ("keras_tuner:hyperband", ("alike", "even ones first"), False),
    ],
)
def test_the_sweep_is_the_same_whatever_ends_first(
    tuner: str, paces: Sequence[str], prunes: bool, tmp_path: Path, listening: list[Listening]
) -> None:
    exercise, trials = small_exercise(tmp_path), 10
    executors = [ManySlots(noise=0.01, best=30, pace=PACES[pace]) for pace in paces]
    for executor in executors:
        outcome, printed = sweep(executor, exercise, trials=trials, tuner=tuner, stop=Stop.PRUNE, resume=False)
        assert (outcome.trained, outcome.failed) == (trials, 0)
        assert len(set(executor.hashes)) == len(executor.jobs) == trials
        assert max(executor.waited_for) == 3, "half as many again as there are slots"
        assert printed.count("\n") == trials + 4, "beside the trials: data, how they were read, plan and time"
    assert len({tuple(executor.ended) for executor in executors}) == len(set(paces))
    first, *others = listening
    for other in others:
        assert other.heard == first.heard
    assert sorted(first.numbers("tell")) == first.numbers("ask")
    assert any("pruned" in run.data.tags.get("atlas.reason", "") for run in runs()) is prunes
    found = recorded(runs())
    assert len(found) == trials * len(executors)
    for start in range(trials, len(found), trials):
        assert found[start : start + trials] == found[:trials]
    assert statuses("sweep") == ["FINISHED"] * len(executors)


def test_the_tuner_is_asked_again_only_when_the_next_trial_is_told(
    tmp_path: Path, scripted: Callable[..., Listening]
) -> None:
    tuner, executor = scripted(0.2, 0.3, 0.4, 0.5), ManySlots(slots=2, pace=PACES["even ones first"])
    sweep(executor, small_exercise(tmp_path, documented=[]), trials=5)
    heard = [(kind, number) if kind != "add" else kind for kind, number, _ in tuner.heard]
    assert heard == [
        *(("ask", 1), ("ask", 2), "add"),
        *(("ask", 3), ("tell", 1)),
        *(("ask", 4), ("tell", 2), ("tell", 3), ("tell", 4)),
    ]


def test_with_one_slot_each_trial_is_told_before_the_next_is_asked_for(
    tmp_path: Path, scripted: Callable[..., Listening]
) -> None:
    tuner = scripted(0.2, 0.2, 0.3)
    executor = MadeExecutor(error=lambda number, configuration: tuner.heard.append(("train", number, None)))
    sweep(executor, small_exercise(tmp_path, documented=[]), trials=3)
    assert [(kind, number) if kind != "add" else kind for kind, number, _ in tuner.heard] == [
        *(("train", 1), "add"),
        *(("ask", 1), ("train", 2), ("tell", 1)),
        *(("ask", 2), ("tell", 2)),
        *(("ask", 3), ("train", 3), ("tell", 3)),
    ]


def test_a_configuration_in_flight_is_known(tmp_path: Path, scripted: Callable[..., Listening]) -> None:
    """A suggestion that equals it is answered when it is done."""
    tuner, executor = scripted(0.1, 0.2, 0.2, 0.3), ManySlots(slots=2)
    outcome, _ = sweep(executor, small_exercise(tmp_path, documented=[]), trials=3)
    assert outcome.trained == 3
    assert [job.configuration.learning_rate for job in executor.jobs] == [0.1, 0.2, 0.3]
    values = {number: value for kind, number, value in tuner.heard if kind == "tell"}
    assert values == {number: pytest.approx(rate, abs=1e-5) for number, rate in enumerate((0.1, 0.2, 0.2, 0.3), 1)}
    assert tuner.numbers("tell") == [1, 2, 3, 4]


@pytest.mark.parametrize("slots", [2, 4])
def test_a_space_is_exhausted_when_nothing_is_in_flight(slots: int, tmp_path: Path, listening: list[Listening]) -> None:
    space = {"learning_rate": [0.1, 0.2], "batch_size": [10, 20]}
    executor = ManySlots(slots=slots, pace=PACES["even ones first"])
    outcome, printed = sweep(executor, small_exercise(tmp_path, space=space), trials=50, tuner="optuna:grid")
    assert outcome.trained == len(set(executor.hashes)) == 5
    assert "The search space is exhausted" in printed


def test_a_lost_trial_fails_alone(tmp_path: Path) -> None:
    lost = ManySlots(error=lambda number, configuration: WorkerLostError("It was killed.") if number == 2 else None)
    outcome, _ = sweep(lost, small_exercise(tmp_path), trials=4)
    assert (outcome.trained, outcome.failed) == (4, 1)
    assert statuses() == ["FINISHED", "FAILED", "FINISHED", "FINISHED"]
    assert runs()[1].data.tags["atlas.reason"] == "It was killed."


@pytest.mark.parametrize("pace", PACES.values(), ids=PACES)
def test_errors_in_a_row_are_those_in_the_order_of_telling(pace: Callable[[int], int], tmp_path: Path) -> None:
    """The fourth, fifth and sixth; what was trained meanwhile is kept, and what was not done is cut off."""
    broken = ManySlots(
        slots=3,
        pace=pace,
        error=lambda number, configuration: RuntimeError(f"number {number}") if number in (2, 4, 5, 6) else None,
    )
    with pytest.raises(RuntimeError, match="number 6"):
        sweep(broken, small_exercise(tmp_path), trials=12)
    found = statuses()
    assert found[:6] == ["FINISHED", "FAILED", "FINISHED", "FAILED", "FAILED", "FAILED"]
    assert set(found[6:]) <= {"FINISHED", "FAILED"}
    assert len(found) <= 10
    assert statuses("sweep") == ["FAILED"]


def test_an_interruption_cuts_off_all_that_is_in_flight_and_keeps_what_is_done(tmp_path: Path) -> None:
    """The second trial is done and recorded, although the first, a slow one, is not."""
    exercise = small_exercise(tmp_path)

    def interrupt(number: int, configuration: object) -> BaseException | None:
        return Interrupted(signal.SIGTERM) if number == 3 else None

    cut = ManySlots(slots=3, pace=PACES["even ones first"], error=interrupt)
    with pytest.raises(Interrupted):
        sweep(cut, exercise, trials=6)
    assert statuses() == ["KILLED", "FINISHED", "KILLED", "KILLED", "KILLED"]
    done = [run for run in runs() if run.info.status == "FINISHED"]
    rest = ManySlots(slots=3)
    outcome, _ = sweep(rest, exercise, trials=6)
    assert (outcome.resumed, outcome.trained) == (1, 5)
    assert set(rest.hashes).isdisjoint(hashes_of(done))
    assert statuses("sweep") == ["KILLED", "FINISHED"]
