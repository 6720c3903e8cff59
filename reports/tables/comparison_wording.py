"""What a comparison of configurations says, in sentences."""

from collections.abc import Mapping

from pipelines.words import counted
from reports.analysis.comparing import SURE, Comparison, Pair
from reports.formatting import number
from reports.report import Report


def pair_sentence(pair: Pair, labels: Mapping[str, str]) -> str:
    """What a pair says: ``64 relu is better than 512 relu with probability .93; practically equal .05.``"""
    first, second = labels[pair.first], labels[pair.second]
    if pair.p_first_better is None or pair.p_second_better is None or pair.p_equal is None:
        return _untested_sentence(pair, first, second)
    if pair.p_equal >= max(pair.p_first_better, pair.p_second_better):
        return (
            f"{first} and {second} are practically equal with probability {probability(pair.p_equal)}; {first} is "
            f"better {probability(pair.p_first_better)}, {second} {probability(pair.p_second_better)}."
        )
    likely = max(pair.p_first_better, pair.p_second_better)
    better, worse = (first, second) if likely == pair.p_first_better else (second, first)
    return (
        f"{better} is better than {worse} with probability {probability(likely)}; "
        f"practically equal {probability(pair.p_equal)}."
    )


def pair_notes(pair: Pair) -> tuple[str, ...]:
    """What belongs to a pair's sentence: how it compares with the deviation over seeds, and what it rests on."""
    notes = []
    if pair.below_seeds:
        notes.append(
            f"The difference ({number(abs(pair.difference), 2)}) is smaller than the deviation over seeds "
            f"(±{number(pair.sd_seeds, 2)})."
        )
    notes.append(seed_note(pair.repeats))
    notes.append(f"It rests on {basis(pair.folds, pair.repeats)}.")
    return tuple(filter(None, notes))


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


def choice_sentences(comparison: Comparison, report: Report) -> tuple[str, ...]:
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
        said = [f"{best} is {'' if beaten else 'not '}{surely} than the configuration ranked next."]
    else:
        said = [f"{best} is {surely} than {beaten or 'none'} of the {compared} configurations ranked next."]
    if simplest == comparison.best:
        said.append("None of them that is practically equal to it has fewer parameters.")
    elif simplest is not None:
        said.append(
            f"{report.labels[simplest]} is simpler ({counted(sizes[simplest] or 0, 'parameter')} against "
            f"{sizes[comparison.best]:,}) and, more likely than not, practically equal or better."
        )
    said.append(f"This rests on {basis(comparison.pairs[0].folds, comparison.pairs[0].repeats)} each.")
    if comparison.left_out:
        who = "1 was" if comparison.left_out == 1 else f"{comparison.left_out} were"
        said.append(f"{who} left out, for want of curves or of the same folds and seeds.")
    return (*said, *filter(None, [seed_note(comparison.pairs[0].repeats)]))


def probability(value: float) -> str:
    """A probability with two digits.

    >>> probability(0.934), probability(0.9999), probability(0.001)
    ('.93', 'above .99', 'below .01')
    """
    if value > 0.995:
        return "above .99"
    return "below .01" if value < 0.005 else f"{value:.2f}".removeprefix("0")


def _untested_sentence(pair: Pair, first: str, second: str) -> str:
    if pair.difference == 0:
        return f"{_no_test(pair)} {first} and {second} have the same value."
    lower, higher = (first, second) if pair.difference > 0 else (second, first)
    return f"{_no_test(pair)} {lower} is lower than {higher} by {number(abs(pair.difference), 3)}."


def _no_test(pair: Pair) -> str:
    if pair.fits == 1:
        return "With a single fit no test is possible."
    return "How many rows were held out is not recorded, so no test is possible."
