"""The command line: which entry point runs, what it says to a mistake, and how it ends when it is interrupted."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.console import Console
from rich.markup import escape

from pipelines.commands import analyse, final, report, reproduce, sweep
from pipelines.commands.parameters import Parameters, split_arguments
from pipelines.errors import UserError

EXIT_MISTAKE = 2


@dataclass(frozen=True)
class _Entry:
    """An entry point of the MLflow project."""

    run: Callable[[Parameters, Console], None]
    parameters: tuple[str, ...]
    summary: str
    #: Whether it goes on where it was when it is started again.
    resumes: bool = False


_ENTRIES = {
    "main": _Entry(sweep.main, sweep.MAIN_PARAMETERS, "sweep, then report", resumes=True),
    "sweep": _Entry(sweep.sweep, sweep.PARAMETERS, "train configurations and record them in MLflow", resumes=True),
    "reproduce": _Entry(
        reproduce.reproduce,
        reproduce.PARAMETERS,
        "train the documented variants and compare their figures",
        resumes=True,
    ),
    "final": _Entry(final.final, final.PARAMETERS, "train the winner of a sweep on all data, test it, register it"),
    "analyse": _Entry(
        analyse.analyse, analyse.PARAMETERS, "judge the curves that any other training has logged: MLflow, CSV, ..."
    ),
    "report": _Entry(
        report.report, report.PARAMETERS, "make reports again and compare several sweeps, from the store alone"
    ),
}


def run(arguments: Sequence[str]) -> int:
    """Run an entry point; the exit code is 0, 2 for a mistake of the user's, 130 or 143 when interrupted."""
    # A log file has no width; a table in it should not be broken at 80 columns.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    if not arguments or arguments[0] == "help" or not {"-h", "--help"}.isdisjoint(arguments):
        console.print(_usage(), markup=False, soft_wrap=True)
        return 0 if arguments else EXIT_MISTAKE
    entry = _ENTRIES.get(arguments[0])
    try:
        with interruptible():
            if entry is None:
                raise UserError(f"There is no entry point '{arguments[0]}'; allowed: {', '.join(_ENTRIES)}.")
            parameters = Parameters(split_arguments(arguments[1:]))
            parameters.refuse_unknown(entry.parameters)
            entry.run(parameters, console)
    except UserError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]Error:[/bold red] {escape(str(error))}")
        from pipelines.tracking.runs import record_refusal

        record_refusal(str(error))
        return EXIT_MISTAKE
    except Interrupted as error:
        console.print(f"\nThe {arguments[0]} was {error}.", markup=False)
        if entry is not None and entry.resumes:
            console.print(
                f"What is finished is in the tracking store, and this goes on with the rest:\n  {_command(arguments)}",
                markup=False,
                soft_wrap=True,
            )
        return error.exit_code
    return 0


class Interrupted(BaseException):
    """The process was asked to end. Not an ``Exception``: no trial may mistake it for a failure of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        #: As shells have it: 130 after Ctrl-C, 143 after SIGTERM.
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise ``Interrupted`` at the first signal and ignore further ones, for runs are being closed by then.

    ``mlflow run`` passes Ctrl-C on and terminates its child a moment later: both signals arrive.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    handled = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt) for number in handled]
    try:
        yield
    finally:
        for number, handler in zip(handled, before, strict=True):
            signal.signal(number, handler)


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
    entries = [f"  {name:<9} {entry.summary}" for name, entry in _ENTRIES.items()]
    parameters = [f"Parameters of {name}: {', '.join(entry.parameters)}." for name, entry in _ENTRIES.items()]
    usage, more = "python -m pipelines ENTRY [--parameter value ...]", "MLproject and README.md say what they mean."
    return "\n".join([usage, "", *entries, "", *parameters, more])
