"""The files around the code: MLproject, conda.yaml, requirements and Makefile."""

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.projects._project_spec import EntryPoint, load_project
from mlflow.utils.environment import _PythonEnv

from pipelines.commands.cli import ENTRIES
from pipelines.commands.parameters import split_arguments
from pipelines.commands.sweep import PARAMETERS as SWEEP_PARAMETERS

ROOT = Path(__file__).parent.parent
PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+( ; .+)?")


@pytest.fixture(scope="module")
def entry_points() -> dict[str, EntryPoint]:
    project = load_project(str(ROOT))
    return {name: project.get_entry_point(name) for name in ("main", "sweep", "report")}


def arguments(entry_point: EntryPoint, given: dict[str, str]) -> list[str]:
    """What the process sees: MLflow's command, run by bash as MLflow runs it, with a ``python`` that prints its own."""
    command = entry_point.compute_command(given, storage_dir=None)
    assert command.startswith("python -m pipelines ")
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    printed = subprocess.run(
        ["bash", "-c", command.replace("python -m pipelines", f'"{sys.executable}" -c "$SCRIPT"', 1)],
        env={"SCRIPT": script},
        capture_output=True,
        check=True,
        text=True,
    )
    return list(json.loads(printed.stdout))


def listed_parameters() -> dict[str, list[str]]:
    """The parameters that MLproject lists above each entry point."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in (ROOT / "MLproject").read_text(encoding="utf-8").splitlines():
        if row := re.match(r"  #   (\w+)  +\S", line):
            names.append(row[1])
        elif entry := re.fullmatch(r"  (\w+):", line):
            found[entry[1]], names = names, []
    return found


def test_mlproject_lists_the_parameters_of_every_entry_point() -> None:
    listed = listed_parameters()
    assert listed.pop("sweep") == [], "as of main"
    told = {name: set(names) for name, names in listed.items()}
    assert told == {name: set(entry.parameters) for name, entry in ENTRIES.items() if name != "sweep"}
    assert set(load_project(str(ROOT))._entry_points) == set(ENTRIES)
    assert set(SWEEP_PARAMETERS) | {"output"} == told["main"]


def test_none_is_declared_for_mlflow_records_a_declared_one_that_is_left_empty(
    entry_points: dict[str, EntryPoint],
) -> None:
    for entry_point in entry_points.values():
        recorded = entry_point.compute_parameters({"data": "houses.csv"}, storage_dir=None)
        assert recorded == ({}, {"data": "houses.csv"})


@pytest.mark.parametrize("name", ["main", "sweep", "report"])
def test_every_parameter_reaches_the_process_under_its_own_name(entry_points: dict[str, EntryPoint], name: str) -> None:
    values = {parameter: f"value of {parameter}" for parameter in ENTRIES[name].parameters}
    entry, *rest = arguments(entry_points[name], values)
    assert entry == name
    assert split_arguments(rest) == values


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@settings(max_examples=20, deadline=None)
@given(TEXT)
@example("my file.csv")
@example('it\'s "quoted" $HOME `id` $(id) ; rm -rf x & | > y')
@example("--trials=3")
@example("{braces} %s \\ ~/x * ?")
@example("two\nlines")
def test_any_value_arrives_as_one_word(value: str) -> None:
    report = load_project(str(ROOT)).get_entry_point("report")
    assert arguments(report, {"sweeps": value, "output": "x"}) == ["report", "--sweeps", value, "--output", "x"]
    assert split_arguments(["--sweeps", value, "--output", "x"]) == {"sweeps": value, "output": "x"}


def test_a_misspelt_parameter_arrives_so_that_the_command_line_can_refuse_it(
    entry_points: dict[str, EntryPoint],
) -> None:
    given_arguments = arguments(entry_points["sweep"], {"trails": "5"})
    assert split_arguments(given_arguments[1:])["trails"] == "5"


def test_conda_yaml_allows_the_supported_pythons_and_has_no_second_list_of_packages() -> None:
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())
    assert conda["dependencies"][-1] == {"pip": ["-r requirements.txt"]}
    # What MLflow takes from it under uv and virtualenv, where a range would not be understood: the running Python.
    for_uv = _PythonEnv.get_dependencies_from_conda_yaml(ROOT / "conda.yaml")
    assert for_uv["python"] == sys.version.split()[0]
    assert for_uv["dependencies"] == ["-r requirements.txt"]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_and_no_index_is_named(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    if name == "requirements-dev.txt":
        assert lines.pop(0) == "-r requirements.txt"
    assert [line for line in lines if not PINNED.fullmatch(line)] == []


def test_direct_dependencies_are_what_the_product_imports_and_are_all_resolved() -> None:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements.in").read_text().splitlines())
    direct = {line for line in lines if line}
    pinned = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()}
    assert direct <= pinned
    owners = packages_distributions()
    for path in (path for package in ("pipelines", "reports") for path in (ROOT / package).rglob("*.py")):
        for module in _imported(path) - set(sys.stdlib_module_names) - {"pipelines", "reports"}:
            # Several packages may bring one name (MLflow's parts do): one of them is enough.
            assert {name.lower().replace("_", "-") for name in owners[module]} & direct, f"{path} imports {module}"


def _imported(path: Path) -> set[str]:
    """First parts of the names of all modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.partition(".")[0] for name in plain | {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}}


def test_no_lock_file_that_would_replace_the_requirements() -> None:
    assert not (ROOT / "uv.lock").exists()


def test_make_refuses_a_python_out_of_range_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "requirements.txt").touch()
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    tools = tmp_path / "tools"  # without uv, which would choose a Python by itself
    tools.mkdir()
    for tool in ("make", "sh", "rm"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    made = subprocess.run(
        ["make", "sweep", f"PYTHON={old}"],
        cwd=tmp_path,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in made.stderr
    assert str(old) in made.stderr
