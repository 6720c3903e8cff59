import textwrap
from dataclasses import replace

import pytest

from pipelines.datasets.base import Task
from pipelines.errors import DataError, ExerciseError, UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.reader import OVERRIDES, available_exercises, load_exercise
from pipelines.exercises.settings import LOSSES
from pipelines.exercises.spaces import Space

BUNDLED = (
    "boston_housing",
    "breast_cancer",
    "celsius",
    "diabetes",
    "digits",
    "fashion_mnist",
    "flowers",
    "imdb",
    "mnist",
    "reuters",
    "table",
)
TABLE = {"data": "table.csv", "target": "price", "task": "regression"}

#: The rows of the textbook's exercises with dense networks: variant, layers, epochs, then one documented figure, as
#: (metric, split, epoch, value), or None where the variant was left to the reader.
DOCUMENTED = {
    "celsius": [
        ("baseline", "none", 500, ("weight", "train", None, 1.8)),
        ("baseline", "none", 500, ("bias", "train", None, 32)),
    ],
    "fashion_mnist": [
        ("baseline", "128", 5, ("accuracy", "train", 5, 0.8922)),
        ("baseline", "128", 5, ("loss", "train", 1, 0.4921)),
        ("baseline", "128", 5, ("accuracy", "test", None, 0.8793)),
        ("one epoch", "128", 1, None),
        ("hidden units, 10", "10", 5, None),
        ("hidden units, 512", "512", 5, None),
        ("extra layers", "128-128", 5, None),
        ("no normalisation", "128", 5, None),
    ],
    "mnist": [
        ("one layer", "none", 10, ("accuracy", "validation", 10, 0.90)),
        ("dense", "200-60", 10, None),
    ],
    "imdb": [
        ("baseline curve", "16-16", 20, ("accuracy", "validation", 20, 0.8675)),
        ("baseline curve", "16-16", 20, ("overfitting_epoch", "validation", None, 4)),
        ("baseline", "16-16", 4, ("accuracy", "test", None, 0.8836)),
        ("no hidden layer", "none", 4, ("accuracy", "test", None, 0.8732)),
        ("four hidden layers", "16-16-16-16", 4, ("accuracy", "test", None, 0.88056)),
        ("wide", "16-1024", 4, ("accuracy", "test", None, 0.8812)),
        ("mse loss", "16-16", 4, ("accuracy", "test", None, 0.88276)),
        ("tanh", "16-16", 4, ("accuracy", "test", None, 0.87716)),
    ],
    "reuters": [
        ("baseline curve", "64-64", 20, ("accuracy", "validation", 20, 0.8040)),
        ("baseline curve", "64-64", 20, ("overfitting_epoch", "validation", None, 9)),
        ("baseline", "64-64", 9, ("accuracy", "test", None, 0.7912)),
        ("baseline", "64-64", 9, ("chance_accuracy", "test", None, 0.1843)),
        ("integer labels", "64-64", 9, ("label_difference", "validation", None, 0)),
        ("bottleneck 4", "64-4", 20, ("accuracy", "validation", 20, 0.6800)),
        ("wide middle 4096", "64-4096", 20, ("accuracy", "validation", 20, 0.7850)),
        ("wide 512", "512-512", 20, ("accuracy", "validation", 20, 0.8030)),
        ("no hidden layer", "none", 20, ("accuracy", "validation", 20, 0.7960)),
        ("four hidden layers", "64-64-64-64", 20, ("accuracy", "validation", 20, 0.7900)),
    ],
    "boston_housing": [
        ("k-fold 100", "64-64", 100, ("mae", "validation", 100, 2.4047)),
        ("k-fold 500", "64-64", 500, ("overfitting_epoch", "validation", None, 80)),
        ("final", "64-64", 80, ("mae", "test", None, 2.6102)),
    ],
}

VALID = """
    dataset: {source: sklearn, name: digits}
    task: multiclass
    space:
      depth: {low: 0, high: 2}
      units: {low: 4, high: 64, log: true}
"""


def write(tmp_path, text, name="mine.yaml"):
    path = tmp_path / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def mistakes(path, **overrides):
    with pytest.raises(ExerciseError) as caught:
        load_exercise(path, **overrides)
    return caught.value


def only_mistake(path, **overrides):
    error = mistakes(path, **overrides)
    assert len(error.problems) == 1, error
    return error.problems[0]


