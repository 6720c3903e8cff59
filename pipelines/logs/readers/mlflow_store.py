"""Runs of an MLflow store, with the curves that any training has logged there: one query for many curves.

MLflow's client asks for one curve of one run at a time. A database is asked for all curves of a page of runs at once;
a server for one metric of up to 100 runs, as its own page does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipelines.errors import TrackingError
from pipelines.logs.base import LoggedRun, Logs, Series, plain_value
from pipelines.logs.metrics import choose
from pipelines.tracking import names
from pipelines.tracking.runs import all_experiments
from pipelines.tracking.store import MISSING, open_store, redacted, store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: Runs of one search, and of one query of a database: SQLite takes 32,766 values in a query.
PAGE = 1000
#: Runs that a server answers for at once, and values of one answer.
SERVER_RUNS, SERVER_VALUES = 100, 25_000
#: Requests to a server at the same time.
REQUESTS = 8
_SECONDS = 60.0

Points = dict[str, dict[str, list[tuple[float, float, float]]]]


def read_mlflow(
    experiment: str = "",
    *,
    runs: Sequence[str] = (),
    condition: str = "",
    metrics: Sequence[str] = (),
    uri: str | None = None,
) -> Logs:
    """Runs of an experiment, named runs, or those that a filter finds, each with its curves.

    Parameters
    ----------
    experiment
        Name or id; empty for all experiments.
    runs
        Ids of the runs; empty for all.
    condition
        In MLflow's own words, such as ``params.model = 'cnn'``.
    metrics
        Names of the curves that are wanted; empty for those whose names tell that they are.
    uri
        Of the store; None for the one in use.

    Raises
    ------
    TrackingError
        Where the store does not answer, or has no such experiment, run or filter.
    """
    client, uri = open_store(uri)
    with store_errors(uri, "Looking for runs"):
        found = _named_runs(client, uri, runs) if runs else _search(client, experiment, condition, uri)
        # Sweeps of this project have their own report; their runs here would be means of folds.
        foreign = [run for run in found if not run.data.tags.get(names.TAG_KIND)]
        wanted = list(metrics) or _curves_of(foreign)
    with store_errors(uri, "Reading curves"):
        points = curve_points(client, uri, [run.info.run_id for run in foreign], [*wanted, "epoch"])
    own = len(found) - len(foreign)
    notes = (f"{own} runs are of this project's own sweeps and are left out; -e report shows those.",) if own else ()
    parents = {run.info.run_id: run for run in foreign}
    children = {parent for run in foreign if (parent := run.data.tags.get(names.TAG_PARENT))}
    kept = [run for run in foreign if points.get(run.info.run_id) or run.info.run_id not in children]
    logged = tuple(_logged(run, points.get(run.info.run_id, {}), parents) for run in kept)
    return Logs("MLflow", logged, notes, uri=uri, experiment=kept[0].info.experiment_id if kept else "")


def _named_runs(client: MlflowClient, uri: str, run_ids: Sequence[str]) -> list[Run]:
    from mlflow.exceptions import MlflowException

    found = []
    for run_id in run_ids:
        try:
            found.append(client.get_run(run_id))
        except MlflowException as error:
            if error.error_code not in MISSING:
                raise
            raise TrackingError(
                f"The tracking store {redacted(uri)} has no run {run_id!r}; allowed: ids as the MLflow UI shows them."
            ) from error
    return found


def _search(client: MlflowClient, experiment: str, condition: str, uri: str) -> list[Run]:
    from mlflow.exceptions import MlflowException

    experiments = [_experiment(client, experiment, uri)] if experiment else all_experiments(client)
    found: list[Run] = []
    token = None
    order = ["attributes.start_time ASC"]
    while True:
        try:
            page = client.search_runs(experiments, condition, max_results=PAGE, order_by=order, page_token=token)
        except MlflowException as error:
            if condition and error.error_code == "INVALID_PARAMETER_VALUE":
                why = str(error).splitlines()[0].rstrip(".")
                raise TrackingError(
                    f"The filter {condition!r} is not understood by MLflow: {why}; allowed: for example "
                    "params.model = 'cnn' and metrics.val_loss < 1."
                ) from error
            raise
        found += page
        if not (token := page.token):
            return found


def _experiment(client: MlflowClient, experiment: str, uri: str) -> str:
    from mlflow.exceptions import MlflowException

    named = client.get_experiment_by_name(experiment)
    if named is None and experiment.isdigit():
        try:
            named = client.get_experiment(experiment)
        except MlflowException:
            named = None
    if named is None:
        known = [each.name for each in client.search_experiments(max_results=10)]
        raise TrackingError(
            f"The tracking store {redacted(uri)} has no experiment {experiment!r}; it has {', '.join(known) or 'none'}."
        )
    return str(named.experiment_id)


def _curves_of(runs: Sequence[Run]) -> list[str]:
    """Names of the curves that will be judged, for the runs as a whole."""
    every = {name for run in runs for name in run.data.metrics}
    found = set()
    for logged in {frozenset(run.data.metrics) for run in runs}:
        choice = choose(logged)
        if choice is not None:
            found |= {choice.validation, *filter(None, [choice.training])}
    return sorted(found or every)


def curve_points(client: MlflowClient, uri: str, run_ids: Sequence[str], metrics: Sequence[str]) -> Points:
    """By run and metric what was logged: (step, time, value), by the shortest way that this store has."""
    metrics = list(dict.fromkeys(metrics))
    if uri.startswith(("http://", "https://")):
        return _from_server(client, uri, run_ids, metrics)
    if uri.partition(":")[0].partition("+")[0] in ("sqlite", "postgresql", "mysql", "mssql"):
        return _from_database(uri, run_ids, metrics)
    return _one_by_one(client, run_ids, metrics)


def _from_database(uri: str, run_ids: Sequence[str], metrics: Sequence[str]) -> Points:
    import sqlalchemy
    from sqlalchemy import column, select, table

    columns: list[Any] = [column(name) for name in ("run_uuid", "key", "step", "timestamp", "value", "is_nan")]
    logged = table("metrics", *columns)
    run, key = columns[:2]
    found: Points = {}
    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            for page in _pages(run_ids, PAGE):
                query = select(logged)
                for row in connection.execute(query.where(run.in_(page), key.in_(metrics))):
                    number = float("nan") if row[5] else float(row[4])
                    found.setdefault(row[0], {}).setdefault(row[1], []).append((float(row[2]), float(row[3]), number))
    finally:
        engine.dispose()
    return found


def _from_server(client: MlflowClient, uri: str, run_ids: Sequence[str], metrics: Sequence[str]) -> Points:
    import requests

    found: Points = {}
    address = uri.rstrip("/") + "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    again: list[str] = []
    for page in _pages(run_ids, SERVER_RUNS):
        for metric in metrics:
            asked = {"run_id": page, "metric_key": metric, "max_results": str(SERVER_VALUES)}
            answer = requests.get(address, params=asked, timeout=_SECONDS)
            if not answer.ok:  # another server, which has only what MLflow promises
                return _one_by_one(client, run_ids, metrics)
            values = answer.json().get("metrics", [])
            if len(values) >= SERVER_VALUES:
                again += page
            for each in values:
                point = (float(each.get("step", 0)), float(each["timestamp"]), float(each["value"]))
                found.setdefault(each["run_id"], {}).setdefault(metric, []).append(point)
    # Answers that were cut off are asked for anew, a curve at a time.
    return found | _one_by_one(client, list(dict.fromkeys(again)), metrics)


def _one_by_one(client: MlflowClient, run_ids: Sequence[str], metrics: Sequence[str]) -> Points:
    def read(run_id: str) -> dict[str, list[tuple[float, float, float]]]:
        return {
            metric: [(float(each.step), float(each.timestamp), float(each.value)) for each in history]
            for metric in metrics
            if (history := client.get_metric_history(run_id, metric))
        }

    with ThreadPoolExecutor(max_workers=REQUESTS) as pool:
        return dict(zip(run_ids, pool.map(read, run_ids), strict=True))


def _pages(run_ids: Iterable[str], size: int) -> Iterator[list[str]]:
    left = iter(run_ids)
    while page := list(islice(left, size)):
        yield page


def _logged(run: Run, points: dict[str, list[tuple[float, float, float]]], parents: dict[str, Run]) -> LoggedRun:
    info, data = run.info, run.data
    parent = parents.get(data.tags.get(names.TAG_PARENT, ""))
    parameters = {name: plain_value(value) for name, value in data.params.items()}
    for name in ("fold", "seed", "cv", "split", "repeat"):
        if name in data.tags:  # some note it there
            parameters.setdefault(name, plain_value(data.tags[name]))
    if parent is not None:  # a run of folds below one that has the settings
        parameters = {name: plain_value(value) for name, value in parent.data.params.items()} | parameters
    epoch = {step: value for step, _, value in points.get("epoch", ())}
    series = {name: _series(of, epoch) for name, of in points.items() if name != "epoch"}
    return LoggedRun(
        name=data.tags.get(names.TAG_RUN_NAME, info.run_id[:8]),
        place=f"the MLflow run {info.run_id}",
        series={name: of for name, of in series.items() if len(of) > 1 or of.steps.any()},
        parameters=parameters,
        run_id=info.run_id,
        unfinished=info.status in ("RUNNING", "FAILED", "KILLED"),
        steps_are_epochs=_by_epoch(data),
        seconds=(info.end_time - info.start_time) / 1000 if info.end_time else None,
    )


def _by_epoch(data: Any) -> bool:
    """Keras' autolog, and whoever logs a number of epochs, has one step an epoch unless it is told otherwise."""
    return any(name in data.params for name in ("epochs", "num_epochs", "max_epochs", "n_epochs"))


def _series(points: Sequence[tuple[float, float, float]], epoch: dict[float, float]) -> Series:
    """In the order of the steps, what was logged last at a step behind what was logged before."""
    ordered = sorted(points)
    steps = [step for step, _, _ in ordered]
    return Series.of(steps, [value for *_, value in ordered], [epoch.get(step) for step in steps] if epoch else None)
