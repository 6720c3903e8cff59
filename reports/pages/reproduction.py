"""The report of reproductions: every documented figure beside ours, made from the tracking store alone.

>>> paths = write_reproduction(tracking_uri="sqlite:///mlflow.db")        # doctest: +SKIP
>>> paths.markdown                                                         # doctest: +SKIP
PosixPath('report/reproduction/reproduction.md')
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.errors import UserError
from pipelines.reproduction.results import Reproduced, StoredJob, read_reproductions
from pipelines.reproduction.rows import Agreement, Row
from pipelines.tracking.reading import read_run_curves
from pipelines.tracking.runs import save_report, tag_project_run
from reports import formatting
from reports.charts.as_files import picture
from reports.charts.chart import Chart
from reports.charts.drawing import DPI, png
from reports.charts.reproduction_charts import agreement_chart, curves_chart, scores_chart, smoothing_chart
from reports.pages import templates
from reports.tables import reproduction_wording as words
from reports.tables.teaching import about, answers

FOLDER = Path("report") / "reproduction"
HTML, MARKDOWN = "reproduction.html", "reproduction.md"
#: Folder of the pictures, beside the Markdown.
PICTURES = "reproduction"
#: From what is seen in training to what is seen last; and metrics that are no result by themselves.
_SPLITS = ("train", "validation", "test")
_ON_THE_WAY = ("loss", "crossentropy", "mse")
#: Variants of an exercise whose curves are drawn.
_CURVES = 2


@dataclass(frozen=True, eq=False)
class ReproductionReport:
    """Reproductions, ready to be shown."""

    reproductions: tuple[Reproduced, ...]

    @property
    def rows(self) -> tuple[tuple[Reproduced, Row], ...]:
        """All rows with their exercise."""
        return tuple((of, row) for of in self.reproductions for row in of.rows)

    @property
    def with_both(self) -> tuple[Row, ...]:
        """Documented rows that were trained with the optimizer as it was and as it is today."""
        return tuple(row for of in self.reproductions for row in of.documented if row.ours and row.today)

    @property
    def headline(self) -> str:
        """The answer in a sentence."""
        documented = sum(len(of.documented) for of in self.reproductions)
        if not documented:
            return "None of these exercises documents a figure."
        results = [row for of in self.reproductions for row in results_of(of)]
        agreeing = sum(row.agreement is Agreement.AGREES for row in results)
        share = 100 * agreeing / max(len(results), 1)
        return (
            f"{agreeing} of {len(results)} documented results agree with ours ({share:.0f} %), and "
            f"{sum(len(of.agreeing) for of in self.reproductions)} of {documented} figures, those of single epochs and "
            "losses included."
        )


def results_of(of: Reproduced) -> tuple[Row, ...]:
    """What the variants came to: the score after the last epoch (of the test rows where there is one, else of the
    validation rows), over-fitting points, weights and chance; not losses, nor epochs on the way.
    """

    def is_last(row: Row) -> bool:
        same = [other for other in of.documented if (other.variant, other.metric) == (row.variant, row.metric)]
        furthest = max(same, key=lambda other: (other.epoch, _SPLITS.index(other.split)))
        return row == furthest

    return tuple(row for row in of.documented if row.metric not in _ON_THE_WAY and is_last(row))


@dataclass(frozen=True, eq=False)
class ReproductionPaths:
    """Where a report was written, and what it says."""

    folder: Path
    html: Path
    markdown: Path
    pictures: tuple[Path, ...]
    report: ReproductionReport


def write_reproduction(
    *, tracking_uri: str, run_ids: Sequence[str] = (), output: Path | None = None, log_to_run: bool = True
) -> ReproductionPaths:
    """Make the report of reproductions from the tracking store.

    Raises ``TrackingError`` when the store does not answer, or has no such reproduction; ``UserError`` when the folder
    cannot be written.

    Parameters
    ----------
    run_ids
        Runs of reproductions, one an exercise; empty for the latest of each exercise.
    output
        Folder to write to, made where missing; None for ``report/reproduction`` in the working folder.
    log_to_run
        Whether to keep the files with the runs (and, under ``mlflow run``, with the project's own run).
    """
    report = ReproductionReport(read_reproductions(tracking_uri=tracking_uri, run_ids=run_ids))
    folder = output or FOLDER
    pictures = draw(report)
    files = tuple(folder / PICTURES / f"{name}.png" for name in pictures)
    paths = ReproductionPaths(folder, folder / HTML, folder / MARKDOWN, pictures=files, report=report)
    try:
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths.pictures, pictures.values(), strict=True):
            path.write_bytes(content)
        paths.html.write_text(render_html(report, pictures), encoding="utf-8")
        paths.markdown.write_text(render_markdown(report, pictures), encoding="utf-8")
    except OSError as error:
        raise UserError(f"The report cannot be written to {folder}: {error.strerror or error}.") from error
    if log_to_run:
        uri = report.reproductions[0].uri
        for reproduced in report.reproductions:
            save_report(reproduced.run_id, folder, uri=uri)
        tag_project_run("reproduction", folder, uri=uri)
    return paths


def draw(report: ReproductionReport) -> dict[str, bytes]:
    """All pictures as PNG, by name: ``agreement``, ``imdb-scores``, ``imdb-curves-1``, ``boston_housing-smoothing``."""
    return {name: png(picture(chart), dpi=2 * DPI) for name, chart in _charts(report) if chart is not None}


def _charts(report: ReproductionReport) -> Iterator[tuple[str, Chart | None]]:
    """Figures by the names of their files."""
    if any(row.ours and row.ours.low is not None for of in report.reproductions for row in of.documented):
        yield "agreement", agreement_chart(report.reproductions)
    for of in report.reproductions:
        yield f"{of.exercise}-scores", scores_chart(of)
        for number, (variant, job) in enumerate(_drawn(of), start=1):
            curves = read_run_curves(str(job.run_id), uri=of.uri)
            if curves is None:
                continue
            yield f"{of.exercise}-curves-{number}", curves_chart(of, variant, job, curves)
            for row in of.documented:
                if row.metric == "overfitting_epoch" and row.variant == variant and job.folds > 1:
                    yield f"{of.exercise}-smoothing", smoothing_chart(of, row, job, curves)


def _drawn(of: Reproduced) -> list[tuple[str, StoredJob]]:
    """Variants whose curves say most: with an over-fitting point or figures of several epochs, else the first."""
    named = list(dict.fromkeys(row.variant for row in of.rows))

    def worth(name: str) -> int:
        rows = [row for row in of.documented if row.variant == name]
        return 10 * any(words.is_of_epochs(row) for row in rows) + len({row.epoch for row in rows})

    found = []
    for name in sorted(named, key=worth, reverse=True):
        job = of.job(name, ("validation", "test", "training"))
        if job is not None and job.epochs > 1:
            found.append((name, job))
    return [entry for number, entry in enumerate(found[:_CURVES]) if number == 0 or worth(entry[0]) > 1]


def render_html(report: ReproductionReport, pictures: Mapping[str, bytes]) -> str:
    """The page, with its style and pictures inside."""
    images = {name: f"data:image/png;base64,{b64encode(content).decode()}" for name, content in pictures.items()}
    environment = templates(html=True)
    environment.filters["emphasised"] = _emphasised
    return environment.get_template("reproduction.html.j2").render(**_context(report), pictures=images)


def render_markdown(report: ReproductionReport, pictures: Mapping[str, bytes]) -> str:
    """The same as Markdown, its pictures in the folder ``reproduction`` beside it."""
    environment = templates(html=False)
    environment.filters["cell"] = _cell
    images = {name: f"{PICTURES}/{name}.png" for name in pictures}
    return environment.get_template("reproduction.md.j2").render(**_context(report), pictures=images)


def terminal_table(report: ReproductionReport) -> RenderableType:
    """All rows, for a terminal, and how many agree."""
    table = Table(title=Text(report.headline, style="bold"), title_justify="left", box=None, pad_edge=False)
    for heading in ("exercise", "variant", "figure"):
        table.add_column(heading, overflow="fold")
    for heading in ("documented", "ours", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    styles = {Agreement.AGREES: "green", Agreement.DIFFERS: "red", Agreement.NOT_MEASURED: "magenta"}
    previous = ("", "")
    for of, row in report.rows:
        exercise = "" if of.exercise == previous[0] else of.exercise
        variant = "" if (of.exercise, row.variant) == previous else row.variant
        previous = (of.exercise, row.variant)
        ours = words.documented(row), words.measured(row, row.ours), words.interval(row, row.ours)
        verdict = f"{words.GLYPHS[row.agreement]} {words.verdict(row)}"
        cells = (exercise, variant, words.quantity(row), *ours, Text(verdict, styles.get(row.agreement, "dim")))
        table.add_row(*cells)
    return table


def _context(report: ReproductionReport) -> dict[str, Any]:
    return {
        "report": report,
        "words": words,
        "about": about,
        "answers": answers,
        "differing": lambda of: [row for row in of.documented if row.agreement is Agreement.DIFFERS],
        "facts": _facts(report),
        "results_of": results_of,
        "agree": lambda rows: sum(row.agreement is Agreement.AGREES for row in rows),
        "has_today": lambda of: any(row.today for row in of.rows),
    }


def _facts(report: ReproductionReport) -> list[tuple[str, str]]:
    """What was run."""
    first = report.reproductions[0]
    settings, environment = first.settings, first.environment
    total = sum(of.seconds for of in report.reproductions)
    pairs = [
        ("Trainings", f"{sum(len(of.jobs) for of in report.reproductions)}, {formatting.seconds(total)} in all"),
        ("Seeds", f"{settings.repeats} from {settings.seed} on"),
        ("Backend", settings.backend),
        ("Hardware", ", ".join(filter(None, [environment.processor, f"{environment.cores} cores"]))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in environment.packages.items())),
        ("Commit", first.commit),
        ("Started", f"{min(of.started for of in report.reproductions):%Y-%m-%d %H:%M} UTC"),
    ]
    return [(heading, text) for heading, text in pairs if text]


def _cell(text: object) -> Markup:
    """Text for Markdown: what would be HTML, or the end of a table's cell, is escaped; quotation marks are not."""
    return Markup(" ".join(escape(str(text), quote=False).replace("|", "&#124;").split()))


def _emphasised(text: str) -> Markup:
    """The two marks of our own sentences, ``**bold**`` and ``*emphasis*``, as HTML; everything else escaped."""
    html = str(Markup.escape(text))
    for mark, tag in (("**", "b"), ("*", "em")):
        html = "".join(f"<{tag}>{part}</{tag}>" if at % 2 else part for at, part in enumerate(html.split(mark)))
    return Markup(html)
