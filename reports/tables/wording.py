"""The passages of a report that explain: what was run, how to read the numbers, why a trial has no result."""

from collections import Counter

from pipelines.exercises.exercise import Exercise
from pipelines.overfitting.point import OverfittingPoint
from pipelines.tracking.sweeps import DataFacts, Environment
from pipelines.tracking.trials import Trial
from pipelines.words import counted
from reports.analysis.changes import shape_text
from reports.formatting import plain, seconds
from reports.report import Report, median_of_known, point_of


def facts(report: Report) -> list[tuple[str, str]]:
    """What was run, as pairs of a heading and a text."""
    sweep = report.sweep
    settings, environment = sweep.record.settings, sweep.record.environment
    pairs = [
        ("Data", _data_words(sweep.record.data)),
        ("Data hash", sweep.data_sha256),
        ("Network", _network_words(sweep.record.exercise)),
        ("Validation", _validation_words(report)),
        ("Epochs", plain(settings.epochs)),
        ("Tuner", f"{sweep.tuner}, {counted(len(sweep.trials), 'trial')}" if sweep.tuner else ""),
        ("Seed", plain(settings.seed)),
        ("Stopping rule", plain(settings.stop)),
        ("Judged on", sweep.monitor),
        ("Started" if sweep.uri else "Read", f"{sweep.started:%Y-%m-%d %H:%M} UTC"),
        ("Duration", _duration_words(report)),
        ("Backend", sweep.backend),
        ("Hardware", _hardware_words(environment)),
        ("Versions", _version_words(environment)),
        ("Commit", sweep.commit),
        ("Command", _command_words(environment.command)),
        ("MLflow run", sweep.run_id if sweep.uri else ""),
    ]
    return [(heading, text) for heading, text in pairs if text]


def _network_words(exercise: Exercise | None) -> str:
    """Which file of the user's own builds the network; empty where none does."""
    own = exercise.network if exercise else None
    return f"{own.place}, sha256 {own.sha256}; its text is with the files of the MLflow run" if own else ""


def rests_on(report: Report) -> str:
    """How many folds and seeds the numbers of the configurations rest on; empty where there are none."""
    sizes = Counter((point.folds, point.repeats) for trial in report.ranked if (point := trial.point))
    if not sizes:
        return ""
    (folds, repeats), most = sizes.most_common(1)[0]
    each = "Every row rests" if len(sizes) == 1 else f"{most} of {len(report.ranked)} rows rest"
    on = f"{each} on {counted(folds, 'fold') if folds > 1 else 'a hold-out'} and {counted(repeats, 'seed')}."
    visible = median_of_known(point_of(trial).visible_rise for trial in report.ranked)
    if visible is None:
        return on
    return (
        f"{on} In half of them a rise at the end by less than {100 * visible:.2g} % would not have been seen for sure."
    )


def definitions(report: Report) -> list[tuple[str, str]]:
    """How to read the numbers: a term and a sentence each."""
    point = report.ranked[0].point if report.ranked else None
    return [
        (
            "Best epoch",
            "where the mean validation curve, smoothed with a centred window, is lowest. " + _interval_words(point),
        ),
        (
            "Onset",
            f"the first epoch after it from which the curve rises above its best for good. {_onset_words(point)}",
        ),
        (
            "One-SE epoch",
            "the earliest epoch that is no worse than the best by one standard error: the cheapest training that is as "
            "good.",
        ),
        (
            "Verdict",
            "overfits where there is an onset; still improving where the best epoch may lie beyond the end (printed as "
            "≥) and nothing in the first three quarters is as good; plateau where a rise by 5 % at the end is "
            "excluded; else undecided. The rise, or severity, is how far the curve ends above its best.",
        ),
    ]


def _interval_words(point: OverfittingPoint | None) -> str:
    if point is None:
        return "Its interval comes from a bootstrap over the folds."
    if point.fits == 1:
        if point.best_epoch_low is None:
            return "A single fit has no interval: use folds or repeats to learn how sure it is."
        return (
            "The interval of a single run comes from its own noise: blocks of what the smooth curve leaves are drawn "
            "anew. It says how far the best epoch moves with the noise from epoch to epoch, not with other rows or "
            "another seed, and is too short where the noise lasts for tens of epochs."
        )
    if point.folds == 1:
        return (
            "Its interval comes from a bootstrap over the seeds: it says how far the best epoch moves with the seed, "
            "not with other data."
        )
    return (
        "Its interval comes from a bootstrap over the folds of each repeat, widened because folds share training rows; "
        f"of such intervals from {counted(point.folds, 'fold')} about {'6 or 7' if point.fits == 2 else 9} in 10 hold "
        "the true best epoch in a simulation."
    )


