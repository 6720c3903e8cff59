"""What a final model reached on the test set, and how far its probabilities can be trusted, as tables."""

from dataclasses import dataclass

import numpy as np

from pipelines.tracking import names
from pipelines.tracking.final_models import FinalModel, Predictions
from pipelines.words import counted
from reports.analysis.predictions import Calibration, calibration
from reports.formatting import NONE, number

#: Fewer test samples say nothing of probabilities.
LEAST_CALIBRATED = 20
#: Figures in their order; others come after them.
_ORDER = (
    *("accuracy", "balanced_accuracy", "f1_macro", "mcc", "auc", "average_precision", "crossentropy", "brier"),
    *("rmse", "mae", "r2", "mse", "loss"),
)


@dataclass(frozen=True)
class Grid:
    """A table of numbers with a heading and a note; the first column is text."""

    heading: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def figures(final: FinalModel) -> Grid | None:
    """All figures of the test set; None where no more is known of them than the tiles say."""
    if not final.guessing:
        return None
    rows = []
    for name in sorted(final.figures, key=lambda name: (_place(name), name)):
        low, high = final.intervals.get(name, (None, None))
        interval = NONE if low is None else f"{number(low, 3)} to {number(high, 3)}"
        others = (final.validation.get(name), final.guessing.get(name))
        rows.append((names.FIGURES.get(name, name), number(final.figures[name]), interval, *map(number, others)))
    always = f"always saying {final.majority!r}" if final.majority else "always saying the mean"
    note = (
        "The intervals are 95 % bootstrap intervals: how much a figure depends on which samples are in the test set. "
        f"Guessing is what saying the same of every sample comes to, such as {always}."
    )
    return Grid("Figures of the test set", note, ("", "test", "95 %", "validation", "guessing"), tuple(rows))


def calibrated(final: FinalModel, tested: Predictions) -> Calibration | None:
    """Of two classes how often the second one was right where it had a probability, of more how often the most
    probable one was; None for a regression, and for a few samples.
    """
    if tested.probabilities is None or len(tested) < LEAST_CALIBRATED:
        return None
    if len(final.classes) == 2:
        return calibration(np.clip(tested.probabilities[:, 1], 0, 1), np.asarray(tested.targets == 1))
    return calibration(np.clip(tested.confidence, 0, 1), ~tested.wrong)


def calibration_words(final: FinalModel, found: Calibration) -> str:
    """What the calibration comes to, and how to read it."""
    said, happened = found.means
    samples = counted(int(found.counts.sum()), "sample")
    if len(final.classes) == 2:
        name = repr(final.classes[1])
        means = f"On average it gives {name} {_percent(said)}, and {_percent(happened)} of the {samples} are {name}."
    else:
        means = (
            f"On average its most probable class has {_percent(said)}, and is right for {_percent(happened)} of "
            f"the {samples}."
        )
    words = [
        "A model that can be trusted is right as often as it says: its points lie on the dashed line. The bars are "
        f"95 % intervals. {means}"
    ]
    if (brier := final.figures.get("brier")) is not None:
        guess = final.guessing.get("brier")
        than = "" if guess is None else f", {number(guess, 3)} for the shares of the classes"
        words.append(
            f"The Brier score, the mean squared error of the probabilities, is {number(brier, 3)} (0 for a perfect "
            f"model{than})."
        )
    return " ".join(words)


def calibration_table(found: Calibration) -> Grid:
    """A row for each step of probabilities."""
    rows = tuple(
        (
            f"{100 * found.steps[step, 0]:.0f} to {100 * found.steps[step, 1]:.0f} %",
            _percent(found.said[step]),
            _percent(found.happened[step]),
            f"{_percent(found.low[step])} to {_percent(found.high[step])}",
            f"{found.counts[step]:,}",
        )
        for step in range(len(found.counts))
    )
    heads = ("probability", "mean", "came true", "95 %", "samples")
    return Grid("Probabilities and what came true", "", heads, rows)


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
