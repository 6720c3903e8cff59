"""What only the JAX engine does: sharing programs, spreading fits over devices, and living within the memory.

The contract that it keeps with the TensorFlow engine is tested by ``test_engines.py``.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.engine_reference import BACKEND, Case, assert_close, make_case, make_engine

if BACKEND != "jax":
    pytest.skip("of the JAX engine", allow_module_level=True)
make_engine()  # gives JAX two devices, if nothing has used it yet

import jax

# ruff: noqa: E402 - the devices have to be made before JAX is used.
from pipelines.datasets.base import Task
from pipelines.training import memory as host_memory
from pipelines.training.jax import engine as jax_engine
from pipelines.training.jax import memory
from pipelines.training.jax.engine import JaxEngine, configure
from pipelines.training.plan import OutOfMemoryError, Progress, Results, Training

EPOCHS = 5
FITS = 5
ENGINE = JaxEngine()


def five_fits(key: str = "five fits", **settings: Any) -> Case:
    return make_case(samples=42, folds=FITS, epochs=EPOCHS, key=key, **settings)


def train(case: Case, engine: JaxEngine = ENGINE, **options: Any) -> Training:
    """Train in chunks of 2, 2 and 1 epochs, in all tests the same, since every shape of a chunk is another program."""
    return engine.train(case.plan, chunk_epochs=2, **options)


def undisturbed() -> Training:
    return train(five_fits())


def assert_same_curves(first: Training, second: Training) -> None:
    assert set(first.curves) == set(second.curves)
    for name, curve in first.curves.items():
        assert_close(curve, second.curves[name], name)


@contextmanager
def compilations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A list that grows by one for every program that is compiled."""
    compiled: list[int] = []
    compile_program = jax_engine._Run._compile

    def counted(run: Any, *arguments: Any) -> Any:
        compiled.append(1)
        return compile_program(run, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(jax_engine._Run, "_compile", counted)
        yield compiled


# Programs.


def test_plans_share_a_program_when_they_differ_in_its_arguments_only(monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed()
    case = five_fits()
    others = [
        replace(fit, seed=fit.seed + 7, learning_rate=0.1, train=fit.train[::-1].copy()) for fit in case.plan.fits
    ]
    with compilations(monkeypatch) as compiled:
        shared = train(case.with_fits(others))
        assert not compiled
        assert_same_curves(shared, train(case.with_fits(others), JaxEngine()))
        assert len(compiled) == 1  # for all three chunks, though the last is shorter


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda case: case.with_plan(key="another"), id="key"),
        pytest.param(lambda case: case.with_plan(batch_size=5), id="batch size"),
    ],
)
def test_plans_do_not_share_a_program_otherwise(other: Callable[[Case], Case], monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed()
    with compilations(monkeypatch) as compiled:
        train(other(five_fits()))
    assert len(compiled) == 1


def test_a_plan_without_a_key_has_a_program_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of equal shapes, and one gone before the next comes, so that not even their addresses need differ."""
    engine = JaxEngine()
    with compilations(monkeypatch) as compiled:
        for activation in ("relu", "tanh"):
            engine.train(make_case(activation=activation, optimizer="sgd", folds=2).first_fit().plan, chunk_epochs=1)
            gc.collect()
    assert len(compiled) == 2


def test_programs_that_were_not_used_for_long_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax_engine, "_PROGRAMS_KEPT", 2)
    engine = JaxEngine()
    built: list[str] = []

    def ask(key: str) -> str:
        return engine.program(key, lambda: built.append(key) or f"program {key}")

    assert [ask(key) for key in ("a", "b", "a", "c")] == ["program a", "program b", "program a", "program c"]
    assert built == ["a", "b", "c"]
    assert ask("a") == "program a"  # the third question renewed a, so b was the oldest when c came
    assert built == ["a", "b", "c"]
    ask("b")
    assert built == ["a", "b", "c", "b"]


# Devices.


def test_the_fits_need_not_divide_among_the_devices() -> None:
    """Five fits on two devices, the first and the last the same as alone on one."""
    assert jax.device_count() >= 2
    together = undisturbed()
    assert together.group_size == FITS
    case = five_fits()
    for index, fit in ((0, case.plan.fits[0]), (4, case.plan.fits[4])):
        alone = train(case.with_fits([fit]))
        assert alone.curves["loss"].shape == (1, EPOCHS)
        for name, curve in alone.curves.items():
            assert_close(curve[0], together.curves[name][index], name)


def test_fits_side_by_side_and_in_turn_have_the_same_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two take turns, as small and large networks do in a sweep; they want the data on different devices."""
    trainings = []
    for side_by_side in (True, False, True):
        monkeypatch.setattr(ENGINE, "side_by_side", side_by_side)
        trainings.append(train(five_fits()))
    assert_same_curves(trainings[0], trainings[1])
    assert_same_curves(trainings[0], trainings[2])


def test_large_networks_take_turns_and_small_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    case = five_fits()
    chosen: list[bool] = []
    choose = memory.affordable_fits

    def note(*arguments: Any, side_by_side: bool, share: float) -> int:
        chosen.append(side_by_side)
        return choose(*arguments, side_by_side=side_by_side, share=share)

    monkeypatch.setattr(jax_engine, "affordable_fits", note)
    train(case)
    monkeypatch.setattr(jax_engine, "_SIDE_BY_SIDE_LIMIT", 10)
    assert_same_curves(train(case), undisturbed())
    assert chosen[:2] == [True, False]


def test_data_are_copied_to_the_devices_once() -> None:
    case = five_fits()
    expected = train(case)
    held = ENGINE._on_device
    train(case.with_fits([replace(fit, learning_rate=0.3) for fit in case.plan.fits]))
    assert ENGINE._on_device is held
    other = case.with_plan(targets=-case.plan.targets)
    assert (train(other).curves["loss"] != expected.curves["loss"]).all()
    assert ENGINE._on_device is not held


def test_settings_of_a_process_in_which_jax_is_at_work_are_left_alone() -> None:
    before = jax.device_count()
    configure(cache_dir=None, cpu_devices=before + 3)
    assert jax.device_count() == before


# Layers that look at the whole batch.


def test_fits_of_unequal_size_are_grouped_where_a_layer_looks_at_the_whole_batch() -> None:
    """42 rows in 5 folds: three fits of 34 training rows, two of 33."""
    case = five_fits(layer_normalisation="batch", key="normalised", optimizer="sgd")
    sizes = [len(fit.train) for fit in case.plan.fits]
    assert sorted(sizes) == [33, 33, 34, 34, 34]
    seen: list[tuple[int, int]] = []

    def note(progress: Progress) -> bool:
        started = np.isfinite(progress.curves["loss"]).any(axis=1)
        seen.append((progress.fits_done, int(started.sum())))
        assert all(size == 34 for size, is_started in zip(sizes, started, strict=True) if is_started) or started.all()
        return False

    training = ENGINE.train(case.plan, chunk_epochs=EPOCHS, on_chunk=note)
    assert seen == [(0, 3), (3, 5)]
    assert np.isfinite(training.curves["val_loss"]).all()


# Memory.


@contextmanager
def device_that_trains_at_most(
    fits: int, monkeypatch: pytest.MonkeyPatch, message: str = "RESOURCE_EXHAUSTED: Out of memory", after: int = 0
) -> Iterator[list[int]]:
    """A device that refuses more fits at a time, ``after`` so many chunks; the list has the size of each group."""
    tried: list[int] = []
    train_together, write = jax_engine._Run._train_together, Results.write
    chunks: list[int] = []

    def limited(run: Any, indices: Sequence[int]) -> None:
        tried.append(len(indices))
        chunks.clear()
        if len(indices) > fits and not after:
            raise jax.errors.JaxRuntimeError(message)
        train_together(run, indices)

    def limited_later(results: Results, indices: Sequence[int], *arguments: Any) -> None:
        if after and len(indices) > fits and len(chunks) == after:
            raise jax.errors.JaxRuntimeError(message)
        chunks.append(1)
        write(results, indices, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(jax_engine._Run, "_train_together", limited)
        patch.setattr(Results, "write", limited_later)
        yield tried


def test_out_of_memory_trains_half_as_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = undisturbed()
    with device_that_trains_at_most(1, monkeypatch) as tried:
        training = train(five_fits())
    assert tried == [5, 2, 1, 1, 1, 1, 1]
    assert training.group_size == 1
    assert_same_curves(training, expected)


def test_out_of_memory_keeps_what_is_trained_and_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = train(five_fits(), keep_weights=True)
    with device_that_trains_at_most(2, monkeypatch) as tried:
        training = train(five_fits(), keep_weights=True)
    assert tried == [5, 2, 2, 1]
    assert expected.weights is not None and training.weights is not None
    for weights, wanted in zip(training.weights, expected.weights, strict=True):
        for actual, value in zip(weights, wanted, strict=True):
            assert_close(actual, value)


def test_out_of_memory_in_the_midst_of_a_training_starts_its_fits_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they had reached is not taken for progress of fits that have not begun."""
    expected = undisturbed()
    begun: list[int] = []

    def note(progress: Progress) -> bool:
        begun.append(int(np.isfinite(progress.curves["loss"]).any(axis=1).sum()))
        return False

    with device_that_trains_at_most(2, monkeypatch, after=2) as tried:
        training = train(five_fits(), on_chunk=note)
    assert tried == [5, 2, 2, 1]
    assert begun == [5, 5, 2, 2, 2, 4, 4, 4, 5, 5, 5]
    assert_same_curves(training, expected)


def test_a_host_without_memory_is_out_of_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []
    schedule = jax_engine._Run._schedule

    def failing(run: Any, fits: Sequence[Any], *arguments: Any) -> Any:
        attempts.append(len(fits))
        if len(attempts) == 1:
            raise MemoryError
        return schedule(run, fits, *arguments)

    expected = undisturbed()
    monkeypatch.setattr(jax_engine._Run, "_schedule", failing)
    assert_same_curves(train(five_fits()), expected)


def test_one_fit_that_is_too_large_is_an_error_that_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = r"One fit of 43 parameters with a batch of 8 does not fit the memory of cpu; fewer units or a smaller"
    with device_that_trains_at_most(0, monkeypatch) as tried, pytest.raises(OutOfMemoryError, match=sentence):
        train(five_fits())
    assert tried == [5, 2, 1]


def test_another_error_of_the_device_is_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        device_that_trains_at_most(2, monkeypatch, message="INTERNAL: the driver is lost") as tried,
        pytest.raises(jax.errors.JaxRuntimeError, match="the driver is lost"),
    ):
        train(five_fits())
    assert tried == [5]


def bytes_of(fits: int) -> int:
    """Free memory that is enough for so many fits of ``five_fits``, by the engine's own estimate."""
    case = five_fits()
    model, optimizer = case.plan.build_model(), case.plan.build_optimizer()
    optimizer.build(model.trainable_variables)
    with pytest.MonkeyPatch.context() as patch:
        free = 1024
        while True:
            patch.setattr(memory, "free_bytes", lambda free=free: free)
            if memory.affordable_fits(case.plan, model, optimizer, side_by_side=True) >= fits:
                return free
            free = int(free * 1.1)


def test_little_free_memory_limits_the_fits_that_train_together(monkeypatch: pytest.MonkeyPatch) -> None:
    expected, free = undisturbed(), bytes_of(2)
    monkeypatch.setattr(memory, "free_bytes", lambda free=free: free)
    training = train(five_fits())
    assert training.group_size == 2
    assert_same_curves(training, expected)


def test_a_fit_for_which_a_machine_has_not_enough_memory_is_refused_before_it_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    with pytest.raises(OutOfMemoryError, match="does not fit the memory"):
        train(five_fits())


def test_small_folds_are_not_charged_for_a_large_evaluation() -> None:
    """Ten fits of a table of a thousand rows take megabytes, not gigabytes."""
    generator = np.random.default_rng(1)
    data = generator.normal(size=(1000, 13)).astype(np.float32), generator.normal(size=1000).astype(np.float32)
    case = make_case(Task.REGRESSION, data=data, folds=10, layers=(64, 64), batch_size=32)
    model, optimizer = case.plan.build_model(), case.plan.build_optimizer()
    optimizer.build(model.trainable_variables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "free_bytes", lambda: 64 * 2**20)
        assert (whole := memory.affordable_fits(case.plan, model, optimizer, side_by_side=True)) >= 10
        half = memory.affordable_fits(case.plan, model, optimizer, side_by_side=True, share=0.5)
        assert half < whole, "half of the memory is that of another worker"


def test_the_memory_of_a_container_counts(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "_CGROUP", tmp_path)
    without = memory.free_bytes()
    assert without > 50_000
    (tmp_path / "memory.max").write_text("60000\n")
    (tmp_path / "memory.current").write_text("25000\n")
    (tmp_path / "memory.stat").write_text("anon 15000\ninactive_file 10000\n")
    assert memory.free_bytes() == 45_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_bytes() > 50_000
