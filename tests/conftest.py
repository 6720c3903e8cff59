"""What all tests share: how JAX compiles, a store of made sweeps, and a browser.

A process that only needs a part of this imports only that part: the fixtures import what they use.
"""

import gc
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

# Read when Keras and JAX are imported, which the tests do. Most train small programs for a few steps: those are to be
# compiled fast, rather than to be fast, and once for all tests, processes and runs (``make clean`` removes them).
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "d" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Read by JAX and by TensorFlow. For every fusion XLA would set up a compiler of its own, and share the rest of a
# program out among threads: a third of the time that a small program takes to compile.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1")


def pytest_collection_finish() -> None:
    """Spare the garbage collector the imported modules, and with them a twentieth of all time.

    They are never garbage, and a program that is traced makes so many objects that it would look at them all the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store for made sweeps (``report_store.Store``), shared by all tests of the report."""
    from tests.support.report_store import Store

    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def sweep(store: Any) -> str:
    """Run id of a sweep with three results, one diverged trial and one failed, with names that must be escaped."""
    from pipelines.exercises.exercise import Figure
    from tests.support.report_store import BASE, EVIL, FAILED, LINEAR, WIDE, MadeTrial, variant

    return store.fill(
        [
            MadeTrial(BASE, "overfits", "baseline", level=0.5),
            MadeTrial(WIDE, "overfits", level=0.0),
            MadeTrial(LINEAR, "improving", f"documented: {EVIL}", level=1.0),
            MadeTrial(replace(BASE, learning_rate=1.0), diverges=True),
            MadeTrial(FAILED, failure=f"out of memory: {EVIL}"),
        ],
        title=EVIL,
        documented=[
            variant(
                "first", BASE, Figure("mae", 0.9, 30, "validation"), Figure("overfitting_epoch", 20, None, "train")
            ),
            variant(EVIL, LINEAR, Figure("mae", 1.5, None, "train", EVIL), Figure("mae", 1.6, None, "test")),
            variant("never trained", replace(BASE, layers=(3,)), Figure("mae", 1.0, 5, "validation")),
        ],
    )


@pytest.fixture(scope="session")
def report(store: Any, sweep: str) -> Any:
    from reports import read_report

    return read_report(sweep, tracking_uri=store.uri)


@pytest.fixture(scope="session")
def written(store: Any, sweep: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from reports import write_report

    return write_report(sweep, tracking_uri=store.uri, output=tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URI of an empty store, for the tests of a module."""
    from tests.support.stores import empty_store

    return empty_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def in_store(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps are recorded in the module's store, and a test works in a folder of its own."""
    from tests.support.small_sweep import use_store

    use_store(uri, tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, in which every test opens pages of its own; without it such tests are skipped."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()
