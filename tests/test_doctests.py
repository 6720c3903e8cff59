"""Every example in a docstring of the product prints what stands under it, but those marked ``+SKIP``."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


#: Found by their text, for to import every module would bring TensorFlow.
SHOWING = [
    module_name(path)
    for package in ("pipelines", "reports")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", SHOWING)
def test_the_examples_of(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    module = importlib.import_module(name)
    written: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    found = [test for test in doctest.DocTestFinder().find(module, name) if test.examples]
    assert found, "a prompt outside a docstring"
    for test in found:
        runner.run(test, out=written.append)
    assert runner.failures == 0, "".join(written)
