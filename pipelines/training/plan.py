"""The contract between the sweep and the training engines: a ``FitPlan`` goes in, a ``Training`` comes out.

Everything random is decided here, outside the engines: the seed of each fit gives its initial weights, and
``epoch_order`` its order of samples. Two engines given one plan therefore train on the same batches. What they fill in
while they train, ``Results``, is the same too.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import UserError
from pipelines.networks.objectives import PerSample, class_weights, explained_share

#: The curve that follows from the one of squared errors.
_EXPLAINED = "val_r2"


@dataclass(frozen=True, eq=False)
class Fit:
    """One model to be trained on one fold with one seed.

    Attributes
    ----------
    train, validation
        Row numbers into the plan's inputs, int32, shapes (n_train,) and (n_validation,).
    seed
        Gives the initial weights and the order of the batches; 1 or more.
    learning_rate
        A traced value: fits of one program may differ in it. An array of shape (epochs,) is a schedule: the rate of
        each epoch, a function of the epoch alone, so that shorter trainings stay prefixes of longer ones.
    offset, scale
        The network sees ``(inputs - offset) / scale``; each a scalar array or of one sample's shape, float32.
        Fitted on the training rows of this fit only.
    target_offset, target_scale
        Of a regression, float32 scalars, fitted likewise: the network's raw output z means ``z * target_scale +
        target_offset``, and what is trained on is ``(targets - target_offset) / target_scale``.
    """

    train: NDArray[np.int32]
    validation: NDArray[np.int32]
    seed: int
    learning_rate: float | NDArray[np.float32]
    offset: NDArray[np.float32] = field(default_factory=lambda: np.zeros((), np.float32))
    scale: NDArray[np.float32] = field(default_factory=lambda: np.ones((), np.float32))
    target_offset: NDArray[np.float32] = field(default_factory=lambda: np.zeros((), np.float32))
    target_scale: NDArray[np.float32] = field(default_factory=lambda: np.ones((), np.float32))

    def rates(self, epochs: range) -> NDArray[np.float32]:
        """The learning rate in each of these epochs, float32, shape (epochs,)."""
        rates = np.asarray(self.learning_rate, np.float32)
        return rates[epochs.start : epochs.stop] if rates.ndim else np.full(len(epochs), rates)


@dataclass(frozen=True, eq=False)
class FitPlan:
    """All fits of one trial: what the engines need, and nothing of where it came from.

    Attributes
    ----------
    build_model
        Makes a new, built ``keras.Model`` that maps (batch, *features) float32 to (batch, outputs).
    build_optimizer
        Makes a new ``keras.optimizers.Optimizer``; its learning rate is replaced by each fit's own.
    loss
        Per-sample loss; what is trained is its mean over the batch plus the layers' penalties (L2).
    metrics
        Further per-sample quantities to record, by name (``accuracy``, ``mae``).
    balanced
        The one of them that is recorded once more for the validation rows, with every class of a fit's counting alike:
        ``val_balanced_accuracy``. The targets are labels then. Empty for none.
    explained
        The one, of squared errors, from which ``val_r2`` follows. Empty for none.
    weighted
        Whether the trained loss weights each sample by its class, so that all classes of a fit's training rows count
        alike, as ``model.fit`` does with these ``class_weight``. ``loss`` and ``val_loss`` are without the weights.
    powers
        Of the target's unit in ``loss`` and each metric (``objectives.unit_powers``): with them curves are in units of
        the target, whatever the network is trained on. Empty for a classification.
    inputs, targets
        The data once, compact: (samples, *features) of any dtype, and (samples,) or (samples, outputs). Targets that
        are float64, since float32 has too few digits for them, go to the device by ``device_targets``.
    fits
        Repeat-major: ``fit = repeat * folds + fold``.
    epochs, batch_size
        Length of the training; the last batch of an epoch may be smaller, as in ``model.fit``.
    key
        Names everything that ``build_model``, ``build_optimizer``, ``loss`` and ``metrics`` depend on. Plans with
        equal keys and shapes may share a compiled program. Empty: never shared.
    build_sparse_model
        Makes the model of ``build_model``, with the same weights, for rows that are mostly zeros, given the number of
        first columns that stay dense: ``models.build_sparse_network``. None where there is no such model.
    """

    build_model: Callable[[], Any]
    build_optimizer: Callable[[], Any]
    loss: PerSample
    metrics: Mapping[str, PerSample]
    inputs: NDArray[Any]
    targets: NDArray[Any]
    fits: tuple[Fit, ...]
    epochs: int
    batch_size: int
    key: str = ""
    build_sparse_model: Callable[[int], Any] | None = None
    balanced: str = ""
    explained: str = ""
    weighted: bool = False
    powers: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.fits or self.epochs < 1 or self.batch_size < 1:
            raise UserError(
                f"A plan needs at least one fit, one epoch and a batch size of 1; it has {len(self.fits)} fits, "
                f"{self.epochs} epochs and a batch size of {self.batch_size}."
            )

        samples = len(self.inputs)
        for fit in self.fits:
            # A compiled program does not notice: it would train on the nearest row there is.
            if any(len(rows) and not 0 <= rows.min() <= rows.max() < samples for rows in (fit.train, fit.validation)):
                raise UserError(f"A plan names rows outside its {samples} samples.")

    @property
    def curve_names(self) -> tuple[str, ...]:
        """Names of the curves that an engine returns: ``loss`` and each metric, their ``val_`` twins, what follows.

        ``loss`` and ``val_loss`` are without the layers' penalties (Keras adds them in): over-fitting is judged on
        what the network predicts. Where the model has penalties, a curve ``penalty`` holds them, at each epoch's end;
        those on activations as the mean over the validation rows.
        """
        names = ("loss", *self.metrics)
        balanced = (f"val_balanced_{self.balanced}",) if self.balanced else ()
        explained = (_EXPLAINED,) if self.explained else ()
        return (*names, *(f"val_{name}" for name in names), *balanced, *explained)

    def class_weights(self, fit: Fit) -> NDArray[np.float32]:
        """Weights of a fit's validation rows by their class, (classes,), for ``balanced``; (0,) where that is empty."""
        return self._weights(fit.validation) if self.balanced else np.zeros(0, np.float32)

    def training_weights(self, fit: Fit) -> NDArray[np.float32]:
        """Weights of a fit's training rows by their class, (classes,), where it is ``weighted``; else (0,)."""
        return self._weights(fit.train) if self.weighted else np.zeros(0, np.float32)

    def _weights(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        return class_weights(self.targets[rows], int(self.targets.max()) + 1)

    @property
    def has_values(self) -> bool:
        """Whether the targets are values of a regression, which have an offset and a scale, rather than labels."""
        return bool(np.issubdtype(self.targets.dtype, np.floating))

    def device_targets(self) -> NDArray[Any]:
        """The targets as the device has them: float64 ones less ``base``, so that float32 has digits for the rest."""
        if self.targets.dtype != np.float64:
            return np.asarray(self.targets)
        return (self.targets - self.base).astype(np.float32)

    def device_offset(self, fit: Fit) -> NDArray[np.float32]:
        """The offset of a fit's targets as the device has them, a float32 scalar."""
        return np.asarray(np.float64(fit.target_offset) - self.base, np.float32)

    @property
    def base(self) -> float:
        """What targets on the device are less by: the mean of float64 ones, else 0."""
        return float(self.targets.mean()) if self.targets.dtype == np.float64 else 0.0


def epoch_order(seed: int, epoch: int, samples: int) -> NDArray[np.int32]:
    """Order in which a fit visits its training rows in one epoch: a permutation of ``range(samples)``, int32.

    A function of seed and epoch alone, so a longer training is the continuation of a shorter one, and a training
    that was cut into chunks is the same training.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return generator.permutation(np.arange(samples, dtype=np.int32))


@dataclass(frozen=True, eq=False)
class Progress:
    """What an engine reports after each chunk of epochs.

    Attributes
    ----------
    epoch
        Epochs finished so far by the fits of the current group.
    fits_done, fits
        Fits whose training is complete, and fits in all.
    curves
        Curves so far by name, (fits, epochs) with NaN where not yet trained. A view, valid during the call.
    """

    epoch: int
    fits_done: int
    fits: int
    curves: Mapping[str, NDArray[np.float32]]


#: Called after every chunk of epochs; True ends the training of the fits now in work at that epoch.
OnChunk = Callable[[Progress], bool]


@dataclass(frozen=True, eq=False)
class Training:
    """What an engine returns.

    Attributes
    ----------
    curves
        By name, (fits, epochs) float32; NaN where a fit was stopped or its loss is not a number.
    weights
        For each fit the arrays of ``model.get_weights()`` after its last epoch; None unless asked for.
    seconds, compile_seconds
        Wall time of the whole call, and of it the time spent building and compiling.
    group_size
        Fits that ran together at the end; smaller than the number of fits after an out-of-memory answer.
    parameters
        Trainable parameters of the network.
    """

    curves: Mapping[str, NDArray[np.float32]]
    weights: tuple[tuple[NDArray[Any], ...], ...] | None
    seconds: float
    compile_seconds: float
    group_size: int
    parameters: int


class Results:
    """What the fits of one training have come to, filled in chunk by chunk.

    The attributes are those of ``Training``, the weights by fit. With ``has_penalty`` there is a curve ``penalty``.
    ``started`` is when the training began, by ``time.perf_counter``; until now the engine was building and compiling.
    """

    def __init__(self, plan: FitPlan, *, has_penalty: bool, on_chunk: OnChunk | None, started: float) -> None:
        names = (*plan.curve_names, *(("penalty",) if has_penalty else ()))
        self.curves = {name: np.full((len(plan.fits), plan.epochs), np.nan, np.float32) for name in names}
        self.weights: dict[int, tuple[NDArray[Any], ...]] = {}
        self.compile_seconds = time.perf_counter() - started
        self._plan, self._on_chunk, self._started = plan, on_chunk, started
        recorded = [name for name in self.curves if name != _EXPLAINED]
        self._recorded = [self.curves[name] for name in recorded]
        # A penalty adds up with the loss.
        kinds = ["loss" if name == "penalty" else name.removeprefix("val_") for name in recorded]
        scales = np.array([fit.target_scale for fit in plan.fits], np.float64)
        #: What turns records into units of the target, (fits, 1, quantities).
        self._units = scales[:, None, None] ** [plan.powers.get(kind, 0) for kind in kinds]

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Count the time within as spent building and compiling."""
        started = time.perf_counter()
        yield
        self.compile_seconds += time.perf_counter() - started

    def write(self, indices: Sequence[int], epochs: range, records: NDArray[np.float32]) -> None:
        """Write what these fits came to in these epochs; from its first loss that is not finite on, a fit has nothing.

        ``records`` has the shape (fits, epochs, quantities): training curves, validation curves, that with classes
        that count alike, penalty; in units of what the network is trained on, which are turned into the target's here.
        """
        records = records[:, :, : len(self._recorded)]  # a penalty of 0 is no curve
        if self._plan.powers:
            with np.errstate(over="ignore"):  # infinite, like any other loss of a training that diverges
                records = (records * self._units[indices]).astype(np.float32)
        for column, curve in enumerate(self._recorded):
            curve[np.ix_(indices, epochs)] = records[:, :, column]
        for index in indices:
            if self._plan.explained:
                errors = self.curves[f"val_{self._plan.explained}"][index, epochs.start : epochs.stop]
                targets = self._plan.targets[self._plan.fits[index].validation]
                self.curves[_EXPLAINED][index, epochs.start : epochs.stop] = explained_share(errors, targets)
            lost = ~np.isfinite(self.curves["loss"][index, : epochs.stop])
            if len(self._plan.fits[index].validation):
                lost |= ~np.isfinite(self.curves["val_loss"][index, : epochs.stop])
            if lost.any():
                for curve in self.curves.values():
                    curve[index, lost.argmax() :] = np.nan

    def are_lost(self, indices: Sequence[int], epochs: range) -> bool:
        """Whether none of these fits has a loss any more after these epochs."""
        return bool(np.isnan(self.curves["loss"][indices, epochs.stop - 1]).all())

    def erase(self, indices: Sequence[int]) -> None:
        """Forget the curves of fits that start again: they are no progress of theirs, nor of those that wait."""
        for curve in self.curves.values():
            curve[indices] = np.nan

    def report(self, epoch: int, fits_done: int) -> bool:
        """Tell the caller how far the fits in work are; whether it wants them stopped."""
        if self._on_chunk is None:
            return False
        return self._on_chunk(Progress(epoch, fits_done, len(self._plan.fits), self.curves))

    def training(self, *, group_size: int, parameters: int) -> Training:
        """What the engine returns."""
        return Training(
            curves=self.curves,
            weights=tuple(self.weights[fit] for fit in range(len(self._plan.fits))) if self.weights else None,
            seconds=time.perf_counter() - self._started,
            compile_seconds=self.compile_seconds,
            group_size=group_size,
            parameters=parameters,
        )


class OutOfMemoryError(UserError):
    """Even one fit at a time does not fit the device's memory."""


class Wishes(TypedDict, total=False):
    """What a caller may ask of an engine.

    Attributes
    ----------
    on_chunk
        Called after every chunk of epochs; returning True stops the fits in work.
    chunk_epochs
        Epochs between two calls; None lets the engine choose (a few calls a second).
    keep_weights
        Whether to return the weights after the last epoch.
    initial_weights
        For each fit the arrays for ``model.set_weights``; None draws them from each fit's seed.
    """

    on_chunk: OnChunk | None
    chunk_epochs: int | None
    keep_weights: bool
    initial_weights: Sequence[Sequence[NDArray[Any]]] | None


class Engine(Protocol):
    """A way to train all fits of a plan. Both implementations pass ``tests/contracts``."""

    name: str

    def train(self, plan: FitPlan, **wishes: Unpack[Wishes]) -> Training:
        """Train every fit of the plan.

        Raises
        ------
        OutOfMemoryError
            When one fit alone exceeds the device's memory.
        """
        ...
