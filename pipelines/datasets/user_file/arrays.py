"""Arrays of an NPZ file as rows: read without running what is in it, checked, in their compact form."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.datasets.user_file.rows import Rows
from pipelines.errors import DataError


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an NPZ file by name; arrays of Python objects are refused, since opening those can run code.

    Raises ``DataError`` where it is no whole NPZ file, or holds Python objects.
    """
    name = ""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is not an .npz archive of named arrays; write it with numpy.savez.")
            arrays = {}
            for name in archive.files:
                arrays[name] = archive[name]
    except (ValueError, OSError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        where = f" (array {name!r})" if name else ""
        if "allow_pickle" in str(error) and name:
            raise DataError(
                f"{path}{where} holds Python objects, which can run code when they are opened; only arrays of numbers, "
                "booleans and texts are read."
            ) from error
        if "allow_pickle" in str(error):  # NumPy takes anything that it does not know for a pickle
            raise DataError(f"{path} is not an .npz file; write it with numpy.savez.") from error
        raise DataError(f"{path}{where} cannot be read, it is damaged or not an .npz file: {error}.") from error
    if not arrays:
        raise DataError(f"{path} holds no arrays.")
    return arrays


def rows_of_arrays(inputs: NDArray[Any], target: NDArray[Any], names: tuple[str, str], where: str) -> Rows:
    """Rows of two arrays, the inputs in their compact form.

    Parameters
    ----------
    inputs, target
        Shapes (rows, *features) or (rows,), and (rows,) or (rows, 1). Grey images, shape (rows, height, width), get the
        axis of channels that convolutions want.
    names
        Of the two arrays.

    Raises
    ------
    DataError
        Where the shapes do not belong together, or the inputs are no numbers, or infinite.
    """
    if inputs.ndim == 0 or target.ndim == 0 or len(inputs) != len(target) or len(inputs) == 0:
        raise DataError(
            f"{where}: the inputs {names[0]!r} have shape {inputs.shape} and the targets {names[1]!r} {target.shape}; "
            "both need the same number of rows, at least one."
        )
    if target.size != len(target):
        raise DataError(f"{where}: the targets {names[1]!r} have shape {target.shape}; one value a row is needed.")
    if inputs.dtype.kind not in "buif":
        raise DataError(f"{where}: the inputs {names[0]!r} are of type {inputs.dtype}, not numbers.")
    if inputs.ndim in (1, 3):
        inputs = inputs[..., np.newaxis]
    if inputs.dtype in (np.bool_, np.uint8):
        compact: NDArray[Any] = inputs.astype(np.uint8)
    else:
        with np.errstate(over="ignore"):
            compact = inputs.astype(np.float32)
        if infinite := int(np.isinf(compact).sum()):
            raise DataError(
                f"{where}: the inputs {names[0]!r} have {infinite} values that are infinite or too large for 32-bit "
                "numbers."
            )
    return Rows(compact, pd.Series(target.reshape(-1), name=names[1]), where)
