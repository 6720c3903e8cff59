"""An exercise file -> ``Exercise``, or all that is wrong with it.

>>> load_exercise("digits").baseline.layers_text
'128-128'
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.checking.checker import Checker, read_yaml
from pipelines.datasets import SOURCES
from pipelines.datasets.base import DatasetSpec, Task
from pipelines.datasets.folds import VALIDATIONS, parse_holdout
from pipelines.datasets.places import Places
from pipelines.datasets.user_file.columns import MISSING
from pipelines.datasets.user_file.source import COMMON_OPTIONS, CSV_OPTIONS, NPZ_OPTIONS, TABLE_OPTIONS, infer_task
from pipelines.errors import ExerciseError, UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.exercise import (
    FIGURE_METRICS,
    MAX_EPOCHS,
    MONITORS,
    SPLITS,
    Exercise,
    Figure,
    Variant,
)
from pipelines.exercises.parts import default_configuration, read_configuration, read_space
from pipelines.exercises.spaces import Space
from pipelines.words import did_you_mean

FOLDER = Path(__file__).resolve().parents[2] / "search_spaces"

KEYS = (
    "title",
    "dataset",
    "task",
    "monitor",
    "baseline",
    "space",
    "folds",
    "repeats",
    "epochs",
    "validation",
    "holdout",
    "documented",
)
VARIANT_KEYS = ("name", "configuration", "epochs", "validation", "figures", "note", "repeats", "explains")
FIGURE_KEYS = ("metric", "value", "epoch", "split", "note", "tolerance", "goal", "cause")
#: Options of a data set, by source; their values are checked where the data set is loaded.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "keras": ("words",),
    "tfds": ("size", "test_fraction"),
    "sklearn": (),
    "formula": ("points", "range", "noise", "seed"),
    "file": (*COMMON_OPTIONS, *TABLE_OPTIONS, *CSV_OPTIONS, *NPZ_OPTIONS),
}
DEFAULTS: Mapping[str, Any] = {
    "monitor": "val_loss",
    "folds": 4,
    "repeats": 1,
    "epochs": 100,
    "validation": "kfold",
    "holdout": 0.2,
}

_OWN_DATA = "a file of your own only (the exercise table, or a dataset with source: file)"


def available_exercises() -> tuple[str, ...]:
    """Names of the bundled exercises."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_exercise(name_or_path: str | Path, *, data_dir: Path | None = None, **overrides: object) -> Exercise:
    """Read an exercise and check all of it.

    Parameters
    ----------
    name_or_path
        Name of a bundled exercise (``digits``), or path of a YAML file of your own.
    data_dir
        Searched, beside the working folder, for a file of your own whose task is not stated.
    **overrides
        Values from the command line (``OVERRIDES``), as text or number, in place of the file's; None or an empty text
        leaves the file's.

    Raises
    ------
    ExerciseError
        With every mistake of the file and of the overrides: where, the value, what is allowed.
    UserError
        Where there is no such exercise.
    """
    path = _find(name_or_path)
    given = {name: value for name, value in overrides.items() if value is not None and str(value).strip() != ""}
    known = {OVERRIDES[name]: name for name in given if name in OVERRIDES}
    checker = Checker(known)
    for name in given:
        if name not in OVERRIDES:
            near = did_you_mean(name, OVERRIDES)
            checker.problems.append(
                f"parameter {name}: there is no such parameter{near}; allowed: {', '.join(OVERRIDES)}"
            )
    exercise = read_exercise(
        checker, path, read_yaml(path), {key: given[name] for key, name in known.items()}, data_dir
    )
    if checker.problems or exercise is None:
        of_parameters = all(problem.startswith("parameter ") for problem in checker.problems)
        raise ExerciseError(f"exercise {path.stem}" if of_parameters else str(path), checker.problems)
    return exercise


#: Parameter of the command line -> the key that it stands for.
OVERRIDES: Mapping[str, str] = {
    "folds": "folds",
    "repeats": "repeats",
    "epochs": "epochs",
    "validation": "validation",
    "holdout": "holdout",
    "monitor": "monitor",
    "task": "task",
    "data": "dataset.path",
    "target": "dataset.target",
    "missing": "dataset.missing",
}


def _find(name_or_path: str | Path) -> Path:
    """The file of an exercise; what looks like a path is one."""
    text = str(name_or_path).strip()
    if text in available_exercises():
        return FOLDER / f"{text}.yaml"
    path = Path(text).expanduser()
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        return path
    raise UserError(
        f"There is no exercise {text!r}{did_you_mean(text, available_exercises())}. Allowed: "
        f"{', '.join(available_exercises())}, or the path of a YAML file of your own."
    )