#: Documented, but too costly to be in a space that is to be searched without an accelerator.
OUTSIDE = {("imdb", "wide, twice 1024"), ("reuters", "widest 4096"), ("flowers", "dense"), ("flowers", "fine-tune")}


def load(name, **overrides):
    return load_exercise(name, **{**(TABLE if name == "table" else {}), **overrides})


def test_these_exercises_are_bundled():
    assert available_exercises() == BUNDLED


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_exercise_is_sound(name):
    exercise = load(name)
    assert exercise.name == (name if name != "table" else "table-price")
    assert exercise.space.values(exercise.baseline, exercise.baseline) is not None, "the baseline is a point"
    assert exercise.baseline.loss in LOSSES[exercise.task]
    for variant in exercise.documented:
        point = exercise.space.values(variant.configuration, exercise.baseline)
        assert (point is None) == ((name, variant.name) in OUTSIDE), variant.name


@pytest.mark.parametrize(("name", "row"), [(name, row) for name, rows in DOCUMENTED.items() for row in rows])
def test_every_documented_row_is_there(name, row):
    variant_name, layers, epochs, figure = row
    variant = next(variant for variant in load(name).documented if variant.name == variant_name)
    assert variant.configuration.layers_text == layers
    assert variant.epochs == epochs
    found = [(figure.metric, figure.split, figure.epoch, figure.value) for figure in variant.figures]
    assert figure in found if figure else not found


@pytest.mark.parametrize(
    ("name", "variant", "changed"),
    [
        ("imdb", "mse loss", {"loss": "mse"}),
        ("imdb", "tanh", {"activation": "tanh"}),
        ("reuters", "bottleneck 4", {"batch_size": 128}),
        ("mnist", "one layer", {"optimizer": "sgd", "learning_rate": 0.01}),
        ("boston_housing", "final", {"batch_size": 16}),
        ("fashion_mnist", "no normalisation", {"normalisation": "none"}),
    ],
)
def test_a_documented_variant_changes_what_the_textbook_changed(name, variant, changed):
    exercise = load(name)
    found = next(entry.configuration for entry in exercise.documented if entry.name == variant)
    assert {key: getattr(found, key) for key in changed} == changed
    assert found.normalisation == changed.get("normalisation", exercise.baseline.normalisation)


def test_baselines_of_the_textbook():
    assert load("boston_housing").baseline == Configuration(
        layers=(64, 64), loss="mse", optimizer="rmsprop", batch_size=1, normalisation="standardise"
    )
    assert load("imdb").baseline == Configuration(layers=(16, 16), optimizer="rmsprop", batch_size=512)
    assert load("reuters").baseline == Configuration(layers=(64, 64), optimizer="rmsprop", batch_size=512)
    assert load("fashion_mnist").baseline == Configuration(layers=(128,), normalisation="divide_255")


def test_a_short_file_is_enough(tmp_path):
    exercise = load_exercise(write(tmp_path, VALID))
    assert (exercise.name, exercise.task, exercise.monitor) == ("mine", Task.MULTICLASS, "val_loss")
    assert exercise.baseline == Configuration()
    assert exercise.space.names == ("depth", "units")
    assert load_exercise(str(write(tmp_path, VALID))) == exercise


def test_the_default_loss_is_the_tasks(tmp_path):
    text = VALID.replace("digits", "diabetes").replace("multiclass", "regression")
    assert load_exercise(write(tmp_path, text)).baseline.loss == "mse"


def test_scalars_mean_what_they_look_like(tmp_path):
    text = (
        VALID
        + """
    baseline: {layers: 1024-16-16, learning_rate: 1e-3, batch_size: 010}
    title: no
    """
    )
    exercise = load_exercise(write(tmp_path, text))
    assert exercise.baseline.layers == (1024, 16, 16)  # not a date
    assert exercise.baseline.learning_rate == 0.001  # not a text
    assert exercise.baseline.batch_size == 10  # not eight
    assert exercise.title == "no"  # not false


