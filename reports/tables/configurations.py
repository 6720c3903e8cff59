"""The table of configurations: its columns once, for the page, for Markdown and for the terminal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.trials import Trial
from reports.formatting import NONE, best_epoch, best_epoch_with_interval, interval, number, percent, signed, whole
from reports.report import BASELINE, Report, point_of

#: A shape before the word, for those who do not see the colour.
GLYPHS: Mapping[Verdict, str] = {
    Verdict.OVERFITS: "▲",
    Verdict.STILL_IMPROVING: "▼",
    Verdict.PLATEAU: "■",
    Verdict.DIVERGED: "✕",
}
_TERMINAL_STYLES: Mapping[Verdict, str] = {
    Verdict.OVERFITS: "red",
    Verdict.STILL_IMPROVING: "blue",
    Verdict.PLATEAU: "green",
    Verdict.DIVERGED: "magenta",
}
TERMINAL_ROWS = 10


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes
    ----------
    group, title
        Two-line heading; ``{value}`` in the group becomes the monitored metric's name.
    help
        What it is, for a pointer that rests on the heading.
    text
        The cell.
    sort
        What the column is sorted by; None goes last.
    """

    group: str
    title: str
    help: str
    text: Callable[[Trial], str]
    sort: Callable[[Trial], float | None]


def saved_epochs(point: OverfittingPoint) -> int | None:
    """Epochs that a training which stops at its best would save; None where that may lie beyond the end."""
    if point.best_epoch is None or best_epoch(point) != str(point.best_epoch):
        return None
    return point.epochs - point.best_epoch


def _of_point(
    group: str, title: str, hint: str, value: Callable[[OverfittingPoint], float | None], text: Callable[..., str]
) -> Column:
    return Column(group, title, hint, lambda trial: text(value(point_of(trial))), lambda trial: value(point_of(trial)))


#: In the order of the page, after rank, configuration and verdict.
COLUMNS: tuple[Column, ...] = (
    Column(
        "Epochs",
        "best",
        "Minimum of the smoothed mean validation curve",
        lambda trial: best_epoch(point_of(trial)),
        lambda trial: point_of(trial).best_epoch,
    ),
    Column(
        "Epochs",
        "95 % interval",
        "Of the best epoch: bootstrap over folds",
        lambda trial: interval(point_of(trial)) or NONE,
        lambda trial: point_of(trial).best_epoch_high,
    ),
    _of_point("Epochs", "onset", "From here on the curve is surely above its best", lambda p: p.onset, whole),
    _of_point(
        "Epochs", "one-SE", "Earliest epoch within one standard error of the best", lambda p: p.one_se_epoch, whole
    ),
    _of_point("Epochs", "saved", "Epochs after the best one, which need not be trained", saved_epochs, whole),
    _of_point("{value}", "at best", "Mean over fits at the best epoch", lambda p: p.best_value, number),
    _of_point("{value}", "± folds", "Deviation between folds", lambda p: p.sd_folds, lambda v: number(v, 2)),
    _of_point(
        "{value}",
        "± seeds",
        "Deviation of the mean over folds between seeds",
        lambda p: p.sd_seeds,
        lambda v: number(v, 2),
    ),
    _of_point("Gap", "at best", "Validation minus training at the best epoch", lambda p: p.gap_best, signed),
    _of_point("Gap", "at end", "Validation minus training at the last epoch", lambda p: p.gap_final, signed),
    _of_point("Severity", "", "Smoothed mean curve at the end over its best, minus 1", lambda p: p.severity, percent),
    Column("Network", "weights", "Trainable parameters", lambda t: whole(t.parameters), lambda t: t.parameters),
    Column(
        "Network",
        "seconds",
        "Wall time of the trial, all its fits",
        lambda t: number(t.seconds, 3),
        lambda t: t.seconds,
    ),
)


def terminal_table(report: Report, rows: int = TERMINAL_ROWS) -> RenderableType:
    """The answer and the best configurations, for a terminal of 100 columns."""
    table = Table(
        title=Text(report.headline, style="bold"), title_justify="left", box=None, pad_edge=False, expand=False
    )
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("configuration", overflow="fold", max_width=34)
    for heading in ("best epoch", "onset", Text(report.value_name)):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for rank, trial in enumerate(report.ranked[:rows], start=1):
        point = point_of(trial)
        origin = "" if trial.origin == "tuner" else f"  {trial.origin.removeprefix('documented: ')}"
        table.add_row(
            str(rank),
            Text(report.labels[trial.run_id]) + Text(origin, style="dim"),
            best_epoch_with_interval(point),
            whole(point.onset),
            number(point.best_value) + (f" ± {number(point.sd_folds, 2)}" if point.sd_folds is not None else ""),
            Text(f"{GLYPHS[point.verdict]} {point.verdict}", style=_TERMINAL_STYLES[point.verdict]),
        )
    table.caption = Text(_terminal_caption(report, rows))
    table.caption_justify = "left"
    return table


def origin_words(trial: Trial, tuner: str) -> str:
    """Who asked for a trial, in words."""
    if trial.origin == "tuner":
        return tuner or "tuner"
    return BASELINE if trial.origin == BASELINE else trial.origin


def _terminal_caption(report: Report, rows: int) -> str:
    said = list(report.remarks)
    if report.common:
        said.append(f"Common to all: {report.common}.")
    if len(report.ranked) > rows:
        said.append(f"The {rows} best of {len(report.ranked)}; the report has all.")
    return " ".join(said)
