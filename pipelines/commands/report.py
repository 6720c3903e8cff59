"""The entry point ``report``: reports made again and several sweeps compared, from the tracking store alone."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.commands import print_lines
from pipelines.commands.following import follow, read_following
from pipelines.commands.parameters import Parameters
from pipelines.errors import UserError

if TYPE_CHECKING:
    from reports import Report, ReportPaths
    from reports.analysis.several import SweepComparison

PARAMETERS = ("sweeps", "output", "follow", "port")


def report(parameters: Parameters, console: Console) -> None:
    """Make the report of each sweep, and of several a page that compares them."""
    from pipelines.tracking.reading import find_sweep, latest_sweep
    from pipelines.tracking.runs import describe_if_empty
    from pipelines.tracking.store import tracking_uri
    from reports import read_report
    from reports.analysis.several import read_comparison

    output = parameters.folder("output", must_exist=False)
    is_followed, port = read_following(parameters)
    parameters.check()
    uri = tracking_uri(None)
    named = [run_id.strip() for run_id in parameters.text("sweeps").split(",") if run_id.strip()]
    run_ids = list(dict.fromkeys(find_sweep(name, uri=uri) for name in named)) or [latest_sweep(uri)]
    if is_followed:
        if len(run_ids) > 1:
            raise UserError(f"follow: {len(run_ids)} sweeps are named; allowed: true for one sweep, else false.")
        follow(lambda: read_report(run_ids[0], tracking_uri=uri), console, port=port)
        return
    # All are read before anything is written: one that is not there leaves nothing behind.
    comparison = read_comparison(run_ids, tracking_uri=uri) if len(run_ids) > 1 else None
    reports = [e.report for e in comparison.entries] if comparison else [read_report(run_ids[0], tracking_uri=uri)]
    for each in reports:
        folder = output / each.sweep.run_id[:8] if output and comparison else output
        paths = print_report(each, folder, console)
        describe_if_empty(each.sweep.run_id, paths.summary, uri=each.sweep.uri)
        print_lines(console, [f"Report      {paths.html}"])
    if comparison:
        _compare(comparison, uri, output, console)


def print_report(report: "Report", output: Path | None, console: Console) -> "ReportPaths":
    """Print a report's table, and write it."""
    from reports import publish, terminal_table

    # The answer first: figures and files take some seconds more.
    console.print()
    console.print(terminal_table(report, width=console.width))
    with console.status("Writing the report: page, tables, figures"):
        return publish(report, output=output)


def _compare(comparison: "SweepComparison", uri: str, output: Path | None, console: Console) -> None:
    from pipelines.tracking.runs import tag_project_run
    from reports.pages.several import terminal_table, write_comparison

    paths = write_comparison(comparison, output=output)
    # Several runs have a share in it, so it is kept with the project's own, where there is one.
    with TemporaryDirectory() as folder:
        for path in (paths.html, paths.markdown, paths.csv):
            shutil.copy(path, folder)
        tag_project_run("comparison", Path(folder), uri=uri)
    console.print()
    console.print(terminal_table(comparison))
    print_lines(console, [f"Comparison  {paths.html}"])
