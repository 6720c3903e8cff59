"""The words behind multi-hot rows, for people to read: reviews and newswires as text again."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import DatasetSpec
from pipelines.datasets.places import Places
from pipelines.datasets.sources import keras_sets
from pipelines.errors import DataError

#: Sets of texts.
NAMES = tuple(keras_sets.WORD_INDICES)
WORDS_SHOWN = 120
#: The file of word ranks is small; nobody should wait long for something that is only shown.
DOWNLOAD_SECONDS = 60.0


def has_texts(spec: DatasetSpec) -> bool:
    """Whether the rows of a data set stand for texts that can be read."""
    return spec.source == "keras" and spec.name in NAMES


def decoded_texts(
    spec: DatasetSpec,
    rows: Iterable[int],
    split: Literal["train", "test"],
    places: Places,
    *,
    words: int = WORDS_SHOWN,
) -> tuple[dict[int, str], str]:
    """The first words of some texts.

    A word that the network does not see, since its rank lies beyond the vocabulary of the exercise (option ``words``),
    stands in [brackets]; one that the file of ranks does not name is ``[?]``.

    Parameters
    ----------
    spec
        A data set for which ``has_texts`` holds.
    rows
        Row numbers within the split, as in the loaded data set.
    places
        Where the data set was loaded from; the file of word ranks is looked for beside it, as Keras names it
        (``imdb_word_index.json``).
    words
        Words shown of each text; a longer one ends in an ellipsis.

    Returns
    -------
    Text by row, and a remark: why there are no texts (then there are none), else empty.
    """
    places = replace(places, download_seconds=min(places.download_seconds, DOWNLOAD_SECONDS))
    try:
        by_rank = _words_by_rank(keras_sets.find_word_index(spec.name, places))
        part = keras_sets.read_texts(spec.name, split, places)
    except DataError as error:
        return {}, f"The texts cannot be shown: {error}"
    # Keras' index of a word is its rank plus ``RESERVED``; the vocabulary counts indices.
    last_rank = int(spec.options.get("words", keras_sets.DEFAULT_WORDS)) - 1 - keras_sets.RESERVED
    ranks = {int(row): part.texts.row(int(part.order[row])) for row in rows}
    return {row: _text(found, by_rank, last_rank, words) for row, found in ranks.items()}, ""


def _text(ranks: NDArray[np.int32], by_rank: dict[int, str], last_rank: int, words: int) -> str:
    found = ((rank, by_rank.get(rank, "?")) for rank in ranks[:words].tolist())
    shown = (word if rank <= last_rank and word != "?" else f"[{word}]" for rank, word in found)
    return " ".join(shown) + (" …" if len(ranks) > words else "")


def _words_by_rank(path: Path) -> dict[int, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {int(rank): str(word) for word, rank in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{path} is not a list of words with their ranks: {error}.") from error
