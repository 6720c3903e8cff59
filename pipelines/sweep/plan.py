"""The plan of a sweep: what is trained before its tuner is asked, how many trials in all, how long they will take."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipelines.exercises.design import DESIGN_ORIGIN, DOCUMENTED_ORIGIN
from pipelines.exercises.exercise import Exercise
from pipelines.sweep.candidates import Candidate
from pipelines.words import counted, listed

#: Trials of the tuner where no budget is given. Behind a design it models at once, and draws no random ones first.
TUNER_TRIALS = 10


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep is going to do.

    Attributes
    ----------
    given
        What is trained without asking the tuner, in this order: baseline, documented variants, design. What an earlier
        start has finished is among it.
    trials
        Configurations to be trained in all, those of earlier starts included.
    left_out
        What the budget is too small for: the end of the design, or of all that is given.
    """

    given: tuple[Candidate, ...]
    trials: int
    left_out: tuple[Candidate, ...] = ()

    def lines(self) -> list[str]:
        """The plan in plain words: how many trials from where, and which settings of the design at how many values."""
        documented = sum(candidate.origin.startswith(DOCUMENTED_ORIGIN) for candidate in self.given)
        design = Counter(_setting(candidate) for candidate in self.given if candidate.origin.startswith(DESIGN_ORIGIN))
        tuner = self.trials - len(self.given)
        parts = [
            "the baseline",
            counted(documented, "documented variant") if documented else "",
            f"{design.total()} with one setting changed" if design else "",
            f"{tuner} chosen by the tuner" if tuner > 0 else "",
        ]
        lines = [f"Plan: {counted(self.trials, 'trial')}: {listed([part for part in parts if part])}."]
        if design:
            lines.append(f"Settings changed: {', '.join(f'{name} ({n})' for name, n in design.items())}.")
        if self.left_out:
            lines.append(
                f"{counted(len(self.left_out), 'more comparison')} would not fit into {counted(self.trials, 'trial')}; "
                "leave trials empty to have all."
            )
        return lines


def make_plan(exercise: Exercise, trials: int | None, *, documented: bool, known: Collection[str] = ()) -> SweepPlan:
    """The plan of a sweep with this budget; None for all that is given and ten trials of the tuner.

    ``known`` are hashes of the configurations that earlier starts have finished: each is one of the budget's trials.
    """
    given: dict[str, Candidate] = {}
    for candidate in _given(exercise, documented=documented):
        given.setdefault(candidate.configuration.hash, candidate)
    others = sum(name not in given for name in known)
    total = trials or len(given) + max(TUNER_TRIALS, others)
    missing = [name for name in given if name not in known]
    left_out = missing[max(0, total - len(known)) :]
    kept = tuple(candidate for name, candidate in given.items() if name not in left_out)
    return SweepPlan(kept, total, tuple(given[name] for name in left_out))


def duration_line(seconds: Sequence[float], missing: int, *, earlier: bool) -> str:
    """How long so many trials will take, by trials that took so many seconds: earlier ones, or this start's first.

    >>> duration_line([4.0], 41, earlier=False)
    'About 3 min for the other 41 trials, if each takes as long as the first.'
    """
    took = duration(sum(seconds) / len(seconds) * missing)
    if earlier:
        return f"About {took}, by {counted(len(seconds), 'earlier trial')} of this exercise."
    return f"About {took} for the other {counted(missing, 'trial')}, if each takes as long as the first."


def duration(seconds: float) -> str:
    """A duration as people say it.

    >>> duration(12.3), duration(164), duration(4500)
    ('12 s', '3 min', '1 h 15 min')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _given(exercise: Exercise, *, documented: bool) -> list[Candidate]:
    variants = exercise.documented if documented else ()
    return [
        Candidate(exercise.baseline, "baseline"),
        *(
            Candidate(variant.configuration, f"{DOCUMENTED_ORIGIN}{variant.name}")
            for variant in variants
            if variant.repeats != 1 and not variant.explains  # too long, or not documented: left to reproduce
        ),
        *(Candidate(point.configuration, point.origin) for point in exercise.design_points),
    ]


def _setting(candidate: Candidate) -> str:
    """Name of the setting that a trial of the design changes."""
    return candidate.origin.removeprefix(DESIGN_ORIGIN).partition("=")[0]
