"""Samples of a final model as tables: texts or the columns of a table, with what was predicted of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.tracking.final_models import FinalModel, Ints, Predictions
from pipelines.words import listed
from reports.analysis.predictions import share
from reports.formatting import number, signed

#: The worst of all mistakes, of which pictures and tables show some or all.
WORST = 24
#: Rows of the tables: of the first test rows, the worst mistakes, those the model was least sure of, training samples.
LISTED_FIRST, LISTED_WORST, LISTED_UNSURE = 10, 12, 6
LISTED_SAMPLES = 6
#: Least probability of another class that is worth a mention.
RUNNER_UP = 0.005
#: Columns of a table that are shown beside its predictions.
COLUMNS = 14


@dataclass(frozen=True)
class Line:
    """A sample in a table, its cells being its text, or the values of its columns.

    ``right`` is None where there is no right and wrong. What was predicted has its percentage; what is true is empty
    where they are the same, ``more`` is what else is worth knowing.
    """

    right: bool | None
    predicted: str
    truth: str
    more: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """Samples as a table with a heading and a note; ``predicted`` and ``columns`` head its columns.

    ``texts`` says whether the cells are running text, ``valued`` whether values were predicted: each line has a true
    value and a residual.
    """

    heading: str
    note: str
    predicted: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    texts: bool = False
    valued: bool = False


def listings(final: FinalModel, tested: Predictions) -> Iterator[Listing]:
    """Predictions beside texts, or beside the columns of a table."""
    cells, columns = _cells(final)
    first, worst, unsure = chosen(
        tested, np.array(sorted(cells), np.int64), first=LISTED_FIRST, worst=LISTED_WORST, unsure=LISTED_UNSURE
    )
    texts = final.input_kind == "words"
    classes = final.task.is_classification
    note = ""
    if texts:
        note = "The beginning of each text, decoded. The network is told which words occur, not their order."
    elif len(columns) < len(final.features):
        note = f"The first {len(columns)} of {len(final.features)} columns."
    for heading, positions in (
        ("Predictions and how sure they are" if classes else "Predictions", first),
        ("The worst mistakes first" if classes else "The largest residuals first", worst),
        ("Mistakes it was least sure of", unsure),
    ):
        lines = tuple(_line(final, tested, int(at), cells[int(tested.rows[at])]) for at in positions)
        if lines:
            yield Listing(heading, note, "predicted", columns, lines=lines, texts=texts, valued=not classes)
            note = ""


def labelled_texts(final: FinalModel) -> Listing | None:
    """Some training texts and the class of each; None where there are none."""
    if not final.train_texts:
        return None
    lines = tuple(
        Line(None, final.classes[label], "", "", cells=(text,)) for label, text in final.train_texts[:LISTED_SAMPLES]
    )
    return Listing(
        "Samples of the data set", "The beginning of some texts.", "class", ("text",), lines=lines, texts=True
    )


def chosen(tested: Predictions, rows: Sequence[int] | Ints, *, first: int, worst: int, unsure: int) -> tuple[Ints, ...]:
    """Positions to show, of the rows that can be shown: the first ones, the worst mistakes, the least sure mistakes.

    A mistake that is among the first is among the worst as well where it belongs there, but not among the unsure.
    """
    can_be_shown = np.isin(tested.rows, np.asarray(rows, np.int64))
    firsts = np.flatnonzero(can_be_shown)
    firsts = firsts[np.argsort(tested.rows[firsts], kind="stable")][:first]
    ranking = tested.worst()
    # The worst of all mistakes, in so far as they can be shown: a sample of milder ones is not called the worst.
    worsts = ranking[:WORST]
    worsts = worsts[can_be_shown[worsts]][:worst]
    rest = ranking[WORST:][::-1] if tested.probabilities is not None else ranking[:0]
    rest = rest[can_be_shown[rest] & ~np.isin(rest, firsts)][:unsure]
    return firsts, worsts, rest


def _cells(final: FinalModel) -> tuple[dict[int, tuple[str, ...]], tuple[str, ...]]:
    """What is shown of each sample by its row, and the headings."""
    if final.input_kind == "words":
        return {row: (text,) for row, text in final.texts.items()}, ("text",)
    test = final.test
    if test is None or test.inputs.ndim != 2:
        return {}, ()
    columns = final.features or tuple(f"column {index + 1}" for index in range(test.inputs.shape[1]))
    shown = zip(test.rows, test.inputs[:, :COLUMNS], strict=True)
    return {int(row): tuple(_value(float(value)) for value in values) for row, values in shown}, columns[:COLUMNS]


def _line(final: FinalModel, tested: Predictions, at: int, cells: tuple[str, ...]) -> Line:
    if tested.probabilities is None:
        values = number(float(tested.predictions[at])), number(float(tested.targets[at]))
        return Line(None, *values, signed(float(tested.residuals[at])), cells=cells)
    label, true = int(tested.predictions[at]), int(tested.targets[at])
    of_classes = tested.probabilities[at]
    likely = [other for other in np.argsort(-of_classes, kind="stable")[:3] if of_classes[other] >= RUNNER_UP]
    shown = (label, *(other for other in likely if other != label))
    labelled = [f"{final.classes[number]} {share(float(of_classes[number]))}" for number in shown]
    more = listed(labelled[1:3])
    return Line(
        right=label == true,
        predicted=labelled[0],
        truth="" if label == true else final.classes[true],
        more=f"then {more}" if len(final.classes) > 2 and more else "",
        cells=cells,
    )


def _value(value: float) -> str:
    """A value of a table; whole numbers without decimals."""
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e9 else number(value)
