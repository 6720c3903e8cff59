"""The contract between the sweep and the tuners: ask for values, tell how good they were."""

from dataclasses import dataclass, field
from typing import Protocol

from pipelines.exercises.spaces import Value, Values


@dataclass(frozen=True, eq=False)
class Suggestion:
    """One point of the search space that a tuner wants evaluated.

    Attributes
    ----------
    number
        Unique within the tuner, increasing.
    values
        Parameter name -> value, exactly the parameters of the space (no tuner's own keys).
    epochs
        The tuner wants the best value within this many epochs; None: within the whole training. Hyperband asks for
        the same values again with more epochs, so a suggestion is new where values and epochs together are.
    """

    number: int
    values: dict[str, Value] = field(default_factory=dict)
    epochs: int | None = None


class Tuner(Protocol):
    """Chooses what to try next. Lower told values are better. All implementations pass one contract suite.

    Whether a trial is worth its next epochs is no question to the tuner: see ``pipelines.tuners.pruning``.
    """

    name: str

    def ask(self) -> Suggestion | None:
        """Next point to evaluate; not one that was asked or added before (Hyperband: see ``Suggestion.epochs``).

        None when there is nothing to suggest now: with no suggestion open the space is exhausted, else ask again
        once an open one is told (Hyperband waits for a rung to be complete).
        """
        ...

    def tell(self, suggestion: Suggestion, value: float | None) -> None:
        """Report the objective of a suggestion, once; None, NaN or infinity when it failed or diverged."""
        ...

    def add(self, values: Values, value: float | None) -> None:
        """Let the tuner learn from a point it did not ask for: a finished trial of an interrupted sweep, a
        documented variant. Points outside the space are ignored.
        """
        ...
