"""A user's own network: the function of a Python file that builds it, known from its text; nothing is run here.

>>> function = read_function('def build(input_shape, outputs, width=32, rate: float = 0): ...', "nets.py", "build")
>>> [(argument.name, argument.default) for argument in function.arguments]
[('width', 32), ('rate', 0.0)]
"""

import ast
import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.checking.kinds import Checker, Choice, Flag, Kind, Number, Schema, Text, Whole
from pipelines.errors import UserError
from pipelines.exercises.configurations import FIELDS, SETTINGS
from pipelines.exercises.settings import OWN_PREFIX, Value
from pipelines.words import did_you_mean

#: What every such function takes: the shape of a sample, and the number of outputs.
SHAPES = ("input_shape", "outputs")
#: Largest number that an argument may be.
_LARGEST = 10**9


@dataclass(frozen=True)
class OwnNetwork:
    """The function that builds the network of an exercise, and the file that it is in, by its content."""

    file: Path
    function: str
    #: Of the file, in hexadecimal digits.
    sha256: str

    @property
    def place(self) -> str:
        """Function and file as a sentence names them: ``build in nets.py``."""
        return f"{self.function} in {self.file.name}"

    def read(self) -> str:
        """Text of the file; a ``UserError`` where it is gone, or is not the one whose sha256 this is."""
        try:
            content = self.file.read_bytes()
        except OSError as error:
            raise UserError(
                f"network: {self.file} cannot be read ({error.strerror or error}); the network of this sweep is "
                f"{self.place}, sha256 {self.sha256[:12]}, and its text is with the files of the sweep."
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise UserError(
                f"network: {self.file} has changed: its sha256 is {found[:12]}, and that of the sweep's is "
                f"{self.sha256[:12]}. Put the file back as it was (its text is with the files of the sweep), or start "
                "a sweep of the new one."
            )
        return content.decode("utf-8")


@dataclass(frozen=True)
class AnyNumber(Number):
    """A number of any size; ``reason`` says why it has to be one."""

    low: float = -1e12
    high: float = 1e12
    reason: str = ""

    @property
    def allowed(self) -> str:
        return f"numbers{self.reason}"

    @property
    def described(self) -> str:
        return "a number"


@dataclass(frozen=True)
class AnyWhole(Whole):
    """A whole number of any size; ``reason`` says why it has to be one."""

    low: int = -_LARGEST
    high: int | None = _LARGEST
    reason: str = ""

    @property
    def allowed(self) -> str:
        return f"whole numbers{self.reason}"

    @property
    def described(self) -> str:
        return "a whole number"


@dataclass(frozen=True)
class Plain(Kind):
    """What YAML has for single values: a number, a word, true or false."""

    allowed = "a number, a word, true or false"

    def read(self, checker: Checker, key: str, value: object) -> Value | None:
        if _is_plain(value):
            return value  # type: ignore[return-value]
        return checker.refuse(key, value, "is no single value", self.allowed)

    def schema(self) -> Schema:
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True)
class Argument:
    """An argument of the function that a configuration may set."""

    name: str
    #: What it may be: as its annotation says, else as its default is.
    kind: Kind
    #: None where it has none, or one that is no plain number, word or truth value.
    default: Value | None = None
    required: bool = False

    @property
    def setting(self) -> str:
        """Its name among the settings of a configuration."""
        return f"{OWN_PREFIX}{self.name}"

    @property
    def meaning(self) -> str:
        """For a table of keys."""
        return f"Argument {self.name} of your function"


@dataclass(frozen=True)
class Function:
    """What a function takes beside the shapes."""

    place: str
    arguments: tuple[Argument, ...]

    @property
    def defaults(self) -> dict[str, Value]:
        """What it takes where nothing else is stated, by setting."""
        return {argument.setting: argument.default for argument in self.arguments if argument.default is not None}


@dataclass(frozen=True)
class Place(Kind):
    """A Python file and a function in it."""

    allowed = "a Python file, a colon and the name of a function in it (nets.py:build)"
    pattern = r"^.*\S\.py:[A-Za-z_][A-Za-z0-9_]*$"

    def read(self, checker: Checker, key: str, value: object) -> tuple[str, str] | None:
        if isinstance(value, str) and re.match(self.pattern, value.strip()):
            file, _, function = value.strip().rpartition(":")
            return file, function
        return checker.refuse(key, value, "is no function of a file", self.allowed)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": self.pattern}


