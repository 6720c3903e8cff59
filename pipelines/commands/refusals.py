"""Deletes MLflow's own run of a command that was refused, once ``mlflow run`` has ended, which writes to it till then.

``python -m pipelines.commands.refusals PROCESS`` waits for that. Where it cannot, the next sweep deletes the run.
"""

import contextlib
import os
import subprocess
import sys

import psutil

from pipelines.commands.launch import PROJECT, launch

#: ``mlflow run`` ends within a second after its entry point.
_WAIT_SECONDS = 60


def forget_later() -> None:
    """Delete the runs of refused commands when the ``mlflow run`` above us has ended, by a process of its own."""
    from pipelines.tracking.store import tracking_uri

    if (found := launch()) is None:
        return
    environment = {name: text for name, text in os.environ.items() if name != "MLFLOW_RUN_ID"}
    subprocess.Popen(
        [sys.executable, "-m", __name__, str(found.process)],
        cwd=PROJECT,
        env=environment | {"MLFLOW_TRACKING_URI": tracking_uri()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def forget_after(process: int) -> None:
    """Wait for the end of a process, and delete the runs of refused commands."""
    from pipelines.tracking.runs import all_experiments, forget_refused
    from pipelines.tracking.store import store_client

    with contextlib.suppress(psutil.Error):  # it was faster, or is a program that goes on
        psutil.Process(process).wait(_WAIT_SECONDS)
    with store_client(None, "Deleting refused runs") as client:
        forget_refused(client, all_experiments(client))


if __name__ == "__main__":
    forget_after(int(sys.argv[1]))