def _onset_words(point: OverfittingPoint | None) -> str:
    if point is not None and point.fits == 1:
        return "With a single fit chance is judged by the curve's own wander, which may hide slow noise."
    return (
        "It is named only where the rise is sure, by a one-sided 95 % test over the fits; it lies where the mean rise "
        "leaves one standard error."
    )


def _data_words(data: DataFacts) -> str:
    words = [
        data.name,
        "" if data.samples is None else counted(data.samples, "training sample"),
        f"inputs of {shape_text(data)}" if data.input_shape else "",
        counted(len(data.classes), "class", "classes") if data.classes else "",
        data.source,
    ]
    return ", ".join(filter(None, words))


def _validation_words(report: Report) -> str:
    splits = report.sweep.record.splits
    if not splits:
        return ""
    repeats = 1 + max(split.repeat for split in splits)
    folds = 1 + max(split.fold for split in splits)
    kind = f"{folds}-fold" if folds > 1 else "hold-out"
    options = report.sweep.record.exercise.dataset.options if report.sweep.record.exercise else {}
    for option, meaning in (("group", "in whole groups by"), ("order", "in time by")):
        kind += f" {meaning} {options[option]!r}" if options.get(option) else ""
    return (
        f"{kind}, {counted(repeats, 'repeat')} = {counted(len(splits), 'fit')} a configuration; "
        f"{_training_words(report, {split.training for split in splits})}, "
        f"{_range({split.validation for split in splits})} to validate"
    )


def _training_words(report: Report, sizes: set[int]) -> str:
    """The rows that a fit learns from: a configuration may use a share of those that its fold has."""
    shares = {trial.configuration.train_fraction for trial in report.sweep.trials if trial.configuration}
    if shares <= {1.0}:
        return f"{_range(sizes)} rows to train on"
    used = {max(1, round(share * size)) for share in (min(shares), max(shares)) for size in (min(sizes), max(sizes))}
    which = f"{100 * min(shares):.3g} %" if len(shares) == 1 else "the share that a configuration takes"
    return f"{_range(used)} rows to train on, {which} of the {_range(sizes)} of a fold"


def _range(sizes: set[int]) -> str:
    return " to ".join(f"{size:,}" for size in sorted({min(sizes), max(sizes)}))


def _duration_words(report: Report) -> str:
    sweep = report.sweep
    trained = sum(trial.seconds or 0.0 for trial in sweep.trials)
    whole = f"{seconds((sweep.ended - sweep.started).total_seconds())}, " if sweep.ended else ""
    if not whole and not trained:
        return ""
    return f"{whole}{seconds(trained)} in trials"


def _hardware_words(environment: Environment) -> str:
    words = [
        environment.processor,
        f"{environment.cores} cores" if environment.cores else "",
        f"{environment.memory_gib} GiB memory" if environment.memory_gib else "",
        environment.system,
    ]
    return ", ".join(filter(None, words))


def _version_words(environment: Environment) -> str:
    versions = {"Python": environment.python, **environment.packages}
    return ", ".join(f"{name} {version}" for name, version in versions.items() if name != "Python" or version)


def _command_words(command: str) -> str:
    """The command without the parameters that were left empty.

    >>> _command_words("python -m pipelines main --exercise=imdb --space= --trials=20 --output=''")
    'python -m pipelines main --exercise=imdb --trials=20'
    """
    words = command.split(" ")
    return " ".join(word for word in words if not (word.startswith("--") and word.endswith(("=", "=''"))))


def reason(trial: Trial) -> str:
    """Why a trial has no result."""
    if trial.reason:
        return trial.reason
    if trial.diverged:
        return "diverged"
    return {"RUNNING": "still running", "KILLED": "interrupted"}.get(trial.status, "no reason was recorded")
