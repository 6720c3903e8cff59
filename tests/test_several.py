"""Several sweeps compared: by hand-sized reports, and from a store through the command line to the page."""

import csv
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.commands import cli
from pipelines.errors import UserError
from pipelines.overfitting.point import Verdict
from pipelines.tracking.reading import read_sweep
from reports.analysis.changes import Basis, changes, deviation_margin, intervals_overlap, same_fits
from reports.analysis.several import make_comparison, progress, read_comparison
from reports.charts.inline_svg import search_figure
from reports.pages.several import (
    comparison_folder,
    csv_text,
    render_html,
    render_markdown,
    terminal_table,
    write_comparison,
)
from reports.report import make_report
from reports.tables import several_wording as words
from tests.support.made_reports import DIVERGED, SPLITS, made_point, made_record, made_report
from tests.support.report_store import BASE, EVIL, FAILED, LINEAR, WIDE, MadeTrial, Page, Store

ROOT = Path(__file__).parent.parent
DETAILS = {
    "splits": SPLITS,
    "exercise": {"title": "Made: a sweep"},
    "parameters": {"seed": 1, "validation": "kfold", "epochs": 100},
    "data": {"name": "made", "samples": 400, "input_shape": [13]},
    "packages": {"keras": "3.15.1"},
}


def made(pairs, run_id: str, *, days: int = 0, details=None, monitor: str = "val_loss", curves=None, **changed):
    """A report whose trials are named after its sweep."""
    report = made_report(pairs, details={**DETAILS, **(details or {})}, monitor=monitor)
    sweep = report.sweep
    trials = tuple(replace(trial, run_id=f"{run_id}-{trial.run_id}") for trial in sweep.trials)
    started = sweep.started + timedelta(days=days)
    sweep = replace(sweep, run_id=run_id, started=started, trials=trials, **{"data_sha256": "ab" * 32, **changed})
    return make_report(sweep, curves)


def only_group(*reports):
    (group,) = make_comparison(reports).groups
    return group


def one_pair(first, second):
    (pair,) = only_group(first, second).pairs
    return pair


# What changed


def test_only_what_differs_is_named_with_the_value_of_each_sweep() -> None:
    old = made([(BASE, made_point())], "a", commit="1" * 40)
    new = made(
        [(BASE, made_point())],
        "b",
        commit="2" * 40,
        tuner="keras_tuner:bayesian",
        details={
            "packages": {"keras": "3.16.0", "jax": "0.10.2"},
            "parameters": {"seed": 2, "validation": "kfold", "epochs": 100},
        },
    )
    found = {change.what: change.values for change in changes([old.sweep, new.sweep])}
    assert found == {
        "tuner": ("optuna:tpe", "keras_tuner:bayesian"),
        "seed": ("1", "2"),
        "keras": ("3.15.1", "3.16.0"),
        "jax": ("", "0.10.2"),
        "commit": ("1" * 12, "2" * 12),
    }
    assert changes([old.sweep, old.sweep]) == ()


def test_an_axis_of_the_space_is_shown_as_its_bounds_or_choices() -> None:
    spaces = [
        {"parameters": [{"name": "units", "low": 4, "high": high, "log": True, "choices": []}]} for high in (64, 512)
    ]
    spaces[1]["parameters"].append({"name": "activation", "low": None, "high": None, "choices": ["relu", "tanh"]})
    sweeps = [
        made([(BASE, made_point())], name, details={"exercise": {"space": space}}).sweep
        for name, space in zip("ab", spaces, strict=True)
    ]
    found = {change.what: change.values for change in changes(sweeps)}
    assert found == {"space: units": ("4 to 64, log", "4 to 512, log"), "space: activation": ("", "relu, tanh")}


def test_details_that_are_gone_change_nothing_but_what_they_said() -> None:
    bare = made([(BASE, made_point())], "b")
    bare = make_report(replace(bare.sweep, record=made_record({})))
    found = {change.what for change in changes([made([(BASE, made_point())], "a").sweep, bare.sweep])}
    assert found == {"samples", "features", "validation", "epochs", "seed", "keras"}


