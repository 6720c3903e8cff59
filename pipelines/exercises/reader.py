"""An exercise file -> ``Exercise``, or all that is wrong with it.

>>> load_exercise("digits").baseline.layers_text
'128-128'
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.checking.kinds import Checker
from pipelines.checking.yaml_file import read_yaml
from pipelines.datasets.base import DatasetSpec, Task
from pipelines.datasets.places import Places
from pipelines.errors import ExerciseError, UserError
from pipelines.exercises.configurations import Configuration
from pipelines.exercises.design import NONE, ONE_AT_A_TIME, Points, design_points, one_at_a_time
from pipelines.exercises.exercise import MONITORS, Exercise, Lesson, Variant
from pipelines.exercises.keys import changed, configuration_keys, default_configuration, exercise_keys
from pipelines.exercises.own_network import Function, OwnNetwork, find_network
from pipelines.exercises.settings import MAX_DEPTH, UNIT_BOUND_LOSSES, Value, parse_layers
from pipelines.exercises.spaces import Parameter, Space
from pipelines.words import did_you_mean

FOLDER = Path(__file__).resolve().parents[2] / "search_spaces"

#: Of a compressed file, behind the ending that says its format.
_PACKED = re.compile(r"\.(gz|zst|bz2|xz|zip)$", re.IGNORECASE)
#: Characters of a name that is made of those of a file and a column: it becomes the name of a folder and of a model.
_LONGEST_NAME = 80

_OWN_DATA = "a file of your own only (the exercise table, or a dataset with source: file)"


def available_exercises() -> tuple[str, ...]:
    """Names of the bundled exercises."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_exercise(
    name_or_path: str | Path, *, data_dir: Path | None = None, cache_dir: Path | None = None, **overrides: object
) -> Exercise:
    """Read an exercise, a bundled one by its name (``digits``) or a YAML file of your own, and check all of it.

    Parameters
    ----------
    data_dir
        Searched, beside the working folder, for a file of your own whose task is not stated.
    cache_dir
        Where what is read of that file is kept; None for the usual place.
    **overrides
        Values from the command line (``OVERRIDES``), as text or number, in place of the file's; None or an empty text
        leaves the file's.

    Raises
    ------
    ExerciseError
        With every mistake of the file and of the overrides: where, the value, what is allowed.
    DataError
        Where the file of your own cannot be read, and nothing else is wrong.
    UserError
        Where there is no such exercise.
    """
    path = _find(name_or_path)
    given = {name: value for name, value in overrides.items() if value is not None and str(value).strip() != ""}
    known = {OVERRIDES[name]: name for name in given if name in OVERRIDES}
    checker = Checker(known)
    for name in given:
        if name not in OVERRIDES:
            checker.unknown(f"parameter {name}", OVERRIDES, noun="parameter")
    replaced = {key: given[name] for key, name in known.items()}
    places = Places(data_dir, cache_dir)
    exercise = read_exercise(checker, path, read_yaml(path), overrides=replaced, places=places)
    if checker.problems or exercise is None:
        of_parameters = all(problem.startswith("parameter ") for problem in checker.problems)
        raise ExerciseError(f"exercise {path.stem}" if of_parameters else str(path), checker.problems)
    return exercise


#: Parameter of the command line -> the key that it stands for.
OVERRIDES: Mapping[str, str] = {
    **{name: name for name in ("folds", "repeats", "epochs", "validation", "holdout", "design", "monitor", "task")},
    "data": "dataset.path",
    "target": "dataset.target",
    "missing": "dataset.missing",
    **{name: f"dataset.{name}" for name in ("separator", "decimal", "thousands", "encoding", "exclude")},
    **{name: f"dataset.{name}" for name in ("test_fraction", "group", "order", "id")},
}


def _find(name_or_path: str | Path) -> Path:
    """The file of an exercise; what looks like a path is one."""
    text = str(name_or_path).strip()
    if text in available_exercises():
        return FOLDER / f"{text}.yaml"
    path = Path(text).expanduser()
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.exists():
            looked = "" if path.is_absolute() else f" in {Path.cwd()}"
            beside = [entry.name for entry in path.parent.glob("*.y*ml")]
            raise UserError(f"There is no exercise file {text}{looked}{did_you_mean(path.name, beside)}.")
        return path
    raise UserError(
        f"There is no exercise {text!r}{did_you_mean(text, available_exercises())}. Allowed: "
        f"{', '.join(available_exercises())}, or the path of a YAML file of your own."
    )


