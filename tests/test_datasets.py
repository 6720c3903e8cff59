"""Data sets of the well-known sources: one contract for all, and the values Keras and TensorFlow Datasets give."""

import json
import os
import socket
import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.datasets import SOURCES, DatasetSpec, Places, Task, load_dataset
from pipelines.datasets.sources import downloads, keras_sets
from pipelines.errors import DataError

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("OVERFIT_ATLAS_DATA") or ROOT.parent / "shared" / "data")
needs_data = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="no real data: OVERFIT_ATLAS_DATA names no folder"),
]
CONTRACT = [
    pytest.param(DatasetSpec("formula", "celsius"), (7, 6), (1,), 1, id="celsius"),
    pytest.param(DatasetSpec("sklearn", "digits"), (1438, 359), (8, 8, 1), 10, id="digits"),
    pytest.param(DatasetSpec("sklearn", "breast_cancer"), (455, 114), (30,), 1, id="breast_cancer"),
    pytest.param(DatasetSpec("sklearn", "diabetes"), (354, 88), (10,), 1, id="diabetes"),
    pytest.param(
        DatasetSpec("file", "mine", {"path": "mine.csv", "target": "y", "test_fraction": 0.25}),
        (6, 2),
        (4,),
        1,
        id="csv",
    ),
    pytest.param(DatasetSpec("keras", "boston_housing"), (404, 102), (13,), 1, id="boston_housing", marks=needs_data),
    pytest.param(
        DatasetSpec("keras", "reuters", {"words": 50}), (8982, 2246), (50,), 46, id="reuters", marks=needs_data
    ),
    pytest.param(DatasetSpec("keras", "imdb", {"words": 50}), (25000, 25000), (50,), 1, id="imdb", marks=needs_data),
    pytest.param(
        DatasetSpec("tfds", "fashion_mnist"), (60000, 10000), (28, 28, 1), 10, id="fashion_mnist", marks=needs_data
    ),
]


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def nothing_of_this_user(monkeypatch, tmp_path):
    """No file in a home folder and no network may decide how a test goes."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras-home"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds-home"))
    monkeypatch.setattr(downloads, "explain_unreachable", lambda url: f"no connection to {url}")


def load_real(spec, cache_dir, tmp_path):
    if spec.source == "file":
        lines = [f"{number},{number % 3},{'ab'[number % 2]},{number / 4 + 0.1}" for number in range(8)]
        (tmp_path / "mine.csv").write_text("\n".join(["n,m,k,y", *lines]))
        return load_dataset(spec, places=Places(data_dir=tmp_path, cache_dir=cache_dir))
    return load_dataset(spec, places=Places(data_dir=DATA if DATA.is_dir() else None, cache_dir=cache_dir))


# The contract of every source


@pytest.mark.parametrize(("spec", "rows", "shape", "outputs"), CONTRACT)
def test_contract(spec, rows, shape, outputs, cache_dir, tmp_path):
    dataset = load_real(spec, cache_dir, tmp_path)
    assert dataset.name == spec.name
    assert (dataset.samples, len(dataset.test_inputs)) == rows
    assert (len(dataset.targets), len(dataset.test_targets)) == rows
    assert (dataset.input_shape, dataset.test_inputs.shape[1:], dataset.outputs) == (shape, shape, outputs)
    assert dataset.inputs.dtype == dataset.test_inputs.dtype
    assert dataset.inputs.dtype in (np.uint8, np.float32)
    for targets in (dataset.targets, dataset.test_targets):
        assert targets.dtype == (np.int32 if dataset.task.is_classification else np.float32)
        assert targets.ndim == 1
    if dataset.task.is_classification:
        # Every class is there to be learned, and none is without a name.
        assert set(dataset.targets.tolist()) == set(range(len(dataset.classes)))
        assert set(dataset.test_targets.tolist()) <= set(range(len(dataset.classes)))
    else:
        assert dataset.classes == ()
        assert np.all(np.isfinite(dataset.targets))
    if dataset.inputs.dtype == np.float32:
        assert len(dataset.features) == shape[0]
        assert np.all(np.isfinite(dataset.inputs))
    assert len(dataset.sha256) == 64
    assert dataset.source
    assert all(isinstance(value, str) for value in dataset.details.values())
    again = load_real(spec, cache_dir, tmp_path)
    assert (again.sha256, again.classes, again.features) == (dataset.sha256, dataset.classes, dataset.features)
    for one, other in ((again.inputs, dataset.inputs), (again.test_inputs, dataset.test_inputs)):
        np.testing.assert_array_equal(one[:200], other[:200])
    np.testing.assert_array_equal(again.targets, dataset.targets)


@pytest.mark.parametrize(
    ("spec", "task", "said"),
    [
        (DatasetSpec("kears", "imdb"), None, "no source of data 'kears' .did you mean 'keras'"),
        (DatasetSpec("sklearn", "digit"), None, "no data set 'digit' .did you mean 'digits'"),
        (DatasetSpec("sklearn", "digits", {"size": 3}), None, "no option 'size'. Allowed: none"),
        (DatasetSpec("sklearn", "digits"), Task.REGRESSION, "a multiclass exercise; the task stated is regression"),
        (DatasetSpec("keras", "mnist"), None, "no data set 'mnist'"),
        (DatasetSpec("keras", "imdb", {"wrods": 10}), None, "did you mean 'words'"),
        (DatasetSpec("keras", "imdb", {"words": 3}), None, "'words' .* is 3; allowed: a whole number from 4"),
        (DatasetSpec("keras", "imdb", {"words": "many"}), None, "is 'many'"),
        (DatasetSpec("keras", "reuters", {"words": 90_000}), None, "is 90000; allowed: a whole number from 4 to 30983"),
        (DatasetSpec("keras", "imdb"), Task.MULTICLASS, "a binary exercise"),
        (DatasetSpec("tfds", "cifar10"), None, "Allowed: fashion_mnist, mnist, tf_flowers"),
        (DatasetSpec("tfds", "mnist", {"size": 2}), None, "'size' .* from 8 to 1024"),
        (DatasetSpec("formula", "kelvin"), None, "no data set 'kelvin'"),
        (DatasetSpec("formula", "celsius", {"points": 1}), None, "'points' .* from 2"),
        (DatasetSpec("formula", "celsius", {"range": [5, 1]}), None, r"'range' .* \[5, 1\]; allowed"),
        (DatasetSpec("formula", "celsius", {"noise": -1}), None, "'noise'"),
    ],
)
def test_wrong_names_and_options_are_refused(spec, task, said):
    with pytest.raises(DataError, match=said):
        load_dataset(spec, task)


def test_a_data_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"data folder .*gone"):
        load_dataset(DatasetSpec("formula", "celsius"), places=Places(data_dir=tmp_path / "gone"))


def test_no_source_brings_tensorflow_into_this_process(tmp_path):
    script = (
        "import sys; from pathlib import Path; from pipelines.datasets import DatasetSpec, load_dataset\n"
        "for source, name in (('formula', 'celsius'), ('sklearn', 'digits')): load_dataset(DatasetSpec(source, name))\n"
        "import pipelines.datasets.sources.keras_sets, pipelines.datasets.sources.tfds_sets\n"
        "import pipelines.datasets.user_file.source\n"
        "import pipelines.datasets.folds, pipelines.datasets.preparation\n"
        "print(sorted({'tensorflow', 'keras', 'jax', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert printed.stdout.strip() == "[]"


# Formula and scikit-learn


def test_celsius_is_the_formula():
    dataset = load_dataset(DatasetSpec("formula", "celsius"))
    assert dataset.inputs[:, 0].tolist() == [-40, -10, 0, 8, 15, 22, 38]
    np.testing.assert_allclose(dataset.targets, [-40, 14, 32, 46.4, 59, 71.6, 100.4], rtol=1e-6)
    np.testing.assert_allclose(dataset.test_targets, 1.8 * dataset.test_inputs[:, 0] + 32, rtol=1e-6)
    assert not set(dataset.inputs[:, 0].tolist()) & set(dataset.test_inputs[:, 0].tolist())


def test_celsius_with_other_points_and_noise():
    options = {"points": 2001, "range": [0, 100], "noise": 2.0}
    dataset = load_dataset(DatasetSpec("formula", "celsius", options))
    noise = dataset.targets - (1.8 * dataset.inputs[:, 0] + 32)
    assert abs(noise.std() - 2) < 0.2
    assert abs(noise.mean()) < 0.2
    np.testing.assert_allclose(dataset.test_targets, 1.8 * dataset.test_inputs[:, 0] + 32, rtol=1e-5)
    other = load_dataset(DatasetSpec("formula", "celsius", {**options, "seed": 1}))
    assert other.sha256 != dataset.sha256
    assert not np.array_equal(other.targets, dataset.targets)


def test_scikit_learns_test_split_is_stratified_and_loses_no_row():
    dataset = load_dataset(DatasetSpec("sklearn", "digits"))
    train, test = np.bincount(dataset.targets), np.bincount(dataset.test_targets)
    np.testing.assert_allclose(test / (train + test), 0.2, atol=0.01)
    assert int(dataset.inputs.max()) == 16
    diabetes = load_dataset(DatasetSpec("sklearn", "diabetes"))
    assert diabetes.inputs[:, 0].min() >= 18  # years, not the scaled values


# Keras' sets, made small

KERAS_OWN = """
import json, sys, numpy, keras.src.datasets.imdb as imdb, keras.src.datasets.reuters as reuters
import keras.src.datasets.boston_housing as boston
paths, words, out = json.loads(sys.argv[1])
arrays = {}
for module, name in ((imdb, "imdb"), (reuters, "reuters"), (boston, "boston_housing")):
    if name not in paths: continue
    module.get_file = lambda *_, path=paths[name], **__: path
    parts = module.load_data() if name == "boston_housing" else module.load_data(num_words=words)
    for split, (x, y) in zip(("", "test_"), parts):
        if name != "boston_housing":
            rows = numpy.zeros((len(x), words), "uint8")
            for row, sequence in enumerate(x): rows[row, sequence] = 1
            x = rows
        arrays[f"{name}_{split}inputs"], arrays[f"{name}_{split}targets"] = x, y
