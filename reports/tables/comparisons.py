"""What is compared, in tables and sentences: configurations with each other, and what the textbook found with ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipelines.exercises.exercise import Figure, Variant
from pipelines.overfitting.point import documented_best_epoch
from pipelines.reproduction.rows import SMOOTHED_FROM
from pipelines.tracking.trials import Trial
from pipelines.words import counted
from reports.analysis.comparing import SURE, ConfigurationComparison, Pair, compare_pairs, compare_with_best
from reports.formatting import NONE, best_epoch_with_interval, number, signed
from reports.report import Report
from reports.tables.table import Cell, Column, Heading, Table, number_column, table

#: Pairs that are told in words, beside the table of all.
TOLD = 3
_BEYOND_ROPE = "by more than the region of practical equivalence"
#: Figures of no curve: the weights of a linear network, and the accuracy of a guess.
_NO_CURVE = ("weight", "bias", "chance_accuracy")
_NOTES = (
    "Difference: its value less the best's, mean over fits that have the same fold and seed. The probabilities are "
    "those of the Bayesian correlated t-test (Corani and Benavoli 2015); p is that of the corrected resampled t-test "
    "(Nadeau and Bengio 2003), adjusted for the number of rows by Holm's method. Both know that folds share "
    "training rows.",
    "The best was chosen by the same values that it is compared by, so its lead is on the large side.",
)


@dataclass(frozen=True)
class DocumentedComparison:
    """One documented figure of a variant beside ours, as text; with the short label of its configuration.

    ``quantity`` says what was documented: ``validation mae after epoch 100``. Our value has the deviation between folds
    with it, or the interval of an epoch; ``note`` is what else there is to know, ours and the textbook's.
    """

    variant: str
    label: str
    quantity: str
    documented: str
    ours: str
    note: str


def find_differences(report: Report) -> tuple[ConfigurationComparison | None, Table | None]:
    """The comparison with the best, and its table; None where nothing can be compared."""
    comparison = compare_with_best(report)
    if comparison is None or not comparison.pairs:
        return comparison, None
    return comparison, _table(comparison, report)


def find_pairs(report: Report) -> Table | None:
    """Every two of the best configurations: how probable it is that the one is better; None without a test."""
    matrix = compare_pairs(report)
    if len(matrix.run_ids) < 3 or matrix.pairs[0].p is None:
        return None
    ranks = report.ranks
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


def documented_comparisons(report: Report) -> tuple[DocumentedComparison, ...]:
    """Every documented figure of a variant that was trained, beside ours; found by hash, for a baseline may be one."""

    def row(variant: Variant, trial: Trial, figure: Figure) -> DocumentedComparison:
        ours, note = _ours(report, variant, figure, trial)
        return DocumentedComparison(
            variant=variant.name,
            label=report.labels[trial.run_id],
            quantity=_quantity(variant, figure),
            documented=f"{figure.value:g}",
            ours=ours,
            note="; ".join(filter(None, [note, figure.note])),
        )

    by_hash = {trial.configuration.hash: trial for trial in report.ranked if trial.configuration}
    trained = ((variant, by_hash.get(variant.configuration.hash)) for variant in report.sweep.documented)
    return tuple(row(variant, trial, figure) for variant, trial in trained if trial for figure in variant.figures)


def pair_sentence(pair: Pair, labels: Mapping[str, str]) -> str:
    """What a pair says: ``64 relu is better than 512 relu with probability .93; practically equal .05.``"""
    first, second = labels[pair.first], labels[pair.second]
    if pair.p_first_better is None or pair.p_second_better is None or pair.p_equal is None:
        return _untested_sentence(pair, first, second)
    likely = max(pair.p_first_better, pair.p_second_better)
    if pair.p_equal >= likely:
        return (
            f"{first} and {second} are practically equal with probability {probability(pair.p_equal)}; {first} is "
            f"better {probability(pair.p_first_better)}, {second} {probability(pair.p_second_better)}."
        )
    better, worse = (first, second) if likely == pair.p_first_better else (second, first)
    return (
        f"{better} is better than {worse} with probability {probability(likely)}; "
        f"practically equal {probability(pair.p_equal)}."
    )


def pair_notes(pair: Pair) -> tuple[str, ...]:
    """What belongs to a pair's sentence: how it compares with the deviation over seeds, and what it rests on."""
    sizes = f"({number(abs(pair.difference), 2)})", f"(±{number(pair.sd_seeds, 2)})"
    smaller = f"The difference {sizes[0]} is smaller than the deviation over seeds {sizes[1]}."
    notes = (smaller if pair.below_seeds else "", seed_note(pair.repeats))
    return (*filter(None, notes), f"It rests on {basis(pair.folds, pair.repeats)}.")


def seed_note(repeats: int) -> str:
    """What one repeat cannot tell; empty with several."""
    return "With a single seed it is not known how far another seed would change this." if repeats == 1 else ""


def basis(folds: int, repeats: int) -> str:
    """What a number rests on.

    >>> basis(4, 3), basis(1, 1)
    ('4 folds and 3 seeds, 12 fits', '1 hold-out and 1 seed, 1 fit')
    """
    what = counted(folds, "fold") if folds > 1 else "1 hold-out"
    return f"{what} and {counted(repeats, 'seed')}, {counted(folds * repeats, 'fit')}"