def read_exercise(
    checker: Checker, path: Path, raw: object, *, overrides: Mapping[str, object], places: Places | None = None
) -> Exercise | None:
    """The exercise that the content of a file states, or None where ``checker`` has noted problems.

    It is called after the path, where relative paths in it start. ``overrides``: key of the file (``dataset.path``) ->
    value in its place; ``places``: where a file of one's own may lie, whose task is to be inferred.
    """
    entries = exercise_keys().entries(checker, "", raw) or {}
    own_task = entries.get("task")
    own_design = entries.get("design")
    entries |= {key: value for key, value in overrides.items() if not key.startswith("dataset.")}
    if entries.get("design") == ONE_AT_A_TIME and isinstance(own_design, dict):
        entries["design"] = own_design  # the file chooses which settings and values, the parameter whether
    options = {key.removeprefix("dataset."): value for key, value in overrides.items() if key.startswith("dataset.")}
    dataset = _read_dataset(checker, path, entries.get("dataset"), options)
    own = isinstance(entries.get("dataset"), dict) and entries["dataset"].get("source") == "file"
    task = _read_task(checker, entries.get("task"), dataset, (places or Places()) if own else None)
    if task and own_task is not None and task != own_task and dataset is not None and dataset.source != "file":
        checker.note("task", entries["task"], f"is not the task of exercise {path.stem}", str(own_task))
    network, function = _read_network(checker, path, entries)
    if function is None and "network" in entries:
        return None  # without its arguments nothing can be said of the settings
    changes = configuration_keys(task, function).read(checker, "baseline", entries.get("baseline", {}))
    baseline = None if changes is None else _baseline(task, network, function, changes)
    keys = exercise_keys(task, baseline, function)
    others = [name for name in keys.keys if name not in ("dataset", "task", "baseline", "monitor", "network")]
    values: dict[str, Any] = {name: keys.value(checker, name, entries) for name in others}
    axes, documented = values.pop("space"), values.pop("documented") or ()
    space = None if axes is None or baseline is None else _make_space(checker, tuple(axes.values()), baseline)
    wanted = values.pop("design")
    design: Points = {}
    if wanted != NONE and wanted is not None and space is not None and baseline is not None:
        design = one_at_a_time(space, baseline) if wanted == ONE_AT_A_TIME else wanted
    _check_names(checker, documented, values["lesson"])
    if network and function and space and baseline:
        _check_arguments(checker, function, space, design=design, baseline=baseline)
    monitor = keys.value(checker, "monitor", entries)
    changes_made = [variant.configuration for variant in documented]
    changes_made += [point.configuration for point in design_points(design, baseline)] if baseline else []
    losses = _losses(changes_made, space, baseline) if baseline else set()
    if monitor == "val_loss" and task and len(losses) > 1:
        fault = f"is not comparable, since the loss varies ({', '.join(sorted(losses))})"
        comparable = [curve for curve in MONITORS[task] if curve != "val_loss"]
        checker.note("monitor", monitor, fault, ", ".join(comparable))
    if checker.problems or dataset is None or task is None or baseline is None or space is None:
        return None
    name, title = _names(path, values["title"], dataset)
    return Exercise(
        name=name,
        dataset=dataset,
        task=task,
        monitor=str(monitor),
        baseline=baseline,
        space=space,
        documented=documented,
        path=path,
        design=design,
        network=network,
        **{**values, "title": title},
    )


def _names(path: Path, title: str | None, dataset: DatasetSpec) -> tuple[str, str]:
    """Name and title of an exercise, by which people find its sweeps, reports and models.

    They are those of the exercise's file; without a title, on data of one's own, those of the data and the target:
    ``houses-price`` and "price of houses" for ``houses.csv.gz``.
    """
    if title or dataset.source != "file":
        return path.stem, title or path.stem
    data = Path(_PACKED.sub("", Path(str(dataset.options["path"])).name)).stem
    target = str(dataset.options.get("target") or "").strip()
    name = re.sub(r"[^\w.]+", "-", f"{data}-{target}")[:_LONGEST_NAME].strip("-.")
    return name or path.stem, f"{target} of {data}" if target else data


def _read_dataset(checker: Checker, path: Path, raw: object, overrides: Mapping[str, object]) -> DatasetSpec | None:
    """Source, name and options; paths in the file start at the file's folder, those of a parameter where you are."""
    own = isinstance(raw, dict) and raw.get("source") == "file"
    if isinstance(raw, dict) and own:
        beside = {key: path.parent / raw[key] for key in ("path", "test") if isinstance(raw.get(key), str)}
        raw = {**raw, **{key: str(file.resolve()) for key, file in beside.items() if file.exists()}, **overrides}
    content = exercise_keys().value(checker, "dataset", {"dataset": raw})
    if content is None:
        return None
    if not own:
        for key in overrides:
            label = checker.label(f"dataset.{key}")
            checker.problems.append(f"{label}: exercise {path.stem} brings its own data; allowed: {_OWN_DATA}")
    elif "path" not in content:
        checker.note(
            "dataset.path",
            None,
            "",
            "the path of a table, an NPZ file or a folder of images, here or as parameter data",
        )
        return None
    source, name = content.pop("source"), content.pop("name", None)
    # What a parameter says is a text, which is read by now; what a file says stays as it is there.
    said = {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}
    options = {key: said[key] if key in overrides else raw[key] for key in content} if isinstance(raw, dict) else {}
    return DatasetSpec(source, name or Path(content["path"]).stem, options)