numpy.savez(out, **arrays)
"""


def as_keras_loads(paths, words, out):
    arguments = json.dumps([{name: str(path) for name, path in paths.items()}, words, str(out)])
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    subprocess.run([sys.executable, "-c", KERAS_OWN, arguments], check=True, env=environment)
    return np.load(out)


def object_array(lists):
    array = np.empty(len(lists), object)
    array[:] = lists
    return array


def made_keras_files(folder, monkeypatch):
    """Small files in Keras' layouts, entered in the list of known ones."""
    random = np.random.default_rng(5)
    texts = [random.integers(1, 40, random.integers(1, 12)).tolist() for _ in range(90)]
    made = {
        "imdb": {
            "x_train": object_array(texts[:20]),
            "y_train": np.arange(20) % 2,
            "x_test": object_array(texts[20:33]),
            "y_test": np.arange(13) % 2,
        },
        "reuters": {"x": object_array(texts), "y": np.arange(90) % 46},
        "boston_housing": {"x": random.normal(size=(11, 13)), "y": random.normal(size=11)},
    }
    folder.mkdir(parents=True)
    paths = {name: folder / f"{name}.npz" for name in made}
    for name, arrays in made.items():
        np.savez(paths[name], **arrays)
        know(monkeypatch, name, paths[name])
    return paths


