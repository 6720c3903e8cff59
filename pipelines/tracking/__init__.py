"""The only package that writes to MLflow: a sweep is a parent run, a trial a child run, a fold a metric.

>>> with open_sweep(description) as sweep:                                   # doctest: +SKIP
...     for earlier in sweep.finished_trials():
...         tuner.add(earlier.configuration, earlier.value)
...     with sweep.trial(configuration, origin="tuner", seeds=(1,)) as trial:
...         trial.finish(record)

Nothing here imports MLflow (two seconds) before a sweep is opened.
"""

from pipelines.tracking.environment import environment
from pipelines.tracking.names import (
    BEST_VALUE,
    CURVES_FILE,
    KIND_REPORT,
    KIND_SWEEP,
    KIND_TRIAL,
    REPORT_FOLDER,
    SCHEMA,
    SWEEP_FILE,
    TAG_BACKEND,
    TAG_COMMIT,
    TAG_CONFIGURATION,
    TAG_CONTINUED_BY,
    TAG_DATA,
    TAG_EXERCISE,
    TAG_FIRST_PARENT,
    TAG_HOST,
    TAG_KIND,
    TAG_NOTE,
    TAG_ORIGIN,
    TAG_PARENT,
    TAG_PROCESS,
    TAG_REASON,
    TAG_RESUMED_FROM,
    TAG_RUN_NAME,
    TAG_SCHEMA,
    TAG_SEEDS,
    TAG_SWEEP,
    TAG_TUNER,
    TAG_VERDICT,
)
from pipelines.tracking.opening import (
    SweepDescription,
    describe_if_empty,
    latest_sweep,
    open_sweep,
    record_refusal,
    save_report,
)
from pipelines.tracking.records import FitLabel, StoredTrial, TrialRecord, read_curves
from pipelines.tracking.runs import SweepRun, TrialRun
from pipelines.tracking.store import check_store, redacted, tracking_uri, ui_command, ui_link

__all__ = [
    "BEST_VALUE",
    "CURVES_FILE",
    "KIND_REPORT",
    "KIND_SWEEP",
    "KIND_TRIAL",
    "REPORT_FOLDER",
    "SCHEMA",
    "SWEEP_FILE",
    "TAG_BACKEND",
    "TAG_COMMIT",
    "TAG_CONFIGURATION",
    "TAG_CONTINUED_BY",
    "TAG_DATA",
    "TAG_EXERCISE",
    "TAG_FIRST_PARENT",
    "TAG_HOST",
    "TAG_KIND",
    "TAG_NOTE",
    "TAG_ORIGIN",
    "TAG_PARENT",
    "TAG_PROCESS",
    "TAG_REASON",
    "TAG_RESUMED_FROM",
    "TAG_RUN_NAME",
    "TAG_SCHEMA",
    "TAG_SEEDS",
    "TAG_SWEEP",
    "TAG_TUNER",
    "TAG_VERDICT",
    "FitLabel",
    "StoredTrial",
    "SweepDescription",
    "SweepRun",
    "TrialRecord",
    "TrialRun",
    "check_store",
    "describe_if_empty",
    "environment",
    "latest_sweep",
    "open_sweep",
    "read_curves",
    "record_refusal",
    "redacted",
    "save_report",
    "tracking_uri",
    "ui_command",
    "ui_link",
]
