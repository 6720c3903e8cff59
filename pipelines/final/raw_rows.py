"""Raw rows of a user's file: the few that go with the final model, and the classes as they are written there."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from pipelines.datasets.base import DatasetSpec
from pipelines.datasets.places import Places
from pipelines.datasets.user_file.encoding import RowsError, as_text, columns_of, encode
from pipelines.datasets.user_file.settings import read_settings
from pipelines.datasets.user_file.source import read_new_rows

Rows = pd.DataFrame | NDArray[Any]
#: Rows among which those without gaps are looked for.
_LOOKED_THROUGH = 10_000


def read_rows(spec: DatasetSpec, encoding: Mapping[str, Any], places: Places) -> Rows:
    """All rows of the training file, as the user wrote them; raises ``DataError`` where it cannot be read."""
    return read_new_rows(read_settings(spec, places).path, encoding, spec.options)[0]


def needed(encoding: Mapping[str, Any], rows: Rows, most: int) -> Rows:
    """The first rows that can be encoded, at most so many, with the columns that are inputs."""
    taken: Any = rows[[name for name, _ in columns_of(encoding)]] if isinstance(rows, pd.DataFrame) else rows
    try:
        encode(encoding, taken[:most])
    except RowsError:  # there are rows with gaps, which were dropped
        whole = taken[:_LOOKED_THROUGH]
        gaps = pd.isna(whole).to_numpy() if isinstance(whole, pd.DataFrame) else np.isnan(whole.reshape(len(whole), -1))
        taken = whole[~gaps.any(axis=1)]
    return taken[:most].reset_index(drop=True) if isinstance(taken, pd.DataFrame) else taken[:most]


def labels_of(classes: Sequence[str], target: "pd.Series[Any] | None") -> list[Any]:
    """Classes as the user wrote them: whole numbers, booleans or texts, as plain data.

    ``target`` is the column as it was read; None where there is none, and whole numbers are then taken for such.

    >>> labels_of(["0", "1"], pd.Series([0.0, 1.0])), labels_of(["0", "1"], pd.Series(["0", "1"]))
    ([0, 1], ['0', '1'])
    >>> labels_of(["False", "True"], pd.Series([True, False])), labels_of(["01", "2"], None)
    ([False, True], ['01', '2'])
    """
    if target is not None and types.is_bool_dtype(target.dropna().infer_objects()):
        return [name == "True" for name in classes]
    if target is not None and not types.is_numeric_dtype(target):
        return list(classes)
    try:
        numbers = [float(name) if "." in name else int(name) for name in classes]
    except ValueError:
        return list(classes)
    return numbers if list(map(as_text, numbers)) == list(classes) else list(classes)


def target_values(encoding: Mapping[str, Any], rows: Rows) -> "pd.Series[Any] | None":
    """The column that is predicted, where the rows have it."""
    name = encoding["target"]["name"]
    return rows[name] if isinstance(rows, pd.DataFrame) and name in rows.columns else None


def same(answered: NDArray[Any], expected: NDArray[Any], tolerance: float) -> bool:
    """Whether two arrays of outputs agree, in the units that they have."""
    spread = max(1.0, float(np.abs(expected).max(initial=0)))
    return bool(np.allclose(answered, expected, rtol=tolerance, atol=tolerance * spread))
