"""What figures say of a trial under the pointer, and of a trend in their alternative texts."""

from collections.abc import Sequence

import numpy as np

from pipelines.tracking.trials import Trial
from pipelines.words import counted
from reports.charts.chart import Hover
from reports.formatting import best_epoch, interval, number, percent, seconds, signed
from reports.report import Report, point_of

#: With fewer trials no trend is claimed.
LEAST_FOR_A_TREND = 6


def trial_hover(report: Report, trial: Trial, *more: str) -> Hover:
    """A trial in a few lines: its name, what else is asked for, verdict and epochs, value, cost."""
    point = point_of(trial)
    of_interval = interval(point)
    epochs = f"best epoch {best_epoch(point)}" + (f", 95 % interval {of_interval}" if of_interval else "")
    deviation = [
        f"± {number(deviation, 2)} between {what}"
        for deviation, what in ((point.sd_folds, "folds"), (point.sd_seeds, "seeds"))
        if deviation is not None
    ]
    ends = "" if point.severity is None else f", ends at {percent(point.severity)}"
    return tuple(
        line
        for line in (
            report.labels[trial.run_id],
            *more,
            f"{point.verdict}: {epochs}",
            "" if point.onset is None else f"over-fits from epoch {point.onset} of {point.epochs}",
            f"{report.value_name} {number(point.best_value)}{ends}",
            ", ".join(deviation),
            "" if point.gap_best is None else f"gap {signed(point.gap_best)} at best, {signed(point.gap_final)} at end",
            ", ".join(
                filter(
                    None,
                    [
                        "" if trial.parameters is None else counted(trial.parameters, "weight"),
                        "" if trial.seconds is None else seconds(trial.seconds),
                    ],
                )
            ),
            _support(trial),
        )
        if line
    )


def configured(report: Report) -> list[Trial]:
    """Ranked trials whose configuration is known; empty where there is nothing to compare."""
    found = [trial for trial in report.ranked if trial.configuration is not None]
    return found if len(found) > 1 else []


def trend(places: Sequence[float | None], values: Sequence[float | None]) -> float:
    """Spearman's rank correlation of two rows of numbers where it is surely not zero (p < 0.05), else 0."""
    pairs = np.array(
        [(place, value) for place, value in zip(places, values, strict=True) if place is not None and value is not None]
    )
    if len(pairs) < LEAST_FOR_A_TREND or (pairs.min(axis=0) == pairs.max(axis=0)).any():
        return 0.0
    from scipy.stats import spearmanr

    found = spearmanr(pairs[:, 0], pairs[:, 1])
    return float(found.statistic) if found.pvalue < 0.05 else 0.0


def _support(trial: Trial) -> str:
    point = point_of(trial)
    return f"{counted(point.folds, 'fold')} x {counted(point.repeats, 'seed')}"
