"""A configuration: one assignment of hyperparameters, with one canonical form and one hash.

>>> Configuration(layers=(64, 64), optimizer="rmsprop").label
'64-64 relu rmsprop'
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace

ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "leaky_relu", "softplus", "linear")
OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam", "adamw", "nadam", "adagrad")
CLASSIFICATION_LOSSES = ("crossentropy", "mse")
REGRESSION_LOSSES = ("mse", "mae", "huber", "log_cosh")
NORMALISATIONS = ("none", "divide_255", "divide_256", "standardise", "minmax")
LAYER_NORMALISATIONS = ("none", "batch", "layer")
MIN_UNITS, MAX_UNITS, MAX_DEPTH = 1, 8192, 16


@dataclass(frozen=True)
class Configuration:
    """Hyperparameters of one trial. Epochs are not among them: every shorter training is read off the curve.

    Attributes
    ----------
    layers
        Width of each hidden layer; empty for none (input straight to output).
    activation
        Of the hidden layers, one of ``ACTIVATIONS``.
    loss
        What is trained: ``crossentropy`` (binary or categorical, as the task has it), ``mse``, ``mae``, ...
    optimizer, learning_rate
        ``momentum`` is SGD with Nesterov-free momentum 0.9.
    batch_size
        Samples a step.
    normalisation
        Of the inputs, fitted on the training part of each fold.
    layer_normalisation
        Between a hidden layer and its activation: ``batch`` or ``layer`` normalisation, or ``none``.
    dropout
        Share of hidden activations dropped, 0 to below 1.
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

    def canonical(self) -> "Configuration":
        """The same network with settings that have no effect put to their defaults.

        Without hidden layers there is nothing to activate, normalise, drop or penalise. Floats are rounded to 12
        significant digits, so that a value survives its way through a tracking store.
        """
        changes: dict[str, object] = {
            name: float(f"{getattr(self, name):.12g}") for name in ("learning_rate", "dropout", "l2", "train_fraction")
        }
        changes["layers"] = tuple(int(width) for width in self.layers)
        if not self.layers:
            changes.update(activation="relu", layer_normalisation="none", dropout=0.0, l2=0.0)
        return replace(self, **changes)  # type: ignore[arg-type]

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
        parts = [self.layers_text]
        if self.layers:
            parts.append(self.activation)
        parts.append(self.optimizer)
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
                parts.append(f"{prefix}{value:.3g}" if isinstance(value, float) else f"{prefix}{value}")
        return " ".join(parts)

    def parameters(self) -> dict[str, str | int | float]:
        """Flat form for the tracking store; read back by ``from_parameters``.

        ``units`` and ``depth`` are written beside ``layers`` where all widths are equal, since charts need numbers.
        """
        canonical = self.canonical()
        flat: dict[str, str | int | float] = {
            name: value for name, value in asdict(canonical).items() if name != "layers"
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
            elif f.name == "batch_size":
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
