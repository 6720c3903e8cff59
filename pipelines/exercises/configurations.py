"""A configuration: one assignment of hyperparameters, with one canonical form and one hash.

>>> Configuration(layers=(64, 64), optimizer="rmsprop").label
'64-64 relu rmsprop'
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from pipelines.checking.kinds import Choice, Flag, Number, Whole
from pipelines.datasets.preparation import NORMALISATIONS
from pipelines.exercises.settings import (
    ACTIVATIONS,
    BACKBONES,
    LAYER_NORMALISATIONS,
    LOSSES,
    MAX_BATCH_SIZE,
    MAX_DEPTH,
    MAX_UNITS,
    MIN_UNITS,
    OPTIMIZERS,
    OWN_UNITS,
    SCHEDULES,
    Convolutions,
    Layers,
    Remedy,
    Setting,
    complete,
    layers_text,
    parse_layers,
    setting,
    settings_of,
)


def _layers_word(configuration: Any) -> str:
    # Behind convolutions or a backbone the lack of dense layers goes without saying.
    return str(configuration.layers_text) if configuration.layers or configuration.family == "dense" else ""


def _backbone_word(configuration: Any) -> str:
    if configuration.backbone == "none":
        return ""
    return f"{configuration.backbone} {'fine-tuned' if configuration.fine_tune else 'frozen'}"


def _schedule_word(configuration: Any) -> str:
    return "" if configuration.schedule == "constant" else f"{configuration.schedule}={configuration.decay_rate:.3g}"


@dataclass(frozen=True)
class Configuration:
    """Hyperparameters of one trial. Epochs are not among them: every shorter training is read off the curve.

    Attributes
    ----------
    layers
        Width of each hidden dense layer; empty for none (input straight to output).
    convolutions
        Hidden convolutions before the dense layers, as ``parse_convolutions`` reads them: ``32x3p2-64x3p2``, or
        ``none``. Images only.
    backbone, fine_tune
        A pretrained network that turns an image into features, one of ``BACKBONES``: frozen, or trained as well.
    activation
        Of the hidden layers, one of ``ACTIVATIONS``.
    loss
        What is trained: ``crossentropy`` (binary or categorical, as the task has it), ``mse``, ``mae``, ...
    optimizer, learning_rate
        ``momentum`` is SGD with Nesterov-free momentum 0.9; ``rmsprop_keras2`` is RMSprop as Keras had it up to
        version 2, see ``models.build_optimizer``.
    schedule, decay_rate
        How the learning rate falls with the epoch, see ``learning_rate_at``.
    batch_size
        Samples a step.
    normalisation
        Of the inputs, fitted on the training part of each fold; ``minus_one_one`` is x / 127.5 - 1.
    layer_normalisation
        Between a hidden layer and its activation: ``batch`` or ``layer`` normalisation, or ``none``.
    dropout
        Share of the hidden dense layers' activations dropped, 0 to below 1.
    l2
        L2 penalty of the hidden kernels.
    train_fraction
        Share of each fold's training rows that is used, above 0 to 1.
    """

    layers: tuple[int, ...] = setting((64, 64), Setting(Layers(), off=(), word=_layers_word, word_place=3))
    activation: str = setting(
        "relu",
        Setting(
            Choice(ACTIVATIONS),
            place=6,
            word=lambda configuration: configuration.activation if configuration.has_hidden_layers else "",
            word_place=4,
            needs=("layers", "convolutions"),
        ),
    )
    loss: str = setting(
        "crossentropy",
        Setting(
            Choice(tuple(dict.fromkeys(loss for losses in LOSSES.values() for loss in losses))),
            {task: Choice(losses) for task, losses in LOSSES.items()},
            place=7,
            word_place=8,
        ),
    )
    optimizer: str = setting(
        "adam",
        Setting(Choice(OPTIMIZERS), place=10, word=lambda configuration: configuration.optimizer, word_place=5),
    )
    learning_rate: float = setting(
        0.001,
        Setting(Number(0, 100, open_ends="low"), place=11, log=True, word="lr=", word_place=6, argument=True),
    )
    batch_size: int = setting(
        32, Setting(Whole(1, MAX_BATCH_SIZE), place=14, log=True, word="batch=", word_place=7, argument=True)
    )
    normalisation: str = setting(
        "none",
        Setting(
            Choice(NORMALISATIONS),
            title="normalisation of the inputs",
            place=8,
            word="norm=",
            word_place=9,
            argument=True,
            decides_samples=True,
        ),
    )
    layer_normalisation: str = setting(
        "none",
        Setting(
            Choice(LAYER_NORMALISATIONS),
            title="normalisation of the hidden layers",
            place=9,
            word="layer_norm=",
            word_place=10,
            needs=("layers", "convolutions"),
            remedy=Remedy("normalisation of hidden layers", place=5),
        ),
    )
    dropout: float = setting(
        0.0,
        Setting(
            Number(0, 1, open_ends="high"),
            place=15,
            word_place=11,
            needs=("layers",),
            remedy=Remedy("dropout", place=1),
        ),
    )
    l2: float = setting(
        0.0,
        Setting(
            Number(0, 100),
            title="L2 penalty",
            place=16,
            log=True,
            word_place=12,
            needs=("layers", "convolutions"),
            remedy=Remedy("an L2 penalty", place=2),
        ),
    )
    train_fraction: float = setting(
        1.0,
        Setting(
            Number(0, 1, open_ends="low"),
            title="share of the training rows",
            place=17,
            log=True,
            word="data=",
            word_place=13,
            argument=True,
            remedy=Remedy("more data", place=7),
        ),
    )
    convolutions: str = setting(
        "none", Setting(Convolutions(), place=3, word="conv=", word_place=2, rare=True, decides_samples=True)
    )
    backbone: str = setting(
        "none",
        Setting(Choice(BACKBONES), place=1, word=_backbone_word, word_place=1, rare=True, decides_samples=True),
    )
    fine_tune: bool = setting(
        False,
        Setting(
            Flag(),
            title="backbone trained as well",
            place=2,
            shares_word="backbone",
            needs=("backbone",),
            rare=True,
            decides_samples=True,
        ),
    )
    schedule: str = setting(
        "constant",
        Setting(
            Choice(SCHEDULES),
            title="learning-rate schedule",
            place=12,
            word=_schedule_word,
            word_place=14,
            argument=True,
            rare=True,
            remedy=Remedy("a falling learning rate", place=6),
        ),
    )
    decay_rate: float = setting(
        0.9,
        Setting(
            Number(0, 1, open_ends="low"),
            title="decay rate of the learning rate",
            place=13,
            shares_word="schedule",
            needs=("schedule",),
            argument=True,
            rare=True,
        ),
    )

    def canonical(self) -> "Configuration":
        """The same network with settings that have no effect put to their defaults.

        Without hidden layers there is nothing to activate, normalise, drop or penalise. Floats are rounded to 12
        significant digits, so that a value survives its way through a tracking store.
        """
        changes: dict[str, object] = {
            f.name: float(f"{getattr(self, f.name):.12g}") for f in fields(self) if isinstance(f.default, float)
        }
        changes["layers"] = tuple(int(width) for width in self.layers)
        idle = self.idle
        changes.update({f.name: f.default for f in fields(self) if f.name in idle})
        return replace(self, **changes)  # type: ignore[arg-type]

    @property
    def idle(self) -> frozenset[str]:
        """Names of the settings that have no effect in this network."""
        there = {name for name, known in FIELDS.items() if getattr(self, name) != known.off}
        return frozenset(name for name, known in FIELDS.items() if known.needs and there.isdisjoint(known.needs))

    @property
    def family(self) -> str:
        """``dense``, ``convolutional`` or ``transfer``."""
        if self.backbone != "none":
            return "transfer"
        return "dense" if self.convolutions == "none" else "convolutional"

    @property
    def has_hidden_layers(self) -> bool:
        """Whether there is anything of its own between input (or backbone) and output."""
        return bool(self.layers) or self.convolutions != "none"

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

        Numbers have three digits there; ``parameters`` has all of them.
        """
        return " ".join(word for _, word in self.words)

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """The words of the label, each with the name of the setting that it is about."""
        canonical = self.canonical()
        words = []
        for known in sorted(FIELDS.values(), key=lambda known: known.word_place):
            if callable(known.word):
                words.append((known.name, known.word(self)))
            elif known.word and (value := getattr(canonical, known.name)) != getattr(Configuration, known.name):
                words.append(
                    (known.name, f"{known.word}{value:.3g}" if isinstance(value, float) else f"{known.word}{value}")
                )
        return tuple((name, word) for name, word in words if word)

    def parameters(self) -> dict[str, str | int | float]:
        """Flat form for the tracking store; read back by ``from_parameters``.

        ``units`` and ``depth`` are written beside ``layers`` where all widths are equal, since charts need numbers.
        What most networks do not have (convolutions, a backbone, a schedule) is written for those that do.
        """
        canonical = self.canonical()
        flat: dict[str, str | int | float] = {
            name: value
            for name, value in asdict(canonical).items()
            if name != "layers" and not (FIELDS[name].rare and value == getattr(Configuration, name))
        }
        flat["layers"] = self.layers_text
        flat["depth"] = len(self.layers)
        if self.layers and len(set(self.layers)) == 1:
            flat["units"] = self.layers[0]
        return flat

    @classmethod
    def from_parameters(cls, flat: dict[str, str]) -> "Configuration":
        """The configuration that ``parameters`` wrote, from strings as a tracking store returns them."""
        values: dict[str, object] = {}
        for f in fields(cls):
            if f.name not in flat:
                continue
            text = str(flat[f.name])
            if f.name == "layers":
                values[f.name] = parse_layers(text)
            elif isinstance(f.default, bool):
                values[f.name] = text.lower() == "true"
            elif isinstance(f.default, int):
                values[f.name] = int(text)
            elif isinstance(f.default, float):
                values[f.name] = float(text)
            else:
                values[f.name] = text
        return cls(**values).canonical()  # type: ignore[arg-type]


#: What is known of each field, by name.
FIELDS: dict[str, Setting] = settings_of(Configuration)
_UNITS = Setting(Whole(MIN_UNITS, MAX_UNITS), place=4, log=True, remedy=Remedy("fewer units", place=3, less=True))
_DEPTH = Setting(Whole(0, MAX_DEPTH), title="hidden layers", place=5, remedy=Remedy("fewer layers", place=4, less=True))
#: And of each axis of a space: the hidden layers may be given by number and widths in place of ``layers``.
SETTINGS: dict[str, Setting] = {
    "layers": FIELDS["layers"],
    "depth": complete(_DEPTH, "depth"),
    "units": complete(replace(_UNITS, title="units of the first hidden layer"), "units"),
    **{
        name: complete(replace(_UNITS, title=f"units of hidden layer {number}", remedy=None), name)
        for number, name in enumerate(OWN_UNITS, start=1)
    },
    **{name: known for name, known in FIELDS.items() if name != "layers"},
}
