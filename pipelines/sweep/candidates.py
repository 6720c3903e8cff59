"""What a sweep trains next, what it knows by then, and what its tuner is told, in which order."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import Exercise
from pipelines.overfitting.judging import objective
from pipelines.tuners.base import Suggestion, Tuner

#: Suggestions in a row that were all known before, after which the space counts as exhausted: so many, and so many
#: times the trials that are known, which a Hyperband that is taken up names all again, on several rungs.
_REPEATS_ALLOWED = 200
_REPEATS_ALLOWED_A_TRIAL = 4

#: Monitored curve of every fit of a trial, shape (fits, epochs).
Monitored = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A configuration to be trained, where it comes from, and the suggestion of the tuner that it answers, if any.

    Origins are ``baseline``, ``documented: <name>``, ``design: <setting>=<value>`` and ``tuner``.
    """

    configuration: Configuration
    origin: str
    suggestion: Suggestion | None = None


class Results:
    """What is known of each configuration, and the one who tells the tuner of it.

    A configuration in flight counts as known: a suggestion that equals it is answered when it is done.
    """

    def __init__(self, exercise: Exercise, tuner: Tuner) -> None:
        #: Monitored curves by the configuration's hash; None where the trial failed.
        self.known: dict[str, Monitored | None] = {}
        self._exercise, self._tuner = exercise, tuner
        self._in_flight: dict[str, list[Suggestion]] = {}

    def curves(self) -> Sequence[Monitored]:
        """Of the trials that have a result by now."""
        return [monitored for monitored in self.known.values() if monitored is not None]

    def has(self, configuration: Configuration) -> bool:
        """Whether the configuration is known or in flight."""
        return configuration.hash in self.known or configuration.hash in self._in_flight

    def expect(self, candidate: Candidate) -> None:
        """A candidate is in flight from now on."""
        self._in_flight[candidate.configuration.hash] = []

    def learn(self, candidate: Candidate, monitored: Monitored | None) -> None:
        """Keep a result, and tell the tuner: also of what it did not ask for, and of what it asked for meanwhile."""
        configuration, suggestion = candidate.configuration, candidate.suggestion
        self.known[configuration.hash] = monitored
        if suggestion is not None:
            self._tell(suggestion, monitored)
        elif (values := self._exercise.space.values(configuration, self._exercise.baseline)) is not None:
            self._tuner.add(values, self._value(monitored))
        for repeated in self._in_flight.pop(configuration.hash, ()):
            self._tell(repeated, monitored)

    def answer(self, suggestion: Suggestion, configuration: Configuration) -> None:
        """Tell the tuner of a configuration that is known; of one in flight when it is done."""
        if configuration.hash in self._in_flight:
            self._in_flight[configuration.hash].append(suggestion)
        else:
            self._tell(suggestion, self.known[configuration.hash])

    def _tell(self, suggestion: Suggestion, monitored: Monitored | None) -> None:
        self._tuner.tell(suggestion, self._value(monitored, suggestion.epochs))

    def _value(self, monitored: Monitored | None, epochs: int | None = None) -> float | None:
        return objective(monitored, epochs, repeats=self._exercise.repeats)


class Candidates:
    """What is given (see ``plan``), then what the tuner asks for; each configuration once."""

    def __init__(self, exercise: Exercise, tuner: Tuner, results: Results, *, given: Iterable[Candidate]) -> None:
        self._space, self._baseline = exercise.space, exercise.baseline
        self._tuner, self._results = tuner, results
        self._given = deque(given)
        self._repeats = 0

    def next(self) -> Candidate | None:
        """A configuration that is neither known nor in flight; None where the tuner has nothing new to name now.

        With nothing in flight there will be none any more. A suggestion that was trained before costs nothing.
        """
        while self._given:
            candidate = self._given.popleft()
            if not self._results.has(candidate.configuration):
                return candidate
        while self._repeats < _REPEATS_ALLOWED + _REPEATS_ALLOWED_A_TRIAL * len(self._results.known):
            suggestion = self._tuner.ask()
            if suggestion is None:
                return None
            configuration = self._space.configuration(suggestion.values, self._baseline)
            if not self._results.has(configuration):
                self._repeats = 0
                return Candidate(configuration, "tuner", suggestion)
            self._repeats += 1
            self._results.answer(suggestion, configuration)
        return None
