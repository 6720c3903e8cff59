"""Sweeps as they are read from the store, made without one, for tests of figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from pipelines.exercises.configurations import Configuration
from pipelines.overfitting.point import OverfittingPoint, Verdict, analyse
from pipelines.tracking.sweeps import Sweep
from pipelines.tracking.trials import Curves, Trial
from reports.report import Report, make_report
from tests.support.curves import Noise, make_curves
from tests.support.made_reports import made_record

MONITOR = "val_loss"
LINK = '<a href="http://example.org">link</a>'
EVIL = f"{LINK} <b>bold</b> </script><script>alert(1)</script> %{{x}} $x^2$ @overfits & \u2028"

POINT = OverfittingPoint(
    verdict=Verdict.OVERFITS,
    best_epoch=6,
    best_epoch_low=4,
    best_epoch_high=8,
    censored=False,
    onset=9,
    one_se_epoch=5,
    best_value=0.5,
    sd_folds=0.02,
    sd_seeds=0.01,
    final_value=0.6,
    gap_best=0.1,
    gap_final=0.3,
    severity=0.2,
    epochs=10,
    fits=4,
    folds=2,
    repeats=2,
)
OPEN = replace(
    POINT,
    verdict=Verdict.STILL_IMPROVING,
    best_epoch=10,
    best_epoch_low=9,
    best_epoch_high=10,
    censored=True,
    onset=None,
    best_value=0.7,
    severity=0.0,
    gap_best=0.02,
    gap_final=0.02,
)
FLAT = replace(
    POINT, verdict=Verdict.PLATEAU, best_epoch=3, best_epoch_high=7, onset=None, best_value=0.6, severity=0.01
)


@dataclass(frozen=True)
class Made:
    """A trial to be."""

    configuration: Configuration
    point: OverfittingPoint | None = POINT
    seconds: float | None = 2.0
    parameters: int | None = 1000
    origin: str = "tuner"
    status: str = "FINISHED"
    name: str = ""


def made_report(trials: Sequence[Made], *, title: str = "Made") -> Report:
    """A report on trials whose run ids are ``run1``, ``run2``, ..."""
    return make_report(
        Sweep(
            run_id="sweep",
            uri="",
            status="FINISHED",
            exercise="made",
            tuner="optuna:tpe",
            backend="jax",
            identity="",
            data_sha256="",
            commit="",
            monitor=MONITOR,
            started=datetime(2025, 1, 1, tzinfo=UTC),
            ended=None,
            record=made_record({"exercise": {"title": title}}),
            trials=tuple(
                Trial(
                    run_id=f"run{number}",
                    status=made.status,
                    configuration=made.configuration,
                    name=made.name or made.configuration.label,
                    origin=made.origin,
                    point=made.point,
                    seconds=made.seconds,
                    parameters=made.parameters,
                    reason="",
                    artifacts="",
                )
                for number, made in enumerate(trials, start=1)
            ),
        )
    )


def searched(
    count: int, *, folds: int = 4, repeats: int = 3, epochs: int = 20, draws: int = 40, name: str = ""
) -> Report:
    """A report whose curves resemble a real search: wide networks over-fit early, slow ones do not within the time.

    Parameters
    ----------
    name
        Put before each configuration's label but the last: what all labels have in common is left out of a report.
    """
    rng = np.random.default_rng(7)
    trials: list[Made] = []
    curves: dict[str, Curves] = {}
    for index in range(count):
        documented = index < 3
        depth = [2, 2, 0][index] if documented else int(rng.integers(0, 4))
        units = 64 if documented else int(2 ** rng.uniform(2, 9))
        configuration = Configuration(
            layers=(units,) * depth,
            activation="relu" if documented else str(rng.choice(["relu", "tanh"])),
            optimizer="rmsprop" if documented else str(rng.choice(["sgd", "rmsprop", "adam"])),
            learning_rate=[0.001, 0.01, 0.001][index] if documented else float(10 ** rng.uniform(-4, -1)),
            batch_size=512 if documented else int(rng.choice([128, 256, 512])),
            dropout=0.0 if documented else round(float(rng.uniform(0, 0.6)), 3),
            l2=0.0 if documented else float(rng.choice([0.0, 1e-4, 1e-3])),
            train_fraction=1.0 if documented else float(rng.choice([0.1, 0.5, 1.0])),
        ).canonical()
        speed = np.log10(configuration.learning_rate * 1e4) * (1 + np.log2(units) / 9) * (1 if depth else 0.3)
        kind = "improving" if speed < 0.8 else "plateau" if speed < 1.3 else "overfits"
        noise = Noise(deviation=0.012, shared=0.2, offset=0.05, tilt=0.03)
        validation, training = make_curves(
            kind, folds=folds, repeats=repeats, epochs=epochs * 3, noise=noise, seed=index
        )
        pace = max(1, min(3, round(speed)))
        level = 0.4 + 0.3 * abs(speed - 2) + (1 - configuration.train_fraction) * 0.5
        validation = validation[:, pace - 1 :: pace][:, :epochs] + level
        training = training[:, pace - 1 :: pace][:, :epochs] + 0.6 * level
        arrays = {MONITOR: validation.astype(np.float32), "loss": training.astype(np.float32)}
        point = analyse(
            arrays[MONITOR],
            arrays["loss"],
            folds=folds,
            repeats=repeats,
            validation_ratio=1 / (folds - 1),
            draws=draws,
        )
        parameters = 10_000 * (units if depth else 46) + units * units * max(0, depth - 1)
        origin = ["baseline", "documented: wide", "documented: no hidden layer"][index] if documented else "tuner"
        trials.append(
            Made(
                configuration,
                point,
                seconds=3 + parameters / 1e5 * 512 / configuration.batch_size,
                parameters=parameters,
                origin=origin,
                name=f"{name if index < count - 1 else ''}{configuration.label}",
            )
        )
        curves[f"run{index + 1}"] = arrays
    return replace(made_report(trials, title=name or "Made"), curves=curves)
