"""A fixed test split for sources that come without one."""

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Task
from pipelines.errors import DataError

TEST_FRACTION = 0.2
SEED = 1  # never the sweep's: the test rows must be the same ones whatever is varied


def split_off_test(
    targets: NDArray[np.generic], task: Task, fraction: float, name: str, classes: tuple[str, ...] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows for training and rows for the test, each in the order of the source; stratified for a classification.

    Parameters
    ----------
    targets
        Shape (samples,).
    fraction
        Share of the rows for the test, above 0 and below 1.
    name, classes
        Of the data set and of its classes, for the errors.

    Raises
    ------
    DataError
        Where there are too few rows, or rows of a class, for both parts.
    """
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(targets))
    wanted = round(len(rows) * fraction)
    if not 1 <= wanted < len(rows):
        raise DataError(f"Data set {name!r} has {len(rows)} rows: a test split of {fraction:g} leaves a part empty.")
    labels = None
    if task.is_classification:
        labels, counts = np.unique(targets, return_counts=True)
        if min(counts) < 2:
            label = labels[int(np.argmin(counts))]
            shown = classes[int(label)] if classes else label
            raise DataError(
                f"Class {shown!r} of data set {name!r} has 1 row; a test split needs 2 or more of every class."
            )
        if min(wanted, len(rows) - wanted) < len(labels):
            raise DataError(
                f"A test split of {fraction:g} of the {len(rows)} rows of data set {name!r} has too few rows for its "
                f"{len(labels)} classes."
            )
        labels = targets
    train, test = train_test_split(rows, test_size=wanted, random_state=SEED, stratify=labels)
    return np.sort(train), np.sort(test)
