"""A network of one's own: read from its file, refused in a sentence, trained by both engines, saved for plain Keras."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from mlflow import MlflowClient
from rich.console import Console

from pipelines.checking.yaml_file import read_yaml
from pipelines.datasets import Places, load_dataset
from pipelines.datasets.base import Task
from pipelines.datasets.folds import make_splits
from pipelines.errors import ExerciseError, UserError
from pipelines.executors import InProcess, Job, run_job
from pipelines.executors.worker import WorkerProcess
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import Exercise
from pipelines.exercises.keys import default_configuration
from pipelines.exercises.own_network import find_network, read_function
from pipelines.exercises.reader import load_exercise
from pipelines.exercises.schema import schema
from pipelines.final.making import run_final
from pipelines.final.outcome import FinalOutcome
from pipelines.networks.initial_weights import build_seeded
from pipelines.networks.layers import is_per_sample
from pipelines.networks.own import Shapes, own_builder
from pipelines.networks.own_checks import check_own
from pipelines.sweep.description import SweepSettings
from pipelines.sweep.loop import SweepOutcome, run_sweep
from pipelines.tracking.reading import read_finished_sweep
from pipelines.training.jax.engine import JaxEngine
from pipelines.training.planning import program_key
from reports import read_report, write_report
from tests.support.small_sweep import runs, write_exercise

NETS = """
import keras

def build(input_shape, outputs, width=4, kind="relu", dropout=0.0, gated=False):
    layers = [keras.layers.Dense(width, activation=kind)]
    if gated:
        layers.append(keras.layers.BatchNormalization())
    layers += [keras.layers.Dropout(dropout), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""
BASELINE = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 20, "normalisation": "standardise"}
OWN: dict[str, Any] = {
    "network": "nets.py:build",
    "epochs": 6,
    "baseline": BASELINE,
    "space": {
        "width": {"low": 2, "high": 32, "log": True},
        "kind": ["relu", "tanh"],
        "dropout": {"low": 0, "high": 0.5},
        "gated": [False, True],
    },
    "documented": [{"name": "wide", "epochs": 6, "configuration": {"width": 16, "kind": "tanh"}}],
    "design": {"width": [8], "gated": [True]},
}
SHAPES = Shapes((5,), 3, Task.MULTICLASS)


def own_exercise(folder: Path, nets: str = NETS, **changes: Any) -> Exercise:
    (folder / "nets.py").write_text(nets)
    return load_exercise(write_exercise(folder, **OWN | changes))


def job_of(exercise: Exercise, configuration: Configuration | None = None, **wishes: Any) -> Job:
    dataset = load_dataset(exercise.dataset, exercise.task, Places())
    splits = make_splits(
        dataset.targets, dataset.task, validation="kfold", folds=2, repeats=1, seed=1, holdout="0.2", classes=("0", "1")
    )
    known = {"seed": 1, "epochs": 3, "network": exercise.network} | wishes
    return Job(configuration or exercise.baseline, dataset, splits, **known)


def test_a_function_is_known_from_its_text() -> None:
    text = """
from typing import Literal, Optional
WIDTH = 8
def build(input_shape, outputs, a=32, b: float = 0, c: Literal["x", "y"] = "x", d: int | None = None, e=WIDTH,
          *, f, g=True, h: Optional[str] = None, **more): ...
"""
    function = read_function(text, "nets.py", "build")
    found = {of.name: (type(of.kind).__name__, of.default, of.required) for of in function.arguments}
    assert found == {
        "a": ("AnyWhole", 32, False),
        "b": ("AnyNumber", 0.0, False),
        "c": ("Choice", "x", False),
        "d": ("AnyWhole", None, False),
        "e": ("Plain", None, False),
        "f": ("Plain", None, True),
        "g": ("Flag", True, False),
        "h": ("Text", None, False),
    }


