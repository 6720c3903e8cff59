"""A configuration: one assignment of hyperparameters, with one canonical form and one hash.

>>> Configuration(layers=(64, 64), optimizer="rmsprop").label
'64-64 relu rmsprop'
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from typing import Any

from pipelines.checking.kinds import Choice, Flag, Number, Text, Whole
from pipelines.datasets.base import Task
from pipelines.datasets.preparation import NORMALISATIONS, TARGET_SCALINGS
from pipelines.exercises import settings
from pipelines.exercises.settings import (
    OWN_PREFIX,
    OWN_UNITS,
    Remedy,
    Setting,
    Value,
    complete,
    layers_text,
    own_text,
    parse_layers,
    parse_own,
)

#: What a network without hidden layers is called wherever it is shown; files and the store have ``none``.
NO_HIDDEN_LAYER = "no hidden layer"


def _layers_word(configuration: Any) -> str:
    if configuration.network:
        return str(configuration.network)
    # Behind convolutions or a backbone the lack of dense layers goes without saying.
    if not configuration.layers:
        return NO_HIDDEN_LAYER if configuration.family == "dense" else ""
    return layers_text(configuration.layers)


def _backbone_word(configuration: Any) -> str:
    if configuration.backbone == "none":
        return ""
    return f"{configuration.backbone} {'fine-tuned' if configuration.fine_tune else 'frozen'}"


def _schedule_word(configuration: Any) -> str:
    return "" if configuration.schedule == "constant" else f"{configuration.schedule}={configuration.decay_rate:.3g}"


@dataclass(frozen=True)
class Configuration:
    """Hyperparameters of one trial. Epochs are not among them: every shorter training is read off the curve.

    What each of them means, and all else that is known of it, stands at the field; see ``settings.Setting``.
    """

    layers: tuple[int, ...] = Setting(
        settings.Layers(),
        "Width of each hidden dense layer; none for none (input straight to output)",
        off=(),
        word=_layers_word,
        word_place=3,
        builds=True,
    ).by_default((64, 64))
    activation: str = Setting(
        Choice(settings.ACTIVATIONS),
        "Of the hidden layers",
        place=6,
        word=lambda configuration: configuration.activation if configuration.has_hidden_layers else "",
        word_place=4,
        needs=("layers", "convolutions"),
        builds=True,
    ).by_default("relu")
    loss: str = Setting(
        Choice(tuple(dict.fromkeys(chain(*settings.LOSSES.values())))),
        "What is trained; crossentropy is the binary or the categorical one, as the task has it",
        kind_of_task={task: Choice(losses) for task, losses in settings.LOSSES.items()},
        place=7,
        word_place=8,
    ).by_default("crossentropy")
    optimizer: str = Setting(
        Choice(settings.OPTIMIZERS),
        "momentum is SGD with Nesterov-free momentum 0.9; rmsprop_keras2 is RMSprop as in Keras up to version 2",
        place=10,
        word=lambda configuration: configuration.optimizer,
        word_place=5,
    ).by_default("adam")
    learning_rate: float = Setting(
        Number(0, 100, open_ends="low"),
        "Step of the optimizer, in the first epoch where a schedule lowers it",
        place=11,
        log=True,
        word="lr=",
        word_place=6,
        argument=True,
    ).by_default(0.001)
    batch_size: int = Setting(
        Whole(1, settings.MAX_BATCH_SIZE),
        "Samples a step",
        place=14,
        log=True,
        word="batch=",
        word_place=7,
        argument=True,
    ).by_default(32)
    normalisation: str = Setting(
        Choice(NORMALISATIONS),
        "Of the inputs, fitted on the training part of each fold; minus_one_one is x / 127.5 - 1",
        title="normalisation of the inputs",
        place=8,
        word="norm=",
        word_place=9,
        argument=True,
        decides_samples=True,
    ).by_default("none")
    layer_normalisation: str = Setting(
        Choice(settings.LAYER_NORMALISATIONS),
        "Between a hidden layer and its activation",
        title="normalisation of the hidden layers",
        place=9,
        word="layer_norm=",
        word_place=10,
        needs=("layers", "convolutions"),
        remedy=Remedy("normalisation of hidden layers", place=5),
        builds=True,
    ).by_default("none")
    dropout: float = Setting(
        Number(0, 1, open_ends="high"),
        "Share of the hidden dense layers' activations dropped",
        place=15,
        word_place=11,
        needs=("layers",),
        remedy=Remedy("dropout", place=1),
        builds=True,
    ).by_default(0.0)
    l2: float = Setting(
        Number(0, 100),
        "L2 penalty of the hidden kernels",
        title="L2 penalty",
        place=16,
        log=True,
        word_place=12,
        needs=("layers", "convolutions"),
        remedy=Remedy("an L2 penalty", place=2),
        builds=True,
    ).by_default(0.0)
    train_fraction: float = Setting(
        Number(0, 1, open_ends="low"),
        "Share of each fold's training rows that is used",
        title="share of the training rows",
        place=17,
        log=True,
        word="data=",
        word_place=13,
        argument=True,
        remedy=Remedy("more data", place=7),
    ).by_default(1.0)
    convolutions: str = Setting(
        settings.Convolutions(),
        "Hidden convolutions before the dense layers, images only",
        place=3,
        word="conv=",
        word_place=2,
        rare=True,
        decides_samples=True,
        builds=True,
    ).by_default("none")
    backbone: str = Setting(
        Choice(settings.BACKBONES),
        "Pretrained network that turns an image into features; the number is its width multiplier",
        place=1,
        word=_backbone_word,
        word_place=1,
        rare=True,
        decides_samples=True,
        builds=True,
    ).by_default("none")
    fine_tune: bool = Setting(
        Flag(),
        "Whether the backbone is trained as well, rather than frozen",
        title="backbone trained as well",
        place=2,
        shares_word="backbone",
        needs=("backbone",),
        rare=True,
        decides_samples=True,
        builds=True,
    ).by_default(False)
    schedule: str = Setting(
        Choice(settings.SCHEDULES),
        "How the rate falls in epoch e: as decay_rate ** (e - 1), or as 1 / (1 + decay_rate * (e - 1))",
        title="learning-rate schedule",
        place=12,
        word=_schedule_word,
        word_place=14,
        argument=True,
        rare=True,
        remedy=Remedy("a falling learning rate", place=6),
    ).by_default("constant")
    decay_rate: float = Setting(
        Number(0, 1, open_ends="low"),
        "How fast a schedule lets the learning rate fall",
        title="decay rate of the learning rate",
        place=13,
        shares_word="schedule",
        needs=("schedule",),
        argument=True,
        rare=True,
    ).by_default(0.9)
    target_scaling: str = Setting(
        Choice(TARGET_SCALINGS),
        "Of the target, fitted on the training part of each fold; curves and predictions stay in its units",
        title="scaling of the target",
        place=8,
        word="target=",
        word_place=9,
        argument=True,
        rare=True,
        tasks=(Task.REGRESSION,),
    ).by_default("none")
    class_weight: str = Setting(
        Choice(settings.CLASS_WEIGHTS),
        "Of the trained loss; balanced: all classes count alike. The curves are without it",
        title="class weights",
        place=18,
        word="classes=",
        word_place=14,
        rare=True,
        tasks=(Task.BINARY, Task.MULTICLASS),
        remedy=Remedy("balanced class weights", place=8),
    ).by_default("none")
    #: Name of the user's function that builds the network, see ``own_network``; empty for a network of ours.
    network: str = ""
    #: What that function is given beside the shapes: names and values, by name.
    own: tuple[tuple[str, Value], ...] = ()

    def canonical(self) -> "Configuration":
        """The same network with settings that have no effect put to their defaults.

        Without hidden layers there is nothing to activate, normalise, drop or penalise. Floats are rounded to 12
        significant digits, so that a value survives its way through a tracking store.
        """
        changes: dict[str, object] = {
            f.name: float(f"{getattr(self, f.name):.12g}") for f in fields(self) if isinstance(f.default, float)
        }
        changes["layers"] = tuple(map(int, self.layers))
        if self.network:
            changes |= {"layers": (), "convolutions": "none", "backbone": "none", "own": _canonical(self.own)}
        changed = replace(self, **changes)  # type: ignore[arg-type]
        return replace(changed, **{name: getattr(Configuration, name) for name in changed.idle})

    def changed(self, settings: Mapping[str, object]) -> "Configuration":
        """With other values of these settings, by name; ``network.width`` is an argument of a user's own network."""
        own = dict(self.own) | {
            name.removeprefix(OWN_PREFIX): value for name, value in settings.items() if name.startswith(OWN_PREFIX)
        }
        others: dict[str, Any] = {name: value for name, value in settings.items() if not name.startswith(OWN_PREFIX)}
        return replace(self, **others, own=tuple(sorted(own.items())))  # type: ignore[arg-type]

    def value(self, name: str) -> Any:
        """Value of a setting by its name; None for an argument that this network does not have."""
        if name.startswith(OWN_PREFIX):
            return dict(self.own).get(name.removeprefix(OWN_PREFIX))
        return getattr(self, name)

    @property
    def idle(self) -> frozenset[str]:
        """Names of the settings that have no effect in this network."""
        there = {name for name, known in FIELDS.items() if getattr(self, name) != known.off}
        return frozenset(name for name, known in FIELDS.items() if known.needs and there.isdisjoint(known.needs))

    @property
    def family(self) -> str:
        """``dense``, ``convolutional``, ``transfer`` or ``own``."""
        if self.network:
            return "own"
        if self.backbone != "none":
            return "transfer"
        return "dense" if self.convolutions == "none" else "convolutional"

    @property
    def has_hidden_layers(self) -> bool:
        """Whether there is anything of its own between input (or backbone) and output."""
        return not self.network and (bool(self.layers) or self.convolutions != "none")

    def learning_rate_at(self, epoch: int) -> float:
        """Learning rate in an epoch, counted from 1.

        ``exponential``: ``learning_rate * decay_rate ** (epoch - 1)``; ``inverse_time``: ``learning_rate / (1 +
        decay_rate * (epoch - 1))``; the names and forms of Keras' schedules, with epochs for steps.
        """
        if self.schedule == "exponential":
            return float(self.learning_rate * self.decay_rate ** (epoch - 1))
        if self.schedule == "inverse_time":
            return self.learning_rate / (1 + self.decay_rate * (epoch - 1))
        return self.learning_rate

    @property
    def hash(self) -> str:
        """16 hexadecimal digits, equal for equal networks.

        Settings at their default do not enter, so a setting added later leaves the hashes of older sweeps alone.
        """
        canonical = asdict(self.canonical())
        changed = {f.name: canonical[f.name] for f in fields(self) if canonical[f.name] != f.default}
        text = json.dumps(changed, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def layers_text(self) -> str:
        """The hidden widths as text, see ``settings.layers_text``."""
        return layers_text(self.layers)

    @property
    def label(self) -> str:
        """A short name for tables and run names: layers, activation, optimizer, then what is not at its default.

        Numbers are rounded there as people write them (``Setting.written``); ``parameters`` has all digits.
        """
        return " ".join(word for _, word in self.words)

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """The words of the label, each with the name of the setting that it is about."""
        canonical = self.canonical()
        words = []
        for known in sorted(FIELDS.values(), key=lambda known: known.word_place):
            if known.name == "activation":
                # Behind the name of the function.
                own = ((OWN_PREFIX + name, value) for name, value in canonical.own)
                words += [(name, f"{(of := setting_named(name)).word}{of.written(value)}") for name, value in own]
            if callable(known.word):
                words.append((known.name, known.word(self)))
            elif known.word and (value := getattr(canonical, known.name)) != getattr(Configuration, known.name):
                # "dropout<0.01" rather than "dropout=<0.01"
                words.append((known.name, f"{known.word}{known.written(value)}".replace("=<", "<")))
        return tuple((name, word) for name, word in words if word)

    def parameters(self) -> dict[str, str | int | float]:
        """Flat form for the tracking store; read back by ``from_parameters``.

        ``units`` and ``depth`` are written beside ``layers`` where all widths are equal, since charts need numbers.
        What most networks do not have (convolutions, a backbone, a schedule) is written for those that do. Of a user's
        own network there are the name of its function (``network``) and its arguments (``network.width``).
        """
        canonical = self.canonical()
        flat: dict[str, str | int | float] = {
            name: value
            for name, value in asdict(canonical).items()
            if name in FIELDS and name != "layers" and not (FIELDS[name].rare and value == getattr(Configuration, name))
        }
        if self.network:
            flat = {name: value for name, value in flat.items() if not FIELDS[name].builds}
            return flat | {"network": self.network} | {OWN_PREFIX + n: own_text(v) for n, v in canonical.own}
        flat["layers"] = self.layers_text
        flat["depth"] = len(self.layers)
        if self.layers and len(set(self.layers)) == 1:
            flat["units"] = self.layers[0]
        return flat

    @classmethod
    def from_parameters(cls, flat: dict[str, str]) -> "Configuration":
        """The configuration that ``parameters`` wrote, from strings as a tracking store returns them."""
        readers: dict[type, Callable[[str], Any]] = {tuple: parse_layers, bool: lambda text: text.lower() == "true"}
        given = [(f.name, type(f.default)) for f in fields(cls) if f.name in flat]
        read = cls(**{name: readers.get(kind, kind)(str(flat[name])) for name, kind in given})
        own = {name: parse_own(str(text)) for name, text in flat.items() if name.startswith(OWN_PREFIX)}
        return (read.changed(own) if read.network else read).canonical()


#: What is known of each field, by name.
FIELDS = settings.settings_of(Configuration)
_UNITS = Setting(
    Whole(settings.MIN_UNITS, settings.MAX_UNITS),
    "Width of the hidden layers that have none of their own",
    place=4,
    log=True,
    builds=True,
    remedy=Remedy("fewer units", place=3, less=True),
)
_DEPTH = Setting(
    Whole(0, settings.MAX_DEPTH),
    "Number of hidden dense layers",
    title="hidden layers",
    place=5,
    builds=True,
    remedy=Remedy("fewer layers", place=4, less=True),
)
_OWN_UNITS = {
    name: replace(
        _UNITS, title=f"units of hidden layer {number}", meaning=f"Width of hidden layer {number}", remedy=None
    )
    for number, name in enumerate(OWN_UNITS, start=1)
}
_WIDTHS = {"depth": _DEPTH, "units": replace(_UNITS, title="units of the first hidden layer"), **_OWN_UNITS}
#: And of each axis of a space: the hidden layers may be given by number and widths in place of ``layers``.
SETTINGS = {"layers": FIELDS["layers"]} | {name: complete(known, name) for name, known in _WIDTHS.items()} | FIELDS


def setting_named(name: str, log: Collection[str] = ()) -> Setting:
    """What is known of a setting, of an axis, or of an argument of a user's own network (``network.width``).

    Of an argument nothing is known but its name, and whether its axis is logarithmic: those are named in ``log``.
    """
    if name in SETTINGS:
        return SETTINGS[name]
    own = name.removeprefix(OWN_PREFIX)
    title, word = own.replace("_", " "), f"{own}="
    return complete(Setting(Text(), f"Argument {own}", title=title, word=word, place=0, log=name in log), name)


def _canonical(own: tuple[tuple[str, Value], ...]) -> tuple[tuple[str, Value], ...]:
    """Arguments in their one order, floats rounded as those of other settings."""
    each = ((name, float(f"{value:.12g}") if isinstance(value, float) else value) for name, value in own)
    return tuple(sorted(each))
