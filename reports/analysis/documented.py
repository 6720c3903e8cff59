"""What the textbook found, beside what the sweep measured."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.exercises.exercise import Figure, Variant
from pipelines.overfitting.point import documented_best_epoch
from pipelines.reproduction.rows import SMOOTHED_FROM
from pipelines.tracking.trials import Curves, Trial
from reports.formatting import NONE, best_epoch_with_interval, number
from reports.report import Report

#: Figures of no curve: the weights of a linear network, and the accuracy of a guess.
_NO_CURVE = ("weight", "bias", "chance_accuracy")


@dataclass(frozen=True)
class Comparison:
    """One documented figure beside ours, as text.

    Attributes
    ----------
    variant, label
        Name of the variant, and short label of its configuration.
    quantity
        What was documented: ``validation mae after epoch 100``.
    documented, ours
        The two values; ours with the deviation between folds, or the interval of an epoch.
    note
        What else there is to know, ours and the textbook's.
    """

    variant: str
    label: str
    quantity: str
    documented: str
    ours: str
    note: str


def documented_trials(report: Report) -> tuple[tuple[Variant, Trial], ...]:
    """Each documented variant that was trained, with its trial; found by hash, for a baseline may be one, too."""
    by_hash = {trial.configuration.hash: trial for trial in report.ranked if trial.configuration}
    pairs = [(variant, by_hash.get(variant.configuration.hash)) for variant in report.sweep.documented]
    return tuple((variant, trial) for variant, trial in pairs if trial is not None)


def compare(report: Report, curves: Mapping[str, Curves]) -> tuple[Comparison, ...]:
    """Every documented figure of a variant that was trained, beside ours.

    Parameters
    ----------
    curves
        Curves by run id, as far as they could be read.
    """
    return tuple(
        _comparison(report, variant, figure, trial, curves.get(trial.run_id))
        for variant, trial in documented_trials(report)
        for figure in variant.figures
    )


def _comparison(report: Report, variant: Variant, figure: Figure, trial: Trial, curves: Curves | None) -> Comparison:
    ours, note = _ours(report, variant, figure, trial, curves)
    return Comparison(
        variant=variant.name,
        label=report.labels[trial.run_id],
        quantity=_quantity(variant, figure),
        documented=f"{figure.value:g}",
        ours=ours,
        note="; ".join(filter(None, [note, figure.note])),
    )


def _quantity(variant: Variant, figure: Figure) -> str:
    if figure.metric == "overfitting_epoch":
        return "best epoch"
    if figure.metric == "onset_epoch":
        return "onset"
    name = figure.metric.replace("_", " ")
    if figure.metric in _NO_CURVE:
        return name
    return f"{figure.split} {name} after epoch {figure.epoch or variant.epochs}"


def _ours(report: Report, variant: Variant, figure: Figure, trial: Trial, curves: Curves | None) -> tuple[str, str]:
    """Our value as text, and what must be said of it."""
    point = trial.point
    if point is None or figure.metric in _NO_CURVE:
        return NONE, ""
    if figure.metric == "overfitting_epoch":
        curve = None if curves is None else curves.get(report.sweep.monitor)
        has_estimator = curve is not None and len(curve[0]) >= SMOOTHED_FROM
        theirs = documented_best_epoch(np.asarray(curve, np.float64).mean(axis=0)) if has_estimator else None
        return best_epoch_with_interval(
            point
        ), f"the textbook's own estimator on our curves: {theirs}" if theirs else ""
    if figure.metric == "onset_epoch":
        return (NONE, "no onset") if point.onset is None else (str(point.onset), "")
    if figure.split == "test":
        return NONE, "the test rows are kept for the final model and for reproduce"
    epoch = figure.epoch or variant.epochs
    name = figure.metric if figure.split == "train" else f"val_{figure.metric}"
    curve = None if curves is None else curves.get(name)
    if curve is None or epoch > curve.shape[1] or not np.isfinite(curve[:, epoch - 1]).all():
        return NONE, "not measured"
    values = np.asarray(curve[:, epoch - 1], np.float64)
    text = number(float(values.mean()), 4)
    return (f"{text} ± {number(float(values.std(ddof=1)), 2)}" if len(values) > 1 else text), ""
