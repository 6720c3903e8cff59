"""One record of a trial, and the one place that knows its stored form: params, metrics, tags and a Parquet file.

``trial_params``, ``trial_metrics``, ``trial_tags`` and ``write_curves`` are the way out; ``trial_of`` and
``read_curves`` the way back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.exercises.configurations import Configuration
from pipelines.overfitting.point import OverfittingPoint, Verdict, is_censored
from pipelines.tracking import names

if TYPE_CHECKING:
    from mlflow.entities import Run

#: How a run ended, in MLflow's words: well, without a result, cut off from outside; or not yet.
FINISHED, FAILED, KILLED, RUNNING = "FINISHED", "FAILED", "KILLED", "RUNNING"
#: The store grows fast and a chart shows no more; ``curves.parquet`` has every epoch.
MAX_POINTS_A_CURVE = 100

Curves = Mapping[str, NDArray[np.float32]]

#: Field of an over-fitting point -> its metric and what kind of number it is. The verdict is a tag, folds and repeats
#: are parameters of the trial, and what follows from these (``fits``, ``censored``) is not stored.
POINT_METRICS: Mapping[str, tuple[str, type[int] | type[float]]] = {
    "best_epoch": (names.BEST_EPOCH, int),
    "best_epoch_low": (names.BEST_EPOCH_LOW, int),
    "best_epoch_high": (names.BEST_EPOCH_HIGH, int),
    "onset": (names.ONSET_EPOCH, int),
    "onset_low": (names.ONSET_LOW, int),
    "onset_high": (names.ONSET_HIGH, int),
    "one_se_epoch": (names.ONE_SE_EPOCH, int),
    "best_value": (names.BEST_VALUE, float),
    "sd_folds": (names.BEST_SD_FOLDS, float),
    "sd_seeds": (names.BEST_SD_SEEDS, float),
    "final_value": (names.FINAL_VALUE, float),
    "gap_best": (names.GAP_BEST, float),
    "gap_final": (names.GAP_FINAL, float),
    "severity": (names.SEVERITY, float),
    "severity_low": (names.SEVERITY_LOW, float),
    "severity_high": (names.SEVERITY_HIGH, float),
    "epochs": (names.EPOCHS_TRAINED, int),
    "diverged_fits": (names.DIVERGED_FITS, int),
    "diverged_epoch": (names.DIVERGED_EPOCH, int),
}


@dataclass(frozen=True)
class FitLabel:
    """Which fold and which repeat a fit is, and its seed."""

    repeat: int
    fold: int
    seed: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """Everything that is recorded of one trial, or of a training of a reproduction.

    Attributes
    ----------
    configuration
        What was trained; None where a run ended before its parameters were written.
    origin
        Who asked for it: ``baseline``, ``documented: <variant>`` or ``tuner``.
    status
        How it ended: ``FINISHED``, ``FAILED``, ``KILLED``; or that it is still ``RUNNING``.
    reason
        Why it failed (diverged, out of memory, an exception) or ended early (stopped by the tuner); empty otherwise.
    epochs, folds, repeats
        As asked for; 0 where not recorded.
    point
        The over-fitting point; None where there are no curves to judge.
    seconds, training_seconds, compile_seconds
        Wall time of the trial, of that the training, and of that the time spent building and compiling; the first is
        None where not recorded.
    parameters
        Number of trainable parameters of the network; None where it was never built.
    measured
        Of a training of a reproduction: figures that are no curves, by name a value a seed.
    fits
        One label a fit, repeat-major. This and ``curves`` are empty in a trial that is read back: they lie in a file.
    curves
        By name, (fits, epochs) float32, NaN where not trained; empty where the trial failed before its first epoch.
    run_id, name, artifacts
        Of one that is read back: its MLflow run, the label of its configuration (else the name of the run), and where
        its files are.
    validation
        The mean of every validation curve at the best epoch, by name without ``val_``.
    beats_guessing
        Whether it is surely better than guessing; None where that is not known.
    judged_today
        Of one that is read back: whether its point was found by today's rules.
    intact
        Of one that is read back: whether it can be relied on, that is, it has this schema and all its parameters, and
        these still give the hash that they were stored with (the meaning of a setting has not changed since).
    """

    configuration: Configuration | None
    origin: str = "tuner"
    status: str = FINISHED
    reason: str = ""
    epochs: int = 0
    folds: int = 0
    repeats: int = 0
    point: OverfittingPoint | None = None
    seconds: float | None = None
    training_seconds: float = 0.0
    compile_seconds: float = 0.0
    parameters: int | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    fits: tuple[FitLabel, ...] = ()
    curves: Curves = field(default_factory=dict)
    run_id: str = ""
    name: str = ""
    artifacts: str = ""
    validation: Mapping[str, float] = field(default_factory=dict)
    beats_guessing: bool | None = None
    judged_today: bool = True
    intact: bool = True

    @property
    def has_result(self) -> bool:
        """Whether it has a best epoch to compare."""
        return self.status == FINISHED and self.value is not None

    @property
    def value(self) -> float | None:
        """Objective: the monitored metric at the best epoch; None without one."""
        return self.point.best_value if self.point else None

    @property
    def diverged(self) -> bool:
        """Whether it has no result because its training diverged."""
        return self.point is not None and self.point.verdict is Verdict.DIVERGED


def trial_params(trial: Trial) -> dict[str, str]:
    """Parameters of a trial's run."""
    sizes = {names.PARAM_EPOCHS: trial.epochs, names.PARAM_FOLDS: trial.folds, names.PARAM_REPEATS: trial.repeats}
    settings = trial.configuration.parameters() if trial.configuration else {}
    return {key: str(value) for key, value in (settings | sizes).items()}


