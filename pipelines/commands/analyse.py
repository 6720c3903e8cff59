"""The entry point ``analyse``: over-fitting points of curves that any other training has logged."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.commands import print_lines
from pipelines.commands.following import follow, read_following
from pipelines.commands.parameters import Parameters
from pipelines.errors import UserError
from pipelines.words import counted

if TYPE_CHECKING:
    from pipelines.logs.analysis import LoggedSweep, Wanted
    from pipelines.logs.sources import Where
    from reports import Report

PARAMETERS = (
    *("source", "store", "runs", "filter", "study", "run_column", "step_column"),
    *("validation", "training", "better", "group", "folds", "repeats"),
    *("steps_per_epoch", "validation_share", "write_back", "output", "follow", "port"),
)
#: A study of this name for a comparison of several sources.
SEVERAL = "logged curves"


def analyse(parameters: Parameters, console: Console) -> None:
    """Judge the curves of each source, write its report, and of several sources a page that compares them."""
    from pipelines.logs.sources import ALLOWED

    output = parameters.folder("output", must_exist=False)
    write_back = parameters.flag("write_back", False)
    is_followed, port = read_following(parameters)
    where, wanted = _where(parameters), _wanted(parameters)
    sources = _sources(parameters.text("source"))
    if not sources:
        parameters.problems.append(f"source: is empty; allowed: {ALLOWED}")
    parameters.check()
    if is_followed:
        if len(sources) > 1:
            raise UserError(f"follow: {len(sources)} sources are named; allowed: true for one source, else false.")
        from reports import logged_report

        follow(lambda: logged_report(sources[0], where, wanted), console, port=port)
        return
    # All are read before anything is written: one that is not there leaves nothing behind.
    found = _read(sources, where, wanted, console)
    if write_back:
        _refuse_without_store(found)
    for name, each in found.items():
        for note in each.notes:
            console.print(f"{name}: {note}" if len(found) > 1 else note, markup=False, soft_wrap=True)
    reports = [
        _write(name, each, output if len(found) == 1 else output and output / name, console)
        for name, each in found.items()
    ]
    if len(reports) > 1:
        _compare(reports, output, console)
    if write_back:
        for each in found.values():
            _write_back(each, console)


def _where(parameters: Parameters) -> "Where":
    from pipelines.logs.readers.tables import Asked
    from pipelines.logs.sources import Where

    return Where(
        runs=tuple(filter(None, (run.strip() for run in parameters.text("runs").split(",")))),
        condition=parameters.text("filter"),
        store=parameters.text("store"),
        metrics=tuple(filter(None, (parameters.text("validation"), parameters.text("training")))),
        study=parameters.text("study"),
        columns=Asked(parameters.text("run_column"), parameters.text("step_column")),
    )


def _wanted(parameters: Parameters) -> "Wanted":
    from pipelines.logs.analysis import Wanted
    from pipelines.logs.grouping import Stated

    better = parameters.choice("better", ("lower", "higher"), "") if parameters.text("better") else ""
    return Wanted(
        validation=parameters.text("validation"),
        training=parameters.text("training"),
        better=better,
        stated=Stated(parameters.text("group"), parameters.text("folds"), parameters.text("repeats")),
        steps_per_epoch=parameters.positive_number("steps_per_epoch", below=1e12),
        validation_share=parameters.positive_number("validation_share", below=1),
    )


def _sources(text: str) -> list[str]:
    """One source, or several joined by commas; a path may have a comma in it."""
    if Path(text).exists():
        return [text] if text else []
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _read(sources: list[str], where: "Where", wanted: "Wanted", console: Console) -> "dict[str, LoggedSweep]":
    """What each source holds, by a short name that no other has."""
    from pipelines.logs.analysis import analyse_logs
    from pipelines.logs.sources import read_logs, source_name

    found: dict[str, LoggedSweep] = {}
    for source in sources:
        name = source_name(source)
        name = name if name not in found else f"{name}-{len(found) + 1}"
        with console.status(f"Reading {source}"):
            logs = read_logs(source, where)
            found[name] = analyse_logs(logs, name, wanted, group=SEVERAL if len(sources) > 1 else "")
    return found


def _write(name: str, found: "LoggedSweep", output: Path | None, console: Console) -> "Report":
    from reports import make_report, publish, terminal_table
    from reports.pages.sweep import FOLDER

    report = make_report(found.sweep, found.curves)
    console.print()
    console.print(terminal_table(report))
    with console.status("Writing the report: page, tables, figures"):
        paths = publish(report, output=output or FOLDER / f"curves-{name}", log_to_run=False)
    print_lines(console, [f"Report      {paths.html}"])
    return report


def _compare(reports: "list[Report]", output: Path | None, console: Console) -> None:
    from reports.analysis.several import make_comparison
    from reports.pages.several import terminal_table, write_comparison

    comparison = make_comparison(reports)
    paths = write_comparison(comparison, output=output)
    console.print()
    console.print(terminal_table(comparison))
    print_lines(console, [f"Comparison  {paths.html}"])


def _refuse_without_store(found: "dict[str, LoggedSweep]") -> None:
    for name, each in found.items():
        if not each.logs.uri:
            raise UserError(
                f"write_back: {name} is no MLflow store but {each.logs.kind}; allowed: true for runs of MLflow, else "
                "false."
            )


def _write_back(found: "LoggedSweep", console: Console) -> None:
    from pipelines.logs.writing import write_back

    written = write_back(found)
    lines = [
        f"Written to  {counted(written, 'run')} in MLflow: best/epoch, onset/epoch and severity as metrics, "
        "the verdict as the tag atlas.verdict"
    ]
    print_lines(console, lines)
