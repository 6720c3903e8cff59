"""The parts of a report: comparison with the textbook, tables, figures, numbers as text."""

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from pipelines.overfitting.point import Verdict, analyse
from pipelines.words import listed
from reports import terminal_table
from reports.charts.chart import Chart, Line, epoch_ticks, ticks
from reports.charts.curve_charts import learning_curves
from reports.charts.embedding import figure_markup
from reports.charts.inline_svg import EpochAxis, forest_row
from reports.formatting import best_epoch, interval, number, percent, seconds, signed
from reports.pages.sweep import render_markdown, render_summary
from reports.report import make_report, saved_epochs
from reports.tables.comparisons import documented_comparisons
from reports.tables.configurations import guessing_line, guessing_mark, metrics_line, ranking
from reports.tables.frames import points_frame
from reports.tables.table import csv as csv_of
from tests.support.curves import make_curves
from tests.support.made_reports import made_report, made_trial
from tests.support.report_store import BASE, EVIL, MONITOR, rendered

# Beside the textbook


def test_documented_values_beside_ours(report) -> None:
    rows = documented_comparisons(report)
    assert [(row.variant, row.quantity, row.documented) for row in rows] == [
        ("first", "validation mae after epoch 30", "0.9"),
        ("first", "best epoch", "20"),
        (EVIL, "train mae after epoch 60", "1.5"),
        (EVIL, "test mae after epoch 60", "1.6"),
    ]
    baseline = next(trial for trial in report.ranked if trial.configuration == BASE)
    at_30 = np.asarray(report.curves[baseline.run_id][MONITOR], float)[:, 29]
    assert rows[0].ours == f"{number(at_30.mean())} ± {number(at_30.std(ddof=1), 2)}"
    assert rows[1].ours.startswith(f"{baseline.point.best_epoch} (")
    assert "own estimator on our curves" in rows[1].note
    assert rows[3].ours == "–"


def test_without_curves_nothing_is_compared(report) -> None:
    rows = documented_comparisons(replace(report, curves={}))
    assert [row.ours for row in rows if "mae" in row.quantity] == ["–"] * 3


# CSV, Markdown, terminal


def test_csv_has_every_trial_in_full(written, report) -> None:
    rows = list(csv.DictReader(io.StringIO(written.csv.read_text(encoding="utf-8"))))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "", ""]
    best = report.best
    assert float(rows[0]["best_value"]) == best.point.best_value
    assert int(rows[0]["best_epoch"]) == best.point.best_epoch
    assert int(rows[0]["epochs_saved"]) == 60 - best.point.best_epoch
    assert (rows[0]["layers"], rows[0]["activation"], rows[0]["verdict"]) == ("512", "tanh", "overfits")
    assert rows[2]["censored"] == "True" and rows[2]["epochs_saved"] == ""
    assert rows[3]["verdict"] == "diverged" and rows[3]["best_epoch"] == ""
    assert rows[4]["status"] == "failed" and rows[4]["reason"].startswith("out of memory")


def test_csv_cells_are_no_formulas(report) -> None:
    trial = replace(report.others[0], reason="=HYPERLINK(1)", origin="@x")
    text = csv_of(points_frame(make_report(replace(report.sweep, trials=(trial,)))))
    assert "'=HYPERLINK(1)" in text and "'@x" in text


def test_markdown_has_one_row_a_configuration(report) -> None:
    text = render_markdown(report)
    rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) == 3
    assert "512 tanh" in rows[0]
    assert "\n\n\n" not in text


def test_summary_fits_a_description(report) -> None:
    many = tuple(replace(report.best, run_id=f"{number}") for number in range(500))
    summary = render_summary(make_report(replace(report.sweep, trials=many)))
    assert len(summary) < 4000
    assert summary.startswith("**Choose")


@pytest.mark.parametrize("width", [80, 90, 100])
def test_terminal_table_cuts_no_verdict_and_no_word(report, width: int) -> None:
    marked = tuple(
        replace(report.best, run_id=str(n), name=f"{200 + n}-64 relu lr=0.00345 dropout=0.25", beats_guessing=n > 3)
        for n in range(8)
    )
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(terminal_table(make_report(replace(report.sweep, trials=marked)), width=width))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    assert words.count("overfits") == 8
    assert words.count("guessing") >= 4
    assert {f"{200 + n}-64" for n in range(8)} | {"onset", "verdict"} <= set(words)
    assert not any("…" in word for word in words)


def test_terminal_table_fits_100_columns(report) -> None:
    trial = replace(report.best, name="[bold]64-32-16-8 relu adamw lr=0.00345 layer_norm=batch dropout=0.25 l2=0.0001")
    many = tuple(replace(trial, run_id=str(run), name=f"{trial.name} batch={run}") for run in range(30))
    shown = make_report(replace(report.sweep, trials=many))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(terminal_table(shown))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 100
    text = " ".join(" ".join(lines).split())
    point = report.best.point
    assert f"{point.best_epoch} ({point.best_epoch_low} to {point.best_epoch_high})" in text
    assert "The 10 best of 30" in text
    assert text.count("overfits") == 10


def test_terminal_table_shows_markup_as_it_is(report) -> None:
    trial = replace(report.best, name="[red]64 relu")
    assert "[red]64 relu" in rendered(make_report(replace(report.sweep, trials=(trial,))))


# Figures