def read_exercise(
    checker: Checker, path: Path, raw: object, overrides: Mapping[str, object], data_dir: Path | None = None
) -> Exercise | None:
    """The exercise, or None where ``checker`` has noted problems.

    Parameters
    ----------
    path
        Of the file: the exercise is called after it, and relative paths in it start there.
    raw
        Its content.
    overrides
        Key of the file (``dataset.path``) -> value in its place.
    data_dir
        Where a file of one's own may lie, whose task is to be inferred.
    """
    content = {**DEFAULTS, **(checker.mapping("", raw, KEYS) or {})}
    content.update({key: value for key, value in overrides.items() if not key.startswith("dataset.")})
    options = {key.removeprefix("dataset."): value for key, value in overrides.items() if key.startswith("dataset.")}
    dataset = _read_dataset(checker, path, content.get("dataset"), options)
    task = _read_task(checker, path, raw, content.get("task"), dataset, data_dir)
    baseline = read_configuration(checker, "baseline", content.get("baseline", {}), default_configuration(task), task)
    space = read_space(checker, "space", content.get("space"), baseline, task)
    documented = _read_documented(checker, content.get("documented", []), baseline, task)
    validation = checker.choice("validation", content["validation"], VALIDATIONS)
    holdout = _read_holdout(checker, content["holdout"])
    folds = checker.whole("folds", content["folds"], 2)
    repeats = checker.whole("repeats", content["repeats"], 1)
    epochs = checker.whole("epochs", content["epochs"], 1, MAX_EPOCHS)
    title = checker.text("title", content.get("title", path.stem))
    monitor = _read_monitor(checker, content["monitor"], task, baseline, space, documented)
    if checker.problems or dataset is None or task is None or baseline is None or space is None:
        return None
    return Exercise(
        name=path.stem,
        title=str(title),
        dataset=dataset,
        task=task,
        monitor=str(monitor),
        baseline=baseline,
        space=space,
        folds=int(folds or 0),
        repeats=int(repeats or 0),
        epochs=int(epochs or 0),
        validation=str(validation),
        holdout=str(holdout),
        documented=documented,
        path=path,
    )


def _read_dataset(checker: Checker, path: Path, raw: object, overrides: Mapping[str, object]) -> DatasetSpec | None:
    """Source, name and options; paths in the file start at the file's folder, those of a parameter where you are."""
    source = raw.get("source") if isinstance(raw, dict) else None
    known = ("source", "name", *OPTIONS.get(str(source), sum(OPTIONS.values(), ())))
    content = checker.mapping("dataset", raw, known)
    if content is None or checker.choice("dataset.source", source, tuple(SOURCES)) is None:
        return None
    options = {key: value for key, value in content.items() if key not in ("source", "name")}
    if source != "file":
        for key in overrides:
            label = checker.label(f"dataset.{key}")
            checker.problems.append(f"{label}: exercise {path.stem} brings its own data; allowed: {_OWN_DATA}")
        name = checker.text("dataset.name", content.get("name"), "the name of a data set")
        return None if name is None else DatasetSpec(str(source), name, options)
    for key in ("path", "test"):
        if isinstance(options.get(key), str) and (path.parent / options[key]).exists():
            options[key] = str((path.parent / options[key]).resolve())
    options.update(overrides)
    if "path" not in options:
        checker.note("dataset.path", None, "", "the path of a CSV, Parquet or NPZ file, here or as parameter data")
        return None
    if "missing" in options:
        checker.choice("dataset.missing", options["missing"], MISSING)
    location = checker.text("dataset.path", options["path"], "the path of a file")
    name = checker.text("dataset.name", content.get("name", Path(location or "file").stem), "a name for reports")
    return None if name is None else DatasetSpec("file", name, options)


def _read_task(
    checker: Checker, path: Path, raw: object, value: object, dataset: DatasetSpec | None, data_dir: Path | None
) -> Task | None:
    """The task as stated; of a file of one's own, where it is not, as its target column has it."""
    words = [task.value for task in Task]
    if value is None and dataset is not None and dataset.source == "file":
        try:
            return infer_task(dataset, Places(data_dir))
        except UserError as error:
            checker.problems.append(f"task: is not stated and cannot be inferred. {error}")
            return None
    if value is None:
        checker.note("task", None, "", f"{', '.join(words)}, here or as parameter task")
        return None
    word = checker.choice("task", value, words)
    own = raw.get("task") if isinstance(raw, dict) else None
    if word is not None and own is not None and word != own and dataset is not None and dataset.source != "file":
        checker.note("task", value, f"is not the task of exercise {path.stem}", str(own))
    return None if word is None else Task(word)


def _read_holdout(checker: Checker, value: object) -> str | None:
    """``first N``, or a share of the rows, in one spelling."""
    try:
        part = parse_holdout(str(value))
    except UserError:
        checker.note(
            "holdout", value, "is no part of the rows", "a share above 0 and below 1, or first N (first 10000)"
        )
        return None
    return f"first {part}" if isinstance(part, int) else f"{part:.12g}"


