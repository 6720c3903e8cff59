"""What every reader makes of a log: runs, each with its curves as they were logged, and what is to be said of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Value = str | float

#: MLflow stores infinity as the largest number that a double has.
HUGE = 1.7e308


@dataclass(frozen=True, eq=False)
class Series:
    """One metric of one run as it was logged.

    Attributes
    ----------
    steps
        Where each value was logged, (values,), in the order of the log.
    values
        What was logged there, (values,); may be infinite or not a number.
    epochs
        Epoch of each value where the log says it, (values,); None where it does not.
    """

    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    epochs: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls, steps: Sequence[float], values: Sequence[float], epochs: Sequence[float | None] | None = None
    ) -> "Series":
        """A series from plain numbers; values as large as MLflow's infinity are infinite again.

        Epochs count only where every value has one.
        """
        known = None
        if epochs is not None and all(epoch is not None and math.isfinite(epoch) for epoch in epochs):
            known = np.asarray(epochs, np.float64)
        found = np.asarray(values, np.float64)
        with np.errstate(invalid="ignore"):
            found = np.where(np.abs(found) > HUGE, np.sign(found) * np.inf, found)
        return cls(np.asarray(steps, np.float64), found, known)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False, kw_only=True)
class LoggedRun:
    """A training as another tool has logged it.

    Attributes
    ----------
    name
        As its tool shows it; the name of its file or folder where it has none.
    place
        Where it was found, for sentences: a path, or the store and the run.
    series
        Its metrics by name, those with steps.
    parameters
        What was logged of its settings, by name: numbers where they are numbers, else text.
    run_id
        In the store that it comes from; empty for a file.
    unfinished
        Whether its tool says that it is still going on, or that its training failed.
    steps_are_epochs
        Whether one step of this log is one epoch.
    seconds
        How long it took; None where the log does not say.
    """

    name: str
    place: str
    series: Mapping[str, Series]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    run_id: str = ""
    unfinished: bool = False
    steps_are_epochs: bool = False
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class Logs:
    """What a source holds: its runs, what kind of log it is, and a sentence for each thing that could not be read.

    ``uri`` and ``experiment`` are MLflow's, where the runs come from there.
    """

    kind: str
    runs: tuple[LoggedRun, ...]
    notes: tuple[str, ...] = ()
    uri: str = ""
    experiment: str = ""


def plain_value(text: object) -> Value:
    """A parameter as a number where it is one, else as text.

    >>> plain_value("0.1"), plain_value(64), plain_value("adam"), plain_value(True), plain_value("nan")
    (0.1, 64.0, 'adam', 'true', 'nan')
    """
    if isinstance(text, bool):
        return str(text).lower()
    try:
        number = float(str(text))
    except ValueError:
        return " ".join(str(text).split())
    return number if math.isfinite(number) else str(text)


def restarts(steps: NDArray[np.float64]) -> list[slice]:
    """Parts of a log in which the steps begin anew at their first value, as files to which several trainings write.

    >>> restarts(np.array([0.0, 1.0, 2.0, 0.0, 1.0]))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    if not len(steps):
        return []
    begins = [0, *(at for at in range(1, len(steps)) if steps[at] < steps[at - 1] and steps[at] <= steps[0])]
    return [slice(begin, end) for begin, end in zip(begins, [*begins[1:], len(steps)], strict=True)]