def _read_task(checker: Checker, value: object, dataset: DatasetSpec | None, places: Places | None) -> Task | None:
    """The task as stated; of a file of one's own (it has ``places``), where it is not, as its target has it."""
    if value is None and places is not None:
        from pipelines.datasets.user_file.source import infer_task  # pandas takes long to import

        return None if checker.problems or dataset is None else infer_task(dataset, places)
    kind = exercise_keys().keys["task"].kind
    if value is None:
        checker.note("task", None, "", f"{kind.allowed}, here or as parameter task")
        return None
    word = kind.read(checker, "task", value)
    return None if word is None else Task(word)


def _read_network(
    checker: Checker, path: Path, entries: Mapping[str, Any]
) -> tuple[OwnNetwork | None, Function | None]:
    """The user's own network and what its function takes; Nones where there is none, or what is wrong is noted."""
    named = exercise_keys().value(checker, "network", entries)
    if named is None:
        return None, None
    try:
        return find_network(path.parent, *named)
    except UserError as error:
        checker.problems.append(f"network: {error}")
        return None, None


def _baseline(
    task: Task | None, network: OwnNetwork | None, function: Function | None, changes: Mapping[str, Any]
) -> Configuration:
    """The baseline, with the defaults of a user's own function."""
    start = default_configuration(task, network.function if network else "")
    return changed(start, {**(function.defaults if function else {}), **changes})


def _check_arguments(
    checker: Checker, function: Function, space: Space, *, design: Points, baseline: Configuration
) -> None:
    """Note arguments that have no value in the baseline, though the function, the space or the design needs one."""
    for argument in function.arguments:
        if baseline.value(argument.setting) is None and (
            argument.required or argument.setting in space.names or argument.setting in design
        ):
            why = "has no default for it" if argument.required else "has no plain number or word as its default"
            checker.note(
                f"baseline.{argument.name}", None, "", f"{argument.kind.described}, since {function.place} {why}"
            )


def _make_space(checker: Checker, axes: tuple[Parameter, ...], baseline: Configuration) -> Space:
    """The space; axes that change nothing anywhere in it are noted, and layers that nothing gives a width."""
    names = [axis.name for axis in axes]
    space = Space(axes, "convolutions" in names or baseline.convolutions != "none")
    structure = space.structure
    depths: Sequence[Value] = structure.points(MAX_DEPTH + 1) if structure else (len(baseline.layers),)
    for name in names:
        if (structure is None or name != structure.name) and not any(space.matters(name, depth) for depth in depths):
            deepest = max(len(parse_layers(depth)) if isinstance(depth, str) else int(depth) for depth in depths)
            checker.problems.append(
                f"space.{name}: has no effect, since networks of this space have at most {deepest} hidden "
                "layers; allowed: axes that matter (let depth vary, or give the baseline hidden layers)"
            )
    if structure and structure.name == "depth" and not baseline.layers and "units" not in names:
        checker.note("space.units", None, "", "the widths of the layers, since the baseline has no hidden layer")
    return space


def _check_names(checker: Checker, documented: Sequence[Variant], lesson: Lesson | None) -> None:
    """Every variant has a name of its own, and what is named elsewhere is one of them."""
    names = [variant.name for variant in documented]
    tried = [variant.name for variant in documented if not variant.explains]
    for number, variant in enumerate(documented, start=1):
        if variant.name in names[: number - 1]:
            allowed = "a name of its own for each variant"
            checker.note(f"documented.{number}.name", variant.name, "is there twice", allowed)
        if variant.explains and variant.explains not in tried:
            key = f"documented.{number}.explains"
            checker.note(key, variant.explains, "is no documented variant", ", ".join(tried))
    for number, question in enumerate(lesson.questions if lesson else (), start=1):
        for key, name in (("variant", question.variant), ("against", question.against)):
            if name and name not in names:
                label = f"lesson.questions.{number}.{key}"
                checker.note(label, name, f"is no documented variant{did_you_mean(name, names)}", ", ".join(names))


def _losses(configurations: Sequence[Configuration], space: Space | None, baseline: Configuration) -> set[str]:
    """The losses of all configurations: ``val_loss`` compares only where there is one.

    One whose values depend on the unit of the target in training is another one with each scaling of it.
    """
    axes = {axis.name: axis.choices for axis in space.parameters} if space else {}
    varied = axes.get("loss", (baseline.loss,)), axes.get("target_scaling", (baseline.target_scaling,))
    found = {(str(loss), str(scaling)) for loss in varied[0] for scaling in varied[1]}
    found |= {(configuration.loss, configuration.target_scaling) for configuration in configurations}
    if len({scaling for loss, scaling in found if loss in UNIT_BOUND_LOSSES}) < 2:
        return {loss for loss, _ in found}
    return {f"{loss} with target_scaling {scaling}" if loss in UNIT_BOUND_LOSSES else loss for loss, scaling in found}
