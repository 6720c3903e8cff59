"""What the MLflow UI and the report are given by the store: names, tags, sortable numbers, and few queries."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pipelines.exercises.configurations import Configuration
from pipelines.exercises.reader import load_exercise
from pipelines.tracking.names import run_name, varying_settings
from pipelines.tracking.reading import read_sweep
from pipelines.tracking.store import shared_view
from pipelines.tracking.sweeps import SweepRecord, plain_text
from reports.analysis.several import read_comparison
from reports.report import short_labels
from tests.support.made_reports import made_record
from tests.support.report_store import BASE, LINEAR, WIDE, MadeTrial, Store

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")

# Names of runs


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({}, "64-64 relu adam"),
        ({"layers": (512,), "activation": "tanh", "learning_rate": 0.01136}, "512 tanh adam lr=0.0114"),
        ({"layers": (64, 4), "loss": "mse"}, "64-4 relu adam loss=mse"),
        ({"layers": ()}, "no hidden layer adam"),
        ({"layers": (), "convolutions": "32x3p2"}, "conv=32x3p2 relu adam"),
        ({"layers": (8,), "backbone": "mobilenet_v2"}, "mobilenet_v2 frozen 8 relu adam"),
    ],
)
def test_a_run_is_named_after_its_settings(changed: dict[str, object], name: str) -> None:
    assert run_name(Configuration(**changed), None) == name  # type: ignore[arg-type]


def test_a_name_leaves_out_what_is_common_to_the_sweep() -> None:
    configuration = Configuration(loss="mse", learning_rate=0.003, batch_size=512)
    assert run_name(configuration, {"units", "learning_rate"}) == "64-64 lr=0.003"
    assert run_name(configuration, frozenset()) == "64-64"


def test_names_that_would_be_alike_are_told_apart() -> None:
    first, second = Configuration(learning_rate=0.0012341), Configuration(learning_rate=0.0012342)
    taken = {run_name(first, None)}
    assert run_name(second, None, taken) == f"64-64 relu adam lr=0.00123 #{second.hash[:4]}"


def test_what_varies_is_what_the_space_and_the_documented_variants_change() -> None:
    baseline = {"layers": [64, 64], "optimizer": "rmsprop", "normalisation": "standardise", "decay_rate": 0.9}
    axes = [{"name": name, "choices": [1, 2]} for name in ("units", "dropout", "fine_tune")]
    variant = {"name": "other", "epochs": 1, "validation": "none", "configuration": {**baseline, "optimizer": "adam"}}
    changed = {"baseline": baseline, "space": {"parameters": axes}, "documented": [variant]}
    exercise = made_record({"exercise": changed}).exercise
    assert exercise is not None
    assert varying_settings(exercise) == {"units", "dropout", "backbone", "optimizer"}
    assert SweepRecord.from_json({}).exercise is None
    assert SweepRecord.from_json({"exercise": {"title": "Made"}}).exercise is None


def test_what_varies_is_read_from_what_a_sweep_stores() -> None:
    exercise = load_exercise("boston_housing")
    stored = SweepRecord.from_json(json.loads(plain_text(SweepRecord(exercise=exercise).to_json()))).exercise
    assert stored is not None
    assert varying_settings(stored) >= set(exercise.space.names) - {"fine_tune", "decay_rate"}


def test_a_run_and_its_row_in_the_report_have_the_same_words() -> None:
    configurations = [BASE, WIDE, replace(WIDE, learning_rate=0.01), replace(BASE, layers=(8, 4), dropout=0.25)]
    labels, _ = short_labels([configuration.label for configuration in configurations])
    varying = {"units", "activation", "learning_rate", "dropout"}
    for configuration, label in zip(configurations, labels, strict=True):
        assert run_name(configuration, varying) == label


# Filters and sorting


@pytest.fixture(scope="module")
def trials(store: Store) -> str:
    """A sweep with two verdicts and a failure."""
    return store.fill(
        [
            MadeTrial(BASE, "overfits", "baseline", level=0.5),
            MadeTrial(WIDE, "overfits"),
            MadeTrial(LINEAR, "improving"),
            MadeTrial(replace(BASE, learning_rate=1.0), diverges=True),
        ],
        title="in the UI",
        epochs=40,
    )


def _found(store: Store, trials: str, condition: str, order: str = "") -> list[str]:
    client = MlflowClient(store.uri)
    experiment = client.get_run(trials).info.experiment_id
    filtered = f"{condition} AND tags.`mlflow.parentRunId` = '{trials}'"
    runs = client.search_runs([experiment], filtered, order_by=[order] if order else None)
    return [run.info.run_name.removesuffix(" rmsprop loss=mse norm=standardise") for run in runs]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("tags.`atlas.verdict` = 'overfits'", {"64-64 relu", "512 tanh"}),
        ("tags.`atlas.verdict` = 'still improving'", {"no hidden layer"}),
        ("tags.`atlas.verdict` = 'diverged'", {"64-64 relu rmsprop lr=1 loss=mse norm=standardise"}),
        ("tags.`atlas.origin` = 'baseline'", {"64-64 relu"}),
        (
            "tags.`atlas.verdict` = 'overfits' AND metrics.`onset/epoch` <= 40",
            {"64-64 relu", "512 tanh"},
        ),
    ],
)
def test_filters_that_the_readme_names(store: Store, trials: str, condition: str, expected: set[str]) -> None:
    found = set(_found(store, trials, condition))
    shortened = {name.replace(" rmsprop loss=mse norm=standardise", "") for name in found}
    assert shortened == expected


def test_the_readme_names_filters_that_work() -> None:
    for condition in ("tags.`atlas.verdict` = 'overfits'", "tags.`atlas.origin` = 'baseline'"):
        assert condition in README


def test_runs_can_be_ordered_by_their_numbers(store: Store, trials: str) -> None:
    condition = "metrics.`best/value` > 0"
    by_value = _found(store, trials, condition, "metrics.`best/value` ASC")
    points = {trial.run_id: trial for trial in read_sweep(trials, uri=store.uri).trials if trial.has_result}
    ordered = sorted(points.values(), key=lambda trial: trial.point.best_value if trial.point else 0)
    names = [run_name(trial.configuration, None) for trial in ordered if trial.configuration]
    assert by_value == [name.removesuffix(" rmsprop loss=mse norm=standardise") for name in names]
    assert len(by_value) == 3


def test_mean_and_deviation_of_a_curve_are_in_one_section_of_charts(store: Store, trials: str) -> None:
    run = MlflowClient(store.uri).get_run(read_sweep(trials, uri=store.uri).trials[0].run_id)
    sections: dict[str, set[str]] = {}
    for metric in run.data.metrics:
        section, slash, line = metric.rpartition("/")
        sections.setdefault(section if slash else "", set()).add(line)
    folds = {f"fold_{fold}" for fold in range(4)}
    assert sections["val_mae"] == {"mean", "sd", *folds}
    assert sections["mae"] == {"mean", "sd"}
    assert {"epoch", "epoch_low", "epoch_high", "value", "sd_folds", "sd_seeds"} <= sections["best"]


def test_every_trial_is_linked_to_its_data(store: Store, trials: str) -> None:
    client = MlflowClient(store.uri)
    for trial in read_sweep(trials, uri=store.uri).trials:
        (data,) = client.get_run(trial.run_id).inputs.dataset_inputs
        assert (data.dataset.name, data.dataset.digest) == ("made", ("ab" * 32)[:10])


# Queries


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Every SQL statement that is sent while the block runs."""
    statements: list[str] = []

    def sent(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", sent)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", sent)


def test_reading_a_sweep_takes_as_many_queries_whatever_its_trials(store: Store) -> None:
    sizes = (5, 50)
    sweeps = [
        store.fill(
            [MadeTrial(replace(BASE, layers=(units + 1,))) for units in range(size)],
            folds=2,
            repeats=1,
            epochs=4,
            title=f"{size} trials",
        )
        for size in sizes
    ]
    read_sweep(sweeps[0], uri=store.uri)  # opens the store, once a process
    counts = []
    for run_id, size in zip(sweeps, sizes, strict=True):
        with counted_statements() as statements:
            assert len(read_sweep(run_id, uri=store.uri).trials) == size
        counts.append(len(statements))
    assert counts[0] == counts[1]
    with counted_statements() as statements:
        read_comparison(sweeps, tracking_uri=store.uri)
    assert len(statements) <= sum(counts)


def test_the_shared_view_has_scores_and_settings_that_vary() -> None:
    _, content = shared_view("0123", ["accuracy"], ["layers", "dropout"])
    columns = json.loads(content)["selectedColumns"]
    assert "metrics.`rounded/accuracy`" in columns
    assert columns.index("params.`layers`") < columns.index("params.`dropout`") < columns.index("tags.`atlas.guessing`")
