"""Rows of one file: inputs, target, and what says who and when; and what is done about missing values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.datasets.options import FILLING
from pipelines.datasets.user_file.encoding import dates_of, numbers_of
from pipelines.errors import DataError


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one file.

    Attributes
    ----------
    inputs
        A data frame of columns still to be encoded, or an array (rows, *features) of uint8 or float32.
    target
        The values to predict as they are in the file, shape (rows,).
    where
        The file, for errors.
    first_line
        Line of the first row, counted from 1; None where the file has no lines.
    group, order
        Columns that say which rows belong together, and which come after which; None for none.
    forms
        How texts were written that were turned into numbers or dates, see ``contents``.
    """

    inputs: pd.DataFrame | NDArray[Any]
    target: "pd.Series[Any]"
    where: str
    first_line: int | None = None
    group: "pd.Series[Any] | None" = None
    order: "pd.Series[Any] | None" = None
    forms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: NDArray[Any]) -> "Rows":
        """The chosen rows, given by number; they are in no line of the file any more."""
        inputs = self.inputs[rows] if isinstance(self.inputs, np.ndarray) else self.inputs.iloc[rows]
        group = None if self.group is None else self.group.iloc[rows]
        order = None if self.order is None else self.order.iloc[rows]
        target = self.target.iloc[rows]
        return replace(self, inputs=inputs, target=target, group=group, order=order, first_line=None)

    def gaps(self) -> dict[str, NDArray[np.bool_]]:
        """For each column with missing values (and ``the inputs`` of an array), which rows they are in."""
        if isinstance(self.inputs, np.ndarray):
            found = {}
            if self.inputs.dtype.kind == "f":
                found = {"the inputs": np.isnan(self.inputs).reshape(len(self), -1).any(axis=1)}
        else:
            found = {str(name): self.inputs[name].isna().to_numpy() for name in self.inputs.columns}
        for series in (self.target, self.group, self.order):
            if series is not None:
                found[str(series.name)] = series.isna().to_numpy()
        return {name: rows for name, rows in found.items() if rows.any()}

    def groups(self) -> NDArray[np.int32] | None:
        """Number of each row's group."""
        return None if self.group is None else pd.factorize(self.group)[0].astype(np.int32)

    def times(self) -> NDArray[np.int32] | None:
        """Place of each row in time, equal ones at the same time.

        Raises ``DataError`` where the column holds texts that are no dates.
        """
        if self.order is None:
            return None
        values: NDArray[Any]
        try:
            form = self.forms.get(str(self.order.name), {}).get("form")
            is_date = form is not None or self.order.dtype.kind == "M"
            values = dates_of(self.order, form or "") if is_date else numbers_of(self.order)
        except ValueError as error:
            raise DataError(
                f"The column {self.order.name!r} of {self.where}, named by the option 'order', says no order: {error} "
                "Numbers and dates do."
            ) from error
        return np.unique(values, return_inverse=True)[1].astype(np.int32)


def treat_missing(rows: Rows, missing: str) -> tuple[Rows, int]:
    """Refuse missing values, or drop their rows, or leave those of the inputs to the encoding to fill in.

    Parameters
    ----------
    missing
        One of ``options.MISSING``.

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
    counts = counted_columns({name: int(where.sum()) for name, where in gaps.items()})
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
    never = [("target", rows.target), ("group", rows.group), ("order", rows.order)]
    for meaning, series in never:
        if missing in FILLING and series is not None and str(series.name) in gaps:
            count = int(gaps[str(series.name)].sum())
            raise DataError(
                f"The {meaning} {series.name!r} of {rows.where} is missing in {count} rows; a {meaning} is never "
                "filled in. Set the option 'missing' to drop, or remove those rows."
            )
    return rows, 0


def refuse_infinite(rows: Rows) -> None:
    """Raise ``DataError`` where columns of a table have infinite values, all of them with their counts."""
    if isinstance(rows.inputs, np.ndarray):
        return
    counts = {}
    most = float(np.finfo(np.float32).max)
    for name in rows.inputs.columns:
        series = rows.inputs[name]
        if series.dtype.kind == "f":
            values = series.to_numpy(dtype=np.float64, na_value=np.nan)
            if infinite := int(np.sum(np.abs(values) > most)):
                counts[str(name)] = infinite
    if counts:
        raise DataError(
            f"{rows.where} has values that are infinite or too large for 32-bit numbers: {counted_columns(counts)}. "
            "Mend them, or leave the columns out with the option 'exclude'."
        )


def counted_columns(counts: Mapping[str, int]) -> str:
    """Columns and counts for an error: ``'age' (3), 'fare' (1)``, the first 20 of them."""
    shown = ", ".join(f"{name!r} ({count})" for name, count in list(counts.items())[:20])
    return shown + (f" and {len(counts) - 20} more columns" if len(counts) > 20 else "")
