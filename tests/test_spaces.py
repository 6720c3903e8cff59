import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.exercises.configurations import Configuration
from pipelines.exercises.reader import available_exercises, load_exercise
from pipelines.exercises.spaces import Parameter, Space

BASELINE = Configuration(layers=(64, 64))
UNITS = Parameter("units", "int", 4, 4096, log=True)
DEPTH = Parameter("depth", "int", 0, 4)
DROPOUT = Parameter("dropout", "float", 0.0, 0.6)
SPACE = Space((UNITS, Parameter("units_2", "int", 4, 4096, log=True), DEPTH, DROPOUT))


def exercise(name):
    own = {"data": "table.csv", "target": "y", "task": "regression"} if name == "table" else {}
    return load_exercise(name, **own)


EXERCISES = [exercise(name) for name in available_exercises()]


@given(st.sampled_from(EXERCISES), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_point_is_found_again_from_its_network(chosen, seed):
    point = chosen.space.sample(np.random.default_rng(seed), chosen.baseline)
    network = chosen.space.configuration(point, chosen.baseline)
    assert chosen.space.contains(point)
    assert chosen.space.values(network, chosen.baseline) == point


@given(st.sampled_from(EXERCISES), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_point_survives_a_tracking_store(chosen, seed):
    point = chosen.space.sample(np.random.default_rng(seed), chosen.baseline)
    network = chosen.space.configuration(point, chosen.baseline)
    stored = {name: str(value) for name, value in network.parameters().items()}
    assert chosen.space.values(Configuration.from_parameters(stored), chosen.baseline) == point


@pytest.mark.parametrize(
    ("values", "layers"),
    [
        ({"depth": 0, "units": 8, "units_2": 9}, ()),
        ({"depth": 1, "units": 8, "units_2": 9}, (8,)),
        ({"depth": 2, "units": 64, "units_2": 4}, (64, 4)),
        ({"depth": 4, "units": 8, "units_2": 9}, (8, 9, 8, 8)),
        ({"depth": 3}, (64, 64, 64)),
    ],
)
def test_depth_and_units_become_layers(values, layers):
    assert SPACE.configuration(values, BASELINE).layers == layers


def test_layers_are_as_wide_as_the_baselines_where_units_are_no_axis():
    narrowing = Configuration(layers=(200, 60))
    assert Space((DEPTH,)).configuration({"depth": 3}, narrowing).layers == (200, 60, 60)
    assert Space((DEPTH,)).values(narrowing, narrowing) == {"depth": 2}


def test_named_layers_are_choices():
    space = Space((Parameter("layers", "categorical", choices=("none", "64-4", "16-1024")), DROPOUT))
    assert space.configuration({"layers": "64-4", "dropout": 0.5}, BASELINE).layers == (64, 4)
    assert space.values(Configuration(layers=(16, 1024), dropout=0.25), BASELINE) == {
        "layers": "16-1024",
        "dropout": 0.25,
    }
    assert space.values(Configuration(layers=(16, 16)), BASELINE) is None


def test_settings_of_a_schedule_or_a_backbone_matter_with_it_only():
    space = Space(
        (
            Parameter("schedule", "categorical", choices=("constant", "exponential")),
            Parameter("decay_rate", "float", 0.3, 0.6),
            Parameter("backbone", "categorical", choices=("none", "mobilenet_v2")),
            Parameter("fine_tune", "categorical", choices=(False, True)),
        )
    )
    idle = {"schedule": "constant", "decay_rate": 0.5, "backbone": "none", "fine_tune": True}
    assert space.fixed(idle, BASELINE) == idle | {"decay_rate": 0.3, "fine_tune": False}
    falling = {"schedule": "exponential", "decay_rate": 0.5, "backbone": "mobilenet_v2", "fine_tune": True}
    assert space.fixed(falling, BASELINE) == falling


def test_with_convolutions_an_activation_matters_without_dense_layers_too():
    axes = (DEPTH, DROPOUT, Parameter("activation", "categorical", choices=("relu", "tanh")))
    point = {"depth": 0, "dropout": 0.3, "activation": "tanh"}
    assert Space(axes).fixed(point, BASELINE) == {"depth": 0, "dropout": 0.0, "activation": "relu"}
    convolutional = Configuration(layers=(64,), convolutions="8x3")
    assert Space(axes, has_convolutions=True).fixed(point, convolutional) == point | {"dropout": 0.0}


def test_what_has_no_effect_has_one_value():
    points = [{"depth": 0, "units": units, "units_2": 4, "dropout": 0.3} for units in (4, 1000)]
    first, second = (SPACE.fixed(point, BASELINE) for point in points)
    assert first == second == {"depth": 0, "units": 64, "units_2": 64, "dropout": 0.0}


@pytest.mark.parametrize(
    "outside",
    [
        Configuration(layers=(64, 4, 32)),  # neither the common nor the second layer's width
        Configuration(layers=(2, 2)),
        Configuration(layers=(64,) * 5),
        Configuration(layers=(64, 64), dropout=0.7),
        Configuration(layers=(64, 64), optimizer="sgd"),  # no axis, and not the baseline's
    ],
)
def test_a_network_outside_the_space_has_no_point(outside):
    assert SPACE.values(outside, BASELINE) is None


def test_size_counts_different_networks():
    axes = (
        Parameter("units", "int", 3, 5),
        Parameter("depth", "int", 0, 2),
        Parameter("activation", "categorical", choices=("relu", "tanh")),
        Parameter("batch_size", "categorical", choices=(16, 32)),
    )
    space = Space(axes)
    every = itertools.product(range(3, 6), range(3), ("relu", "tanh"), (16, 32))
    networks = {space.configuration(dict(zip(space.names, point, strict=True)), BASELINE).hash for point in every}
    assert space.size == len(networks) == 2 * (1 + 2 * 3 * 2)
    assert SPACE.size is None
    assert Space((Parameter("dropout", "float", 0.5, 0.5), DEPTH)).size == 5


def test_grid_points_follow_the_scale():
    assert UNITS.points(3) == (4, 128, 4096)
    assert DEPTH.points(3) == (0, 1, 2, 3, 4)
    assert DROPOUT.points(3) == (0.0, 0.3, 0.6)
    assert Parameter("learning_rate", "float", 1e-4, 1e-2, log=True).points(3) == (1e-4, 1e-3, 1e-2)
    assert Parameter("units", "int", 1, 12, log=True).points(6) == (1, 2, 3, 4, 7, 12)


@pytest.mark.parametrize(
    ("axis", "value", "matched"),
    [
        (UNITS, 4096, 4096),
        (UNITS, 64.0, 64),
        (UNITS, 64.5, None),
        (UNITS, 3, None),
        (UNITS, True, None),
        (UNITS, "64", None),
        (DROPOUT, 0.6000000000001, 0.6),
        (DROPOUT, 0.61, None),
        (DROPOUT, float("nan"), None),
        (Parameter("l2", "categorical", choices=(0.0, 1e-4)), 0.0001, 1e-4),
        (Parameter("l2", "categorical", choices=(0.0, 1e-4)), 0, 0.0),
        (Parameter("loss", "categorical", choices=("mse", "mae")), "huber", None),
    ],
)
def test_a_value_is_matched_or_refused(axis, value, matched):
    found = axis.match(value)
    assert found == matched
    assert matched is None or type(found) is type(matched)


@pytest.mark.parametrize(
    ("kind", "log", "share"),
    [("int", False, 2 / 5), ("float", False, 0.309), ("float", True, 1 / 2), ("int", True, 0.613)],
)
def test_draws_cover_a_range_in_its_scale(kind, log, share):
    axis = Parameter("units", kind, 1, 5, log=log)
    generator = np.random.default_rng(0)
    drawn = [axis.sample(generator) for _ in range(500)]
    assert all(1 <= value <= 5 for value in drawn)
    assert {round(value) for value in drawn} == {1, 2, 3, 4, 5}
    assert sum(value < 5**0.5 for value in drawn) / 500 == pytest.approx(share, abs=0.07)


def test_contains_wants_every_axis_and_nothing_else():
    point = {"depth": 1, "units": 8, "units_2": 8, "dropout": 0.0}
    assert SPACE.contains(point)
    assert not SPACE.contains({**point, "l2": 0.0})
    assert not SPACE.contains({name: value for name, value in point.items() if name != "dropout"})
    assert not SPACE.contains({**point, "units": 3})


def test_digest_is_of_the_points_not_of_their_order():
    one = Space((DEPTH, Parameter("batch_size", "categorical", choices=(16, 32))))
    other = Space((Parameter("batch_size", "categorical", choices=(32, 16)), DEPTH))
    larger = Space((DEPTH, Parameter("batch_size", "categorical", choices=(16, 32, 64))))
    assert one.digest == other.digest != larger.digest
