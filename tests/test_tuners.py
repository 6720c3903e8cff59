"""One contract suite for every tuner, then what is particular to one of them."""

import gc
import os
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.reader import load_exercise
from pipelines.exercises.spaces import Parameter, Space
from pipelines.sweep.stopping import is_hopeless
from pipelines.tuners import SPECS, make_tuner

BASELINE = Configuration(layers=(16, 16))
DEPTH = Parameter("depth", "int", 0, 2)
ACTIVATION = Parameter("activation", "categorical", choices=("relu", "tanh"))
RATE = Parameter("learning_rate", "float", 1e-4, 1e-1, log=True)
UNITS = Parameter("units", "int", 4, 64, log=True)
#: An axis of every kind, some without effect at depth 0, the structure not in front.
SPACE = Space((UNITS, DEPTH, ACTIVATION, RATE, Parameter("batch_size", "categorical", choices=(16, 32))))
#: 1 + 2 x (2 x 2) networks.
FINITE = Space((Parameter("units", "int", 4, 5), DEPTH, ACTIVATION))

EVERY = pytest.mark.parametrize("spec", SPECS)
OPTUNA = ("optuna:tpe", "optuna:random", "optuna:grid", "optuna:qmc")
GRIDS = ("optuna:grid", "keras_tuner:grid")
HYPERBAND = "keras_tuner:hyperband"


def make(spec, space=SPACE, seed=0, **settings):
    return make_tuner(spec, space, baseline=BASELINE, seed=seed, **settings)


def loss(values):
    """Best at a learning rate of 0.01 and 16 units."""
    return (np.log10(values["learning_rate"]) + 2) ** 2 + np.log2(values["units"] / 16) ** 2


def run(tuner, trials, objective):
    """Ask and tell; the values that were suggested."""
    asked = []
    while len(asked) < trials and (suggestion := tuner.ask()) is not None:
        asked.append(suggestion.values)
        tuner.tell(suggestion, objective(suggestion.values))
    return asked


def some(spec, trials):
    """So many trials, fewer of the Gaussian process: each of its suggestions takes about a second."""
    return min(trials, 7) if spec == "keras_tuner:bayesian" else trials


def network(values, space=SPACE):
    return space.configuration(values, BASELINE).hash


@EVERY
def test_suggestions_lie_in_the_space(spec):
    tuner = make(spec)
    assert tuner.name == spec
    numbers = []
    for _ in range(some(spec, 25)):
        suggestion = tuner.ask()
        numbers.append(suggestion.number)
        assert SPACE.contains(suggestion.values)
        types = {axis.name: type(axis.points(2)[0]) for axis in SPACE.parameters}
        assert {name: type(value) for name, value in suggestion.values.items()} == types
        assert tuple(suggestion.values) == SPACE.names
        tuner.tell(suggestion, loss(suggestion.values))
    assert numbers == sorted(set(numbers))


@EVERY
def test_equal_seeds_suggest_the_same(spec):
    first, again, other = (run(make(spec, seed=seed), some(spec, 14), loss) for seed in (5, 5, 6))
    assert first == again
    assert first != other or spec == "keras_tuner:grid"


@EVERY
@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_failed_trial_is_no_end(spec, value):
    asked = run(make(spec), 12, lambda values: value)
    assert len(asked) == 12
    later = make(spec)
    run(later, 6, lambda values: value)
    assert len(run(later, 6, loss)) == 6


@EVERY
def test_several_suggestions_may_be_open(spec):
    tuner = make(spec)
    opened = [suggestion for suggestion in (tuner.ask() for _ in range(6)) if suggestion is not None]
    assert opened
    assert len({network(suggestion.values) for suggestion in opened}) == len(opened)
    for suggestion in reversed(opened):
        tuner.tell(suggestion, loss(suggestion.values))
    assert tuner.ask() is not None


@EVERY
def test_a_suggestion_is_told_once(spec):
    tuner = make(spec)
    suggestion = tuner.ask()
    tuner.tell(suggestion, 1.0)
    with pytest.raises(ValueError, match="is not open"):
        tuner.tell(suggestion, 1.0)


@EVERY
def test_a_hundred_trials(spec):
    space = Space((*SPACE.parameters, Parameter("dropout", "float", 0.0, 0.5)))
    trials = some(spec, 100)
    assert len(run(make(spec, space), trials, loss)) == trials


