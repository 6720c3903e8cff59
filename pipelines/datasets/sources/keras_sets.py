"""The ``keras`` source: IMDB, Reuters and Boston housing, as ``keras.datasets`` gives them, without importing Keras.

The file is looked for in the data folder (``keras/imdb.npz`` or ``imdb.npz``), then in Keras' own folder
(``~/.keras/datasets``), then downloaded there. Shuffling, encoding and splitting follow Keras' ``load_data`` with its
defaults, so that row 0 here is row 0 there and "the first 10,000" means the same. Texts become multi-hot words: one
uint8 column for each word, 1 where the text has it.

The option ``words`` is the number of columns: indices 0 to ``words`` - 1, as ``load_data(num_words=words)``.
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.checking.kinds import Whole
from pipelines.datasets.base import Dataset, DatasetSpec, Task
from pipelines.datasets.cache import Description, cached, write_array, write_arrays
from pipelines.datasets.options import OPTIONS, option, task_of
from pipelines.datasets.places import Places
from pipelines.datasets.sources import downloads
from pipelines.errors import DataError

DEFAULT_WORDS = OPTIONS["keras"]["words"].default
SEED = 113  # of the shuffle in Keras' load_data
TRAIN_SHARE = 1 - 0.2  # as Keras computes it; 0.8 is another float and another row count for some sizes
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

#: The contents known to be the data set, by sha256 of the file: first the one Keras hosts, then one with equal arrays
#: in another zip. Arrays of lists are pickles, which can run code when opened, so nothing else is ever opened.
KNOWN_FILES = {
    "imdb": (
        "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
        "6814c0beea01878740d178d45caaf84fa878f5f452bd5f6bb6b5e3add8655f32",
    ),
    "reuters": (
        "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
        "67c910b6cc85be5962038b32c7ab9a3d8c930b24419f127adc0f78138cfca90b",
    ),
    "boston_housing": (
        "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
        "0c1bbf0b79b8c2996afa31b259ca6cff56f5a6f72501358901ae5aa8fadd6e2f",
    ),
}

#: The sha256 of the files that say which word has which rank, as Keras hosts them.
WORD_INDICES = {
    "imdb": "027313fe9a320280f3bf0fac5baf58c4a683cf39a7ed9c3d3d3912bde4284cf6",
    "reuters": "9b56000edc4b34a32e89fd5a23b2605594682c74efcf7d8f4e2a5514b771e633",
}

#: Words that the files know, the least frequent one's rank: more columns than these, and the reserved ones, are empty.
VOCABULARIES = {"imdb": 88_584, "reuters": 30_979}

# fmt: off
TOPICS = (
    "cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing", "money-supply", "coffee", "sugar",
    "trade", "reserves", "ship", "cotton", "carcass", "crude", "nat-gas", "cpi", "money-fx", "interest", "gnp",
    "meal-feed", "alum", "oilseed", "gold", "tin", "strategic-metal", "livestock", "retail", "ipi", "iron-steel",
    "rubber", "heat", "jobs", "lei", "bop", "zinc", "orange", "pet-chem", "dlr", "gas", "silver", "wpi", "hog",
    "lead",
)
# fmt: on
TASKS = {"imdb": Task.BINARY, "reuters": Task.MULTICLASS, "boston_housing": Task.REGRESSION}
CLASSES = {"imdb": ("negative", "positive"), "reuters": TOPICS}
START, UNKNOWN, RESERVED = 1, 2, 3  # Keras' start_char, oov_char and index_from; 0 is padding
BLOCK_ROWS = 500
BOSTON_COLUMNS = ("CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "B", "LSTAT")


@dataclass(frozen=True, eq=False)
class Source:
    """A file whose sha256 is known, in memory: what is parsed is what was hashed."""

    content: bytes
    sha256: str
    path: Path


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts as ranks of words, end to end: 4 bytes a word instead of a Python object each.

    The ranks of all texts lie one after the other, 1 the most frequent word: int32, shape (words in all,). The starts
    say where each text starts in them, and the end of the last: int64, shape (texts + 1,).
    """

    ranks: NDArray[np.int32]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]] | NDArray[Any]) -> "Texts":
        """From one list of ranks a text."""
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        return cls(np.fromiter(chain.from_iterable(lists), np.int32, int(starts[-1])), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, text: int) -> NDArray[np.int32]:
        """Ranks of one text in their order."""
        return self.ranks[self.starts[text] : self.starts[text + 1]]


