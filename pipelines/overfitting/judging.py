"""What a sweep makes of a trial's curves: the monitored curve, the objective, and the over-fitting point."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.folds import Split
from pipelines.overfitting.point import OverfittingPoint, Verdict, analyse
from pipelines.overfitting.statistics import best_for_others, find_onset, read_at, smooth

#: Level of the onset's test while a trial trains. With that of a finished one, .95, twenty looks at curves that do not
#: over-fit stop a tenth of them and more.
ONSET_LEVEL_OF_MANY = 0.99

#: By name, (fits, epochs), NaN where not trained.
Curves = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Judge:
    """Judges all trials of a sweep by one validation curve, named by ``monitor``.

    The fits of a trial are ``folds`` x ``repeats``, repeat-major; ``validation_ratio`` is validation rows over training
    rows of a fit.
    """

    monitor: str
    folds: int
    repeats: int
    validation_ratio: float

    @classmethod
    def of(cls, splits: Sequence[Split], monitor: str) -> "Judge":
        """The judge of a sweep over these splits."""
        folds = 1 + max(split.fold for split in splits)
        ratio = float(np.mean([len(split.validation) / len(split.train) for split in splits]))
        return cls(monitor, folds, len(splits) // folds, ratio)

    def point(self, curves: Curves, trained: int | None) -> OverfittingPoint:
        """The over-fitting point of a trial's curves; for ``trained`` see ``analyse``."""
        return analyse(
            curves[self.monitor],
            curves[self.monitor.removeprefix("val_")],
            folds=self.folds,
            repeats=self.repeats,
            validation_ratio=self.validation_ratio,
            trained=trained,
        )

    def onset_so_far(self, curves: Curves) -> int | None:
        """The onset in a training that is still going on, where it is so sure that many looks at it do no harm."""
        monitored = self.monitored(curves)
        if monitored is None or monitored.shape != curves[self.monitor].shape:
            return None
        smoothed = smooth(monitored)
        return find_onset(
            smoothed, self.validation_ratio, curves=monitored, repeats=self.repeats, level=ONSET_LEVEL_OF_MANY
        )

    def monitored(self, curves: Curves) -> NDArray[np.float64] | None:
        """The monitored curve of each fit, (fits, epochs), to the last epoch that all have; None where none."""
        monitored = np.asarray(curves[self.monitor], np.float64)
        finite = np.atleast_1d(np.isfinite(monitored).all(axis=0))
        trained = len(finite) if finite.all() else int(finite.argmin())
        return monitored[:, :trained] if trained else None

    def validation(self, curves: Curves) -> dict[str, float]:
        """Mean over fits of every validation curve at the best epoch, by name without ``val_``; empty without one.

        Each fit is read where its monitored value is, at the epoch that is best for the others.
        """
        monitored = self.monitored(curves)
        if monitored is None:
            return {}
        best = best_for_others(smooth(monitored), self.repeats)
        found = {name: read_at(curve, best) for name, curve in curves.items() if name.startswith("val_")}
        return {name.removeprefix("val_"): float(np.mean(of, dtype=np.float64)) for name, of in found.items()}


def objective(curves: NDArray[np.floating[Any]] | None, epochs: int | None = None, *, repeats: int = 1) -> float | None:
    """What a tuner is told: the value at the best epoch, each fit read at that of the others; see ``best_value``.

    ``curves`` are the monitored ones, (fits, epochs), None where the trial has no result; of these the first
    ``epochs`` count, or all.
    """
    if curves is None:
        return None
    within = np.asarray(curves[:, :epochs], np.float64)
    return float(read_at(within, best_for_others(smooth(within), repeats)).mean())


@dataclass
class Tally:
    """What the trials of a sweep came to, for the numbers of the sweep's own run."""

    verdicts: Counter[str] = field(default_factory=Counter)
    best: tuple[float, float] | None = None

    def add_point(self, point: OverfittingPoint | None) -> None:
        """A trial by its over-fitting point; None where it failed."""
        self.verdicts[point.verdict if point else "failed"] += 1
        if point is None or point.best_value is None or point.best_epoch is None:
            return
        if self.best is None or point.best_value < self.best[0]:
            self.best = (point.best_value, point.best_epoch)

    def metrics(self) -> dict[str, float]:
        """By name: ``sweep/trials``, ``sweep/best_value``, ``sweep/best_epoch``, and ``sweep/<verdict>`` for each."""
        found = {"sweep/trials": float(self.verdicts.total())}
        if self.best is not None:
            found |= {"sweep/best_value": self.best[0], "sweep/best_epoch": self.best[1]}
        names = [*map(str, Verdict), "failed"]
        return found | {f"sweep/{name.replace(' ', '_')}": float(self.verdicts[name]) for name in names}
