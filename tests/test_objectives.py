"""Scores that need all rows of a fold, where they are not the simple case; the engines' contract has that."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, r2_score

from pipelines.networks.objectives import class_weights, explained_share


def test_weights_by_class_make_accuracy_the_balanced_one() -> None:
    generator = np.random.default_rng(2)
    labels, told = generator.choice(5, size=(2, 200), p=[0.7, 0.2, 0.06, 0.04, 0.0])
    weights = class_weights(labels, classes=5)
    assert weights[4] == 0, "a class without a row does not count"
    balanced = ((labels == told) * weights[labels]).mean()
    assert balanced == pytest.approx(balanced_accuracy_score(labels, told))
    assert abs(balanced - (labels == told).mean()) > 0.1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("targets", [[1.0, 2.0, 4.0], [3.0, 3.0], [3.0]])
@pytest.mark.parametrize("distance", [0.0, 0.5, 9.0])
def test_r2_where_all_targets_are_equal_or_there_is_one_is_that_of_scikit_learn(
    targets: list[float], distance: float
) -> None:
    expected = r2_score(targets, np.add(targets, distance))
    found = explained_share(np.array([distance**2]), np.array(targets, np.float32))
    assert found == pytest.approx([expected], nan_ok=True)
