"""Every key of an exercise file: what it means and what it may be.

The reader validates by these declarations; ``schema`` makes the JSON schema and the tables of the reference from them.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.checking.kinds import Checker, Choice, Flag, Key, Keys, Kind, ListOf, Number, Schema, Text, Whole
from pipelines.datasets import SOURCES
from pipelines.datasets.base import Task
from pipelines.datasets.folds import VALIDATIONS, parse_holdout
from pipelines.datasets.options import OPTIONS
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.design import ONE_AT_A_TIME
from pipelines.exercises.exercise import FIGURE_METRICS, MAX_EPOCHS, MONITORS, SPLITS, Figure, Lesson, Question, Variant
from pipelines.exercises.own_network import Function, Place
from pipelines.exercises.setting_keys import changed, configuration_keys, default_configuration, design_keys, space_keys

_FLAG, _TEXT, _EPOCHS = Flag(), Text(), Whole(1, MAX_EPOCHS)


@dataclass(frozen=True)
class Holdout(Kind):
    """Rows held out: ``first N``, or a share of the rows, in one spelling."""

    allowed = "a share above 0 and below 1, or first N (first 10000)"

    def read(self, checker: Checker, key: str, value: object) -> str | None:
        try:
            part = parse_holdout(str(value))
        except UserError:
            return checker.refuse(key, value, "is no part of the rows", self.allowed)
        return f"first {part}" if isinstance(part, int) else f"{part:.12g}"

    def schema(self) -> Schema:
        share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
        return {"anyOf": [share, {"type": "string", "pattern": "^first +[0-9_,]*[1-9][0-9_,]*$"}]}


@dataclass(frozen=True)
class OneOrMore(Kind):
    """A number, or a list of numbers."""

    kind: Kind
    described = "a number, or a list of one for each of the epochs 1, 2, ..."

    @property
    def allowed(self) -> str:
        return self.kind.allowed

    def read(self, checker: Checker, key: str, value: object) -> float | tuple[float, ...] | None:
        if not isinstance(value, list):
            return self.kind.read(checker, key, value)
        numbers: list[Any] = [self.kind.read(checker, key, entry) for entry in value]
        return None if None in numbers else tuple(numbers)

    def schema(self) -> Schema:
        return {"anyOf": [self.kind.schema(), {"type": "array", "items": self.kind.schema(), "minItems": 1}]}


@dataclass(frozen=True)
class Figures(Keys):
    """A documented figure of a variant with so many epochs, or several in a row where ``value`` is a list."""

    epochs: int = MAX_EPOCHS

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        content = super().read(checker, key, value)
        if content is None or not isinstance(value, dict):
            return None
        values = content.pop("value")
        if not isinstance(values, tuple):
            return (Figure(**{"epoch": None, **content, "value": values}),)
        if not values or "epoch" in content or len(values) > self.epochs:
            allowed = f"a list of 1 to {self.epochs} values and no key epoch, or one value"
            return checker.refuse(f"{key}.value", value["value"], "is not one value an epoch", allowed)
        return tuple(Figure(value=number, epoch=epoch, **content) for epoch, number in enumerate(values, start=1))


def figure_keys(epochs: int = MAX_EPOCHS) -> Figures:
    """The keys of a documented figure, of a variant trained for so many epochs."""
    number = Number(-1e12, 1e12)
    keys = {
        "metric": Key(Choice(FIGURE_METRICS), "What was measured", required=True),
        "value": Key(OneOrMore(number), "As it was documented", required=True),
        "epoch": Key(Whole(1, epochs), "After which epoch; the variant's last, or none, where nothing is stated"),
        "split": Key(Choice(SPLITS), "On which rows it was measured", required=True),
        "note": Key(_TEXT, "What else there is to know"),
        "tolerance": Key(Number(0, 1e12), "How far ours may lie from it beyond the spread over seeds", 0.0),
        "goal": Key(_FLAG, "Whether it is a goal to be reached or passed, not what a training gave", False),
        "cause": Key(_TEXT, "Why ours differs, where that is known"),
    }
    return Figures(keys, epochs=epochs)


@dataclass(frozen=True)
class Variants(Keys):
    """A documented variant: what it changes of ``start``."""

    start: Configuration = field(default_factory=Configuration)
    task: Task | None = None
    function: Function | None = None

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        epochs: Any = value.get("epochs") if isinstance(value, dict) else None
        known = isinstance(epochs, int) and 1 <= epochs <= MAX_EPOCHS
        keys = variant_keys(self.start, self.task, epochs, function=self.function) if known else self
        content = Keys.read(keys, checker, key, value)
        if content is None:
            return None
        figures = tuple(figure for row in content.pop("figures") for figure in row)
        configuration = changed(self.start, content.pop("configuration"))
        return Variant(configuration=configuration, figures=figures, **content)


def variant_keys(
    start: Configuration, task: Task | None = None, epochs: int = MAX_EPOCHS, *, function: Function | None = None
) -> Variants:
    """The keys of a documented variant, trained for so many epochs."""
    keys = {
        "name": Key(_TEXT, "A name of its own within the exercise", required=True),
        "configuration": Key(configuration_keys(task, function), "What it changes of the baseline", {}),
        "epochs": Key(_EPOCHS, "Of the documented training; a sweep trains to the exercise's own", required=True),
        "validation": Key(Choice((*VALIDATIONS, "none")), "How it was validated; none: trained on all rows", "kfold"),
        "figures": Key(ListOf(figure_keys(epochs), "figures"), "What was measured", []),
        "note": Key(_TEXT, "What else there is to know"),
        "repeats": Key(Whole(1), "Seeds of its reproduction, in place of the usual five"),
        "explains": Key(_TEXT, "Name of the variant whose figures it tries in another way, since they do not agree"),
    }
    return Variants(keys, start=start, task=task, function=function)


@dataclass(frozen=True)
class Lessons(Keys):
    """What an exercise teaches."""

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        content = super().read(checker, key, value)
        return content and Lesson(content["about"], tuple(Question(**question) for question in content["questions"]))


QUESTION = Keys(
    {
        "text": Key(_TEXT, "The question, or with no key against what number is told", required=True),
        "variant": Key(_TEXT, "Name of the documented variant that answers it", required=True),
        "against": Key(_TEXT, "Variant it is compared with; without one it is told how far the number moves by seed"),
        "split": Key(Choice(SPLITS), "On which rows", required=True),
        "metric": Key(Choice(FIGURE_METRICS), "What is compared", "accuracy"),
        "remark": Key(_TEXT, "What else the two differ in, where that is so"),
    }
)
LESSON = Lessons(
    {
        "about": Key(_TEXT, "What the exercise is about, in a few sentences", required=True),
        "questions": Key(ListOf(QUESTION, "questions"), "What the documented variants let one ask", []),
    }
)


@dataclass(frozen=True)
class Data(Keys):
    """The data set: its keys depend on its source."""

    def read(self, checker: Checker, key: str, value: object) -> dict[str, Any] | None:
        source = value.get("source") if isinstance(value, dict) else None
        if isinstance(source, str) and source in SOURCES:
            return Keys.read(source_keys(source), checker, key, value)
        if self.entries(checker, key, value) is not None:
            self.keys["source"].kind.read(checker, f"{key}.source", source)
        return None

    def schema(self) -> Schema:
        return {"oneOf": [Keys.schema(source_keys(source)) for source in SOURCES]}


def source_keys(*sources: str) -> Data:
    """The keys of a data set of one of these sources."""
    name = Key(Text("the name of a data set"), "Name of the data set in its source", required=True)
    if sources == ("file",):
        name = Key(Text("a name for reports"), "Name for reports; the file's where nothing is stated")
    options = {key: replace(known, default=None) for source in sources for key, known in OPTIONS[source].items()}
    return Data({"source": Key(Choice(sources), "Where it comes from", required=True), "name": name, **options})


def exercise_keys(
    task: Task | None = None, baseline: Configuration | None = None, function: Function | None = None
) -> Keys:
    """The keys of a file; with what its task allows, and its variants made of its baseline, where these are known.

    ``function`` is the user's own that builds the network, where there is one.
    """
    monitors = MONITORS[task] if task else tuple(dict.fromkeys(curve for of in MONITORS.values() for curve in of))
    variants = variant_keys(baseline or default_configuration(task), task, function=function)
    return Keys(
        {
            "title": Key(
                _TEXT,
                "One line for reports; else the name of the file, or for data of your own target and data",
            ),
            "dataset": Key(source_keys(*SOURCES), "What is learned from", required=True),
            "task": Key(Choice(tuple(str(known) for known in Task)), "What is predicted; of a file found out"),
            "monitor": Key(
                Choice(monitors),
                "Curve that over-fitting is judged on; val_loss only where the loss does not vary",
                "val_loss",
            ),
            "network": Key(Place(), "Your own function that builds the network, see below; ours where none is stated"),
            "baseline": Key(
                configuration_keys(task, function), "Settings that the space does not vary; tried first", {}
            ),
            "space": Key(space_keys(task, function), "What is varied", required=True),
            "design": Key(
                design_keys(task, function), "Comparisons with the baseline before the tuner is asked", ONE_AT_A_TIME
            ),
            "folds": Key(Whole(2), "Folds that each configuration is trained on", 4),
            "repeats": Key(Whole(1), "How often, with other seeds", 1),
            "epochs": Key(_EPOCHS, "Length of every training; shorter ones are read off the curve", 100),
            "validation": Key(Choice(VALIDATIONS), "k folds, or one part of the rows held out", "kfold"),
            "holdout": Key(Holdout(), "The rows held out, where validation is holdout", 0.2),
            "documented": Key(ListOf(variants, "variants"), "What the textbook tried and found", []),
            "lesson": Key(LESSON, "What the exercise teaches, for the report of its reproduction"),
        }
    )
