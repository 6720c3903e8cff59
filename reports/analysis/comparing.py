"""Which differences between configurations are real: paired tests over fits that share folds and seeds.

A configuration's values are those of all its fits, each at the best epoch of the others. Two are compared fit by fit,
each pair of fits having the same fold and seed. Folds share training rows, so the standard error of the mean difference
is the corrected one of Nadeau and Bengio (2003), ``s_d * sqrt(1 / fits + n_validation / n_training)``. The Bayesian
correlated t-test of Corani and Benavoli (2015) has the same: with their ``rho = n_validation / (n_validation +
n_training)``, ``rho / (1 - rho)`` is that ratio, and the posterior of the difference is a Student distribution with
``fits - 1`` degrees of freedom, its centre the mean difference and its scale the standard error.

That error is more careful than the differences between two configurations ask for (``paired_error`` is enough for
those that nobody picked). Here its excess pays for the choice: the best was picked, among all, by the very values it is
compared by. A probability of .95 or more was right in .98 of the cases, by simulation.

Values are "lower is better". A run id stands for a configuration.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from pipelines.overfitting.statistics import first_minimum, smooth, standard_error
from pipelines.tracking.trials import Trial
from reports.analysis.fits import Array, best_values, fit_curves
from reports.report import Report, point_of

#: Differences up to this share of the better value matter to nobody: the default region of practical equivalence.
ROPE_SHARE = 0.01
#: From this probability on one configuration is surely better than another.
SURE = 0.95
#: Largest number of configurations that are all compared with each other.
MATRIX_SIZE = 8


@dataclass(frozen=True)
class Pair:
    """Two configurations compared, by their run ids.

    ``difference`` is the mean over fits of the second's value minus the first's: above 0 where the first is better. It
    has a ``standard_error`` that is corrected for shared training rows, and a two-sided ``p``, which ``p_holm`` adjusts
    over the pairs that are shown together; ``p_first_better``, ``p_equal`` (practically) and ``p_second_better`` are
    probabilities whose sum is 1. All of these are None where no test is possible: with a single fit, or where the share
    of validation rows is not known. Differences up to ``rope`` count as practically equal. ``sd_seeds`` is the larger
    of the two configurations' deviations over seeds; None with one repeat. These, too, are in units of the metric.
    """

    first: str
    second: str
    difference: float
    standard_error: float | None
    p: float | None
    p_holm: float | None
    p_first_better: float | None
    p_equal: float | None
    p_second_better: float | None
    rope: float
    sd_seeds: float | None
    folds: int
    repeats: int

    @property
    def fits(self) -> int:
        """Paired fits."""
        return self.folds * self.repeats

    @property
    def below_seeds(self) -> bool:
        """Whether the difference is smaller than what another seed changes."""
        return self.sd_seeds is not None and abs(self.difference) < self.sd_seeds


@dataclass(frozen=True)
class ConfigurationComparison:
    """The best configuration, the first of every pair, against those ranked next, in the order of the ranking.

    ``left_out`` were met on the way and cannot be paired: other folds or repeats, or no curves; ``not_shown`` come
    after the last one compared. ``not_surely_worse`` are the best, and those that it is not surely better than (its
    probability of being better is below ``SURE``); ``practically_equal`` of these the best and those that are more
    likely than not practically equal to it or better, that is: no more than the region of practical equivalence behind.
    With few fits hardly anything is surely worse; a choice by simplicity has to ask for more. ``simplest_equal`` is the
    one of them with the fewest parameters, of several the one ranked first; None where no test is possible or the
    best's parameters are not recorded.
    """

    best: str
    pairs: tuple[Pair, ...]
    left_out: int
    not_shown: int
    not_surely_worse: tuple[str, ...]
    practically_equal: tuple[str, ...]
    simplest_equal: str | None


@dataclass(frozen=True)
class Matrix:
    """Configurations in the order of the ranking, every two of them compared once, the one ranked first as ``first``.

    ``left_out`` were met on the way and cannot be paired.
    """

    run_ids: tuple[str, ...]
    pairs: tuple[Pair, ...]
    left_out: int


def compare_with_best(report: Report, *, limit: int = 12) -> ConfigurationComparison | None:
    """Compare the best configuration with each of the next ``limit`` that can be paired; None without curves of it."""
    entries = _entries(report)
    best = next(entries, None)
    if best is None or report.best is None or best.trial is not report.best:
        return None
    others = [entry for entry, _ in zip(entries, range(limit), strict=False)]
    pairs = _adjusted([_pair(report, best, other) for other in others])
    reached = max((entry.rank for entry in others), default=0) if len(others) == limit else len(report.ranked) - 1
    open_ones = [pair.second for pair in pairs if pair.p_first_better is None or pair.p_first_better < SURE]
    equal = [pair.second for pair in pairs if pair.p_first_better is not None and pair.p_first_better <= 0.5]
    best_id = best.trial.run_id
    sizes = {
        entry.trial.run_id: entry.trial.parameters
        for entry in (best, *others)
        if entry.trial.run_id in (best_id, *equal) and entry.trial.parameters is not None
    }
    comparable = best_id in sizes and any(pair.p is not None for pair in pairs)
    return ConfigurationComparison(
        best=best_id,
        pairs=pairs,
        left_out=reached - len(others),
        not_shown=len(report.ranked) - 1 - reached,
        not_surely_worse=(best_id, *open_ones),
        practically_equal=(best_id, *equal),
        simplest_equal=min(sizes, key=lambda run_id: sizes[run_id] or 0) if comparable else None,
    )


@dataclass(frozen=True)
class HonestValue:
    """What the chosen configuration will do on new rows: the monitored value of a choice that did not see the fold.

    For each of the ``folds``, configuration and epoch are chosen on all other folds, and read on this one; ``value`` is
    the mean. In ``agreeing`` of the folds the choice was the same configuration as on all of them. On real data it is
    about 2 % too careful, since every choice rests on a fold less, where the winner's own value is 2 to 5 % too good.
    """

    value: float
    folds: int
    agreeing: int


def honest_value(report: Report) -> HonestValue | None:
    """The winner's value without the gain of having been picked; None with one fold, or without its curves.

    As Tsamardinos et al. (2018) do it, with the choice of the epoch included. Configurations with other folds, repeats
    or epochs than the winner's do not take part.
    """
    best = report.best
    if best is None or (found := fit_curves(report, best)) is None or (folds := point_of(best).folds) < 2:
        return None
    shape = found.validation.shape
    of_trials = {trial.run_id: fit_curves(report, trial) for trial in report.ranked}
    curves = {
        run_id: of_trial.validation.reshape(-1, folds, shape[1])
        for run_id, of_trial in of_trials.items()
        if of_trial is not None and of_trial.validation.shape == shape
    }
    values, agreeing = [], 0
    for fold in range(folds):
        means = {run_id: np.delete(fits, fold, axis=1).mean(axis=(0, 1)) for run_id, fits in curves.items()}
        epochs = {run_id: int(first_minimum(smooth(mean))) for run_id, mean in means.items()}
        chosen = min(means, key=lambda run_id: float(means[run_id][epochs[run_id]]))
        values.append(float(curves[chosen][:, fold, epochs[chosen]].mean()))
        agreeing += chosen == best.run_id
    return HonestValue(float(np.mean(values)), folds, agreeing)


def compare_pairs(report: Report, *, top: int = MATRIX_SIZE) -> Matrix:
    """Compare the ``top`` best configurations that can be paired, each with each.

    Raises
    ------
    ValueError
        For more than ``MATRIX_SIZE``: the number of pairs grows with the square.
    """
    if not 1 <= top <= MATRIX_SIZE:
        raise ValueError(f"top is {top}; allowed: 1 to {MATRIX_SIZE}")
    entries = [entry for entry, _ in zip(_entries(report), range(top), strict=False)]
    pairs = _adjusted([_pair(report, first, second) for first, second in combinations(entries, 2)])
    reached = entries[-1].rank + 1 if len(entries) == top else len(report.ranked)
    return Matrix(tuple(entry.trial.run_id for entry in entries), pairs, reached - len(entries))


def corrected_t_test(differences: NDArray[Any], validation_ratio: float) -> tuple[float, float]:
    """Standard error of the mean difference of paired fits, two or more, and p of the corrected resampled t-test.

    Where all differences are equal the error is 0, and p is 1 for no difference and 0 for any other.
    """
    differences = np.asarray(differences, np.float64)
    mean, error = _mean_and_error(differences, validation_ratio)
    if error == 0:
        return 0.0, float(mean == 0)
    return error, float(2 * stdtr(len(differences) - 1, -abs(mean) / error))


def posterior_probabilities(
    differences: NDArray[Any], validation_ratio: float, rope: float
) -> tuple[float, float, float]:
    """Probabilities that the true mean difference is below ``-rope``, within ``rope`` of 0, above ``rope``.

    Where all differences are equal the posterior is that one value, and one of the three is 1.
    """
    differences = np.asarray(differences, np.float64)
    mean, error = _mean_and_error(differences, validation_ratio)
    if error == 0:
        return float(mean < -rope), float(abs(mean) <= rope), float(mean > rope)
    freedom = len(differences) - 1
    below, above = stdtr(freedom, (-rope - mean) / error), stdtr(freedom, (mean - rope) / error)
    return float(below), float(max(0.0, 1 - below - above)), float(above)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * values[order]))
    return list(map(float, adjusted))


@dataclass(frozen=True, eq=False)
class _Entry:
    """A ranked trial that can be paired: its place, from 0, and its values at the best epoch."""

    rank: int
    trial: Trial
    values: Array


def _entries(report: Report) -> Iterator[_Entry]:
    """Ranked trials with the folds and repeats of the first of them that has curves."""
    shape: tuple[int, int] | None = None
    for rank, trial in enumerate(report.ranked):
        values, point = best_values(report, trial), point_of(trial)
        if values is not None and shape in (None, (point.folds, point.repeats)):
            shape = (point.folds, point.repeats)
            yield _Entry(rank, trial, values)


def _pair(report: Report, first: _Entry, second: _Entry) -> Pair:
    ratio, differences = report.validation_ratio, second.values - first.values
    width = float(ROPE_SHARE * abs(min(first.values.mean(), second.values.mean())))
    error = p = below = within = above = None
    if ratio is not None and len(differences) > 1:
        error, p = corrected_t_test(differences, ratio)
        below, within, above = posterior_probabilities(differences, ratio, width)
    points = point_of(first.trial), point_of(second.trial)
    deviations = [point.sd_seeds for point in points if point.sd_seeds is not None]
    return Pair(
        first=first.trial.run_id,
        second=second.trial.run_id,
        difference=float(differences.mean()),
        standard_error=error,
        p=p,
        p_holm=p,
        p_first_better=above,
        p_equal=within,
        p_second_better=below,
        rope=width,
        sd_seeds=max(deviations, default=None),
        folds=points[0].folds,
        repeats=points[0].repeats,
    )


def _adjusted(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Holm over all of them; either all have a p or none has."""
    values = [pair.p for pair in pairs if pair.p is not None]
    if not values:
        return tuple(pairs)
    return tuple(replace(pair, p_holm=p) for pair, p in zip(pairs, holm(values), strict=True))


def _mean_and_error(differences: Array, validation_ratio: float) -> tuple[float, float]:
    # Equal differences have a deviation of exactly 0; computed, rounding may leave 1e-17 of it, and a t of 1e17.
    if (differences == differences[0]).all():
        return float(differences[0]), 0.0
    return float(differences.mean()), float(standard_error(differences, validation_ratio))
