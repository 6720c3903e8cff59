"""What a report finds beyond its ranking: the tables, the answers of the first screen, the files."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.exercises.configurations import Configuration
from reports.analysis.importance import Importances
from reports.pages.findings import find
from reports.pages.sweep import write_figures, write_tables
from reports.tables.comparisons import find_differences
from reports.tables.configurations import ranking
from reports.tables.table import Cell, Column, Heading, frame, table
from reports.tables.wording import rests_on
from tests.support.made_reports import EPOCHS, FOLDS, REPEATS, SPLITS, made_point, made_report

BASE = Configuration(layers=(16,), optimizer="rmsprop", batch_size=32)
DETAILS = {"splits": SPLITS}


def curves_like(best: float, number: int, best_epoch: int = 40) -> dict[str, np.ndarray]:
    """Curves of all fits, lowest about ``best_epoch``, with a fit's own offset that all configurations share."""
    epochs = np.arange(1, EPOCHS + 1)
    fits = np.linspace(-0.1, 0.1, FOLDS * REPEATS)[:, None]
    noise = np.random.default_rng(number).normal(0, 1e-3, (FOLDS * REPEATS, EPOCHS))
    validation = best + 2e-4 * (epochs - best_epoch) ** 2 + fits + noise
    return {"val_loss": validation.astype(np.float32), "loss": (validation - 0.002 * epochs).astype(np.float32)}


def with_curves(report):
    curves = {trial.run_id: curves_like(trial.point.best_value, n) for n, trial in enumerate(report.ranked)}
    return replace(report, curves=curves)


@pytest.fixture(scope="module")
def report():
    """Eight widths: the wider, the worse, and the more it over-fits."""
    widths = [4, 8, 16, 32, 64, 128, 256, 512]
    pairs = [
        (replace(BASE, layers=(width,)), made_point(1.0 + 0.2 * n, severity=0.1 * (n + 1)))
        for n, width in enumerate(widths)
    ]
    return with_curves(made_report(pairs, details=DETAILS))


@pytest.fixture(scope="module")
def findings(report):
    return find(report)


def test_first_screen_answers_what_a_reviewer_asks(report, findings):
    answers = {answer.question: answer for answer in findings.answers}
    assert list(answers) == [
        "When does it over-fit?",
        "What drives it?",
        "What helps against it?",
        "When to stop?",
        "How clear is the choice?",
    ]
    clear = answers["How clear is the choice?"]
    assert clear.text.startswith(
        "Surely better than 7 of the 7 configurations ranked next (4 folds and 2 seeds, 8 fits"
    )
    stop = answers["When to stop?"]
    assert stop.code.startswith('keras.callbacks.EarlyStopping(monitor="val_loss", patience=')
    assert "of the epochs" in stop.text
    sections = {answer.section for answer in findings.answers}
    assert sections <= {"points", "settings", "differences", "advice"}


def test_every_difference_has_a_row_and_is_in_the_direction_of_its_sign(report, findings):
    shown = findings.differences
    titles = [heading.title for heading in shown.headings]
    assert len(shown.rows) == 7
    assert shown.lead[-1].startswith("4 is better than 32 with probability above .99; practically equal below .01.")
    for number, row in enumerate(shown.rows, start=1):
        cells = dict(zip(titles, row, strict=True))
        assert cells["difference"].value == pytest.approx(0.2 * number, abs=0.01)
        assert cells["P(best is better)"].text == "above .99"
        assert cells["#"].value == number + 1
        assert "is better than" in cells["configuration"].hint


