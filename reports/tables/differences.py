"""Which differences between configurations are real: the best one against those ranked next, as a table."""

from collections.abc import Mapping

from pipelines.tracking.trials import Curves
from reports.analysis.comparing import Comparison, Pair, compare_pairs, compare_with_best, validation_ratio
from reports.formatting import NONE, number, signed
from reports.report import Report
from reports.tables.comparison_wording import basis, choice_sentences, pair_notes, pair_sentence, probability
from reports.tables.table import Cell, Column, Heading, Table, number_cell, table

#: Pairs that are told in words, beside the table of all.
TOLD = 3
_NOTES = (
    "Difference: its value less the best's, mean over fits that have the same fold and seed. The probabilities are "
    "those of the Bayesian correlated t-test (Corani and Benavoli 2015); p is that of the corrected resampled t-test "
    "(Nadeau and Bengio 2003), adjusted for the number of rows by Holm's method. Both know that folds share "
    "training rows.",
    "The best was chosen by the same values that it is compared by, so its lead is on the large side.",
)


def find_differences(report: Report, curves: Mapping[str, Curves]) -> tuple[Comparison | None, Table | None]:
    """The comparison with the best, and its table; None where nothing can be compared."""
    comparison = compare_with_best(report, curves, validation_ratio(report))
    if comparison is None or not comparison.pairs:
        return comparison, None
    return comparison, _table(comparison, report)


def find_pairs(report: Report, curves: Mapping[str, Curves]) -> Table | None:
    """Every two of the best configurations: how probable it is that the one is better; None without a test."""
    matrix = compare_pairs(report, curves, validation_ratio(report))
    if len(matrix.run_ids) < 3 or matrix.pairs[0].p is None:
        return None
    ranks = {trial.run_id: rank for rank, trial in enumerate(report.ranked, start=1)}
    better = {(pair.first, pair.second): pair.p_first_better for pair in matrix.pairs}
    better |= {(pair.second, pair.first): pair.p_second_better for pair in matrix.pairs}

    def against(other: str) -> Column[str]:
        heading = Heading(f"than #{ranks[other]}", f"is better than {report.labels[other]}")
        return Column(heading, lambda run_id: _chance(better.get((run_id, other))))

    columns: list[Column[str]] = [
        Column(Heading("probability that", numeric=False, wraps=True), lambda run_id: Cell(report.labels[run_id])),
        Column(Heading("#", "its rank"), lambda run_id: Cell(str(ranks[run_id]), ranks[run_id])),
        *(against(run_id) for run_id in matrix.run_ids),
    ]
    first = matrix.pairs[0]
    notes = (
        "Better by more than the region of practical equivalence, 1 % of the better one; what is missing to 1 between "
        f"two is the probability that they are practically equal. {basis(first.folds, first.repeats)} each.",
    )
    title = f"Every two of the best {len(matrix.run_ids)}"
    return table("pairs", title, columns, matrix.run_ids, notes=notes)


def _table(comparison: Comparison, report: Report) -> Table:
    labels = report.labels
    ranks = {trial.run_id: rank for rank, trial in enumerate(report.ranked, start=1)}
    first = comparison.pairs[0]
    rope = f"within {number(first.rope, 2)} {report.value_name}, 1 % of the best"

    def chance(name: str) -> "Column[Pair]":
        titles = {
            "p_first_better": ("P(best is better)", "by more than the region of practical equivalence"),
            "p_equal": ("P(practically equal)", rope),
            "p_second_better": ("P(it is better)", "by more than the region of practical equivalence"),
        }
        return Column(Heading(*titles[name]), lambda pair: _chance(getattr(pair, name)))

    def in_words(pair: Pair) -> str:
        beside = pair_notes(pair)[:1] if pair.below_seeds else ()
        return " ".join([pair_sentence(pair, labels), *beside])

    columns: list[Column[Pair]] = [
        Column(
            Heading("configuration", numeric=False, wraps=True),
            lambda pair: Cell(labels[pair.second], hint=f"{pair_sentence(pair, labels)} {' '.join(pair_notes(pair))}"),
        ),
        Column(Heading("#", "its rank"), lambda pair: Cell(str(ranks[pair.second]), ranks[pair.second])),
        Column(
            Heading("difference", f"{report.value_name}: its value less the best's"),
            lambda pair: number_cell(pair.difference, signed),
        ),
        Column(
            Heading("± SE", "standard error of the difference, corrected for shared training rows", printed=False),
            lambda pair: number_cell(pair.standard_error, lambda value: number(value, 2)),
        ),
        chance("p_first_better"),
        chance("p_equal"),
        chance("p_second_better"),
        Column(Heading("p (Holm)", "corrected resampled t-test, two-sided"), lambda pair: _chance(pair.p_holm)),
        Column(
            Heading("beside another seed", "the deviation over seeds", numeric=False),
            lambda pair: Cell(_beside_seeds(pair)),
        ),
    ]
    return table(
        "differences",
        "The best against those ranked next",
        columns,
        comparison.pairs,
        lead=(*choice_sentences(comparison, report), *map(in_words, comparison.pairs[:TOLD])),
        notes=_NOTES,
    )


def _chance(value: float | None) -> Cell:
    return Cell(NONE) if value is None else Cell(probability(value), value)


def _beside_seeds(pair: Pair) -> str:
    if pair.sd_seeds is None:
        return NONE
    return f"{'smaller' if pair.below_seeds else 'larger'} than ±{number(pair.sd_seeds, 2)}"