#: Settings and axes that say what our own networks are built of, and say nothing of a user's.
BUILDING = frozenset(name for name, known in SETTINGS.items() if known.builds)


def find_network(folder: Path, file: str, function: str) -> tuple[OwnNetwork, Function]:
    """The network that an exercise in this folder names, and what its function takes.

    ``UserError``, in one sentence, where the file cannot be read or is no Python, or has no such function.
    """
    path = (folder / Path(file).expanduser()).resolve()
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    network = OwnNetwork(path, function, hashlib.sha256(content).hexdigest())
    return network, read_function(text, path.name, function)


def read_function(text: str, file: str, function: str) -> Function:
    """What a function takes, by the text of its file; ``UserError`` where there is no such function, or it takes else.

    The function is defined in the file itself, at its top level. It takes ``input_shape`` and ``outputs``.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise UserError(f"{file}{f', line {line}' if line else ''}: {getattr(error, 'msg', error)}") from error
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if function not in functions:
        near, known = did_you_mean(function, functions), ", ".join(functions)
        allowed = f"; allowed: {known}" if known else ", nor any other"
        raise UserError(f"{file} defines no function {function}{near}{allowed}")
    node = functions[function]
    where = f"{file}, line {node.lineno}: {function}"
    taken = [*node.args.args, *node.args.kwonlyargs]
    names = [argument.arg for argument in taken]
    if node.args.posonlyargs:
        raise UserError(f"{where} takes {node.args.posonlyargs[0].arg} by its position only; leave the / out")
    if missing := [name for name in SHAPES if name not in names]:
        raise UserError(
            f"{where} does not take {' and '.join(missing)}; write def {function}(input_shape, outputs, ...)"
        )
    defaults = dict(zip(names[len(node.args.args) - len(node.args.defaults) :], node.args.defaults, strict=False))
    defaults |= {of.arg: by for of, by in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if by}
    arguments = tuple(_argument(of, defaults.get(of.arg), file) for of in taken if of.arg not in SHAPES)
    for argument in arguments:
        if argument.name in FIELDS and argument.name not in BUILDING:
            raise UserError(f"{where} has an argument {argument.name}, which is a setting of the training; rename it")
    return Function(f"{function} in {file}", arguments)


def _argument(node: ast.arg, default: ast.expr | None, file: str) -> Argument:
    value = None if default is None else _literal(default)
    types = [] if node.annotation is None else list(_types(node.annotation))
    words = tuple(of[0] for of in types if isinstance(of, tuple))
    kind: Kind = Plain()
    if types and len(words) == len(types):
        kind = Choice(words)
    elif len(types) == 1 and types[0] in _kinds(""):
        kind = _kinds(f", as its annotation in {file} says")[str(types[0])]
    elif not types and value is not None:
        more = f" ({value}.0 there allows any number)" if type(value) is int else ""
        kind = _kinds(f", since {value} is its default in {file}{more}")[type(value).__name__]
    if isinstance(kind, Number) and isinstance(value, int):
        value = float(value)
    return Argument(node.arg, kind, value, required=default is None)


def _kinds(reason: str) -> dict[str, Kind]:
    return {"int": AnyWhole(reason=reason), "float": AnyNumber(reason=reason), "bool": Flag(), "str": Text("a word")}


def _types(node: ast.expr) -> Iterator[str | tuple[str]]:
    """Types that an annotation names but None: ``int``, or the words of a Literal, each in a tuple; else nothing."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):  # an annotation in quotes
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _types(node.left)
        yield from _types(node.right)
    elif isinstance(node, ast.Name | ast.Attribute):
        yield node.id if isinstance(node, ast.Name) else node.attr
    elif isinstance(node, ast.Subscript):
        name = next(iter(_types(node.value)), "")
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Optional":
            yield from _types(inner[0])
        elif name == "Literal":
            words = [part.value for part in inner if isinstance(part, ast.Constant)]
            yield from ((word,) for word in words if isinstance(word, str))


def _literal(node: ast.expr) -> Value | None:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if _is_plain(value) else None


def _is_plain(value: object) -> bool:
    """Whether it is a truth value, a finite number or a word, as a setting may be."""
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, bool | int | float) and math.isfinite(value)
