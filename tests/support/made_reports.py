"""Reports made by hand: sweeps with known effects, without a store."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pipelines.exercises.configurations import Configuration
from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.sweeps import Sweep, SweepRecord, plain_text
from pipelines.tracking.trials import Curves, Trial
from reports.report import Report, make_report

FOLDS, REPEATS, EPOCHS = 4, 2, 100
#: An exercise as ``sweep.json`` has it, that says as little as it may.
WHOLE_EXERCISE: dict[str, Any] = {
    "name": "made",
    "title": "",
    "dataset": {"source": "file", "name": "made"},
    "task": "regression",
    "monitor": "val_loss",
    "baseline": {},
    "space": {"parameters": []},
    "folds": FOLDS,
    "repeats": REPEATS,
    "epochs": EPOCHS,
    "validation": "kfold",
    "holdout": "0.2",
    "documented": [],
    "path": "made.yaml",
}
SPLITS: list[dict[str, int]] = [
    {"repeat": r, "fold": f, "training": 300, "validation": 100} for r in range(REPEATS) for f in range(FOLDS)
]


def made_point(value: float = 1.0, **changes: Any) -> OverfittingPoint:
    """A point of an over-fitting configuration; ``onset=None`` alone makes it a plateau."""
    onset = changes.get("onset", 60)
    point = OverfittingPoint(
        verdict=Verdict.OVERFITS if onset is not None else Verdict.PLATEAU,
        best_epoch=40,
        best_epoch_low=30,
        best_epoch_high=50,
        censored=False,
        onset=onset,
        one_se_epoch=20,
        best_value=value,
        sd_folds=0.1,
        sd_seeds=0.02,
        final_value=1.2 * value,
        gap_best=0.2,
        gap_final=0.5,
        severity=0.2,
        epochs=EPOCHS,
        fits=FOLDS * REPEATS,
        folds=FOLDS,
        repeats=REPEATS,
    )
    return replace(point, **changes)


def made_record(details: Mapping[str, Any]) -> SweepRecord:
    """What ``sweep.json`` says where it has these parts; an exercise and its axes need not be whole."""
    content = dict(details)
    if "exercise" in details:
        exercise = WHOLE_EXERCISE | details["exercise"]
        axes = [
            {"kind": "categorical" if axis["choices"] else "int"} | axis for axis in exercise["space"]["parameters"]
        ]
        content["exercise"] = exercise | {"space": {"parameters": axes}}
    return SweepRecord.from_json(json.loads(plain_text(content)))


def made_trial(configuration: Configuration, point: OverfittingPoint | None, number: int = 0, **changes: Any) -> Trial:
    """A finished trial; a diverged or missing point makes it a failed one."""
    failed = point is None or point.best_value is None
    trial = Trial(
        run_id=f"run{number}",
        status="FAILED" if failed else "FINISHED",
        configuration=configuration.canonical(),
        name=configuration.canonical().label,
        origin="tuner",
        point=point,
        seconds=1.0,
        parameters=1000,
        reason="",
        artifacts="",
    )
    return replace(trial, **changes)


def made_report(
    pairs: Sequence[tuple[Configuration, OverfittingPoint | None]],
    *,
    monitor: str = "val_loss",
    details: Mapping[str, Any] | None = None,
    curves: Mapping[str, Curves] | None = None,
) -> Report:
    """A report of configurations with their points, in the order of a sweep; their run ids are run0, run1, ..."""
    trials = tuple(made_trial(configuration, point, number) for number, (configuration, point) in enumerate(pairs))
    sweep = Sweep(
        run_id="sweep",
        uri="",
        status="FINISHED",
        exercise="made",
        tuner="optuna:tpe",
        backend="jax",
        identity="0" * 16,
        data_sha256="",
        commit="",
        monitor=monitor,
        started=datetime(2025, 1, 1, tzinfo=UTC),
        ended=None,
        record=made_record({"splits": SPLITS} if details is None else details),
        trials=trials,
    )
    return make_report(sweep, curves)


DIVERGED = made_point(
    verdict=Verdict.DIVERGED,
    onset=None,
    **dict.fromkeys(
        "best_epoch best_epoch_low best_epoch_high one_se_epoch best_value sd_folds sd_seeds final_value gap_best "
        "gap_final severity".split()
    ),
)