@EVERY
def test_a_finite_space_comes_to_its_end_with_every_network_once(spec):
    if spec == HYPERBAND:
        pytest.skip("asks for the same networks again, with more epochs: see below")
    tuner = make(spec, FINITE)
    asked = run(tuner, 100, lambda values: values["units"] + values["depth"])
    assert len(asked) == FINITE.size == 9
    assert len({network(values, FINITE) for values in asked}) == 9
    assert tuner.ask() is None


@EVERY
def test_what_was_added_is_not_asked(spec):
    if spec == HYPERBAND:
        pytest.skip("asks for them where its own sequence has them: see below")
    tuner = make(spec, FINITE)
    known = run(make("optuna:random", FINITE, seed=9), 8, lambda values: 1.0)
    for number, values in enumerate(known):
        tuner.add(values, None if number == 0 else 1.0)
    asked = run(tuner, 100, lambda values: 2.0)
    assert [network(values, FINITE) for values in asked] == [
        (everything - {network(values, FINITE) for values in known}).pop()
        for everything in [{network(values, FINITE) for values in run(make("optuna:grid", FINITE), 9, lambda v: 1.0)}]
    ]


@EVERY
@pytest.mark.parametrize(
    "outside",
    [
        {},
        {"units": 16, "depth": 1},
        {"units": 4096, "depth": 1, "activation": "relu", "learning_rate": 0.01, "batch_size": 16},
        {"units": 16, "depth": 1, "activation": "gelu", "learning_rate": 0.01, "batch_size": 16},
        {"units": "16", "depth": 1, "activation": "relu", "learning_rate": 0.01, "batch_size": 16},
        {"units": 16, "depth": 1, "activation": "relu", "learning_rate": 0.01, "batch_size": 16, "l2": 0.0},
    ],
)
def test_points_outside_the_space_are_passed_over(spec, outside):
    touched, fresh = make(spec), make(spec)
    touched.add(outside, 1.0)
    assert run(touched, 3, loss) == run(fresh, 3, loss)


@pytest.mark.parametrize("spec", ["optuna:tpe", "keras_tuner:bayesian"])
def test_learning_beats_chance(spec):
    space = Space((RATE, UNITS))
    trials = 40 if spec == "optuna:tpe" else 15
    chance = [min(map(loss, run(make("optuna:random", space, seed), trials, loss))) for seed in range(15)]
    learnt = min(map(loss, run(make(spec, space), trials, loss)))
    assert learnt < np.median(chance) / 2


@pytest.mark.parametrize("spec", ["optuna:tpe", "keras_tuner:bayesian"])
def test_added_points_are_learnt_from(spec):
    space = Space((RATE, UNITS))
    tuner = make(spec, space)
    generator = np.random.default_rng(1)
    for _ in range(40):
        values = space.sample(generator, BASELINE)
        tuner.add(values, loss(values))
    taught = [loss(values) for values in run(tuner, 4, loss)]
    untaught = [loss(values) for values in run(make("optuna:random", space), 20, loss)]
    assert np.median(taught) < np.median(untaught) / 2


@pytest.mark.parametrize("spec", GRIDS)
def test_a_grid_has_the_stated_points(spec):
    space = Space((RATE, DEPTH, UNITS))
    asked = run(make(spec, space), 1000, lambda values: 1.0)
    hidden = [values for values in asked if values["depth"]]
    assert {values["learning_rate"] for values in asked} == {0.0001, 0.00316227766017, 0.1}
    assert {values["units"] for values in hidden} == {4, 16, 64}
    assert len(asked) == 3 * (1 + 2 * 3)


@pytest.mark.parametrize("spec", GRIDS)
def test_a_grid_takes_any_result_in_any_order(spec):
    tuner = make(spec, FINITE)
    asked = []
    while (suggestion := tuner.ask()) is not None:
        second = tuner.ask()
        for opened in (second, suggestion):
            if opened is not None:
                asked.append(network(opened.values, FINITE))
                tuner.tell(opened, None)
    assert len(asked) == len(set(asked)) == 9


