"""A sweep as it is read back from the tracking store; nothing else is known of it.

One search returns all trials with their numbers. Curves lie in a file a trial and are fetched only for those shown.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import TrackingError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import Figure, Variant
from pipelines.overfitting.point import OverfittingPoint, Verdict, is_censored
from pipelines.tracking import names, read_curves
from pipelines.tracking.store import check_store, redacted, store_errors, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FINISHED = "FINISHED"
PAGE = 1000

Curves = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Trial:
    """A trial as recorded.

    Attributes
    ----------
    run_id, status
        Its MLflow run, and how that ended: ``FINISHED``, ``FAILED``, ``KILLED`` or ``RUNNING``.
    configuration
        None where the run ended before its parameters were written.
    name
        Label of the configuration, else the name of the run.
    origin
        ``baseline``, ``documented: <variant>`` or ``tuner``.
    point
        The over-fitting point; None where there is none, or where it is that of a run which failed otherwise.
    seconds, parameters
        Wall time, and trainable parameters of the network; None where not recorded.
    reason
        Why it failed or ended early; empty otherwise.
    artifacts
        Where its files are.
    """

    run_id: str
    status: str
    configuration: Configuration | None
    name: str
    origin: str
    point: OverfittingPoint | None
    seconds: float | None
    parameters: int | None
    reason: str
    artifacts: str

    @property
    def has_result(self) -> bool:
        """Whether it has a best epoch to compare."""
        return self.status == FINISHED and self.point is not None and self.point.best_value is not None

    @property
    def diverged(self) -> bool:
        """Whether it has no result because its training diverged."""
        return self.point is not None and self.point.verdict is Verdict.DIVERGED


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep as recorded.

    Attributes
    ----------
    run_id, uri, status
        Its MLflow run, the store that this is in, and how the run ended.
    exercise, tuner, backend, identity, data_sha256, commit
        Tags of the run; empty where missing.
    monitor
        Curve that over-fitting was judged on.
    started, ended
        Of the run; ``ended`` is None while it goes on.
    details
        Content of ``sweep.json``; empty where that is gone.
    documented
        What the textbook found, from ``sweep.json``.
    trials
        All of them, oldest first.
    """

    run_id: str
    uri: str
    status: str
    exercise: str
    tuner: str
    backend: str
    identity: str
    data_sha256: str
    commit: str
    monitor: str
    started: datetime
    ended: datetime | None
    details: Mapping[str, Any]
    documented: tuple[Variant, ...]
    trials: tuple[Trial, ...]


def read_sweep(run_id: str, *, uri: str) -> Sweep:
    """Read a sweep and the numbers of all its trials.

    Raises
    ------
    TrackingError
        When the store does not answer, has no such run, or the run is not that of a sweep.
    """
    uri = tracking_uri(uri)
    check_store(uri)
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    with store_errors(uri, "Reading a sweep"):
        run = _sweep_run(client, uri, run_id)
        trials = tuple(_trial(child) for child in _children(client, run))
    tags, params = run.data.tags, run.data.params
    if not trials and (heir := tags.get(names.TAG_CONTINUED_BY)):
        raise TrackingError(f"The sweep {run_id} was continued by run {heir}, which has its trials; report on that.")
    details = _details(client, uri, run)
    exercise = section(details, "exercise")
    return Sweep(
        run_id=run.info.run_id,
        uri=uri,
        status=run.info.status,
        exercise=tags.get(names.TAG_EXERCISE, ""),
        tuner=tags.get(names.TAG_TUNER, ""),
        backend=tags.get(names.TAG_BACKEND, ""),
        identity=tags.get(names.TAG_SWEEP, ""),
        data_sha256=tags.get(names.TAG_DATA, ""),
        commit=tags.get(names.TAG_COMMIT, ""),
        monitor=params.get(names.SWEEP_PARAM_PREFIX + "monitor") or str(exercise.get("monitor", "")),
        started=_time(run.info.start_time),
        ended=_time(run.info.end_time) if run.info.end_time else None,
        details=details,
        documented=tuple(_variants(exercise.get("documented"))),
        trials=trials,
    )


def read_trial_curves(trial: Trial, *, uri: str) -> Curves | None:
    """All curves of a trial by name, each (fits, epochs) float32; None where the file is gone or cannot be read.

    A report without one of its figures is worth more than none, so a missing file is no error.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        if (local := local_folder(trial.artifacts)) is not None:
            return read_curves(local / names.CURVES_FILE)[1]
        with TemporaryDirectory() as folder:
            path = MlflowClient(uri).download_artifacts(trial.run_id, names.CURVES_FILE, folder)
            return read_curves(Path(path))[1]
    except (OSError, ValueError, KeyError, MlflowException, RequestException):
        return None


def section(details: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of ``sweep.json``; empty where it is missing."""
    found = details.get(name)
    return found if isinstance(found, Mapping) else {}


