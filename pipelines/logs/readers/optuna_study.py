"""Optuna's studies: the intermediate values of each trial, as ``trial.report(value, step)`` left them."""

from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.logs.base import LoggedRun, Logs, Series, Value, plain_value

#: What the reported value is called: Optuna keeps a value without a name.
REPORTED = "val_reported"


def read_study(storage: str, study: str = "") -> Logs:
    """The trials of a study that reported values while they trained.

    Parameters
    ----------
    storage
        Optuna's storage: a URL such as ``sqlite:///study.db``, or the path of a journal file.
    study
        Its name; may be empty where the storage has one study only.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    opened = _storage(storage)
    try:
        known = optuna.get_all_study_names(opened)
    except Exception as error:  # Optuna passes on what SQLAlchemy, a driver or a file system raises
        why = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(
            f"The Optuna storage {storage} cannot be read: {why}; allowed: a URL such as sqlite:///study.db, or the "
            "path of a journal file."
        ) from error
    if not study and len(known) != 1:
        listed = ", ".join(known[:10]) or "none"
        raise UserError(f"The Optuna storage {storage} holds {len(known)} studies: {listed}; name one with study=NAME.")
    if study and study not in known:
        raise UserError(f"The Optuna storage {storage} has no study {study!r}; it has {', '.join(known) or 'none'}.")
    loaded = optuna.load_study(study_name=study or known[0], storage=opened)
    higher = loaded.direction == optuna.study.StudyDirection.MAXIMIZE
    running = (optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.FAIL)
    runs = []
    for trial in loaded.get_trials(deepcopy=False):
        steps = sorted(trial.intermediate_values)
        values = [trial.intermediate_values[step] for step in steps]
        name = f"{REPORTED}_score" if higher else f"{REPORTED}_loss"
        runs.append(
            LoggedRun(
                name=f"trial_{trial.number}",
                place=f"trial {trial.number} of the study {loaded.study_name}",
                series={name: Series.of(steps, values)} if steps else {},
                parameters=_parameters(trial),
                unfinished=trial.state in running,
                steps_are_epochs=True,
                seconds=trial.duration.total_seconds() if trial.duration else None,
            )
        )
    return Logs("Optuna study", tuple(runs))


def _parameters(trial: Any) -> dict[str, Value]:
    """Parameters, and what the user noted of the trial: a fold or a seed may be there."""
    noted = {name: value for name, value in trial.user_attrs.items() if isinstance(value, str | int | float)}
    return {name: plain_value(value) for name, value in (noted | trial.params).items()}


def _storage(storage: str) -> Any:
    if "://" in storage:
        return storage
    path = Path(storage)
    if not path.is_file():
        raise UserError(f"There is no Optuna storage {storage}; allowed: a URL such as sqlite:///study.db, or a file.")
    with path.open("rb") as file:
        if file.read(15) == b"SQLite format 3":
            return f"sqlite:///{path.absolute()}"
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path)))
