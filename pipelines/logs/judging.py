"""Configurations of logs -> their over-fitting points, on the epochs or steps that all their fits have reached."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.logs.grouping import Group
from pipelines.overfitting.any_curves import with_own_interval
from pipelines.overfitting.point import OverfittingPoint, analyse
from pipelines.overfitting.statistics import USUAL_RATIO
from pipelines.words import listed

#: A fit that ended before this share of the longest, and that its tool calls unfinished, is no fit of a configuration.
SHORT_SHARE = 0.5
#: Names of runs in one sentence.
MOST_NAMED = 3

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judged:
    """A configuration of the logs with its point, in the unit of its axis.

    Attributes
    ----------
    group
        Its runs.
    at
        Epochs or steps of the values that were judged, (values,).
    validation, training
        The curves that were judged, lower is better, (fits, values).
    point
        Its epochs are those of the log, or its steps.
    in_values
        The same point counted in values of the curve: 1 for the first.
    """

    group: Group
    at: Array
    validation: Array
    training: Array | None
    point: OverfittingPoint
    in_values: OverfittingPoint


def judge_all(groups: Iterable[Group], ratio: float | None, unit: str) -> tuple[list[Judged], list[str]]:
    """Every configuration that can be judged, and sentences on what was cut or left out.

    ``ratio``: validation rows over training rows of a hold-out; None where that is not known.
    """
    judged, problems = [], []
    cut: list[tuple[str, float, float]] = []
    for given in groups:
        group, dropped = _without_short(given)
        if dropped:
            problems.append(f"Left out of {group.name}: {some_of(dropped)}, which ended early and did not finish.")
        ends = [float(of.at[-1]) for of in group.members]
        at = group.members[0].at
        for of in group.members[1:]:
            at = np.intersect1d(at, of.at)
        if len(at) < 2:
            problems.append(f"Left out: {group.name}, whose runs have no two {unit}s in common.")
            continue
        if min(ends) < max(ends):
            cut.append((group.name, min(ends), max(ends)))
        judged.append(_judge(group, at, ratio, unit))
    if cut:
        names = some_of([name for name, *_ in cut])
        shortest, longest = min(low for _, low, _ in cut), max(high for *_, high in cut)
        problems.append(
            f"Runs of {names} end at different {unit}s, from {shortest:g} to {longest:g}: judged as far as all have "
            "come, so that a best epoch there is a lower bound (≥)."
        )
    return judged, problems


def _without_short(group: Group) -> tuple[Group, list[str]]:
    """A hold-out without runs that broke off early, where others are left; a fold cannot be left out."""
    longest = max(float(of.at[-1]) for of in group.members)
    short = [of for of in group.members if of.run.unfinished and of.at[-1] < SHORT_SHARE * longest]
    if not short or group.folds > 1 or len(short) == len(group.members):
        return group, []
    kept = tuple(of for of in group.members if of not in short)
    return replace(group, members=kept, repeats=len(kept)), [of.run.name for of in short]


def _judge(group: Group, at: Array, ratio: float | None, unit: str) -> Judged:
    validation = np.stack([of.validation[np.searchsorted(of.at, at)] for of in group.members])
    have_twins = all(of.training is not None for of in group.members)
    training = None
    if have_twins:
        training = np.stack(
            [of.training[np.searchsorted(of.at, at)] for of in group.members if of.training is not None]
        )
    usual = 1 / (group.folds - 1) if group.folds > 1 else USUAL_RATIO
    point = analyse(
        validation,
        training,
        folds=group.folds,
        repeats=group.repeats,
        validation_ratio=usual if group.folds > 1 or ratio is None else ratio,
        trained=len(at),
    )
    point = with_own_interval(point, validation)
    return Judged(
        group=group,
        at=at,
        validation=validation,
        training=training,
        point=on_axis(point, at),
        in_values=point,
    )


def on_axis(point: OverfittingPoint, at: Array) -> OverfittingPoint:
    """A point that counts values of a curve, in the epochs or steps of these values, (values,)."""

    def place(value: int | None) -> int | None:
        return None if value is None else round(float(at[min(value, len(at)) - 1]))

    names = ("best_epoch", "best_epoch_low", "best_epoch_high", "onset", "onset_low", "onset_high")
    moved = {name: place(getattr(point, name)) for name in (*names, "one_se_epoch", "diverged_epoch")}
    epochs = place(point.epochs) or point.epochs
    return replace(point, epochs=epochs, **moved)  # type: ignore[arg-type]


def some_of(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return listed([*names[:MOST_NAMED], *([f"{more} more"] if more > 0 else [])])
