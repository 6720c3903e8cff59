"""Parameters as they arrive from ``mlflow run -P``: strings, unchecked. All mistakes are named at once."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.checking.kinds import Checker, Choice, Flag, Kind, Number, Schema, Whole
from pipelines.errors import ExerciseError


class Parameters:
    """Reads values and collects what is wrong with them.

    >>> given = Parameters({"trials": "many"})
    >>> given.whole_number("trials", minimum=1)
    >>> given.problems
    ["trials: 'many' is not a whole number; allowed: 1 or more"]
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._checker = Checker(texts=True)
        #: A sentence for each mistake so far; may be added to.
        self.problems = self._checker.problems

    def text(self, name: str, default: str = "") -> str:
        """The value, or the default where it is empty."""
        return self._values.get(name, "").strip() or default

    def whole_number(
        self, name: str, *, minimum: int, maximum: int | None = None, default: int | None = None
    ) -> int | None:
        """A whole number, or the default where none is given."""
        return self._read(name, Whole(minimum, maximum), default)

    def positive_number(self, name: str, *, below: float) -> float | None:
        """A number above 0 and below an end; None where none is given."""
        return self._read(name, Number(0, below, open_ends="low high"))

    def choice(self, name: str, choices: Iterable[str], default: str) -> str:
        """One of the choices."""
        return str(self._read(name, Choice(tuple(choices)), default))

    def flag(self, name: str, default: bool) -> bool:
        """``true`` or ``false``; Python's ``True`` and ``False`` mean the same."""
        return bool(self._read(name, Flag(), default))

    def folder(self, name: str, *, must_exist: bool) -> Path | None:
        """A folder; None where none is given. One that need not exist must be one that can be made and written."""
        return self._read(name, _EXISTING if must_exist else _WRITABLE)

    def weights(self) -> Path | None:
        """File or folder of backbones' weights, see ``networks.backbones.find_weights``; None where none is named."""
        return self._read("weights", _WEIGHTS)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Name every parameter that the entry point does not have."""
        for name in self._values:
            if name not in known:
                self._checker.unknown(name, known, noun="parameter")

    def check(self) -> None:
        """Raise an ``ExerciseError`` that names every mistake, where there is one."""
        if self.problems:
            raise ExerciseError("parameters", self.problems)

    def _read(self, name: str, kind: Kind, default: Any = None) -> Any:
        read = kind.read(self._checker, name, text) if (text := self.text(name)) else None
        return default if read is None else read


@dataclass(frozen=True)
class _Place(Kind):
    """A path, and what is wrong with it as one of its kind."""

    fault: Callable[[Path], str]
    allowed: str = "a path"

    def read(self, checker: Checker, key: str, value: object) -> Path | None:
        try:
            path = Path(str(value)).expanduser()
        except RuntimeError:
            return checker.refuse(key, value, "begins with the home folder of a user who is not known here", "a folder")
        fault = self.fault(path)
        return checker.refuse(key, value, fault, self.allowed) if fault else path

    def schema(self) -> Schema:
        return {"type": "string"}


def _why_not_writable(path: Path) -> str:
    """What keeps files from being written into a folder that may not exist yet; empty where nothing does."""
    existing = path.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        return "is not a folder" if existing == path.absolute() else f"cannot be made: {existing} is not a folder"
    return "" if os.access(existing, os.W_OK) else f"cannot be written: no permission to write to {existing}"


def _looked(path: Path) -> str:
    """Where a relative path was looked for."""
    return "" if path.is_absolute() else f" in {Path.cwd()}"


_EXISTING = _Place(
    lambda path: "" if path.is_dir() else f"is not a folder{_looked(path)}",
    "an existing folder, or nothing for the normal download",
)
_WRITABLE = _Place(_why_not_writable, "a folder that can be written, or one that can be made")
_WEIGHTS = _Place(
    lambda path: "" if path.exists() else f"does not exist{_looked(path)}",
    "a file of weights, a folder that holds them, or nothing for the normal download",
)


def split_arguments(arguments: Iterable[str]) -> dict[str, str]:
    """``--name value`` pairs, as entry points and MLflow's undeclared parameters write them; else an ExerciseError."""
    values: dict[str, str] = {}
    problems = []
    pending: str | None = None
    for argument in arguments:
        if pending is not None:
            values[pending] = argument
            pending = None
        elif argument.startswith("--") and "=" in argument:
            name, _, value = argument[2:].partition("=")
            values[name] = value
        elif argument.startswith("--") and len(argument) > 2:
            pending = argument[2:]
        else:
            problems.append(f"'{argument}' is not understood; parameters are written --name value")
    if pending is not None:
        problems.append(f"{pending}: has no value")
    if problems:
        raise ExerciseError("parameters", problems)
    return {name.replace("-", "_"): value for name, value in values.items()}