def test_arguments_are_settings(tmp_path: Path) -> None:
    exercise = own_exercise(tmp_path)
    baseline = exercise.baseline
    assert baseline.own == (("dropout", 0.0), ("gated", False), ("kind", "relu"), ("width", 4))
    label = "build dropout=0 gated=False kind=relu width={} sgd lr=0.1 batch=20 norm=standardise"
    assert baseline.label == label.format(4)
    assert exercise.space.names == ("network.width", "network.kind", "network.dropout", "network.gated")
    assert [(point.origin, point.configuration.value("network.width")) for point in exercise.design_points] == [
        ("design: width=8", 8),
        ("design: gated=true", 4),
    ]
    (variant,) = exercise.documented
    wide = exercise.space.values(variant.configuration, baseline)
    assert wide == {"network.width": 16, "network.kind": "tanh", "network.dropout": 0.0, "network.gated": False}
    assert wide is not None and exercise.space.configuration(wide, baseline) == variant.configuration
    assert not list(Draft202012Validator(schema()).iter_errors(read_yaml(tmp_path / "small.yaml")))


def test_the_example_of_the_documentation_can_be_trained() -> None:
    path = Path(__file__).parents[1] / "docs" / "examples" / "own_network" / "residual.yaml"
    exercise = load_exercise(path)
    assert not list(Draft202012Validator(schema()).iter_errors(read_yaml(path)))
    assert exercise.network is not None and len(exercise.design_points) > 10
    for configuration in (exercise.baseline, exercise.documented[0].configuration):
        assert check_own(exercise.network, configuration, Shapes((8, 8, 1), 10, Task.MULTICLASS)) == ()


def test_no_file_is_run_to_read_an_exercise(tmp_path: Path) -> None:
    assert own_exercise(tmp_path, f"raise SystemExit(3)\n{NETS}").baseline.network == "build"


@pytest.mark.parametrize("own", [(("a", 64), ("b", True), ("c", 1.0), ("d", "64"), ("e", "true"), ("f", "a b"))])
def test_comes_back_from_a_tracking_store(own: Any) -> None:
    configuration = Configuration(network="build", own=own, learning_rate=0.01)
    stored = {name: str(value) for name, value in configuration.parameters().items()}
    back = Configuration.from_parameters(stored)
    assert back == configuration.canonical() and back.hash == configuration.hash
    assert [type(value) for _, value in back.own] == [type(value) for _, value in own]
    # What our networks are built of is no part of it.
    assert not {"layers", "depth", "units", "activation", "dropout"} & set(stored)
    assert back.hash == Configuration(network="build", own=own, learning_rate=0.01, layers=(3,), dropout=0.5).hash


def test_the_file_is_part_of_the_identity(tmp_path: Path) -> None:
    first = own_exercise(tmp_path)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    assert own_exercise(moved).digest == first.digest
    other = own_exercise(moved, NETS + "# changed\n")
    assert other.digest != first.digest and other.baseline.hash == first.baseline.hash
    data = load_dataset(first.dataset, first.task, Places())
    assert program_key(first.baseline, data, first.network) != program_key(other.baseline, data, other.network)
    assert first.network is not None and other.network is not None
    own_exercise(tmp_path, NETS + "# changed\n")
    with pytest.raises(UserError, match=r"nets\.py has changed: its sha256 is [0-9a-f]{12}, and that of the sweep's"):
        first.network.read()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"baseline": {"layers": "64"}}, "baseline.layers: is for networks that are built here, and build in nets.py"),
        ({"space": {"units": [1, 2]}}, "space.units: is for networks that are built here"),
        ({"design": {"activation": ["tanh"]}}, "design.activation: is for networks that are built here"),
        ({"baseline": {"widht": 3}}, "baseline.widht: there is no such key (did you mean 'width'?); allowed: width, "),
        ({"baseline": {"width": 1.5}}, "1.5 is not a whole number; allowed: whole numbers, since 4 is its default"),
        ({"baseline": {"gated": 1}}, "baseline.gated: 1 is neither true nor false"),
        ({"space": {"kind": {"low": 1, "high": 2}}}, "is not a list of choices"),
        ({"space": {"dropout": {"low": 0.5, "high": 0.1}}}, "space.dropout.low: 0.5 is above high"),
        ({"space": {}}, "space: {} has nothing to vary"),
        ({"network": "nets.py"}, "network: 'nets.py' is no function of a file; allowed: a Python file, a colon and"),
        ({"network": None}, "network: is missing"),
        ({"network": "nts.py:build"}, "nts.py cannot be read: No such file"),
        ({"network": "nets.py:biuld"}, "nets.py defines no function biuld (did you mean 'build'?); allowed: build"),
    ],
)
def test_bad_files(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ExerciseError) as raised:
        own_exercise(tmp_path, **{"design": "none", "documented": [], **changes})
    assert len(raised.value.problems) == 1
    assert sentence in raised.value.problems[0]


