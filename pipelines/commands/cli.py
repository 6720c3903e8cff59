"""The entry points of the MLflow project: ``main`` (sweep, then report), ``sweep``, ``report``.

Nothing heavy is imported before the parameters are known: the backend must be chosen before Keras is loaded, and a
mistake in a parameter should be answered at once.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from pipelines.commands.interruption import Interrupted, interruptible
from pipelines.commands.parameters import Parameters, split_arguments
from pipelines.commands.reproduce import PARAMETERS as REPRODUCTION_PARAMETERS
from pipelines.errors import ExerciseError, UserError

if TYPE_CHECKING:
    from pipelines.sweep.loop import SweepOutcome, SweepSettings
    from reports import Report
    from reports.analysis.several import SweepComparison

BACKENDS = ("auto", "jax", "tensorflow")
STOPS = ("never", "overfit", "prune")
EXIT_MISTAKE = 2
#: NumPy's older generators, which the tuners use, take 32 bits.
MAX_SEED = 2**31 - 1

#: Parameters that an exercise has a value for, and the command line may replace.
OVERRIDES = ("folds", "repeats", "epochs", "validation", "monitor", "data", "target", "task", "missing")
SWEEP_PARAMETERS = (
    *("exercise", "space", "data_dir", "cache_dir", "weights", *OVERRIDES),
    *("trials", "tuner", "backend", "stop", "seed", "documented", "resume"),
)
FINAL_PARAMETERS = ("sweep", "configuration", "data_dir", "cache_dir", "weights", "output")


@dataclass(frozen=True)
class _Entry:
    run: Callable[[Parameters, Console], None]
    parameters: tuple[str, ...]
    summary: str


def run(arguments: Sequence[str]) -> int:
    """Run an entry point.

    Returns
    -------
    Exit code: 0, 2 for a mistake of the user's, 130 or 143 when interrupted.
    """
    # A log file has no width; a table in it should not be broken at 80 columns.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    if not arguments or arguments[0] == "help" or not {"-h", "--help"}.isdisjoint(arguments):
        console.print(_usage(), markup=False, soft_wrap=True)
        return 0 if arguments else EXIT_MISTAKE
    try:
        with interruptible():
            entry = _ENTRIES.get(arguments[0])
            if entry is None:
                raise UserError(f"There is no entry point '{arguments[0]}'; allowed: {', '.join(_ENTRIES)}.")
            parameters = Parameters(split_arguments(arguments[1:]))
            parameters.refuse_unknown(entry.parameters)
            entry.run(parameters, console)
    except UserError as error:
        _print_error(str(error))
        from pipelines.tracking import record_refusal

        record_refusal(str(error))
        return EXIT_MISTAKE
    except Interrupted as error:
        console.print(f"\nThe {arguments[0]} was {error}.", markup=False)
        if arguments[0] in _SWEEPS:
            console.print(
                f"What is finished is in the tracking store, and this goes on with the rest:\n  {_command(arguments)}",
                markup=False,
                soft_wrap=True,
            )
        return error.exit_code
    return 0


def _main(parameters: Parameters, console: Console) -> None:
    output = parameters.folder("output", must_exist=False)
    outcome = _run_sweep(parameters, console)
    from reports import read_report

    _report(read_report(outcome.run.run_id, tracking_uri=outcome.run.uri), output, console, outcome)


def _sweep(parameters: Parameters, console: Console) -> None:
    outcome = _run_sweep(parameters, console)
    _print_where(outcome, None, console)


def _report_only(parameters: Parameters, console: Console) -> None:
    from pipelines.tracking import latest_sweep, tracking_uri
    from reports import read_report
    from reports.analysis.several import read_comparison

    output = parameters.folder("output", must_exist=False)
    parameters.check()
    uri = tracking_uri(None)
    named = [run_id.strip() for run_id in parameters.text("sweeps").split(",") if run_id.strip()]
    run_ids = list(dict.fromkeys(named)) or [latest_sweep(uri)]
    # All are read before anything is written: one that is not there leaves nothing behind.
    comparison = read_comparison(run_ids, tracking_uri=uri) if len(run_ids) > 1 else None
    reports = [e.report for e in comparison.entries] if comparison else [read_report(run_ids[0], tracking_uri=uri)]
    for report in reports:
        folder = output / report.sweep.run_id[:8] if output and comparison else output
        _report(report, folder, console, None)
    if comparison:
        _compare(comparison, uri, output, console)


def _reproduce(parameters: Parameters, console: Console) -> None:
    from pipelines.commands.reproduce import read_reproduction, reproduce

    backend = parameters.choice("backend", BACKENDS, BACKENDS[0])
    prepare_backend(backend)
    settings = read_reproduction(parameters, backend, MAX_SEED)
    reproduce(settings, parameters.folder("output", must_exist=False), console)


def _final(parameters: Parameters, console: Console) -> None:
    from pipelines.tracking import latest_sweep, tracking_uri
    from pipelines.tracking.final_runs import read_sweep

    data_dir = parameters.folder("data_dir", must_exist=True)
    cache_dir = parameters.folder("cache_dir", must_exist=False)
    weights = parameters.weights()
    output = parameters.folder("output", must_exist=False)
    parameters.check()
    uri = tracking_uri(None)
    sweep = read_sweep(parameters.text("sweep") or latest_sweep(uri), uri=uri)
    # The backend that trained the sweep; Keras is not loaded yet.
    prepare_backend(str(sweep.section("parameters").get("backend")))
    from pipelines.final.making import FinalSettings, run_final

    run_final(FinalSettings(sweep, parameters.text("configuration"), data_dir, cache_dir, weights), console)
    # The report of the sweep shows its final model.
    from reports import write_report

    _print_where(None, write_report(sweep.run_id, tracking_uri=uri, output=output).html, console)


def _run_sweep(parameters: Parameters, console: Console) -> "SweepOutcome":
    backend = parameters.choice("backend", BACKENDS, BACKENDS[0])
    prepare_backend(backend)
    settings = read_settings(parameters, backend)
    from pipelines.sweep.loop import run_sweep

    return run_sweep(settings, console)


def read_settings(parameters: Parameters, backend: str) -> "SweepSettings":
    """Settings of a sweep from its parameters.

    Raises
    ------
    ExerciseError
        Naming every mistake in the parameters and in the exercise's file.
    """
    from pipelines.exercises.reader import load_exercise
    from pipelines.sweep.loop import Stop, SweepSettings
    from pipelines.tuners import DEFAULT, SPECS

    trials = parameters.whole_number("trials", minimum=1, default=12)
    seed = parameters.whole_number("seed", minimum=1, maximum=MAX_SEED, default=1)
    tuner = parameters.choice("tuner", SPECS, DEFAULT)
    stop = parameters.choice("stop", STOPS, "never")
    documented, resume = parameters.flag("documented", True), parameters.flag("resume", True)
    data_dir = parameters.folder("data_dir", must_exist=True)
    cache_dir = parameters.folder("cache_dir", must_exist=False)
    weights = parameters.weights()
    overrides = {name: value for name in OVERRIDES if (value := parameters.text(name))}
    # A user's own file is the exercise 'table', unless another is named; a user's own space replaces both.
    own = "table" if "data" in overrides else "digits"
    name = parameters.text("space") or parameters.text("exercise", own)
    try:
        exercise = load_exercise(name, data_dir=data_dir, **overrides)
    except ExerciseError as error:
        if not parameters.problems:
            raise
        parameters.problems.extend(f"{error.source}: {problem}" for problem in error.problems)
    except UserError as error:
        if not parameters.problems:
            raise
        parameters.problems.append(str(error))
    parameters.check()
    assert trials is not None and seed is not None
    return SweepSettings(
        exercise, trials, tuner, backend, Stop(stop), seed, documented, resume, data_dir, cache_dir, weights
    )


def prepare_backend(backend: str) -> None:
    """Choose Keras' backend, and quiet what its libraries print at their start."""
    os.environ["KERAS_BACKEND"] = "jax" if backend == "auto" else backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def _report(report: "Report", output: Path | None, console: Console, outcome: "SweepOutcome | None") -> None:
    from pipelines.tracking import describe_if_empty
    from reports import publish, terminal_table

    # The answer first: figures and files take some seconds more.
    console.print()
    console.print(terminal_table(report))
    with console.status("Writing the report: page, tables, figures"):
        paths = publish(report, output=output)
        if outcome is not None:
            outcome.run.describe(paths.summary)
        else:
            describe_if_empty(report.sweep.run_id, paths.summary, uri=report.sweep.uri)
    _print_where(outcome, paths.html, console)


