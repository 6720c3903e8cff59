"""The command line: which entry point runs, what it says to a mistake, and how it ends when it is interrupted."""

import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

from rich.console import Console
from rich.markup import escape

from pipelines.commands import analyse, final, predict, refusals, report, reproduce, sweep
from pipelines.commands.launch import command, read_options
from pipelines.commands.parameters import Parameters, split_arguments
from pipelines.errors import UserError
from pipelines.words import did_you_mean

EXIT_MISTAKE = 2
#: What is called before ``mlflow run``, which makes a run before it asks us: ``python -m pipelines check -P trials=3``.
CHECK = "check"


@dataclass(frozen=True)
class Entry:
    """An entry point of the MLflow project."""

    run: Callable[[Parameters, Console], None]
    parameters: tuple[str, ...]
    summary: str
    #: Finds mistakes in the values of parameters, beside those in their names; None where that needs a run.
    check: Callable[[Parameters], object] | None = None
    #: Whether it goes on where it was when it is started again.
    resumes: bool = False


#: Entry points by name, those of MLproject.
ENTRIES = {
    "main": Entry(sweep.main, sweep.MAIN_PARAMETERS, "sweep, then report", check=sweep.check, resumes=True),
    "sweep": Entry(
        sweep.sweep,
        sweep.PARAMETERS,
        "train configurations and record them in MLflow",
        check=sweep.check,
        resumes=True,
    ),
    "reproduce": Entry(
        reproduce.reproduce,
        reproduce.PARAMETERS,
        "train the documented variants and compare their figures",
        check=reproduce.check,
        resumes=True,
    ),
    "final": Entry(final.final, final.PARAMETERS, "train the winner of a sweep on all data, test it, register it"),
    "analyse": Entry(
        analyse.analyse, analyse.PARAMETERS, "judge the curves that any other training has logged: MLflow, CSV, ..."
    ),
    "predict": Entry(
        predict.predict, predict.PARAMETERS, "predict the rows of a new file by a final model", check=predict.check
    ),
    "report": Entry(
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
    entry = ENTRIES.get(arguments[0])
    try:
        with interruptible():
            if arguments[0] == CHECK:
                _check(arguments[1:])
            else:
                entry, parameters = _understood(arguments[0], split_arguments(arguments[1:]))
                entry.run(parameters, console)
    except UserError as error:
        _say_mistake(str(error))
        from pipelines.tracking.runs import record_refusal

        if record_refusal(str(error)):
            refusals.forget_later()
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


def _say_mistake(sentence: str) -> None:
    """On stderr; in a terminal broken between words, and a path that is wider than that stays in one piece."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    lines = f"Error: {sentence}".splitlines()
    if console.is_terminal:
        fill = partial(textwrap.wrap, width=console.width, break_long_words=False, break_on_hyphens=False)
        lines = [part for line in lines for part in fill(line, subsequent_indent="    ") or [""]]
    text = escape("\n".join(lines))
    console.print(text.replace("Error:", "[bold red]Error:[/bold red]", 1))


def _understood(name: str, values: Mapping[str, str]) -> tuple[Entry, Parameters]:
    """The entry point of this name and its parameters, whose names are known."""
    if (entry := ENTRIES.get(name)) is None:
        near = did_you_mean(name, ENTRIES)
        raise UserError(f"There is no entry point '{name}'{near}; allowed: {', '.join(ENTRIES)}.")
    parameters = Parameters(values)
    parameters.refuse_unknown(entry.parameters)
    return entry, parameters


def _check(options: Sequence[str]) -> None:
    """Refuse what ``mlflow run`` with these options would be refused for, before that makes a run."""
    from pipelines.tracking.store import check_store, tracking_uri

    asked = read_options(options)
    values = {name.replace("-", "_"): value for name, value in asked.parameters.items()}
    entry, parameters = _understood(asked.entry, values)
    if entry.check is not None:
        entry.check(parameters)
    parameters.check()
    check_store(tracking_uri())


def _command(arguments: Sequence[str]) -> str:
    """The command that takes up the sweep: the one that was given, without what would start it afresh."""
    given = split_arguments(arguments[1:])
    return command(arguments[0], **{name: value for name, value in given.items() if value and name != "resume"})


def _usage() -> str:
    entries = [f"  {name:<9} {entry.summary}" for name, entry in ENTRIES.items()]
    parameters = [f"Parameters of {name}: {', '.join(entry.parameters)}." for name, entry in ENTRIES.items()]
    usage, more = "python -m pipelines ENTRY [--parameter value ...]", "MLproject and README.md say what they mean."
    return "\n".join([usage, "", *entries, "", *parameters, more])