def test_all_mistakes_are_told_at_once(tmp_path):
    error = mistakes(
        write(
            tmp_path,
            """
            titel: mine
            dataset: {source: sklern, name: digits}
            task: multiclass
            folds: four
            baseline: {activation: rely, dropout: 1.0}
            space:
              units: {low: 0, high: 9000, log: true}
              optimizer: []
            """,
        )
    )
    assert str(error).startswith(str(tmp_path / "mine.yaml"))
    assert [problem.split(":")[0] for problem in error.problems] == [
        "titel",
        "dataset.source",
        "baseline.activation",
        "baseline.dropout",
        "space.units.low",
        "space.units.high",
        "space.optimizer",
        "folds",
    ]
    assert error.problems[0].startswith("titel: there is no such key (did you mean 'title'?); allowed: title, ")
    assert "'sklern' is not known (did you mean 'sklearn'?); allowed: keras" in error.problems[1]
    assert error.problems[-1] == "folds: 'four' is not a whole number; allowed: 2 or more"


@pytest.mark.parametrize(
    ("addition", "mistake"),
    [
        ("folds: 1", "folds: 1 is too small; allowed: 2 or more"),
        ("folds: true", "folds: true is not a whole number; allowed: 2 or more"),
        ("folds: 4.0", "folds: 4.0 is not a whole number; allowed: 2 or more"),
        ("folds:", "folds: is missing; allowed: 2 or more"),
        ("repeats: 0", "repeats: 0 is too small; allowed: 1 or more"),
        ("epochs: -5", "epochs: -5 is too small; allowed: 1 to 100000"),
        ("validation: kfolds", "validation: 'kfolds' is not known (did you mean 'kfold'?); allowed: kfold, holdout"),
        ("holdout: 1.5", "holdout: 1.5 is no part of the rows; allowed: a share above 0 and below 1, or first N"),
        ("baseline: {convolutions: 3x}", "baseline.convolutions: '3x' are no convolutions; allowed: FILTERSxKERNEL"),
        ("baseline: {convolutions: 8x0}", "baseline.convolutions: '8x0' are no convolutions"),
        ("baseline: {convolutions: 8x3s99}", "baseline.convolutions: '8x3s99' are no convolutions"),
        ("baseline: {backbone: resnet}", "baseline.backbone: 'resnet' is not known; allowed: none, mobilenet_v2"),
        ("baseline: {fine_tune: 1}", "baseline.fine_tune: 1 is neither true nor false"),
        ("baseline: {schedule: cosine}", "baseline.schedule: 'cosine' is not known; allowed: constant, exponential"),
        ("baseline: {decay_rate: 0}", "baseline.decay_rate: 0 is out of range; allowed: above 0 to 1"),
        ("monitor: val_mae", "monitor: 'val_mae' is not known; allowed: val_loss, val_crossentropy"),
        ("title: []", "title: [] is not a text; allowed: a text"),
        ("baseline: 3", "baseline: 3 is not a mapping; allowed: the keys layers, "),
        ("baseline: {layers: 64-0}", "baseline.layers: '64-0' are no hidden layers; allowed: widths from 1 to 8192"),
        ("baseline: {layers: wide}", "baseline.layers: 'wide' are no hidden layers"),
        ("baseline: {layers: 64-9000}", "baseline.layers: '64-9000' are no hidden layers"),
        ("baseline: {dropout: true}", "baseline.dropout: true is not a number; allowed: 0 to below 1"),
        ("baseline: {dropout: 1.0}", "baseline.dropout: 1.0 is out of range; allowed: 0 to below 1"),
        ("baseline: {learning_rate: 0}", "baseline.learning_rate: 0 is out of range; allowed: above 0 to 100"),
        ("baseline: {learning_rate: .nan}", "baseline.learning_rate: nan is not a number"),
        ("baseline: {train_fraction: 1.1}", "baseline.train_fraction: 1.1 is too large; allowed: above 0 to 1"),
        ("baseline: {batch_size: 0}", "baseline.batch_size: 0 is too small; allowed: 1 to 65536"),
        ("baseline: {optimizer: Adam}", "baseline.optimizer: 'Adam' is not known (did you mean 'adam'?); allowed: sgd"),
        ("baseline: {loss: mae}", "baseline.loss: 'mae' is not known"),
        ("documented: {}", "documented: {} is not a list"),
        ("documented: [{epochs: 3}]", "documented.1.name: is missing; allowed: a text"),
        ("documented: [{name: a}]", "documented.1.epochs: is missing; allowed: 1 to 100000"),
        (
            "documented: [{name: a, epochs: 3}, {name: a, epochs: 4}]",
            "documented.2.name: 'a' is there twice; allowed: a name of its own for each variant",
        ),
        (
            "documented: [{name: a, epochs: 3, configuration: {layers: 64-0}}]",
            "documented.1.configuration.layers: '64-0' are no hidden layers",
        ),
        (
            "documented: [{name: a, epochs: 3, figures: [{metric: loss, split: test, epoch: 4, value: 1}]}]",
            "documented.1.figures.1.epoch: 4 is too large; allowed: 1 to 3",
        ),
        (
            "documented: [{name: a, epochs: 3, figures: [{metric: loss, split: test, value: [1, 2, 3, 4]}]}]",
            "documented.1.figures.1.value: [1, 2, 3, 4] is not one value an epoch; allowed: a list of 1 to 3 values",
        ),
        (
            "documented: [{name: a, epochs: 3, figures: [{metric: loss, split: test}]}]",
            "documented.1.figures.1.value: is missing",
        ),
    ],
)
def test_a_mistake_names_key_value_and_what_is_allowed(tmp_path, addition, mistake):
    assert only_mistake(write(tmp_path, VALID + "    " + addition + "\n")).startswith(mistake)


