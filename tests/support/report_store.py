"""A tracking store with made curves, written by the tracking package itself, and a reader of pages, for tests."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pipelines.datasets.base import Dataset, Task
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import Figure, Variant
from pipelines.overfitting.point import analyse
from pipelines.tracking.recording import open_sweep
from pipelines.tracking.sweeps import SweepDescription
from pipelines.tracking.trials import FitLabel, Trial
from reports import terminal_table
from tests.support.curves import Noise, make_curves
from tests.support.made_reports import made_record
from tests.support.stores import empty_store

MONITOR = "val_mae"
EVIL = "<script>alert('x')</script> | **bold**"
BASE = Configuration(layers=(64, 64), loss="mse", optimizer="rmsprop", normalisation="standardise")
WIDE = replace(BASE, layers=(512,), activation="tanh")
LINEAR = replace(BASE, layers=())
FAILED = replace(BASE, layers=(4096,))
VOID = ("meta", "line", "circle", "path", "rect", "polyline", "polygon", "br", "link", "img", "input", "source")


@dataclass(frozen=True)
class MadeTrial:
    """A trial to be put into a store: curves of one kind, or a failure."""

    configuration: Configuration
    kind: str = "overfits"
    origin: str = "tuner"
    level: float = 0.0
    failure: str = ""
    diverges: bool = False


def fill_store(
    uri: str,
    trials: Sequence[MadeTrial],
    *,
    folds: int = 4,
    repeats: int = 2,
    epochs: int = 60,
    title: str = "Made curves",
    documented: Sequence[Variant] = (),
    artifacts: Path | None = None,
) -> str:
    """Write a sweep and return its run id."""
    from mlflow import MlflowClient

    labels = tuple(FitLabel(repeat, fold, 1000 * repeat + fold) for repeat in range(repeats) for fold in range(folds))
    client = MlflowClient(uri)
    if artifacts is not None and client.get_experiment_by_name("overfit-atlas") is None:
        client.create_experiment("overfit-atlas", artifacts.as_uri())
    description = SweepDescription(
        identity=sha256(f"{title} {len(trials)} {folds} {repeats} {epochs}".encode()).hexdigest()[:16],
        data=_dataset(),
        record=made_record(_details(title, documented, labels, epochs)),
    )
    with open_sweep(description, uri=uri, resume=False) as run:
        for number, made in enumerate(trials):
            with run.trial(made.configuration, made.origin, seeds=(1, 2)) as trial:
                trial.finish(_record(made, number, labels, folds, repeats, epochs))
        return run.run_id


def _record(made: MadeTrial, number: int, labels: tuple[FitLabel, ...], folds: int, repeats: int, epochs: int) -> Trial:
    curves: dict[str, Any] = {}
    point, failure = None, made.failure
    if not failure:
        noise = Noise(deviation=0.03, shared=0.1, tilt=0.03)
        validation, training = make_curves(
            made.kind, folds=folds, repeats=repeats, epochs=epochs, noise=noise, seed=number
        )
        validation, training = validation + made.level, training + made.level
        if made.diverges:
            validation[1, epochs // 2 :] = np.nan
        curves = {"loss": training**2, "val_loss": validation**2, "mae": training, MONITOR: validation}
        curves = {name: curve.astype(np.float32) for name, curve in curves.items()}
        ratio = 1 / (folds - 1) if folds > 1 else 0.25
        point = analyse(curves[MONITOR], curves["mae"], folds=folds, repeats=repeats, validation_ratio=ratio, draws=200)
        failure = point.reason or ""
    return Trial(
        configuration=made.configuration,
        origin=made.origin,
        epochs=epochs,
        folds=folds,
        repeats=repeats,
        fits=labels,
        curves=curves,
        point=point,
        seconds=1.5 + number,
        compile_seconds=0.4,
        parameters=1000 * (number + 1) + 1,
        status="FAILED" if failure else "FINISHED",
        reason=failure,
    )


def _details(title: str, documented: Sequence[Variant], labels: tuple[FitLabel, ...], epochs: int) -> dict[str, Any]:
    return {
        "exercise": {
            "title": title,
            "monitor": MONITOR,
            "space": {"parameters": [{"name": field.name, "choices": ["any"]} for field in fields(Configuration)]},
            "documented": [asdict(variant) for variant in documented],
        },
        "parameters": {
            "exercise": "made",
            "tuner": "optuna:tpe",
            "backend": "jax",
            "stop": "never",
            "seed": 1,
            "epochs": epochs,
            "monitor": MONITOR,
        },
        "data": {"name": "made", "source": "tests", "samples": 404, "input_shape": [13], "classes": []},
        "splits": [{"repeat": fit.repeat, "fold": fit.fold, "training": 303, "validation": 101} for fit in labels],
        "python": "3.11.7",
        "packages": {"keras": "3.15.1", "jax": "0.10.2"},
        "processor": "A processor",
        "cores": 2,
        "memory_gib": 23.4,
        "command": "mlflow run . -P exercise=made",
    }


def _dataset() -> Dataset:
    inputs, targets = np.zeros((4, 13), np.float32), np.zeros(4, np.float32)
    return Dataset("made", Task.REGRESSION, inputs, targets, inputs[:0], targets[:0], (), (), "ab" * 32, "tests")


def variant(name: str, configuration: Configuration, *figures: Figure, epochs: int = 60) -> Variant:
    return Variant(name, configuration, epochs, "kfold", figures)


class Store:
    """The database, and how to put sweeps into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = empty_store(folder)

    def fill(self, trials, **options) -> str:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI"):
                patch.delenv(name, raising=False)
            return fill_store(self.uri, trials, artifacts=self.folder / "artifacts", **options)


class Page(HTMLParser):
    """Checks that every element is closed, and collects elements and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def scripts(self) -> int:
        """Scripts that run; JSON in a script element does not."""
        return sum(tag == "script" and attributes.get("type") is None for tag, attributes in self.elements)

    def count(self, tag: str, css: str = "") -> int:
        return sum(tag == t and css in (a.get("class") or "").split() if css else tag == t for t, a in self.elements)


def rendered(report) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(terminal_table(report))
    return " ".join(console.export_text().split())
