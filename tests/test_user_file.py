"""The user's own file: what it becomes, and the sentence said where it cannot be used."""

import gzip
import hashlib
import pickle
import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from pipelines.datasets import DatasetSpec, Places, Task, load_dataset
from pipelines.errors import DataError

PEOPLE = pd.DataFrame(
    {
        "age": [20, 30, 40, 50, 60, 70, 80, 90, 25, 35, 45, 55],
        "colour": ["red", "blue", "red", "green"] * 3,
        "member": [True, False] * 6,
        "bought": ["yes", "no", "no"] * 4,
    }
)


@pytest.fixture
def load(tmp_path):
    """Write a table (or text, or arrays) to a file of the given name and load it."""

    def write(content, name):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            content.to_parquet(path) if path.suffix == ".parquet" else content.to_csv(path, index=False)
        elif isinstance(content, dict):
            np.savez(path, **content)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run(content, target=None, *, name="data.csv", task=None, test=None, **options):
        options["path"] = str(write(content, name))
        if test is not None:
            options["test"] = str(write(test, f"test-{name}"))
        if target is not None:
            options["target"] = target
        return load_dataset(DatasetSpec("file", "mine", options), task, places=Places(cache_dir=tmp_path / "cache"))

    return run


def column(dataset, name):
    return dataset.inputs[:, dataset.features.index(name)].tolist()


# What a good file becomes


@pytest.mark.parametrize("name", ["people.csv", "people.tsv", "people.parquet", "people.npz"])
def test_a_table_in_every_format(load, name):
    content, options = PEOPLE, {}
    if name.endswith("tsv"):
        content = PEOPLE.to_csv(index=False, sep="\t")
    if name.endswith("npz"):
        content = {key: np.array(PEOPLE[key].tolist()) for key in PEOPLE}
    dataset = load(content, "bought", name=name, **options)
    assert (dataset.task, dataset.classes) == (Task.BINARY, ("no", "yes"))
    assert dataset.features == ("age", "colour=blue", "colour=green", "colour=red", "member")
    assert dataset.inputs.dtype == np.float32
    assert dataset.inputs[:3].tolist() == [[20, 0, 0, 1, 1], [30, 1, 0, 0, 0], [40, 0, 0, 1, 1]]
    assert dataset.targets.dtype == np.int32
    assert dataset.targets[:3].tolist() == [1, 0, 0]
    assert dataset.test_inputs.shape == (0, 5)
    assert dataset.test_targets.shape == (0,)
    assert dataset.details["categories"] == "colour: blue, green, red"


def test_a_compressed_csv_is_read(load):
    assert load(gzip.compress(PEOPLE.to_csv(index=False).encode()), "age", name="people.csv.gz").samples == 12


def test_a_european_csv_is_read(load):
    dataset = load("width;price\n1,5;10\n2,5;20,25\n", "price", separator=";", decimal=",")
    assert dataset.inputs.tolist() == [[1.5], [2.5]]
    assert dataset.targets.tolist() == [10, 20.25]


def test_names_with_spaces_around_and_a_byte_order_mark(load):
    dataset = load("\ufeffwidth, price \n1, 10.5\n2, 20\n", "price")
    assert dataset.features == ("width",)


def test_a_stated_encoding_is_taken(load):
    content = "größe,y\n1,2.5\n2,3\n".encode("latin-1")
    with pytest.raises(DataError, match="option 'encoding'"):
        load(content, "y", encoding="utf-8")
    assert load(content, "y", encoding="latin-1").features == ("größe",)
    with pytest.raises(DataError, match="encoding 'latin-99'"):
        load(content, "y", encoding="latin-99")


def test_columns_can_be_chosen_left_out_and_made_categorical(load):
    assert load(PEOPLE, "bought", features=["age", "member"]).features == ("age", "member")
    assert load(PEOPLE, "bought", exclude=["colour"]).features == ("age", "member")
    codes = "code,y\n007,1.5\n7,2\n8,3\n"
    assert load(codes, "y").inputs.tolist() == [[7], [7], [8]]
    assert load(codes, "y", categorical=["code"]).features == ("code=007", "code=7", "code=8")


def test_arrays_keep_their_shape_and_compact_type(load):
    images = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    dataset = load({"x": images, "y": np.array([0.5, 1.5])}, name="images.npz")
    # A convolution wants the axis of channels, and a dense network flattens it away.
    assert (dataset.inputs.dtype, dataset.input_shape, dataset.features) == (np.uint8, (3, 3, 1), ())
    np.testing.assert_array_equal(dataset.inputs[..., 0], images)
    dataset = load({"a": images.astype(int), "b": [[0.5], [1.5]]}, "b", name="named.npz", inputs="a")
    assert dataset.inputs.dtype == np.float32
    assert dataset.targets.tolist() == [0.5, 1.5]


