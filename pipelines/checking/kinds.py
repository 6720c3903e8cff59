"""What a value may be: small declarations that read a value into a typed one and note what is wrong with it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from pipelines.checking.checker import Checker


class Kind(Protocol):
    """Reads a value of a file; notes a mistake and returns None where it is none of this kind."""

    def read(self, checker: Checker, key: str, value: object) -> object | None:
        """The value in its type."""


@dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``, both allowed; None for no end."""

    low: int
    high: int | None = None

    def read(self, checker: Checker, key: str, value: object) -> int | None:
        """The number."""
        return checker.whole(key, value, self.low, self.high)


@dataclass(frozen=True)
class Number:
    """A number from ``low`` to ``high``; an end named in ``open_ends`` (``low``, ``high``) is itself refused."""

    low: float
    high: float
    open_ends: str = ""

    def read(self, checker: Checker, key: str, value: object) -> float | None:
        """The number."""
        return checker.number(key, value, self.low, self.high, open_ends=self.open_ends)


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: Collection[str]

    def read(self, checker: Checker, key: str, value: object) -> str | None:
        """The word."""
        return checker.choice(key, value, self.words)


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, checker: Checker, key: str, value: object) -> bool | None:
        """Which of the two."""
        return checker.flag(key, value)
