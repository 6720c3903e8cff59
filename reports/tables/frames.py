"""The tables of a sweep as pandas DataFrames, for notebooks.

>>> points = overfitting_points(run_id, "sqlite:///mlflow.db")              # doctest: +SKIP
>>> points[["configuration", "best_epoch", "onset", "best_value", "verdict"]].head(3)           # doctest: +SKIP
>>> print(latex(points[["configuration", "best_epoch", "best_value"]]))     # doctest: +SKIP
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.exercises.configurations import FIELDS, Configuration
from pipelines.exercises.settings import OWN_PREFIX
from pipelines.overfitting.point import OverfittingPoint
from pipelines.tracking.trials import Trial
from reports.analysis.by_setting import value_rows
from reports.analysis.fits import SCORES
from reports.report import Report, read_report, saved_epochs

if TYPE_CHECKING:
    import pandas as pd

#: Fields of an over-fitting point in the order of the columns, with their types.
_POINT = {
    **dict.fromkeys(("best_epoch", "best_epoch_low", "best_epoch_high"), "Int64"),
    "censored": "boolean",
    **dict.fromkeys(("onset", "onset_low", "onset_high", "one_se_epoch"), "Int64"),
    **dict.fromkeys(
        ("best_value", "sd_folds", "sd_seeds", "final_value", "gap_best", "gap_final", "severity"), "float64"
    ),
    **dict.fromkeys(("severity_low", "severity_high"), "float64"),
    **dict.fromkeys(("epochs", "folds", "repeats"), "Int64"),
}
_VALUE_ROW = {
    **dict.fromkeys(("configurations", "diverged", "median_onset", "median_best_epoch"), "Int64"),
    **dict.fromkeys(("median_severity", "median_gap_best", "median_gap_final"), "float64"),
}


def overfitting_points(sweep_run_id: str, tracking_uri: str) -> "pd.DataFrame":
    """One row a trial: its over-fitting point and its settings, the best configuration first.

    Parameters
    ----------
    sweep_run_id
        MLflow run of the sweep.
    tracking_uri
        The store, such as ``sqlite:///mlflow.db``.

    Returns
    -------
    The columns of the report's CSV file. Epochs are counted from 1 and have the type ``Int64``, missing ones (no onset,
    a diverged trial) are ``NA``; values and gaps are ``float64`` in units of the monitored metric; severities are
    shares, 0.4 for 40 %; ``epochs_saved`` is what stopping at the best epoch would save. Trials without a result come
    last, without a rank. Scores beside the monitored metric (``accuracy``, ``balanced_accuracy``, ``r2``, ``mae``) are
    means over fits at the best epoch, ``beats_guessing`` says whether the best constant prediction is surely beaten,
    each where it is known. ``attrs["monitor"]`` names the monitored metric.

    Raises
    ------
    TrackingError
        When the store does not answer, has no such run, or the run is not that of a sweep.

    Examples
    --------
    >>> points = overfitting_points(run_id, "sqlite:///mlflow.db")          # doctest: +SKIP
    >>> points[points.verdict == "overfits"].groupby("activation").onset.median()               # doctest: +SKIP
    """
    return points_frame(read_report(sweep_run_id, tracking_uri=tracking_uri))


def parameter_points(sweep_run_id: str, tracking_uri: str) -> "pd.DataFrame":
    """One row for each value (or bin of values) of each setting that varies: over-fitting at that value.

    Parameters
    ----------
    sweep_run_id, tracking_uri
        As for ``overfitting_points``.

    Returns
    -------
    ``parameter``, ``value`` (the value or bin as text), ``low`` and ``high`` (the numbers seen there); how many
    ``configurations`` have a result and how many ``diverged``; of all of them ``overfitting`` (share, 0 to 1),
    ``median_onset`` (``NA`` where fewer than half over-fit), ``median_best_epoch``, ``at_least`` (whether that median
    may lie later), ``median_severity``, ``median_gap_best``, ``median_gap_final``; of the best one its ``run_id``,
    ``best_configuration`` and over-fitting point.

    Raises
    ------
    TrackingError
        As for ``overfitting_points``.

    Examples
    --------
    >>> table = parameter_points(run_id, "sqlite:///mlflow.db")             # doctest: +SKIP
    >>> table[table.parameter == "units"].plot("high", "median_severity", logx=True)            # doctest: +SKIP
    """
    report = read_report(sweep_run_id, tracking_uri=tracking_uri)
    named = [(varied.name, row) for varied in report.varied for row in value_rows(report, varied)]
    rows = [row for _, row in named]
    points = [row.point for row in rows]
    columns = {
        "parameter": _typed([name for name, _ in named], "string"),
        "value": _typed([row.level.label for row in rows], "string"),
        "low": _typed([row.level.low for row in rows], "float64"),
        "high": _typed([row.level.high for row in rows], "float64"),
        **_fields(rows, _VALUE_ROW),
        "overfitting": _typed([row.share for row in rows], "float64"),
        "at_least": _typed([row.beyond for row in rows], "boolean"),
        "best_configuration": _typed([row.best.name if row.best else None for row in rows], "string"),
        **_fields(points, _POINT),
        "verdict": _verdicts(points),
        "run_id": _typed([row.best.run_id if row.best else None for row in rows], "string"),
    }
    return _captioned(columns, report, "Over-fitting at each value of each setting")


def learning_curves(
    sweep_run_id: str, tracking_uri: str, *, metrics: Sequence[str] | None = None, run_ids: Sequence[str] | None = None
) -> "pd.DataFrame":
    """One row for each epoch of each fit of each trial, a column for each curve.

    Parameters
    ----------
    sweep_run_id, tracking_uri
        As for ``overfitting_points``.
    metrics
        Curves that are wanted, such as ``["loss", "val_loss"]``; None for all.
    run_ids
        Trials that are wanted; None for all that have curves. Each is a file of its own to be read.

    Returns
    -------
    ``run_id``, ``configuration``, ``fit``, ``repeat``, ``fold`` (each counted from 0), ``epoch`` (from 1), then float32
    columns. Epochs that were not trained are left out.

    Raises
    ------
    TrackingError
        As for ``overfitting_points``.
    ValueError
        For a curve or a trial that the sweep does not have.

    Examples
    --------
    >>> curves = learning_curves(run_id, "sqlite:///mlflow.db", metrics=["val_loss"])           # doctest: +SKIP
    >>> curves.groupby(["configuration", "epoch"]).val_loss.agg(["mean", "std"])                # doctest: +SKIP
    """
    return curves_frame(read_report(sweep_run_id, tracking_uri=tracking_uri), metrics=metrics, run_ids=run_ids)


def curves_frame(
    report: Report, *, metrics: Sequence[str] | None = None, run_ids: Sequence[str] | None = None
) -> "pd.DataFrame":
    """``learning_curves`` of a sweep that has been read."""
    import pandas as pd

    known = {trial.run_id: trial for trial in report.sweep.trials}
    usual = next((trial.point.folds for trial in report.sweep.trials if trial.point), None)
    if unknown := [run_id for run_id in run_ids or () if run_id not in known]:
        raise ValueError(f"The sweep has no trial {unknown[0]!r}.")
    parts = []
    available: set[str] = set()
    for run_id in known if run_ids is None else run_ids:
        trial, curves = known[run_id], report.curves.get(run_id)
        if not curves:
            continue
        available |= set(curves)
        fits, epochs = next(iter(curves.values())).shape
        folds = trial.point.folds if trial.point else usual or fits
        fit = np.repeat(np.arange(fits), epochs)
        part = pd.DataFrame(
            {
                "run_id": _typed([run_id] * (fits * epochs), "string"),
                "configuration": _typed([trial.name] * (fits * epochs), "string"),
                "fit": fit,
                "repeat": fit // folds,
                "fold": fit % folds,
                "epoch": np.tile(np.arange(1, epochs + 1), fits),
                **{name: curve.reshape(-1) for name, curve in curves.items() if metrics is None or name in metrics},
            }
        )
        parts.append(part.dropna(how="all", subset=list(part.columns[6:])))
    if missing := [name for name in metrics or () if parts and name not in available]:
        raise ValueError(f"The sweep has no curve {missing[0]!r}; it has {', '.join(sorted(available))}.")
    labels = ["run_id", "configuration", "fit", "repeat", "fold", "epoch"]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=labels)
    return _captioned(frame, report, "Learning curves")


def points_frame(report: Report) -> "pd.DataFrame":
    """``overfitting_points`` of a report that has been read."""
    trials = (*report.ranked, *report.others)
    points = [trial.point for trial in trials]
    columns = {
        "rank": _typed([report.ranks.get(trial.run_id) for trial in trials], "Int64"),
        "configuration": _typed([trial.name for trial in trials], "string"),
        "origin": _typed([trial.origin for trial in trials], "string"),
        "status": _typed([trial.status.lower() for trial in trials], "string"),
        "verdict": _verdicts(points),
        **_fields(points, _POINT),
        "epochs_saved": _typed([saved_epochs(point) if point else None for point in points], "Int64"),
        **_beside(trials),
        "parameters": _typed([trial.parameters for trial in trials], "Int64"),
        "seconds": _typed([trial.seconds for trial in trials], "float64"),
        **{
            name: _settings(trials, name, getattr(Configuration, name))
            for name in (() if report.read_from_logs else FIELDS)
        },
        **_arguments(trials),
        "reason": _typed([trial.reason for trial in trials], "string"),
        "run_id": _typed([trial.run_id for trial in trials], "string"),
    }
    return _captioned(columns, report, "Over-fitting points")


def _fields(rows: Sequence[object], kinds: Mapping[str, str]) -> dict[str, Any]:
    """Attributes of rows as columns; missing where a row is None."""
    return {
        name: _typed([None if row is None else getattr(row, name) for row in rows], kind)
        for name, kind in kinds.items()
    }


def _beside(trials: Sequence[Trial]) -> dict[str, Any]:
    """Scores at the best epoch, and whether guessing is surely beaten; without columns in which nothing is known."""
    names = [name.removeprefix("val_") for name in SCORES]
    columns = {name: _typed([trial.validation.get(name) for trial in trials], "float64") for name in names}
    columns["beats_guessing"] = _typed([trial.beats_guessing for trial in trials], "boolean")
    return {name: column for name, column in columns.items() if column.notna().any()}


def _verdicts(points: Sequence[OverfittingPoint | None]) -> Any:
    return _typed([str(point.verdict) if point else None for point in points], "string")


def _settings(trials: Sequence[Trial], name: str, default: object) -> Any:
    def value(configuration: Configuration) -> Any:
        return configuration.layers_text if name == "layers" else configuration.value(name)

    kind = "boolean" if isinstance(default, bool) else {int: "Int64", float: "float64"}.get(type(default), "string")
    return _typed([value(trial.configuration) if trial.configuration else None for trial in trials], kind)


def _arguments(trials: Sequence[Trial]) -> dict[str, Any]:
    """The function of a user's own network, and its arguments; no columns where there is none."""
    found = [trial.configuration for trial in trials if trial.configuration and trial.configuration.network]
    names = dict.fromkeys(OWN_PREFIX + name for configuration in found for name, _ in configuration.own)
    kinds = {name: next(filter(None, (c.value(name) for c in found)), "") for name in names}
    return {name: _settings(trials, name, kinds.get(name, "")) for name in (["network", *names] if found else [])}


def _typed(values: Sequence[object], kind: Any) -> Any:
    import pandas as pd

    missing = np.nan if kind == "float64" else pd.NA
    return pd.Series([missing if value is None else value for value in values], dtype=kind)


def _captioned(content: "dict[str, Any] | pd.DataFrame", report: Report, title: str) -> "pd.DataFrame":
    import pandas as pd

    frame, monitor = pd.DataFrame(content), report.sweep.monitor
    frame.attrs["monitor"] = monitor
    frame.attrs["caption"] = f"{title}: {report.title}" + (f", judged on {monitor}" if monitor else "")
    return frame
