"""Results into a run: in as few calls as they fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import TYPE_CHECKING

from pipelines.tracking import names
from pipelines.tracking.ending import MAX_REASON
from pipelines.tracking.records import TrialRecord, trial_metrics, trial_params, write_curves

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BATCH = 1000  # entities in one call, MLflow's limit


def log_record(client: MlflowClient, run_id: str, record: TrialRecord) -> None:
    """Curves, numbers, parameters and tags of a trial, or of a training of a reproduction."""
    if record.curves:
        with TemporaryDirectory() as folder:
            path = Path(folder) / names.CURVES_FILE
            write_curves(record, path)
            client.log_artifact(run_id, str(path))
    tags = {}
    if reason := record.failure or record.remark:
        tags[names.TAG_REASON] = reason[:MAX_REASON]
    if record.point:
        tags[names.TAG_VERDICT] = str(record.point.verdict)
    log_batches(client, run_id, trial_metrics(record), trial_params(record), tags)


def log_batches(
    client: MlflowClient,
    run_id: str,
    points: Iterable[tuple[str, float, int]],
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """One call for everything where it fits, for a call costs more than what it carries."""
    from mlflow.entities import Metric, Param, RunTag

    now = int(time() * 1000)
    metrics = (Metric(name, value, now, step) for name, value, step in points)
    first_params = [Param(key, value) for key, value in (params or {}).items()]
    first_tags = [RunTag(key, value) for key, value in (tags or {}).items()]
    first = list(islice(metrics, _BATCH - len(first_params) - len(first_tags)))
    client.log_batch(run_id, metrics=first, params=first_params, tags=first_tags)
    while batch := list(islice(metrics, _BATCH)):
        client.log_batch(run_id, metrics=batch)
