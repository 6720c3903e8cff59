"""How a data set travels to another process: files by their path, other arrays once, the test split not at all."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset


@dataclass(frozen=True)
class MappedArray:
    """Where the values of an array lie in a file.

    Attributes
    ----------
    path, offset
        The file, and the byte in it where the values begin.
    dtype, shape
        Of the array, which is in C order.
    """

    path: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, array: NDArray[Any]) -> "MappedArray | None":
        """The place in its file of a memory map, or of a contiguous part of one; None for any other array."""
        if not isinstance(array, np.memmap) or array.filename is None or not array.flags.c_contiguous or not array.size:
            return None
        # A part of a map keeps the offset of the whole; where it really begins, the addresses tell.
        whole = array
        while isinstance(whole.base, np.memmap):
            whole = whole.base
        distance = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        return cls(Path(array.filename), whole.offset + distance, array.dtype.str, array.shape)

    def open(self) -> NDArray[Any]:
        """The array, read-only, mapped again."""
        return np.memmap(self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=self.shape)


@dataclass(frozen=True, eq=False)
class PackedDataset:
    """A data set without its test split, and with inputs that are a memory map replaced by their place in the file."""

    dataset: Dataset
    inputs: MappedArray | None

    @classmethod
    def of(cls, dataset: Dataset) -> "PackedDataset":
        """Take out what need not travel; the test split is touched by the final model only."""
        inputs = MappedArray.of(dataset.inputs)
        return cls(
            replace(
                dataset,
                inputs=dataset.inputs if inputs is None else np.empty(0),
                test_inputs=np.empty((0, *dataset.input_shape), dataset.inputs.dtype),
                test_targets=np.empty(0, dataset.targets.dtype),
            ),
            inputs,
        )

    def unpack(self) -> Dataset:
        """The data set as it was, but for the test split."""
        return self.dataset if self.inputs is None else replace(self.dataset, inputs=self.inputs.open())
