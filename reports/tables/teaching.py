"""What each textbook exercise teaches, in words of our own, with the numbers of a reproduction filled in.

Nothing is claimed here that a reproduction has not measured: a question whose variants are missing is left out, and
whether an answer is sure follows from the seeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.reproduction.results import Reproduced
from pipelines.reproduction.rows import LEVEL, Ours, Row
from pipelines.words import counted
from reports.formatting import number, signed
from reports.tables.reproduction_wording import listed_epochs

LOWER_IS_BETTER = ("loss", "crossentropy", "mse", "mae")


@dataclass(frozen=True)
class Question:
    """Does ``variant`` do better than ``against``? Answered from the seeds that both have."""

    text: str
    variant: str
    against: str
    split: str
    metric: str = "accuracy"
    #: What else the two differ in, where that is so.
    remark: str = ""


@dataclass(frozen=True)
class Spread:
    """How far one number moves from seed to seed."""

    text: str
    variant: str
    split: str
    metric: str


@dataclass(frozen=True)
class Lesson:
    """An exercise: what it is about, and what it lets one ask."""

    about: str
    questions: tuple[Question | Spread, ...] = ()


LESSONS: Mapping[str, Lesson] = {
    "celsius": Lesson(
        "Seven pairs of temperatures and one neuron without activation: the network is the formula itself, and "
        "training has to find its two numbers. Its weights can be read, which those of larger networks cannot: "
        "what it has learned is a slope and an intercept.",
        (
            Spread("The learned slope, which must approach 1.8", "baseline", "train", "weight"),
            Spread("The learned intercept, which must approach 32", "baseline", "train", "bias"),
        ),
    ),
    "fashion_mnist": Lesson(
        "Ten kinds of clothing in small grey pictures, one hidden layer, five epochs. The accuracy on the training "
        "pictures is read while they are being learned, that on the test pictures afterwards; a gap between the "
        "two is the first sight of over-fitting. The rest of the exercise asks what the settings matter.",
        (
            Question("Is one epoch enough?", "one epoch", "baseline", "test"),
            Question("Do 10 hidden units suffice?", "hidden units, 10", "baseline", "test"),
            Question("Do 32?", "hidden units, 32", "baseline", "test"),
            Question("Do 512 instead of 128 help?", "hidden units, 512", "baseline", "test"),
            Question("Does a second hidden layer help?", "extra layers", "baseline", "test"),
            Question("Do three?", "extra layers, two", "baseline", "test"),
            Question("What if pixels stay between 0 and 255?", "no normalisation", "baseline", "test"),
        ),
    ),
    "mnist": Lesson(
        "Handwritten digits, from a single layer upwards. One softmax layer is a linear classifier; hidden layers, "
        "the activation and the optimizer are then changed one at a time.",
        (
            Question(
                "What do two hidden layers bring?", "dense", "one layer", "validation", remark="and another optimizer"
            ),
            Question("Is sigmoid as good as relu?", "dense, sigmoid", "dense", "validation"),
            Question(
                "Is plain SGD as good as Adam?", "dense, sgd", "dense", "validation", remark="at its own learning rate"
            ),
            Question(
                "And SGD with momentum?", "dense, momentum", "dense", "validation", remark="at its own learning rate"
            ),
            Question("And RMSprop?", "dense, rmsprop", "dense", "validation"),
            Question("What do convolutions bring?", "goal", "dense", "validation"),
        ),
    ),
    "flowers": Lesson(
        "Photographs of five kinds of flowers, a few thousand only. A dense network has to learn from them what a "
        "picture is; one that was trained on a million other photographs knows that, and only a last layer on top "
        "of it has to be learned.",
        (
            Question("What does a pretrained network bring?", "transfer", "dense", "validation"),
            Question("Does training it further help?", "fine-tune", "transfer", "validation"),
        ),
    ),
    "imdb": Lesson(
        "Is a film review positive, given which of 10,000 words it has? One training with a part of the reviews "
        "held out shows at which epoch learning turns into learning by heart; the final network is then trained "
        "anew, on all reviews, for as many epochs as were good. After that its size, its activation and its loss "
        "are changed one at a time.",
        (
            Question("Does it need a hidden layer?", "no hidden layer", "baseline", "test"),
            Question("Do four hidden layers help?", "four hidden layers", "baseline", "test"),
            Question("Does a wide layer help?", "wide", "baseline", "test"),
            Question("Is the squared error as good a loss?", "mse loss", "baseline", "test"),
            Question("Is tanh as good as relu?", "tanh", "baseline", "test"),
        ),
    ),
    "reuters": Lesson(
        "Which of 46 topics is a newswire about? With so many classes a narrow layer in the middle is a "
        "bottleneck: what it cannot carry, no later layer brings back; a wide one has room to learn by heart. What "
        "a guess would reach is measured by shuffling the labels; and whether labels are written as numbers or as "
        "one-hot rows makes no difference to the loss, which is checked on a trained network.",
        (
            Question(
                "Does a bottleneck of 4 harm?",
                "bottleneck 4",
                "no hidden layer",
                "validation",
                remark="after 20 epochs",
            ),
            Question(
                "Does 512-512 beat no hidden layer?",
                "wide 512",
                "no hidden layer",
                "validation",
                remark="after 20 epochs",
            ),
            Question("Does 64-4096?", "wide middle 4096", "no hidden layer", "validation", remark="after 20 epochs"),
            Question(
                "Do four layers of 64?", "four hidden layers", "no hidden layer", "validation", remark="after 20 epochs"
            ),
            Question(
                "And by the loss, does 512-512?",
                "wide 512",
                "no hidden layer",
                "validation",
                "loss",
                "after 20 epochs",
            ),
        ),
    ),
    "boston_housing": Lesson(
        "The price of houses from 13 measurements, with a few hundred suburbs to learn from: so few that one "
        "hold-out says little, hence k folds, and the mean over them. One run of the k folds is still a single "
        "draw of the seed. The textbook smooths its rough curve with a moving average of the past, which runs "
        "late; ours looks both ways.",
        (
            Spread("Validation MAE after 100 epochs, mean over the folds", "k-fold 100", "validation", "mae"),
            Spread("Test MAE of the final network", "final", "test", "mae"),
        ),
    ),
}


def about(reproduced: Reproduced) -> str:
    """What the exercise is about; empty for one of the user's own."""
    lesson = LESSONS.get(reproduced.exercise)
    return lesson.about if lesson else ""


