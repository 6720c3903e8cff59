"""What was found is written back to the MLflow runs that it was found in, so that they can be sorted by it there."""

import math

from pipelines.logs.analysis import LoggedSweep
from pipelines.overfitting.point import OverfittingPoint
from pipelines.tracking import names
from pipelines.tracking.runs import log_batches
from pipelines.tracking.store import store_client
from pipelines.tracking.trials import POINT_METRICS

#: What is said of a configuration's runs beside its point: how many runs it was judged on.
RUNS = "atlas.runs"
#: What was judged, in the words of the log.
JUDGED_ON = "atlas.judged_on"


def write_back(found: LoggedSweep) -> int:
    """Tags and metrics on every run that was judged; those of a configuration get its common point.

    Nothing that a run has is changed, but for these tags and metrics, which are those of this project's own trials
    (``best/epoch``, ``onset/epoch``, ``severity``, the tag ``atlas.verdict``). The number of runs is returned.

    Raises
    ------
    TrackingError
        Where the store does not answer, or may not be written.
    """
    written = 0
    with store_client(found.logs.uri, "Writing over-fitting points") as client:
        for judged in found.judged:
            tags = {
                names.TAG_VERDICT: str(judged.point.verdict),
                names.TAG_JUDGING: names.JUDGING,
                JUDGED_ON: found.choice.validation,
                RUNS: str(len(judged.group.members)),
            }
            numbers = point_numbers(judged.point)
            for member in judged.group.members:
                points = ((name, value, 0) for name, value in numbers.items())
                log_batches(client, member.run.run_id, points, tags=tags)
                written += 1
    return written


def point_numbers(point: OverfittingPoint) -> dict[str, float]:
    """The numbers of a point that are known, by the names that this project's own trials have for them."""
    found = {metric: getattr(point, name) for name, (metric, _) in POINT_METRICS.items()}
    return {metric: float(value) for metric, value in found.items() if value is not None and math.isfinite(value)}
