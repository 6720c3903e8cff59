"""Tables and figures of a sweep, made from the tracking store alone; imports ``pipelines``, never the other way round.

>>> paths = write_report(run_id, tracking_uri="sqlite:///mlflow.db")        # doctest: +SKIP
>>> paths.html                                                              # doctest: +SKIP
PosixPath('report/digits-1f0c3a52/report.html')
"""

from reports.content import Report, read_report
from reports.page import ReportPaths, write_report
from reports.tables import terminal_table

__all__ = ["Report", "ReportPaths", "read_report", "terminal_table", "write_report"]
