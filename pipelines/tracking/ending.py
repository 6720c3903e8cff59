"""Ending a run with the status that is true: finished, failed, or cut off from outside."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pipelines.errors import TrackingError, reason_of
from pipelines.tracking import names, resuming
from pipelines.tracking.store import store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_REASON = 500
_log = logging.getLogger(__name__)


class EndingRun:
    """A run, of a sweep, trial or anything else, that ends by what left its ``with`` block."""

    def __init__(self, client: MlflowClient, uri: str, run_id: str) -> None:
        self._client = client
        self._uri = uri
        self.run_id = run_id
        self._open = True

    def fail(self, reason: str) -> None:
        """End the run as FAILED, with the reason as a tag."""
        self._end(resuming.FAILED, reason)

    def kill(self, reason: str = "interrupted") -> None:
        """End the run as KILLED: it was cut off from outside, and will be asked for again."""
        self._end(resuming.KILLED, reason)

    def _end(self, status: str, reason: str = "") -> None:
        if not self._open:
            return
        with store_errors(self._uri, "Ending a run"):
            if reason:
                self._client.set_tag(self.run_id, names.TAG_REASON, reason[:MAX_REASON])
            self._client.set_terminated(self.run_id, status)
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._end(resuming.FINISHED)
            return
        try:
            if is_interruption(error):
                self.kill(str(error) or "interrupted")
            else:
                self.fail(reason_of(error))
        except TrackingError:  # must not hide the error that ended the block
            _log.warning("The run %s could not be closed in the tracking store.", self.run_id)


def is_interruption(error: BaseException) -> bool:
    """Ctrl-C, and the ``SystemExit`` of a handler of SIGTERM."""
    return not isinstance(error, Exception)
