"""Pretrained networks: the right weights or one clear sentence, and layers that compute what Keras' own do."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import random
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from pipelines.datasets.places import Places
from pipelines.datasets.sources import downloads
from pipelines.errors import UserError
from pipelines.exercises.configurations import Configuration
from pipelines.networks.backbones import BACKBONES, build_backbone, check_images, find_weights
from pipelines.networks.fast_layers import ShiftedDepthwiseConv2D
from pipelines.networks.initial_weights import build_seeded
from pipelines.networks.layers import is_per_sample
from pipelines.networks.models import build_network
from tests.support.small_backbone import FILE, NAME, SHAPE, images, predict, random_model, write_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the weights under Keras' name."""
    return write_weights(tmp_path_factory.mktemp("weights") / FILE).parent


@pytest.fixture
def offline(tmp_path, monkeypatch) -> Path:
    """No network, and an empty folder of Keras'."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(downloads, "explain_unreachable", lambda url: "no connection to the host")
    return tmp_path


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(8, 9), (7, 5)])
def test_shifted_images_are_a_depthwise_convolution(strides, padding, size):
    arguments = {"strides": strides, "padding": padding, "activation": "relu", "bias_initializer": "ones"}
    theirs, ours = keras.layers.DepthwiseConv2D(3, **arguments), ShiftedDepthwiseConv2D(3, **arguments)
    inputs = np.random.default_rng(0).normal(size=(2, *size, 4)).astype(np.float32)
    expected = np.asarray(theirs(inputs))
    ours.build(inputs.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(np.asarray(ours(inputs)), expected, atol=1e-5)
    assert ours.compute_output_shape(inputs.shape) == expected.shape


def test_the_backbone_computes_what_keras_own_does(folder):
    batch = images(3) / np.float32(127.5) - 1
    ours = build_backbone(NAME, SHAPE, folder)
    for training in (False, True):  # batch normalisation does something else in training
        expected = predict(random_model(), batch, training=training)
        assert expected.shape == (3, 1, 2, 1280)
        assert expected.std() > 0.1
        np.testing.assert_allclose(predict(ours, batch, training=training), expected, atol=1e-3)


def test_a_backbone_to_be_saved_has_no_layer_of_ours(folder):
    plain = build_backbone(NAME, SHAPE, folder, plain=True)
    assert "pipelines" not in plain.to_json()
    assert "pipelines" in build_backbone(NAME, SHAPE, folder).to_json()
    for ours, theirs in zip(plain.get_weights(), random_model().get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_as_keras_saves_them_today(tmp_path):
    path = tmp_path / "mine.weights.h5"
    random_model().save_weights(path)
    backbone = build_backbone(NAME, SHAPE, path)
    np.testing.assert_array_equal(backbone.get_weights()[0], random_model().get_weights()[0])


def test_only_the_head_is_drawn(folder):
    configuration = Configuration(layers=(), backbone=NAME, fine_tune=True)
    networks = [
        build_seeded(lambda: build_network(configuration, SHAPE, 3, weights=folder), seed) for seed in (1, 2, 1)
    ]
    *backbones, _, _ = zip(*(network.get_weights() for network in networks), strict=True)
    for first, *others in backbones:
        for other in others:
            np.testing.assert_array_equal(first, other)
    heads = [network.get_weights()[-2] for network in networks]
    assert not np.array_equal(heads[0], heads[1])
    np.testing.assert_array_equal(heads[0], heads[2])
    assert networks[0].output_shape == (None, 3)
    assert not is_per_sample(networks[0]), "batch normalisation looks at the whole batch, inside a nested model too"


def test_building_draws_nothing_itself(folder):
    random.seed(4)
    expected = random.random()
    random.seed(4)
    build_backbone(NAME, SHAPE, folder)
    assert random.random() == expected


def test_where_weights_are_searched(folder, offline):
    keras_own = write_weights(offline / "keras" / "models" / FILE)
    assert find_weights(NAME, Places()).path == keras_own
    beside = offline / "data" / "weights"
    shutil.copytree(folder, beside)
    assert find_weights(NAME, Places(offline / "data")).path == beside / FILE
    assert find_weights(NAME, Places(offline / "data", weights=folder)).path == folder / FILE
    (beside / FILE).unlink()
    assert find_weights(NAME, Places(offline / "data")).path == keras_own


def test_they_are_downloaded_into_keras_own_folder_at_last(folder, offline, monkeypatch):
    asked = []

    def download(name, url, sha256, seconds, folder_name=None, *, folder=None):
        asked.append((name, url, folder or folder_name))
        return write_weights(offline / "downloaded" / name)

    monkeypatch.setattr(downloads, "download_keras_file", download)
    assert find_weights(NAME, Places()).path == offline / "downloaded" / FILE
    [(name, url, where)] = asked
    assert (name, where) == (FILE, "models")
    assert url.startswith("https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/")


def test_without_a_network_the_error_says_what_to_do(offline):
    with pytest.raises(UserError) as error:
        find_weights(NAME, Places(offline))
    for part in (str(offline / "weights" / FILE), str(offline / "keras" / "models"), "no connection", "digits"):
        assert part in str(error.value)


def test_weights_of_another_width(folder):
    with pytest.raises(
        UserError, match=r"not those of backbone mobilenet_v2: .* 410,208 numbers, those of mobilenet_v2_0.35"
    ):
        build_backbone("mobilenet_v2", SHAPE, folder / FILE)


def test_as_many_numbers_in_other_arrays(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.zeros(BACKBONES[NAME].numbers, np.float32)
    with pytest.raises(UserError, match="cannot be read from"):
        build_backbone(NAME, SHAPE, path)


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_damaged_weights(tmp_path, folder, damage):
    content = (folder / FILE).read_bytes()
    path = tmp_path / FILE
    path.write_bytes({"cut": content[: len(content) // 2], "text": b"<html>404</html>", "empty": b""}[damage])
    with pytest.raises(
        UserError, match=r"weights of backbone mobilenet_v2_0.35 cannot be read from .*whole of the HDF5"
    ):
        build_backbone(NAME, SHAPE, tmp_path)


def test_weights_that_are_not_finite(tmp_path, folder):
    path = Path(shutil.copy(folder / FILE, tmp_path / FILE))
    arrays = []
    with h5py.File(path, "a") as file:
        file.visititems(lambda name, entry: arrays.append(entry) if isinstance(entry, h5py.Dataset) else None)
        arrays[3][...] = np.nan
    with pytest.raises(UserError, match="not finite"):
        build_backbone(NAME, SHAPE, path)


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_weights_that_are_not_there(tmp_path, path):
    with pytest.raises(UserError, match=f"cannot be read from .*(no such file).* {FILE}"):
        find_weights(NAME, Places(weights=tmp_path / path))


@pytest.mark.parametrize(
    ("shape", "fault"),
    [
        ((28, 28, 1), "1 channel "),
        ((64, 64, 4), "4 channels"),
        ((31, 64, 3), "31 x 64 x 3"),
        ((13,), "a sample has the shape 13"),
    ],
)
def test_samples_that_a_backbone_cannot_see(shape, fault):
    with pytest.raises(UserError, match=f"needs colour images, .* of at least 32 x 32 pixels, but .*{fault}"):
        check_images(NAME, shape)
    check_images(NAME, (32, 32, 3))