# Whether a configuration moved


@pytest.mark.parametrize(
    ("low", "high", "censored", "expected"),
    [
        (45, 60, False, True),
        (50, 60, False, True),
        (51, 60, False, False),
        (20, 29, False, False),
        (10, 20, True, True),
    ],
)
def test_intervals_overlap(low: int, high: int, censored: bool, expected: bool) -> None:
    other = made_point(best_epoch_low=low, best_epoch_high=high, censored=censored)
    assert intervals_overlap(made_point(), other) is expected
    assert intervals_overlap(other, made_point()) is expected


def test_a_single_fit_has_no_interval_to_overlap() -> None:
    assert intervals_overlap(made_point(), made_point(best_epoch_low=None, best_epoch_high=None)) is None


def test_the_margin_without_pairs_is_twice_the_deviation_of_a_difference() -> None:
    assert deviation_margin(made_point(sd_seeds=0.3), made_point(sd_seeds=0.4)) == (pytest.approx(1.0), Basis.SEEDS)
    margin, basis = deviation_margin(made_point(sd_seeds=None), made_point())
    # Four folds: 0.1 * sqrt(1/4 + 1/3) each.
    assert (margin, basis) == (pytest.approx(2 * 0.1 * math.sqrt(2 * (1 / 4 + 1 / 3))), Basis.FOLDS)
    single = made_point(sd_seeds=None, sd_folds=None)
    assert deviation_margin(single, single) == (None, Basis.NONE)


def curves_at(level: float, spread: float = 0.01):
    """Curves of 8 fits that are flat, each on a level of its own."""
    levels = level + spread * np.array([-1, 1, -1, 1, -1, 1, -1, 1.0])
    return {"val_loss": np.repeat(levels[:, None], 100, axis=1).astype(np.float32)}


def test_equal_folds_and_seeds_are_compared_fit_by_fit() -> None:
    # Every fit rose by 0.1 give or take 0.02, far less than the fits differ among themselves.
    old = made([(BASE, made_point(1.0))], "a", curves={"a-run0": curves_at(1.0, 0.5)})
    new = made([(BASE, made_point(1.1))], "b", days=1, curves={"b-run0": curves_at(1.1, 0.52)})
    assert same_fits(old.sweep, new.sweep)
    (found,) = one_pair(old, new).matches
    assert found.basis is Basis.PAIRED
    assert found.difference == pytest.approx(0.1, rel=1e-5)
    # Student's .975 quantile of 7 degrees of freedom; four folds of two repeats count as four rises.
    deviation = 0.02 * math.sqrt(8 / 7)
    assert found.margin == pytest.approx(2.364624 * deviation * math.sqrt(1 / 4), rel=1e-4)
    assert found.within is False and found.moved
    assert words.within_words(found) == "beyond ±0.025 (paired fits)"
    (found,) = one_pair(old, replace(new, curves={"b-run0": curves_at(1.1, 0.9)})).matches
    assert found.within is True and not found.moved


def test_what_was_computed_twice_alike_is_equal() -> None:
    old = made([(BASE, made_point(1.0))], "a", curves={"a-run0": curves_at(1.0)})
    new = made([(BASE, made_point(1.0))], "b", days=1, curves={"b-run0": curves_at(1.0)})
    (found,) = one_pair(old, new).matches
    assert (found.difference, found.margin, found.within) == (0, 0, True)
    assert words.within_words(found) == "equal"


@pytest.mark.parametrize(
    "changed",
    [
        {"data_sha256": "cd" * 32},
        {"details": {"parameters": {"seed": 2, "validation": "kfold"}}},
        {"details": {"splits": SPLITS[:4]}},
        {"details": {"splits": None}},
        {"monitor": "val_mae"},
    ],
)
def test_other_rows_or_seeds_are_not_paired(changed) -> None:
    old, new = made([(BASE, made_point())], "a"), made([(BASE, made_point())], "b", **changed)
    assert not same_fits(old.sweep, new.sweep)