def choice_sentences(comparison: ConfigurationComparison, report: Report) -> tuple[str, ...]:
    """How clear the choice of the best is, and whether a simpler network would do."""
    if not comparison.pairs:
        return ("No other configuration can be compared with the best.",)
    if comparison.pairs[0].p is None:
        return (_no_test(comparison.pairs[0]),)
    compared = len(comparison.pairs)
    beaten = compared + 1 - len(comparison.not_surely_worse)
    sizes = {trial.run_id: trial.parameters for trial in report.ranked}
    best, simplest = report.labels[comparison.best], comparison.simplest_equal
    surely = f"surely better (with probability {probability(SURE)} or more)"
    if compared == 1:
        sentences = [f"{best} is {'' if beaten else 'not '}{surely} than the configuration ranked next."]
    else:
        sentences = [f"{best} is {surely} than {beaten or 'none'} of the {compared} configurations ranked next."]
    if simplest == comparison.best:
        sentences.append("None of them that is practically equal to it has fewer parameters.")
    elif simplest is not None:
        sentences.append(
            f"{report.labels[simplest]} is simpler ({counted(sizes[simplest] or 0, 'parameter')} against "
            f"{sizes[comparison.best]:,}) and, more likely than not, practically equal or better."
        )
    sentences.append(f"This rests on {basis(comparison.pairs[0].folds, comparison.pairs[0].repeats)} each.")
    if comparison.left_out:
        who = "1 was" if comparison.left_out == 1 else f"{comparison.left_out} were"
        sentences.append(f"{who} left out, for want of curves or of the same folds and seeds.")
    return (*sentences, *filter(None, [seed_note(comparison.pairs[0].repeats)]))


def probability(value: float) -> str:
    """A probability with two digits.

    >>> probability(0.934), probability(0.9999), probability(0.001)
    ('.93', 'above .99', 'below .01')
    """
    if value > 0.995:
        return "above .99"
    return "below .01" if value < 0.005 else f"{value:.2f}".removeprefix("0")


def _table(comparison: ConfigurationComparison, report: Report) -> Table:
    labels, ranks = report.labels, report.ranks
    first = comparison.pairs[0]
    rope = f"within {number(first.rope, 2)} {report.value_name}, 1 % of the best"

    def in_words(pair: Pair) -> str:
        beside = pair_notes(pair)[:1] if pair.below_seeds else ()
        return " ".join([pair_sentence(pair, labels), *beside])

    columns: list[Column[Pair]] = [
        Column(
            Heading("configuration", numeric=False, wraps=True),
            lambda pair: Cell(labels[pair.second], hint=f"{pair_sentence(pair, labels)} {' '.join(pair_notes(pair))}"),
        ),
        Column(Heading("#", "its rank"), lambda pair: Cell(str(ranks[pair.second]), ranks[pair.second])),
        number_column(
            Heading("difference", f"{report.value_name}: its value less the best's"),
            lambda pair: pair.difference,
            signed,
        ),
        number_column(
            Heading("± SE", "standard error of the difference, corrected for shared training rows", printed=False),
            lambda pair: pair.standard_error,
            partial(number, digits=2),
        ),
        Column(Heading("P(best is better)", _BEYOND_ROPE), lambda pair: _chance(pair.p_first_better)),
        Column(Heading("P(practically equal)", rope), lambda pair: _chance(pair.p_equal)),
        Column(Heading("P(it is better)", _BEYOND_ROPE), lambda pair: _chance(pair.p_second_better)),
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


def _untested_sentence(pair: Pair, first: str, second: str) -> str:
    if pair.difference == 0:
        return f"{_no_test(pair)} {first} and {second} have the same value."
    lower, higher = (first, second) if pair.difference > 0 else (second, first)
    return f"{_no_test(pair)} {lower} is lower than {higher} by {number(abs(pair.difference), 3)}."


def _no_test(pair: Pair) -> str:
    if pair.fits == 1:
        return "With a single fit no test is possible."
    return "How many rows were held out is not recorded, so no test is possible."


def _quantity(variant: Variant, figure: Figure) -> str:
    if figure.metric == "overfitting_epoch":
        return "best epoch"
    if figure.metric == "onset_epoch":
        return "onset"
    name = figure.metric.replace("_", " ")
    if figure.metric in _NO_CURVE:
        return name
    return f"{figure.split} {name} after epoch {figure.epoch or variant.epochs}"


def _ours(report: Report, variant: Variant, figure: Figure, trial: Trial) -> tuple[str, str]:
    """Our value as text, and what must be said of it."""
    point, curves = trial.point, report.curves.get(trial.run_id, {})
    if point is None or figure.metric in _NO_CURVE:
        return NONE, ""
    if figure.metric == "overfitting_epoch":
        curve = curves.get(report.sweep.monitor)
        has_estimator = curve is not None and len(curve[0]) >= SMOOTHED_FROM
        theirs = documented_best_epoch(np.asarray(curve, np.float64).mean(axis=0)) if has_estimator else None
        note = f"the textbook's own estimator on our curves: {theirs}" if theirs else ""
        return best_epoch_with_interval(point), note
    if figure.metric == "onset_epoch":
        return (NONE, "no onset") if point.onset is None else (str(point.onset), "")
    if figure.split == "test":
        return NONE, "the test rows are kept for the final model and for reproduce"
    epoch = figure.epoch or variant.epochs
    name = figure.metric if figure.split == "train" else f"val_{figure.metric}"
    curve = curves.get(name)
    if curve is None or epoch > curve.shape[1] or not np.isfinite(curve[:, epoch - 1]).all():
        return NONE, "not measured"
    values = np.asarray(curve[:, epoch - 1], np.float64)
    text = number(float(values.mean()), 4)
    return (f"{text} ± {number(float(values.std(ddof=1)), 2)}" if len(values) > 1 else text), ""
