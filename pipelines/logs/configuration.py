"""The settings of a training elsewhere as a ``Configuration``: names of its own, and none of ours."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.exercises.configurations import FIELDS, Configuration
from pipelines.exercises.settings import OWN_PREFIX
from pipelines.logs.base import Value

#: A configuration is a baseline where at least so many differ from it in one setting; looked for among so many at most.
LEAST_NEIGHBOURS, MOST_COMPARED = 2, 600


@dataclass(frozen=True)
class LoggedConfiguration(Configuration):
    """Settings that another tool has logged, in ``own``; of the settings of this project none has an effect here."""

    @property
    def idle(self) -> frozenset[str]:
        """Names of the settings that have no effect: all that are ours."""
        return frozenset(FIELDS)

    def value(self, name: str) -> Any:
        """Value of a setting by its name; None where it was not logged."""
        return super().value(name) if name.startswith(OWN_PREFIX) else None

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """The words of the label, each with the name of the setting that it is about."""
        return tuple((OWN_PREFIX + name, f"{name}={value}") for name, value in self.own)


def configurations(names: Sequence[str], settings: Sequence[Mapping[str, Value]]) -> list[LoggedConfiguration]:
    """A configuration for each name and its settings; a setting has one type in all: whole number, number or text."""
    known = {name for of in settings for name in of}
    of_names = {name: _kind([of[name] for of in settings if name in of]) for name in known}
    # Without settings the name is all that there is to tell configurations apart by.
    every = [settings_of if known else {"name": name} for name, settings_of in zip(names, settings, strict=True)]
    return [
        LoggedConfiguration(
            layers=(),
            network="logged",
            own=tuple(sorted((name, of_names.get(name, str)(value)) for name, value in of.items())),
        )
        for of in every
    ]


def most_compared(configured: Sequence[LoggedConfiguration]) -> int | None:
    """Position of the configuration from which most others differ in one setting alone; None without two such."""
    settings = [dict(of.own) for of in configured]

    def neighbours(own: Mapping[str, Value]) -> int:
        changes = (sum(own.get(name) != of.get(name) for name in own.keys() | of.keys()) for of in settings)
        return sum(count == 1 for count in changes)

    # Thousands of random configurations have hardly any neighbours, and looking for them takes long.
    counts = [neighbours(own) for own in settings] if len(settings) <= MOST_COMPARED else []
    most = max(counts, default=0)
    named_only = all(own.keys() == {"name"} for own in settings)
    return counts.index(most) if most >= LEAST_NEIGHBOURS and not named_only else None


def _kind(values: Iterable[Value]) -> type[int] | type[float] | type[str]:
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) < len(list(values)):
        return str
    return int if all(float(number).is_integer() for number in numbers) else float
