"""How much each setting has to do with the best value and with over-fitting, by Optuna's evaluators."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from pipelines.tracking.trials import Trial
from reports.report import Report, point_of
from reports.settings import VariedSetting

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

#: With fewer configurations a forest learns them by heart.
LEAST = 8
#: fANOVA's time grows faster than the number of trials; from here on PED-ANOVA takes its place.
LARGE = 400
TREES, SEED = 32, 0
#: PED-ANOVA asks what sets this best share of the configurations apart. Its own tenth would be one of ten.
BEST_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Importances:
    """The share of each setting, the most important first, in what makes configurations differ; the sum is 1.

    They differ in the ``target``, ``best value`` or ``severity``. The ``method`` is ``fANOVA`` (of the variance that a
    random forest explains, what each setting explains by itself) or ``PED-ANOVA`` (how far the best quarter's settings
    differ from all). ``explained`` is the share of the variance between configurations that a random forest predicts of
    those it has not seen. About 0 or below, the settings say nothing of the target, and the shares are of nothing. None
    where it is not known.
    """

    target: str
    method: str
    configurations: int
    settings: tuple[VariedSetting, ...]
    shares: tuple[float, ...]
    explained: float | None


def setting_importances(report: Report) -> tuple[Importances, ...] | None:
    """Importances for the best value and for the severity, as far as either differs between configurations.

    None with fewer than ``LEAST`` configurations or fewer than two settings that vary. A setting without effect in some
    networks is given its middle value there for fANOVA, which knows no missing ones, as Hutter et al. (2014) do it with
    the default; PED-ANOVA leaves those networks out. Best values and severities are compared on a log scale. Shares say
    nothing of the direction, and where a tuner has searched they speak of where it searched most.
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
    kept = [(trial, value) for trial, value in values.items() if value is not None]
    if len(kept) < LEAST or np.ptp([value for _, value in kept]) < 1e-12:
        return None
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

    used = [trial for trial, _ in kept]
    outcomes = [value for _, value in kept]
    with _quiet():
        shares, method = None, "fANOVA"
        if len(kept) <= LARGE:
            evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=SEED)
            with suppress(RuntimeError, ValueError, ZeroDivisionError):
                shares = get_param_importances(_study(used, outcomes, settings, fill=True), evaluator=evaluator)
        if shares is None or not all(np.isfinite(share) for share in shares.values()):
            method = "PED-ANOVA"
            study = _study(used, outcomes, settings, fill=False)
            shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE))
    order = sorted((varied for varied in settings if varied.name in shares), key=lambda v: (-shares[v.name], v.name))
    return Importances(
        target=target,
        method=method,
        configurations=len(kept),
        settings=tuple(order),
        shares=tuple(float(shares[varied.name]) for varied in order),
        explained=_explained(used, outcomes, settings),
    )


def _study(
    trials: Sequence[Trial], values: Sequence[float], settings: Sequence[VariedSetting], *, fill: bool
) -> "Study":
    """A study in memory that holds the trials as if Optuna had asked for them."""
    import optuna

    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=0))
    for trial, value in zip(trials, values, strict=True):
        known = [varied for varied in settings if fill or trial.run_id in varied.value_of]
        params = {varied.name: _setting(varied, trial) for varied in known}
        distributions = {varied.name: _distribution(varied) for varied in known}
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=value))
    return study


def _distribution(varied: VariedSetting) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if not varied.numeric:
        return CategoricalDistribution([level.label for level in varied.levels])
    positions = [varied.position(float(value)) for value in varied.value_of.values()]
    return FloatDistribution(min(positions), max(positions))


def _setting(varied: VariedSetting, trial: Trial) -> str | float:
    """As the distribution has it; the middle (of words: the most frequent one) where it has no effect."""
    value = varied.value_of.get(trial.run_id)
    if not varied.numeric:
        words = [str(word) for word in varied.value_of.values()]
        return str(value) if value is not None else max(sorted(set(words)), key=words.count)
    if value is not None:
        return varied.position(float(value))
    return median(varied.position(float(number)) for number in varied.value_of.values())


def _explained(trials: Sequence[Trial], values: Sequence[float], settings: Sequence[VariedSetting]) -> float | None:
    """Out-of-bag R² of a random forest."""
    from sklearn.ensemble import RandomForestRegressor

    columns = []
    for varied in settings:
        here = [_setting(varied, trial) for trial in trials]
        if varied.numeric:
            columns.append([float(value) for value in here])
        else:
            columns += [[float(value == level.label) for value in here] for level in varied.levels]
    forest = RandomForestRegressor(100, oob_score=True, random_state=SEED, n_jobs=1)
    forest.fit(np.array(columns).T, values)
    score = float(forest.oob_score_)
    return score if np.isfinite(score) else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's messages about studies and experimental arguments."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _log(value: float | None) -> float | None:
    return float(np.log(value)) if value is not None and value > 0 else None


def _log_end(severity: float | None) -> float | None:
    """Logarithm of the end over the best, in which one exploded configuration does not outweigh all others."""
    return None if severity is None else _log(1 + severity)
