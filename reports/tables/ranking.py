"""The table of configurations in the form that all tables of a report have, for its files."""

from pipelines.tracking.trials import Trial
from reports.report import Report, point_of
from reports.tables.configurations import COLUMNS, GLYPHS, origin_words
from reports.tables.configurations import Column as ShownColumn
from reports.tables.table import Cell, Column, Heading, Table, table

_PRINTED = ("best", "95 % interval", "onset", "at best", "± folds", "weights")


def ranking(report: Report) -> Table:
    """All configurations with a result, the best first."""
    ranks = {trial.run_id: rank for rank, trial in enumerate(report.ranked, start=1)}
    columns: list[Column[Trial]] = [
        Column(Heading("#"), lambda trial: Cell(str(ranks[trial.run_id]), ranks[trial.run_id])),
        Column(Heading("configuration", numeric=False), lambda trial: Cell(report.labels[trial.run_id])),
        Column(
            Heading("origin", numeric=False, printed=False), lambda trial: Cell(origin_words(trial, report.sweep.tuner))
        ),
        Column(
            Heading("verdict", numeric=False),
            lambda trial: Cell(f"{GLYPHS[point_of(trial).verdict]} {point_of(trial).verdict}"),
        ),
        *(_column(column, report) for column in COLUMNS),
    ]
    lead = (report.headline, *report.remarks)
    return table("ranking", f"{report.title}: over-fitting points", columns, report.ranked, lead=lead)


def _column(column: ShownColumn, report: Report) -> Column[Trial]:
    title = f"{column.group.replace('{value}', report.value_name)} {column.title}".strip()
    interval = column.title == "95 % interval"
    return Column(
        Heading(title, column.help, numeric=not interval, printed=column.title in _PRINTED),
        lambda trial: Cell(column.text(trial), column.sort(trial)),
    )
