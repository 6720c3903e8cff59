"""Executors: a worker process trains what this process would, and survives what a worker may suffer."""

import os
import pickle
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset, Task
from pipelines.datasets.folds import Split
from pipelines.errors import UserError
from pipelines.executors import ByNetwork, Executor, InProcess, Job, run_job
from pipelines.executors.base import WorkerLostError
from pipelines.executors.worker import MappedArray, PackedDataset, WorkerProcess
from pipelines.exercises.configurations import Configuration
from pipelines.training.plan import FitPlan, OnChunk, Progress, Training

EPOCHS = 4


def make_dataset() -> Dataset:
    generator = np.random.default_rng(2)
    inputs = generator.normal(size=(20, 3)).astype(np.float32)
    nothing = np.empty(0, np.float32)
    return Dataset(
        name="line",
        task=Task.REGRESSION,
        inputs=inputs,
        targets=inputs.sum(axis=1),
        test_inputs=inputs[:5],
        test_targets=nothing,
        classes=(),
        features=("a", "b", "c"),
        sha256="0" * 64,
        source="made here",
    )


def make_job(dataset: Dataset, **settings: Any) -> Job:
    configuration = Configuration(**{"layers": (4,), "loss": "mse", "batch_size": 5, **settings})
    rows = np.arange(dataset.samples, dtype=np.int32)
    splits = (Split(0, 0, rows[10:], rows[:10]), Split(0, 1, rows[:10], rows[10:]))
    return Job(configuration, dataset, splits, seed=1, epochs=EPOCHS)


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    with WorkerProcess("jax") as executor:
        yield executor


