"""What the report of a reproduction says of a row: quantities, values, intervals, verdicts and causes as words."""

from collections.abc import Sequence

from pipelines.reproduction.plan import OF_EPOCHS, OF_WEIGHTS
from pipelines.reproduction.rows import Agreement, Ours, Row
from pipelines.words import listed
from reports.formatting import NONE, number, signed

GLYPHS = {Agreement.AGREES: "✓", Agreement.DIFFERS: "✕", Agreement.NO_FIGURE: NONE, Agreement.NOT_MEASURED: "?"}
_QUANTITIES = {
    "overfitting_epoch": "best epoch",
    "onset_epoch": "over-fitting begins, epoch",
    "weight": "learned weight",
    "bias": "learned bias",
    "chance_accuracy": "accuracy of shuffled labels",
    "label_difference": "one-hot against integer labels, difference of the loss",
}
#: Epochs that a sentence lists one by one.
_LISTED = 6
_SPLITS = {"train": "training", "validation": "validation", "test": "test"}


def quantity(row: Row) -> str:
    """What was documented: ``test accuracy, epoch 5``."""
    if row.metric in _QUANTITIES:
        return _QUANTITIES[row.metric]
    name = row.metric.upper() if row.metric in ("mae", "mse") else row.metric
    return f"{_SPLITS[row.split]} {name}, epoch {row.epoch}"


def documented(row: Row) -> str:
    """The documented value; a goal is one to be reached."""
    if row.documented is None:
        return NONE
    text = f"{row.documented:g}"
    about = "about " if row.tolerance and row.metric not in OF_WEIGHTS else ""
    return f"at least {text}" if row.goal else f"{about}{text}"


def measured(row: Row, ours: Ours | None) -> str:
    """Ours: ``0.8836 ± 0.0012``; an epoch as it is."""
    if ours is None:
        return NONE
    if row.metric in OF_EPOCHS:
        beyond = row.metric == "onset_epoch" and ours.point is not None and ours.point.onset is None
        return f"none by {ours.mean:g}" if beyond else f"{ours.mean:g}"
    if ours.deviation is None:
        return number(ours.mean, 4)
    if ours.deviation == 0:
        return f"{number(ours.mean, 5)} ± 0"
    return f"{number(ours.mean, 4)} ± {number(ours.deviation, 2)}"


def interval(row: Row, ours: Ours | None) -> str:
    """What the documented value is held against."""
    if ours is None or ours.low is None or ours.high is None:
        return NONE
    if row.metric in OF_EPOCHS:
        censored = ours.point is not None and ours.point.censored and row.metric == "overfitting_epoch"
        return f"{ours.low:g} to {'≥ ' if censored else ''}{ours.high:g}"
    digits = 6 if row.metric in OF_WEIGHTS else 4
    return f"{number(ours.low, digits)} to {number(ours.high, digits)}"


def verdict(row: Row) -> str:
    """The verdict in a few words, with how far it is off."""
    if row.agreement is Agreement.DIFFERS:
        return f"differs by {difference(row)}"
    return {
        Agreement.NO_FIGURE: "no figure documented",
        Agreement.NOT_MEASURED: f"not measured: {row.failure}" if row.failure else "not measured",
        Agreement.AGREES: "agrees",
    }[row.agreement]


def difference(row: Row) -> str:
    """Ours minus the documented value, with its sign."""
    assert row.ours is not None and row.documented is not None
    return signed(row.ours.mean - row.documented, 2)


def today(row: Row) -> str:
    """The same with the optimizer of today's Keras; empty where that is the same."""
    if row.today is None:
        return ""
    mark = "" if row.today.agrees is None else " ✓" if row.today.agrees else " ✕"
    return measured(row, row.today) + mark


def cause(row: Row, others: Sequence[Row] = ()) -> str:
    """Why a row differs, as far as the measurements show; empty where it agrees.

    Among the others of the same exercise there may be attempts to explain this one.
    """
    ours = row.ours
    if row.agreement is not Agreement.DIFFERS or ours is None or row.explains:
        return ""
    reasons = [row.cause] if row.cause else []
    for other in others:
        if other.explains == row.variant and other.name == row.name and other.ours is not None:
            agrees = other.agreement is Agreement.AGREES
            reasons.append(
                f"Trained as in *{other.variant}* it is {measured(other, other.ours)}, "
                + ("which agrees: the figure seems to be of that network" if agrees else "which differs, too")
            )
    textbook = ours.by_textbook
    if textbook is not None and row.metric == "onset_epoch":
        reasons.append(
            "Ours is the stretch from where no gain is sure to where harm is. The training curve falls below the "
            f"validation curve at {listed_epochs(textbook)} on our runs"
            + (", and that seems to be what the textbook means" if textbook.agrees else "")
        )
    elif textbook is not None and textbook.agrees:
        reasons.append(
            "The textbook read it off one run. Read the same way, our runs give "
            f"{listed_epochs(textbook)}, a spread that has room for the documented epoch: another seed explains it"
        )
    elif textbook is not None:
        reasons.append(f"Read off our single runs as the textbook does, it is {listed_epochs(textbook)}")
    if row.today is not None and row.today.agrees:
        reasons.append(
            f"With the RMSprop of today's Keras it is {measured(row, row.today)}, which agrees; what the textbook's "
            "run had in common with that is not known"
        )
    if not reasons:
        reasons.append(_size_words(row, ours))
    return ". ".join(reasons) + "."


def listed_epochs(ours: Ours) -> str:
    """The values of an estimator over the seeds: ``epochs 41, 55 and 82``; of many their range."""
    values = [f"{value:g}" for value in sorted(set(ours.values))]
    if len(values) > _LISTED:
        return f"epochs {values[0]} to {values[-1]}"
    return f"{'epoch' if len(values) == 1 else 'epochs'} {listed(values)}"


def _size_words(row: Row, ours: Ours) -> str:
    """No cause was found: how large the difference is, in two measures."""
    assert row.documented is not None
    share = abs(ours.mean - row.documented) / abs(row.documented) if row.documented else 0.0
    words = f"No cause was found: the difference is {100 * share:.2g} % of the documented value"
    if ours.deviation:
        times = abs(ours.mean - row.documented) / ours.deviation
        words += (
            f" and {times:.1f} times the deviation over {len(ours.values)} seeds, more than a further seed explains"
        )
    return words


def is_of_epochs(row: Row) -> bool:
    """Whether the row is about an epoch."""
    return row.metric in OF_EPOCHS
