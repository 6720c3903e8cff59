"""The public function for curves of any training, its sentence, and the interval of a single run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.overfitting import Verdict, analyse, sentence
from pipelines.overfitting.point import analyse as analyse_matrix
from pipelines.overfitting.single_run import single_run_interval
from tests.support.curves import Noise, make_curves, true_best_epoch


def imported(code: str) -> set[str]:
    """Packages that are loaded once this code has run, in a process of its own."""
    ask = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    root = Path(__file__).parent.parent
    command = [sys.executable, "-c", f"{code}\n{ask}"]
    return set(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split())


def test_it_needs_numpy_and_scipy_alone() -> None:
    used = imported("import numpy as np; from pipelines.overfitting import analyse; analyse(np.ones((2, 9)), folds=2)")
    assert used - imported("import numpy, scipy.special, statistics") - set(sys.stdlib_module_names) == {"pipelines"}


@pytest.mark.parametrize(("folds", "repeats"), [(4, 1), (4, 2), (1, 3)])
def test_it_judges_as_the_sweep_does(folds: int, repeats: int) -> None:
    validation, training = make_curves("overfits", folds=folds, repeats=repeats)
    ratio = 1 / (folds - 1) if folds > 1 else 0.25
    expected = analyse_matrix(validation, training, folds=folds, repeats=repeats, validation_ratio=ratio)
    assert analyse(validation, training, folds=folds, repeats=repeats) == expected
    histories = [{"loss": t, "val_loss": v} for t, v in zip(training, validation, strict=True)]
    assert analyse(histories, folds=folds) == expected
    assert analyse(validation.tolist(), training.tolist(), repeats=repeats) == expected


def test_rows_of_different_lengths_are_judged_as_far_as_all_go() -> None:
    validation, training = make_curves("overfits", folds=3, epochs=80)
    lengths = (80, 50, 60)
    found = analyse(
        [row[:length] for row, length in zip(validation, lengths, strict=True)],
        [row[:length] for row, length in zip(training, lengths, strict=True)],
        folds=3,
    )
    assert found == analyse(validation[:, :50], training[:, :50], folds=3)


@pytest.mark.parametrize(
    ("curves", "more", "words"),
    [
        ([], {}, "no validation curve"),
        ([[]], {}, "without an epoch"),
        ([["a", "b"]], {}, "not numbers"),
        (np.ones((2, 3, 4)), {}, r"shape \(2, 3, 4\)"),
        (np.ones((3, 9)), {"folds": 2, "repeats": 2}, "do not belong to 2 folds x 2 repeats"),
        ({"loss": [1, 2]}, {}, "no curve 'val_loss', it has 'loss'"),
    ],
)
def test_what_is_no_curve_is_named(curves, more, words) -> None:
    with pytest.raises(UserError, match=words):
        analyse(curves, **more)


def test_a_single_run_has_an_interval_that_holds_the_truth() -> None:
    """At ordinary noise nearly always; with slow noise less often, as its docstring says."""
    covered = {}
    for autocorrelation in (0.5, 0.9):
        noise = Noise(deviation=0.05, autocorrelation=autocorrelation)
        truth = true_best_epoch("overfits", 100)
        curves = [make_curves("overfits", folds=1, epochs=100, noise=noise, seed=seed)[0] for seed in range(80)]
        ends = [single_run_interval(curve[0], draws=300) for curve in curves]
        covered[autocorrelation] = np.mean([low <= truth <= high for low, high in ends])
        assert np.mean([high - low for low, high in ends]) < 50
    assert covered[0.5] >= 0.92
    assert covered[0.9] >= 0.6


def test_a_single_run_through_the_public_function_has_that_interval() -> None:
    validation, training = make_curves("overfits", folds=1)
    point = analyse(validation[0], training[0])
    assert (point.best_epoch_low, point.best_epoch_high) == single_run_interval(validation[0])
    assert analyse_matrix(validation, folds=1, repeats=1, validation_ratio=0.25).best_epoch_low is None


@pytest.mark.parametrize(
    ("kind", "begins"),
    [("overfits", "Over-fits from epoch "), ("improving", "Still improving"), ("plateau", "On a plateau")],
)
def test_its_sentence_says_the_verdict_first(kind: str, begins: str) -> None:
    validation, training = make_curves(kind, folds=5, repeats=3)
    assert sentence(analyse(validation, training, folds=5)).startswith(begins)


def test_a_divergence_is_told_with_its_epoch() -> None:
    point = analyse([[1.0, 0.5, float("inf"), 1.0], [1.0, 0.5, 0.4, 0.3]], folds=2)
    assert point.verdict is Verdict.DIVERGED
    assert sentence(point) == "1 of 2 fits diverged, at epoch 3."
