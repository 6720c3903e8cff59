"""Prepared data sets on disk, read as memory maps: one folder an entry, written whole or not at all.

An entry holds ``inputs.npy``, ``targets.npy``, ``test_inputs.npy``, ``test_targets.npy`` and ``meta.json``, and where
samples have groups or times ``groups.npy`` or ``times.npy``. Its name carries a hash of the source's content and of
every option that shapes the arrays, so a changed file or option is a new entry and an old one is never wrong, only
unused. It may be deleted at any time.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset, Task
from pipelines.errors import DataError

ARRAYS = ("inputs", "targets", "test_inputs", "test_targets")
OPTIONAL_ARRAYS = ("groups", "times")
FORMAT = 2  # of the folder; part of the key, so that a later version never reads an older entry
BLOCK = 1 << 20  # bytes under one checksum
FULL_CHECK = 8 * BLOCK  # files up to this size are checked whole at every read
SAMPLED_BLOCKS = 16  # of a larger file whose size and time stamp are as recorded
STALE_SECONDS = 86_400.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Description:
    """What is known about an entry beside its arrays; see the fields of the same names of ``Dataset``."""

    task: Task
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    details: dict[str, str] = field(default_factory=dict)
    encoding: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Entry:
    """An entry that was found whole: arrays by name (inputs as read-only memory maps) and their description."""

    arrays: Mapping[str, NDArray[Any]]
    description: Description

    def dataset(self, name: str, sha256: str, source: str) -> Dataset:
        """The entry as a data set; name, hash and source as in ``Dataset``."""
        known: dict[str, Any] = {**self.arrays, **vars(self.description)}
        return Dataset(name=name, sha256=sha256, source=source, **known)


class _DamagedError(Exception):
    """An entry is there but is not what was written."""


def default_cache_dir() -> Path:
    """``$OVERFIT_ATLAS_CACHE``, else ``overfit-atlas`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``."""
    named, base = os.environ.get("OVERFIT_ATLAS_CACHE"), os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(named or Path(base, "overfit-atlas")).expanduser()


def hash_file(path: Path) -> str:
    """The sha256 of a file; raises ``DataError`` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def cached(
    cache_dir: Path | None, name: str, identity: Mapping[str, Any], build: Callable[[Path], Description | None]
) -> Entry:
    """The entry for ``identity``, built where it is missing or damaged.

    Parameters
    ----------
    cache_dir
        Folder of the cache; None for ``default_cache_dir()``.
    name
        Readable start of the entry's name.
    identity
        Everything the arrays depend on: the source's hash and the options. Must be representable as JSON.
    build
        Writes the four arrays, and groups and times where there are some, into the folder it is given
        (``write_array``) and returns their description, or None where it has called ``seal`` itself.

    Raises
    ------
    DataError
        Where the cache cannot be written. What ``build`` raises goes through, and leaves nothing behind.
    """
    folder = (cache_dir or default_cache_dir()) / "datasets" / _entry_name(name, identity)
    if (entry := _read_or_warn(folder)) is not None:
        return entry
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder.parent)
        with _temporary_folder(folder.parent) as temporary:
            made = Path(temporary)
            if (description := build(made)) is not None:
                seal(made, description, identity)
            _put(made, folder)
    except OSError as error:
        raise DataError(
            f"The prepared data set {name!r} cannot be written to {folder.parent}: {error}. Make room or the folder "
            "writable, or name another with the environment variable OVERFIT_ATLAS_CACHE."
        ) from error
    try:
        return read_entry(folder)
    except (_DamagedError, OSError) as error:
        raise DataError(f"The prepared data set {folder} was written but cannot be read back: {error}.") from error


def find(cache_dir: Path | None, name: str, identity: Mapping[str, Any]) -> Entry | None:
    """The entry for ``identity`` (see ``cached``) where there is a whole one, else None."""
    return _read_or_warn((cache_dir or default_cache_dir()) / "datasets" / _entry_name(name, identity))


def write_array(folder: Path, name: str, blocks: Iterable[NDArray[Any]], *, dtype: Any, shape: tuple[int, ...]) -> None:
    """Write ``<name>.npy`` from blocks of rows, so that the whole array is never in memory.

    Plain writes rather than a writable memory map: on a full disk a map ends the process, a write raises ``OSError``.

    Parameters
    ----------
    shape
        Of the whole array; the blocks' rows must add up to it.
    """
    rows = 0
    with (folder / f"{name}.npy").open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            rows += len(block)
            file.write(np.ascontiguousarray(block, dtype=dtype).data)
    if rows != shape[0]:
        raise ValueError(f"{name}: {rows} rows were written, the shape says {shape[0]}")


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays that are already in memory, each as one block."""
    for name, array in arrays.items():
        write_array(folder, name, [array], dtype=array.dtype, shape=array.shape)


def seal(folder: Path, description: Description, identity: Mapping[str, Any]) -> None:
    """Write ``meta.json``: the description, and size, time stamp and checksums of every array file."""
    files = {}
    for name in (*ARRAYS, *OPTIONAL_ARRAYS):
        path = folder / f"{name}.npy"
        if name in OPTIONAL_ARRAYS and not path.exists():
            continue
        stat = path.stat()
        checksums = list(_checksums(path, range(_block_count(stat.st_size))))
        files[name] = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "crc32": checksums}
    told = asdict(description)
    meta = {"format": FORMAT, "identity": dict(identity), "description": told, "crc32": _crc(told), "files": files}
    (folder / "meta.json").write_text(json.dumps(meta, indent=1, default=str), encoding="utf-8")


def read_entry(folder: Path) -> Entry:
    """Open an entry, checked against its ``meta.json``.

    Small files are checked whole, and so are files whose time stamp is not the one recorded; of others a sample of
    blocks, since reading 250 MB at each start would cost more than the check is worth.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        there = [*ARRAYS, *(name for name in OPTIONAL_ARRAYS if name in meta["files"])]
        arrays = {name: _read_array(folder / f"{name}.npy", meta["files"][name]) for name in there}
        told = meta["description"]
        if _crc(told) != meta["crc32"]:
            raise _DamagedError("meta.json is not what was written")
        texts: dict[str, Any] = {key: tuple(told[key]) for key in ("classes", "features", "warnings")}
        plain: dict[str, Any] = {key: dict(told[key]) for key in ("details", "encoding")}
        description = Description(Task(told["task"]), **texts, **plain)
    except (ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise _DamagedError(f"{folder.name}: {error}") from error
    return Entry(arrays, description)


def _read_or_warn(folder: Path) -> Entry | None:
    if folder.exists():
        try:
            return read_entry(folder)
        except (_DamagedError, OSError) as error:
            fault = "incomplete" if isinstance(error, FileNotFoundError) else "damaged"
            logger.warning("The prepared data set %s is %s (%s) and is made again.", folder, fault, error)
    return None


def _read_array(path: Path, recorded: Mapping[str, Any]) -> NDArray[Any]:
    stat = path.stat()
    if stat.st_size != recorded["bytes"]:
        raise _DamagedError(f"{path.name} has {stat.st_size} bytes, {recorded['bytes']} were written")
    blocks = _block_count(stat.st_size)
    chosen: Iterable[int] = range(blocks)
    if stat.st_size > FULL_CHECK and stat.st_mtime_ns == recorded["mtime_ns"]:
        chosen = sorted({int(block) for block in np.linspace(0, blocks - 1, SAMPLED_BLOCKS)})
    for block, checksum in zip(chosen, _checksums(path, chosen), strict=True):
        if checksum != recorded["crc32"][block]:
            raise _DamagedError(f"{path.name} is not what was written (megabyte {block})")
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    # Targets are small and indexed all the time, and nothing can be mapped of an empty array.
    return np.array(array) if array.ndim == 1 or array.size == 0 else array


def _checksums(path: Path, blocks: Iterable[int]) -> Iterator[int]:
    with path.open("rb") as file:
        for block in blocks:
            file.seek(block * BLOCK)
            yield zlib.crc32(file.read(BLOCK))


def _crc(value: Any) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def _block_count(size: int) -> int:
    return -(-size // BLOCK)


def _entry_name(name: str, identity: Mapping[str, Any]) -> str:
    text = json.dumps({"format": FORMAT, **identity}, sort_keys=True, default=str)
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", name)[:40].strip("-") or "data"
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def _temporary_folder(parent: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=".new-", dir=parent, ignore_cleanup_errors=True)


def _put(made: Path, folder: Path) -> None:
    """Move a finished folder into its place, where another process may be doing the same."""
    made.chmod(0o755)  # mkdtemp's folders are closed to others; a cache may be shared
    for _ in range(3):
        with contextlib.suppress(OSError):
            made.replace(folder)
            return
        with contextlib.suppress(_DamagedError, OSError):
            read_entry(folder)
            return  # another process finished first, and its entry is whole
        with contextlib.suppress(OSError), _temporary_folder(folder.parent) as aside:
            folder.replace(Path(aside, "damaged"))
    made.replace(folder)  # raises what stands in the way


def _remove_stale(parent: Path) -> None:
    """Remove what killed processes left: folders that nobody has written to for a day."""
    for left in parent.glob(".new-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