def test_without_curves_the_deviation_over_seeds_stands_in() -> None:
    old, new = made([(BASE, made_point(1.0))], "a"), made([(BASE, made_point(1.05))], "b", days=1)
    (found,) = one_pair(old, new).matches
    assert (found.basis, found.within) == (Basis.SEEDS, True)  # 0.05 against 2 * sqrt(2) * 0.02
    (found,) = one_pair(old, made([(BASE, made_point(1.06))], "b", days=1)).matches
    assert found.within is False


def test_configurations_are_matched_by_what_they_are_and_the_moved_come_first() -> None:
    old = made([(BASE, made_point(1.0)), (WIDE, made_point(1.2)), (LINEAR, made_point(0.9))], "a")
    new = made([(WIDE, made_point(1.5)), (BASE, made_point(1.0)), (FAILED, made_point(1.3))], "b", days=1)
    pair = one_pair(old, new)
    assert [(found.first.configuration, found.moved) for found in pair.matches] == [(WIDE, True), (BASE, False)]
    assert [trial.configuration for trial in pair.only_first] == [LINEAR]
    assert [trial.configuration for trial in pair.only_second] == [FAILED]
    assert words.shared_sentence(pair) == (
        "1 of 2 configurations in common stayed within their deviation, 1 moved beyond it."
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0], "the one configuration in common stayed within its deviation."),
        ([9.0], "the one configuration in common moved beyond the deviation."),
        ([1.0, 1.0], "both configurations in common stayed within their deviation."),
        ([9.0, 9.0, 9.0], "all 3 configurations in common moved beyond the deviation."),
    ],
)
def test_what_became_of_the_shared_configurations_is_said(values: list[float], said: str) -> None:
    shared = [BASE, WIDE, LINEAR][: len(values)]
    old = made([(configuration, made_point(1.0)) for configuration in shared], "a")
    new = made([(c, made_point(value)) for c, value in zip(shared, values, strict=True)], "b", days=1)
    assert words.shared_sentence(one_pair(old, new)) == said


def test_single_fits_leave_it_open() -> None:
    single = made_point(sd_seeds=None, sd_folds=None, best_epoch_low=None, best_epoch_high=None)
    pair = one_pair(made([(BASE, single)], "a"), made([(BASE, replace(single, best_value=2.0))], "b", days=1))
    assert "not known" in words.shared_sentence(pair)
    assert words.lead_sentence(pair).startswith("How sure that lead is, is not known")


def test_different_curves_are_never_compared() -> None:
    old, new = made([(BASE, made_point(1.0))], "a"), made([(BASE, made_point(0.1))], "b", days=1, monitor="val_mae")
    group = only_group(old, new)
    (pair,) = group.pairs
    assert (pair.better, pair.lead, group.progress) == ("", None, ())
    assert [(found.difference, found.margin, found.within) for found in pair.matches] == [(None, None, None)]
    assert "no value is compared" in words.shared_sentence(pair)
    assert words.best_sentence(group) == ""
    text = Page(render_html(make_comparison([old, new]))).text
    assert "judged on different curves (val_loss, val_mae)" in text
    assert "within the deviation?" not in text


# Searches


def test_the_search_that_found_the_better_configuration_is_named_with_its_trials_and_seconds() -> None:
    old = made([(BASE, made_point(1.0)), (WIDE, made_point(0.8)), (FAILED, DIVERGED)], "a")
    new = made([(WIDE, made_point(0.9)), (BASE, made_point(1.1)), (LINEAR, made_point(0.5))], "b", days=1)
    group = only_group(old, new)
    assert [found.best_so_far for found in group.progress] == [(1.0, 0.8, 0.8), (0.9, 0.9, 0.5)]
    assert [(found.found_after, found.seconds) for found in group.progress] == [(2, 2.0), (3, 3.0)]
    assert words.best_sentence(group) == (
        "Sweep B found the better configuration, no hidden layer (val_loss 0.5000), after 3 of 3 trials (3.0 s); "
        "sweep A's best is 0.8000, after 2 of 3 trials (2.0 s). The lead of 0.30 is beyond ±0.057, twice the deviation "
        "over seeds of such a difference."
    )