@pytest.mark.parametrize(
    ("nets", "sentence"),
    [
        ("def build(input_shape, outputs:\n", "network: nets.py, line 1: "),
        ("def build(shape): ...\n", "network: nets.py, line 1: build does not take input_shape and outputs"),
        ("def build(input_shape, outputs, /): ...\n", "takes input_shape by its position only"),
        ("def build(input_shape, outputs, loss=1): ...\n", "has an argument loss, which is a setting of the training"),
        (
            "def build(input_shape, outputs, *, width, kind='a', dropout=.1, gated=True): ...\n",
            "baseline.width: is missing; allowed: a number, a word, true or false, since build in nets.py has no",
        ),
        (
            "W = 3\ndef build(input_shape, outputs, width=W, kind='a', dropout=.1, gated=True): ...\n",
            "since build in nets.py has no plain number or word as its default",
        ),
        ("x = 1\n", "nets.py defines no function build, nor any other"),
    ],
)
def test_bad_functions(tmp_path: Path, nets: str, sentence: str) -> None:
    with pytest.raises(ExerciseError) as raised:
        own_exercise(tmp_path, nets, design="none", documented=[])
    assert len(raised.value.problems) == 1
    assert sentence in raised.value.problems[0]


HEAD = "import keras, numpy as np\nL = keras.layers\n"
LAYER = "class G(L.Layer):\n    def call(self, x):\n        {}\ndef build(input_shape, outputs):\n"
SEQUENCE = "    return keras.Sequential([keras.Input(input_shape), {}L.Dense(outputs)])\n"


def built(body: str) -> str:
    return f"def build(input_shape, outputs):\n    {body}\n"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (built("pass"), "line 3: build returns nothing; it has to return a keras.Model"),
        (built("x = 1\n    raise ValueError('no\\n such')"), "line 5: build() raised ValueError: no such"),
        (
            "import nosuch\n" + built("pass"),
            "line 3: importing it raised ModuleNotFoundError: No module named 'nosuch'",
        ),
        ("raise SystemExit(2)\n" + built("pass"), "line 3: importing it raised SystemExit: 2"),
        (
            built("return keras.Sequential([L.Dense(4)])"),
            "outputs of the shape (batch, 4); multiclass needs (batch, 3)",
        ),
        (built("return keras.Sequential([L.Dense(outputs, activation='softmax')])"), "ends in softmax; leave that out"),
        (built("return keras.Sequential([L.Dense(outputs), L.Softmax()])"), "ends in softmax; leave that out"),
        (
            built("x = keras.Input(input_shape); return keras.Model(x, keras.ops.sigmoid(L.Dense(outputs)(x)))"),
            "ends in sigmoid; leave that out",
        ),
        (
            "class M(keras.Model):\n    def __init__(self, n):\n        super().__init__(); self.d = L.Dense(n)\n"
            "    def call(self, x):\n        return keras.ops.softmax(self.d(x))\n" + built("return M(outputs)"),
            "ends in softmax; leave that out",
        ),
        (
            built("return keras.Sequential([keras.Input((7,)), L.Dense(outputs)])"),
            "for samples of the shape 7, but a sample has 5; build it for the argument input_shape",
        ),
        (
            built("a, b = keras.Input(input_shape), keras.Input(input_shape)")
            + "    return keras.Model([a, b], L.Dense(outputs)(a + b))\n",
            "a model with 2 inputs; it has to have one",
        ),
        (
            built("return keras.Sequential([keras.Input(batch_shape=(4, *input_shape)), L.Dense(outputs)])"),
            "for batches of 4 rows only",
        ),
        (built("return keras.Sequential([L.Dense(outputs, trainable=False)])"), "with nothing to train"),
        (
            LAYER.format("return x if keras.ops.sum(x) > 0 else -x") + SEQUENCE.format("G(), "),
            "line 5: build() decides in Python (if, while, int) by values",
        ),
        (
            LAYER.format("return np.tanh(np.asarray(x))") + SEQUENCE.format("G(), "),
            "line 5: build() hands values of a compiled program to NumPy",
        ),
        (
            LAYER.format("return keras.ops.convert_to_tensor(np.asarray(x))").replace(
                "def build", "    def compute_output_shape(self, shape):\n        return shape\ndef build"
            )
            + SEQUENCE.format("G(), "),
            "line 5: the network of build hands values of a compiled program to NumPy",
        ),
        (
            built("return keras.Sequential([L.Dense(4, kernel_initializer=keras.initializers.HeNormal(seed=1))")
            + "    , L.Dense(outputs)])\n",
            "a seed; leave it out: each fit has a seed of its own",
        ),
        (built("return keras.Sequential([L.Dropout(0.1, seed=1), L.Dense(outputs)])"), "a seed; leave it out"),
        (
            built("keras.utils.set_random_seed(1); return keras.Sequential([L.Dense(outputs)])"),
            "starts from the same weights whatever the seed",
        ),
        (
            built("m = keras.Sequential([keras.Input(input_shape), L.Dense(outputs)])")
            + "    m.layers[0].kernel.assign(keras.random.normal((5, 3)))\n    return m\n",
            "starts from other weights whenever it is called",
        ),
    ],
)
def test_what_cannot_be_trained_is_told_in_one_sentence(tmp_path: Path, code: str, sentence: str) -> None:
    (tmp_path / "nets.py").write_text(HEAD + code)
    network, _ = find_network(tmp_path, "nets.py", "build")
    with pytest.raises(UserError) as raised:
        check_own(network, default_configuration(Task.MULTICLASS, "build").canonical(), SHAPES)
    assert str(raised.value).startswith("network: nets.py, line ")
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_tensorflow_tells_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    (tmp_path / "nets.py").write_text(
        HEAD + LAYER.format("return x if keras.ops.sum(x) > 0 else -x") + SEQUENCE.format("G(), ")
    )
    network, _ = find_network(tmp_path, "nets.py", "build")
    with pytest.raises(UserError, match=r"^network: nets\.py, line 5: build\(\) decides in Python"):
        check_own(network, default_configuration(Task.MULTICLASS, "build").canonical(), SHAPES)