class Named(Executor):
    """An executor that only says who it is, and whether it is in use."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def train(self, job: Job, *, on_chunk: OnChunk | None = None, chunk_epochs: int | None = None) -> Training:
        self.log.append(f"{self.name} trains {job.configuration.family}")
        return Training({}, None, 0.0, 0.0, 1, 0)

    def __enter__(self) -> "Named":
        self.log.append(f"{self.name} begins")
        return self

    def __exit__(self, *details: object) -> None:
        self.log.append(f"{self.name} ends")


def test_auto_gives_convolutions_to_one_executor_and_all_else_to_the_other() -> None:
    log: list[str] = []
    job = make_job(make_dataset())
    frozen = replace(job.configuration, backbone="mobilenet_v2")
    with ByNetwork(Named(log, "jax"), Named(log, "tensorflow")) as executor:
        for configuration in (
            job.configuration,
            replace(job.configuration, convolutions="4x3"),
            frozen,
            replace(frozen, fine_tune=True),
        ):
            run_job(executor, replace(job, configuration=configuration))
    assert log == [
        "jax begins",
        "tensorflow begins",
        "jax trains dense",
        "tensorflow trains convolutional",
        "jax trains transfer",
        "tensorflow trains transfer",
        "tensorflow ends",
        "jax ends",
    ]


def test_in_process_hands_the_plan_to_the_engine() -> None:
    class Engine:
        name = "fake"
        plan: FitPlan

        def train(
            self,
            plan: FitPlan,
            *,
            on_chunk: OnChunk | None = None,
            chunk_epochs: int | None = None,
            keep_weights: bool = False,
            initial_weights: Sequence[Sequence[NDArray[Any]]] | None = None,
        ) -> Training:
            self.plan = plan
            return Training({}, None, 0.0, 0.0, 1, chunk_epochs or 0)

    engine = Engine()
    with InProcess(engine) as executor:
        training = executor.train(make_job(make_dataset()), chunk_epochs=7)
    assert training.parameters == 7
    assert (len(engine.plan.fits), engine.plan.epochs, engine.plan.batch_size) == (2, EPOCHS, 5)


# The worker process.


def test_a_worker_trains_a_job_after_another(worker: WorkerProcess) -> None:
    dataset = make_dataset()
    first = worker.train(make_job(dataset))
    process = worker.process_id
    second = worker.train(make_job(dataset, learning_rate=0.1))
    again = worker.train(make_job(dataset))
    assert worker.process_id == process
    assert first.curves["val_loss"].shape == (2, EPOCHS)
    assert np.isfinite(first.curves["val_loss"]).all()
    assert (second.curves["val_loss"] != first.curves["val_loss"]).any()
    np.testing.assert_array_equal(again.curves["val_loss"], first.curves["val_loss"])


def test_another_data_set_replaces_the_last(worker: WorkerProcess) -> None:
    first = make_dataset()
    second = replace(first, targets=first.targets + 5)
    easy, hard = (worker.train(make_job(dataset)).curves["val_loss"] for dataset in (first, second))
    assert (hard > easy).all()


def test_progress_comes_back_and_stopping_is_obeyed(worker: WorkerProcess) -> None:
    seen: list[tuple[int, int]] = []

    def stop_at_two(progress: Progress) -> bool:
        seen.append((progress.epoch, int(np.isfinite(progress.curves["val_loss"]).sum())))
        return progress.epoch >= 2

    job = make_job(make_dataset())
    stopped = worker.train(job, on_chunk=stop_at_two, chunk_epochs=1).curves["val_loss"]
    assert seen == [(1, 2), (2, 4)]
    assert np.isnan(stopped[:, 2:]).all()
    np.testing.assert_array_equal(stopped[:, :2], worker.train(job).curves["val_loss"][:, :2])


def test_an_engines_error_is_raised_here_and_the_worker_goes_on(worker: WorkerProcess) -> None:
    dataset = make_dataset()
    worker.train(make_job(dataset))
    process = worker.process_id
    with pytest.raises(UserError, match="loss: 'crossentropy' is not a loss of a regression task"):
        worker.train(make_job(dataset, loss="crossentropy"))
    with pytest.raises(ValueError, match="nonsense"):
        worker.train(make_job(dataset, activation="nonsense"))
    assert np.isfinite(worker.train(make_job(dataset)).curves["val_loss"]).all()
    assert worker.process_id == process


def test_a_killed_worker_fails_its_trial_and_is_replaced(worker: WorkerProcess) -> None:
    def kill(progress: Progress) -> bool:
        os.kill(worker.process_id or 0, signal.SIGKILL)
        return False

    job = make_job(make_dataset())
    with pytest.raises(WorkerLostError, match=r"killed .* when memory runs out; fewer units"):
        worker.train(job, on_chunk=kill, chunk_epochs=1)
    assert worker.process_id is None
    assert np.isfinite(worker.train(job).curves["val_loss"]).all()


def test_a_callbacks_error_leaves_no_worker_behind(worker: WorkerProcess) -> None:
    class Enough(BaseException):
        pass

    def interrupt(progress: Progress) -> bool:
        raise Enough

    job = make_job(make_dataset())
    worker.train(job)
    process = worker.process_id
    with pytest.raises(Enough):
        worker.train(job, on_chunk=interrupt)
    assert worker.process_id is None
    assert_gone(process)


def test_a_tensorflow_worker_is_replaced_after_its_share_of_trials() -> None:
    dataset = make_dataset()
    with WorkerProcess("tensorflow", trials_a_worker=1) as executor:
        assert np.isfinite(executor.train(make_job(dataset)).curves["val_loss"]).all()
        first = executor.process_id
        # A job that fails before TensorFlow is loaded, which takes the second worker seconds.
        with pytest.raises(UserError, match="not a loss of a regression"):
            executor.train(make_job(dataset, loss="crossentropy"))
        second = executor.process_id
        assert second != first
        assert_gone(first)
    assert_gone(second)


def assert_gone(process: int | None) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(process or 0, 0)


# How data travels.


def test_a_memory_map_travels_as_its_path(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npy"
    np.save(path, np.arange(300_000, dtype=np.float32).reshape(-1, 3))
    mapped = np.load(path, mmap_mode="r")
    dataset = replace(make_dataset(), inputs=mapped)
    message = pickle.dumps(PackedDataset.of(dataset))
    assert len(message) < 5_000
    inputs = pickle.loads(message).unpack().inputs
    assert isinstance(inputs, np.memmap)
    np.testing.assert_array_equal(inputs, mapped)


def test_a_part_of_a_memory_map_stays_that_part(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npy"
    np.save(path, np.arange(120, dtype=np.int32).reshape(-1, 3))
    part = np.load(path, mmap_mode="r")[7:][2:20]
    place = MappedArray.of(part)
    assert place is not None
    np.testing.assert_array_equal(place.open(), part)


def test_other_arrays_travel_by_value(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npy"
    np.save(path, np.arange(12.0).reshape(-1, 3))
    mapped = np.load(path, mmap_mode="r")
    for array in (np.arange(3.0), mapped[:, :2], mapped[::2], mapped + 1):
        assert MappedArray.of(array) is None
    dataset = replace(make_dataset(), inputs=mapped[:, :2])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(PackedDataset.of(dataset))).unpack().inputs, mapped[:, :2])


def test_the_test_split_does_not_travel() -> None:
    packed = PackedDataset.of(make_dataset()).unpack()
    assert packed.test_inputs.shape == (0, 3)
    assert len(packed.test_targets) == 0
    np.testing.assert_array_equal(packed.targets, make_dataset().targets)