def test_equally_good_searches_have_no_winner() -> None:
    group = only_group(made([(BASE, made_point())], "a"), made([(WIDE, made_point())], "b", days=1))
    assert words.best_sentence(group) == "The best configurations found are equally good (val_loss 1.000)."
    assert group.pairs[0].better == ""


def test_a_failed_trial_counts_as_one_without_gain() -> None:
    (entry,) = make_comparison(
        [made([(FAILED, DIVERGED), (BASE, made_point(1.0)), (WIDE, made_point(2.0))], "a")]
    ).entries
    assert progress(entry).best_so_far == (None, 1.0, 1.0)


def test_the_figure_has_a_line_a_sweep_that_says_what_it_shows() -> None:
    reports = [
        made([(BASE, made_point(1.0)), (WIDE, made_point(0.5 + 0.1 * n))], name, days=n) for n, name in enumerate("abc")
    ]
    figure = str(search_figure(only_group(*reports).progress, EVIL))
    assert figure.count('class="search ') == 3
    assert "sweep A reaches 0.5000 after 2 trials; sweep B reaches 0.6000" in figure
    assert "<script" not in figure and "nan" not in figure
    single = search_figure(only_group(made([(BASE, made_point())], "a")).progress, "val_loss")
    assert "M58.0," in str(single)
    assert search_figure([], "val_loss") == ""


# Exercises


def exercise(name: str, onsets, *, title: str = "", run_id: str = ""):
    configurations = [replace(BASE, layers=(number + 1,)) for number in range(len(onsets))]
    pairs = [
        (configuration, made_point(1.0 + number, onset=onset))
        for number, (configuration, onset) in enumerate(zip(configurations, onsets, strict=True))
    ]
    details = {"exercise": {"title": title or f"{name.title()}: what it is about"}, "data": {"name": name}}
    return made(pairs, run_id or name, exercise=name, details=details)


def headline(*reports) -> str:
    return words.headline(make_comparison(reports))


def test_the_exercise_that_over_fits_earliest_is_named() -> None:
    assert headline(exercise("boston", [70, None]), exercise("reuters", [8, 12, 6]), exercise("flat", [None])) == (
        "Reuters over-fits earliest: 3 of 3 configurations, half of these by epoch 8; then Boston (epoch 70)."
    )
    assert headline(exercise("boston", [9]), exercise("reuters", [9])) == (
        "Boston and Reuters over-fit earliest: half of their over-fitting configurations by epoch 9."
    )
    assert headline(exercise("boston", [None]), exercise("reuters", [9, None])) == (
        "Only Reuters surely over-fits: 1 of 2 configurations, from epoch 9 on."
    )
    assert headline(exercise("boston", [None]), exercise("reuters", [])).startswith("In none of these exercises")


def test_rows_letters_and_comparisons_are_in_the_order_given() -> None:
    newer = made([(BASE, made_point(1.0))], "newer", days=3, exercise="boston")
    older = made([(BASE, made_point(1.0))], "older", days=1, exercise="boston")
    other = exercise("reuters", [8])
    comparison = make_comparison([newer, other, older])
    assert [(entry.run_id, entry.letter) for entry in comparison.entries] == [
        ("newer", "A"),
        ("reuters", "B"),
        ("older", "C"),
    ]
    (pair,) = comparison.compared[0].pairs
    assert (pair.first.run_id, pair.second.run_id) == ("newer", "older")
    assert [len(group.entries) for group in comparison.groups] == [2, 1]
    assert [group.name for group in comparison.compared] == ["Made"]


