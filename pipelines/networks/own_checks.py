"""What is found out about a user's own network before anything is trained or saved, by building it and calling it."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FunctionType
from typing import Any

import numpy as np

from pipelines.compat import layers_of, nothing_on_stderr
from pipelines.datasets.base import Task
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.own_network import OwnNetwork
from pipelines.networks.own import Shapes, call_of, ends_in, errors_of, module_of, own_builder, plain_text
from pipelines.words import listed

#: Rows that a network is called on to see what it does.
_TRIED = 64


def check_own(network: OwnNetwork, configuration: Configuration, shapes: Shapes) -> tuple[str, ...]:
    """Build a network and call it once, before anything is trained; ``UserError`` for what could not be trained.

    That is also where it does not start each fit from weights that the fit's seed gives. What is returned are notes:
    what a final model of it would need.

    Where TensorFlow trains, it is done in a process of its own, since this one is to stay without TensorFlow.
    """
    if os.environ.get("KERAS_BACKEND") != "tensorflow":
        return _check(network, configuration, shapes)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin_child) as pool:
        try:
            return pool.submit(_check, network, configuration, shapes).result()
        except BrokenProcessPool as error:
            raise UserError(f"network: the process that built {network.place} was ended; is it too large?") from error


def _begin_child() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; ending is the sweep's to decide
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the process that trains has the GPU
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _check(network: OwnNetwork, configuration: Configuration, shapes: Shapes) -> tuple[str, ...]:
    from pipelines.networks.initial_weights import build_seeded

    build = own_builder(network, configuration, shapes)
    model, same, other = (build_seeded(build, seed) for seed in (1, 1, 2))
    with errors_of(network, f"the network of {network.function}"):
        _trace(model, shapes)
        outputs = _outputs(model, shapes)
    if shapes.task is not Task.REGRESSION and outputs.min() >= 0 and outputs.max() <= 1:
        sums = outputs.sum(axis=1)
        if shapes.outputs == 1 or np.allclose(sums, 1, atol=1e-3):
            raise ends_in("sigmoid" if shapes.outputs == 1 else "softmax", network)
    weights = [[np.asarray(array) for array in each.get_weights()] for each in (model, same, other)]
    if not _are_equal(weights[0], weights[1]):
        raise UserError(
            f"{call_of(network)} starts from other weights whenever it is called; draw what is random by Keras' "
            "initializers, or by random or numpy.random, which a fit's seed governs"
        )
    if _are_equal(weights[0], weights[2]):
        raise UserError(
            f"{call_of(network)} starts from the same weights whatever the seed; leave set_random_seed and the like "
            "out, and initializers random: with a fixed start the spread over seeds would be too small"
        )
    return _notes(model, network)


def _are_equal(one: list[Any], other: list[Any]) -> bool:
    """Whether all weights are the same; the states of random numbers, whole ones, do not count."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if np.issubdtype(a.dtype, np.floating)]
    return all(np.array_equal(a, b) for a, b in pairs)


def _outputs(model: Any, shapes: Shapes) -> Any:
    import keras

    rows = np.random.default_rng(0).normal(scale=3.0, size=(_TRIED, *shapes.input_shape)).astype(np.float32)
    return keras.ops.convert_to_numpy(model(np.concatenate([rows, -rows]), training=False))


def _trace(model: Any, shapes: Shapes) -> None:
    """Have the backend follow a training step, as it does to compile one."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        def step(trainable: Any, others: Any, inputs: Any) -> Any:
            outputs, _ = model.stateless_call(trainable, others, inputs, training=True)
            return outputs.sum()

        values = [[v.value for v in of] for of in (model.trainable_variables, model.non_trainable_variables)]
        jax.eval_shape(jax.grad(step), *values, jax.ShapeDtypeStruct((2, *shapes.input_shape), np.float32))
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        from pipelines.networks.layers import has_native_convolutions

        def calls(inputs: Any) -> Any:
            with tf.GradientTape() as tape:
                total = tf.reduce_sum(model(inputs, training=True))
            return tape.gradient(total, [variable.value for variable in model.trainable_variables])

        compiled = tf.function(calls, autograph=False, jit_compile=not has_native_convolutions(model))
        compiled(tf.zeros((2, *shapes.input_shape)))


def check_saving(network: OwnNetwork, configuration: Configuration, shapes: Shapes) -> dict[str, str]:
    """What a saved network of a configuration takes of the user's file, see ``own_parts``.

    ``UserError`` where the file is not the sweep's any more, or the network could not be loaded once it is saved.
    """
    network.read()  # it may have been imported before it was changed
    model = own_builder(network, configuration, shapes)()
    if fault := saving_fault(model):
        raise UserError(
            f"{call_of(network)} returns a model that could not be loaded again: {fault}. A layer class of your own "
            "needs get_config with all arguments of its __init__, and a Lambda has to become one; another file takes "
            "another sweep."
        )
    return own_parts(model, network)


def own_parts(model: Any, network: OwnNetwork) -> dict[str, str]:
    """Layers, activations and the like that a model has from the user's file: their names for Keras and in the file.

    Whoever loads the model needs them; empty where all of it is Keras' own.
    """
    import keras

    names = vars(module_of(network))
    layers = layers_of(model)
    held = [part for layer in layers for part in vars(layer).values()]
    found = [part if isinstance(part, FunctionType) else type(part) for part in (*layers, *held)]
    # Not what Keras wraps around a layer's own methods.
    own = dict.fromkeys(of for of in found if of.__module__ == names["__name__"] and names.get(of.__name__) is of)
    return {keras.saving.get_registered_name(of): of.__name__ for of in own}


def saving_fault(model: Any) -> str:
    """Why a model could not be loaded once it is saved; empty where it can."""
    import keras

    with TemporaryDirectory() as folder, nothing_on_stderr():
        path = Path(folder) / "model.keras"
        try:
            model.save(path)
            keras.saving.load_model(path)
        except Exception as error:
            return plain_text(error)
    return ""


def _notes(model: Any, network: OwnNetwork) -> tuple[str, ...]:
    import keras

    parts = own_parts(model, network)
    if not parts and not any(isinstance(layer, keras.layers.Lambda) for layer in layers_of(model)):
        return ()  # to try it for nothing takes seconds
    if fault := saving_fault(model):
        return (f"No final model can be made of {network.place}, since it could not be loaded again: {fault}",)
    return (f"A final model of it will need {network.file.name} to be loaded, for {listed(list(parts))}.",)
