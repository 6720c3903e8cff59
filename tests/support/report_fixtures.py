"""Made sweeps in one store, shared by all tests of the report: MLflow takes seconds to make a database."""

import logging
from dataclasses import replace

import pytest

from pipelines.exercises.exercise import Figure
from reports import read_report, write_report
from tests.support.report_store import BASE, EVIL, FAILED, LINEAR, WIDE, MadeTrial, Store, variant


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def sweep(store: Store) -> str:
    """Three results, one diverged trial and one failed, with names that must be escaped."""
    return store.fill(
        [
            MadeTrial(BASE, "overfits", "baseline", level=0.5),
            MadeTrial(WIDE, "overfits", level=0.0),
            MadeTrial(LINEAR, "improving", f"documented: {EVIL}", level=1.0),
            MadeTrial(replace(BASE, learning_rate=1.0), diverges=True),
            MadeTrial(FAILED, failure=f"out of memory: {EVIL}"),
        ],
        title=EVIL,
        documented=[
            variant(
                "first", BASE, Figure("mae", 0.9, 30, "validation"), Figure("overfitting_epoch", 20, None, "train")
            ),
            variant(EVIL, LINEAR, Figure("mae", 1.5, None, "train", EVIL), Figure("mae", 1.6, None, "test")),
            variant("never trained", replace(BASE, layers=(3,)), Figure("mae", 1.0, 5, "validation")),
        ],
    )


@pytest.fixture(scope="session")
def report(store: Store, sweep: str):
    return read_report(sweep, tracking_uri=store.uri)


@pytest.fixture(scope="session")
def written(store: Store, sweep: str, tmp_path_factory: pytest.TempPathFactory):
    return write_report(sweep, tracking_uri=store.uri, output=tmp_path_factory.mktemp("report"))