def answers(reproduced: Reproduced) -> list[str]:
    """The exercise's questions, each with what the seeds say, then what is known of its over-fitting point."""
    lesson = LESSONS.get(reproduced.exercise)
    said = []
    for question in lesson.questions if lesson else ():
        answer = _spread(reproduced, question) if isinstance(question, Spread) else _answer(reproduced, question)
        said.append(answer)
    said += [_epoch_sentence(row) for row in reproduced.rows if row.metric == "overfitting_epoch"]
    said += [_chance_sentence(reproduced, row) for row in reproduced.rows if row.metric == "chance_accuracy"]
    return [sentence for sentence in said if sentence]


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
    rows = [
        row
        for row in reproduced.rows
        if row.variant == variant and row.split == split and row.metric == metric and row.ours is not None
    ]
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


def _spread(reproduced: Reproduced, spread: Spread) -> str:
    ours = _find(reproduced, spread.variant, spread.split, spread.metric)
    if ours is None:
        return ""
    low, high = min(ours.values), max(ours.values)
    digits = 5 if spread.metric in ("weight", "bias") else 4
    return (
        f"**{spread.text}:** from {number(low, digits)} to {number(high, digits)} over "
        f"{counted(len(ours.values), 'seed')}, mean {number(ours.mean, digits)}."
    )


def _epoch_sentence(row: Row) -> str:
    ours = row.ours
    if ours is None or ours.point is None or ours.low is None or ours.high is None:
        return ""
    point = ours.point
    onset = (
        f"from epoch {point.onset} on it surely does harm"
        if point.onset
        else f"by epoch {point.epochs} no harm of it is sure"
    )
    said = (
        f"**When does it over-fit?** Over {counted(point.folds, 'fold')} x {counted(point.repeats, 'repeat')} the best "
        f"epoch is {point.best_epoch} (95 %: {ours.low:g} to {ours.high:g}), and {onset}; the textbook has "
        f"{row.documented:g}."
    )
    if ours.by_textbook is not None:
        said += f" Read off single runs as the textbook does, our seeds give {listed_epochs(ours.by_textbook)}."
    return said


def _chance_sentence(reproduced: Reproduced, row: Row) -> str:
    if row.ours is None or row.ours.deviation is None:
        return ""
    said = (
        f"**What would a guess reach?** Shuffled labels meet the true ones in {number(100 * row.ours.mean, 3)} % of "
        f"the cases (± {number(100 * row.ours.deviation, 2)} from shuffle to shuffle)"
    )
    trained = _find(reproduced, row.variant, "test", "accuracy")
    return said + (f"; the network reaches {number(100 * trained.mean, 3)} %." if trained else ".")
