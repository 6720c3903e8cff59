"""What each textbook exercise teaches, in the words of its YAML file, with the numbers of a reproduction filled in.

Nothing is claimed here that a reproduction has not measured: a question whose variants are missing is left out, and
whether an answer is sure follows from the seeds.
"""

from functools import cache

import numpy as np

from pipelines.errors import ExerciseError
from pipelines.exercises.exercise import Lesson, Question
from pipelines.exercises.reader import available_exercises, load_exercise
from pipelines.reproduction.results import Reproduced
from pipelines.reproduction.rows import LEVEL, Ours, Row
from pipelines.words import counted
from reports.formatting import number, signed
from reports.tables.reproduction_wording import listed_epochs

LOWER_IS_BETTER = ("loss", "crossentropy", "mse", "mae")


def about(reproduced: Reproduced) -> str:
    """What the exercise is about; empty for one of the user's own."""
    lesson = lesson_of(reproduced.exercise)
    return lesson.about if lesson else ""


def answers(reproduced: Reproduced) -> list[str]:
    """The exercise's questions, each with what the seeds say, then what is known of its over-fitting point."""
    lesson = lesson_of(reproduced.exercise)
    sentences = [
        _answer(reproduced, question) if question.against else _spread(reproduced, question)
        for question in (lesson.questions if lesson else ())
    ]
    sentences += [_epoch_sentence(row) for row in reproduced.rows if row.metric == "overfitting_epoch"]
    sentences += [_chance_sentence(reproduced, row) for row in reproduced.rows if row.metric == "chance_accuracy"]
    return [sentence for sentence in sentences if sentence]


@cache
def lesson_of(exercise: str) -> Lesson | None:
    """The lesson of a bundled exercise; None for an exercise of the user's own, and for one without a data set."""
    if exercise not in available_exercises():
        return None
    try:
        return load_exercise(exercise).lesson
    except ExerciseError:  # a table of one's own, which needs parameters to be read
        return None


def paired_difference(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float | None]:
    """Mean of ``a - b`` over the seeds that both have, and half the width of its 95 % interval (None for one seed)."""
    from scipy.stats import t

    count = min(len(a), len(b))
    differences = np.array(a[:count]) - np.array(b[:count])
    mean = float(differences.mean())
    if count < 2:
        return mean, None
    error = float(differences.std(ddof=1)) / float(np.sqrt(count))
    return mean, float(t.ppf((1 + LEVEL) / 2, count - 1)) * error


def _find(reproduced: Reproduced, variant: str, split: str, metric: str) -> Ours | None:
    """Ours of the variant's last epoch."""
    wanted = (variant, split, metric)
    rows = [row for row in reproduced.rows if row.ours and (row.variant, row.split, row.metric) == wanted]
    return max(rows, key=lambda row: row.epoch).ours if rows else None


def _answer(reproduced: Reproduced, question: Question) -> str:
    ours = _find(reproduced, question.variant, question.split, question.metric)
    other = _find(reproduced, question.against, question.split, question.metric)
    if ours is None or other is None:
        return ""
    difference, half = paired_difference(ours.values, other.values)
    remark = f" ({question.remark})" if question.remark else ""
    numbers = (
        f"{question.split} {question.metric} {number(ours.mean)} with *{question.variant}*, {number(other.mean)} with "
        f"*{question.against}*{remark}"
    )
    if half is None:
        return f"**{question.text}** {numbers}; with one seed it is not known how sure that is."
    bounds = f"{signed(difference, 2)}, 95 %: {signed(difference - half, 2)} to {signed(difference + half, 2)}"
    if abs(difference) <= half:
        return (
            f"**{question.text}** No difference that {counted(min(len(ours.values), len(other.values)), 'seed')} could "
            f"show: {numbers} ({bounds})."
        )
    better = (difference < 0) == (question.metric in LOWER_IS_BETTER)
    return f"**{question.text}** Surely {'better' if better else 'worse'}: {numbers} ({bounds})."


def _spread(reproduced: Reproduced, question: Question) -> str:
    ours = _find(reproduced, question.variant, question.split, question.metric)
    if ours is None:
        return ""
    low, high = min(ours.values), max(ours.values)
    digits = 5 if question.metric in ("weight", "bias") else 4
    return (
        f"**{question.text}:** from {number(low, digits)} to {number(high, digits)} over "
        f"{counted(len(ours.values), 'seed')}, mean {number(ours.mean, digits)}."
    )


def _epoch_sentence(row: Row) -> str:
    ours = row.ours
    if ours is None or ours.point is None or ours.low is None or ours.high is None:
        return ""
    point = ours.point
    onset = f"by epoch {point.epochs} no harm of it is sure"
    if point.onset:
        onset = f"from epoch {point.onset} on it surely does harm"
    sentence = (
        f"**When does it over-fit?** Over {counted(point.folds, 'fold')} x {counted(point.repeats, 'repeat')} the best "
        f"epoch is {point.best_epoch} (95 %: {ours.low:g} to {ours.high:g}), and {onset}; the textbook has "
        f"{row.documented:g}."
    )
    if ours.by_textbook is not None:
        sentence += f" Read off single runs as the textbook does, our seeds give {listed_epochs(ours.by_textbook)}."
    return sentence


def _chance_sentence(reproduced: Reproduced, row: Row) -> str:
    if row.ours is None or row.ours.deviation is None:
        return ""
    sentence = (
        f"**What would a guess reach?** Shuffled labels meet the true ones in {number(100 * row.ours.mean, 3)} % of "
        f"the cases (± {number(100 * row.ours.deviation, 2)} from shuffle to shuffle)"
    )
    trained = _find(reproduced, row.variant, "test", "accuracy")
    return sentence + (f"; the network reaches {number(100 * trained.mean, 3)} %." if trained else ".")
