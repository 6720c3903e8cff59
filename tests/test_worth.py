"""What predictions are worth: scikit-learn's figures, and intervals from the same figures of weighted rows."""

import time

import numpy as np
import pytest
from sklearn import metrics

from pipelines.datasets import Task
from pipelines.final import worth
from pipelines.final.worth import figures


def made_labels(rows: int, classes: int, seed: int = 0, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Labels, the later classes rarer, and probabilities with ties that know something of them."""
    generator = np.random.default_rng(seed)
    labels = np.minimum(generator.geometric(0.4, rows) - 1, classes - 1)
    raw = generator.normal(size=(rows, classes))
    raw[np.arange(rows), labels] += 1
    shares = np.exp(raw)
    return labels, np.round(shares / shares.sum(axis=1, keepdims=True), digits)


def test_figures_of_two_classes_are_those_of_scikit_learn() -> None:
    labels, shares = made_labels(300, 2)
    found = {name: figure.value for name, figure in figures(Task.BINARY, labels, shares).items()}
    said = shares.argmax(axis=1)
    assert found == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(labels, said),
            "balanced_accuracy": metrics.balanced_accuracy_score(labels, said),
            "f1_macro": metrics.f1_score(labels, said, average="macro"),
            "mcc": metrics.matthews_corrcoef(labels, said),
            "auc": metrics.roc_auc_score(labels, shares[:, 1]),
            "average_precision": metrics.average_precision_score(labels, shares[:, 1]),
            "brier": metrics.brier_score_loss(labels, shares[:, 1]),
        }
    )


def test_figures_of_many_classes_are_those_of_scikit_learn() -> None:
    labels, shares = made_labels(400, 4, digits=12)
    found = figures(Task.MULTICLASS, labels, shares)
    whole = shares / shares.sum(axis=1, keepdims=True)
    assert found["auc"].value == pytest.approx(metrics.roc_auc_score(labels, whole, multi_class="ovr"))
    precision = metrics.average_precision_score(np.eye(4)[labels], shares, average="macro")
    assert found["average_precision"].value == pytest.approx(precision)
    assert found["brier"].value == pytest.approx(metrics.brier_score_loss(labels, whole, labels=range(4)))


@pytest.mark.parametrize("classes", [2, 3])
def test_each_draw_has_what_scikit_learn_says_of_weighted_rows(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, shares = made_labels(80, classes)
    said = shares.argmax(axis=1)
    kept: dict[int, np.ndarray] = {}
    seen: list[np.ndarray] = []
    over = worth._over_draws

    def watched(rows, of, **settings):
        def both(counts):
            seen[:] = [counts]
            return of(counts)

        drawn = over(rows, both, **settings)
        kept[len(kept)] = drawn
        return drawn

    monkeypatch.setattr(worth, "RESAMPLES", 5)
    monkeypatch.setattr(worth, "FEWEST", 5)
    monkeypatch.setattr(worth, "_over_draws", watched)
    figures(Task.MULTICLASS, labels, shares)
    (counts,) = seen
    assert (counts.sum(axis=1) == 80).all() and len(counts) == 5
    _, of_confusions, of_ranking = kept.values()
    ranked = [1] if classes == 2 else range(classes)
    for draw, weights in enumerate(counts):
        assert of_confusions[draw] == pytest.approx(
            [
                metrics.balanced_accuracy_score(labels, said, sample_weight=weights),
                metrics.f1_score(labels, said, average="macro", sample_weight=weights),
                metrics.matthews_corrcoef(labels, said, sample_weight=weights),
            ]
        )
        scores = (metrics.roc_auc_score, metrics.average_precision_score)
        expected = [
            np.mean([score(labels == label, shares[:, label], sample_weight=weights) for label in ranked])
            for score in scores
        ]
        assert of_ranking[draw] == pytest.approx(expected)


def test_figures_of_values_are_those_of_scikit_learn_in_their_units() -> None:
    generator = np.random.default_rng(1)
    targets = 3e5 + 1e5 * generator.normal(size=500)
    values = targets + 3e4 * generator.normal(size=500)
    found = figures(Task.REGRESSION, targets, values)
    assert found["rmse"].value == pytest.approx(metrics.root_mean_squared_error(targets, values))
    assert found["r2"].value == pytest.approx(metrics.r2_score(targets, values))
    assert found["rmse"].low == pytest.approx(found["mse"].low ** 0.5)
    drawn = []  # the plain bootstrap, with scikit-learn
    for _ in range(400):
        rows = generator.integers(500, size=500)
        drawn.append(metrics.r2_score(targets[rows], values[rows]))
    assert (found["r2"].low, found["r2"].high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.005)


def test_what_the_rows_cannot_give_is_left_out() -> None:
    shares = np.array([[0.9, 0.1], [0.8, 0.2]])
    found = figures(Task.BINARY, np.array([0, 0]), shares)
    assert "auc" not in found and found["accuracy"].value == 1
    assert "r2" not in figures(Task.REGRESSION, np.array([2.0, 2.0]), np.array([2.0, 3.0]))
    # A class that no row is of counts neither for the mean over classes nor against it.
    three = figures(Task.MULTICLASS, np.array([0, 1, 0, 1]), np.eye(3)[[0, 1, 0, 1]])
    assert (three["auc"].value, three["balanced_accuracy"].value) == (1, 1)


def test_a_majority_that_is_always_said_shows() -> None:
    labels = np.repeat([0, 1], [95, 5])
    always = np.tile([0.95, 0.05], (100, 1))
    found = {name: figure.value for name, figure in figures(Task.BINARY, labels, always).items()}
    assert found["accuracy"] == 0.95
    assert (found["balanced_accuracy"], found["auc"], found["mcc"]) == (0.5, 0.5, 0)
    assert found["average_precision"] == pytest.approx(0.05)


def test_ten_thousand_rows_of_ten_classes_take_seconds() -> None:
    labels, shares = made_labels(10_000, 10)
    figures(Task.MULTICLASS, *made_labels(50, 10))  # imports
    before = time.process_time()
    figures(Task.MULTICLASS, labels, shares)
    assert time.process_time() - before < 20