def know(monkeypatch, name, path):
    digest = keras_sets.hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(keras_sets.KNOWN_FILES, name, (*keras_sets.KNOWN_FILES[name], digest))


def assert_equal_to_keras(dataset, expected):
    for part in ("inputs", "targets", "test_inputs", "test_targets"):
        np.testing.assert_array_equal(getattr(dataset, part), expected[f"{dataset.name}_{part}"].astype(np.float32))


def test_made_files_load_as_keras_loads_them(tmp_path, monkeypatch):
    paths = made_keras_files(tmp_path / "keras", monkeypatch)
    expected = as_keras_loads(paths, 25, tmp_path / "expected.npz")
    for name in paths:
        options = {} if name == "boston_housing" else {"words": 25}
        spec = DatasetSpec("keras", name, options)
        assert_equal_to_keras(load_dataset(spec, places=Places(data_dir=tmp_path, cache_dir=tmp_path)), expected)


def test_files_are_found_in_every_layout(tmp_path, monkeypatch):
    paths = made_keras_files(tmp_path / "a" / "keras", monkeypatch)
    spec = DatasetSpec("keras", "boston_housing")
    flat, own = tmp_path / "b", Path(os.environ["KERAS_HOME"]) / "datasets"
    for folder in (flat, own):
        folder.mkdir(parents=True)
        (folder / "boston_housing.npz").write_bytes(paths["boston_housing"].read_bytes())
    sources = [load_dataset(spec, places=Places(data_dir=folder)).source for folder in (tmp_path / "a", flat, None)]
    assert sources == [str(folder / "boston_housing.npz") for folder in (tmp_path / "a" / "keras", flat, own)]


