"""Puts a comparison of sweeps on a page: HTML that needs nothing else, Markdown, CSV, and a table for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.errors import UserError
from pipelines.words import listed
from reports import formatting
from reports.analysis.several import SweepComparison
from reports.charts.inline_svg import STYLES, search_figure
from reports.pages import templates
from reports.pages.sweep import FOLDER
from reports.report import point_of, saved_epochs
from reports.tables import several_wording as wording
from reports.tables.table import csv

HTML, MARKDOWN, CSV = "comparison.html", "comparison.md", "comparison.csv"
#: Run ids that the folder's name has.
NAMED = 3
_SWEEP_COLUMNS = ("run_id", "exercise", "tuner", "backend", "monitor", "data_sha256")
_POINT_COLUMNS = (
    *("verdict", "best_epoch", "best_epoch_low", "best_epoch_high", "censored", "onset", "best_value"),
    *("sd_folds", "sd_seeds", "severity", "epochs", "folds", "repeats"),
)
_MATCH_COLUMNS = ("difference", "margin", "basis", "intervals_overlap")


@dataclass(frozen=True)
class ComparisonPaths:
    """Where a comparison was written: the folder and its files."""

    folder: Path
    html: Path
    markdown: Path
    csv: Path


def comparison_folder(run_ids: Sequence[str]) -> Path:
    """Folder of a comparison where none is named.

    >>> comparison_folder(["1f0c3a52aa", "77b1e0d4bb"]).as_posix()
    'report/comparison-1f0c3a52-77b1e0d4'
    >>> comparison_folder(["1a", "2b", "3c", "4d", "5e"]).name
    'comparison-1a-2b-3c-and-2-more'
    """
    named = [run_id[:8] for run_id in run_ids[:NAMED]]
    more = len(run_ids) - len(named)
    return FOLDER / "-".join(["comparison", *named, *([f"and-{more}-more"] if more else [])])


def write_comparison(comparison: SweepComparison, *, output: Path | None = None) -> ComparisonPaths:
    """Write the page, Markdown and CSV of a comparison.

    Raises ``UserError`` when the folder cannot be written.

    ``output``: folder to write to, made where missing; None for ``comparison_folder`` of the sweeps.
    """
    folder = output or comparison_folder([entry.run_id for entry in comparison.entries])
    paths = ComparisonPaths(folder, folder / HTML, folder / MARKDOWN, folder / CSV)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths.html.write_text(render_html(comparison), encoding="utf-8")
        paths.markdown.write_text(render_markdown(comparison), encoding="utf-8")
        paths.csv.write_text(csv_text(comparison), encoding="utf-8")
    except OSError as error:
        raise UserError(f"The comparison cannot be written to {folder}: {error.strerror or error}.") from error
    return paths


def render_html(comparison: SweepComparison) -> str:
    """The page, with its style and figures inside."""
    figures = {
        group: search_figure(group.progress, group.monitors[0]) for group in comparison.compared if group.progress
    }
    return _rendered(comparison, html=True, figures=figures, styles=STYLES)


def render_markdown(comparison: SweepComparison) -> str:
    """The same for places that show Markdown, without figures."""
    return _rendered(comparison, html=False)


def _rendered(comparison: SweepComparison, *, html: bool, **more: Any) -> str:
    template = templates(html=html).get_template(f"several.{'html' if html else 'md'}.j2")
    sentences = {"headline": wording.headline(comparison), "remarks": wording.remarks(comparison)}
    return template.render(comparison=comparison, words=wording, **sentences, **more)


def csv_text(comparison: SweepComparison) -> str:
    """A row a sweep and configuration, numbers in full; a configuration has one hash in all sweeps.

    The last four columns compare it with the same configuration of the first sweep of its exercise that was named.
    """
    import pandas as pd

    pairs = [pair for group in comparison.groups for pair in group.pairs]
    matched = {found.second.run_id: found for pair in pairs for found in pair.matches}
    rows = []
    for entry in comparison.entries:
        sweep = entry.report.sweep
        for rank, trial in enumerate(entry.report.ranked, start=1):
            point, found = point_of(trial), matched.get(trial.run_id)
            rows.append(
                {
                    "sweep": entry.letter,
                    **{name: getattr(sweep, name) for name in _SWEEP_COLUMNS},
                    "rank": rank,
                    "configuration": trial.name,
                    "hash": trial.configuration.hash if trial.configuration else None,
                    **{name: getattr(point, name) for name in _POINT_COLUMNS},
                    "epochs_saved": saved_epochs(point),
                    "seconds": trial.seconds,
                    **{name: getattr(found, name, None) for name in _MATCH_COLUMNS},
                }
            )
    columns = [
        *("sweep", *_SWEEP_COLUMNS, "rank", "configuration", "hash", *_POINT_COLUMNS),
        *("epochs_saved", "seconds", *_MATCH_COLUMNS),
    ]
    return csv(pd.DataFrame(rows, columns=columns, dtype=object))


def terminal_table(comparison: SweepComparison) -> RenderableType:
    """The answer, a row for each sweep, and for each exercise with several sweeps what was found, for 100 columns."""
    table = Table(
        title=Text(wording.headline(comparison), style="bold"),
        title_justify="left",
        box=None,
        pad_edge=False,
        expand=False,
    )
    table.add_column("", style="dim", no_wrap=True)
    table.add_column("exercise", overflow="fold", max_width=22)
    table.add_column("chosen configuration", overflow="fold", max_width=26)
    for heading in ("best epoch", "over-fit", "value", "trials", "time"):
        table.add_column(heading, justify="right", no_wrap=heading != "value")
    for entry in comparison.entries:
        best = entry.report.best
        cells = (
            entry.letter,
            Text(entry.name) + Text(f"\n{entry.run_id[:8]}", style="dim"),
            Text(entry.report.labels[best.run_id] if best else formatting.NONE),
            formatting.best_epoch_with_interval(point_of(best)) if best else formatting.NONE,
            wording.onset_words(entry),
            Text(f"{entry.report.value_name} {formatting.number(point_of(best).best_value)}" if best else "–"),
            str(len(entry.report.sweep.trials)),
            formatting.seconds(entry.seconds),
        )
        table.add_row(*cells)
    sentences = list(wording.remarks(comparison))
    for group in comparison.compared:
        if len(comparison.groups) > 1:
            sentences.append(f"{group.name}: {wording.best_sentence(group)}".rstrip(": "))
        if group.changes:
            sentences.append(f"{group.name}: what differs is {listed([c.what for c in group.changes])}.")
    return Lines(table, *(Text(sentence, style="italic") for sentence in sentences))
