"""Which settings matter, on sweeps with known effects."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.exercises.configurations import Configuration
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
    assert (value.target, value.configurations, value.doubts) == ("best value", 40, {})
    assert value.settings[0].name == "learning_rate" and value.shares[0] > 0.7
    assert severity.target == "severity" and severity.settings[0].name == "dropout" and severity.shares[0] > 0.7
    for found in (value, severity):
        assert sum(found.shares) == pytest.approx(1) and list(found.shares) == sorted(found.shares, reverse=True)
        assert {p.name for p in found.settings} == {"units", "depth", "activation", "learning_rate", "dropout", "l2"}
        assert 0.5 < found.explained <= 1


def test_settings_without_effect_in_some_networks_take_part() -> None:
    _, severity = setting_importances(searched(40, depths=(0, 1, 2)))
    names = {p.name for p in severity.settings}
    assert {"units", "dropout", "activation"} <= names


def test_what_two_settings_do_only_together_counts() -> None:
    """Main effects alone, rescaled to 1, gave such a pair .43 of the importance."""
    generator = np.random.default_rng(3)
    pairs = []
    for trial in searched(100, seed=1).ranked:
        tanh, penalised = trial.configuration.activation == "tanh", trial.configuration.l2 > 0
        value = 2.0 if tanh == penalised else 1.0
        pairs.append((trial.configuration, made_point(value + generator.normal(0, 0.02))))
    (value,) = setting_importances(made_report(pairs))
    shares = dict(zip((varied.name for varied in value.settings), value.shares, strict=True))
    assert shares["activation"] + shares["l2"] > 0.9 and min(shares["activation"], shares["l2"]) > 0.35
    assert value.explained > 0.3


def test_a_setting_that_few_configurations_change_or_that_goes_with_another_is_doubted() -> None:
    pairs = []
    for number, trial in enumerate(searched(30).ranked):
        tanh = trial.configuration.activation == "tanh"
        changed = replace(trial.configuration, layers=(16,), dropout=0.5 if number < 2 else 0.0, l2=1e-4 * tanh)
        pairs.append((changed, made_point(trial.value, severity=number / 30)))
    for found in setting_importances(made_report(pairs)):
        assert found.doubts["dropout"] == "only 2 of 30 configurations change it"
        assert found.doubts["l2"] == found.doubts["activation"] == "it changes together with other settings"
        assert "learning_rate" not in found.doubts


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