def test_more_words_than_needed_and_another_number_of_words(tmp_path, monkeypatch):
    made_keras_files(tmp_path / "keras", monkeypatch)
    small, large = (
        load_dataset(
            DatasetSpec("keras", "imdb", {"words": words}), places=Places(data_dir=tmp_path, cache_dir=tmp_path)
        )
        for words in (10, 60)
    )
    assert small.input_shape == (10,)
    assert small.inputs[:, 1].all()
    assert not small.inputs[:, [0, 3]].any()
    np.testing.assert_array_equal(small.inputs[:, 4:], large.inputs[:, 4:10])
    assert not large.inputs[:, 43:].any()  # ranks reach 39, indices 42


class Touch:
    """Pickled, it makes a file when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_a_pickle_of_unknown_hash_is_not_opened(tmp_path, name):
    ran = tmp_path / "ran"
    trap = object_array([Touch(ran)] * 3)
    np.savez(tmp_path / f"{name}.npz", x=trap, x_train=trap, x_test=trap, y=[0], y_train=[0], y_test=[0])
    with pytest.raises(DataError, match=r"sha256 .* expected .* was not opened"):
        load_dataset(DatasetSpec("keras", name), places=Places(data_dir=tmp_path, cache_dir=tmp_path))
    assert not ran.exists()


def test_the_trap_would_have_run(tmp_path):
    np.savez(tmp_path / "trap.npz", x=object_array([Touch(tmp_path / "ran")]))
    np.load(tmp_path / "trap.npz", allow_pickle=True)["x"]
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x00" * 1000])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "boston_housing.npz").write_bytes(content)
    with pytest.raises(DataError, match=f"{len(content)} bytes"):
        load_dataset(DatasetSpec("keras", "boston_housing"), places=Places(data_dir=tmp_path))


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        (DatasetSpec("keras", "imdb"), "keras/imdb.npz"),
        (DatasetSpec("tfds", "mnist"), "tfds/mnist"),
    ],
)
def test_without_a_network_the_error_says_what_to_do(spec, place, tmp_path):
    with pytest.raises(DataError) as error:
        load_dataset(spec, places=Places(data_dir=tmp_path, cache_dir=tmp_path))
    for told in ("no connection to https://storage.googleapis.com", str(tmp_path / place), "'digits'"):
        assert told in str(error.value)
    with pytest.raises(DataError, match=r"-home.*download failed"):
        load_dataset(spec, places=Places(cache_dir=tmp_path))


def test_a_download_is_checked_like_any_file(tmp_path, monkeypatch):
    paths = made_keras_files(tmp_path / "keras", monkeypatch)
    asked = []

    def download(name, url, sha256, seconds):
        asked.append((name, url, sha256, seconds))
        return paths["boston_housing"]

    monkeypatch.setattr(downloads, "download_keras_file", download)
    dataset = load_dataset(DatasetSpec("keras", "boston_housing"), places=Places(download_seconds=5))
    assert dataset.samples == 8
    ((name, url, sha256, seconds),) = asked
    assert url.startswith("https://")
    assert url.endswith(name)
    assert (sha256, seconds) == (keras_sets.KNOWN_FILES["boston_housing"][0], 5)


# Downloads


def test_a_child_that_does_not_end_is_ended():
    with pytest.raises(downloads.ChildError, match=r"not done after 0.5 seconds"):
        downloads.run_child("http.server", ["0", "--bind", "127.0.0.1"], seconds=0.5, environment={})


def test_a_child_that_fails_says_why():
    with pytest.raises(downloads.ChildError, match="No module named no_such_module"):
        downloads.run_child("no_such_module", [], seconds=60, environment={})


def test_a_host_is_tried_before_a_download(monkeypatch):
    monkeypatch.undo()
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        listening.listen()
        assert downloads.explain_unreachable(f"http://127.0.0.1:{port}/") is None
    assert "no connection to 127.0.0.1" in (downloads.explain_unreachable(f"http://127.0.0.1:{port}/") or "")
    monkeypatch.setenv("http_proxy", f"http://localhost:{port}")
    assert "no connection to localhost" in (downloads.explain_unreachable("http://example.org/") or "")


# TensorFlow Datasets, made small


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    value ^= 0xFFFFFFFF
    return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF  # as TFRecord files mask it


def field(number, content):
    """A length-delimited field of a protocol buffer."""
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def record(image, label):
    """One TFRecord of an image and its label."""
    png = BytesIO()
    Image.fromarray(image).save(png, "PNG")
    features = {b"image": field(1, field(1, png.getvalue())), b"label": field(3, field(1, bytes([label])))}
    entries = b"".join(field(1, field(1, key) + field(2, value)) for key, value in features.items())
    example = field(1, entries)
    length = struct.pack("<Q", len(example))
    return length + struct.pack("<I", crc32c(length)) + example + struct.pack("<I", crc32c(example))


def made_flowers(folder, images, stated):
    """A prepared tf_flowers of images with labels 0 to 4 in turn; ``stated`` is the number its description says."""
    folder.mkdir(parents=True)
    records = b"".join(record(image, number % 5) for number, image in enumerate(images))
    (folder / "tf_flowers-train.tfrecord-00000-of-00001").write_bytes(records)
    (folder / "label.labels.txt").write_text("\n".join(["dandelion", "daisy", "tulips", "sunflowers", "roses"]))
    types = "tensorflow_datasets.core.features."
    image = {"dtype": "uint8", "shape": {"dimensions": ["-1", "-1", "3"]}}
    features = {
        "image": {"image": image, "pythonClassName": f"{types}image_feature.Image"},
        "label": {
            "classLabel": {"numClasses": "5"},
            "pythonClassName": f"{types}class_label_feature.ClassLabel",
        },
    }
    whole = {"featuresDict": {"features": features}, "pythonClassName": f"{types}features_dict.FeaturesDict"}
    (folder / "features.json").write_text(json.dumps(whole))
    split = {
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "name": "train",
        "numBytes": str(len(records)),
        "shardLengths": [str(stated)],
    }
    info = {"fileFormat": "tfrecord", "name": "tf_flowers", "splits": [split], "version": folder.name}
    (folder / "dataset_info.json").write_text(json.dumps(info))


def test_a_prepared_set_of_images(tmp_path):
    images = [np.full((8, 8, 3), 10 * number, np.uint8) for number in range(19)]
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = 200  # its central square
    made_flowers(tmp_path / "tf_flowers" / "3.0.1", [*images, wide], 20)
    made_flowers(tmp_path / "tf_flowers" / "2.9.0", images[:5], 5)
    spec = DatasetSpec("tfds", "tf_flowers", {"size": 8, "test_fraction": 0.25})
    dataset = load_dataset(spec, places=Places(data_dir=tmp_path, cache_dir=tmp_path / "cache"))
    assert dataset.classes == ("dandelion", "daisy", "tulips", "sunflowers", "roses")
    assert np.bincount(dataset.targets).tolist() == [3] * 5
    assert np.bincount(dataset.test_targets).tolist() == [1] * 5
    seen = np.concatenate([dataset.inputs, dataset.test_inputs])
    labels = np.concatenate([dataset.targets, dataset.test_targets])
    assert seen.min(axis=(1, 2, 3)).tolist() == seen.max(axis=(1, 2, 3)).tolist()
    levels = [10 * number for number in range(19)] + [200]
    numbers = [levels.index(int(value)) for value in seen[:, 0, 0, 0]]
    assert sorted(numbers) == list(range(20))
    assert [number % 5 for number in numbers] == labels.tolist()
    assert np.all(np.diff(numbers[:15]) > 0)


def test_records_cut_off_are_noticed(tmp_path):
    images = [np.zeros((8, 8, 3), np.uint8)] * 10
    made_flowers(tmp_path / "tfds" / "tf_flowers" / "3.0.1", images, 11)
    spec = DatasetSpec("tfds", "tf_flowers", {"size": 8})
    with pytest.raises(DataError, match=r"cannot be read: .* 11 elements but contained only 10 elements\.$"):
        load_dataset(spec, places=Places(data_dir=tmp_path, cache_dir=tmp_path / "cache"))
    assert list((tmp_path / "cache" / "datasets").iterdir()) == []


def test_a_prepared_set_without_records_is_refused(tmp_path):
    folder = tmp_path / "tfds" / "mnist" / "3.0.1"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{}")
    with pytest.raises(DataError, match="no record files"):
        load_dataset(DatasetSpec("tfds", "mnist"), places=Places(data_dir=tmp_path, cache_dir=tmp_path))


# The real data


class TestRealData:
    pytestmark = needs_data

    def test_boston_first_row(self):
        dataset = load_dataset(DatasetSpec("keras", "boston_housing"), places=Places(data_dir=DATA))
        row = [1.23247, 0, 8.14, 0, 0.538, 6.142, 91.7, 3.9769, 4, 307, 21, 396.9, 18.72]
        np.testing.assert_array_equal(dataset.inputs[0], np.array(row, np.float32))
        assert dataset.targets[0] == np.float32(15.2)

    def test_reuters_labels(self, cache_dir):
        dataset = load_dataset(
            DatasetSpec("keras", "reuters", {"words": 50}), places=Places(data_dir=DATA, cache_dir=cache_dir)
        )
        assert dataset.targets[:10].tolist() == [3, 4, 3, 4, 4, 4, 4, 3, 3, 16]
        assert dataset.inputs[0, [1, 2, 5, 8, 10, 43]].all()
        assert (dataset.targets == 3).sum() + (dataset.test_targets == 3).sum() == 3972
        assert (dataset.classes[3], dataset.classes[4]) == ("earn", "acq")

    def test_imdb_first_review(self, cache_dir):
        dataset = load_dataset(
            DatasetSpec("keras", "imdb", {"words": 50}), places=Places(data_dir=DATA, cache_dir=cache_dir)
        )
        assert dataset.targets[:10].tolist() == [1, 0, 0, 1, 0, 0, 1, 0, 1, 0]
        assert dataset.inputs[0, [1, 14, 22, 16, 43, 2]].all()
        assert dataset.targets.sum() == dataset.test_targets.sum() == 12500

    def test_fashion_mnist_is_balanced_and_in_its_own_order(self, cache_dir):
        dataset = load_dataset(DatasetSpec("tfds", "fashion_mnist"), places=Places(data_dir=DATA, cache_dir=cache_dir))
        assert dataset.targets[:10].tolist() == [2, 1, 8, 4, 1, 9, 2, 2, 0, 2]
        assert np.bincount(dataset.targets).tolist() == [6000] * 10
        assert np.bincount(dataset.test_targets).tolist() == [1000] * 10
        assert (dataset.classes[0], dataset.classes[9]) == ("T-shirt/top", "Ankle boot")
        # Mean and deviation of all training pixels, as published for Fashion-MNIST.
        assert float(dataset.inputs.mean()) / 255 == pytest.approx(0.2860, abs=1e-4)
        assert float(dataset.inputs.std()) / 255 == pytest.approx(0.3530, abs=1e-4)


def test_every_source_has_its_contract_tested():
    assert {parameter.values[0].source for parameter in CONTRACT} == set(SOURCES)
