"""Configuration, data and folds -> the plan that a training engine carries out."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset
from pipelines.datasets.folds import Split
from pipelines.datasets.preparation import fit_normalisation, fit_target_scaling, subsample
from pipelines.exercises.configurations import FIELDS, Configuration
from pipelines.exercises.own_network import OwnNetwork
from pipelines.networks.models import build_network, build_optimizer, build_sparse_network, check_input_shape
from pipelines.networks.objectives import make_loss, make_metrics, unit_powers
from pipelines.networks.own import Shapes, own_builder
from pipelines.training.plan import Fit, FitPlan

#: Seeds of two repeats lie this far apart, so every fold of every repeat has a seed of its own.
_SEEDS_A_REPEAT = 1000


def fit_seed(seed: int, repeat: int, fold: int) -> int:
    """Seed of a fit's initial weights and batch order; the same for all configurations of a sweep.

    Two configurations are compared on pairs of fits with the same rows and the same seed.
    """
    return _SEEDS_A_REPEAT * (seed + repeat) + fold + 1


def make_plan(
    configuration: Configuration,
    dataset: Dataset,
    splits: Sequence[Split],
    *,
    seed: int,
    epochs: int,
    weights: Path | None = None,
    network: OwnNetwork | None = None,
) -> FitPlan:
    """Everything an engine needs to train one configuration on all its folds and repeats.

    Normalisation of inputs and target, and the subset of rows where ``train_fraction`` is below 1, are fitted on each
    split's training rows alone. Labels are never scaled, and a regression has no classes to weight.

    Parameters
    ----------
    splits
        Repeat-major, as ``make_splits`` returns them; an empty ``validation`` trains without one.
    dataset
        With a frozen backbone, its features in place of the images (``pipelines.networks.features.prepare_dataset``).
    seed
        Of the sweep; each fit's own is ``fit_seed``.
    weights
        File of the weights of a backbone that is trained as well; None: Keras' own.
    network
        The user's own function that builds the network, where the configuration has one.

    Raises
    ------
    UserError
        For a loss that the data set's task does not have, and for a network that these samples do not fit.
    """
    configuration = configuration.canonical()
    shape, outputs = dataset.input_shape, dataset.outputs
    check_input_shape(configuration, shape)
    # A frozen backbone has seen the images normalised; its features are taken as they are.
    is_frozen = configuration.family == "transfer" and not configuration.fine_tune
    normalisation = "none" if is_frozen else configuration.normalisation
    target_scaling = "none" if dataset.task.is_classification else configuration.target_scaling
    rates = learning_rates(configuration, epochs)
    fits = []
    for split in splits:
        own_seed = fit_seed(seed, split.repeat, split.fold)
        rows = split.train
        if configuration.train_fraction < 1:
            rows = subsample(rows, dataset.targets, dataset.task, fraction=configuration.train_fraction, seed=own_seed)
        offset, scale = fit_normalisation(dataset.inputs, rows, normalisation)
        target_offset, target_scale = fit_target_scaling(dataset.targets, rows, target_scaling)
        fits.append(
            Fit(
                rows,
                split.validation,
                seed=own_seed,
                learning_rate=rates,
                offset=offset,
                scale=scale,
                target_offset=target_offset,
                target_scale=target_scale,
            )
        )
    build: Callable[[], Any] = partial(build_network, configuration, shape, outputs, weights=weights)
    if network is not None:
        build = own_builder(network, configuration, Shapes(shape, outputs, dataset.task))
    is_sparse = len(shape) == 1 and network is None
    return FitPlan(
        build_model=build,
        build_optimizer=lambda: build_optimizer(configuration),
        loss=make_loss(configuration.loss, dataset.task),
        metrics=make_metrics(dataset.task),
        balanced="accuracy" if dataset.task.is_classification else "",
        explained="" if dataset.task.is_classification else "mse",
        weighted=dataset.task.is_classification and configuration.class_weight == "balanced",
        powers=unit_powers(configuration.loss, dataset.task),
        inputs=dataset.inputs,
        targets=dataset.targets,
        fits=tuple(fits),
        epochs=epochs,
        batch_size=configuration.batch_size,
        key=program_key(configuration, dataset, network),
        build_sparse_model=partial(build_sparse_network, configuration, shape[0], outputs) if is_sparse else None,
    )


def learning_rates(configuration: Configuration, epochs: int) -> float | NDArray[np.float32]:
    """One learning rate, or where a schedule varies it, one per epoch, shape (epochs,)."""
    if configuration.schedule == "constant":
        return configuration.learning_rate
    return np.array([configuration.learning_rate_at(epoch) for epoch in range(1, epochs + 1)], np.float32)


def program_key(configuration: Configuration, dataset: Dataset, network: OwnNetwork | None = None) -> str:
    """What a compiled program depends on: every setting that is not stated to be an argument of it, and the shapes."""
    settings = [(name, getattr(configuration, name)) for name, known in FIELDS.items() if not known.argument]
    own = () if network is None else (network.sha256, network.function, configuration.own)
    return repr((dataset.task, dataset.input_shape, dataset.outputs, *settings, *own))