def test_two_tables_of_a_users_own_are_two_exercises() -> None:
    title = "A table of your own"
    reports = [
        make_report(
            replace(
                made([(BASE, made_point())], name).sweep,
                exercise="table",
                record=made_record({**DETAILS, "exercise": {"title": title}, "data": {"name": name}}),
            )
        )
        for name in ("houses", "cells")
    ]
    assert [group.name for group in make_comparison(reports).groups] == [f"{title} (houses)", f"{title} (cells)"]


def test_the_row_of_a_sweep() -> None:
    report = made(
        [(BASE, made_point(severity=0.2)), (WIDE, made_point(2.0, severity=0.5, onset=None)), (FAILED, DIVERGED)], "a"
    )
    (entry,) = make_comparison([report]).entries
    assert entry.verdicts == ((Verdict.OVERFITS, 1), (Verdict.PLATEAU, 1), (Verdict.DIVERGED, 1))
    assert entry.severity == pytest.approx(0.35)
    assert entry.epochs == (120, 200)
    assert words.saved_words(entry) == "120 (60 %)"
    assert words.onset_words(entry) == "1 of 2"
    assert words.data_words(report) == "400 x 13"


def test_a_sweep_without_a_result_has_a_row_of_dashes() -> None:
    comparison = make_comparison([made([], "a"), made([(BASE, made_point())], "b", days=1)])
    page = Page(render_html(comparison))
    assert "have no configuration in common" in page.text
    assert words.saved_words(comparison.entries[0]) == "–"
    terminal_table(comparison)


def test_the_folder_names_three_sweeps_at_most() -> None:
    assert comparison_folder(["a" * 32, "b" * 32]).as_posix() == "report/comparison-aaaaaaaa-bbbbbbbb"
    assert comparison_folder(["a", "b", "c", "d"]).name == "comparison-a-b-c-and-1-more"


# From a store


@pytest.fixture(scope="module")
def sweeps(store: Store) -> tuple[str, str, str]:
    """An older and a newer sweep of one exercise, and one of another; their titles must be escaped."""
    from mlflow import MlflowClient

    older = store.fill([MadeTrial(BASE), MadeTrial(WIDE, "plateau", level=0.2)], title=f"{EVIL} older", epochs=30)
    newer = store.fill(
        [MadeTrial(BASE), MadeTrial(LINEAR, "improving", level=0.3), MadeTrial(FAILED, failure=EVIL)],
        title=f"{EVIL} newer",
        epochs=30,
    )
    other = store.fill([MadeTrial(WIDE, "plateau")], title="Another", epochs=20)
    client = MlflowClient(store.uri)
    client.set_tag(other, "atlas.exercise", "another")
    client.set_tag(newer, "atlas.tuner", EVIL)
    for run_id in (older, newer):
        _rewrite(client, run_id, packages={EVIL: run_id})
    return older, newer, other


def _rewrite(client, run_id: str, **changed) -> None:
    path = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://")) / "sweep.json"
    content = json.loads(path.read_text("utf-8")) | changed
    content["parameters"]["validation"] = "kfold"
    path.write_text(json.dumps(content), encoding="utf-8")


def test_equal_trainings_of_two_sweeps_are_found_equal(store: Store, sweeps) -> None:
    comparison = read_comparison([*sweeps[:2], sweeps[0]], tracking_uri=store.uri)
    assert [entry.run_id for entry in comparison.entries] == list(sweeps[:2])
    (pair,) = comparison.groups[0].pairs
    (found,) = pair.matches
    assert (found.basis, found.difference, found.within) == (Basis.PAIRED, 0, True)
    assert pair.second.run_id == sweeps[1]
    assert [trial.configuration for trial in pair.only_first] == [WIDE]
    assert [trial.configuration for trial in pair.only_second] == [LINEAR]


