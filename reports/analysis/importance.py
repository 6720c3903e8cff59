"""How much each setting has to do with the best value and with over-fitting: what a forest loses without it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from pipelines.tracking.trials import Trial
from reports.analysis.effects import COLLINEAR, LEAST_A_VALUE, covariates
from reports.analysis.fits import Array
from reports.report import Report, point_of
from reports.settings import VariedSetting

#: With fewer configurations a forest learns them by heart.
LEAST = 8
#: The forests: trees, folds of configurations, how often these are drawn anew, how often a setting is shuffled in each.
TREES, FOLDS, ROUNDS, SHUFFLES, SEED = 64, 5, 2, 5, 0


@dataclass(frozen=True, eq=False)
class Importances:
    """The share of each setting, the most important first, in what makes configurations differ; the sum is 1.

    They differ in the ``target``, ``best value`` or ``severity``. A share is how much worse a random forest predicts
    configurations that it has not seen once the values of this setting are shuffled among them (Breiman 2001): what it
    does together with other settings counts. ``explained`` is the share of the variance between unseen configurations
    that the forest predicts. About 0 or below, the settings say nothing of the target, and the shares are of nothing.
    ``doubts`` say, by the name of a setting, why its share cannot be told from these configurations.
    """

    target: str
    configurations: int
    settings: tuple[VariedSetting, ...]
    shares: tuple[float, ...]
    explained: float
    doubts: Mapping[str, str]


def setting_importances(report: Report) -> tuple[Importances, ...] | None:
    """Importances for the best value and for the severity, as far as either differs between configurations.

    None with fewer than ``LEAST`` configurations or fewer than two settings that vary. A setting without effect in some
    networks is given its middle value there, as Hutter et al. (2014) do it with the default. Best values and severities
    are compared on a log scale. Shares say nothing of the direction, and where a tuner has searched they speak of where
    it searched most.
    """
    trials = [trial for trial in report.ranked if trial.configuration]
    settings = [
        varied
        for varied in report.varied
        if len({varied.value_of[trial.run_id] for trial in trials if trial.run_id in varied.value_of}) > 1
    ]
    if len(trials) < LEAST or len(settings) < 2:
        return None
    values = {trial: _log(point_of(trial).best_value) for trial in trials}
    severities = {trial: _log_end(point_of(trial).severity) for trial in trials}
    targets = {"best value": values, "severity": severities}
    return tuple(filter(None, (_importances(*target, settings) for target in targets.items()))) or None


def _importances(
    target: str, values: Mapping[Trial, float | None], settings: Sequence[VariedSetting]
) -> Importances | None:
    known = {trial: value for trial, value in values.items() if value is not None}
    trials, outcomes = list(known), np.array(list(known.values()))
    if len(trials) < LEAST or np.ptp(outcomes) < 1e-12:
        return None
    losses, explained = _losses([_columns(varied, trials) for varied in settings], outcomes)
    shares = losses / (losses.sum() or 1.0)
    order = sorted(range(len(settings)), key=lambda place: (-shares[place], settings[place].name))
    doubts = {varied.name: _doubt(varied, trials, settings) for varied in settings}
    return Importances(
        target=target,
        configurations=len(trials),
        settings=tuple(settings[place] for place in order),
        shares=tuple(float(shares[place]) for place in order),
        explained=explained,
        doubts={name: doubt for name, doubt in doubts.items() if doubt},
    )


def _losses(groups: Sequence[Array], outcomes: Array) -> tuple[Array, float]:
    """Of each setting the squared error of unseen configurations that its shuffling adds, and R² without shuffling.

    A group is the columns of a setting, (configurations, columns), which are shuffled together.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import RepeatedKFold

    table = np.hstack(groups)
    ends = np.cumsum([group.shape[1] for group in groups])
    generator = np.random.default_rng(SEED)
    losses, error, spread = np.zeros(len(groups)), 0.0, 0.0
    for train, test in RepeatedKFold(n_splits=FOLDS, n_repeats=ROUNDS, random_state=SEED).split(table):
        forest = RandomForestRegressor(TREES, random_state=SEED, n_jobs=1).fit(table[train], outcomes[train])
        shuffled = np.repeat(table[test][None], 1 + len(groups) * SHUFFLES, axis=0)
        for place, (end, group) in enumerate(zip(ends, groups, strict=True)):
            for turn in range(1 + place * SHUFFLES, 1 + (place + 1) * SHUFFLES):
                columns = slice(end - group.shape[1], end)
                shuffled[turn, :, columns] = shuffled[turn, generator.permutation(len(test)), columns]
        predicted = forest.predict(shuffled.reshape(-1, table.shape[1])).reshape(len(shuffled), len(test))
        errors = ((predicted - outcomes[test]) ** 2).sum(axis=1)
        losses += errors[1:].reshape(len(groups), SHUFFLES).mean(axis=1) - errors[0]
        error += float(errors[0])
        spread += float(((outcomes[test] - outcomes[train].mean()) ** 2).sum())
    return np.maximum(losses, 0.0), 1 - error / spread


def _columns(varied: VariedSetting, trials: Sequence[Trial]) -> Array:
    """A setting as a forest sees it, (trials, columns): a number on its scale, or a column of 0 and 1 for each word.

    Where it has no effect it has its middle value, of words the most frequent one.
    """
    if varied.numeric:
        middle = median(varied.position(float(number)) for number in varied.value_of.values())
        known = (varied.value_of.get(trial.run_id) for trial in trials)
        return np.array([[middle if value is None else varied.position(float(value))] for value in known])
    usual = Counter(sorted(str(word) for word in varied.value_of.values())).most_common(1)[0][0]
    words = [str(varied.value_of.get(trial.run_id, usual)) for trial in trials]
    return np.array([[float(word == level.label) for level in varied.levels] for word in words])


def _doubt(varied: VariedSetting, trials: Sequence[Trial], settings: Sequence[VariedSetting]) -> str:
    """Why the configurations cannot tell what a setting does, as the end of a sentence; empty where they can."""
    present = [trial for trial in trials if trial.run_id in varied.value_of]
    counts = Counter(varied.value_of[trial.run_id] for trial in present)
    away = len(present) - max(counts.values())
    if away < LEAST_A_VALUE:
        return f"only {away} of {len(trials)} configurations change it"
    others = covariates(present, [other for other in settings if other is not varied])
    if len(present) <= others.shape[1] + 1:
        return ""
    own = _columns(varied, present)
    own = own - own.mean(axis=0)
    left = own - others @ np.linalg.lstsq(others, own, rcond=None)[0]
    together = (left**2).sum() < (1 - COLLINEAR) * (own**2).sum()
    return "it changes together with other settings" if together else ""


def _log(value: float | None) -> float | None:
    return float(np.log(value)) if value is not None and value > 0 else None


def _log_end(severity: float | None) -> float | None:
    """Logarithm of the end over the best, in which one exploded configuration does not outweigh all others."""
    return float(np.log(1 + severity)) if severity is not None and severity > -1 else None
