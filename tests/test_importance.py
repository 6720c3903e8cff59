"""Which settings matter, on sweeps with known effects."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from pipelines.exercises.configurations import Configuration
from reports.analysis import importance
from reports.analysis.importance import LEAST, setting_importances
from tests.support.made_reports import made_point, made_report

BASE = Configuration(layers=(16,))


def searched(count: int, seed: int = 0, *, depths: tuple[int, ...] = (1, 2), noise: float = 0.01):
    """The learning rate makes the value, dropout the severity; depth and activation make nothing."""
    generator = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        configuration = Configuration(
            layers=(int(2 ** generator.uniform(2, 8)),) * int(generator.choice(depths)),
            activation=str(generator.choice(["relu", "tanh"])),
            learning_rate=float(10 ** generator.uniform(-4, -1)),
            dropout=float(generator.choice([0.0, 0.25, 0.5])),
            l2=float(generator.choice([0.0, 1e-4])),
        )
        value = (np.log10(configuration.learning_rate) + 2.5) ** 2 + 1 + generator.normal(0, noise)
        severity = 0.6 - configuration.dropout + generator.normal(0, noise)
        pairs.append((configuration, made_point(float(value), severity=float(severity))))
    return made_report(pairs)


def test_what_matters_comes_first() -> None:
    value, severity = setting_importances(searched(40))
    assert (value.target, value.method, value.configurations) == ("best value", "fANOVA", 40)
    assert value.settings[0].name == "learning_rate" and value.shares[0] > 0.7
    assert severity.target == "severity" and severity.settings[0].name == "dropout" and severity.shares[0] > 0.7
    for found in (value, severity):
        assert sum(found.shares) == pytest.approx(1) and list(found.shares) == sorted(found.shares, reverse=True)
        assert {p.name for p in found.settings} == {"units", "depth", "activation", "learning_rate", "dropout", "l2"}
        assert 0.5 < found.explained <= 1


def test_settings_without_effect_in_some_networks_take_part() -> None:
    _, severity = setting_importances(searched(40, depths=(0, 1, 2)))
    names = {p.name for p in severity.settings}
    assert {"units", "dropout", "activation"} <= names and severity.method == "fANOVA"


def test_large_sweeps_and_failures_take_the_other_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "LARGE", 20)
    value, _ = setting_importances(searched(40, depths=(0, 1, 2)))
    assert value.method == "PED-ANOVA"
    assert value.settings[0].name == "learning_rate" and sum(value.shares) == pytest.approx(1)


def test_fanova_that_fails_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna.importance import FanovaImportanceEvaluator

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Encountered zero total variance in all trees.")

    monkeypatch.setattr(FanovaImportanceEvaluator, "evaluate", fail)
    value, severity = setting_importances(searched(30))
    assert value.method == severity.method == "PED-ANOVA"


def test_equal_sweeps_give_equal_shares() -> None:
    first, second = setting_importances(searched(10)), setting_importances(searched(10))
    assert [(f.shares, f.explained) for f in first] == [(f.shares, f.explained) for f in second]


def test_noise_is_known_for_what_it_is() -> None:
    generator = np.random.default_rng(0)
    trials = searched(40).ranked
    noisy = [(t.configuration, made_point(float(np.exp(generator.normal())))) for t in trials]
    (value,) = setting_importances(made_report(noisy))
    assert value.target == "best value" and value.explained < 0.2


def test_few_configurations_or_settings_have_none() -> None:
    assert setting_importances(searched(LEAST - 1)) is None
    assert setting_importances(searched(LEAST)) is not None
    one = [(replace(BASE, learning_rate=1e-3 * n), made_point(float(n), severity=n / 10)) for n in range(1, 12)]
    assert setting_importances(made_report(one)) is None


def test_nothing_to_explain_has_none() -> None:
    same = [(t.configuration, made_point()) for t in searched(20).ranked]
    assert setting_importances(made_report(same)) is None


def test_optuna_is_as_talkative_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger("optuna").level
    setting_importances(searched(10))
    assert logging.getLogger("optuna").level == level
    assert capfd.readouterr() == ("", "")