def test_kerastuners_grid_begins_at_the_baseline():
    assert make("keras_tuner:grid").ask().values == {
        "units": 16,
        "depth": 2,
        "activation": "relu",
        "learning_rate": 0.0001,  # the grid's nearest to 0.001
        "batch_size": 32,
    }


def test_a_grid_that_is_too_large_says_so():
    axes = tuple(Parameter(name, "float", 0.0, 0.5) for name in ("dropout", "l2", "train_fraction", "learning_rate"))
    widths = tuple(Parameter(f"units_{number}", "int", 4, 64) for number in range(1, 9))
    with pytest.raises(UserError, match=r"'optuna:grid'.* has 531,441 points .*allowed: at most 500,000"):
        make("optuna:grid", Space((*axes, *widths)))


def test_hyperband_gives_more_epochs_to_the_best():
    tuner = make(HYPERBAND, epochs=27)
    rungs = {}
    while len(rungs) < 4:  # 1, 3, 9 and 27 epochs of the first bracket
        suggestion = tuner.ask()
        rungs.setdefault(suggestion.epochs, []).append(suggestion.values)
        tuner.tell(suggestion, suggestion.values["learning_rate"])
    assert sorted(rungs) == [1, 3, 9, 27]
    assert len({network(values) for values in rungs[1]}) == len(rungs[1])
    for before, after in ((1, 3), (3, 9), (9, 27)):
        rates = sorted(values["learning_rate"] for values in rungs[before])
        assert sorted(values["learning_rate"] for values in rungs[after]) == rates[: len(rungs[after])]


def test_hyperband_forgets_what_fails():
    tuner = make(HYPERBAND, epochs=9)
    failed = []
    for number in range(40):
        suggestion = tuner.ask()
        assert network(suggestion.values) not in failed
        if number % 2 == 0:
            failed.append(network(suggestion.values))
        tuner.tell(suggestion, None if number % 2 == 0 else loss(suggestion.values))


def test_hyperband_taken_up_again_repeats_itself():
    first = run(make(HYPERBAND, epochs=9), 20, loss)
    tuner = make(HYPERBAND, epochs=9)
    for values in first[:10]:
        tuner.add(values, loss(values))
    assert run(tuner, 20, loss) == first


def test_hyperband_ends_with_a_space_it_has_drawn_in_full():
    tuner = make(HYPERBAND, Space((ACTIVATION,)), epochs=3)
    asked = []
    while (suggestion := tuner.ask()) is not None:
        asked.append((suggestion.values["activation"], suggestion.epochs))
        tuner.tell(suggestion, 1.0)
    assert {activation for activation, _ in asked} == {"relu", "tanh"}
    assert len(asked) == len(set(asked))


def test_a_repeated_proposal_is_replaced():
    tuner = make("optuna:tpe", FINITE)
    tuner._propose = lambda propose=tuner._propose: (propose()[0], {"units": 5, "depth": 1, "activation": "relu"}, None)
    asked = run(tuner, 6, lambda values: 1.0)
    assert len({network(values, FINITE) for values in asked}) == 6


def test_the_fast_gaussian_process_is_scikit_learns():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern

    from pipelines.tuners.keras_tuner_oracle import _GaussianProcess

    generator = np.random.default_rng(0)
    points, values = generator.random((15, 3)), generator.normal(5.0, 3.0, 15)
    ours = _GaussianProcess(1e-4, 1)
    ours.fit(points, values)
    theirs = GaussianProcessRegressor(
        Matern(nu=2.5), alpha=1e-4, n_restarts_optimizer=3, normalize_y=True, random_state=1
    )
    theirs.fit(points, values)
    new = generator.random((20, 3))
    for mine, reference in zip(ours.predict(new), theirs.predict(new, return_std=True), strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-6)


