"""What terminal and page say of the data: how they were read, what may be wrong with them, shares of classes."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.tracking.sweeps import DataFacts
from reports.pages.sweep import render_html, render_markdown
from reports.tables.data_facts import data_section
from tests.support.chart_sweeps import EVIL, searched
from tests.support.small_sweep import MadeExecutor, small_exercise, sweep

# ruff: noqa: I001 - small_sweep chooses Keras' backend, so it comes first.
from pipelines.sweep import loop

DETAILS = {
    "test": "a fixed split of 20 %",
    "read": "semicolons, decimal commas, Latin-1, 1,204 rows x 14 columns: 9 numbers, 4 texts, 1 date",
    "left out": "number (a counter), town (all texts differ)",
    "imputed": "age: 12 with 37.5",
    "words": "10,000",
}
FACTS = DataFacts(
    samples=1000, details=DETAILS, warnings=("A column tells all.",), class_shares={"no": 0.05, "yes": 0.95}
)


def test_what_a_page_says_of_the_data() -> None:
    section = data_section(FACTS)
    assert [heading for heading, _ in section.facts] == ["Read as", "Left out", "Filled in", "Test rows", "Words"]
    assert section.shares is not None
    assert [[cell.text for cell in row] for row in section.shares.rows] == [["yes", "95 %", "950"], ["no", "5 %", "50"]]
    assert section.shares.lead == ("Saying 'yes' of every row would be right in 95 % of them.",)
    assert section.shares.notes == ()


def test_many_classes_are_shown_by_the_most_frequent() -> None:
    shares = {f"class {n}": (n + 1) / 210 for n in range(20)}
    table = data_section(replace(FACTS, class_shares=shares)).shares
    assert table is not None
    assert [row[0].text for row in table.rows][:2] == ["class 19", "class 18"]
    assert len(table.rows) == 12
    assert table.notes == ("8 more classes, each with 3.81 % or less.",)


def test_nothing_is_said_where_nothing_is_known() -> None:
    section = data_section(DataFacts())
    assert (section.warnings, section.facts, section.shares) == ((), (), None)
    report = searched(3)
    assert 'id="data"' not in render_html(report)
    assert "## The data" not in render_markdown(report)


def test_page_and_markdown_have_it_and_warnings_stand_at_the_top() -> None:
    report = searched(3)
    facts = replace(FACTS, warnings=("A column tells all.", EVIL), details=DETAILS | {"read": EVIL})
    record = replace(report.sweep.record, data=facts)
    report = replace(report, sweep=replace(report.sweep, record=record))
    page, text = render_html(report), render_markdown(report)
    assert page.index("A column tells all.") < page.index('class="tiles"')
    assert "number (a counter), town (all texts differ)" in page
    assert 'style="width: 95.0%"' in page
    assert "alert(1)</script>" not in page
    assert text.index("**Look at the data:** A column tells all.") < text.index("## The chosen configuration")
    assert "| yes | 95 % | 950 |" in text
    assert "<script>" not in text


@pytest.mark.usefixtures("in_store")
def test_a_sweep_says_it_before_its_first_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exercise = small_exercise(tmp_path)
    load = loop.load_dataset
    told = {"details": DETAILS, "warnings": ("A column tells all.", "3 rows are there twice.")}
    monkeypatch.setattr(loop, "load_dataset", lambda *arguments: replace(load(*arguments), **told))
    _, printed = sweep(MadeExecutor(noise=0.01), exercise, trials=2)
    lines = printed.splitlines()
    assert lines[1] == f"Read: {DETAILS['read']}"
    assert lines[2] == f"Left out: {DETAILS['left out']}"
    assert lines[3] == "Filled in: age: 12 with 37.5"
    assert lines[4:6] == ["Warning: A column tells all.", "Warning: 3 rows are there twice."]
    assert lines[6].startswith("Plan: ")