def test_train_and_test_arrays_as_keras_names_them(load):
    arrays = {"x_train": np.eye(4), "y_train": [0, 1, 0, 1], "x_test": np.eye(4)[:2], "y_test": [1, 0]}
    dataset = load(arrays, name="both.npz", task=Task.BINARY)
    assert dataset.test_inputs.tolist() == np.eye(4)[:2].tolist()
    assert dataset.test_targets.tolist() == [1, 0]
    with pytest.raises(DataError, match="test_fraction"):
        load(arrays, name="both.npz", task=Task.BINARY, test_fraction=0.5)


def test_the_hash_is_the_files_own(load, tmp_path):
    dataset = load(PEOPLE, "bought")
    assert dataset.sha256 == hashlib.sha256((tmp_path / "data.csv").read_bytes()).hexdigest()


def test_a_relative_path_starts_at_the_data_folder(tmp_path):
    (tmp_path / "mine.csv").write_text("a,y\n1,1.5\n2,2.5\n")
    spec = DatasetSpec("file", "mine", {"path": "mine.csv", "target": "y"})
    assert load_dataset(spec, places=Places(data_dir=tmp_path, cache_dir=tmp_path / "cache")).samples == 2


def test_a_changed_file_or_option_is_never_served_from_the_cache(load):
    assert load("a,y\n1,1.5\n2,2.5\n", "y").inputs.tolist() == [[1], [2]]
    assert load("a,y\n3,1.5\n2,2.5\n", "y").inputs.tolist() == [[3], [2]]
    assert load("a,y\n3,1.5\n2,2.5\n", "a").inputs.tolist() == [[1.5], [2.5]]


# The task


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a"] * 5, Task.BINARY, ("a", "b")),
        (["b", "a", "c"], Task.MULTICLASS, ("a", "b", "c")),
        ([True, False, True], Task.BINARY, ("False", "True")),
        ([2, 10] * 5, Task.BINARY, ("2", "10")),
        ([2.0, 10.0, -1.0] * 5, Task.MULTICLASS, ("-1", "2", "10")),
        ([1, 2] * 4, Task.REGRESSION, ()),  # 2 values need 10 rows
        (list(range(21)) * 6, Task.REGRESSION, ()),  # more than 20 values
        ([0.5, 1.5] * 50, Task.REGRESSION, ()),
    ],
)
def test_the_task_is_inferred_by_the_rule(load, values, task, classes):
    table = pd.DataFrame({"a": range(len(values)), "y": values})
    for name in ("data.csv", "data.parquet"):
        dataset = load(table, "y", name=name)
        assert (dataset.task, dataset.classes) == (task, classes)
        assert "inferred" in dataset.details["task"]


def test_a_stated_task_goes_before_the_rule(load):
    table = pd.DataFrame({"a": range(10), "y": [0, 1] * 5})
    assert load(table, "y", task=Task.REGRESSION).targets.dtype == np.float32
    assert load(table, "y", task=Task.MULTICLASS).outputs == 2


@pytest.mark.parametrize(
    ("values", "task", "said"),
    [
        (["red", "blue"] * 2, Task.REGRESSION, "texts (such as 'red')"),
        ([0, 1, 2] * 4, Task.BINARY, "3 classes: '0', '1', '2'"),
        ([1.5, 2.5, 3.5, 4.5], Task.MULTICLASS, "4 different values in 4 rows"),
        (["same"] * 4, None, "one class only, 'same'"),
        ([1.5, float("inf")], None, "1 infinite values"),
    ],
)
def test_a_task_that_does_not_suit_the_target_is_refused(load, values, task, said):
    with pytest.raises(DataError, match=re.escape(said)):
        load(pd.DataFrame({"a": range(len(values)), "y": values}), "y", task=task)


# Missing and infinite values

GAPS = "age,size,kind,y\n1,10,a,0.5\n,20,b,1.5\n3,30,,2.5\n4,,b,3.5\n8,40,b,4.5\n"


def test_a_target_keeps_the_digits_that_float32_has_not(load):
    seconds = 1_700_000_000 + 7 * np.arange(300)
    table = pd.DataFrame({"a": np.sin(seconds), "seconds": seconds, "price": 282_000.25 + 7 * np.arange(300)})
    dataset = load(table[["a", "seconds"]], "seconds")
    assert dataset.targets.dtype == np.float64
    assert {*dataset.targets, *dataset.test_targets} == set(seconds.tolist())
    assert load(table[["a", "price"]], "price").targets.dtype == np.float32