@dataclass(frozen=True, eq=False)
class Part:
    """Training or test part of a set of texts: the texts, the order of their rows, and a label a row."""

    texts: Texts
    order: NDArray[np.int64]
    labels: NDArray[np.int32]


def load(spec: DatasetSpec, task: Task | None, places: Places) -> Dataset:
    """Load ``imdb`` (binary), ``reuters`` (46 topics) or ``boston_housing`` (regression).

    Texts as multi-hot words, uint8, shape (samples, words); Boston as float32, shape (404, 13), targets in 1000 USD.
    Raises ``DataError`` where the file cannot be had, is not the known one, or an option is wrong.
    """
    actual = task_of(spec, TASKS, task)
    if actual is Task.REGRESSION:
        return _boston(spec, _find(spec.name, places))
    columns = option(spec, "words", Whole(RESERVED + 1, VOCABULARIES[spec.name] + RESERVED + 1))
    source = _find(spec.name, places)
    identity = {"source": spec.source, "name": spec.name, "sha256": source.sha256, "words": columns}

    def build(folder: Path) -> Description:
        for prefix, part in _parts(spec.name, source):
            rows = len(part.order)
            blocks = multi_hot(part.texts, part.order, columns)
            write_array(folder, f"{prefix}inputs", blocks, dtype=np.uint8, shape=(rows, columns))
            write_arrays(folder, {f"{prefix}targets": part.labels})
        return Description(actual, CLASSES[spec.name], (), {"vocabulary": f"{columns} word indices, multi-hot"})

    entry = cached(places.cache_dir, spec.name, identity, build)
    return entry.dataset(spec.name, source.sha256, str(source.path))


def multi_hot(texts: Texts, order: NDArray[Any], words: int) -> Iterator[NDArray[np.uint8]]:
    """The texts in the given order as blocks of rows, uint8, each (up to ``BLOCK_ROWS``, words).

    Column i is 1 where index i occurs in the text as Keras encodes it, so column 1 (start mark) is 1 everywhere and
    columns 0 and 3 nowhere: kept, because the documented figures were measured with them. As in Keras
    (``index_from=3``, ``oov_char=2``), a rank r has index r + 3, and an index of ``words`` or more becomes 2.
    """
    for first in range(0, len(order), BLOCK_ROWS):
        chosen = order[first : first + BLOCK_ROWS]
        block = np.zeros((len(chosen), words), np.uint8)
        block[:, START] = 1
        ranks = [texts.row(text) for text in chosen]
        rows = np.repeat(np.arange(len(chosen)), [len(row) for row in ranks])
        columns = np.concatenate(ranks) + np.int32(RESERVED)
        block[rows, np.where(columns < words, columns, np.int32(UNKNOWN))] = 1
        yield block


def read_texts(name: str, split: str, places: Places) -> Part:
    """The texts behind the rows of ``imdb`` or ``reuters``, as ranks of words; ``split`` is ``train`` or ``test``.

    Raises ``DataError`` as ``load``.
    """
    parts = _parts(name, _find(name, places))
    return next(part for prefix, part in parts if prefix == ("" if split == "train" else "test_"))


