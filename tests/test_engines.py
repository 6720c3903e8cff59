"""Both training engines keep one contract: ``engine_equality.py`` and ``engine_behaviour.py``, once a backend.

Keras has one backend a process, so each runs in a pytest of its own, whose report is shown when a test in it fails.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
Result = subprocess.CompletedProcess[str]


def run_contract(backend: str, part: str) -> Result:
    environment = {**os.environ, "OVERFIT_ATLAS_TEST_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTEST_ADDOPTS", None)
    if part == "engine_equality.py":
        # Many programs for a few steps each, compared within a float tolerance: compile them fast, not to be fast.
        environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"
    plugins = ("-p", "no:cacheprovider", "-p", "no:xdist")
    command = [sys.executable, "-m", "pytest", str(TESTS / "contracts" / part), "--tb=short", *plugins]
    return subprocess.run(
        command, cwd=TESTS.parent, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


@pytest.fixture(scope="module")
def contract(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], Result]]:
    """Runs a part of the contract: two at a time where pytest itself does not run tests side by side (xdist)."""
    here = [item for item in request.session.items if item.path == request.path]
    ahead = (
        []
        if "PYTEST_XDIST_WORKER" in os.environ
        else [(item.callspec.params["backend"], item.callspec.params["part"]) for item in here]
    )
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = {arguments: pool.submit(run_contract, *arguments) for arguments in ahead}
        yield lambda *arguments: (running.get(arguments) or pool.submit(run_contract, *arguments)).result()


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
@pytest.mark.parametrize(("part", "least"), [("engine_equality.py", 18), ("engine_behaviour.py", 20)])
def test_engine_keeps_the_contract(contract: Callable[[str, str], Result], backend: str, part: str, least: int) -> None:
    result = contract(backend, part)
    if result.returncode:
        rerun = f"OVERFIT_ATLAS_TEST_BACKEND={backend} python -m pytest tests/contracts/{part}"
        pytest.fail(f"{result.stdout[-12000:]}\n{result.stderr[-2000:]}\nTo run it alone: {rerun}", pytrace=False)
    # A contract of which nothing ran would be kept by any engine.
    assert int(re.search(r"(\d+) passed", result.stdout)[1]) >= least, result.stdout
