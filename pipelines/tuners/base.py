"""The contract between the sweep and the tuners, ask and tell, and what all tuners share.

Shared are points in their one form, no point twice, the numbering, and the end of a finite space.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipelines.exercises.configurations import Configuration
from pipelines.exercises.settings import Value
from pipelines.exercises.spaces import Space, Values

#: Points of a grid on each range: both ends and the middle, in the range's scale (see ``Parameter.points``).
GRID_POINTS = 3

#: Uniform draws before a space counts as exhausted.
_DRAWS = 2000

Key = tuple[tuple[Value, ...], int | None]


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


class Tuner(ABC):
    """Chooses what to try next, asked and told; lower told values are better. All pass one contract suite.

    A tuner wraps a library's algorithm, which only proposes and learns. Samplers propose the same point again and again
    once they have found a good one (30 trials of Optuna's TPE on ten points: 10 different). A repeat is told to the
    algorithm and another proposal drawn; where it does nothing but repeat itself, a point is drawn at random.

    Whether a trial is worth its next epochs is no question to the tuner: see ``pipelines.sweep.stopping``.

    The baseline gives the settings that the space does not have; it is not tried by itself. Equal seeds, 0 or more,
    make equal suggestions.
    """

    #: Proposals that may be repeats before a point is drawn at random.
    patience = 50
    #: Whether to draw at random, and to stop a finite space when all of it was seen. Not so for a grid or Hyperband.
    free = True

    def __init__(self, name: str, space: Space, *, baseline: Configuration, seed: int) -> None:
        self.name = name
        self.space = space
        self.baseline = baseline
        self._generator = np.random.default_rng(seed)
        self._size = space.size
        self._seen: dict[Key, float | None] = {}
        self._open: dict[int, tuple[Any, Key]] = {}
        self._asked = 0

    def ask(self) -> Suggestion | None:
        """Next point to evaluate; not one that was asked or added before (Hyperband: see ``Suggestion.epochs``).

        None when there is nothing to suggest now: with no suggestion open the space is exhausted, else ask again
        once an open one is told (Hyperband waits for a rung to be complete).
        """
        if self.free and self._size is not None and len(self._seen) >= self._size:
            return None
        repeats = 0
        while not self.free or repeats < self.patience:
            proposal = self._propose()
            if proposal is None:
                break
            handle, proposed, epochs = proposal
            values = self.space.fixed(proposed, self.baseline)
            key = (tuple(values.values()), epochs)
            if key not in self._seen:
                return self._hand_out(handle, values, key)
            self._report(handle, self._seen[key], repeat=True)
            repeats += 1
        for _ in range(_DRAWS if self.free else 0):
            values = self.space.sample(self._generator, self.baseline)
            key = (tuple(values.values()), None)
            if key not in self._seen:
                return self._hand_out(self._start(values), values, key)
        return None

    def tell(self, suggestion: Suggestion, value: float | None) -> None:
        """Report the objective of a suggestion, once; None, NaN or infinity when it failed or diverged.

        Raises
        ------
        ValueError
            For a suggestion that is not of this tuner, or was told before.
        """
        if suggestion.number not in self._open:
            raise ValueError(f"suggestion {suggestion.number} of {self.name} is not open")
        handle, key = self._open.pop(suggestion.number)
        self._seen[key] = _finite(value)
        self._report(handle, self._seen[key], repeat=False)

    def add(self, values: Values, value: float | None) -> None:
        """Learn from a point that was not asked for: a finished trial of an interrupted sweep, a documented variant.

        Points outside the space are ignored.
        """
        if not self.space.contains(values):
            return
        fixed = self.space.fixed(values, self.baseline)
        self._seen[tuple(fixed.values()), None] = _finite(value)
        self._learn(fixed, _finite(value))

    def active(self, values: Values) -> dict[str, Value]:
        """The values that matter at a point, the structure first."""
        structure = self.space.structure
        under = None if structure is None else values[structure.name]
        return {axis.name: values[axis.name] for axis in self.space.ordered if self.space.matters(axis.name, under)}

    def _hand_out(self, handle: Any, values: dict[str, Value], key: Key) -> Suggestion:
        suggestion = Suggestion(self._asked, values, epochs=key[1])
        self._asked += 1
        self._seen[key] = None
        self._open[suggestion.number] = handle, key
        return suggestion

    @abstractmethod
    def _propose(self) -> tuple[Any, dict[str, Value], int | None] | None:
        """The algorithm's trial, its values (without effect left out or not) and epochs; None: nothing to suggest."""

    @abstractmethod
    def _start(self, values: dict[str, Value]) -> Any:
        """A trial of the algorithm at a point of our choice."""

    @abstractmethod
    def _report(self, handle: Any, value: float | None, *, repeat: bool) -> None:
        """End a trial of the algorithm; ``repeat``: its point had been seen, ``value`` is what was known of it."""

    @abstractmethod
    def _learn(self, values: dict[str, Value], value: float | None) -> None:
        """Take in a finished point from elsewhere."""


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
