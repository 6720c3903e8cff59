"""The shape of the house: rooms in order, imports that run downward, nothing private carried across."""

import ast
import re
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
    ("pipelines.logs",),
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
DOORS = ("reports", "pipelines.__main__", "pipelines.notebook")
MOST_LOOSE = 4
MOST_LINES, MOST_MODULES = 36_500, 220
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
    loose = sorted(
        path.name
        for path in (ROOT / package).glob("*.py")
        if path.name != "__init__.py" and f"{package}.{path.stem}" not in DOORS
    )
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


def own_private_names(tree: ast.Module) -> set[str]:
    """Names with an underscore that a module defines: functions, classes, and attributes of its own objects."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            for target in [node.target] if isinstance(node, ast.AnnAssign) else node.targets:
                for part in ast.walk(target):
                    found |= {part.id} if isinstance(part, ast.Name) else set()
                    found |= {part.attr} if isinstance(part, ast.Attribute) else set()
    return found


def private_parts_of_libraries(tree: ast.Module) -> Iterator[str]:
    """Names with an underscore, or within ``src``, that a module takes from a library: imported, by attribute, by text.

    ``namedtuple``'s ``_replace`` and its like are public in spite of their names.
    """
    is_private = lambda name: name.startswith("_") and not name.startswith("__")  # noqa: E731
    public = {"_replace", "_asdict", "_fields", "_make"}
    own = own_private_names(tree) | public
    products = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                path = f"{source}.{alias.name}".strip(".").split(".")
                if path[0] in PACKAGES:
                    products.add(alias.asname or alias.name)
                elif "src" in path or any(map(is_private, path)):
                    yield f"{node.lineno}: import of {'.'.join(path)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            base = node.value
            is_own = isinstance(base, ast.Name) and base.id in {"self", "cls", *products}
            is_super = isinstance(base, ast.Call) and ast.unparse(base.func) == "super"
            if not (is_own or is_super or node.attr in own):
                yield f"{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"getattr", "setattr", "hasattr", "delattr"}:
            name = node.args[1] if len(node.args) > 1 else None
            if isinstance(name, ast.Constant) and is_private(str(name.value)) and name.value not in own:
                yield f"{node.lineno}: {ast.unparse(node)}"


def test_only_compat_uses_private_parts_of_libraries() -> None:
    found = {name: list(private_parts_of_libraries(tree)) for name, tree in modules().items()}
    assert found.pop("pipelines.compat")
    assert not {name: parts for name, parts in found.items() if parts}


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("from keras_tuner.src.engine.oracle import LOCKS", 1),
        ("import jax._src.core", 1),
        ("from sklearn import _config", 1),
        ("model._flatten_layers()", 1),
        ("self.oracle._record_values(trial)", 1),
        ("getattr(optimizer, '_learning_rate')", 1),
        ("self._oracle.ask(); cls._made = 1; super()._end(); state._replace(a=1); x.__array_interface__", 0),
        ("class A:\n    _b: int = 0\n    def same(self, other): return other._b", 0),
    ],
)
def test_private_parts_are_found(source: str, count: int) -> None:
    assert len(list(private_parts_of_libraries(ast.parse(source)))) == count


def test_the_architecture_page_has_every_room_and_module() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `((?:pipelines|reports)[a-z_/]*)` \|[^|]*\| ([a-z_` ]+) \|$", page, re.MULTILINE)
    told = {room: sorted(re.findall(r"`(\w+)`", listed)) for room, listed in rows}
    there: dict[str, list[str]] = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        if not path.stem.startswith("__"):
            there.setdefault(path.parent.relative_to(ROOT).as_posix(), []).append(path.stem)
    assert told == {room: sorted(names) for room, names in there.items()}
