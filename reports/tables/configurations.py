"""The table of configurations: its columns once, for the page, for Markdown, for files and for the terminal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from rich.console import RenderableType
from rich.table import Table as TerminalTable
from rich.text import Text

from pipelines.exercises.configurations import FIELDS, NO_HIDDEN_LAYER, Configuration
from pipelines.exercises.design import DOCUMENTED_ORIGIN
from pipelines.exercises.settings import OWN_PREFIX
from pipelines.overfitting.point import OverfittingPoint, Verdict
from pipelines.tracking.names import NO_BETTER
from pipelines.tracking.trials import Trial
from pipelines.words import listed
from reports.analysis.fits import SCORES, Score, guess_of, scores
from reports.formatting import (
    NONE,
    best_epoch,
    best_epoch_with_interval,
    interval,
    number,
    onset_with_interval,
    percent,
    rise_with_interval,
    signed,
    whole,
)
from reports.report import BASELINE, Report, point_of, saved_epochs
from reports.tables.table import Cell, Column, Heading, Show, Table, number_column, table

#: A shape before the word, for those who do not see the colour.
GLYPHS: Mapping[Verdict, str] = {
    Verdict.OVERFITS: "▲",
    Verdict.STILL_IMPROVING: "▼",
    Verdict.PLATEAU: "■",
    Verdict.UNDECIDED: "◆",
    Verdict.DIVERGED: "✕",
}
_TERMINAL_STYLES: Mapping[Verdict, str] = {
    Verdict.OVERFITS: "red",
    Verdict.STILL_IMPROVING: "blue",
    Verdict.PLATEAU: "green",
    Verdict.UNDECIDED: "yellow",
    Verdict.DIVERGED: "magenta",
}
TERMINAL_ROWS = 10
#: Columns of a terminal in which nothing has to be left out.
WIDE = 100
_SCORE_NAMES = dict(zip(SCORES, ("accuracy", "balanced accuracy", "R2", "MAE"), strict=True))
_SCORE_HINT = "Mean over fits at the best epoch, and the deviation between folds"


def verdict_words(point: OverfittingPoint) -> str:
    """A verdict with its shape."""
    return f"{GLYPHS[point.verdict]} {point.verdict}"


def guessing_mark(trial: Trial) -> str:
    """What stands beside the verdict of a configuration that is not surely better than guessing; else empty."""
    return NO_BETTER if trial.beats_guessing is False else ""


def metrics_line(report: Report, trial: Trial) -> str:
    """The scores of a configuration beside the monitored metric; empty where there are none.

    ``accuracy 91.2 % ± 0.8 %, balanced accuracy 90.1 % ± 1.1 %``: means over fits at the best epoch, and the deviation
    between folds.
    """
    return ", ".join(f"{_SCORE_NAMES[name]} {_score(name, of)}" for name, of in scores(report, trial).items())


def guessing_line(report: Report) -> str:
    """What guessing comes to, in a sentence; empty where it was not recorded."""
    if (value := guess_of(report, report.sweep.monitor)) is None:
        return ""
    others = [
        f"{_SCORE_NAMES[name]} {_score(name, Score(found))}"
        for name in SCORES
        if name != report.sweep.monitor and (found := guess_of(report, name)) is not None
    ]
    told = listed([f"{report.value_name} {number(value)}", *others])
    return f"Guessing, that is saying the same of every row, comes to {told}."


def _score(name: str, score: Score) -> str:
    """A score with its deviation: a share of rows as a percentage, R2 to the thousandth, an error to three digits."""
    if "accuracy" in name:
        value, deviation = (f"{100 * each:.1f} %" for each in (score.value, score.sd_folds or 0.0))
    elif name == "val_r2":
        value, deviation = (f"{each:.3f}" for each in (score.value, score.sd_folds or 0.0))
    else:
        value, deviation = number(score.value, 3), _short(score.sd_folds)
    return value if score.sd_folds is None else f"{value} ± {deviation}"


def _heading(group: str, title: str, hint: str) -> Heading:
    return Heading(title, hint, numeric=title != "95 % interval", printed=title in _PRINTED, group=group)


def _epochs(title: str, hint: str, text: Callable[[OverfittingPoint], str], field: str) -> Column[Trial]:
    """Epochs as ``text`` shows them, sorted by a field of the over-fitting point."""

    def cell(trial: Trial) -> Cell:
        return Cell(text(point_of(trial)), getattr(point_of(trial), field))

    return Column(_heading("Epochs", title, hint), cell)


def _numbers(group: str, title: str, hint: str, field: str, show: Show) -> Column[Trial]:
    return number_column(_heading(group, title, hint), lambda trial: getattr(point_of(trial), field), show)


_short = partial(number, digits=2)
_PRINTED = ("best", "95 % interval", "onset", "at best", "± folds", "weights")
#: In the order of the page, after rank, configuration and verdict; ``{value}`` becomes the monitored metric's name.
COLUMNS: tuple[Column[Trial], ...] = (
    _epochs("best", "Minimum of the smoothed mean validation curve", best_epoch, "best_epoch"),
    _epochs(
        "95 % interval", "Of the best epoch: bootstrap over folds", lambda p: interval(p) or NONE, "best_epoch_high"
    ),
    _epochs("onset", "Where the curve rises above its best, with its 95 % interval", onset_with_interval, "onset"),
    _numbers(
        "Epochs", "one-SE", "Earliest epoch within one standard error of the best", field="one_se_epoch", show=whole
    ),
    number_column(
        _heading("Epochs", "saved", "Epochs after the best one, which need not be trained"),
        lambda trial: saved_epochs(point_of(trial)),
        whole,
    ),
    _numbers("{value}", "at best", "Mean over fits at the best epoch", field="best_value", show=number),
    _numbers("{value}", "± folds", "Deviation between folds", field="sd_folds", show=_short),
    _numbers("{value}", "± seeds", "Deviation of the mean over folds between seeds", field="sd_seeds", show=_short),
    _numbers("Gap", "at best", "Validation minus training at the best epoch", field="gap_best", show=signed),
    _numbers("Gap", "at end", "Validation minus training at the last epoch", field="gap_final", show=signed),
    Column(
        _heading("Severity", "", "Rise of the curve at the end over its best, with its 90 % interval"),
        lambda trial: Cell(rise_with_interval(point_of(trial)), point_of(trial).severity),
    ),
    number_column(_heading("Network", "weights", "Trainable parameters"), lambda trial: trial.parameters, whole),
    number_column(
        _heading("Network", "seconds", "Wall time of the trial, all its fits"),
        lambda trial: trial.seconds,
        partial(number, digits=3),
    ),
)


def columns_of(report: Report) -> tuple[Column[Trial], ...]:
    """``COLUMNS``, and among them what this report knows beside: how it compares to guessing, and the scores."""
    guess = guess_of(report, report.sweep.monitor)
    against: Column[Trial] = number_column(
        _heading("{value}", "against guessing", "Value at best over that of the best constant prediction, minus 1"),
        lambda trial: None if not guess or guess < 0 else (point_of(trial).best_value or 0.0) / guess - 1,
        percent,
    )
    found = {trial.run_id: scores(report, trial) for trial in report.ranked}

    def cell(name: str, trial: Trial) -> Cell:
        score = found[trial.run_id].get(name)
        return Cell(NONE) if score is None else Cell(_score(name, score), score.value)

    beside = [
        Column(_heading("Validation", _SCORE_NAMES[name], _SCORE_HINT), partial(cell, name))
        for name in SCORES
        if any(name in of for of in found.values())
    ]
    value = next(at for at, column in enumerate(COLUMNS) if column.heading.group == "Gap")
    return (*COLUMNS[:value], *([] if guess is None else [against]), *beside, *COLUMNS[value:])


def ranking(report: Report) -> Table:
    """All configurations with a result, the best first, in the form that all tables of a report have."""
    columns: list[Column[Trial]] = [
        Column(Heading("#"), lambda trial: Cell(str(report.ranks[trial.run_id]), report.ranks[trial.run_id])),
        Column(Heading("configuration", numeric=False), lambda trial: Cell(report.labels[trial.run_id])),
        Column(
            Heading("origin", numeric=False, printed=False), lambda trial: Cell(origin_words(trial, report.sweep.tuner))
        ),
        Column(Heading("verdict", numeric=False), lambda trial: Cell(_verdict(trial))),
        *(
            Column(replace(column.heading, title=full_title(column, report)), column.cell)
            for column in columns_of(report)
        ),
    ]
    lead = tuple(filter(None, (report.headline, *report.remarks, guessing_line(report))))
    return table("ranking", f"{report.title}: over-fitting points", columns, report.ranked, lead=lead)


def full_title(column: Column[Trial], report: Report) -> str:
    """The two lines of a heading in one."""
    return f"{group_title(column.heading.group, report)} {column.heading.title}".strip()


def group_title(group: str, report: Report) -> str:
    """A group's heading, with the name of the monitored metric."""
    return group.replace("{value}", report.value_name)


