"""A user's own network: its function imported from its file, called, and what comes of it held to what engines need.

Their code is run here and nowhere else, from the file that the exercise names, and only where its content is what the
sweep knows. What is wrong with it is one sentence with file and line.
"""

import random
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from inspect import unwrap
from traceback import extract_tb
from typing import Any

import numpy as np

from pipelines.compat import layers_of
from pipelines.datasets.base import Task
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.own_network import OwnNetwork
from pipelines.words import listed, shortened

#: Words in the names or texts of errors that Python's own ``if`` and ``while`` cause on values of a compiled program,
#: and those that NumPy causes.
_CONTROL_FLOW = (
    *("TracerBool", "TracerInteger", "Concretization", "NonConcrete", "OperatorNotAllowedInGraph", "as a Python"),
    "cannot be used as a boolean",
)
_OTHER_LIBRARY = (
    *("TracerArrayConversion", "symbolic tf.Tensor", "to a numpy array", "to a NumPy array", "KerasTensor cannot be"),
    *("as an abstract array", "valid JAX type"),
)


@dataclass(frozen=True)
class Shapes:
    """What a network maps: one sample's shape, and its number of outputs, for a task."""

    input_shape: tuple[int, ...]
    outputs: int
    task: Task


def own_builder(network: OwnNetwork, configuration: Configuration, shapes: Shapes) -> Callable[[], Any]:
    """A function that builds the network of a configuration; raises ``UserError`` for what the user's code does wrong.

    The file is imported now, so that whatever it does to random numbers is done before they are seeded. What is built
    is a ``keras.Model`` from (batch, *input_shape) to raw outputs (batch, outputs), with one input and one output.
    """
    function = module_of(network).__dict__[network.function]
    arguments = dict(configuration.own)

    def build() -> Any:
        doing = f"{network.function}({_listed(arguments)})"
        with _numpy_seeded(), errors_of(network, doing), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the same at every fit; what matters raises
            model = function(input_shape=shapes.input_shape, outputs=shapes.outputs, **arguments)
            model = _as_functional(model, network, shapes)
        _check_shapes(model, network, shapes)
        _check_end(model, network, shapes)
        _check_seeds(model, network)
        return model

    return build


@lru_cache(maxsize=8)
def module_of(network: OwnNetwork) -> types.ModuleType:
    """The file as a module of a name of its own: it hides no other, and another version of it is another module.

    Its layers, and functions that layers may have as activation, are registered with Keras under the file's name, as
    ``nets>Gate``, where the user has not registered them.
    """
    import keras

    text = network.read()
    module = types.ModuleType(f"own_network_{network.sha256[:12]}")
    module.__file__ = str(network.file)
    sys.modules[module.__name__] = module  # where dataclasses and others look for it
    with errors_of(network, "importing it"):
        exec(compile(text, str(network.file), "exec"), module.__dict__)
    for name, value in vars(module).items():
        kinds = types.FunctionType | type
        if isinstance(value, kinds) and value.__module__ == module.__name__ and name != network.function:
            is_kerass = not isinstance(value, type) or hasattr(value, "get_config")
            if is_kerass and keras.saving.get_registered_name(value) == name:
                keras.saving.register_keras_serializable(package=network.file.stem)(value)
    return module


@contextmanager
def errors_of(network: OwnNetwork | None, doing: str, *, always: bool = True) -> Iterator[None]:
    """Turn what a user's code raises into a ``UserError``: file, line, what was done, and what to do about it.

    Nothing is changed without a network of the user's own, nor where memory has run out; unless ``always``, only what
    comes from the user's file, or cannot be compiled.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if network is None or not (always or _line(error, network) or _cannot_be_compiled(error)):
            raise
        line = f", line {found}" if (found := _line(error, network)) else ""
        raise UserError(f"network: {network.file.name}{line}: {doing} {_fault(error)}") from error


def _line(error: BaseException, network: OwnNetwork) -> int | None:
    """The line of the user's file that an error came from."""
    lines = [
        frame.lineno
        for each in _chain(error)
        for frame in extract_tb(each.__traceback__)
        if frame.filename == str(network.file)
    ]
    return lines[-1] if lines else None


def _cannot_be_compiled(error: BaseException) -> str:
    """What an error says about compiling; empty where it says something else."""
    told = " ".join(f"{type(each).__name__}: {each}" for each in _chain(error))
    if any(word in told for word in _CONTROL_FLOW):
        return (
            "decides in Python (if, while, int) by values that a compiled program has only when it runs; use "
            "keras.ops.where, keras.ops.cond or keras.ops.while_loop in its place"
        )
    if any(word in told for word in _OTHER_LIBRARY):
        return (
            "hands values of a compiled program to NumPy or another library, which cannot be compiled; use keras.ops "
            "in its place"
        )
    return ""


def _fault(error: BaseException) -> str:
    if cannot := _cannot_be_compiled(error):
        return cannot
    alone = "; the file has to stand alone: put into it what it needs, or install that as a package"
    missing = alone if isinstance(error, ModuleNotFoundError) else ""
    return f"raised {type(error).__name__}: {plain_text(error)}{missing}"


