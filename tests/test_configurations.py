import re

import pytest

from pipelines.exercises.configurations import Configuration
from pipelines.exercises.settings import Convolution, convolutions_text, parse_convolutions

GOAL = Configuration(
    layers=(200,),
    convolutions="6x6-12x5s2-24x4s2p2",
    layer_normalisation="batch",
    dropout=0.4,
    learning_rate=0.01,
    schedule="exponential",
    decay_rate=0.6,
)
TRANSFER = Configuration(layers=(), backbone="mobilenet_v2", fine_tune=True, normalisation="minus_one_one")


@pytest.mark.parametrize("configuration", [Configuration(), GOAL, TRANSFER, Configuration(layers=())])
def test_comes_back_from_a_tracking_store(configuration: Configuration) -> None:
    stored = {name: str(value) for name, value in configuration.parameters().items()}
    assert Configuration.from_parameters(stored) == configuration.canonical()


def test_settings_added_later_leave_hashes_of_older_sweeps_alone() -> None:
    assert Configuration().hash == "44136fa355b3678a"


def test_what_has_no_effect_changes_no_hash() -> None:
    assert Configuration(decay_rate=0.5, fine_tune=True).hash == Configuration().hash
    bare = Configuration(layers=())
    assert Configuration(layers=(), activation="tanh", dropout=0.5, l2=0.1).hash == bare.hash
    convolutional = Configuration(layers=(), convolutions="8x3")
    assert Configuration(layers=(), convolutions="8x3", dropout=0.5).hash == convolutional.hash
    assert Configuration(layers=(), convolutions="8x3", activation="tanh").hash != convolutional.hash
    assert Configuration(schedule="exponential", decay_rate=0.5).hash != Configuration(schedule="exponential").hash


def test_labels() -> None:
    assert GOAL.label == ("conv=6x6-12x5s2-24x4s2p2 200 relu adam lr=0.01 layer_norm=batch dropout=0.4 exponential=0.6")
    assert TRANSFER.label == "mobilenet_v2 fine-tuned adam norm=minus_one_one"
    tuned = Configuration(layers=(), learning_rate=0.011367), Configuration(dropout=5.72e-05, l2=5.7234e-05)
    assert [of.label for of in tuned] == ["no hidden layer adam lr=0.0114", "64-64 relu adam dropout<0.01 l2=5.72e-5"]


def test_families() -> None:
    assert [c.family for c in (Configuration(), GOAL, TRANSFER)] == ["dense", "convolutional", "transfer"]


def test_learning_rate_is_a_function_of_the_epoch() -> None:
    exponential = Configuration(learning_rate=0.8, schedule="exponential", decay_rate=0.5)
    assert [exponential.learning_rate_at(epoch) for epoch in (1, 2, 3)] == pytest.approx([0.8, 0.4, 0.2])
    inverse = Configuration(learning_rate=0.6, schedule="inverse_time", decay_rate=0.5)
    assert [inverse.learning_rate_at(epoch) for epoch in (1, 2, 3)] == pytest.approx([0.6, 0.4, 0.3])
    assert Configuration(learning_rate=0.1).learning_rate_at(99) == 0.1


def test_convolutions_have_one_spelling() -> None:
    convolutions = parse_convolutions(" 6x6s1-12x5s2p1-4x3p2 ")
    assert convolutions == (Convolution(6, 6), Convolution(12, 5, stride=2), Convolution(4, 3, pool=2))
    assert convolutions_text(convolutions) == "6x6-12x5s2-4x3p2"
    assert parse_convolutions("none") == ()
    assert convolutions_text(()) == "none"


@pytest.mark.parametrize("text", ["6", "6x", "6x6p2s2", "\u0663x3", "6X6"])
def test_what_is_no_convolution(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_convolutions(text)
