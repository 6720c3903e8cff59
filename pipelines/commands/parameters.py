"""Parameters as they arrive from ``mlflow run -P``: strings, unchecked. All mistakes are named at once."""

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from pipelines.errors import ExerciseError

T = TypeVar("T")

#: Characters of a value that a message repeats.
_LONGEST_SHOWN = 200


class Parameters:
    """Reads values and collects what is wrong with them.

    >>> given = Parameters({"trials": "many"})
    >>> given.whole_number("trials", minimum=1)
    >>> given.problems
    ["trials: 'many' is not a whole number; allowed: 1 or more"]
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """The value, or the default where it is empty."""
        return self._values.get(name, "").strip() or default

    def whole_number(
        self, name: str, *, minimum: int, maximum: int | None = None, default: int | None = None
    ) -> int | None:
        """A whole number, or the default where none is given."""
        allowed = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"
        number = self._read(name, _whole_number, "is not a whole number", allowed)
        if number is not None and number < minimum:
            self._wrong(name, "is too small", allowed)
        elif number is not None and maximum is not None and number > maximum:
            self._wrong(name, "is too large", allowed)
        return default if number is None else number

    def choice(self, name: str, choices: Iterable[str], default: str) -> str:
        """One of the choices."""
        choices = list(choices)
        value = self.text(name, default)
        if value not in choices:
            near = difflib.get_close_matches(value, choices, n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            self._wrong(name, f"is not known{hint}", ", ".join(choices))
        return value

    def flag(self, name: str, default: bool) -> bool:
        """``true`` or ``false``; Python's ``True`` and ``False`` mean the same."""
        value = self.text(name, str(default)).lower()
        if value not in ("true", "false"):
            self._wrong(name, "is neither true nor false", "true, false")
        return value == "true"

    def folder(self, name: str, *, must_exist: bool) -> Path | None:
        """A folder; None where none is given. One that need not exist must be one that can be made and written."""
        if not (text := self.text(name)):
            return None
        if (path := self._expanded(name, text)) is None:
            return None
        if must_exist and not path.is_dir():
            self._wrong(name, "is not a folder", "an existing folder, or nothing for the normal download")
        elif not must_exist and (problem := _why_not_writable(path)):
            self._wrong(name, problem, "a folder that can be written, or one that can be made")
        return path

    def weights(self) -> Path | None:
        """File or folder of backbones' weights, see ``networks.backbones.find_weights``; None where none is named."""
        if not (text := self.text("weights")) or (path := self._expanded("weights", text)) is None:
            return None
        if not path.exists():
            allowed = "a file of weights, a folder that holds them, or nothing for the normal download"
            self._wrong("weights", "does not exist", allowed)
        return path

    def refuse_unknown(self, known: Iterable[str]) -> None:
        """Name every parameter that the entry point does not have."""
        known = list(known)
        for name in self._values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" (did you mean '{near[0]}'?)" if near else ""
                self.problems.append(f"{name}: there is no such parameter{hint}; allowed: {', '.join(known)}")

    def check(self) -> None:
        """Raise when anything was wrong.

        Raises
        ------
        ExerciseError
            Naming every mistake.
        """
        if self.problems:
            raise ExerciseError("parameters", self.problems)

    def _read(self, name: str, read: Callable[[str], T], what: str, allowed: str) -> T | None:
        if not (text := self.text(name)):
            return None
        try:
            return read(text)
        except ValueError:
            self._wrong(name, what, allowed)
            return None

    def _expanded(self, name: str, text: str) -> Path | None:
        try:
            return Path(text).expanduser()
        except RuntimeError:
            self._wrong(name, "begins with the home folder of a user who is not known here", "a folder")
            return None

    def _wrong(self, name: str, what: str, allowed: str) -> None:
        text = self.text(name)
        shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
        self.problems.append(f"{name}: '{shown}' {what}; allowed: {allowed}")


def _why_not_writable(path: Path) -> str:
    """What keeps files from being written into a folder that may not exist yet; empty where nothing does."""
    existing = path.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        return "is not a folder" if existing == path.absolute() else f"cannot be made: {existing} is not a folder"
    return "" if os.access(existing, os.W_OK) else f"cannot be written: no permission to write to {existing}"


def _whole_number(text: str) -> int:
    # int() also takes '1_000' and Arabic digits, which nobody means.
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise ValueError(text)
    return int(text)


def split_arguments(arguments: Iterable[str]) -> dict[str, str]:
    """``--name value`` pairs, as the entry points and MLflow's undeclared parameters write them.

    Raises
    ------
    ExerciseError
        For anything else.
    """
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
