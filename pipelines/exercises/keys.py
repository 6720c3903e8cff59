"""Every key of an exercise file: what it means and what it may be.

The reader validates by these declarations; ``schema`` makes the JSON schema and the tables of the reference from them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.checking.kinds import Checker, Choice, Flag, Key, Keys, Kind, ListOf, Number, Schema, Text, Whole
from pipelines.datasets import SOURCES
from pipelines.datasets.base import Task
from pipelines.datasets.folds import VALIDATIONS, parse_holdout
from pipelines.datasets.options import OPTIONS
from pipelines.errors import UserError
from pipelines.exercises.configurations import FIELDS, SETTINGS, Configuration
from pipelines.exercises.design import NONE, ONE_AT_A_TIME
from pipelines.exercises.exercise import FIGURE_METRICS, MAX_EPOCHS, MONITORS, SPLITS, Figure, Lesson, Question, Variant
from pipelines.exercises.own_network import BUILDING, AnyNumber, AnyWhole, Function, Place, Plain
from pipelines.exercises.settings import WIDTHS, Setting, parse_layers
from pipelines.exercises.spaces import Parameter

_FLAG, _TEXT, _EPOCHS = Flag(), Text(), Whole(1, MAX_EPOCHS)
_NAMED_SPACE = ", ".join(
    f"units_1 to {WIDTHS[-1]}" if name == WIDTHS[1] else name for name in SETTINGS if name not in WIDTHS[2:]
)


def default_configuration(task: Task | None, function: str = "") -> Configuration:
    """What a baseline starts from: 64-64 relu adam, with the usual loss of the task; or the user's function."""
    return Configuration(loss="mse" if task is Task.REGRESSION else "crossentropy", network=function)


@dataclass(frozen=True)
class Settings(Keys):
    """Settings by name, each as a configuration calls it; those of a user's own function are its arguments."""

    function: Function | None = None

    def entries(self, checker: Checker, key: str, value: object) -> dict[str, Any] | None:
        if self.function is not None and isinstance(value, dict):
            for name in [name for name in value if name in BUILDING and name not in self.keys]:
                fault = f"is for networks that are built here, and {self.function.place} builds this one"
                checker.problems.append(f"{checker.label(f'{key}.{name}')}: {fault}; allowed: {', '.join(self.keys)}")
            value = {name: entry for name, entry in value.items() if name not in BUILDING or name in self.keys}
        return super().entries(checker, key, value)

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        content, names = super().read(checker, key, value), setting_names(self.function)
        return None if content is None else {names.get(name, name): entry for name, entry in content.items()}


def setting_names(function: Function | None) -> dict[str, str]:
    """Names of settings by those of the arguments of a user's own function."""
    return {argument.name: argument.setting for argument in function.arguments} if function else {}


def _with_arguments(
    keys: Mapping[str, Key], kind_of: Callable[[str, Kind], Kind], function: Function | None
) -> dict[str, Key]:
    """These keys; for a user's own function its arguments in place of what our networks are built of."""
    if function is None:
        return dict(keys)
    own = {of.name: Key(kind_of(of.setting, of.kind), of.meaning) for of in function.arguments}
    return own | {name: key for name, key in keys.items() if name not in BUILDING}


def configuration_keys(task: Task | None = None, function: Function | None = None) -> Settings:
    """The settings of a baseline, or of what a documented variant changes.

    One that has no effect in the task is read, and left at its default: equal networks are equal configurations.
    """
    keys = {name: Key(_kind_of_value(known, task), known.meaning) for name, known in FIELDS.items()}
    return Settings(_with_arguments(keys, lambda name, kind: kind, function), function=function)


def _kind_of_value(known: Setting, task: Task | None) -> Kind:
    kind = known.allowed(task)
    return kind if known.has_effect(task) else Idle(kind, getattr(Configuration, known.name))


@dataclass(frozen=True)
class Idle(Kind):
    """What has no effect: whatever is given, it stays at its default."""

    kind: Kind
    default: object

    @property
    def allowed(self) -> str:
        return self.kind.allowed

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        return None if self.kind.read(checker, key, value) is None else self.default

    def schema(self) -> Schema:
        return self.kind.schema()


@dataclass(frozen=True)
class NothingToVary(Kind):
    """Values of a setting that has no effect in the task."""

    task: Task
    described = "left out"

    @property
    def allowed(self) -> str:
        return "settings that matter there"

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        return checker.refuse(key, value, f"has no effect in a {self.task} task", self.allowed)

    def schema(self) -> Schema:
        return {"not": {}}


def changed(start: Configuration, changes: Mapping[str, Any]) -> Configuration:
    """A configuration from the settings, as ``configuration_keys`` reads them, in which it differs from another."""
    layers = {"layers": parse_layers(changes["layers"])} if "layers" in changes else {}
    return start.changed({**changes, **layers}).canonical()