@pytest.mark.parametrize(
    ("space", "mistake"),
    [
        ("{}", "space: {} has nothing to vary; allowed: one axis or more of layers, depth, units"),
        ("", "space: is missing; allowed: one axis or more of layers, depth, units"),
        ("{units: {low: 4, high: 2}}", "space.units.low: 4 is above high (2)"),
        ("{units: {low: 0, high: 2}}", "space.units.low: 0 is too small; allowed: 1 to 8192"),
        ("{units: {low: 4}}", "space.units.high: is missing; allowed: 1 to 8192"),
        ("{units: {low: 4, hi: 8}}", "space.units.hi: there is no such key (did you mean 'high'?); allowed: low, high"),
        ("{units: {low: 4, high: 8, log: yes}}", "space.units.log: 'yes' is neither true nor false"),
        ("{units: 64}", "space.units: 64 is neither a list of choices nor a range"),
        ("{units: [64, 64]}", "space.units: [64, 64] has a choice twice"),
        ("{units: [64, wide]}", "space.units: 'wide' is not a whole number; allowed: 1 to 8192"),
        ("{units: []}", "space.units: [] is empty; allowed: one choice or more"),
        ("{unit: [64]}", "space.unit: there is no such key (did you mean 'units'?)"),
        (
            "{l2: {low: 0, high: 1e-3, log: true}}",
            "space.l2.low: 0 has no logarithm; allowed: above 0 where log is true",
        ),
        ("{dropout: {low: 0, high: 1}}", "space.dropout.high: 1 is out of range; allowed: 0 to below 1"),
        ("{activation: relu}", "space.activation: 'relu' is not a list of choices"),
        ("{activation: {low: 1, high: 2}}", "space.activation: {'low': 1, 'high': 2} is not a list of choices"),
        ("{activation: [relu, rely]}", "space.activation: 'rely' is not known (did you mean 'relu'?)"),
        ("{loss: [crossentropy, mse]}", "monitor: 'val_loss' is not comparable, since the loss varies"),
        ("{loss: [crossentropy, huber]}", "space.loss: 'huber' is not known; allowed: crossentropy, mse"),
        ("{layers: [64-4], units: [4]}", "space.layers: ['64-4'] fixes all widths, so units cannot vary beside it"),
        ("{layers: [64-4, 3-x]}", "space.layers: '3-x' are no hidden layers"),
        (
            "{units_3: [4, 8]}",
            "space.units_3: has no effect, since networks of this space have at most 2 hidden layers",
        ),
        (
            "{depth: [0], dropout: [0, 0.5]}",
            "space.dropout: has no effect, since networks of this space have at most 0",
        ),
        ("{depth: [1], units_1: [4, 8], units: [4]}", "space.units: has no effect"),
    ],
)
def test_a_mistake_in_the_space(tmp_path, space, mistake):
    text = f"dataset: {{source: sklearn, name: digits}}\ntask: multiclass\nspace: {space}\n"
    problems = mistakes(write(tmp_path, text)).problems
    assert problems[0].startswith(mistake)


def test_depth_needs_a_width_from_somewhere(tmp_path):
    text = """
        dataset: {source: sklearn, name: digits}
        task: multiclass
        baseline: {layers: none}
        space: {depth: [0, 1]}
    """
    assert only_mistake(write(tmp_path, text)).startswith("space.units: is missing; allowed: the widths of the layers")