@dataclass(frozen=True)
class SettingRow:
    """A setting of the chosen configuration as people write it; ``before`` is the baseline's where that is another."""

    title: str
    value: str
    before: str = ""


def winner_settings(report: Report) -> tuple[SettingRow, ...]:
    """Every setting that has an effect in the chosen configuration, in the order in which a network is described."""
    chosen = report.best.configuration if report.best else None
    if chosen is None:
        return ()
    base = report.baseline.configuration if report.baseline else None
    exercise = report.sweep.record.exercise
    rows: list[SettingRow] = []
    if chosen.network and "layers" not in chosen.idle:
        rows = [SettingRow("network", exercise.network.place if exercise and exercise.network else chosen.network)]
    elif not chosen.network:
        rows = [_setting_row("hidden layers", _layers(chosen), _layers(base) if base else "")]
    for name, value in chosen.own:
        known = report.setting(OWN_PREFIX + name)
        before = "" if base is None or (old := base.value(known.name)) is None else known.written(old)
        rows.append(_setting_row(known.title, known.written(value), before))
    for known in sorted(FIELDS.values(), key=lambda known: known.place):
        value = getattr(chosen, known.name)
        is_idle = known.name in chosen.idle or (known.builds and bool(chosen.network))
        if known.name == "layers" or is_idle or (known.rare and value == known.off):
            continue
        before = "" if base is None or known.name in base.idle else known.written(getattr(base, known.name))
        rows.append(_setting_row(known.title, known.written(value), before))
    return tuple(rows)


