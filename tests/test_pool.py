"""Several worker processes: they train what this process would, side by side, and a killed one costs a second try."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.executors.base import Ended, Handle, WorkerLostError, run_job
from pipelines.executors.devices import Share, affordable_workers, cores, shares
from pipelines.executors.pool import Pool
from pipelines.training.plan import Progress
from tests.test_executors import EPOCHS, assert_gone, make_dataset, make_job


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(shares(2), lambda job: "jax") as executor:
        yield executor


def all_of(pool: Pool, handles: list[Handle]) -> dict[Handle, Ended]:
    found: dict[Handle, Ended] = {}
    while missing := [handle for handle in handles if handle not in found]:
        found |= {ended.handle: ended for ended in pool.wait(missing)}
    return found


def test_jobs_are_trained_side_by_side_and_wait_for_a_worker(pool: Pool) -> None:
    dataset, started = make_dataset(), []
    rates = [0.001, 0.01, 0.1, 1.0]
    handles = [
        pool.submit(make_job(dataset, learning_rate=rate), on_start=lambda rate=rate: started.append(rate))  # type: ignore[misc]
        for rate in rates
    ]
    assert started == rates[:2], "the others wait"
    ended = all_of(pool, handles)
    assert sorted(started) == rates
    curves = [ended[handle].training.curves["val_loss"] for handle in handles]  # type: ignore[union-attr]
    assert all(curve.shape == (2, EPOCHS) and np.isfinite(curve).all() for curve in curves)
    assert len({float(curve.sum()) for curve in curves}) == 4
    again = run_job(pool, make_job(dataset, learning_rate=0.001)).curves["val_loss"]
    np.testing.assert_array_equal(again, curves[0])


def test_a_job_that_loses_its_worker_is_tried_again(pool: Pool) -> None:
    kills = []

    def kill_once(progress: Progress) -> bool:
        if not kills:
            kills.append(pool.processes[0])
            os.kill(kills[0], signal.SIGKILL)
        return False

    job = make_job(make_dataset())
    expected = run_job(pool, job).curves["val_loss"]
    np.testing.assert_array_equal(run_job(pool, job, on_chunk=kill_once, chunk_epochs=1).curves["val_loss"], expected)
    assert_gone(kills[0])


def test_a_job_that_loses_two_workers_has_failed_and_the_others_go_on(pool: Pool) -> None:
    def kill(progress: Progress) -> bool:
        os.kill(pool.process_of(handle) or 0, signal.SIGKILL)
        return False

    job = make_job(make_dataset())
    handle = pool.submit(job, on_chunk=kill, chunk_epochs=1)
    other = pool.submit(job)
    ended = all_of(pool, [handle, other])
    assert isinstance(ended[handle].error, WorkerLostError)
    assert str(ended[handle].error).endswith("It was tried 2 times.")
    assert ended[other].error is None


def test_errors_belong_to_their_job_and_stopping_is_obeyed(pool: Pool) -> None:
    dataset = make_dataset()
    wrong = pool.submit(make_job(dataset, loss="crossentropy"))
    stopped = pool.submit(make_job(dataset), on_chunk=lambda progress: progress.epoch >= 2, chunk_epochs=1)
    broken = pool.submit(make_job(dataset), on_chunk=lambda progress: bool(1 / 0), chunk_epochs=1)
    ended = all_of(pool, [wrong, stopped, broken])
    assert isinstance(ended[wrong].error, UserError)
    assert isinstance(ended[broken].error, ZeroDivisionError)
    assert np.isnan(ended[stopped].training.curves["val_loss"][:, 2:]).all()  # type: ignore[union-attr]
    assert run_job(pool, make_job(dataset)).curves["val_loss"].shape == (2, EPOCHS)


def test_an_interruption_leaves_no_worker_behind() -> None:
    def interrupt(progress: Progress) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Pool(shares(1), lambda job: "jax") as executor:
        handle = executor.submit(make_job(make_dataset()), on_chunk=interrupt)
        (process,) = executor.processes
        executor.wait([handle])
    assert_gone(process)


def test_the_machine_is_shared_out() -> None:
    two = shares(2)
    assert sorted(core for share in two for core in share.cores) == list(cores())
    assert [share.memory for share in two] == [0.5, 0.5]
    assert all(share.cores for share in shares(3 * len(cores())))
    assert affordable_workers(0, 4) >= 1
    assert affordable_workers(10**15, 4) == 1


def test_each_gpu_is_a_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pipelines.executors import devices

    monkeypatch.setattr(devices, "gpus", lambda: (0, 1, 2))
    assert [share.gpu for share in shares(3)] == [0, 1, 2]
    before = dict(os.environ)
    try:
        Share((0,), gpu=2).take()
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"
    finally:
        os.environ.clear()
        os.environ.update(before)
