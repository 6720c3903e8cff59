"""The entry point ``reproduce``: its parameters, the reproductions one after another, and their report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.commands import MAX_SEED, PLACES, print_lines, read_backend, read_places, ui_lines
from pipelines.commands.parameters import Parameters
from pipelines.errors import ExerciseError, UserError
from pipelines.words import counted

if TYPE_CHECKING:
    from pipelines.reproduction.running import ReproductionSettings

PARAMETERS = (
    *("exercise", "variants", *PLACES),
    *("repeats", "folds", "seed", "backend", "resume", "output"),
)
ALL = "all"


def reproduce(parameters: Parameters, console: Console) -> None:
    """Train, compare, and write the report of the exercises that are asked for."""
    settings = read_settings(parameters, read_backend(parameters))
    output = parameters.folder("output", must_exist=False)
    from pipelines.reproduction.running import run_reproduction
    from reports.pages.reproduction import terminal_table, write_reproduction

    outcomes = run_reproduction(settings, console)
    uri = outcomes[0].run.uri
    paths = write_reproduction(tracking_uri=uri, run_ids=[outcome.run.run_id for outcome in outcomes], output=output)
    console.print()
    console.print(terminal_table(paths.report))
    failed = sum(outcome.failed for outcome in outcomes)
    lines = [f"{counted(failed, 'training')} failed; the table says why."] if failed else []
    lines += [f"Report      {paths.html}", f"Markdown    {paths.markdown}", *ui_lines(uri, outcomes[-1].run.link)]
    print_lines(console, lines)


def check(parameters: Parameters) -> None:
    """Raise an ``ExerciseError`` for a mistake in what a reproduction is asked."""
    read_settings(parameters, read_backend(parameters))


def read_settings(parameters: Parameters, backend: str) -> "ReproductionSettings":
    """Settings of a reproduction from its parameters; an ``ExerciseError`` names every mistake in them."""
    from pipelines.datasets import Places
    from pipelines.exercises.exercise import Exercise
    from pipelines.exercises.reader import available_exercises, load_exercise
    from pipelines.reproduction.plan import USUAL_REPEATS
    from pipelines.reproduction.running import ReproductionSettings, check_variants

    repeats = parameters.whole_number("repeats", minimum=1, default=USUAL_REPEATS)
    folds = parameters.whole_number("folds", minimum=2)
    seed = parameters.whole_number("seed", minimum=1, maximum=MAX_SEED, default=1)
    resume = parameters.flag("resume", True)
    places = read_places(parameters)
    parameters.folder("output", must_exist=False)
    wanted = _listed(parameters.text("exercise", ALL))
    exercises: list[Exercise] = []
    for name in available_exercises() if ALL in wanted else wanted:
        try:
            exercise = load_exercise(name)
        except UserError as error:
            # Of all exercises, one that needs a file of the user's own is left out.
            if ALL not in wanted:
                problems = error.problems if isinstance(error, ExerciseError) else [str(error)]
                parameters.problems.extend(f"exercise {name}: {problem}" for problem in problems)
            continue
        if exercise.documented or ALL not in wanted:
            exercises.append(exercise)
    parameters.check()
    assert repeats is not None and seed is not None
    names = [variant.name for exercise in exercises for variant in exercise.documented]
    settings = ReproductionSettings(
        exercises=tuple(exercises),
        variants=split_names(parameters.text("variants"), names),
        repeats=repeats,
        folds=folds,
        seed=seed,
        backend=backend,
        resume=resume,
        places=Places(*places),
    )
    check_variants(settings)
    return settings


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def split_names(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Names joined by commas, some of which have a comma themselves; a part that is no name stays as it is.

    >>> split_names("baseline, units, 10, other", ["baseline", "units, 10"])
    ('baseline', 'units, 10', 'other')
    """
    parts = _listed(text)
    found = []
    while parts:
        joined = [", ".join(parts[:count]) for count in range(len(parts), 0, -1)]
        name = next((name for name in joined if name in known), parts[0])
        found.append(name)
        parts = parts[name.count(",") + 1 :]
    return tuple(found)
