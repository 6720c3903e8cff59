"""A sweep and its trials as MLflow runs: recording, and ending with the status that is true."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import TrackingError
from pipelines.exercises.configurations import Configuration
from pipelines.tracking import names, resuming
from pipelines.tracking.ending import MAX_REASON, EndingRun
from pipelines.tracking.records import StoredTrial, TrialRecord, read_curves
from pipelines.tracking.run_names import run_name
from pipelines.tracking.store import store_errors, ui_link
from pipelines.tracking.writing import log_batches, log_record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run


class SweepRun(EndingRun):
    """The parent run of a sweep; made by ``open_sweep``, ended by its ``with`` block.

    The results of a trial are written by one thread in the background, while the next trial compiles and trains:
    MLflow spends about 0.2 s on them. Every method that adds something to the sweep waits for that thread first.
    """

    def __init__(
        self,
        client: MlflowClient,
        uri: str,
        run: Run,
        resumption: resuming.Resumption,
        trial_tags: Mapping[str, str],
        *,
        data: DatasetInput | None = None,
        varying: Collection[str] | None = None,
    ) -> None:
        """``data`` is linked to every trial; ``varying`` are the settings that their names tell, None for all."""
        super().__init__(client, uri, run.info.run_id)
        self.uri = uri
        self.experiment_id: str = run.info.experiment_id
        self.resumed_from = resumption.sweeps
        self._earlier = resumption.trials
        self._trial_tags = {**trial_tags, names.TAG_PARENT: self.run_id}
        self._data, self._varying = data, varying
        self._names = {run_name(stored.configuration, varying) for stored in resumption.trials}
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._writing: list[Future[None]] = []

    @property
    def link(self) -> str:
        """Address of this sweep's runs in the MLflow UI, best first."""
        return ui_link(self.uri, self.experiment_id, self._trial_tags[names.TAG_SWEEP])

    def finished_trials(self) -> tuple[StoredTrial, ...]:
        """Trials that earlier starts of this sweep have finished, oldest first; they are children of this run now.

        Diverged trials are among them (their value is None): with the same seeds they would diverge again. Trials
        that failed for another reason or were cut off are not, and will be trained again.
        """
        return self._earlier

    def curves(self, stored: StoredTrial) -> dict[str, NDArray[np.float32]]:
        """All curves of a finished trial, by name, each (fits, epochs), from the store."""
        with store_errors(self._uri, "Reading a trial's curves"), TemporaryDirectory() as folder:
            path = self._client.download_artifacts(stored.run_id, names.CURVES_FILE, folder)
            return read_curves(Path(path))[1]

    def trial(self, configuration: Configuration, origin: str, seeds: Sequence[int]) -> TrialRun:
        """Start the run of a trial, to be used as a context manager.

        Raises
        ------
        TrackingError
            When the store does not answer, or when it refused the results of an earlier trial.
        """
        self._raise_refusals()
        tags = self._trial_tags | {
            names.TAG_CONFIGURATION: configuration.hash,
            names.TAG_ORIGIN: origin,
            names.TAG_SEEDS: ",".join(str(seed) for seed in seeds)[:MAX_REASON],
        }
        name = run_name(configuration, self._varying, self._names)
        self._names.add(name)
        with store_errors(self._uri, "Starting a trial"):
            run = self._client.create_run(self.experiment_id, tags=tags, run_name=name)
        return TrialRun(self._client, self._uri, run.info.run_id, self._write_later, self._data)

    def flush(self) -> None:
        """Wait until the results of all trials so far are in the store."""
        self._writing, written = [], self._writing
        for task in written:
            task.result()

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Numbers about the sweep as a whole."""
        self.flush()
        points = [(name, float(value), 0) for name, value in metrics.items()]
        with store_errors(self._uri, "Recording a sweep"):
            log_batches(self._client, self.run_id, points)

    def describe(self, markdown: str) -> None:
        """Set the description of the run, which the UI shows first."""
        self.flush()
        with store_errors(self._uri, "Describing a sweep"):
            self._client.set_tag(self.run_id, names.TAG_NOTE, markdown[: resuming.MAX_TAG])

    def _end(self, status: str, reason: str = "") -> None:
        try:
            self.flush()
        except TrackingError as error:
            status, reason = resuming.FAILED, reason or str(error)
            raise
        finally:
            self._writer.shutdown()
            super()._end(status, reason)

    def _write_later(self, task: Callable[[], None]) -> None:
        self._writing.append(self._writer.submit(task))

    def _raise_refusals(self) -> None:
        done = [task for task in self._writing if task.done()]
        self._writing = [task for task in self._writing if not task.done()]
        for task in done:
            task.result()


class TrialRun(EndingRun):
    """The child run of a trial; made by ``SweepRun.trial``."""

    def __init__(
        self,
        client: MlflowClient,
        uri: str,
        run_id: str,
        write_later: Callable[[Callable[[], None]], None],
        data: DatasetInput | None = None,
    ) -> None:
        super().__init__(client, uri, run_id)
        self._write_later, self._data = write_later, data

    def finish(self, record: TrialRecord) -> None:
        """Record everything and end the run: FINISHED, or FAILED where the record names a failure.

        Returns at once; the record's arrays must not be changed afterwards. The status is written last, so a run
        that says FINISHED is whole.
        """
        self._open = False
        ended = int(time() * 1000)
        self._write_later(lambda: self._write(record, ended))

    def _write(self, record: TrialRecord, ended: int) -> None:
        with store_errors(self._uri, "Recording a trial"):
            if self._data is not None:
                self._client.log_inputs(self.run_id, datasets=[self._data])
            log_record(self._client, self.run_id, record)
            status = resuming.FAILED if record.failure else resuming.FINISHED
            self._client.set_terminated(self.run_id, status, end_time=ended)
