"""Logs of other tools: each read as the arrays it was written from, grouped, and judged alike."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.logs.analysis import LoggedSweep, Wanted, analyse_logs
from pipelines.logs.grouping import Stated
from pipelines.logs.sources import Where, read_logs
from pipelines.overfitting import analyse
from reports import make_report
from tests.support.curves import make_curves
from tests.support.logs import WRITERS, Made, known_truth

MADE = known_truth()
TRUTH = {"overfits": "overfits", "plateau": "plateau", "flat": "plateau", "improving": "still improving"}


def judged(source: str, *, where: Where | None = None, **wanted) -> LoggedSweep:
    stated = Stated(**{key: wanted.pop(key) for key in ("group", "folds", "repeats") if key in wanted})
    return analyse_logs(read_logs(source, where), "logs", Wanted(stated=stated, **wanted))


def of_arrays(made: Made, *, with_training: bool = True):
    training = made.training if with_training else None
    return analyse(made.validation, training, folds=made.folds, repeats=made.repeats)


@pytest.fixture(scope="module", params=WRITERS)
def read(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, LoggedSweep]:
    """The logs of each tool, judged."""
    return request.param, judged(WRITERS[request.param](MADE, tmp_path_factory.mktemp(request.param)))


def test_known_truth_is_judged_alike_through_every_reader(read: tuple[str, LoggedSweep]) -> None:
    writer, found = read
    assert len(found.judged) == len(MADE)
    by_size = {of.group.settings.get("lr", of.group.name): of for of in found.judged}
    for made in MADE:
        of = by_size.get(made.lr) or by_size[made.name]
        expected = of_arrays(made, with_training=writer != "optuna_study")
        assert (of.group.folds, of.group.repeats) == (made.folds, made.repeats)
        np.testing.assert_allclose(of.validation, made.validation, rtol=1e-6)
        for name, value in vars(expected).items():
            assert getattr(of.point, name) == (
                pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value
            ), (made.name, name)
    assert {str(of.point.verdict) for of in found.judged} >= {"overfits", "still improving"}


def test_every_reader_gives_the_same_report(read: tuple[str, LoggedSweep]) -> None:
    _, found = read
    report = make_report(found.sweep, found.curves)
    assert len(report.ranked) == len(MADE) and not report.others
    assert sorted(str(trial.point.verdict) for trial in report.ranked) == sorted(
        str(of_arrays(made).verdict) for made in MADE
    )
    assert all(report.curves[trial.run_id][found.sweep.monitor].shape == (8, 60) for trial in report.ranked)