def test_missing_values_are_refused_with_their_columns_and_counts(load):
    with pytest.raises(DataError, match=re.escape("'age' (1), 'size' (1), 'kind' (1)")):
        load(GAPS, "y", missing="refuse")
    with pytest.raises(DataError, match=re.escape("'age' (1)")):
        load(GAPS, "y", features=["age"], missing="refuse")


def test_missing_values_are_filled_in_where_nothing_is_said(load):
    assert load(GAPS, "y").inputs.tolist() == load(GAPS, "y", missing="median").inputs.tolist()
    assert load(GAPS, "y").details["imputed"].startswith("median of the training rows")


def test_rows_with_missing_values_can_be_dropped(load):
    dataset = load(GAPS, "y", missing="drop")
    assert dataset.targets.tolist() == [0.5, 4.5]
    assert dataset.details["dropped"] == "3 rows with missing values"
    with pytest.raises(DataError, match=r"every row"):
        load("a,b,y\n,1,0.5\n1,,1.5\n", "y", missing="drop")


@pytest.mark.parametrize(
    ("how", "age", "kind_b"),
    [("mean", 4, [0, 1, 0, 1, 1]), ("median", 3.5, [0, 1, 0, 1, 1]), ("most_frequent", 1, [0, 1, 1, 1, 1])],
)
def test_filled_values_have_a_column_that_says_where(load, how, age, kind_b):
    dataset = load(GAPS, "y", missing=how)
    assert column(dataset, "age") == [1, age, 3, 4, 8]
    assert column(dataset, "age missing") == [0, 1, 0, 0, 0]
    assert column(dataset, "size missing") == [0, 0, 0, 1, 0]
    assert column(dataset, "kind=b") == kind_b
    assert column(dataset, "kind missing") == [0, 0, 1, 0, 0]
    assert f"age: 1 with {age}" in dataset.details["imputed"]


def test_test_rows_have_no_say_in_what_is_filled_in(load):
    test = "age,size,kind,y\n1000,,c,1.5\n,1,a,1.5\n"
    dataset = load(GAPS, "y", missing="mean", test=test)
    assert column(dataset, "age") == [1, 4, 3, 4, 8]
    age, size = dataset.features.index("age"), dataset.features.index("size")
    assert dataset.test_inputs[:, age].tolist() == [1000, 4]
    assert dataset.test_inputs[:, size].tolist() == [25, 1]
    assert "kind: 1" in dataset.details["unseen"]


def test_a_gap_in_the_test_rows_alone_is_filled_without_another_column(load):
    dataset = load("a,y\n1,0.5\n3,1.5\n", "y", missing="mean", test="a,y\n,1.5\n")
    assert dataset.features == ("a",)
    assert dataset.test_inputs.tolist() == [[2]]


def test_a_target_is_never_filled_in(load):
    content = "a,y\n1,0.5\n2,\n3,1.5\n"
    with pytest.raises(DataError, match="missing in 1 rows; a target is never"):
        load(content, "y", missing="mean")
    assert load(content, "y", missing="drop").samples == 2


def test_missing_markers_are_the_users_to_name(load):
    content = "a,alley,y\n1,NA,0.5\n-1,gravel,1.5\n3,NA,2.5\n"
    assert load(content, "y").features == ("a", "alley=gravel", "alley missing")
    assert "alley=NA" in load(content, "y", missing_markers=[""]).features
    assert load(content, "y", missing_markers=["-1"], missing="drop").samples == 2


def test_missing_values_of_arrays(load):
    gaps = np.array([[1, np.nan], [3, 4], [5, 8]], np.float32)
    arrays = {"x": gaps, "y": np.array([0.5, 1.5, 2.5])}
    with pytest.raises(DataError, match=re.escape("'the inputs' (1)")):
        load(arrays, name="a.npz", missing="refuse")
    assert load(arrays, name="a.npz", missing="drop").inputs.tolist() == [[3, 4], [5, 8]]
    filled = load(arrays, name="a.npz", missing="mean")
    assert filled.features == ("x[0]", "x[1]", "x[1] missing")
    assert filled.inputs.tolist() == [[1, 6, 1], [3, 4, 0], [5, 8, 0]]
    cubes = {"x": np.full((2, 2, 2), np.nan), "y": [0.5, 1.5]}
    with pytest.raises(DataError, match=r"shape \(2, 2, 2, 1\)"):
        load(cubes, name="a.npz", missing="mean")