def test_forest_row_marks_what_there_is(report) -> None:
    axis = EpochAxis(60)
    overfitting, improving = forest_row(report.ranked[0].point, axis), forest_row(report.ranked[2].point, axis)
    assert 'class="onset"' in overfitting and 'class="arrow"' not in overfitting
    assert 'class="arrow"' in improving and 'class="onset"' not in improving and 'class="best"' not in improving
    assert f'cx="{axis.at(report.ranked[0].point.best_epoch)}"' in overfitting


def test_axis_keeps_first_and_last_epoch_inside() -> None:
    axis = EpochAxis(200)
    assert (axis.at(1), axis.at(200)) == ("2.00%", "96.00%")
    assert EpochAxis(1).at(1) == "2.00%"


def curves_of(curves: dict, point) -> Chart | None:
    trial = made_trial(BASE, point)
    sweep = replace(made_report([], monitor="val_mae").sweep, trials=(trial,))
    return learning_curves(make_report(sweep, {trial.run_id: curves}))


def test_learning_curves_draw_folds_once_and_few_points() -> None:
    validation, training = make_curves("overfits", folds=4, repeats=2, epochs=500)
    point = analyse(validation, training, folds=4, repeats=2, validation_ratio=1 / 3, draws=50)
    chart = curves_of({"val_mae": validation, "mae": training}, point)
    (panel,) = chart.views[0].panels
    lines = {mark.name: mark for mark in panel.marks if isinstance(mark, Line)}
    assert lines["single folds or seeds"].x.count(None) == 4
    markup = str(figure_markup(chart))
    assert f"best {point.best_epoch}" in markup and f"onset {point.onset}" in markup
    assert len(lines["validation"].x) <= 160
    assert len(markup) < 40_000
    assert curves_of({}, point) is None


def test_learning_curves_of_a_flat_curve() -> None:
    flat = np.full((4, 30), 0.25)
    markup = str(figure_markup(curves_of({"val_mae": flat}, analyse(flat, folds=4, repeats=1, validation_ratio=1 / 3))))
    assert "NaN" not in markup and "Infinity" not in markup


def test_ticks_are_round() -> None:
    assert ticks(0, 200) == [0, 50, 100, 150, 200]
    assert ticks(0.013, 0.047) == [0.02, 0.03, 0.04]
    assert ticks(3, 3) == [3]
    assert epoch_ticks(20) == [1, 5, 10, 15, 20]
    assert epoch_ticks(1) == [1]
    assert epoch_ticks(4) == [1, 2, 3, 4]


# Numbers as text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (2.40472, 4, "2.405"),
        (0.000123, 2, "0.00012"),
        (123456.0, 4, "123,456"),
        (1.5e12, 3, "1.50e+12"),
        (3e-9, 3, "3.00e-09"),
        (0.0, 4, "0"),
        (None, 4, "–"),
        (float("nan"), 4, "–"),
    ],
)
def test_numbers(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_words() -> None:
    assert (percent(0.346), percent(-0.2), percent(0.001), percent(None)) == ("+35 %", "-20 %", "0 %", "–")
    assert (signed(0.5), signed(-0.5), signed(None)) == ("+0.500", "-0.500", "–")
    assert [seconds(s) for s in (1.634, 59.96, 75, 7300, None)] == [
        "1.6 s",
        "1 min 0 s",
        "1 min 15 s",
        "2 h 1 min",
        "–",
    ]
    assert (listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])) == (
        "",
        "a",
        "a and b",
        "a, b and c",
    )


def test_censored_epochs_are_never_plain_numbers(report) -> None:
    improving = report.ranked[2].point
    assert best_epoch(improving) == "≥ 60"
    assert interval(improving).endswith("to ≥ 60")
    level = replace(improving, verdict=Verdict.PLATEAU, best_epoch=40, best_epoch_low=30)
    assert (best_epoch(level), interval(level), saved_epochs(level)) == ("40", "30 to ≥ 60", 20)
    at_the_end = replace(level, best_epoch=60)
    assert (best_epoch(at_the_end), saved_epochs(at_the_end)) == ("≥ 60", None)


def test_scores_and_guessing_stand_beside_the_verdict() -> None:
    validation = np.linspace(1.0, 0.6, 30)[None].repeat(4, axis=0).astype(np.float32)
    accuracy = np.full((4, 30), 0.75, np.float32)
    accuracy[0] = 0.85
    point = analyse(validation, validation, folds=4, repeats=1, validation_ratio=1 / 3)
    made = made_report(
        [(BASE, point)],
        details={"guessing": {"val_loss": [0.7] * 4, "val_accuracy": [0.5] * 4}},
        curves={"run0": {"val_loss": validation, "loss": validation, "val_accuracy": accuracy}},
    )
    trial = made.ranked[0]
    assert metrics_line(made, trial) == "accuracy 77.5 % ± 5.0 %"
    assert guessing_line(made).endswith("comes to val_loss 0.7000 and accuracy 50.0 %.")
    shown = ranking(made)
    cells = dict(zip([heading.title for heading in shown.headings], shown.rows[0], strict=True))
    assert cells["val_loss against guessing"].text == "-14 %"
    assert cells["Validation accuracy"].value == pytest.approx(0.775)
    assert guessing_mark(trial) == ""
    assert guessing_mark(replace(trial, beats_guessing=False)) == "no better than guessing"
