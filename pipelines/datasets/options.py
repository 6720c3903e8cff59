"""Reading the options of a ``DatasetSpec``: every unknown or ill-typed one becomes a sentence, never a traceback."""

from collections.abc import Collection
from typing import Any

from pipelines.datasets.base import DatasetSpec, Task
from pipelines.errors import DataError
from pipelines.words import did_you_mean


def check_options(spec: DatasetSpec, known: Collection[str]) -> None:
    """Refuse options that the source does not have.

    Raises
    ------
    DataError
        Naming each unknown option, the nearest known one, and all known ones.
    """
    unknown = [key for key in spec.options if key not in known]
    if unknown:
        listed = ", ".join(f"{key!r}{did_you_mean(str(key), known)}" for key in unknown)
        allowed = ", ".join(sorted(known)) or "none"
        raise DataError(f"Data set {spec.name!r} has no option {listed}. Allowed: {allowed}.")


def check_name(spec: DatasetSpec, known: Collection[str]) -> None:
    """Refuse a name that the source does not have.

    Raises
    ------
    DataError
        Naming it, the nearest known name, and all known names.
    """
    if spec.name not in known:
        raise DataError(
            f"Source {spec.source!r} has no data set {spec.name!r}{did_you_mean(spec.name, known)}. "
            f"Allowed: {', '.join(sorted(known))}."
        )


def check_task(spec: DatasetSpec, stated: Task | None, actual: Task) -> None:
    """Refuse a stated task that is not the one a well-known data set has.

    Raises
    ------
    DataError
        Naming both.
    """
    if stated is not None and stated is not actual:
        raise DataError(f"Data set {spec.name!r} is a {actual} exercise; the task stated is {stated}.")


def whole(spec: DatasetSpec, key: str, default: int, low: int, high: int) -> int:
    """A whole-number option between ``low`` and ``high``, both allowed.

    Raises
    ------
    DataError
        Where it is something else.
    """
    value = spec.options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise DataError(_wrong(spec, key, value, f"a whole number from {low} to {high}"))
    return value


def number(spec: DatasetSpec, key: str, default: float, low: float, high: float, *, open_end: bool = False) -> float:
    """A number option from ``low`` to ``high``; ``high`` itself is refused where ``open_end``.

    Raises
    ------
    DataError
        Where it is something else.
    """
    value = spec.options.get(key, default)
    fits = not isinstance(value, bool) and isinstance(value, int | float) and low <= value <= high
    if not fits or (open_end and value == high):
        raise DataError(_wrong(spec, key, value, f"a number from {low:g} to {'below ' if open_end else ''}{high:g}"))
    return float(value)


def text(spec: DatasetSpec, key: str, default: str | None = None) -> str | None:
    """A text option; numbers are taken as text, since YAML reads a column called 3 as a number.

    Raises
    ------
    DataError
        Where it is a list, a mapping or empty.
    """
    value = spec.options.get(key, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float) or str(value) == "":
        raise DataError(_wrong(spec, key, value, "a text"))
    return str(value)


def texts(spec: DatasetSpec, key: str) -> tuple[str, ...] | None:
    """An option that lists texts; None where it is not given.

    Raises
    ------
    DataError
        Where it is not a list of texts.
    """
    value = spec.options.get(key)
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(item, str | int | float) for item in value):
        raise DataError(_wrong(spec, key, value, "a list of texts"))
    return tuple(str(item) for item in value)


def choice(spec: DatasetSpec, key: str, default: str, allowed: Collection[str]) -> str:
    """An option that is one of a few words.

    Raises
    ------
    DataError
        Where it is none of them.
    """
    value = spec.options.get(key, default)
    if value not in allowed:
        raise DataError(_wrong(spec, key, value, f"one of {', '.join(allowed)}"))
    return str(value)


def _wrong(spec: DatasetSpec, key: str, value: Any, allowed: str) -> str:
    return f"Option {key!r} of data set {spec.name!r} is {value!r}; allowed: {allowed}."
