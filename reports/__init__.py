"""Tables and figures of a sweep, made from the tracking store alone; imports ``pipelines``, never the other way round.

>>> paths = write_report(run_id, tracking_uri="sqlite:///mlflow.db")        # doctest: +SKIP
>>> paths.html                                                              # doctest: +SKIP
PosixPath('report/digits-1f0c3a52/report.html')

For notebooks the same as DataFrames:

>>> points = overfitting_points(run_id, "sqlite:///mlflow.db")              # doctest: +SKIP
>>> print(latex(points[["configuration", "best_epoch", "onset"]]))          # doctest: +SKIP
"""

from reports.pages.sweep import ReportPaths, publish, write_report
from reports.report import Report, logged_report, make_report, read_report
from reports.tables.configurations import terminal_table
from reports.tables.frames import curves_frame, learning_curves, overfitting_points, parameter_points, points_frame
from reports.tables.table import latex, markdown

__all__ = [
    "Report",
    "ReportPaths",
    "curves_frame",
    "latex",
    "learning_curves",
    "logged_report",
    "make_report",
    "markdown",
    "overfitting_points",
    "parameter_points",
    "points_frame",
    "publish",
    "read_report",
    "terminal_table",
    "write_report",
]