def _setting_row(title: str, value: str, before: str) -> SettingRow:
    return SettingRow(title, value, "" if before == value else before)


def _layers(configuration: Configuration) -> str:
    return configuration.layers_text if configuration.layers else NO_HIDDEN_LAYER


def terminal_table(report: Report, rows: int = TERMINAL_ROWS, *, width: int = WIDE) -> RenderableType:
    """The answer and the best configurations, for a terminal of so many columns: 80 or more.

    Where it is narrow, names of configurations have the room of the deviations between folds, and long marks two lines.
    """
    wide = width >= WIDE
    shown = TerminalTable(
        title=Text(report.headline, style="bold"), title_justify="left", box=None, pad_edge=False, expand=False
    )
    shown.add_column("", justify="right", style="dim", no_wrap=True)
    shown.add_column("configuration", overflow="fold", max_width=34)
    for heading in ("best epoch", "onset", Text(report.value_name)):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("verdict", no_wrap=True)
    for rank, trial in enumerate(report.ranked[:rows], start=1):
        point = point_of(trial)
        origin = "" if trial.origin == "tuner" else f"  {trial.origin.removeprefix(DOCUMENTED_ORIGIN)}"
        mark = guessing_mark(trial) if wide else guessing_mark(trial).replace(" than", "\nthan")
        verdict = "\n".join(filter(None, (verdict_words(point), mark)))
        spread = f" ± {number(point.sd_folds, 2)}" if wide and point.sd_folds is not None else ""
        cells = (
            str(rank),
            Text(report.labels[trial.run_id]) + Text(origin, style="dim"),
            best_epoch_with_interval(point),
            whole(point.onset),
            number(point.best_value) + spread,
            Text(verdict, style=_TERMINAL_STYLES[point.verdict]),
        )
        shown.add_row(*cells)
    shown.caption = Text(_terminal_caption(report, rows))
    shown.caption_justify = "left"
    return shown


def _verdict(trial: Trial) -> str:
    return ", ".join(filter(None, (verdict_words(point_of(trial)), guessing_mark(trial))))


def origin_words(trial: Trial, tuner: str) -> str:
    """Who asked for a trial, in words."""
    if trial.origin == "tuner":
        return tuner or "tuner"
    return BASELINE if trial.origin == BASELINE else trial.origin


def _terminal_caption(report: Report, rows: int) -> str:
    common = f"Common to all: {report.common}." if report.common else ""
    more = f"The {rows} best of {len(report.ranked)}; the report has all." if len(report.ranked) > rows else ""
    beside = metrics_line(report, report.best) if report.best else ""
    best = f"The best has {beside}." if beside else ""
    return " ".join(filter(None, (*report.remarks, best, guessing_line(report), common, more)))
