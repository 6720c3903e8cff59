"""The entry points ``main`` (a sweep, then its report) and ``sweep``: their parameters, and where to look next."""

from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.commands import MAX_SEED, PLACES, print_lines, read_backend, read_places, short_id, ui_lines
from pipelines.commands.launch import command
from pipelines.commands.parameters import Parameters
from pipelines.commands.report import print_report
from pipelines.errors import ExerciseError, UserError
from pipelines.words import counted

if TYPE_CHECKING:
    from pipelines.exercises.exercise import Exercise
    from pipelines.sweep.description import SweepSettings
    from pipelines.sweep.loop import SweepOutcome

#: Parameters that an exercise has a value for, and the command line may replace.
OVERRIDES = (
    *("folds", "repeats", "epochs", "validation", "monitor", "data", "target", "task", "missing", "design"),
    *("separator", "decimal", "thousands", "encoding", "exclude", "test_fraction", "group", "order", "id"),
)
PARAMETERS = (
    *("exercise", "space", *PLACES, *OVERRIDES),
    *("trials", "tuner", "backend", "workers", "stop", "seed", "documented", "resume"),
)
AUTO, MAX_WORKERS = "auto", 256
MAIN_PARAMETERS = (*PARAMETERS, "output")


def main(parameters: Parameters, console: Console) -> None:
    """Run a sweep, and make its report."""
    output = parameters.folder("output", must_exist=False)
    outcome = _run(parameters, console)
    from reports import read_report

    report = read_report(outcome.run.run_id, tracking_uri=outcome.run.uri)
    paths = print_report(report, output, console)
    outcome.run.describe(paths.summary)
    lines = [*_failed(outcome), f"Report      {paths.html}", *ui_lines(outcome.run.uri, outcome.run.link)]
    print_lines(console, [*lines, *_next(outcome, report.sweep.record.exercise)])


def sweep(parameters: Parameters, console: Console) -> None:
    """Run a sweep."""
    outcome = _run(parameters, console)
    report = f"then report {command('report', sweeps=short_id(outcome.run.run_id))}"
    print_lines(console, [*_failed(outcome), *ui_lines(outcome.run.uri, outcome.run.link), report])


def check(parameters: Parameters) -> None:
    """Raise a ``UserError`` for a mistake in what a sweep is asked, or in its exercise file."""
    parameters.folder("output", must_exist=False)
    read_settings(parameters, read_backend(parameters))


def read_settings(parameters: Parameters, backend: str) -> "SweepSettings":
    """Settings of a sweep; an ``ExerciseError`` names every mistake in the parameters and the exercise's file."""
    from pipelines.datasets import Places
    from pipelines.exercises.reader import load_exercise
    from pipelines.sweep.description import SweepSettings
    from pipelines.sweep.stopping import Stop
    from pipelines.tuners import DEFAULT, SPECS

    trials = parameters.whole_number("trials", minimum=1)
    seed = parameters.whole_number("seed", minimum=1, maximum=MAX_SEED, default=1)
    tuner = parameters.choice("tuner", SPECS, DEFAULT)
    workers = None
    if parameters.text("workers", AUTO) != AUTO:
        workers = parameters.whole_number("workers", minimum=1, maximum=MAX_WORKERS)
    stop = parameters.choice("stop", map(str, Stop), Stop.NEVER)
    documented, resume = parameters.flag("documented", True), parameters.flag("resume", True)
    places = read_places(parameters)
    overrides = {name: value for name in OVERRIDES if (value := parameters.text(name))}
    # A user's own file is the exercise 'table', unless another is named; a user's own space replaces both.
    own = "table" if "data" in overrides else "digits"
    name = parameters.text("space") or parameters.text("exercise", own)
    try:
        exercise = load_exercise(name, data_dir=places[0], cache_dir=places[1], **overrides)
    except ExerciseError as error:
        if not parameters.problems:
            raise
        parameters.problems.extend(f"{error.source}: {problem}" for problem in error.problems)
    except UserError as error:
        if not parameters.problems:
            raise
        parameters.problems.append(str(error))
    parameters.check()
    assert seed is not None
    return SweepSettings(
        exercise,
        trials=trials,
        tuner=tuner,
        backend=backend,
        workers=workers,
        stop=Stop(stop),
        seed=seed,
        documented=documented,
        resume=resume,
        places=Places(*places),
    )


def _run(parameters: Parameters, console: Console) -> "SweepOutcome":
    settings = read_settings(parameters, read_backend(parameters))
    from pipelines.sweep.loop import run_sweep

    return run_sweep(settings, console)


def _failed(outcome: "SweepOutcome") -> list[str]:
    return [f"{counted(outcome.failed, 'trial')} failed; the report lists the reasons."] if outcome.failed else []


def _next(outcome: "SweepOutcome", exercise: "Exercise | None") -> list[str]:
    """What can be done with the sweep: its final model, and that model's predictions for further rows of a file."""
    lines = [f"Final model {command('final', sweep=short_id(outcome.run.run_id))}"]
    if exercise is not None and exercise.dataset.source == "file":
        lines.append(f"and predict {command('predict', data='new.csv')}")
    return lines
