"""A table for each setting that varies: over-fitting at each of its values, and the best configuration found there."""

from functools import partial

from reports.analysis.parameters import Parameter, ValueRow, parameter_table, varied_parameters
from reports.analysis.trends import trend_sentence
from reports.formatting import NONE, best_epoch_with_interval, number, percent, share, signed, whole
from reports.report import Report
from reports.tables.configurations import GLYPHS
from reports.tables.table import Cell, Column, Heading, Table, epoch_cell, number_cell, table

short = partial(number, digits=2)


def find_settings(report: Report) -> tuple[Table, ...]:
    """The tables, in the order in which a network is described; none where nothing varies."""
    return tuple(_table(report, parameter) for parameter in varied_parameters(report))


def _table(report: Report, parameter: Parameter) -> Table:
    labels, value = report.labels, report.value_name
    columns: list[Column[ValueRow]] = [
        Column(
            Heading(parameter.title, numeric=parameter.numeric),
            lambda row: Cell(row.level.label, row.level.low if parameter.numeric else None),
        ),
        Column(
            Heading("configurations", "with a result; in brackets those that diverged"),
            lambda row: Cell(
                f"{row.configurations}" + (f" ({row.diverged} diverged)" if row.diverged else ""), row.configurations
            ),
        ),
        Column(Heading("over-fit", "share of them that over-fit"), lambda row: number_cell(row.share, share)),
        Column(
            Heading("median onset", "epoch by which half of all configurations here over-fit"),
            lambda row: number_cell(row.median_onset, whole),
        ),
        Column(
            Heading("median best epoch", "≥ where that is only where the training ended"),
            lambda row: Cell(f"{'≥ ' if row.beyond else ''}{whole(row.median_best_epoch)}", row.median_best_epoch),
        ),
        Column(
            Heading("median severity", "how far the curve ends above its best"),
            lambda row: number_cell(row.median_severity, percent),
        ),
        Column(
            Heading("median gap, best", "validation less training at the best epoch", printed=False),
            lambda row: number_cell(row.median_gap_best, signed),
        ),
        Column(
            Heading("median gap, end", "validation less training at the last epoch", printed=False),
            lambda row: number_cell(row.median_gap_final, signed),
        ),
        Column(
            Heading("best found here", numeric=False, wraps=True),
            lambda row: Cell(labels[row.best.run_id] if row.best else NONE),
        ),
        Column(
            Heading(f"its {value}", "mean over its fits at its best epoch"),
            lambda row: number_cell(row.point.best_value if row.point else None, number),
        ),
        Column(
            Heading("± folds", printed=False),
            lambda row: number_cell(row.point.sd_folds if row.point else None, short),
        ),
        Column(
            Heading("± seeds", printed=False),
            lambda row: number_cell(row.point.sd_seeds if row.point else None, short),
        ),
        Column(
            Heading("its best epoch", "with the 95 % interval", printed=False),
            lambda row: epoch_cell(row.point, best_epoch_with_interval),
        ),
        Column(
            Heading("its onset", printed=False),
            lambda row: number_cell(row.point.onset if row.point else None, whole),
        ),
        Column(
            Heading("its verdict", numeric=False, printed=False),
            lambda row: Cell(f"{GLYPHS[row.point.verdict]} {row.point.verdict}" if row.point else NONE),
        ),
    ]
    sentence = trend_sentence(report, parameter)
    title = parameter.title[:1].upper() + parameter.title[1:]
    rows = parameter_table(report, parameter)
    return table(f"by_{parameter.name}", title, columns, rows, lead=(sentence,) if sentence else ())
