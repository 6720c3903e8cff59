"""The shape of the house: rooms in order, imports that run downward, nothing private carried across."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("pipelines", "reports")
#: From the top floor down: a room imports from rooms below it only. Rooms of one tuple do not know of each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("pipelines.commands",),
    ("reports.pages",),
    ("reports.charts",),
    ("reports.tables",),
    ("reports.analysis",),
    ("reports",),
    ("pipelines.sweep",),
    ("pipelines.final", "pipelines.reproduction"),
    ("pipelines.executors",),
    ("pipelines.training",),
    ("pipelines.tracking",),
    ("pipelines.tuners",),
    ("pipelines.networks",),
    ("pipelines.overfitting",),
    ("pipelines.exercises",),
    ("pipelines.datasets",),
    ("pipelines.checking",),
    ("pipelines",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
#: Doors of a package: they name what is inside it, or start it, and are no rooms themselves.
DOORS = ("reports", "pipelines.__main__")
MOST_LOOSE = 4
MOST_LINES, MOST_MODULES = 25_000, 150
MOST_POSITIONAL = 4


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product by its dotted name; a package by its own."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(name: str) -> Iterator[tuple[str, str]]:
    """What a module imports of the product: (module, name within it or empty), wherever in the module it stands."""
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] in PACKAGES)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner, "") if inner in modules() else (node.module, alias.name)


def room_of(module: str) -> str:
    """The room that a module lies in; a loose module lies in its package."""
    return max((room for room in FLOOR if f"{module}.".startswith(f"{room}.")), key=len)


def arrows() -> Iterator[tuple[str, str]]:
    for name in modules():
        if name not in DOORS:
            yield from ((name, target) for target, _ in imports(name))


def test_imports_run_downward() -> None:
    up = []
    for name, target in arrows():
        own, other = room_of(name), room_of(target)
        if own != other and FLOOR[own] >= FLOOR[other]:
            up.append(f"{name} imports {target}")
    assert not up


def test_only_the_commands_import_reports() -> None:
    assert not [
        f"{name} imports {target}"
        for name, target in arrows()
        if name.startswith("pipelines.") and target.split(".")[0] == "reports" and room_of(name) != "pipelines.commands"
    ]


def test_no_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for name, target in arrows():
        if target != name and not name.startswith(f"{target}."):  # a package's own door is passed on the way in
            graph[name].add(target)
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for target in graph[name]:
                walk(target, (*path, name))
            done.add(name)

    for name in graph:
        walk(name, ())


def test_nothing_private_is_carried_across_modules() -> None:
    private = [
        f"{name} imports {inner} of {target}"
        for name in modules()
        for target, inner in imports(name)
        if inner.startswith("_") and not inner.startswith("__")
    ]
    for name, tree in modules().items():
        own = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if f"{node.module}.{alias.name}" in modules()
        }
        private += [
            f"{name} uses {ast.unparse(node)}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in own
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
        ]
    assert not private


@pytest.mark.parametrize("package", PACKAGES)
def test_few_modules_are_loose(package: str) -> None:
    loose = sorted(path.name for path in (ROOT / package).glob("*.py") if path.name != "__init__.py")
    assert len(loose) <= MOST_LOOSE, loose


def test_the_house_stays_small() -> None:
    lines = sum(
        len((ROOT / path).read_text("utf-8").splitlines()) for p in PACKAGES for path in (ROOT / p).rglob("*.py")
    )
    assert lines <= MOST_LINES
    assert len(modules()) <= MOST_MODULES


def test_no_call_has_many_positional_arguments() -> None:
    long = [
        f"{name}:{node.lineno} {ast.unparse(node.func)}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and len(node.args) > MOST_POSITIONAL
    ]
    assert not long


def test_no_function_takes_a_report_and_its_curves() -> None:
    both = [
        f"{name}.{node.name}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and {"report", "curves"} <= {argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]}
    ]
    assert not both
