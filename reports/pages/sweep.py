"""Puts a report on a page: HTML that needs nothing else, Markdown, CSV, and tables and figures as files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pipelines.errors import UserError
from pipelines.overfitting.point import Verdict
from pipelines.tracking.runs import save_report
from pipelines.tracking.store import run_link
from reports.analysis.atlas import Step
from reports.charts import embed
from reports.charts.curve_charts import curve_order
from reports.charts.inline_svg import EpochAxis, forest_row
from reports.pages import picture_file, templates
from reports.pages.findings import Findings, find
from reports.pages.live import Live
from reports.report import Report, point_of, read_report
from reports.tables import configurations as tables
from reports.tables.comparisons import documented_comparisons
from reports.tables.data_facts import data_section
from reports.tables.frames import points_frame
from reports.tables.table import Table, csv, frame, latex, markdown
from reports.tables.wording import definitions, facts, reason, rests_on

if TYPE_CHECKING:
    from reports.charts.drawing import Drawn
    from reports.pages.final import FinalSection

FOLDER = Path("report")
HTML, MARKDOWN, CSV = "report.html", "report.md", "overfitting.csv"
TABLES, FIGURES = "tables", "figures"
FOREST_ROWS = 60
SUMMARY_ROWS = 5


@dataclass(frozen=True)
class ReportPaths:
    """Where a report was written, and its summary."""

    #: ``folder``, ``html``, ``markdown``, ``csv``: the folder and its files.
    folder: Path
    html: Path
    markdown: Path
    csv: Path
    summary: str  #: a few lines of Markdown for the description of the sweep's run
    #: PNG files of the final model, beside the Markdown that shows them; empty where there is no final model.
    pictures: tuple[Path, ...] = ()


def write_report(
    sweep_run_id: str, *, tracking_uri: str, output: Path | None = None, log_to_run: bool = True
) -> ReportPaths:
    """Make the report of a sweep from the tracking store.

    Raises ``TrackingError`` when the store does not answer, has no such run, or the run is not that of a sweep;
    ``UserError`` when the folder cannot be written.

    Parameters
    ----------
    sweep_run_id
        MLflow run of the sweep.
    tracking_uri
        The store.
    output
        Folder to write to, made where missing; None for ``report/<exercise>-<run id>`` in the working folder.
    log_to_run
        Whether to keep the files with the run, under ``report/``, so that the MLflow UI shows them.
    """
    return publish(read_report(sweep_run_id, tracking_uri=tracking_uri), output=output, log_to_run=log_to_run)


def publish(report: Report, *, output: Path | None = None, log_to_run: bool = True) -> ReportPaths:
    """``write_report`` of a sweep that has been read."""
    from reports.pages.final import read_final_section  # matplotlib, half a second

    report.read_curves()
    findings = find(report)
    # Curves that were read from other tools' logs have no store of ours.
    final = read_final_section(report) if report.sweep.uri else None
    pictures = final.drawn() if final else {}
    folder = output or FOLDER / f"{report.sweep.exercise or 'sweep'}-{report.sweep.run_id[:8]}"
    files = {folder / picture_file(name): drawn for name, drawn in pictures.items()}
    paths = ReportPaths(
        folder=folder,
        html=folder / HTML,
        markdown=folder / MARKDOWN,
        csv=folder / CSV,
        summary=render_summary(report, findings),
        pictures=tuple(files),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths.html.write_text(render_html(report, final, pictures, findings), encoding="utf-8")
        paths.markdown.write_text(render_markdown(report, final, findings), encoding="utf-8")
        paths.csv.write_text(csv(points_frame(report)), encoding="utf-8")
        if findings is not None:
            write_tables((tables.ranking(report), *findings.tables), folder / TABLES)
            write_figures(findings, folder / FIGURES)
        for path, drawn in files.items():
            path.write_bytes(drawn.png)
    except OSError as error:
        raise UserError(f"The report cannot be written to {folder}: {error.strerror or error}.") from error
    if log_to_run:
        save_report(report.sweep.run_id, folder, uri=report.sweep.uri)
    return paths


def write_tables(shown: Sequence[Table], folder: Path) -> None:
    """Each table as CSV (values), Markdown (all that is shown) and LaTeX (what a printed page has room for).

    Raises ``OSError`` when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for table in shown:
        file = folder / table.name
        sentences = ["", *table.lead, ""] if table.lead else [""]
        texts = {
            ".csv": csv(frame(table, values=True)),
            ".md": "\n".join([f"# {table.title}", *sentences, markdown(frame(table))]),
            ".tex": latex(frame(table, printed_only=True), caption=table.title, label=f"tab:{table.name}"),
        }
        for ending, text in texts.items():
            file.with_suffix(ending).write_text(text, encoding="utf-8")