@dataclass(frozen=True)
class Axis(Kind):
    """An axis of a space: a list of choices or, for numbers, a range ``{low: 4, high: 4096, log: true}``."""

    name: str
    kind: Kind

    @property
    def is_number(self) -> bool:
        """Whether it may be a range."""
        return isinstance(self.kind, Whole | Number | Plain)

    @property
    def range_keys(self) -> Keys:
        """The keys of a range."""
        return Keys(
            {
                "low": Key(self.kind, "Lowest value", required=True),
                "high": Key(self.kind, "Highest value, itself included", required=True),
                "log": Key(_FLAG, "Whether equal ratios, rather than equal differences, are equally likely", False),
            }
        )

    @property
    def allowed(self) -> str:
        return "such as [1, 2] or {low: 1, high: 2}" if self.is_number else "such as [a, b]"

    @property
    def described(self) -> str:
        return f"a list of choices{' or a range' if self.is_number else ''}, each {self.kind.described}"

    def read(self, checker: Checker, key: str, value: object) -> Parameter | None:
        if isinstance(value, list):
            return self._choices(checker, key, value)
        if not self.is_number:
            allowed = f"{self.allowed}; to keep one value, put it into the baseline"
            return checker.refuse(key, value, "is not a list of choices", allowed)
        if not isinstance(value, dict):
            return checker.refuse(key, value, "is neither a list of choices nor a range", self.allowed)
        if isinstance(self.kind, Plain):  # whole numbers where both ends are written as such
            whole = all(type(value.get(end)) is int for end in ("low", "high"))
            return Axis(self.name, AnyWhole() if whole else AnyNumber()).read(checker, key, value)
        return self._range(checker, key, value)

    def _range(self, checker: Checker, key: str, value: dict[str, Any]) -> Parameter | None:
        content = self.range_keys.read(checker, key, value)
        if content is None:
            return None
        if content["low"] > content["high"]:
            fault = f"is above high ({value['high']!r})"
            return checker.refuse(f"{key}.low", value["low"], fault, "low up to high")
        if content["log"] and content["low"] <= 0:
            return checker.refuse(f"{key}.low", value["low"], "has no logarithm", "above 0 where log is true")
        return Parameter(self.name, "int" if isinstance(self.kind, Whole) else "float", **content)

    def _choices(self, checker: Checker, key: str, raw: list[Any]) -> Parameter | None:
        if not raw:
            return checker.refuse(key, raw, "is empty", "one choice or more")
        choices = [self.kind.read(checker, key, value) for value in raw]
        sound = tuple(choice for choice in choices if choice is not None)
        if len(set(sound)) < len(sound):
            return checker.refuse(key, raw, "has a choice twice", "different choices")
        return Parameter(self.name, "categorical", choices=sound) if len(sound) == len(raw) else None

    def schema(self) -> Schema:
        choices = {"type": "array", "items": self.kind.schema(), "minItems": 1, "uniqueItems": True}
        return {"anyOf": [choices, self.range_keys.schema()]} if self.is_number else choices


@dataclass(frozen=True)
class Axes(Settings):
    """The axes of a space, at least one; read in the order of the file."""

    def read(self, checker: Checker, key: str, value: object) -> dict[str, Any] | None:
        if not isinstance(value, dict) or not value:
            listed = self.listed or ", ".join(self.keys)
            return checker.refuse(key, value, "has nothing to vary", f"one axis or more of {listed}")
        axes = super().read(checker, key, value)
        others = [name for name in value if name == "depth" or name in WIDTHS]
        if "layers" in value and others:
            fault = f"fixes all widths, so {', '.join(others)} cannot vary beside it"
            return checker.refuse(f"{key}.layers", value["layers"], fault)
        return axes

    def schema(self) -> Schema:
        return super().schema() | {"minProperties": 1}


def space_keys(task: Task | None = None, function: Function | None = None) -> Axes:
    """The axes that a space may have."""
    return Axes(_varied(task, Axis, function), "" if function else _NAMED_SPACE, function)


def _varied(
    task: Task | None, kind_of: Callable[[str, Kind], Kind], function: Function | None = None
) -> dict[str, Key]:
    """A key for each setting that may be varied; ``kind_of`` its name and what one value may be."""
    keys = {
        name: Key(
            kind_of(name, known.allowed(task)) if task is None or known.has_effect(task) else NothingToVary(task),
            known.meaning,
        )
        for name, known in SETTINGS.items()
    }
    return _with_arguments(keys, kind_of, function)


@dataclass(frozen=True)
class Design(Settings):
    """What is changed about the baseline, one setting at a time: one of two words, or settings with their values."""

    words = Choice((ONE_AT_A_TIME, NONE))
    described = f"{words.allowed}, or settings with lists of values, as {{units: [16, 64]}}"

    def read(self, checker: Checker, key: str, value: object) -> Any | None:
        if isinstance(value, str) and value in self.words.words:
            return value
        if not isinstance(value, dict) or not value:
            allowed = self.words.allowed if checker.is_text(key) else self.described
            return checker.refuse(key, value, "is no design", allowed)
        return super().read(checker, key, value)

    def schema(self) -> Schema:
        return {"anyOf": [self.words.schema(), super().schema()]}


def design_keys(task: Task | None = None, function: Function | None = None) -> Design:
    """The settings that a design may change, whether they are axes of the space or not."""
    keys = _varied(task, lambda _, kind: ListOf(kind, "values"), function)
    return Design(keys, "" if function else _NAMED_SPACE, function)


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