def test_a_documented_loss_varies_too(tmp_path):
    text = VALID + "    documented: [{name: a, epochs: 3, configuration: {loss: mse}}]\n"
    problem = only_mistake(write(tmp_path, text))
    assert problem == (
        "monitor: 'val_loss' is not comparable, since the loss varies (crossentropy, mse); allowed: val_crossentropy"
    )
    assert load_exercise(write(tmp_path, text), monitor="val_crossentropy").monitor == "val_crossentropy"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: [1, 2\nb: 3\n", "line 2, column 2: "),
        ("task: binary\nfolds: 3\ntask: binary\n", "line 3, column 1: key 'task' is there twice, first in line 1"),
        ("space: {units: [1], units: [2]}\n", "line 1, column 21: key 'units' is there twice"),
        ("", "the file holds nothing; allowed: keys and values"),
        ("- 1\n", "the file holds a list; allowed: keys and values"),
        ("a: !!python/object:os.system {}\n", "line 1, column 4: "),
        ("? [1, 2]\n: 3\n", "line 1, column 3: [1, 2] cannot be a key"),
        ("a: \x07\n", "not YAML: "),
    ],
)
def test_a_file_that_is_no_yaml_mapping(tmp_path, text, mistake):
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    error = mistakes(path)
    assert str(path) in str(error)
    assert error.problems[0].startswith(mistake)


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(UserError, match=r"no exercise file /.*mien\.yaml \(did you mean 'mine\.yaml'\?\)\.$"):
        load_exercise(tmp_path / "mien.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"title: \xe9\n")
    assert only_mistake(tmp_path / "latin.yaml").startswith("the file is not UTF-8 text: ")
    (tmp_path / "folder.yaml").mkdir()
    assert only_mistake(tmp_path / "folder.yaml").startswith("the file cannot be read: ")


def test_an_unknown_exercise_is_told_with_the_known_ones():
    with pytest.raises(
        UserError, match=r"no exercise 'reutres' \(did you mean 'reuters'\?\)\. Allowed: boston_housing"
    ):
        load_exercise("reutres")


def test_overrides_replace_the_files_values():
    exercise = load_exercise("imdb", folds="5", repeats=2, epochs=" 7 ", validation="holdout", holdout="0.25")
    assert (exercise.folds, exercise.repeats, exercise.epochs) == (5, 2, 7)
    assert (exercise.validation, exercise.holdout) == ("holdout", "0.25")
    assert load_exercise("imdb", folds="", repeats=None) == load_exercise("imdb")


@pytest.mark.parametrize(
    ("overrides", "mistake"),
    [
        ({"folds": "four"}, "parameter folds: 'four' is not a whole number; allowed: 2 or more"),
        ({"folds": "1"}, "parameter folds: '1' is too small; allowed: 2 or more"),
        ({"repeats": "1.5"}, "parameter repeats: '1.5' is not a whole number; allowed: 1 or more"),
        ({"epochs": "0"}, "parameter epochs: '0' is too small; allowed: 1 to 100000"),
        ({"monitor": "val_mae"}, "parameter monitor: 'val_mae' is not known; allowed: val_loss, val_crossentropy"),
        ({"holdout": "half"}, "parameter holdout: 'half' is no part of the rows"),
        ({"task": "binary"}, "parameter task: 'binary' is not the task of exercise digits; allowed: multiclass"),
        ({"data": "a.csv"}, "parameter data: exercise digits brings its own data; allowed: a file of your own only"),
        ({"fold": "4"}, "parameter fold: there is no such parameter (did you mean 'folds'?); allowed: folds, "),
    ],
)
def test_a_mistake_in_a_parameter_is_told_in_its_name(overrides, mistake):
    error = mistakes("digits", **overrides)
    assert [problem.startswith(mistake) for problem in error.problems] == [True]
    assert str(error).startswith("exercise digits: 1 mistake\n")


def test_a_monitor_that_does_not_compare_is_refused_from_the_command_line():
    assert only_mistake("imdb", monitor="val_loss").startswith("parameter monitor: 'val_loss' is not comparable")


def test_a_table_of_ones_own():
    exercise = load("table", missing="median")
    assert exercise.dataset.options == {"path": "table.csv", "target": "price", "missing": "median"}
    assert (exercise.task, exercise.baseline.loss, exercise.dataset.name) == (Task.REGRESSION, "mse", "table")
    assert load("table", task="binary").baseline.loss == "crossentropy"


@pytest.mark.parametrize(
    ("rows", "task", "loss"),
    [
        ("1,yes 2,no 3,yes 4,no", Task.BINARY, "crossentropy"),
        ("1,red 2,green 3,blue", Task.MULTICLASS, "crossentropy"),
        ("1,0.5 2,1.5 3,2.25", Task.REGRESSION, "mse"),
    ],
)
def test_the_task_of_a_table_is_inferred_from_its_target(tmp_path, rows, task, loss):
    (tmp_path / "own.csv").write_text("x,price\n" + rows.replace(" ", "\n") + "\n", encoding="utf-8")
    exercise = load_exercise("table", data_dir=tmp_path, data="own.csv", target="price")
    assert (exercise.task, exercise.baseline.loss) == (task, loss)


def test_a_table_that_cannot_be_read_is_told_in_one_sentence():
    with pytest.raises(DataError, match=r"^Data set '[a-z-]+': there is no file table.csv"):
        load("table", task=None)


def test_the_target_of_a_table_is_standardised_in_a_regression_and_nowhere_else():
    assert load("table").baseline.target_scaling == "standardise"
    classified = load("table", task="binary").baseline
    assert classified.target_scaling == "none"
    assert classified == replace(classified, target_scaling="none").canonical()
    for name in BUNDLED:
        if name != "table":
            assert load(name).baseline.target_scaling == "none", "as documented"


CLASSES = "dataset: {source: file, path: a.csv, target: y}\ntask: binary\n"
VALUES = "dataset: {source: file, path: a.csv, target: y}\ntask: regression\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            CLASSES + "space: {target_scaling: [none, standardise]}",
            "space.target_scaling: ['none', 'standardise'] has no effect in a binary task; allowed: settings that",
        ),
        (
            VALUES + "space: {dropout: [0.0, 0.5]}\ndesign: {class_weight: [balanced]}",
            "design.class_weight: ['balanced'] has no effect in a regression task; allowed: settings that",
        ),
        (
            CLASSES + "space: {dropout: [0.0, 0.5]}\nbaseline: {target_scaling: minmax}",
            "baseline.target_scaling: 'minmax' is not known; allowed: none, standardise",
        ),
    ],
)
def test_what_is_without_effect_in_a_task_cannot_be_varied(tmp_path, text, problem):
    assert only_mistake(write(tmp_path, text)).startswith(problem)