def _compare(comparison: "SweepComparison", uri: str, output: Path | None, console: Console) -> None:
    from pipelines.tracking.reproductions import tag_project_run
    from reports.pages.several import terminal_table, write_comparison

    paths = write_comparison(comparison, output=output)
    # Several runs have a share in it, so it is kept with the project's own, where there is one.
    with TemporaryDirectory() as folder:
        for path in (paths.html, paths.markdown, paths.csv):
            shutil.copy(path, folder)
        tag_project_run("comparison", Path(folder), uri=uri)
    console.print()
    console.print(terminal_table(comparison))
    console.print(f"\nComparison  {paths.html}", markup=False, soft_wrap=True)


def _print_where(outcome: "SweepOutcome | None", html: Path | None, console: Console) -> None:
    """Where to look next."""
    from pipelines.tracking import ui_command

    lines = [""]
    if outcome is not None and outcome.failed:
        failed = "1 trial" if outcome.failed == 1 else f"{outcome.failed} trials"
        lines.append(f"{failed} failed; the report lists the reasons.")
    if html is not None:
        lines.append(f"Report      {html}")
    if outcome is not None:
        if command := ui_command(outcome.run.uri):
            lines += [f"MLflow UI   {command}", f"then open   {outcome.run.link}"]
        else:
            lines.append(f"MLflow UI   {outcome.run.link}")
        if html is None:
            lines.append(f"then report mlflow run . -e report -P sweeps={outcome.run.run_id}")
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def _print_error(message: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]Error:[/bold red] {escape(message)}")


