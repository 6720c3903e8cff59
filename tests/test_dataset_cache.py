"""The cache of prepared data sets: whole or absent, checked when read, safe to share."""

import json
import logging
import os
import threading

import numpy as np
import pytest

from pipelines.datasets import cache
from pipelines.datasets.base import Task
from pipelines.datasets.cache import Description, cached, default_cache_dir, write_array, write_arrays
from pipelines.errors import DataError

ARRAYS = {
    "inputs": np.arange(24, dtype=np.uint8).reshape(6, 4),
    "targets": np.array([0, 1, 0, 1, 0, 1], np.int32),
    "test_inputs": np.zeros((0, 4), np.uint8),
    "test_targets": np.zeros(0, np.int32),
}
DESCRIPTION = Description(Task.BINARY, ("no", "yes"), ("a", "b", "c", "d"), {"note": "größer"})


class Builder:
    """Writes arrays as a source would, and counts how often."""

    def __init__(self, arrays=ARRAYS):
        self.arrays, self.calls = arrays, 0

    def __call__(self, folder):
        self.calls += 1
        write_arrays(folder, self.arrays)
        return DESCRIPTION


@pytest.fixture
def build():
    return Builder()


def entry_folder(tmp_path):
    (folder,) = (tmp_path / "datasets").iterdir()
    return folder


def test_the_second_read_is_from_the_cache(tmp_path, build):
    for _ in range(2):
        entry = cached(tmp_path, "mine", {"sha256": "1"}, build)
        assert entry.description == DESCRIPTION
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(entry.arrays[name], array)
            assert entry.arrays[name].dtype == array.dtype
    assert build.calls == 1


def test_inputs_are_a_read_only_map(tmp_path, build):
    inputs = cached(tmp_path, "mine", {}, build).arrays["inputs"]
    assert isinstance(inputs, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        inputs[0, 0] = 1


def test_another_identity_is_another_entry(tmp_path, build):
    for words in (10, 20, 10):
        cached(tmp_path, "a name/with: signs", {"words": words}, build)
    assert build.calls == 2
    assert len(list((tmp_path / "datasets").iterdir())) == 2


@pytest.mark.parametrize("name", ["inputs.npy", "targets.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "empty"])
def test_damage_is_noticed_and_mended(tmp_path, build, caplog, name, damage):
    cached(tmp_path, "mine", {}, build)
    path = entry_folder(tmp_path) / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "flipped":  # in the values of an array; in a class's name in meta.json
        at = len(content) - 3 if name.endswith("npy") else content.index(b"yes")
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x11]) + content[at + 1 :])
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    with caplog.at_level(logging.WARNING):
        entry = cached(tmp_path, "mine", {}, build)
    assert "made again" in caplog.text
    assert build.calls == 2
    np.testing.assert_array_equal(entry.arrays["inputs"], ARRAYS["inputs"])
    cached(tmp_path, "mine", {}, build)
    assert build.calls == 2


def test_a_large_file_is_checked_by_a_sample_and_whole_where_it_was_touched(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(cache, "BLOCK", 64)
    monkeypatch.setattr(cache, "FULL_CHECK", 64)
    monkeypatch.setattr(cache, "SAMPLED_BLOCKS", 3)
    read = []
    checksums = cache._checksums
    monkeypatch.setattr(cache, "_checksums", lambda path, blocks: read.append(list(blocks)) or checksums(path, blocks))
    build = Builder({**ARRAYS, "inputs": np.zeros((64, 10), np.uint8)})
    cached(tmp_path, "mine", {}, build)
    read.clear()
    cached(tmp_path, "mine", {}, build)
    assert read[0] == [0, 5, 11]
    path = entry_folder(tmp_path) / "inputs.npy"
    content = bytearray(path.read_bytes())
    content[200] = 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    with caplog.at_level(logging.WARNING):
        cached(tmp_path, "mine", {}, build)
    assert "inputs.npy is not what was written" in caplog.text


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing(tmp_path, build, error):
    def fail(folder):
        write_array(folder, "inputs", [np.zeros((2, 4))], dtype=np.uint8, shape=(2, 4))
        raise error

    with pytest.raises(type(error)):
        cached(tmp_path, "mine", {}, fail)
    assert list((tmp_path / "datasets").iterdir()) == []
    cached(tmp_path, "mine", {}, build)
    assert build.calls == 1


def test_what_killed_processes_left_is_removed_after_a_day(tmp_path, build):
    old, recent = tmp_path / "datasets" / ".new-old", tmp_path / "datasets" / ".new-recent"
    for folder in (old, recent):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    cached(tmp_path, "mine", {}, build)
    assert not old.exists()
    assert recent.exists()


def test_writers_at_the_same_time_all_get_the_data(tmp_path):
    count = 6
    together = threading.Barrier(count)
    found, failures = [], []

    def build(folder):
        together.wait(timeout=30)  # all have found the cache empty before any of them is done
        write_arrays(folder, ARRAYS)
        return DESCRIPTION

    def work():
        try:
            found.append(cached(tmp_path, "mine", {}, build).arrays["inputs"].tolist())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert found == [ARRAYS["inputs"].tolist()] * count
    assert len(list((tmp_path / "datasets").iterdir())) == 1


def test_blocks_become_one_array(tmp_path):
    blocks = (np.full((rows, 3), rows) for rows in (2, 1, 4))
    write_array(tmp_path, "inputs", blocks, dtype=np.float32, shape=(7, 3))
    array = np.load(tmp_path / "inputs.npy")
    assert array.dtype == np.float32
    assert array[:, 0].tolist() == [2, 2, 1, 4, 4, 4, 4]
    with pytest.raises(ValueError, match="1 rows were written, the shape says 2"):
        write_array(tmp_path, "inputs", [np.zeros((1, 3))], dtype=np.float32, shape=(2, 3))


def test_a_cache_that_cannot_be_written_is_said(tmp_path, build):
    (tmp_path / "datasets").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="OVERFIT_ATLAS_CACHE"):
        cached(tmp_path, "mine", {}, build)


def test_a_full_disk_is_said(tmp_path):
    def fail(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match="No space left on device"):
        cached(tmp_path, "mine", {}, fail)


def test_where_the_cache_is(monkeypatch, tmp_path, build):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("OVERFIT_ATLAS_CACHE", raising=False)
    assert default_cache_dir() == tmp_path / "xdg" / "overfit-atlas"
    monkeypatch.setenv("OVERFIT_ATLAS_CACHE", str(tmp_path / "own"))
    cached(None, "mine", {}, build)
    meta = json.loads((entry_folder(tmp_path / "own") / "meta.json").read_text(encoding="utf-8"))
    assert meta["description"]["classes"] == ["no", "yes"]
