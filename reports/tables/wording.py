"""The passages of a report that explain: what was run, how to read the numbers, why a trial has no result."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipelines.overfitting.point import OverfittingPoint
from pipelines.words import counted
from reports.formatting import seconds
from reports.report import Report
from reports.store import Trial, section


def facts(report: Report) -> list[tuple[str, str]]:
    """What was run, as pairs of a heading and a text."""
    sweep = report.sweep
    data, parameters = section(sweep.details, "data"), section(sweep.details, "parameters")
    pairs = [
        ("Data", _data_words(data)),
        ("Data hash", sweep.data_sha256),
        ("Validation", _validation_words(report)),
        ("Epochs", _text(parameters.get("epochs"))),
        ("Tuner", f"{sweep.tuner}, {counted(len(sweep.trials), 'trial')}" if sweep.tuner else ""),
        ("Seed", _text(parameters.get("seed"))),
        ("Stopping rule", _text(parameters.get("stop"))),
        ("Judged on", sweep.monitor),
        ("Started", f"{sweep.started:%Y-%m-%d %H:%M} UTC"),
        ("Duration", _duration_words(report)),
        ("Backend", sweep.backend),
        ("Hardware", _hardware_words(sweep.details)),
        ("Versions", _version_words(sweep.details)),
        ("Commit", sweep.commit),
        ("Command", _command_words(sweep.details.get("command"))),
        ("MLflow run", sweep.run_id),
    ]
    return [(heading, text) for heading, text in pairs if text]


def rests_on(report: Report) -> str:
    """How many folds and seeds the numbers of the configurations rest on; empty where there are none."""
    sizes = Counter((point.folds, point.repeats) for trial in report.ranked if (point := trial.point))
    if not sizes:
        return ""
    (folds, repeats), most = sizes.most_common(1)[0]
    each = "Every row rests" if len(sizes) == 1 else f"{most} of {len(report.ranked)} rows rest"
    return f"{each} on {counted(folds, 'fold') if folds > 1 else 'a hold-out'} and {counted(repeats, 'seed')}."


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
            "the first epoch after it from which the curve lies above its best by more than chance explains, and stays "
            f"there. {_onset_words(point)}",
        ),
        (
            "One-SE epoch",
            "the earliest epoch that is no worse than the best by one standard error: the cheapest training that is as "
            "good.",
        ),
        (
            "Verdict",
            "overfits where there is an onset; still improving where the best epoch may lie beyond the end (printed as "
            "≥) and nothing in the first three quarters is as good; else plateau. Severity is how far the curve ends "
            "above its best.",
        ),
    ]


def _interval_words(point: OverfittingPoint | None) -> str:
    if point is None:
        return "Its interval comes from a bootstrap over the folds."
    if point.fits == 1:
        return "A single fit has no interval: use folds or repeats to learn how sure it is."
    if point.folds == 1:
        return (
            "Its interval comes from a bootstrap over the seeds: it says how far the best epoch moves with the seed, "
            "not with other data."
        )
    return (
        "Its interval comes from a bootstrap over the folds of each repeat, widened because folds share training rows; "
        f"of such intervals from {counted(point.folds, 'fold')} about {7 if point.fits == 2 else 9} in 10 hold the "
        "true best epoch in a simulation."
    )


def _onset_words(point: OverfittingPoint | None) -> str:
    if point is not None and point.fits == 1:
        return "With a single fit chance is judged by the curve's own wander, which may hide slow noise."
    return "Chance is judged by a one-sided 95 % test whose standard error is corrected for shared training rows."


def _data_words(data: Mapping[str, Any]) -> str:
    if not data:
        return ""
    said = [_text(data.get("name"))]
    if isinstance(samples := data.get("samples"), int):
        said.append(counted(samples, "training sample"))
    if isinstance(shape := data.get("input_shape"), list):
        said.append(f"inputs of {' x '.join(str(size) for size in shape)}")
    if isinstance(classes := data.get("classes"), list) and classes:
        said.append(counted(len(classes), "class", "classes"))
    said.append(_text(data.get("source")))
    return ", ".join(filter(None, said))


def _validation_words(report: Report) -> str:
    splits = report.sweep.details.get("splits")
    if not isinstance(splits, list) or not splits:
        return ""
    try:
        repeats = 1 + max(split["repeat"] for split in splits)
        folds = 1 + max(split["fold"] for split in splits)
        training = sorted({split["training"] for split in splits})
        validation = sorted({split["validation"] for split in splits})
    except (TypeError, KeyError):
        return ""
    kind = f"{folds}-fold" if folds > 1 else "hold-out"
    return (
        f"{kind}, {counted(repeats, 'repeat')} = {counted(len(splits), 'fit')} a configuration; "
        f"{_range(training)} rows to train on, {_range(validation)} to validate"
    )


def _range(sizes: list[int]) -> str:
    return f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"


def _duration_words(report: Report) -> str:
    sweep = report.sweep
    trained = sum(trial.seconds or 0.0 for trial in sweep.trials)
    of_trials = f"{seconds(trained)} in trials"
    if sweep.ended is None:
        return of_trials
    return f"{seconds((sweep.ended - sweep.started).total_seconds())}, {of_trials}"


def _hardware_words(details: Mapping[str, Any]) -> str:
    said = [_text(details.get("processor"))]
    if details.get("cores"):
        said.append(f"{details['cores']} cores")
    if details.get("memory_gib"):
        said.append(f"{details['memory_gib']} GiB memory")
    accelerators = details.get("accelerators") or details.get("devices")
    said.append(", ".join(map(str, accelerators)) if isinstance(accelerators, list) else _text(accelerators))
    said.append(_text(details.get("system")))
    return ", ".join(filter(None, said))


def _version_words(details: Mapping[str, Any]) -> str:
    said = [f"Python {details['python']}"] if "python" in details else []
    return ", ".join(said + [f"{name} {version}" for name, version in section(details, "packages").items()])


def _command_words(command: object) -> str:
    """The command without the parameters that were left empty.

    >>> _command_words("python -m pipelines main --exercise=imdb --space= --trials=20 --output=''")
    'python -m pipelines main --exercise=imdb --trials=20'
    """
    words = _text(command).split(" ")
    return " ".join(word for word in words if not (word.startswith("--") and word.endswith(("=", "=''"))))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def reason(trial: Trial) -> str:
    """Why a trial has no result."""
    if trial.reason:
        return trial.reason
    if trial.diverged:
        return "diverged"
    return {"RUNNING": "still running", "KILLED": "interrupted"}.get(trial.status, "no reason was recorded")