def test_an_error_inside_an_oracle_comes_out_and_leaves_no_lock(monkeypatch):
    tuner = make("keras_tuner:random")
    with monkeypatch.context() as broken:
        broken.setattr(tuner._oracle, "populate_space", lambda trial_id: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tuner.ask()
    # The lock is one a thread: another thread would wait for it.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(tuner.ask).result(timeout=20) is not None


def test_an_oracle_is_silent_and_cleans_up(monkeypatch, tmp_path, capsys, recwarn):
    from keras_tuner.src.engine.oracle import LOCKS

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tuner = make("keras_tuner:bayesian", Space((RATE, UNITS)))
    run(tuner, 6, lambda values: None if values["units"] < 20 else loss(values))
    assert list(tmp_path.iterdir())
    oracle = tuner._oracle
    del tuner
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert oracle not in LOCKS
    assert capsys.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []


def test_optuna_is_silent(capfd, recwarn):
    for spec in OPTUNA:
        run(make(spec), 14, loss)
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []


def test_libraries_are_imported_when_asked_for():
    script = """
        import sys
        from pipelines.exercises.configurations import Configuration
        from pipelines.exercises.spaces import Parameter, Space
        from pipelines.tuners import make_tuner
        space = Space((Parameter("dropout", "float", 0.0, 0.5),))
        assert "optuna" not in sys.modules
        make_tuner("optuna:tpe", space, baseline=Configuration(), seed=0).ask()
        assert "keras" not in sys.modules and "keras_tuner" not in sys.modules
        make_tuner("keras_tuner:random", space, baseline=Configuration(), seed=0).ask()
        assert "keras_tuner" in sys.modules and "tensorflow" not in sys.modules
    """
    root = Path(__file__).parent.parent
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("spec", ["optuna", "optuna:tpa", "bayesian", "keras-tuner:random", ""])
def test_an_unknown_tuner_is_told_with_the_known_ones(spec):
    with pytest.raises(UserError, match=f"tuner '{spec}' is not known.*; allowed: optuna:tpe, .*keras_tuner:hyperband"):
        make(spec)


@pytest.mark.parametrize("name", ["digits", "reuters", "imdb"])
@EVERY
def test_the_bundled_spaces_are_no_trouble(spec, name):
    exercise = load_exercise(name)
    tuner = make_tuner(spec, exercise.space, baseline=exercise.baseline, seed=0, epochs=exercise.epochs)
    for variant in exercise.documented:
        point = exercise.space.values(variant.configuration, exercise.baseline)
        if point is not None:  # one that is too costly for the space
            tuner.add(point, 1.0)
    for _ in range(4):
        suggestion = tuner.ask()
        assert exercise.space.contains(suggestion.values)
        tuner.tell(suggestion, float(suggestion.number))


GOOD = [np.linspace(1.0, 0.1, 40)] * 5
BAD = np.full(40, 2.0)


def test_a_clearly_bad_trial_is_stopped():
    assert is_hopeless(BAD[:20], GOOD)
    assert not is_hopeless(GOOD[0][:20], [BAD] * 5)


def test_the_first_trials_and_the_first_epochs_are_never_stopped():
    assert not is_hopeless(BAD[:20], GOOD[:4])
    assert is_hopeless(BAD[:20], GOOD[:5])
    assert not is_hopeless(BAD[:9], GOOD)
    assert is_hopeless(BAD[:10], GOOD)
    assert not is_hopeless(BAD[:0], GOOD)
    assert not is_hopeless(BAD[:20], [])


def test_overfitting_is_no_reason_to_stop():
    overfits = np.concatenate([np.linspace(1.0, 0.05, 10), np.linspace(0.05, 9.0, 30)])
    assert not is_hopeless(overfits, GOOD)


def test_values_are_compared_at_the_same_epoch():
    late = np.concatenate([np.full(20, 1.0), np.full(20, 0.0)])
    assert not is_hopeless(np.full(15, 0.9), [late] * 5)
    assert is_hopeless(np.full(30, 0.9), [late] * 5)


def test_trials_that_were_stopped_earlier_do_not_count():
    assert not is_hopeless(BAD[:20], [curve[:15] for curve in GOOD])
    assert is_hopeless(BAD[:15], [curve[:15] for curve in GOOD])


def test_half_of_the_others_must_be_better():
    others = [np.full(20, level) for level in (0.1, 0.2, 0.3, 0.4, 0.5)]
    trial = np.full(20, 0.35)
    assert is_hopeless(trial, others)
    assert not is_hopeless(np.full(20, 0.3), others), "as good as the median"


def test_a_trial_without_a_number_is_worst():
    nothing = np.full(20, np.nan)
    assert is_hopeless(nothing, GOOD)
    assert not is_hopeless(nothing, [nothing] * 5)
    assert not is_hopeless(BAD[:20], [*GOOD[:2], nothing, nothing, nothing])