def _sweep_run(client: "MlflowClient", uri: str, run_id: str) -> "Run":
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise TrackingError(
            f"The tracking store {redacted(uri)} has no run {run_id!r}; allowed: the run id of a sweep, as the MLflow "
            f"UI shows it."
        ) from error
    kind = run.data.tags.get(names.TAG_KIND)
    if kind == names.KIND_TRIAL:
        parent = run.data.tags.get(names.TAG_PARENT)
        raise TrackingError(f"The run {run_id} is a single trial; report on its sweep, {parent}.")
    if kind != names.KIND_SWEEP:
        raise TrackingError(f"The run {run_id} is not a sweep of overfit-atlas: it has no tag {names.TAG_KIND}=sweep.")
    return run


def _children(client: "MlflowClient", run: "Run") -> Iterator["Run"]:
    condition = f"tags.`{names.TAG_PARENT}` = '{run.info.run_id}' AND tags.`{names.TAG_KIND}` = '{names.KIND_TRIAL}'"
    token: str | None = None
    while True:
        page = client.search_runs(
            [run.info.experiment_id],
            condition,
            order_by=["attributes.start_time ASC"],
            max_results=PAGE,
            page_token=token,
        )
        yield from page
        token = page.token or None
        if token is None:
            return


def _trial(run: "Run") -> Trial:
    tags, metrics = run.data.tags, run.data.metrics
    try:
        configuration = Configuration.from_parameters(run.data.params) if "layers" in run.data.params else None
    except ValueError:
        configuration = None
    parameters = metrics.get(names.MODEL_PARAMETERS)
    return Trial(
        run_id=run.info.run_id,
        status=run.info.status,
        configuration=configuration,
        name=configuration.label if configuration else tags.get(names.TAG_RUN_NAME, run.info.run_id),
        origin=tags.get(names.TAG_ORIGIN, ""),
        point=_point(run),
        seconds=metrics.get(names.SECONDS_TOTAL),
        parameters=None if parameters is None else round(parameters),
        reason=" ".join(tags.get(names.TAG_REASON, "").split()),
        artifacts=run.info.artifact_uri,
    )


def _point(run: "Run") -> OverfittingPoint | None:
    """The over-fitting point from the run's numbers; None where they are not all there."""
    metrics, params = run.data.metrics, run.data.params
    try:
        verdict = Verdict(run.data.tags.get(names.TAG_VERDICT, ""))
        folds, repeats = int(params[names.PARAM_FOLDS]), int(params[names.PARAM_REPEATS])
        epochs = round(metrics[names.EPOCHS_TRAINED])
    except (ValueError, KeyError):
        return None

    def epoch(name: str) -> int | None:
        return None if name not in metrics else round(metrics[name])

    best, high, onset = epoch(names.BEST_EPOCH), epoch(names.BEST_EPOCH_HIGH), epoch(names.ONSET_EPOCH)
    if verdict is not Verdict.DIVERGED and (best is None or names.BEST_VALUE not in metrics):
        return None
    return OverfittingPoint(
        verdict=verdict,
        best_epoch=best,
        best_epoch_low=epoch(names.BEST_EPOCH_LOW),
        best_epoch_high=high,
        censored=best is not None and is_censored(best, high, onset, epochs),
        onset=onset,
        one_se_epoch=epoch(names.ONE_SE_EPOCH),
        best_value=metrics.get(names.BEST_VALUE),
        sd_folds=metrics.get(names.BEST_SD_FOLDS),
        sd_seeds=metrics.get(names.BEST_SD_SEEDS),
        final_value=metrics.get(names.FINAL_VALUE),
        gap_best=metrics.get(names.GAP_BEST),
        gap_final=metrics.get(names.GAP_FINAL),
        severity=metrics.get(names.SEVERITY),
        epochs=epochs,
        fits=folds * repeats,
        folds=folds,
        repeats=repeats,
    )


def _details(client: "MlflowClient", uri: str, run: "Run") -> Mapping[str, Any]:
    """``sweep.json``; empty where it is gone or is not what it should be."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        if (local := local_folder(run.info.artifact_uri)) is not None:
            text = (local / names.SWEEP_FILE).read_text(encoding="utf-8")
        else:
            with TemporaryDirectory() as folder:
                path = client.download_artifacts(run.info.run_id, names.SWEEP_FILE, folder)
                text = Path(path).read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError, MlflowException, RequestException):
        return {}
    return content if isinstance(content, dict) else {}


def _variants(content: object) -> Iterator[Variant]:
    """The documented variants as ``sweep.json`` has them; one that a later version wrote otherwise is left out."""
    for raw in content if isinstance(content, Sequence) and not isinstance(content, str) else ():
        try:
            layers = tuple(raw["configuration"]["layers"])
            configuration = Configuration(**{**raw["configuration"], "layers": layers})
            figures = tuple(Figure(**figure) for figure in raw["figures"])
            yield Variant(**{**raw, "configuration": configuration, "figures": figures})
        except (TypeError, KeyError, ValueError):
            continue


def local_folder(uri: str) -> Path | None:
    """The folder that an artifact URI names, where that is a folder of this machine."""
    parsed = urlparse(uri)
    if parsed.scheme not in ("", "file"):
        return None
    return Path(url2pathname(parsed.path))


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
