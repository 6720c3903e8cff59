"""What every way to cut rows shares: the targets that are cut, the kind of the result, and checks of numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.errors import UserError

#: Numbers of the rows of both parts, for training and for validation or the test.
Parts = tuple[NDArray[np.int64], NDArray[np.int64]]
#: The parts of each fold, given the seed of a repeat.
Cut = Callable[[int], Iterable[Parts]]


@dataclass(frozen=True, eq=False)
class Targets:
    """Labels or values of the samples, shape (samples,), with the names of the classes for errors."""

    values: NDArray[Any]
    task: Task
    classes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def strata(self) -> NDArray[Any] | None:
        """What parts are to have in proportion: the labels of a classification, nothing of a regression."""
        return self.values if self.task.is_classification else None

    def name_of(self, label: object) -> str:
        """A class as an error names it: by its name where that is known, else by its number."""
        number = int(label)  # type: ignore[call-overload]
        return repr(self.classes[number]) if 0 <= number < len(self.classes) else str(number)

    def smallest_class(self) -> tuple[Any, int, int]:
        """The class with the fewest rows, how many those are, and the number of classes."""
        labels, counts = np.unique(self.values, return_counts=True)
        smallest = int(np.argmin(counts))
        return labels[smallest], int(counts[smallest]), len(labels)


def check_whole(name: str, value: object, low: int) -> None:
    """Raise ``UserError`` where a number is not a whole one of ``low`` or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise UserError(f"{name} is {value!r}; allowed: a whole number of {low} or more.")


def held_out(targets: Targets, share: float) -> int:
    """Rows of a hold-out of this share; raises ``UserError`` where a part would be empty."""
    wanted = round(len(targets) * share)
    if not 1 <= wanted < len(targets):
        raise UserError(f"A hold-out of {share:g} of {len(targets)} samples leaves a part empty; use a larger share.")
    return wanted
