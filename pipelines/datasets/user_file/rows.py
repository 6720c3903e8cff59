"""Rows of a user's data before they are encoded: inputs (a table or an array) beside their targets."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.user_file.columns import FILLING, counted
from pipelines.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one file.

    Attributes
    ----------
    inputs
        A data frame of columns still to be encoded, or an array (rows, *features) of uint8 or float32.
    target
        The values to predict, shape (rows,), as they are in the file.
    where
        The file they came from, for errors.
    """

    inputs: "pd.DataFrame | NDArray[Any]"
    target: "pd.Series[Any]"
    where: str

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: NDArray[Any]) -> "Rows":
        """The chosen rows, given by number."""
        inputs = self.inputs[rows] if isinstance(self.inputs, np.ndarray) else self.inputs.iloc[rows]
        return Rows(inputs, self.target.iloc[rows], self.where)

    def gaps(self) -> dict[str, NDArray[np.bool_]]:
        """For each column with missing values (and ``the inputs`` of an array), which rows they are in."""
        if isinstance(self.inputs, np.ndarray):
            found = {"the inputs": np.isnan(self.inputs).reshape(len(self), -1).any(axis=1)}
        else:
            found = {str(name): self.inputs[name].isna().to_numpy() for name in self.inputs.columns}
        found[str(self.target.name)] = self.target.isna().to_numpy()
        return {name: rows for name, rows in found.items() if rows.any()}


def treat_missing(rows: Rows, missing: str) -> tuple[Rows, int]:
    """Refuse missing values, or drop their rows, or leave those of the inputs to the encoder to fill in.

    Parameters
    ----------
    missing
        One of ``columns.MISSING``.

    Returns
    -------
    The rows, and how many were dropped.

    Raises
    ------
    DataError
        Naming the columns with missing values and their counts; and where dropping leaves nothing.
    """
    gaps = rows.gaps()
    if not gaps:
        return rows, 0
    counts = counted({name: int(where.sum()) for name, where in gaps.items()})
    target = str(rows.target.name)
    if missing == "refuse":
        raise DataError(
            f"{rows.where} has missing values: {counts}. Set the option 'missing' to drop (their rows), mean, median "
            "or most_frequent, or mend the file."
        )
    if missing == "drop":
        keep = ~np.any(list(gaps.values()), axis=0)
        if not keep.any():
            raise DataError(f"{rows.where} has missing values in every row ({counts}): nothing is left to learn from.")
        return rows.take(np.flatnonzero(keep)), int((~keep).sum())
    if missing in FILLING and target in gaps:
        raise DataError(
            f"The target {target!r} of {rows.where} is missing in {int(gaps[target].sum())} rows; a target is never "
            "filled in. Set the option 'missing' to drop, or remove those rows."
        )
    return rows, 0


def rows_of_arrays(inputs: NDArray[Any], target: NDArray[Any], names: tuple[str, str], where: str) -> Rows:
    """Rows of two arrays, the inputs in their compact form.

    Parameters
    ----------
    inputs, target
        Shapes (rows, *features) or (rows,), and (rows,) or (rows, 1).
    names
        Of the two arrays.

    Raises
    ------
    DataError
        Where the shapes do not belong together, or the inputs are no numbers, or infinite.
    """
    import pandas as pd

    if inputs.ndim == 0 or target.ndim == 0 or len(inputs) != len(target) or len(inputs) == 0:
        raise DataError(
            f"{where}: the inputs {names[0]!r} have shape {inputs.shape} and the targets {names[1]!r} {target.shape}; "
            "both need the same number of rows, at least one."
        )
    if target.size != len(target):
        raise DataError(f"{where}: the targets {names[1]!r} have shape {target.shape}; one value a row is needed.")
    if inputs.dtype.kind not in "buif":
        raise DataError(f"{where}: the inputs {names[0]!r} are of type {inputs.dtype}, not numbers.")
    if inputs.ndim == 1:
        inputs = inputs[:, np.newaxis]
    if inputs.dtype in (np.bool_, np.uint8):
        compact: NDArray[Any] = inputs.astype(np.uint8)
    else:
        with np.errstate(over="ignore"):
            compact = inputs.astype(np.float32)
        infinite = int(np.isinf(compact).sum())
        if infinite:
            raise DataError(
                f"{where}: the inputs {names[0]!r} have {infinite} values that are infinite or too large for 32-bit "
                "numbers."
            )
    targets = pd.Series(target.reshape(-1), name=names[1])
    return Rows(compact, targets, where)