def test_the_page_is_well_formed_and_names_of_users_are_escaped(store: Store, sweeps, tmp_path: Path) -> None:
    comparison = read_comparison(sweeps, tracking_uri=store.uri)
    paths = write_comparison(comparison, output=tmp_path)
    text = paths.html.read_text("utf-8")
    page = Page(text)
    assert page.count("script") == 0
    assert page.text.count("<script>alert('x')</script>") >= 4
    for _, attributes in page.elements:
        assert not {"src", "href", "onclick", "action"} & set(attributes)
    assert "url(" not in text and "http" not in text and "nan" not in page.text
    assert page.count("svg", "searches") == 1
    markdown = paths.markdown.read_text("utf-8")
    assert "<script" not in markdown and "&lt;script>" in markdown
    for line in re.findall(r"(?m)^\|.*\|$", markdown):
        assert line.count("|") in (4, 12, 15), line
    assert "**bold**" not in render_markdown(make_comparison([comparison.entries[2].report]))


def test_the_csv_has_a_row_a_sweep_and_configuration(store: Store, sweeps) -> None:
    rows = list(csv.DictReader(csv_text(read_comparison(sweeps, tracking_uri=store.uri)).splitlines()))
    assert [row["sweep"] for row in rows] == ["A", "A", "B", "B", "C"]
    shared = [row for row in rows if row["hash"] == BASE.canonical().hash]
    assert [(row["difference"], row["basis"]) for row in shared] == [("", ""), ("0.0", "paired fits")]
    point = next(trial.point for trial in read_sweep(sweeps[2], uri=store.uri).trials)
    assert float(rows[-1]["best_value"]) == point.best_value


def test_a_folder_that_cannot_be_written_is_named(store: Store, sweeps, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match="taken"):
        write_comparison(read_comparison(sweeps, tracking_uri=store.uri), output=tmp_path / "taken")


# From the command line


@pytest.fixture
def command_line(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_several_sweeps_have_a_report_each_and_a_comparison(
    command_line: Path, store: Store, sweeps, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ",".join([*sweeps, sweeps[0]])
    assert cli.run(["report", f"--sweeps={ids}", "--output=out"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"(?m)^Comparison +out/comparison\.html$", said)
    assert f"{len(sweeps)} sweeps" in Page((command_line / "out/comparison.html").read_text("utf-8")).text
    written = {path.relative_to(command_line / "out").as_posix() for path in (command_line / "out").rglob("*.html")}
    assert written == {"comparison.html", *(f"{run_id[:8]}/report.html" for run_id in sweeps)}


def test_the_comparison_is_kept_with_the_project_s_own_run(
    command_line: Path, store: Store, sweeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(store.uri)
    project = client.create_run(client.get_run(sweeps[0]).info.experiment_id).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", project)
    assert cli.run(["report", f"--sweeps={sweeps[0]},{sweeps[1]}"]) == 0
    named = f"comparison-{sweeps[0][:8]}-{sweeps[1][:8]}"
    assert (command_line / "report" / named / "comparison.md").is_file()
    kept = {file.path for file in client.list_artifacts(project, "report")}
    assert kept == {"report/comparison.html", "report/comparison.md", "report/comparison.csv"}
    assert client.get_run(project).data.tags["atlas.kind"] == "report"


def test_one_unknown_sweep_leaves_nothing_written(
    command_line: Path, sweeps, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["report", f"--sweeps={sweeps[0]},abc", "--output=out"]) == 2
    assert "has no run 'abc'" in " ".join(capsys.readouterr().err.split())
    assert not (command_line / "out").exists()


def test_one_sweep_alone_is_not_compared(command_line: Path, sweeps) -> None:
    assert cli.run(["report", f"--sweeps={sweeps[0]},{sweeps[0]}", "--output=out"]) == 0
    assert (command_line / "out/report.html").is_file()
    assert not (command_line / "out/comparison.html").exists()


def test_comparing_needs_neither_keras_nor_a_plotting_library() -> None:
    heavy = ["keras", "tensorflow", "jax", "pandas", "plotly", "optuna", "matplotlib"]
    program = f"import sys, reports.pages.several; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
