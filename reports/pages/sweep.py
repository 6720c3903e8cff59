"""Puts a report on a page: HTML that needs nothing else, Markdown, CSV, and tables and figures as files."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pipelines.errors import UserError
from pipelines.overfitting.point import Verdict
from pipelines.tracking import save_report
from reports import formatting
from reports.analysis.documented import Comparison, compare, documented_trials
from reports.charts import embed
from reports.charts.inline_svg import EpochAxis, curve_panel, forest_row
from reports.charts.palette import verdict_class
from reports.frames import csv, points_frame
from reports.pages import picture_file, templates
from reports.pages.files import FIGURES, TABLES, write_figures, write_tables
from reports.pages.final import FinalSection, read_final_section
from reports.pages.findings import Findings, find
from reports.report import BASELINE, Report, point_of, read_report
from reports.store import Curves, Trial, read_trial_curves
from reports.tables import configurations as tables
from reports.tables.ranking import ranking
from reports.tables.wording import definitions, facts, reason, rests_on

if TYPE_CHECKING:
    from reports.charts.drawing import Drawn

FOLDER = Path("report")
HTML, MARKDOWN, CSV = "report.html", "report.md", "overfitting.csv"
#: Configurations whose learning curves are drawn, the baseline always among them; and rows of the forest plot.
PANELS = 6
FOREST_ROWS = 60
SUMMARY_ROWS = 5
DOWNLOADS = 8


@dataclass(frozen=True)
class ReportPaths:
    """Where a report was written, and its summary.

    Attributes
    ----------
    folder, html, markdown, csv
        The folder and its files.
    summary
        A few lines of Markdown for the description of the sweep's run.
    pictures
        PNG files of the final model, beside the Markdown that shows them; empty where there is no final model.
    """

    folder: Path
    html: Path
    markdown: Path
    csv: Path
    summary: str
    pictures: tuple[Path, ...] = ()


def write_report(
    sweep_run_id: str, *, tracking_uri: str, output: Path | None = None, log_to_run: bool = True
) -> ReportPaths:
    """Make the report of a sweep from the tracking store.

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

    Raises
    ------
    TrackingError
        When the store does not answer, has no such run, or the run is not that of a sweep.
    UserError
        When the folder cannot be written.
    """
    return publish(read_report(sweep_run_id, tracking_uri=tracking_uri), output=output, log_to_run=log_to_run)


def publish(report: Report, *, output: Path | None = None, log_to_run: bool = True) -> ReportPaths:
    """``write_report`` of a sweep that has been read."""
    curves = _curves(report)
    findings = find(report, curves)
    final = read_final_section(report)
    pictures = _draw(final)
    folder = output or FOLDER / f"{report.sweep.exercise or 'sweep'}-{report.sweep.run_id[:8]}"
    files = {folder / picture_file(name): drawn for name, drawn in pictures.items()}
    paths = ReportPaths(
        folder, folder / HTML, folder / MARKDOWN, folder / CSV, render_summary(report, findings), tuple(files)
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths.html.write_text(render_html(report, curves, final, pictures, findings), encoding="utf-8")
        paths.markdown.write_text(render_markdown(report, curves, final, findings), encoding="utf-8")
        paths.csv.write_text(csv(points_frame(report)), encoding="utf-8")
        if findings is not None:
            write_tables((ranking(report), *findings.tables), folder / TABLES)
            write_figures(findings, folder / FIGURES)
        for path, drawn in files.items():
            path.write_bytes(drawn.png)
    except OSError as error:
        raise UserError(f"The report cannot be written to {folder}: {error.strerror or error}.") from error
    if log_to_run:
        save_report(report.sweep.run_id, folder, uri=report.sweep.uri)
    return paths


def render_html(
    report: Report,
    curves: Mapping[str, Curves],
    final: FinalSection | None = None,
    pictures: "Mapping[str, Drawn] | None" = None,
    findings: Findings | None = None,
) -> str:
    """The page, with its style, scripts, figures and pictures inside.

    Parameters
    ----------
    curves
        Of the trials that are drawn, by run id.
    final, pictures
        The final model, and each of its pictures by name; None where there is none.
    findings
        What was found beyond the ranking; None to leave it out.
    """
    shown = report.ranked[:FOREST_ROWS]
    axis = EpochAxis(max(report.epochs, 1))
    return (
        templates(html=True)
        .get_template("report.html.j2")
        .render(
            **_context(report, curves),
            axis=axis,
            forest=[(trial, forest_row(point_of(trial), axis)) for trial in shown],
            hidden=len(report.ranked) - len(shown),
            panels=_panels(report, curves),
            verdicts=[(verdict, count) for verdict in Verdict if (count := _count(report, verdict))],
            groups=_groups(),
            final=final,
            pictures=pictures or {},
            findings=findings,
            embedded=embed(findings.charts) if findings else None,
        )
    )


def render_markdown(
    report: Report,
    curves: Mapping[str, Curves],
    final: FinalSection | None = None,
    findings: Findings | None = None,
) -> str:
    """The same for places that show Markdown, with figures and pictures as files beside it."""
    template = templates(html=False).get_template("report.md.j2")
    return template.render(**_context(report, curves), final=final, findings=findings, figures=FIGURES)


def render_summary(report: Report, findings: Findings | None = None) -> str:
    """The answers and the best few configurations, as Markdown."""
    template = templates(html=False).get_template("summary.md.j2")
    return template.render(**_context(report, {}), rows=report.ranked[:SUMMARY_ROWS], findings=findings)


def _context(report: Report, curves: Mapping[str, Curves]) -> dict[str, Any]:
    comparisons: tuple[Comparison, ...] = compare(report, curves)
    return {
        "report": report,
        "columns": tables.COLUMNS,
        "comparisons": comparisons,
        "definitions": definitions(report),
        "facts": facts(report),
        "point": point_of,
        "origin": lambda trial: tables.origin_words(trial, report.sweep.tuner),
        "glyphs": tables.GLYPHS,
        "baseline": BASELINE,
        "rests": rests_on(report),
        "failures": [(trial, reason(trial)) for trial in report.others],
        "f": formatting,
        "verdict_class": verdict_class,
    }


def _curves(report: Report) -> dict[str, Curves]:
    """Curves of all trials that have a result, and of those held against documented figures, by run id."""
    wanted = {trial.run_id: trial for trial in report.ranked}
    wanted |= {trial.run_id: trial for variant, trial in documented_trials(report) if variant.figures}
    # Where the files are on a server, a request takes longer than all the rest.
    with ThreadPoolExecutor(max_workers=DOWNLOADS) as pool:
        read = pool.map(lambda trial: read_trial_curves(trial, uri=report.sweep.uri), wanted.values())
        return {run_id: found for run_id, found in zip(wanted, read, strict=True) if found is not None}


def _draw(final: FinalSection | None) -> "dict[str, Drawn]":
    if final is None:
        return {}
    from reports.charts.drawing import drawn  # matplotlib, half a second

    return {
        picture.name: drawn(picture.draw, photographs=picture.photographs, scrolls=picture.scrolls)
        for picture in final.pictures
    }


def _drawn(report: Report) -> list[Trial]:
    """The best few, and the baseline."""
    baseline = [trial for trial in report.ranked[PANELS:] if trial.origin == BASELINE][:1]
    return list(report.ranked[: PANELS - len(baseline)]) + baseline


def _panels(report: Report, curves: Mapping[str, Curves]) -> list[tuple[int, Trial, Markup]]:
    drawn = [
        (rank, trial, curve_panel(curves[trial.run_id], report.sweep.monitor, point_of(trial)))
        for rank, trial in enumerate(report.ranked, start=1)
        if trial in _drawn(report) and trial.run_id in curves
    ]
    return [panel for panel in drawn if panel[2]]


def _groups() -> list[tuple[str, int]]:
    """Headings over the columns, and how many columns each is over."""
    groups: list[tuple[str, int]] = []
    for column in tables.COLUMNS:
        if groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    return groups


def _count(report: Report, verdict: Verdict) -> int:
    return sum(point_of(trial).verdict is verdict for trial in report.ranked)
