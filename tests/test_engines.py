"""Both training engines keep one contract: ``contracts/engine_equality.py`` and ``engine_behaviour.py``.

Keras has one backend a process, so the contract runs once for each in a pytest of its own, whose tests are told here
one by one, by their names.
"""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

CONTRACTS = Path(__file__).parent / "contracts"
#: The parts, and how many of their tests have to run at least: where none does, any engine would keep the contract.
PARTS = {"engine_equality": 18, "engine_behaviour": 20}


@pytest.fixture(scope="module", params=["tensorflow", "jax"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Of each part the tests that ran with this backend, by name, and what failed in them; empty where nothing did."""
    backend, file = request.param, tmp_path_factory.mktemp("contract") / "results.xml"
    references = tmp_path_factory.getbasetemp() / "references"  # TensorFlow, which makes them faster, comes first
    references.mkdir(exist_ok=True)
    environment = {**os.environ, "OVERFIT_ATLAS_TEST_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["OVERFIT_ATLAS_TEST_REFERENCES"] = str(references)
    if backend == "tensorflow":  # compiled fast, as JAX's programs are: see conftest.py
        environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", *(str(CONTRACTS / f"{part}.py") for part in PARTS), "--tb=short"]
    options = [f"--junitxml={file}", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, *options],
        cwd=CONTRACTS.parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    printed = f"{done.stdout[-12000:]}\n{done.stderr[-2000:]}"
    # 1 is that tests failed, which they say themselves.
    if done.returncode not in (0, 1) or not file.exists():
        pytest.fail(printed, pytrace=False)
    found: dict[str, dict[str, str]] = {part: {} for part in PARTS}
    for case in ElementTree.parse(file).iter("testcase"):
        part = case.attrib["classname"].rpartition(".")[2]
        if case.find("skipped") is None:
            faults = [
                fault.text or fault.attrib["message"] for kind in ("failure", "error") for fault in case.findall(kind)
            ]
            found[part][case.attrib["name"]] = "\n".join(faults)
    return found


@pytest.mark.parametrize(("part", "least"), PARTS.items())
def test_the_engine_keeps_the_contract(
    results: dict[str, dict[str, str]], part: str, least: int, subtests: pytest.Subtests
) -> None:
    for name, fault in results[part].items():
        with subtests.test(name):
            if fault:
                pytest.fail(fault, pytrace=False)
    assert len(results[part]) >= least, "too little of the contract ran"
