"""The Model Registry: versions of a model, and which of them is the champion.

A new version gets one of two aliases. ``champion`` is the best model so far, judged by the value at the best epoch that
its sweep measured *on validation rows*: choosing by the test set would wear that out. A version takes the alias over
from another only where the two can be compared, that is with the same data and the same monitored curve, and only
where it is better. Otherwise it is the ``challenger``, and it is for a person to decide.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.tracking import names

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
#: What MLflow says of something that is not there: of a run, of an alias.
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Registered:
    """A version in the Model Registry.

    Attributes
    ----------
    name, version, alias
        ``models:/<name>@<alias>`` loads it.
    reason
        Why it has this alias, a clause.
    previous
        The version that had the alias before; empty where none had.
    """

    name: str
    version: str
    alias: str
    reason: str
    previous: str = ""

    @property
    def uri(self) -> str:
        """Where ``mlflow.keras.load_model`` finds it."""
        return f"models:/{self.name}@{self.alias}"


def register(client: MlflowClient, model_uri: str, name: str, tags: Mapping[str, str]) -> Registered:
    """Make a logged model the next version of ``name``, and give it its alias.

    Parameters
    ----------
    tags
        Of the version; ``choose_alias`` says which are needed.
    """
    import mlflow

    with quiet():
        version = str(mlflow.register_model(model_uri, name, tags=dict(tags)).version)
    champion = _with_alias(client, name, CHAMPION)
    alias, reason = choose_alias(tags, champion.tags, champion.version) if champion else choose_alias(tags)
    previous = champion if alias == CHAMPION else _with_alias(client, name, alias)
    client.set_registered_model_alias(name, alias, version)
    return Registered(name, version, alias, reason, str(previous.version) if previous else "")


def withdraw(client: MlflowClient, registered: Registered) -> None:
    """Give the alias of a version back to the one that had it before."""
    client.delete_registered_model_alias(registered.name, registered.alias)
    if registered.previous:
        client.set_registered_model_alias(registered.name, registered.alias, registered.previous)


def registered_name(exercise: str) -> str:
    """Name in the Model Registry, which does not take slashes and colons.

    >>> registered_name("my:exercise")
    'overfit-atlas-my-exercise'
    """
    return "overfit-atlas-" + re.sub(r"[/:]", "-", exercise)


def choose_alias(
    tags: Mapping[str, str], champion: Mapping[str, str] | None = None, version: str | int = ""
) -> tuple[str, str]:
    """Which alias a new version gets, and why.

    Parameters
    ----------
    tags
        Of the new version: data, monitored curve and its value at the best epoch.
    champion, version
        Tags and number of the present champion; None where there is none.
    """
    if champion is None:
        return CHAMPION, "the first of its name"
    if champion.get(names.TAG_DATA) != tags[names.TAG_DATA]:
        return CHALLENGER, f"version {version}, the champion, was trained on other data and cannot be compared"
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep back what MLflow and Keras print in passing; errors are raised, not printed."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def _with_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise
