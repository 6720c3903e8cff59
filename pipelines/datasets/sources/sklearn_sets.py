"""The ``sklearn`` source: small sets that come with scikit-learn and so run anywhere, without a download.

They have no test split of their own; a fixed, stratified fifth of the rows is set aside. No options.
"""

import hashlib

import numpy as np

from pipelines.datasets.base import Dataset, DatasetSpec, Task
from pipelines.datasets.options import OPTIONS, check_name, check_options, check_task
from pipelines.datasets.places import Places
from pipelines.datasets.sources.splitting import TEST_FRACTION, split_off_test

TASKS = {"digits": Task.MULTICLASS, "breast_cancer": Task.BINARY, "diabetes": Task.REGRESSION}


def load(spec: DatasetSpec, task: Task | None, places: Places) -> Dataset:
    """Load ``digits`` (8 x 8 images, 0 to 16), ``breast_cancer`` (30 columns) or ``diabetes`` (10 columns, unscaled).

    Returns
    -------
    Digits as uint8, shape (samples, 8, 8, 1); the tables as float32, shape (samples, columns).

    Raises
    ------
    DataError
        Where the name, an option or the stated task is wrong.
    """
    import sklearn
    from sklearn import datasets

    check_name(spec, TASKS)
    check_options(spec, OPTIONS[spec.source])
    actual = TASKS[spec.name]
    check_task(spec, task, actual)
    features: tuple[str, ...] = ()
    if spec.name == "digits":
        bunch = datasets.load_digits()
        inputs = bunch.images[..., np.newaxis].astype(np.uint8)
    elif spec.name == "breast_cancer":
        bunch = datasets.load_breast_cancer()
        inputs, features = bunch.data.astype(np.float32), tuple(str(name) for name in bunch.feature_names)
    else:
        # The scaled form was scaled with all rows, those of the test included.
        bunch = datasets.load_diabetes(scaled=False)
        inputs, features = bunch.data.astype(np.float32), tuple(bunch.feature_names)
    targets = bunch.target.astype(np.int32 if actual.is_classification else np.float32)
    classes = tuple(str(name) for name in bunch.target_names) if actual.is_classification else ()
    train, test = split_off_test(targets, actual, TEST_FRACTION, spec.name, classes)
    return Dataset(
        name=spec.name,
        task=actual,
        inputs=inputs[train],
        targets=targets[train],
        test_inputs=inputs[test],
        test_targets=targets[test],
        classes=classes,
        features=features,
        sha256=hashlib.sha256(inputs.tobytes() + targets.tobytes()).hexdigest(),
        source=f"scikit-learn {sklearn.__version__}",
        details={"test": f"a fixed {'stratified ' if actual.is_classification else ''}split of {TEST_FRACTION:.0%}"},
    )
