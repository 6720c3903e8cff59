"""The tables and figures of a report as files beside it, for papers, notebooks and the viewer of the MLflow UI."""

from collections.abc import Sequence
from pathlib import Path

from reports.pages.findings import Findings
from reports.tables.table import Table, frame

TABLES, FIGURES = "tables", "figures"


def write_tables(tables: Sequence[Table], folder: Path) -> None:
    """Each table as CSV (values), Markdown (all that is shown) and LaTeX (what a printed page has room for).

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    from reports.tables.frame_text import csv, latex, markdown  # pandas, half a second

    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        file = folder / table.name
        file.with_suffix(".csv").write_text(csv(frame(table, values=True)), encoding="utf-8")
        sentences = ["", *table.lead, ""] if table.lead else [""]
        text = "\n".join([f"# {table.title}", *sentences, markdown(frame(table))])
        file.with_suffix(".md").write_text(text, encoding="utf-8")
        printed = latex(frame(table, printed_only=True), caption=table.title, label=f"tab:{table.name}")
        file.with_suffix(".tex").write_text(printed, encoding="utf-8")


def write_figures(findings: Findings, folder: Path) -> None:
    """Each figure as PNG and SVG.

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    from reports.charts.as_files import save  # matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    for chart in findings.charts:
        save(chart, folder)
