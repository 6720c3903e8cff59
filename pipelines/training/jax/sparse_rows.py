"""Rows that are mostly zeros, such as multi-hot words, kept as lists of their columns that are one.

A dense layer on 10,000 words, of which a text has a hundred, multiplies by zero ninety-nine times in a hundred. On a
CPU it is several times faster to add up the kernel's rows that a text names, and the data are twenty times smaller.
For the most frequent words the dense product stays the faster one: the first columns, which are the frequent ones
where words are numbered by rank, are kept dense.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental.sparse import BCOO
from numpy.typing import NDArray

from pipelines.networks.fast_layers import BLOCK

#: Share of ones above which rows count as dense.
_DENSEST = 0.05
#: Work of an entry in a list, in units of the work of a place in a dense row (measured: benchmarks/engine_modes.py).
_ENTRY_COST = 25.0
_BLOCK_ROWS = 1024


class SparseRows(NamedTuple):
    """All samples of a data set, in the host's memory or on the device.

    Attributes
    ----------
    frequent
        The first columns, dense: (samples, frequent columns) uint8.
    starts, columns
        ``columns[starts[i]:starts[i + 1]]`` are the other columns in which row ``i`` is one; int32.
    """

    frequent: Any
    starts: Any
    columns: Any

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Entries of each row, the frequent columns left out; in the host's memory only."""
        return np.diff(self.starts)


def sparse_rows(inputs: NDArray[Any]) -> SparseRows | None:
    """Rows, (samples, features), as lists, where they are 0 or 1 and mostly 0; None for other rows.

    Read in blocks, for the rows may be a memory map larger than the memory it should take.
    """
    if inputs.ndim != 2 or inputs.dtype != np.uint8 or not len(inputs):
        return None
    counts, owners, columns = np.zeros(inputs.shape[1], np.int64), [], []
    for first in range(0, len(inputs), _BLOCK_ROWS):
        block = np.ascontiguousarray(inputs[first : first + _BLOCK_ROWS])
        if block.max() > 1:
            return None
        places = np.flatnonzero(block.view(np.bool_))  # several times faster on booleans
        if len(places) > _DENSEST * block.size:
            return None
        rows, found = np.divmod(places, inputs.shape[1])
        counts += np.bincount(found, minlength=inputs.shape[1])
        owners.append((rows + first).astype(np.int32))
        columns.append(found.astype(np.int32))
    split = _frequent_columns(counts, len(inputs))
    owner, column = np.concatenate(owners), np.concatenate(columns)
    is_rare = column >= split
    lengths = np.bincount(owner[is_rare], minlength=len(inputs))
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    # One entry more, so that there is something to point at where no row has any.
    rare = np.append(column[is_rare], np.int32(split))
    return SparseRows(np.ascontiguousarray(inputs[:, :split]), starts, rare)


def _frequent_columns(counts: NDArray[np.int64], samples: int) -> int:
    """How many of the first columns are cheaper dense."""
    saved = np.cumsum(counts * _ENTRY_COST - samples)
    return int(np.argmax(saved)) + 1 if saved.max() > 0 else 0


def capacity_of(lengths: NDArray[np.integer[Any]], batch_size: int) -> int:
    """Entries that a batch of randomly chosen rows hardly ever exceeds: five deviations above the mean."""
    spread = 5 * float(lengths.std()) * math.sqrt(batch_size)
    return rounded(int(batch_size * float(lengths.mean()) + spread))


def rounded(entries: int) -> int:
    """Room for so many entries, in whole blocks; plans that differ little then share a program."""
    return -(-max(entries, 1) // BLOCK) * BLOCK


def batch_of(data: SparseRows, rows: Array, capacity: int, features: int) -> list[Array | BCOO]:
    """The given rows: the frequent columns, (rows, frequent) float32, and the others as a sparse (rows, features).

    There is room for ``capacity`` entries; what is left over is filled with zeros in the last row.
    """
    size = rows.shape[0]
    starts = data.starts.at[rows].get(mode="promise_in_bounds")
    lengths = data.starts.at[rows + 1].get(mode="promise_in_bounds") - starts
    ends = jnp.cumsum(lengths)
    # The row of entry e is the number of rows that end at e or before.
    owner = jnp.cumsum(jnp.zeros(capacity, jnp.int32).at[ends].add(1, mode="drop"))
    is_real = owner < size
    owner = jnp.minimum(owner, size - 1)
    position = jnp.arange(capacity, dtype=jnp.int32)
    position += (starts - (ends - lengths)).at[owner].get(mode="promise_in_bounds")
    position = jnp.minimum(position, data.columns.shape[0] - 1)
    columns = data.columns.at[position].get(mode="promise_in_bounds")
    indices = jnp.stack([owner, columns], axis=1)
    frequent = data.frequent.at[rows].get(mode="promise_in_bounds").astype(jnp.float32)
    return [frequent, BCOO((is_real.astype(jnp.float32), indices), shape=(size, features))]
