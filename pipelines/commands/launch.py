"""How this process was started: the folder in which the user stands, and how they would start another entry point.

``mlflow run`` starts an entry point in the project's folder, and that of a git address in a copy of it. Paths, store
and report are those of the folder where the command was given. MLflow does not pass that on, so it is asked of the
process that started us.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[2]
#: Set by the Makefile: its user has no ``mlflow`` on the PATH, and a store of the project's.
MADE = "OVERFIT_ATLAS_MAKE"
#: Entry points that have a target of the Makefile, by their names.
TARGETS = {"main": "sweep", "final": "final", "predict": "predict", "report": "report"}
_RUN_ID = "MLFLOW_RUN_ID"
#: Options of ``mlflow run`` that are followed by no value.
_FLAGS = ("--build-image", "--skip-image-build", "--help")


@dataclass(frozen=True)
class MlflowRun:
    """What a command ``mlflow run`` says of the project, its entry point and its parameters."""

    uri: str = ""
    entry: str = "main"
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: Options that choose environment and version, as they were given.
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Launch:
    """The start of this process by ``mlflow run``: the folder and the words of that command."""

    folder: Path
    command: MlflowRun
    #: Number of its process, which ends after ours.
    process: int


def stand_where_the_user_does() -> None:
    """Under ``mlflow run`` change to the folder where that was called; elsewhere that is the present one already.

    To be called before anything else is imported: child processes of Python start where their parent first was.
    """
    if (found := launch()) is not None:
        os.chdir(found.folder)


@cache
def launch() -> Launch | None:
    """How ``mlflow run`` was started; None without it, and where it cannot be found out, as in a container."""
    run_id = os.environ.get(_RUN_ID)
    starter = _starter(run_id) if run_id else None
    if starter is None:
        return None
    try:
        folder, words = Path(starter.cwd()), starter.cmdline()
    except psutil.Error:
        return None
    return Launch(folder, read_mlflow_run(words), starter.pid) if folder.is_dir() else None


def command(entry: str, **parameters: str) -> str:
    """The command by which the user starts an entry point, in the way in which they have started this one."""
    if os.environ.get(MADE):
        chosen = [] if entry in TARGETS else ["-e", entry]
        words = [*chosen, *_pairs(parameters)]
        return f"make {TARGETS.get(entry, 'sweep')}" + (f" ARGS={_make_quoted(words)}" if words else "")
    if not os.environ.get(_RUN_ID):
        return shlex.join(
            ["python", "-m", "pipelines", entry, *(f"--{key}={text}" for key, text in parameters.items())]
        )
    found = launch()
    given = found.command if found else MlflowRun()
    uri = given.uri or ("." if Path.cwd() == PROJECT else str(PROJECT))
    options = given.options or ("--env-manager", "local")
    chosen = [] if entry == "main" else ["-e", entry]
    return shlex.join(["mlflow", "run", uri, *options, *chosen, *_pairs(parameters)])


def read_mlflow_run(words: Sequence[str]) -> MlflowRun:
    """A command line of ``mlflow run``; nothing of any other, such as a script that calls MLflow.

    >>> read_mlflow_run("mlflow run -P trials=3 .. -e sweep --env-manager=uv".split())
    MlflowRun(uri='..', entry='sweep', parameters={'trials': '3'}, options=('--env-manager', 'uv'))
    """
    for before, (word, following) in enumerate(pairwise(words)):
        if Path(word).stem == "mlflow" and following == "run":
            return read_options(words[before + 2 :])
    return MlflowRun()


def read_options(words: Sequence[str]) -> MlflowRun:
    """What stands behind ``mlflow run``."""
    uri, entry = "", "main"
    parameters: dict[str, str] = {}
    options: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            uri = uri or word
            continue
        name, value = _split_option(word)
        if name in _FLAGS:
            continue
        if value is None:
            value = rest.pop(0) if rest else ""
        if name in ("-e", "--entry-point"):
            entry = value
        elif name in ("-P", "--param-list"):
            key, _, text = value.partition("=")
            parameters[key] = text
        elif name in ("--env-manager", "-v", "--version"):
            options += [name, value]
    return MlflowRun(uri, entry, parameters, tuple(options))


def _split_option(word: str) -> tuple[str, str | None]:
    """An option and the value that is written with it: ``--name=value`` or ``-Pname=value``; None where it follows."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    return word[:2], word[2:].removeprefix("=") if len(word) > 2 else None


def _starter(run_id: str) -> psutil.Process | None:
    """The process that gave us the run: the nearest above us that has not got it from another."""
    try:
        for process in psutil.Process().parents():
            environment = process.environ()
            # The environment of a shell may be hidden (macOS); one between us is where we are.
            hidden = not environment and Path(process.cwd()) == Path.cwd()
            if not hidden and environment.get(_RUN_ID) != run_id:
                return process
    except (psutil.Error, OSError):
        return None
    return None


def _pairs(parameters: Mapping[str, str]) -> list[str]:
    return [part for name, value in parameters.items() for part in ("-P", f"{name}={value}")]


def _make_quoted(words: Sequence[str]) -> str:
    """Words for a variable of make, which reads a dollar as its own, and passes the rest on to a shell."""
    text = shlex.join(words).replace("$", "$$")
    return f'"{text}"' if not set(text) & set("\"'\\`$!") else shlex.quote(text)