def _read_monitor(
    checker: Checker,
    value: object,
    task: Task | None,
    baseline: Configuration | None,
    space: Space | None,
    documented: tuple[Variant, ...],
) -> str | None:
    """The monitored curve; ``val_loss`` only where all configurations have the same loss."""
    curves = MONITORS[task] if task else tuple(dict.fromkeys(curve for curves in MONITORS.values() for curve in curves))
    monitor = checker.choice("monitor", value, curves)
    losses = {variant.configuration.loss for variant in documented}
    axis = next((parameter for parameter in space.parameters if parameter.name == "loss"), None) if space else None
    losses |= set(map(str, axis.choices)) if axis else {baseline.loss} if baseline else set()
    if monitor == "val_loss" and len(losses) > 1:
        comparable = ", ".join(curve for curve in curves if curve != "val_loss")
        checker.note(
            "monitor", value, f"is not comparable, since the loss varies ({', '.join(sorted(losses))})", comparable
        )
        return None
    return monitor


def _read_documented(
    checker: Checker, raw: object, baseline: Configuration | None, task: Task | None
) -> tuple[Variant, ...]:
    if not isinstance(raw, list):
        checker.note(
            "documented", raw, "is not a list", "a list of variants, each with the keys " + ", ".join(VARIANT_KEYS)
        )
        return ()
    variants: list[Variant] = []
    for number, entry in enumerate(raw, start=1):
        variant = _read_variant(checker, f"documented.{number}", entry, baseline, task)
        if variant is None:
            continue
        if any(variant.name == other.name for other in variants):
            checker.note(
                f"documented.{number}.name", variant.name, "is there twice", "a name of its own for each variant"
            )
        variants.append(variant)
    for number, variant in enumerate(variants, start=1):
        others = [other.name for other in variants if not other.explains]
        if variant.explains and variant.explains not in others:
            key = f"documented.{number}.explains"
            checker.note(key, variant.explains, "is no documented variant", ", ".join(others))
    return tuple(variants)


def _read_variant(
    checker: Checker, key: str, raw: object, baseline: Configuration | None, task: Task | None
) -> Variant | None:
    """A documented variant; ``key`` counts from 1, as people do."""
    content = checker.mapping(key, raw, VARIANT_KEYS)
    if content is None:
        return None
    name = checker.text(f"{key}.name", content.get("name"))
    epochs = checker.whole(f"{key}.epochs", content.get("epochs"), 1, MAX_EPOCHS)
    validation = checker.choice(f"{key}.validation", content.get("validation", "kfold"), (*VALIDATIONS, "none"))
    start = baseline or default_configuration(task)
    changes = content.get("configuration", {})
    configuration = read_configuration(checker, f"{key}.configuration", changes, start, task)
    note = checker.text(f"{key}.note", content["note"]) if "note" in content else ""
    repeats = checker.whole(f"{key}.repeats", content["repeats"], 1) if "repeats" in content else None
    explains = checker.text(f"{key}.explains", content["explains"]) if "explains" in content else ""
    figures: list[Figure] = []
    entries = content.get("figures", [])
    if isinstance(entries, list):
        for number, entry in enumerate(entries, start=1):
            figures += _read_figures(checker, f"{key}.figures.{number}", entry, epochs or MAX_EPOCHS)
    else:
        checker.note(
            f"{key}.figures", entries, "is not a list", "figures, each with the keys " + ", ".join(FIGURE_KEYS)
        )
    if name is None or epochs is None or validation is None or configuration is None or note is None:
        return None
    return Variant(name, configuration, epochs, validation, tuple(figures), note, repeats, explains or "")


def _read_figures(checker: Checker, key: str, raw: object, epochs: int) -> list[Figure]:
    """One figure, or, where ``value`` is a list, one for each of the epochs 1, 2, ..."""
    content = checker.mapping(key, raw, FIGURE_KEYS)
    if content is None:
        return []
    metric = checker.choice(f"{key}.metric", content.get("metric"), FIGURE_METRICS)
    split = checker.choice(f"{key}.split", content.get("split"), SPLITS)
    note = checker.text(f"{key}.note", content["note"]) if "note" in content else ""
    several = isinstance(content.get("value"), list)
    listed = content["value"] if several else [content.get("value")]
    values = [checker.number(f"{key}.value", value, -1e12, 1e12) for value in listed]
    if several and (not listed or "epoch" in content or len(listed) > epochs):
        fault = "is not one value an epoch"
        checker.note(f"{key}.value", listed, fault, f"a list of 1 to {epochs} values and no key epoch, or one value")
    epoch = checker.whole(f"{key}.epoch", content["epoch"], 1, epochs) if "epoch" in content else None
    cause = checker.text(f"{key}.cause", content["cause"]) if "cause" in content else ""
    tolerance = checker.number(f"{key}.tolerance", content.get("tolerance", 0.0), 0, 1e12)
    goal = checker.flag(f"{key}.goal", content.get("goal", False))
    if metric is None or split is None or note is None or cause is None or tolerance is None or goal is None:
        return []
    return [
        Figure(metric, value, number if several else epoch, split, note, float(tolerance), goal, cause)
        for number, value in enumerate(values, start=1)
        if value is not None
    ]