@pytest.mark.parametrize("missing", ["refuse", "mean"])
def test_infinite_values_are_refused_with_their_columns_and_counts(load, missing):
    content = "a,b,c,y\n1,inf,1e300,0.5\n2,-inf,1,1.5\n"
    with pytest.raises(DataError, match=re.escape("'b' (2), 'c' (1)")):
        load(content, "y", missing=missing)
    with pytest.raises(DataError, match="'x' have 1 values that are infinite"):
        load({"x": [[1.0], [np.inf]], "y": [0.5, 1.5]}, name="a.npz")


# Test data


def test_a_share_of_the_rows_can_be_set_aside(load):
    dataset = load(PEOPLE, "bought", test_fraction=0.25)
    assert (dataset.samples, len(dataset.test_inputs)) == (9, 3)
    assert np.bincount(dataset.test_targets).tolist() == [2, 1]
    ages = [*column(dataset, "age"), *dataset.test_inputs[:, 0].tolist()]
    assert sorted(ages) == sorted(PEOPLE["age"])
    again = load(PEOPLE, "bought", test_fraction=0.25)
    np.testing.assert_array_equal(again.test_inputs, dataset.test_inputs)


def test_a_test_file_is_encoded_like_the_training_file(load):
    train = "code,y\n1,a\n2,b\n3+,a\n2,b\n"
    dataset = load(train, "y", test="y,code\nb,2\na,1\n")
    assert dataset.features == ("code=1", "code=2", "code=3+")
    assert dataset.test_inputs.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert dataset.test_targets.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("a,y\n1,c\n", "classes that the training rows do not have: 'c'"),
        ("b,y\n1,x\n", "no column 'a'"),
        ("a,y\n1,x\nlots,x\n", "test-data.csv, line 3, column 'a': 'lots' is not a number"),
        ("a,y\n,x\n", "missing values: 'a' (1)"),
        ("a,y\ninf,x\n", "'a' (1)"),
        ("", "is empty"),
    ],
)
def test_a_test_file_that_does_not_suit_is_refused(load, test, said):
    with pytest.raises(DataError, match=re.escape(said)):
        load("a,y\n1,x\n2,z\n", "y", test=test, missing="refuse")


def test_a_class_too_small_for_a_test_split_is_named(load):
    with pytest.raises(DataError, match="Class 'rare' of data set 'mine' has 1 row"):
        load("a,y\n1,x\n2,x\n3,x\n4,rare\n", "y", test_fraction=0.5)


# Files and options that cannot be used


def test_a_wrong_target_lists_the_columns_and_the_nearest(load):
    with pytest.raises(DataError, match=r"no column 'Bougt' .*did you mean 'bought'.*'age', 'colour'"):
        load(PEOPLE, "Bougt")
    with pytest.raises(DataError, match=r"'target' is needed.*'age', 'colour', 'member', 'bought'"):
        load(PEOPLE)
    with pytest.raises(DataError, match=r"no array 'z'.*'x', 'y'"):
        load({"x": np.eye(2), "y": [0, 1]}, "z", name="a.npz")


def test_a_wrong_separator_is_suspected(load):
    with pytest.raises(DataError, match=r"Set the option 'separator'"):
        load("a;y\n1;2\n", "y", separator=",")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("", "a.csv", "is empty"),
        ("a,y\n", "a.csv", "no rows"),
        ("a,y\n1,2\n1,2,3\n", "a.csv", "a.csv, line 3: it has 3 fields, the lines before it 2"),
        ("a,y\n1,2,3\n4,5,6\n", "a.csv", "more fields than its header"),
        ("a,a,y\n1,2,3\n", "a.csv", "more than one column named 'a'"),
        ("a,y\n,1\n,2\n", "a.csv", "no columns left for the inputs beside the target: 'a' holds no values"),
        (b"", "a.npz", "damaged or not an .npz"),
        (b"PK\x03\x04 not a zip file", "a.npz", "damaged or not an .npz"),
        (b"\x80\x04not an archive", "a.npz", "not an .npz"),
        (b"", "a.parquet", "cannot be read as Parquet"),
        (b"PAR1 and no more", "a.parquet", "cannot be read as Parquet"),
        (b"not gzip", "a.csv.gz", "cannot be read as a table"),
        ({"x": np.eye(3), "y": [0, 1]}, "a.npz", "shape (3, 3)"),
        ({"x": np.eye(2), "y": np.eye(2)}, "a.npz", "one value a row"),
        ({"x": np.array(["a", "b"]), "y": [0, 1]}, "a.npz", "not numbers"),
        ({"p": np.eye(2), "y": [0, 1]}, "a.npz", "'p' (2, 2)"),
        (pd.DataFrame({"t": pd.to_timedelta([1, 2], "D"), "y": [0.5, 1.5]}), "a.parquet", "'t' .*no numbers, texts"),
        (pd.DataFrame({"t": [[1], [2]], "y": [0.5, 1.5]}), "a.parquet", "'t' .*no numbers, texts or dates"),
        (pd.DataFrame({"y": [0.5, 1.5]}), "a.csv", "no columns left"),
        ("a,y\n1,2\n", "a.doc", "known format.*.csv"),
    ],
)
def test_an_unusable_file_is_refused(load, content, name, said):
    expected = said if ".*" in said else re.escape(said)
    with pytest.raises(DataError, match=expected):
        load(content, "y", name=name)


