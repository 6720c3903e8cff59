"""A table for each setting that varies: over-fitting at each of its values, and the best configuration found there."""

from functools import partial

from pipelines.words import listed
from reports.analysis.by_setting import LEVEL, ValueRow, trends, value_rows
from reports.formatting import NONE, best_epoch_with_interval, capitalised, number, percent, share, signed, whole
from reports.report import Report
from reports.settings import VariedSetting, number_text
from reports.tables.configurations import verdict_words
from reports.tables.table import Cell, Column, Heading, Show, Table, epoch_cell, number_column, table


def find_settings(report: Report) -> tuple[Table, ...]:
    """The tables, in the order in which a network is described; none where nothing varies."""
    return tuple(_table(report, varied) for varied in report.varied)


def _table(report: Report, varied: VariedSetting) -> Table:
    labels, value = report.labels, report.value_name

    def of_best(heading: Heading, field: str, show: Show) -> Column[ValueRow]:
        """A number of the best configuration's over-fitting point."""
        return number_column(heading, lambda row: getattr(row.point, field) if row.point else None, show)

    columns: list[Column[ValueRow]] = [
        Column(
            Heading(varied.title, numeric=varied.numeric),
            lambda row: Cell(row.level.label, row.level.low if varied.numeric else None),
        ),
        Column(
            Heading("configurations", "with a result; in brackets those that diverged"),
            lambda row: Cell(
                f"{row.configurations}" + (f" ({row.diverged} diverged)" if row.diverged else ""), row.configurations
            ),
        ),
        number_column(Heading("over-fit", "share of them that over-fit"), lambda row: row.share, share),
        number_column(
            Heading("median onset", "epoch by which half of all configurations here over-fit"),
            lambda row: row.median_onset,
            whole,
        ),
        Column(
            Heading("median best epoch", "≥ where that is only where the training ended"),
            lambda row: Cell(f"{'≥ ' if row.beyond else ''}{whole(row.median_best_epoch)}", row.median_best_epoch),
        ),
        number_column(
            Heading("median severity", "how far the curve ends above its best"),
            lambda row: row.median_severity,
            percent,
        ),
        number_column(
            Heading("median gap, best", "validation less training at the best epoch", printed=False),
            lambda row: row.median_gap_best,
            signed,
        ),
        number_column(
            Heading("median gap, end", "validation less training at the last epoch", printed=False),
            lambda row: row.median_gap_final,
            signed,
        ),
        Column(
            Heading("best found here", numeric=False, wraps=True),
            lambda row: Cell(labels[row.best.run_id] if row.best else NONE),
        ),
        of_best(Heading(f"its {value}", "mean over its fits at its best epoch"), "best_value", number),
        of_best(Heading("± folds", printed=False), "sd_folds", partial(number, digits=2)),
        of_best(Heading("± seeds", printed=False), "sd_seeds", partial(number, digits=2)),
        Column(
            Heading("its best epoch", "with the 95 % interval", printed=False),
            lambda row: epoch_cell(row.point, best_epoch_with_interval),
        ),
        of_best(Heading("its onset", printed=False), "onset", whole),
        Column(
            Heading("its verdict", numeric=False, printed=False),
            lambda row: Cell(verdict_words(row.point) if row.point else NONE),
        ),
    ]
    sentence = trend_sentence(report, varied)
    title = capitalised(varied.title)
    lead = (sentence,) if sentence else ()
    return table(f"by_{varied.name}", title, columns, value_rows(report, varied), lead=lead)


def trend_sentence(report: Report, varied: VariedSetting) -> str:
    """What the table shows in a sentence; empty where it shows no more than chance.

    For example "With units of the first hidden layer from 16 to 1024, the median best epoch falls from 12 to 3 and the
    median severity rises from 2 % to 40 % (rank correlations -0.71 and +0.64 over 40 configurations)." The medians are
    those of the first and the last row.
    """
    found = trends(report, varied)
    if not found:
        return ""
    counts = sorted({trend.configurations for trend in found})
    over = f"{counts[0]} configurations" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} configurations"
    moves = listed([trend.text for trend in found])
    if not varied.numeric:
        return f"By {varied.title}, {moves} (Kruskal-Wallis test, p < {LEVEL:g}, over {over})."
    low, high = varied.levels[0].low or 0.0, varied.levels[-1].high or 0.0
    correlations = listed([f"{trend.correlation:+.2f}" for trend in found])
    plural = "s" if len(found) > 1 else ""
    return (
        f"With {varied.title} from {number_text(low, 3)} to {number_text(high, 3)}, {moves} (rank "
        f"correlation{plural} {correlations} over {over})."
    )