def trial_tags(trial: Trial) -> dict[str, str]:
    """Tags of a trial's run that are known in the end."""
    tags = {names.TAG_REASON: trial.reason[: names.MAX_REASON]} if trial.reason else {}
    if trial.point is None:
        return tags
    if trial.beats_guessing is not None:
        tags[names.TAG_GUESSING] = names.BETTER if trial.beats_guessing else names.NO_BETTER
    return tags | {names.TAG_VERDICT: str(trial.point.verdict), names.TAG_JUDGING: names.JUDGING}


def trial_metrics(trial: Trial) -> list[tuple[str, float, int]]:
    """All metrics of a trial's run as (name, value, step); scalars at step 0, a curve's points at their epoch.

    Values that are not finite are left out: MLflow would store infinity as 1.8e308.
    """
    metrics = [(name, value, 0) for name, value in _scalars(trial).items() if value is not None]
    if trial.curves:
        metrics += _points(trial)
    return [(name, float(value), step) for name, value, step in metrics if math.isfinite(value)]


def trial_of(run: Run) -> Trial:
    """The trial that a run holds, without its curves; what is not recorded, or cannot be read, is left out."""
    params, tags, metrics = run.data.params, run.data.tags, run.data.metrics
    try:
        configuration = Configuration.from_parameters(params) if {"layers", "network"} & set(params) else None
    except ValueError:
        configuration = None
    try:
        sizes = (names.PARAM_EPOCHS, names.PARAM_FOLDS, names.PARAM_REPEATS)
        epochs, folds, repeats = (int(params[size]) for size in sizes)
    except (KeyError, ValueError):
        epochs = folds = repeats = 0
    prefix = names.BEST_OF.format("val_")
    return Trial(
        configuration=configuration,
        origin=tags.get(names.TAG_ORIGIN, ""),
        status=run.info.status,
        reason=" ".join(tags.get(names.TAG_REASON, "").split()),
        epochs=epochs,
        folds=folds,
        repeats=repeats,
        point=point_of_metrics(metrics, tags.get(names.TAG_VERDICT, ""), folds, repeats),
        seconds=metrics.get(names.SECONDS_TOTAL),
        training_seconds=metrics.get(names.SECONDS_TRAINING, 0.0),
        compile_seconds=metrics.get(names.SECONDS_COMPILE, 0.0),
        parameters=round(metrics[names.MODEL_PARAMETERS]) if names.MODEL_PARAMETERS in metrics else None,
        run_id=run.info.run_id,
        name=configuration.label if configuration else tags.get(names.TAG_RUN_NAME, run.info.run_id),
        artifacts=run.info.artifact_uri,
        validation={name.removeprefix(prefix): metrics[name] for name in metrics if name.startswith(prefix)},
        beats_guessing={names.BETTER: True, names.NO_BETTER: False}.get(tags.get(names.TAG_GUESSING, "")),
        judged_today=tags.get(names.TAG_JUDGING) == names.JUDGING,
        intact=(
            epochs > 0
            and configuration is not None
            and tags.get(names.TAG_CONFIGURATION) == configuration.hash
            and tags.get(names.TAG_SCHEMA) == names.SCHEMA
        ),
    )


def point_of_metrics(metrics: Mapping[str, float], verdict: str, folds: int, repeats: int) -> OverfittingPoint | None:
    """The over-fitting point that the metrics of a trial's run hold; None where it is not all there."""
    found: dict[str, Any] = {
        name: None if metric not in metrics else round(metrics[metric]) if kind is int else metrics[metric]
        for name, (metric, kind) in POINT_METRICS.items()
    }
    best, epochs = found["best_epoch"], found["epochs"]
    if verdict not in list(Verdict) or not folds or epochs is None:
        return None
    if verdict != Verdict.DIVERGED and (best is None or found["best_value"] is None):
        return None
    censored = best is not None and is_censored(best, found["best_epoch_high"], found["onset"], epochs)
    found["diverged_fits"] = found["diverged_fits"] or 0
    return OverfittingPoint(
        verdict=Verdict(verdict), censored=censored, fits=folds * repeats, folds=folds, repeats=repeats, **found
    )


