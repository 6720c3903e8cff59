"""Figures that are read off the weights of trained networks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset
from pipelines.datasets.folds import Split
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration

#: Rows that the two losses are computed on.
_ROWS = 2048

Weights = Sequence[NDArray[Any]]


def figures_of_weights(
    names: Sequence[str],
    configuration: Configuration,
    dataset: Dataset,
    splits: Sequence[Split],
    weights: Sequence[Weights],
    *,
    seed: int,
) -> dict[str, list[float]]:
    """The asked figures by name, one value a fit.

    Raises
    ------
    UserError
        For a figure that the network, or the task, does not have.
    """
    found: dict[str, list[float]] = {}
    if {"weight", "bias"} & set(names):
        lines = _lines(configuration, dataset, splits, weights, seed)
        found |= {"weight": [slope for slope, _ in lines], "bias": [intercept for _, intercept in lines]}
    if "label_difference" in names:
        found["label_difference"] = [
            _label_difference(configuration, dataset, split, of_fit, seed)
            for split, of_fit in zip(splits, weights, strict=True)
        ]
    return {name: found[name] for name in names if name in found}


def _lines(
    configuration: Configuration, dataset: Dataset, splits: Sequence[Split], weights: Sequence[Weights], seed: int
) -> list[tuple[float, float]]:
    """Slope and intercept of each linear network in the units of its inputs: the normalisation is folded back."""
    from pipelines.training.planning import make_plan

    if configuration.layers or dataset.input_shape != (1,) or dataset.outputs != 1:
        raise UserError(
            "The figures weight and bias are those of one linear unit with one input; this network has hidden layers "
            f"{configuration.layers_text}, {dataset.outputs} outputs and inputs of shape {dataset.input_shape}."
        )
    plan = make_plan(configuration, dataset, splits, seed=seed, epochs=1)
    lines = []
    for fit, (kernel, bias) in zip(plan.fits, weights, strict=True):
        offset, scale = float(np.ravel(fit.offset)[0]), float(np.ravel(fit.scale)[0])
        slope = float(np.ravel(kernel)[0]) / scale
        lines.append((slope, float(np.ravel(bias)[0]) - slope * offset))
    return lines


def _label_difference(
    configuration: Configuration, dataset: Dataset, split: Split, weights: Weights, seed: int
) -> float:
    """Largest difference, over samples, of the cross-entropy with integer and with one-hot labels, on one network.

    Two losses that are equal for every sample have equal gradients, so a training with the one is that with the other.
    """
    import keras

    from pipelines.training.planning import make_plan

    if len(dataset.classes) < 3:
        raise UserError("The figure label_difference needs a classification with three classes or more.")
    rows = (split.validation if len(split.validation) else split.train)[:_ROWS]
    plan = make_plan(configuration, dataset, [split], seed=seed, epochs=1)
    network = plan.build_model()
    network.set_weights(list(weights))
    fit = plan.fits[0]
    inputs = (dataset.inputs[rows].astype(np.float32) - fit.offset) / fit.scale
    outputs = network(inputs, training=False)
    labels = dataset.targets[rows]
    integer = keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)
    one_hot = keras.losses.categorical_crossentropy(
        keras.ops.one_hot(labels, len(dataset.classes), dtype="float32"), outputs, from_logits=True
    )
    return float(np.abs(np.asarray(integer) - np.asarray(one_hot)).max())