def write_figures(findings: Findings, folder: Path) -> None:
    """Each figure as PNG and SVG.

    Raises ``OSError`` when the folder cannot be written.
    """
    from reports.charts.as_files import save  # matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    for chart in findings.pictured:
        save(chart, folder)


def render_html(
    report: Report,
    final: "FinalSection | None" = None,
    pictures: "Mapping[str, Drawn] | None" = None,
    findings: Findings | None = None,
    live: Live | None = None,
) -> str:
    """The page, with its style, scripts, figures and pictures inside.

    Parameters
    ----------
    final, pictures
        The final model, and each of its pictures by name; None where there is none.
    findings
        What was found beyond the ranking; None to leave it out.
    live
        What is in work, on a page that its server renews; None for a page that stays as it is.
    """
    shown = report.ranked[:FOREST_ROWS]
    axis = EpochAxis(max(report.epochs, 1))
    counts = Counter(point_of(trial).verdict for trial in report.ranked)
    context = _context(report)
    groups = Counter(column.heading.group for column in context["columns"])
    return (
        templates(html=True)
        .get_template("report.html.j2")
        .render(
            **context,
            axis=axis,
            forest=[(trial, forest_row(point_of(trial), axis)) for trial in shown],
            hidden=len(report.ranked) - len(shown),
            verdicts=[(verdict, counts[verdict]) for verdict in Verdict if counts[verdict]],
            groups=[(tables.group_title(group, report), columns) for group, columns in groups.items()],
            final=final,
            pictures=pictures or {},
            findings=findings,
            live=live,
            live_version=live.version if live else "",
            embedded=embed(findings.charts) if findings else None,
            views={trial.run_id: view for view, trial in enumerate(curve_order(report))} if findings else {},
            run_link=lambda trial: run_link(report.sweep.uri, report.sweep.experiment_id, trial.run_id),
            capacity=_capacity(findings, axis) if findings else [],
        )
    )


def render_live(report: Report, live: Live) -> str:
    """The page with the trials in work on top; it asks its server for changes, and keeps place and selection."""
    return render_html(report, findings=find(report), live=live)


def _capacity(findings: Findings, axis: EpochAxis) -> list[tuple[Step, Markup]]:
    """The rows of the first screen's small figure: each size of a network, and where it stops learning."""
    steps = findings.capacity.steps if findings.capacity else ()
    return [(step, forest_row(point_of(step.trial), axis)) for step in steps]


def render_markdown(report: Report, final: "FinalSection | None" = None, findings: Findings | None = None) -> str:
    """The same for places that show Markdown, with figures and pictures as files beside it."""
    template = templates(html=False).get_template("report.md.j2")
    return template.render(**_context(report), final=final, findings=findings, figures=FIGURES)


def render_summary(report: Report, findings: Findings | None = None) -> str:
    """The answers and the best few configurations, as Markdown."""
    template = templates(html=False).get_template("summary.md.j2")
    return template.render(**_context(report), rows=report.ranked[:SUMMARY_ROWS], findings=findings)


def _context(report: Report) -> dict[str, Any]:
    columns = tables.columns_of(report)
    return {
        "report": report,
        "columns": columns,
        "titles": [tables.full_title(column, report) for column in columns],
        "mark": tables.guessing_mark,
        "scores": tables.metrics_line(report, report.best) if report.best else "",
        "comparisons": documented_comparisons(report),
        "data": data_section(report.sweep.record.data),
        "definitions": definitions(report),
        "facts": facts(report),
        "origin": lambda trial: tables.origin_words(trial, report.sweep.tuner),
        "rests": " ".join(filter(None, (rests_on(report), tables.guessing_line(report)))),
        "settings": tables.winner_settings(report),
        "failures": [(trial, reason(trial)) for trial in report.others],
    }