def test_what_fails_only_while_it_trains_is_a_reason(tmp_path: Path) -> None:
    exercise = own_exercise(tmp_path, NETS.replace("width, ", "width if width < 9 else 'many', "))
    assert exercise.network is not None
    with pytest.raises(UserError, match=r"^network: nets\.py, line 5: build\(dropout=0.0, .*width=16\) raised"):
        run_job(InProcess(JaxEngine()), job_of(exercise, exercise.documented[0].configuration))


def test_operations_may_look_at_the_whole_batch() -> None:
    inputs = keras.Input((3,))
    assert is_per_sample(keras.Model(inputs, keras.layers.Dense(2)(inputs)))
    centred = inputs - keras.ops.mean(inputs, axis=0, keepdims=True)
    assert not is_per_sample(keras.Model(inputs, keras.layers.Dense(2)(centred)))


def test_numpys_generator_follows_the_seed(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        HEAD
        + built("m = keras.Sequential([keras.Input(input_shape), L.Dense(outputs)])")
        + "    m.layers[0].kernel.assign(np.random.normal(size=(5, 3)))\n    return m\n"
    )
    network, _ = find_network(tmp_path, "nets.py", "build")
    configuration = default_configuration(Task.MULTICLASS, "build").canonical()
    before = np.random.get_state()[1].copy()
    assert check_own(network, configuration, SHAPES) == ()
    assert (np.random.get_state()[1] == before).all()
    one, same, other = (build_seeded(own_builder(network, configuration, SHAPES), seed) for seed in (1, 1, 2))
    assert np.array_equal(one.get_weights()[0], same.get_weights()[0])
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_seeds_decide_where_fits_begin(tmp_path: Path, backend: str) -> None:
    exercise = own_exercise(tmp_path)
    # So small a step leaves the weights where they were.
    start = exercise.baseline.changed({"learning_rate": 1e-30})
    found = []
    with InProcess(JaxEngine()) if backend == "jax" else WorkerProcess() as executor:
        for seed in (1, 1, 2):
            training = run_job(executor, job_of(exercise, start, epochs=1, seed=seed, keep_weights=True))
            assert training.weights is not None
            found.append([fit[0] for fit in training.weights])
    first, same, other = found
    assert not np.array_equal(first[0], first[1])  # two fits
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_trains_as_the_same_network_of_ours(tmp_path: Path) -> None:
    """With the same initial weights the curves are the same."""
    exercise = own_exercise(tmp_path)
    dense = Configuration(layers=(4,), **BASELINE)  # type: ignore[arg-type]
    own_plan, our_plan = job_of(exercise).plan(), job_of(exercise, dense, network=None).plan()
    weights = [build_seeded(our_plan.build_model, fit.seed).get_weights() for fit in our_plan.fits]
    own, ours = (JaxEngine().train(plan, initial_weights=weights) for plan in (own_plan, our_plan))
    assert own.parameters == ours.parameters
    for name, curve in ours.curves.items():
        np.testing.assert_allclose(own.curves[name], curve, rtol=1e-5, atol=1e-6, err_msg=name)


