"""Texts as multi-hot words: one uint8 column a word, 1 where the text has it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

START, UNKNOWN, RESERVED = 1, 2, 3  # Keras' start_char, oov_char and index_from; 0 is padding
BLOCK_ROWS = 500


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts as ranks of words, end to end: 4 bytes a word instead of a Python object each.

    Attributes
    ----------
    ranks
        Ranks of all texts, one after the other, 1 the most frequent word; int32, shape (words in all,).
    starts
        Where each text starts in ``ranks``, and the end of the last; int64, shape (texts + 1,).
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
        block[rows, _columns(np.concatenate(ranks), words)] = 1
        yield block


def _columns(ranks: NDArray[np.int32], words: int) -> NDArray[np.int32]:
    columns = ranks + np.int32(RESERVED)
    return np.where(columns < words, columns, np.int32(UNKNOWN))