def test_what_says_nothing_is_not_on_the_first_screen():
    """A rule that stops nothing has no line of code, one that is judged by values near zero is not named at all."""
    improving = made_report([(BASE, made_point(onset=None))], details=DETAILS)
    falling = np.tile(np.linspace(2, 1, EPOCHS, dtype=np.float32), (FOLDS * REPEATS, 1))
    *_, answer = find(replace(improving, curves={"run0": {"val_loss": falling, "loss": falling}})).answers
    assert answer.code == "" and "train to the end" in answer.text
    tiny = 10 ** np.random.default_rng(0).uniform(-9, 0, (FOLDS * REPEATS, EPOCHS)).astype(np.float32)
    told = find(replace(improving, curves={"run0": {"val_loss": tiny, "loss": tiny}})).answers
    assert [answer.question for answer in told] == ["When does it over-fit?", "What drives it?"]
    assert told[1].text == (
        "These trials cannot tell: hardly any two differ in one setting alone. A sweep with design=one_at_a_time would."
    )


def test_equal_configurations_are_not_surely_better():
    pair = made_report([(BASE, made_point()), (replace(BASE, batch_size=64), made_point())], details=DETAILS)
    noise = np.random.default_rng(1)
    curves = {
        trial.run_id: {"val_loss": 1 + noise.normal(0, 0.1, (FOLDS * REPEATS, EPOCHS)).astype(np.float32)}
        for trial in pair.ranked
    }
    clear = next(answer for answer in find(replace(pair, curves=curves)).answers if answer.section == "differences")
    assert clear.text.startswith("Not surely better than the one configuration ranked next (4 folds and 2 seeds")


def test_of_every_two_one_or_neither_is_better(report, findings):
    shown = findings.pairs
    assert [heading.title for heading in shown.headings][:3] == ["probability that", "#", "than #1"]
    values = np.array([[np.nan if cell.value is None else cell.value for cell in row[2:]] for row in shown.rows])
    assert values.shape == (8, 8) and np.isnan(np.diag(values)).all()
    above = np.triu_indices(8, 1)
    assert (values[above] > 0.99).all() and (values.T[above] < 0.01).all()
    assert shown.notes[0].endswith("4 folds and 2 seeds, 8 fits each.")


def test_more_data_is_a_table_and_a_figure():
    pairs = [(replace(BASE, train_fraction=share), made_point(2.0 - share)) for share in (0.25, 0.5, 1.0)]
    found = find(with_curves(made_report(pairs, details=DETAILS)))
    assert [row[0].text for row in found.advice.data.rows] == ["25 %", "50 %", "100 %"]
    assert [row[1].value for row in found.advice.data.rows] == [75, 150, 300]
    (chart,) = [chart for chart in found.charts if chart.name == "data-size"]
    value, _ = chart.views[0].panels
    assert value.x.log and [text for _, text in value.x.ticks] == ["75 (25 %)", "150 (50 %)", "300 (100 %)"]
    band, line, _ = value.marks
    assert line.x == (75.0, 150.0, 300.0) and line.y == pytest.approx((1.75, 1.5, 1.0), abs=0.01)
    assert all(low < middle < high for low, middle, high in zip(band.low, line.y, band.high, strict=True))
    assert "more data would help" in chart.alt
    assert "data-size" not in {chart.name for chart in find(made_report(pairs[:1], details=DETAILS)).charts}


def test_the_table_says_what_its_rows_rest_on(report):
    assert rests_on(report) == "Every row rests on 4 folds and 2 seeds."
    mixed = made_report(
        [
            (BASE, made_point()),
            (replace(BASE, batch_size=64), made_point(1.1)),
            (replace(BASE, batch_size=128), made_point(1.2, repeats=1, fits=4)),
        ]
    )
    assert rests_on(mixed) == "2 of 3 rows rest on 4 folds and 2 seeds."


def test_one_trial_has_nothing_to_compare_and_no_trial_nothing_to_find():
    single = made_report([(BASE, made_point())], details=DETAILS, curves={"run0": curves_like(1.0, 0)})
    assert find_differences(single)[1] is None
    found = find(single)
    assert [answer.question for answer in found.answers] == [
        "When does it over-fit?",
        "What drives it?",
        "When to stop?",
    ]
    assert found.settings == () and found.advice.data is None
    assert find(made_report([(BASE, None)], details=DETAILS)) is None