def find_word_index(name: str, places: Places) -> Path:
    """The file with the rank of every word, from where the data set itself comes from.

    Raises ``DataError`` where it is neither here nor to be had.
    """
    file_name = f"{name}_word_index.json"
    paths = _places_of(file_name, places)
    if (found := next((path for path in paths if path.is_file()), None)) is not None:
        return found
    try:
        return downloads.download_keras_file(file_name, URL + file_name, WORD_INDICES[name], places.download_seconds)
    except downloads.ChildError as error:
        looked = ", ".join(map(str, paths))
        raise DataError(f"{file_name} is not on this machine (looked for {looked}): {error}.") from error


def _boston(spec: DatasetSpec, source: Source) -> Dataset:
    with _archive(source) as arrays:
        x, y = arrays["x"].astype(np.float32), arrays["y"].astype(np.float32)
    train, test = _split(len(x), np.random.RandomState(SEED))
    return Dataset(
        spec.name,
        Task.REGRESSION,
        *(x[train], y[train], x[test], y[test]),
        classes=(),
        features=BOSTON_COLUMNS,
        sha256=source.sha256,
        source=str(source.path),
        details={"target": "median value of a house in 1000 USD"},
    )


def _parts(name: str, source: Source) -> Iterator[tuple[str, Part]]:
    """Training part, then test part, so that only one part's Python lists are in memory at a time."""
    random = np.random.RandomState(SEED)
    with _archive(source) as arrays:
        if name == "imdb":
            # One generator shuffles both parts in turn, as in Keras: the test part does not start at the seed.
            for prefix, split in (("", "train"), ("test_", "test")):
                texts = Texts.of(arrays[f"x_{split}"])
                order = random.permutation(len(texts))
                yield prefix, Part(texts, order, arrays[f"y_{split}"][order].astype(np.int32))
        else:
            texts = Texts.of(arrays["x"])
            for prefix, order in zip(("", "test_"), _split(len(texts), random), strict=True):
                yield prefix, Part(texts, order, arrays["y"][order].astype(np.int32))


def _split(count: int, random: np.random.RandomState) -> list[NDArray[np.int64]]:
    """Shuffled row numbers, cut into training and test."""
    return np.split(random.permutation(count), [int(count * TRAIN_SHARE)])


def _archive(source: Source) -> np.lib.npyio.NpzFile:
    """Open arrays, pickles included, of a source; the type says that its sha256 was found in ``KNOWN_FILES``."""
    archive: np.lib.npyio.NpzFile = np.load(io.BytesIO(source.content), allow_pickle=True)
    return archive


def _find(name: str, places: Places) -> Source:
    """The data set's file: in the data folder, in Keras' folder, or downloaded."""
    file_name = f"{name}.npz"
    looked = _places_of(file_name, places)
    *wanted, kept = looked
    if (path := next((path for path in wanted if path.exists()), None)) is not None:
        return _known(name, path)
    complaint = ""
    if kept.exists():
        try:
            return _known(name, kept)
        except DataError as error:  # as Keras does with a file that is not the hosted one: download it again
            complaint = f" ({error})"
    try:
        path = downloads.download_keras_file(file_name, URL + file_name, KNOWN_FILES[name][0], places.download_seconds)
    except downloads.ChildError as error:
        remedy = f"Put the file of {URL}{file_name} at {looked[0]}."
        raise downloads.unavailable(name, looked, f"{error}{complaint}", remedy) from error
    return _known(name, path)


def _places_of(file_name: str, places: Places) -> list[Path]:
    """Where a file may lie: in the data folder, and last in Keras' own."""
    return [*places.within("keras", file_name), downloads.keras_folder("datasets") / file_name]


def _known(name: str, path: Path) -> Source:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 not in KNOWN_FILES[name]:
        raise DataError(
            f"{path} is not the {name} file that is known: its sha256 is {sha256} ({len(content)} bytes), expected "
            f"{' or '.join(KNOWN_FILES[name])}. It is damaged or another file, and was not opened; remove it, or put "
            f"the file of {URL}{name}.npz in its place."
        )
    return Source(content, sha256, path)
