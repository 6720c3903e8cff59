"""Versions in MLflow's Model Registry: their names, their aliases, and finding the one that a user names.

A new version gets one of two aliases. ``champion`` is the best model so far, judged by the value at the best epoch that
its sweep measured *on validation rows*: choosing by the test set would wear that out. A version takes the alias over
from another only where the two can be compared, that is with the same data, target and monitored curve, and only where
it is better. Otherwise it is the ``challenger``, and it is for a person to decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.datasets.base import DatasetSpec
from pipelines.errors import TrackingError
from pipelines.exercises.exercise import Exercise
from pipelines.tracking import names, runs
from pipelines.tracking.store import MISSING, open_store, redacted, store_errors
from pipelines.tracking.trials import FINISHED
from pipelines.words import did_you_mean

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
PREFIX = "overfit-atlas-"
_LONGEST_NAME = 80
_ALLOWED = "the name of a registered model, a models:/ address, or the beginning of a final model's run id"


@dataclass(frozen=True)
class Registered:
    """A version in the Model Registry; ``reason`` is a clause that says why it has its alias."""

    name: str
    version: str
    alias: str
    reason: str
    previous: str = ""  # the version that had the alias before

    @property
    def uri(self) -> str:
        """Where MLflow finds it."""
        return f"models:/{self.name}@{self.alias}"


def registered_name(exercise: Exercise) -> str:
    """Name in the Model Registry: of the exercise; on data of one's own of the file and the target.

    Nothing else is in it than letters, digits, points, hyphens and underscores, since it becomes part of addresses.
    """
    dataset = exercise.dataset
    name = f"{_stem(dataset)}-{target_of(dataset)}" if dataset.source == "file" else exercise.name
    return PREFIX + re.sub(r"[^\w.-]+", "-", name)[:_LONGEST_NAME].strip("-.")


def target_of(dataset: DatasetSpec) -> str:
    """What is predicted of a user's own file; empty where nothing is stated, and for other sources."""
    return str(dataset.options.get("target") or "").strip() if dataset.source == "file" else ""


def choose_alias(
    tags: Mapping[str, str], champion: Mapping[str, str] | None = None, version: str | int = ""
) -> tuple[str, str]:
    """Which alias a new version gets, by its tags and those of the present ``champion``, and why."""
    if champion is None:
        return CHAMPION, "the first of its name"
    for tag, other in ((names.TAG_DATA, "was trained on other data"), (names.TAG_TARGET, "predicts another target")):
        if champion.get(tag, "") != tags.get(tag, ""):
            return CHALLENGER, f"version {version}, the champion, {other} and cannot be compared"
    monitor = tags[names.TAG_MONITOR]
    if champion.get(names.TAG_MONITOR) != monitor:
        return CHALLENGER, f"version {version}, the champion, was not judged by {monitor} and cannot be compared"
    try:
        best = float(champion[names.BEST_VALUE])
    except (KeyError, ValueError):
        return CHALLENGER, f"the value of version {version}, the champion, is not recorded"
    value = float(tags[names.BEST_VALUE])
    figures = f"{monitor} {value:.4g} against {best:.4g} of version {version}"
    return (CHAMPION, f"better: {figures}") if value < best else (CHALLENGER, f"not better: {figures}, the champion")


def with_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """The version that has an alias; None where none has."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise


@dataclass(frozen=True)
class Found:
    """A registered model that was looked for: its address, and in words which one it is."""

    uri: str
    words: str


def find_model(model: str = "", sweep: str = "", *, uri: str) -> Found:
    """The model that a user names, else the newest final model of a sweep, or of the whole store.

    Parameters
    ----------
    model
        The name of a registered model (its champion, else its latest version), a ``models:/`` address, or a final
        model's run id or the beginning of one.
    sweep
        Run id of a sweep, or the beginning of one.

    Raises
    ------
    TrackingError
        Where the store does not answer, nothing is found, or a beginning is that of several runs.
    """
    client, uri = open_store(uri)
    with store_errors(uri, "Looking for a final model"):
        if model.startswith("models:"):
            return Found(model, model)
        if model and (version := _of_name(client, model)):
            return _found(version)
        finals = runs.search(client, runs.all_experiments(client), {names.TAG_KIND: names.KIND_FINAL}, status=FINISHED)
        if model:
            run = _beginning(finals, model, "", uri)
            if run is None:
                known = [found.name for found in client.search_registered_models()]
                near = did_you_mean(model, [*known, *(name.removeprefix(PREFIX) for name in known)])
                there = f" Registered are: {', '.join(sorted(known)[:20])}." if known else ""
                raise TrackingError(
                    f"model: there is no {model!r} in the tracking store {redacted(uri)}{near}; allowed: {_ALLOWED}."
                    f"{there}"
                )
        elif sweep:
            run = _beginning(finals, sweep, names.TAG_FINAL_SWEEP, uri)
            if run is None:
                raise TrackingError(
                    f"sweep: the tracking store {redacted(uri)} has no final model of a sweep {sweep!r}; "
                    f"'mlflow run . -e final -P sweep={sweep}' makes one."
                )
        elif finals:
            run = finals[-1]
        else:
            raise TrackingError(
                f"The tracking store {redacted(uri)} holds no final model; 'mlflow run . -e final' makes one of the "
                "latest sweep."
            )
        versions = client.search_model_versions(f"run_id = '{run.info.run_id}'")
        if not versions:
            raise TrackingError(f"The final model {run.info.run_id} has no registered version any more.")
        return _found(max(versions, key=lambda version: int(version.version)))


def _stem(dataset: DatasetSpec) -> str:
    """Name of the file without its endings: ``houses`` for ``houses.csv.gz``."""
    name = Path(str(dataset.options.get("path") or dataset.name)).name
    return Path(re.sub(r"\.(gz|zst|bz2|xz|zip)$", "", name, flags=re.IGNORECASE)).stem


def _of_name(client: MlflowClient, name: str) -> ModelVersion | None:
    """The champion of a registered model, else its latest version; our prefix may be left out."""
    for full in (name, PREFIX + name):
        if champion := with_alias(client, full, CHAMPION):
            return champion
        if re.fullmatch(r"[\w.-]+", full) and (versions := client.search_model_versions(f"name = '{full}'")):
            return max(versions, key=lambda version: int(version.version))
    return None


def _beginning(finals: Sequence[Run], start: str, tag: str, uri: str) -> Run | None:
    """The newest final model whose run id, or whose ``tag``, begins so."""
    ids = [run.data.tags.get(tag, "") if tag else run.info.run_id for run in finals]
    matching = [run for run, found in zip(finals, ids, strict=True) if found.startswith(start)]
    different = {found for found in ids if found.startswith(start)}
    if len(different) > 1:
        what = "sweep" if tag else "model"
        raise TrackingError(
            f"{what}: {start!r} is the beginning of {len(different)} run ids in the tracking store {redacted(uri)}: "
            f"{', '.join(sorted(different)[:5])}."
        )
    return matching[-1] if matching else None


def _found(version: ModelVersion) -> Found:
    # The alias may be on its way to another version; the number stays.
    return Found(f"models:/{version.name}/{version.version}", f"{version.name}, version {version.version}")