def test_without_curves_there_is_no_advice_on_stopping(report):
    found = find(replace(report, curves={}))
    assert found.advice.rule is None and found.differences is None
    assert [table.name for table in found.settings] == ["by_units"]


def test_a_table_a_setting_speaks_of_all_configurations_at_a_value(report, findings):
    (units,) = findings.settings
    titles = [heading.title for heading in units.headings]
    assert titles[0] == "units" and "median severity" in titles
    assert sum(row[titles.index("configurations")].value for row in units.rows) == 8
    assert all(row[titles.index("over-fit")].text == "100 %" for row in units.rows)
    severities = [row[titles.index("median severity")].value for row in units.rows]
    assert severities == sorted(severities) and severities[0] < severities[-1]
    assert units.lead and "severity" in units.lead[0]


def importances(target: str, explained: float, **shares: float) -> Importances:
    from reports.settings import VariedSetting

    settings = tuple(VariedSetting(name, name, True, False, (), {}, {}) for name in shares)
    return Importances(target, 20, settings, tuple(shares.values()), explained, {})


def test_settings_that_explain_nothing_drive_nothing(report, monkeypatch):
    from reports.pages import findings

    found = (importances("best value", 0.8, units=0.7, depth=0.2, l2=0.1), importances("severity", 0.1, units=1.0))
    monkeypatch.setattr(findings, "setting_importances", lambda report: found)
    told = find(report)
    assert told.answers[1].text == (
        "How good it gets depends most on units (70 % of what settings explain) and depth (20 %), by a random forest "
        "over 20 configurations."
    )
    assert told.drivers[0].endswith("predict 80 % of its variance between configurations that were not seen.")
    assert told.drivers[1].endswith("; too little to say which setting matters.")
    assert "importance" in {chart.name for chart in told.charts}
    monkeypatch.setattr(findings, "setting_importances", lambda report: found[1:])
    assert "importance" not in {chart.name for chart in find(report).charts}


def test_a_column_that_is_empty_throughout_is_left_out():
    columns = [
        Column[int](Heading("number"), lambda row: Cell(str(row), row)),
        Column[int](Heading("nothing"), lambda row: Cell("–")),
        Column[int](Heading("odd", numeric=False, printed=False), lambda row: Cell("yes" if row % 2 else "")),
    ]
    made = table("made", "Made", columns, [1, 2])
    assert [heading.title for heading in made.headings] == ["number", "odd"]
    assert frame(made).to_dict("list") == {"number": ["1", "2"], "odd": ["yes", ""]}
    assert frame(made, printed_only=True, values=True).to_dict("list") == {"number": [1, 2]}


def test_tables_and_figures_as_files(report, findings, tmp_path):
    import pandas as pd

    tables = (ranking(report), *findings.tables)
    write_tables(tables, tmp_path / "tables")
    assert {file.name for file in (tmp_path / "tables").iterdir()} == {
        f"{shown.name}.{ending}" for shown in tables for ending in ("csv", "md", "tex")
    }
    read = pd.read_csv(tmp_path / "tables" / "ranking.csv")
    assert list(read["#"]) == list(range(1, 9))
    assert list(read["val_loss at best"]) == pytest.approx([trial.point.best_value for trial in report.ranked])
    for shown in tables:
        printed = (tmp_path / "tables" / f"{shown.name}.tex").read_text(encoding="utf-8")
        body = [line for line in printed.splitlines() if line.endswith(r"\\")]
        assert len(body) == len(shown.rows) + 1
        assert len({line.replace(r"\&", "").count("&") for line in body}) == 1
        assert r"\toprule" in printed and r"\bottomrule" in printed
    write_figures(findings, tmp_path / "figures")
    names = {file.name for file in (tmp_path / "figures").iterdir()}
    assert {"learning-curves.png", "learning-curves.svg", "settings.png"} <= names
    assert all((tmp_path / "figures" / name).stat().st_size > 1000 for name in names)