def write_curves(trial: Trial, path: Path) -> None:
    """Write all curves of a trial: a row a fit and epoch; repeat, fold, seed, epoch, then a float32 column a curve."""
    import pyarrow
    from pyarrow import parquet

    fits, epochs = next(iter(trial.curves.values())).shape
    kinds = {"repeat": np.int32, "fold": np.int32, "seed": np.int64}
    labels = {of: np.repeat(np.array([getattr(fit, of) for fit in trial.fits], kinds[of]), epochs) for of in kinds}
    labels["epoch"] = np.tile(np.arange(1, epochs + 1, dtype=np.int32), fits)
    columns = {name: np.asarray(curve, np.float32).reshape(-1) for name, curve in trial.curves.items()}
    parquet.write_table(pyarrow.table(labels | columns), path)


def read_curves(path: Path) -> dict[str, NDArray[np.float32]]:
    """The curves that ``write_curves`` wrote, by name, each (fits, epochs); ``KeyError`` without labels of the fits."""
    from pyarrow import parquet

    table = parquet.read_table(path)
    epochs = int(table["epoch"].to_numpy().max())
    curves = table.drop_columns(["repeat", "fold", "seed", "epoch"])
    return {name: curves[name].to_numpy().reshape(-1, epochs) for name in curves.column_names}


def thinned(epochs: int, best: int | None) -> list[int]:
    """At most 100 of the epochs 1 to ``epochs``: evenly spread, always the first, the last and the best.

    >>> thinned(3, 2)
    [1, 2, 3]
    """
    if epochs <= MAX_POINTS_A_CURVE:
        return list(range(1, epochs + 1))
    even = {round(epoch) for epoch in np.linspace(1, epochs, MAX_POINTS_A_CURVE - 1)}
    return sorted(even | ({best} if best and 1 <= best <= epochs else set()))


def epochs_trained(curves: Curves) -> int:
    """The last epoch at which any fit has a value; 0 without curves."""
    trained = [np.flatnonzero(~np.isnan(curve).all(axis=0)) for curve in curves.values()]
    return max((int(columns[-1]) + 1 for columns in trained if len(columns)), default=0)


def _started(curve: NDArray[np.float32]) -> NDArray[np.float64]:
    """The fits that were trained at all, (fits, epochs); the mean ends where the first of them has no value."""
    rows = np.asarray(curve, np.float64)
    return rows[~np.isnan(rows).all(axis=1)]


def _scalars(trial: Trial) -> dict[str, float | None]:
    point = trial.point
    scalars: dict[str, float | None] = {}
    if point is not None:
        scalars |= {metric: getattr(point, name) for name, (metric, _) in POINT_METRICS.items()}
        scalars[names.DIVERGED_FITS] = point.diverged_fits or None
    scalars |= {
        names.SECONDS_TOTAL: trial.seconds,
        names.SECONDS_TRAINING: trial.training_seconds,
        names.SECONDS_COMPILE: trial.compile_seconds,
        names.MODEL_PARAMETERS: trial.parameters or None,
        names.EPOCHS_TRAINED: epochs_trained(trial.curves),  # the curves' own count, and that of the point in one
    }
    shown: dict[str, float | None] = {name: trial.validation[name] for name in names.SCORES if name in trial.validation}
    if point is not None:
        shown |= {"value": point.best_value, "severity": point.severity}
    return (
        scalars
        | {names.BEST_OF.format(f"val_{name}"): value for name, value in trial.validation.items()}
        | {names.ROUNDED_OF.format(name): float(f"{value:.4g}") for name, value in shown.items() if value is not None}
    )


def _points(trial: Trial) -> Iterator[tuple[str, float, int]]:
    best = trial.point.best_epoch if trial.point else None
    epochs = thinned(epochs_trained(trial.curves), best)
    columns = np.array(epochs, dtype=int) - 1
    folds = np.array([fit.fold for fit in trial.fits])
    for name, curve in trial.curves.items():
        rows = _started(curve)
        lines = {}
        if len(rows):
            lines[names.MEAN_OF.format(name)] = rows.mean(axis=0)
        if len(rows) > 1:
            with np.errstate(invalid="ignore"):  # infinity less infinity, in a trial that diverged
                lines[names.SD_OF.format(name)] = rows.std(axis=0, ddof=1)
        if name.startswith("val_"):
            for fold in range(trial.folds):
                if len(of_fold := _started(curve[folds == fold])):
                    lines[names.FOLD_OF.format(name, fold)] = of_fold.mean(axis=0)
        for metric, line in lines.items():
            yield from zip([metric] * len(epochs), line[columns].tolist(), epochs, strict=True)