def _command(arguments: Sequence[str]) -> str:
    """The command that takes up the sweep: the one that was given, without what would start it afresh."""
    values = {name: value for name, value in split_arguments(arguments[1:]).items() if value and name != "resume"}
    if not os.environ.get("MLFLOW_RUN_ID"):
        pairs = [f"--{name}={value}" for name, value in values.items()]
        return shlex.join(["python", "-m", "pipelines", arguments[0], *pairs])
    pairs = [part for name, value in values.items() for part in ("-P", f"{name}={value}")]
    entry = [] if arguments[0] == "main" else ["-e", arguments[0]]
    return shlex.join(["mlflow", "run", ".", *entry, "--env-manager", "local", *pairs])


def _usage() -> str:
    entries = "\n".join(f"  {name:<9} {entry.summary}" for name, entry in _ENTRIES.items())
    return (
        f"python -m pipelines ENTRY [--parameter value ...]\n\n{entries}\n\n"
        f"Parameters of main and sweep: {', '.join(SWEEP_PARAMETERS)}.\n"
        f"Parameters of reproduce: {', '.join(REPRODUCTION_PARAMETERS)}.\n"
        f"Parameters of final: {', '.join(FINAL_PARAMETERS)}. MLproject and README.md say what they mean."
    )


#: Entry points whose sweep can be taken up again.
_SWEEPS = ("main", "sweep", "reproduce")
_ENTRIES = {
    "main": _Entry(_main, (*SWEEP_PARAMETERS, "output"), "sweep, then report"),
    "sweep": _Entry(_sweep, SWEEP_PARAMETERS, "train configurations and record them in MLflow"),
    "reproduce": _Entry(_reproduce, REPRODUCTION_PARAMETERS, "train the documented variants and compare their figures"),
    "final": _Entry(_final, FINAL_PARAMETERS, "train the winner of a sweep on all data, test it, register it"),
    "report": _Entry(
        _report_only, ("sweeps", "output"), "make reports again and compare several sweeps, from the store alone"
    ),
}
