"""The static shape of an epoch: how many batches, and what is left over, for fits of slightly different size.

A compiled program needs one shape for all its fits, but k folds of n rows differ in size by a row when k does not
divide n, and the last batch of an epoch is mostly not full. Either the last batch is padded, and the padding masked, or
it is a further step of its own, exact size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.training.plan import Fit, epoch_order


@dataclass(frozen=True)
class EpochLayout:
    """Steps of one epoch.

    Attributes
    ----------
    batch_size, steps
        Every fit has ``steps`` batches of ``batch_size`` rows.
    tail
        Size of one further, smaller batch; 0 for none.
    masked
        Whether some rows of the last of the ``steps`` are padding.
    idle
        Whether that step is all padding for some fit, which must then not move.
    """

    batch_size: int
    steps: int
    tail: int
    masked: bool
    idle: bool

    @property
    def width(self) -> int:
        """Rows of one epoch, padding included."""
        return self.steps * self.batch_size + self.tail

    @classmethod
    def padded(cls, sizes: Sequence[int], batch_size: int) -> "EpochLayout":
        """For fits with these numbers of training rows: one shape of batch, so the step is compiled once."""
        batch_size = min(batch_size, max(sizes))
        steps = -(-max(sizes) // batch_size)
        masked = any(size != steps * batch_size for size in sizes)
        return cls(batch_size, steps, 0, masked=masked, idle=min(sizes) <= (steps - 1) * batch_size)

    @classmethod
    def exact(cls, size: int, batch_size: int) -> "EpochLayout":
        """For fits of one size and layers that look at the whole batch: the last batch has its true size."""
        steps, tail = divmod(size, batch_size)
        return cls(batch_size, steps, tail, masked=False, idle=False)


def epoch_layout(fits: Sequence[Fit], batch_size: int, *, pads: bool) -> EpochLayout:
    """Batches of an epoch: padded to the longest fit where no layer looks at the whole batch, else of their true size.

    Padded, the step is in the program once; fits that are not padded together have the size of the first.
    """
    sizes = [len(fit.train) for fit in fits]
    return EpochLayout.padded(sizes, batch_size) if pads else EpochLayout.exact(sizes[0], batch_size)


def epoch_rows(fits: Sequence[Fit], epochs: range, layout: EpochLayout) -> NDArray[np.int32]:
    """Row numbers in the order in which each fit visits them, int32, shape (fits, epochs, layout.width).

    The padding repeats row 0.
    """
    rows = np.zeros((len(fits), len(epochs), layout.width), np.int32)
    for of_fit, fit in zip(rows, fits, strict=True):
        count = len(fit.train)
        for of_epoch, epoch in zip(of_fit, epochs, strict=True):
            of_epoch[:count] = fit.train[epoch_order(fit.seed, epoch, count)]
    return rows


def evaluation_rows(fits: Sequence[Fit], chunk: int) -> NDArray[np.int32]:
    """Validation rows cut into chunks of at most ``chunk``, int32, shape (fits, chunks, rows of a chunk).

    The padding repeats row 0. Zero chunks without validation rows.
    """
    largest = max(len(fit.validation) for fit in fits)
    chunks = -(-largest // chunk)
    size = -(-largest // chunks) if chunks else 0
    rows = np.zeros((len(fits), chunks * size), np.int32)
    for index, fit in enumerate(fits):
        rows[index, : len(fit.validation)] = fit.validation
    return rows.reshape(len(fits), chunks, size)
