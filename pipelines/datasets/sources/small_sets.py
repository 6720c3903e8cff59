"""Small sets that run anywhere, without a file or a download.

The ``formula`` source has ``celsius``, where Fahrenheit = 1.8 Celsius + 32 is to be learned from a few points; without
the options ``points`` and ``range`` from the seven of the textbook.

The ``sklearn`` source has sets that come with scikit-learn. They have no test split of their own; a fixed, stratified
fifth of the rows is set aside.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from pipelines.datasets.base import Dataset, DatasetSpec, Task
from pipelines.datasets.folds import TEST_FRACTION, split_off_test
from pipelines.datasets.options import option, task_of
from pipelines.datasets.places import Places

SLOPE, INTERCEPT = 1.8, 32.0
TEXTBOOK_POINTS = (-40.0, -10.0, 0.0, 8.0, 15.0, 22.0, 38.0)
FORMULA_TASKS = {"celsius": Task.REGRESSION}
SKLEARN_TASKS = {"digits": Task.MULTICLASS, "breast_cancer": Task.BINARY, "diabetes": Task.REGRESSION}


def load_formula(spec: DatasetSpec, task: Task | None, places: Places) -> Dataset:
    """Make the points.

    The test points lie half-way between neighbouring training points and carry no noise, so the test error is the
    distance to the formula itself.

    Inputs in Celsius, float32, shape (points, 1); targets in Fahrenheit, float32, shape (points,). Raises ``DataError``
    where the name, an option or the stated task is wrong.
    """
    actual = task_of(spec, FORMULA_TASKS, task)
    celsius = np.array(TEXTBOOK_POINTS)
    if spec.options.keys() & {"points", "range"}:
        low, high = option(spec, "range")
        celsius = np.linspace(low, high, option(spec, "points"))
    noise, seed = option(spec, "noise"), option(spec, "seed")
    fahrenheit = _formula(celsius) + noise * np.random.default_rng(seed).standard_normal(len(celsius))
    between = (celsius[:-1] + celsius[1:]) / 2
    inputs, targets = celsius.astype(np.float32)[:, np.newaxis], fahrenheit.astype(np.float32)
    return Dataset(
        spec.name,
        actual,
        *(inputs, targets, between.astype(np.float32)[:, np.newaxis], _formula(between).astype(np.float32)),
        classes=(),
        features=("celsius",),
        sha256=hashlib.sha256(inputs.tobytes() + targets.tobytes()).hexdigest(),
        source=f"formula: fahrenheit = {SLOPE:g} celsius + {INTERCEPT:g}",
        details={"noise": f"standard deviation {noise:g} degrees Fahrenheit, seed {seed}"} if noise else {},
    )


def load_sklearn(spec: DatasetSpec, task: Task | None, places: Places) -> Dataset:
    """Load ``digits`` (8 x 8 images, 0 to 16), ``breast_cancer`` (30 columns) or ``diabetes`` (10 columns, unscaled).

    Digits as uint8, shape (samples, 8, 8, 1); the tables as float32, shape (samples, columns). Raises ``DataError``
    where the name, an option or the stated task is wrong.
    """
    import sklearn
    from sklearn import datasets

    actual = task_of(spec, SKLEARN_TASKS, task)
    # The scaled form of the diabetes set was scaled with all rows, those of the test included.
    bunch = getattr(datasets, f"load_{spec.name}")(**({"scaled": False} if spec.name == "diabetes" else {}))
    features: tuple[str, ...] = ()
    if spec.name == "digits":
        inputs = bunch.images[..., np.newaxis].astype(np.uint8)
    else:
        inputs, features = bunch.data.astype(np.float32), tuple(map(str, bunch.feature_names))
    targets = bunch.target.astype(np.int32 if actual.is_classification else np.float32)
    classes = tuple(str(name) for name in bunch.target_names) if actual.is_classification else ()
    train, test = split_off_test(targets, actual, TEST_FRACTION, name=spec.name, classes=classes)
    return Dataset(
        spec.name,
        actual,
        *(inputs[train], targets[train], inputs[test], targets[test]),
        classes=classes,
        features=features,
        sha256=hashlib.sha256(inputs.tobytes() + targets.tobytes()).hexdigest(),
        source=f"scikit-learn {sklearn.__version__}",
        details={"test": f"a fixed {'stratified ' if actual.is_classification else ''}split of {TEST_FRACTION:.0%}"},
    )


def _formula(celsius: NDArray[np.float64]) -> NDArray[np.float64]:
    return SLOPE * celsius + INTERCEPT