def plain_text(error: BaseException) -> str:
    """The message of an error in one line, without the colours that Keras has in some."""
    return shortened(" ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split()), 300)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        yield found
        seen.append(found)
        found = found.__cause__ or found.__context__


@contextmanager
def _numpy_seeded() -> Iterator[None]:
    """NumPy's common generator follows the seed of Python's, as Keras' initial weights do; put back afterwards."""
    state = np.random.get_state()
    np.random.seed(random.getrandbits(32))
    try:
        yield
    finally:
        np.random.set_state(state)


def _as_functional(model: Any, network: OwnNetwork, shapes: Shapes) -> Any:
    """The model with known shapes; a subclass of ``keras.Model`` becomes the one layer of a functional model."""
    import keras

    if not isinstance(model, keras.Model):
        raise UserError(f"{call_of(network)} returns {_a(model)}; it has to return a keras.Model")
    if isinstance(model, keras.Sequential) and not model.built:
        model.build((None, *shapes.input_shape))
    if hasattr(model, "inputs"):
        return model
    inputs = keras.Input(shapes.input_shape)
    return keras.Model(inputs, model(inputs))


def _check_shapes(model: Any, network: OwnNetwork, shapes: Shapes) -> None:
    for what, tensors in (("inputs", model.inputs), ("outputs", model.outputs)):
        if len(tensors) != 1:
            raise UserError(f"{call_of(network)} returns a model with {len(tensors)} {what}; it has to have one")
    batch, *taken = model.inputs[0].shape
    if batch is not None:
        raise UserError(
            f"{call_of(network)} returns a model for batches of {batch} rows only; leave the batch size open"
        )
    if len(taken) != len(shapes.input_shape) or any(
        own not in (None, side) for own, side in zip(taken, shapes.input_shape, strict=True)
    ):
        sample = " x ".join(map(str, shapes.input_shape))
        raise UserError(
            f"{call_of(network)} returns a model for samples of the shape {' x '.join(map(str, taken))}, but a sample "
            f"has {sample}; build it for the argument input_shape"
        )
    given = tuple(model.outputs[0].shape)
    if given != (None, shapes.outputs):
        raise UserError(
            f"{call_of(network)} returns a model with outputs of the shape {_shape(given)}; {shapes.task} needs "
            f"{_shape((None, shapes.outputs))}: the last layer has as many units as the argument outputs says"
        )
    if not model.trainable_variables:
        raise UserError(f"{call_of(network)} returns a model with nothing to train")


def _check_end(model: Any, network: OwnNetwork, shapes: Shapes) -> None:
    """Losses are computed from raw outputs: of probabilities a cross-entropy hides how wrong a sure network is."""
    name = "" if shapes.task is Task.REGRESSION else _end(model)
    if name in ("softmax", "sigmoid"):
        raise ends_in(name, network)


def ends_in(name: str, network: OwnNetwork) -> UserError:
    """The error of a model that ends in an output activation."""
    return UserError(
        f"{call_of(network)} returns a model that ends in {name}; leave that out: losses are computed from raw "
        "outputs, and the final model gets it at its end"
    )


def _end(model: Any) -> str:
    """Name of the activation that a model ends in, as far as its last layer says."""
    import keras

    last = getattr(model, "operations", None) or model.layers
    if not last:
        return ""
    if isinstance(last[-1], keras.Model):
        is_known = isinstance(last[-1], keras.Sequential) or hasattr(last[-1], "operations")
        return _end(last[-1]) if is_known else ""
    activation = getattr(last[-1], "activation", None)
    return str(getattr(activation, "__name__", None) or type(last[-1]).__name__).lower()


def _check_seeds(model: Any, network: OwnNetwork) -> None:
    """A layer with a seed of its own starts every fit from the same weights, or drops the same units."""
    seeded = [layer.name for layer in layers_of(model) if not getattr(layer, "layers", None) and _has_seed(layer)]
    if seeded:
        raise UserError(
            f"{call_of(network)} gives {listed(seeded[:3])} a seed; leave it out: each fit has a seed of its own, and "
            "with a fixed one the spread over seeds would be too small"
        )


def _has_seed(layer: Any) -> bool:
    import keras

    # Asked for its whole configuration, a layer has Keras import TensorFlow.
    initializers = [value for value in vars(layer).values() if isinstance(value, keras.initializers.Initializer)]
    seeds = [initializer.get_config().get("seed") for initializer in initializers]
    return any(isinstance(seed, int) for seed in (*seeds, getattr(layer, "seed", None)))


def call_of(network: OwnNetwork) -> str:
    """How a sentence about the function begins: file, line and name."""
    code = getattr(unwrap(module_of(network).__dict__[network.function]), "__code__", None)
    line = f", line {code.co_firstlineno}" if code else ""
    return f"network: {network.file.name}{line}: {network.function}"


def _a(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('batch' if side is None else str(side) for side in shape)})"


def _listed(arguments: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