def test_class_weights_are_a_setting_of_a_classification(tmp_path):
    space = "space: {class_weight: [none, balanced]}\n"
    exercise = load_exercise(write(tmp_path, CLASSES + space))
    assert [point.configuration.class_weight for point in exercise.design_points] == ["balanced"]
    assert exercise.design_points[0].configuration.label == "64-64 relu adam classes=balanced"
    baseline = "space: {dropout: [0.0, 0.5]}\nbaseline: {class_weight: balanced}"
    assert load_exercise(write(tmp_path, VALUES + baseline)).baseline.class_weight == "none", "no effect"


@pytest.mark.parametrize("loss", ["huber", "log_cosh"])
def test_losses_that_depend_on_the_targets_unit_vary_with_its_scaling(tmp_path, loss):
    text = f"{VALUES}baseline: {{loss: {loss}}}\nspace: {{target_scaling: [none, standardise]}}\n"
    found = only_mistake(write(tmp_path, f"{text}monitor: val_loss"))
    assert f"{loss} with target_scaling none, {loss} with target_scaling standardise" in found
    assert load_exercise(write(tmp_path, f"{text}monitor: val_mae")).monitor == "val_mae"
    same = text.replace(loss, "mse")
    assert load_exercise(write(tmp_path, f"{same}monitor: val_loss")).monitor == "val_loss"
    fixed = f"{VALUES}baseline: {{loss: {loss}, target_scaling: standardise}}\nspace: {{dropout: [0.0, 0.5]}}\n"
    assert load_exercise(write(tmp_path, f"{fixed}monitor: val_loss")).monitor == "val_loss"


def test_a_table_needs_data():
    problems = mistakes("table").problems
    assert problems[0].startswith(
        "dataset.path: is missing; allowed: the path of a table, an NPZ file or a folder of images, here or as"
    )
    assert only_mistake("table", **{**TABLE, "missing": "zero"}).startswith("parameter missing: 'zero' is not known")


