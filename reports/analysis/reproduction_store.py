"""Reproductions as they are read back from the tracking store; nothing else is known of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipelines.errors import TrackingError
from pipelines.reproduction.rows import Agreement, Row
from pipelines.tracking import names, read_curves
from pipelines.tracking.store import check_store, redacted, store_errors, tracking_uri
from reports.store import Curves

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True, eq=False)
class StoredJob:
    """One training of a reproduction, as ``reproduction.json`` describes it.

    Attributes
    ----------
    run_id
        Its MLflow run; None where it failed.
    variants, part, label, as_then
        Names of the variants that it serves, the rows it was measured on, its configuration, and whether the optimizer
        is the one of the textbook's Keras.
    epochs, folds, repeats
        Its size.
    seconds
        Wall time; None where it failed.
    point
        Numbers of the over-fitting point, of a job on k folds.
    failure
        Why it has no result; empty otherwise.
    """

    run_id: str | None
    variants: tuple[str, ...]
    part: str
    label: str
    as_then: bool
    epochs: int
    folds: int
    repeats: int
    seconds: float | None
    point: Mapping[str, Any] | None
    failure: str


@dataclass(frozen=True, eq=False)
class Reproduced:
    """The reproduction of one exercise.

    Attributes
    ----------
    run_id, uri, started, commit
        Of its MLflow run.
    content
        ``reproduction.json`` as a whole.
    rows
        The comparison, in the order of the exercise.
    jobs
        Its trainings.
    """

    run_id: str
    uri: str
    started: datetime
    commit: str
    content: Mapping[str, Any]
    rows: tuple[Row, ...]
    jobs: tuple[StoredJob, ...]

    @property
    def exercise(self) -> str:
        """Name of the exercise."""
        return str(self.content.get("exercise", ""))

    @property
    def title(self) -> str:
        """Title of the exercise."""
        return str(self.content.get("title") or self.exercise)

    @property
    def monitor(self) -> str:
        """Curve that over-fitting is judged on."""
        return str(self.content.get("monitor", "val_loss"))

    @property
    def documented(self) -> tuple[Row, ...]:
        """Rows with a documented figure of their own."""
        return tuple(row for row in self.rows if row.documented is not None and not row.explains)

    @property
    def agreeing(self) -> tuple[Row, ...]:
        """Of these, the ones that agree."""
        return tuple(row for row in self.documented if row.agreement is Agreement.AGREES)

    @property
    def seconds(self) -> float:
        """Wall time of all trainings."""
        return sum(job.seconds or 0.0 for job in self.jobs)

    def job(self, variant: str, parts: Sequence[str], *, as_then: bool = True) -> StoredJob | None:
        """A finished training of a variant, of the first of these parts that it has."""
        for part in parts:
            for job in self.jobs:
                if job.run_id and variant in job.variants and job.part == part and job.as_then is as_then:
                    return job
        return None


def read_reproductions(*, tracking_uri: str, run_ids: Sequence[str] = ()) -> tuple[Reproduced, ...]:
    """The named reproductions, or the latest of each exercise.

    Raises
    ------
    TrackingError
        When the store does not answer, or holds no such reproduction.
    """
    from mlflow import MlflowClient

    uri = _checked(tracking_uri)
    client = MlflowClient(uri)
    with store_errors(uri, "Reading reproductions"):
        runs = [client.get_run(run_id) for run_id in run_ids] or list(_latest(client))
    found = []
    for run in runs:
        content = _content(client, run)
        if content is None and run_ids:
            raise TrackingError(
                f"The run {run.info.run_id} in the tracking store {redacted(uri)} has no {names.REPRODUCTION_FILE}: it "
                "is no finished reproduction."
            )
        if content is not None:
            found.append(_reproduced(run, uri, content))
    if not found:
        raise TrackingError(
            f"The tracking store {redacted(uri)} holds no reproduction; 'mlflow run . -e reproduce' makes one."
        )
    return tuple(found)


def read_job_curves(job: StoredJob, *, uri: str) -> Curves | None:
    """All curves of a training by name, each (fits, epochs); None where the file is gone or cannot be read."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        with TemporaryDirectory() as folder:
            path = MlflowClient(uri).download_artifacts(str(job.run_id), names.CURVES_FILE, folder)
            return read_curves(Path(path))[1]
    except (OSError, ValueError, KeyError, MlflowException, RequestException):
        return None


def _checked(uri: str) -> str:
    uri = tracking_uri(uri)
    check_store(uri)
    return uri


def _latest(client: "MlflowClient") -> Iterator["Run"]:
    """The latest reproduction of each exercise that was recorded whole, by name of the exercise."""
    condition = f"tags.`{names.TAG_KIND}` = '{names.KIND_REPRODUCTION}'"
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    latest: dict[str, Run] = {}
    for run in client.search_runs(experiments, condition, order_by=["attributes.start_time ASC"]):
        if any(file.path == names.REPRODUCTION_FILE for file in client.list_artifacts(run.info.run_id)):
            latest[run.data.tags.get(names.TAG_EXERCISE, run.info.run_id)] = run
    yield from (latest[name] for name in sorted(latest))


def _content(client: "MlflowClient", run: "Run") -> Mapping[str, Any] | None:
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        with TemporaryDirectory() as folder:
            path = client.download_artifacts(run.info.run_id, names.REPRODUCTION_FILE, folder)
            content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, MlflowException, RequestException):
        return None
    return content if isinstance(content, dict) else None


def _reproduced(run: "Run", uri: str, content: Mapping[str, Any]) -> Reproduced:
    return Reproduced(
        run_id=run.info.run_id,
        uri=uri,
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        commit=run.data.tags.get(names.TAG_COMMIT, ""),
        content=content,
        rows=tuple(Row.from_json(row) for row in content.get("rows", ())),
        jobs=tuple(
            StoredJob(
                run_id=job["run_id"],
                variants=tuple(job["variants"]),
                part=job["part"],
                label=job["label"],
                as_then=job["as_then"],
                epochs=job["epochs"],
                folds=job["folds"],
                repeats=job["repeats"],
                seconds=job["seconds"],
                point=job["point"],
                failure=job["failure"],
            )
            for job in content.get("trainings", ())
        ),
    )
