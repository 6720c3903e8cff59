"""A configuration: one assignment of hyperparameters, with one canonical form and one hash.

>>> Configuration(layers=(64, 64), optimizer="rmsprop").label
'64-64 relu rmsprop'
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

from pipelines.datasets.base import Task

ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "leaky_relu", "softplus", "linear")
OPTIMIZERS = ("sgd", "momentum", "rmsprop", "rmsprop_keras2", "adam", "adamw", "nadam", "adagrad")
LOSSES: Mapping[Task, tuple[str, ...]] = {
    Task.BINARY: ("crossentropy", "mse"),
    Task.MULTICLASS: ("crossentropy", "mse"),
    Task.REGRESSION: ("mse", "mae", "huber", "log_cosh"),
}
LAYER_NORMALISATIONS = ("none", "batch", "layer")
#: Pretrained networks without their classifier; the number is the width multiplier.
BACKBONES = ("none", "mobilenet_v2", "mobilenet_v2_0.35")
#: Of the learning rate. Functions of the epoch alone, so that a shorter training is the beginning of a longer one;
#: a cosine or a one-cycle schedule is not, for it depends on where the training ends.
SCHEDULES = ("constant", "exponential", "inverse_time")
_RARE = ("convolutions", "backbone", "fine_tune", "schedule", "decay_rate")
MIN_UNITS, MAX_UNITS, MAX_DEPTH = 1, 8192, 16
MAX_FILTERS, MAX_KERNEL, MAX_CONVOLUTIONS = 1024, 15, 16


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

    layers: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    loss: str = "crossentropy"
    optimizer: str = "adam"
    learning_rate: float = 0.001
    batch_size: int = 32
    normalisation: str = "none"
    layer_normalisation: str = "none"
    dropout: float = 0.0
    l2: float = 0.0
    train_fraction: float = 1.0
    convolutions: str = "none"
    backbone: str = "none"
    fine_tune: bool = False
    schedule: str = "constant"
    decay_rate: float = 0.9

    def canonical(self) -> "Configuration":
        """The same network with settings that have no effect put to their defaults.

        Without hidden layers there is nothing to activate, normalise, drop or penalise. Floats are rounded to 12
        significant digits, so that a value survives its way through a tracking store.
        """
        changes: dict[str, object] = {
            f.name: float(f"{getattr(self, f.name):.12g}") for f in fields(self) if isinstance(f.default, float)
        }
        changes["layers"] = tuple(int(width) for width in self.layers)
        changes.update({f.name: f.default for f in fields(self) if f.name in self.idle})
        return replace(self, **changes)  # type: ignore[arg-type]

    @property
    def idle(self) -> frozenset[str]:
        """Names of the settings that have no effect in this network."""
        names: list[str] = []
        if not self.layers:
            names.append("dropout")
        if not self.has_hidden_layers:
            names += ["activation", "layer_normalisation", "l2"]
        if self.backbone == "none":
            names.append("fine_tune")
        if self.schedule == "constant":
            names.append("decay_rate")
        return frozenset(names)

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
        """Hidden widths as in the exercises' tables: ``64-64``, ``none`` without hidden layers."""
        return "-".join(str(width) for width in self.layers) or "none"

    @property
    def label(self) -> str:
        """A short name for tables and run names: layers, activation, optimizer, then what is not at its default.

        Numbers have three digits there; ``parameters`` has all of them.
        """
        return " ".join(word for _, word in self.words)

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """The words of the label, each with the name of the setting that it is about."""
        # Behind convolutions or a backbone the lack of dense layers goes without saying.
        parts = [("layers", self.layers_text)] if self.layers or self.family == "dense" else []
        if self.convolutions != "none":
            parts.insert(0, ("convolutions", f"conv={self.convolutions}"))
        if self.backbone != "none":
            parts.insert(0, ("backbone", f"{self.backbone} {'fine-tuned' if self.fine_tune else 'frozen'}"))
        if self.has_hidden_layers:
            parts.append(("activation", self.activation))
        parts.append(("optimizer", self.optimizer))
        default = Configuration()
        for name, prefix in (
            ("learning_rate", "lr="),
            ("batch_size", "batch="),
            ("loss", "loss="),
            ("normalisation", "norm="),
            ("layer_normalisation", "layer_norm="),
            ("dropout", "dropout="),
            ("l2", "l2="),
            ("train_fraction", "data="),
        ):
            value = getattr(self.canonical(), name)
            if value != getattr(default, name):
                parts.append((name, f"{prefix}{value:.3g}" if isinstance(value, float) else f"{prefix}{value}"))
        if self.schedule != "constant":
            parts.append(("schedule", f"{self.schedule}={self.decay_rate:.3g}"))
        return tuple(parts)

    def parameters(self) -> dict[str, str | int | float]:
        """Flat form for the tracking store; read back by ``from_parameters``.

        ``units`` and ``depth`` are written beside ``layers`` where all widths are equal, since charts need numbers.
        What most networks do not have (convolutions, a backbone, a schedule) is written for those that do.
        """
        canonical = self.canonical()
        flat: dict[str, str | int | float] = {
            name: value
            for name, value in asdict(canonical).items()
            if name != "layers" and not (name in _RARE and value == getattr(Configuration, name))
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


def parse_layers(text: str) -> tuple[int, ...]:
    """Widths from ``64-4`` or ``none``.

    Raises
    ------
    ValueError
        Where it is not whole numbers joined by hyphens.
    """
    text = text.strip()
    if text in ("none", ""):
        return ()
    return tuple(int(part) for part in text.split("-"))


@dataclass(frozen=True)
class Convolution:
    """One convolution: ``filters`` of ``kernel`` x ``kernel``, with a stride, then max pooling (1: none)."""

    filters: int
    kernel: int
    stride: int = 1
    pool: int = 1


def parse_convolutions(text: str) -> tuple[Convolution, ...]:
    """Convolutions from ``6x6-12x5s2-24x4s2p2``: filters x kernel, ``s`` stride, ``p`` pooling; or ``none``.

    Raises
    ------
    ValueError
        Where a part is not of that form.

    Examples
    --------
    >>> parse_convolutions("32x3p2")
    (Convolution(filters=32, kernel=3, stride=1, pool=2),)
    """
    text = text.strip()
    if text in ("none", ""):
        return ()
    convolutions = []
    for part in text.split("-"):
        match = re.fullmatch(r"(\d+)x(\d+)(?:s(\d+))?(?:p(\d+))?", part, re.ASCII)
        if match is None:
            raise ValueError(part)
        convolutions.append(Convolution(*(int(number) if number else 1 for number in match.groups())))
    return tuple(convolutions)


def convolutions_text(convolutions: tuple[Convolution, ...]) -> str:
    """The one spelling of convolutions; ``none`` for none."""
    return (
        "-".join(
            f"{c.filters}x{c.kernel}" + (f"s{c.stride}" if c.stride > 1 else "") + (f"p{c.pool}" if c.pool > 1 else "")
            for c in convolutions
        )
        or "none"
    )