def sweep(exercise: Exercise, **settings: Any) -> tuple[SweepOutcome, str]:
    printed = io.StringIO()
    console = Console(file=printed, width=140, highlight=False)
    return run_sweep(SweepSettings(exercise, **settings), console), printed.getvalue()


def saved_model(made: FinalOutcome, uri: str, folder: Path) -> Path:
    """The Keras file of a registered model."""
    mlflow.set_tracking_uri(uri)
    files = Path(mlflow.artifacts.download_artifacts(made.registered.uri, dst_path=str(folder / "model")))
    (model,) = files.rglob("*.keras")
    return model


@pytest.mark.usefixtures("in_store")
def test_a_sweep_from_the_file_to_a_model_for_plain_keras(tmp_path: Path, uri: str) -> None:
    exercise = own_exercise(tmp_path)
    outcome, text = sweep(exercise, trials=6)
    assert (outcome.trained, outcome.failed) == (6, 0)
    assert "Settings changed: width (1), gated (1)." in text
    (run,) = runs("sweep")
    client = MlflowClient(uri)
    (kept,) = client.list_artifacts(run.info.run_id, "network")
    assert Path(client.download_artifacts(run.info.run_id, kept.path)).read_text() == NETS
    assert {trial.data.params["network.width"] for trial in runs()} >= {"4", "8", "16"}

    report = read_report(run.info.run_id, tracking_uri=uri)
    varied = {of.name: of for of in report.varied}
    assert varied["network.width"].title == "width" and varied["network.width"].log
    assert not varied["network.kind"].numeric and not {"units", "depth", "activation"} & set(varied)
    page = write_report(run.info.run_id, tracking_uri=uri, output=tmp_path / "report").html.read_text()
    visible = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert "build in nets.py" in visible and not re.search(r"network\.(width|kind|gated)", visible)

    # Started again, nothing is trained; with another file, it is another sweep.
    assert sweep(exercise, trials=6)[0].trained == 0
    other = own_exercise(tmp_path, NETS + "# other\n")
    assert sweep(other, trials=1)[0].resumed == 0

    finished = read_finished_sweep(runs("sweep")[1].info.run_id, uri=uri)
    with pytest.raises(UserError, match="has changed"):
        run_final(finished, Console(file=io.StringIO()))
    (tmp_path / "nets.py").write_text(NETS)
    made = run_final(finished, Console(file=io.StringIO()))
    model = saved_model(made, uri, tmp_path)
    script = (
        "import sys, numpy, keras; m = keras.saving.load_model(sys.argv[1]);"
        "print(m.predict(numpy.ones((2, 2)), verbose=0).shape, 'pipelines' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(model)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert answer.stdout.split("\n")[-2] == "(2, 1) False"


@pytest.mark.usefixtures("in_store")
def test_a_sweep_by_tensorflow(tmp_path: Path) -> None:
    exercise = own_exercise(tmp_path, design="none", documented=[], epochs=3)
    outcome, _ = sweep(exercise, trials=2, backend="tensorflow")
    assert (outcome.trained, outcome.failed) == (2, 0)


@pytest.mark.usefixtures("in_store")
def test_what_cannot_be_trained_leaves_no_run_behind(tmp_path: Path) -> None:
    exercise = own_exercise(tmp_path, NETS.replace("Dense(outputs)", "Dense(outputs, activation='sigmoid')"))
    with pytest.raises(UserError, match="ends in sigmoid"):
        sweep(exercise, trials=2)
    assert not runs("sweep")


GATE = """
import keras

class Gate(keras.layers.Layer):
    def __init__(self, units, **known):
        super().__init__(**known)
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")

    def call(self, x):
        return keras.ops.sigmoid(x @ self.kernel) * keras.ops.matmul(x, self.kernel)

def build(input_shape, outputs, width=3):
    inputs = keras.Input(input_shape)
    hidden = Gate(width)(inputs)
    return keras.Model(inputs, keras.layers.Dense(outputs)(keras.layers.Concatenate()([inputs, hidden])))
"""


@pytest.mark.usefixtures("in_store")
def test_layers_of_ones_own(tmp_path: Path, uri: str) -> None:
    changes = {"space": {"width": [2, 3]}, "design": "none", "documented": [], "epochs": 3}
    exercise = own_exercise(tmp_path, GATE, **changes)
    outcome, text = sweep(exercise, trials=2)
    assert outcome.failed == 0
    assert "A final model of it will need nets.py to be loaded, for nets>Gate." in text
    made = run_final(read_finished_sweep(outcome.run.run_id, uri=uri), Console(file=io.StringIO()))
    model = saved_model(made, uri, tmp_path)
    script = (
        "import sys, numpy, keras, nets; m = keras.saving.load_model(sys.argv[1], {'nets>Gate': nets.Gate});"
        "print(m.predict(numpy.ones((2, 2)), verbose=0).shape)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(model)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert answer.stdout.split("\n")[-2] == "(2, 1)"
    # With the file in it, the registered model takes raw rows wherever it is.
    script = (
        "import sys, mlflow, pandas; m = mlflow.pyfunc.load_model(sys.argv[1]);"
        "print(list(m.predict(pandas.DataFrame({'a': [1.0, -2.0], 'b': [2.0, -1.0]}))), 'pipelines' in sys.modules)"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, "-c", script, str(tmp_path / "model")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=elsewhere)
    assert answer.stdout.split("\n")[-2] == "['prediction', 'probability_0', 'probability_1'] False"


@pytest.mark.usefixtures("in_store")
def test_what_could_not_be_loaded_again_is_told_before_it_is_trained(tmp_path: Path, uri: str) -> None:
    nets = NETS.replace("[keras.Input(input_shape), ", "[keras.Input(input_shape), keras.layers.Lambda(lambda x: x), ")
    exercise = own_exercise(tmp_path, nets, design="none", documented=[], epochs=2)
    outcome, text = sweep(exercise, trials=1)
    assert "No final model can be made of build in nets.py, since it could not be loaded again" in text
    with pytest.raises(UserError, match=r"build returns a model that could not be loaded again: .*Lambda"):
        run_final(read_finished_sweep(outcome.run.run_id, uri=uri), Console(file=io.StringIO()))


def test_the_command_answers_with_exit_code_2(tmp_path: Path) -> None:
    path = write_exercise(tmp_path, **OWN)
    (tmp_path / "nets.py").write_text(NETS.replace("Dense(outputs)", "Dense(outputs + 1)"))
    command = [sys.executable, "-m", "pipelines", "sweep", "--exercise", str(path), "--backend", "jax"]
    known = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/store.db", "OVERFIT_ATLAS_CACHE": str(tmp_path / "cache")}
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | known, cwd=Path(__file__).parents[1]
    )
    assert answer.returncode == 2
    assert "outputs of the shape (batch, 2); binary needs (batch, 1)" in " ".join(
        (answer.stdout + answer.stderr).split()
    )
    assert "Traceback" not in answer.stderr and not (tmp_path / "store.db").exists()


def test_json_of_an_exercise_comes_back(tmp_path: Path) -> None:
    from dataclasses import asdict

    from pipelines.tracking.sweeps import from_plain, plain_text

    exercise = own_exercise(tmp_path)
    back = from_plain(Exercise, json.loads(plain_text(asdict(exercise))))
    assert back.network == exercise.network and back.baseline == exercise.baseline and back.digest == exercise.digest