def test_a_damaged_archive_is_noticed(load, tmp_path):
    path = tmp_path / "good.npz"
    np.savez(path, x=np.arange(4000.0).reshape(1000, 4), y=np.arange(1000.0))
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], content[:9000] + b"damage" + content[9006:]):
        with pytest.raises(DataError, match="damaged"):
            load(broken, name="broken.npz")


class Touch:
    """Pickled, it makes a file when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_in_an_npz_file_is_not_opened(load, tmp_path):
    ran = tmp_path / "ran"
    trap = {"x": np.array([Touch(ran)] * 2, dtype=object), "y": [0, 1]}
    with pytest.raises(DataError, match="Python objects, which can run code"):
        load(trap, name="trap.npz")
    with pytest.raises(DataError, match=r"not an .npz file"):
        load(pickle.dumps(Touch(ran)), name="trap.npz")
    assert not ran.exists()
    with zipfile.ZipFile(tmp_path / "trap.npz", "w"):
        pass
    with pytest.raises(DataError, match="no arrays"):
        load((tmp_path / "trap.npz").read_bytes(), name="trap.npz")


def test_a_column_of_names_is_not_one_hot_encoded_by_accident(load):
    table = pd.DataFrame({"name": [f"person {i}" for i in range(300)], "y": np.linspace(0, 1, 300)})
    with pytest.raises(DataError, match=r"'name' names the rows: all its texts differ"):
        load(table, "y")
    with pytest.raises(DataError, match=r"'name' .* 300 different texts.*'categorical'"):
        load(table, "y", features=["name"], test_fraction=0)
    assert len(load(table, "y", categorical=["name"], test_fraction=0).features) == 300


def test_a_text_among_numbers_is_named_with_its_line(load):
    numbers = pd.DataFrame({"a": [*map(str, range(299)), "lots"], "y": np.linspace(0, 1, 300)})
    with pytest.raises(DataError, match=r"data.csv, line 301, column 'a': 'lots' is no number, .*missing_markers"):
        load(numbers, "y")
    assert load(numbers, "y", missing_markers=["lots"], missing="drop", test_fraction=0).samples == 299
    marked = load(numbers.replace("lots", "?"), "y", missing="drop", test_fraction=0)
    assert marked.samples == 299
    assert "'?' in 'a' read as missing (1 row)" in marked.details["read"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"targett": "y"}, "no option 'targett' (did you mean 'target'?)"),
        ({"missing": "ignore"}, "'ignore'; allowed: one of refuse, drop, mean"),
        ({"test_fraction": 1}, "allowed: a number from 0 to below 1"),
        ({"test_fraction": "a"}, "'test_fraction' of data set 'mine' is 'a'"),
        ({"features": "a"}, "allowed: a list of texts"),
        ({"features": ["b"]}, "no column 'b'"),
        ({"features": ["a", "y"]}, "'y' of"),
        ({"features": ["a"], "exclude": ["a"]}, "one of them is enough"),
        ({"inputs": "x"}, "no option 'inputs'"),
    ],
)
def test_wrong_options_are_refused(load, options, said):
    with pytest.raises(DataError, match=re.escape(said)):
        load("a,y\n1,0.5\n2,1.5\n", "y", **options)


def test_a_missing_file_is_named_with_its_neighbour(tmp_path):
    (tmp_path / "train.csv").write_text("a,y\n1,2\n")
    spec = DatasetSpec("file", "mine", {"path": str(tmp_path / "trian.csv"), "target": "y"})
    with pytest.raises(DataError, match=r"no file .*trian.csv \(did you mean 'train.csv'\?\)"):
        load_dataset(spec)
    spec = DatasetSpec("file", "mine", {"path": str(tmp_path / "train.csv"), "target": "y", "test": "gone.csv"})
    with pytest.raises(DataError, match=r"no file gone.csv"):
        load_dataset(spec)
    with pytest.raises(DataError, match="needs the option 'path'"):
        load_dataset(DatasetSpec("file", "mine"))