def test_paths_in_a_file_start_at_the_file(tmp_path):
    (tmp_path / "rows.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    text = "dataset: {source: file, path: rows.csv, target: y}\ntask: regression\nspace: {depth: [0, 1]}\n"
    exercise = load_exercise(write(tmp_path, text))
    assert exercise.dataset.options["path"] == str(tmp_path / "rows.csv")
    assert load_exercise(write(tmp_path, text), data="rows.csv").dataset.options["path"] == "rows.csv"


@pytest.mark.parametrize(
    ("data", "target", "name", "title"),
    [
        ("some/houses.csv", "MedHouseVal", "houses-MedHouseVal", "MedHouseVal of houses"),
        ("houses.CSV.gz", "price", "houses-price", "price of houses"),
        ("my cells.parquet", "kind: a/b", "my-cells-kind-a-b", "kind: a/b of my cells"),
        ("größen.csv", "Höhe", "größen-Höhe", "Höhe of größen"),
        ("digits.npz", "", "digits", "digits"),
        ("x.csv", "y" * 200, "x-" + "y" * 78, "y" * 200 + " of x"),
    ],
)
def test_data_of_ones_own_name_the_exercise(data, target, name, title):
    exercise = load_exercise("table", data=data, target=target, task="regression")
    assert (exercise.name, exercise.title) == (name, title)


def test_a_title_of_its_own_keeps_an_exercises_name(tmp_path):
    text = "dataset: {source: file}\ntask: regression\nspace: {depth: [0, 1]}\n"
    own = {"data": "houses.csv", "target": "price"}
    untitled = load_exercise(write(tmp_path, text, "mine.yaml"), **own)
    titled = load_exercise(write(tmp_path, text + "title: My houses\n", "mine.yaml"), **own)
    assert (untitled.name, untitled.title) == ("houses-price", "price of houses")
    assert (titled.name, titled.title) == ("mine", "My houses")
    assert titled.digest == untitled.digest


def test_options_of_another_source_are_refused(tmp_path):
    problem = only_mistake(write(tmp_path, VALID.replace("name: digits", "name: digits, words: 9")))
    assert problem == "dataset.words: there is no such key; allowed: source, name"


def test_every_override_is_a_key_that_is_read():
    own = {"data": "a.csv", "target": "t", "missing": "drop", "task": "binary", "holdout": "0.3"}
    others = {"folds": 3, "repeats": 4, "epochs": 5, "validation": "holdout", "monitor": "val_crossentropy"}
    written = {"separator": ";", "decimal": ",", "thousands": ".", "encoding": "latin-1"}
    meant = {"exclude": "a, b", "test_fraction": "0.1", "group": "g", "order": "o", "id": "i"}
    changed = load("table", **own, **others)
    assert set(own) | set(others) | set(written) | set(meant) | {"design"} == set(OVERRIDES)
    told = load("table", **own, **written, **meant).dataset.options
    assert told == {"path": "a.csv", "target": "t", "missing": "drop"} | written | meant | {
        "exclude": ["a", "b"],
        "test_fraction": 0.1,
    }
    assert load("table", **own, design="none").design == {} != changed.design
    assert changed.dataset.options == {"path": "a.csv", "target": "t", "missing": "drop"}
    assert (changed.task, changed.holdout, changed.folds, changed.repeats) == (Task.BINARY, "0.3", 3, 4)
    assert (changed.epochs, changed.validation, changed.monitor) == (5, "holdout", "val_crossentropy")


def test_digest_is_of_the_meaning(tmp_path):
    plain = load_exercise(write(tmp_path, VALID))
    renamed = load_exercise(write(tmp_path, VALID + "    title: other\n", "other.yaml"))
    reordered = load_exercise(write(tmp_path, VALID.replace("low: 0, high: 2", "high: 2, low: 0")))
    assert plain.digest == renamed.digest == reordered.digest
    assert plain.digest == load_exercise(plain.path, holdout="0.5").digest, "not used"
    for changed in (
        {"folds": 5},
        {"epochs": 9},
        {"repeats": 2},
        {"monitor": "val_crossentropy"},
        {"validation": "holdout"},
    ):
        assert load_exercise(plain.path, **changed).digest != plain.digest
    assert load("table", data="a.csv").digest == load("table", data="b.csv").digest, "the content has its own hash"
    assert load("table", target="a").digest != load("table", target="b").digest


def test_an_exercise_holds_a_space():
    assert isinstance(load("digits").space, Space)
