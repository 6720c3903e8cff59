"""One record of a sweep, and the one place that knows its stored form: ``sweep.json`` and back to the same types.

What was stored is read field by field into the type it was written from (``from_plain``), so that nobody else has to
ask what a stored value is.
"""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from pydantic import TypeAdapter, ValidationError

from pipelines.datasets.base import Dataset
from pipelines.errors import TrackingError
from pipelines.exercises.exercise import Exercise, Variant
from pipelines.tracking import names
from pipelines.tracking.trials import Trial

PACKAGES = ("keras", "jax", "jaxlib", "tensorflow", "optuna", "keras-tuner", "mlflow", "numpy", "scipy", "pandas")


@dataclass(frozen=True)
class RecordedSettings:
    """What a sweep was asked to do, as resolved; None where not recorded. Also the parameters of its run."""

    exercise: str | None = None
    trials: int | None = None
    tuner: str | None = None
    backend: str | None = None
    stop: str | None = None
    seed: int | None = None
    #: Trials at a time.
    workers: int | None = None
    validation: str | None = None
    folds: int | None = None
    repeats: int | None = None
    epochs: int | None = None
    monitor: str | None = None
    #: ``one_at_a_time`` or ``none``; which settings and values, the exercise says.
    design: str | None = None


@dataclass(frozen=True)
class DataFacts:
    """What is recorded of a data set: everything but its arrays; empty or None where not recorded."""

    name: str = ""
    source: str = ""
    sha256: str = ""
    task: str = ""
    samples: int | None = None
    test_samples: int | None = None
    input_shape: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    class_shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset) -> DataFacts:
        """Of a data set that has been loaded."""
        others = ("task", "test_samples")
        facts = {f.name: getattr(dataset, f.name) for f in fields(cls) if f.name not in others}
        return cls(**facts, task=str(dataset.task), test_samples=len(dataset.test_inputs))


@dataclass(frozen=True)
class SplitSizes:
    """How many rows a fit is trained on, and how many it is validated on."""

    repeat: int
    fold: int
    training: int
    validation: int


@dataclass(frozen=True)
class WeightsFile:
    """The file of a backbone's weights."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Environment:
    """What a result depends on beside the settings: versions, machine, command line; empty where not recorded."""

    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    system: str = ""
    processor: str = ""
    cores: int | None = None
    memory_gib: float | None = None
    command: str = ""
    started: str = ""


@dataclass(frozen=True, eq=False)
class SweepRecord:
    """What is known of a sweep before its first trial, written to ``sweep.json``.

    Attributes
    ----------
    exercise
        With all that was asked for on the command line; None where it cannot be read.
    settings, data, environment
        What it was asked to do, on which data, where.
    splits
        One a fit, repeat-major; None where not recorded.
    weights
        Of every backbone that a trial may have; None where not recorded.
    guessing
        What the best constant prediction comes to, by validation curve one value a fit; empty where not recorded.
    """

    exercise: Exercise | None = None
    settings: RecordedSettings = RecordedSettings()
    data: DataFacts = field(default_factory=DataFacts)
    splits: tuple[SplitSizes, ...] | None = None
    weights: Mapping[str, WeightsFile] | None = None
    guessing: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    environment: Environment = field(default_factory=Environment)

    def to_json(self) -> dict[str, Any]:
        """The content of ``sweep.json``; what is not known is left out."""
        # The prose of a lesson is for those who read the exercise's file.
        exercise = self.exercise and {key: value for key, value in asdict(self.exercise).items() if key != "lesson"}
        sections = {
            "exercise": exercise,
            "parameters": _known(self.settings),
            "data": _known(self.data),
            "splits": None if self.splits is None else [asdict(split) for split in self.splits],
            "weights": None if self.weights is None else {name: asdict(of) for name, of in self.weights.items()},
            "guessing": self.guessing or None,
        }
        return {name: content for name, content in sections.items() if content is not None} | _known(self.environment)

    @classmethod
    def from_json(cls, content: Any) -> SweepRecord:
        """The record that ``to_json`` wrote; what is missing, or is not what it should be, is left out."""
        if not isinstance(content, dict):
            return cls()
        return cls(
            exercise=_exercise(content.get("exercise")),
            settings=_lenient(RecordedSettings, content.get("parameters")),
            data=_lenient(DataFacts, content.get("data")),
            splits=readable(tuple[SplitSizes, ...], content.get("splits")),
            weights=readable(Mapping[str, WeightsFile], content.get("weights")),
            guessing=readable(Mapping[str, tuple[float, ...]], content.get("guessing")) or {},
            environment=_lenient(Environment, content),
        )


@dataclass(frozen=True, eq=False)
class SweepDescription:
    """A sweep that is about to start.

    Attributes
    ----------
    identity
        Hash of everything that makes trials of two starts interchangeable: exercise, data, folds, seeds, space.
    data
        The data set; only its description is stored.
    record
        What is written about it; its settings name at least exercise, tuner and backend.
    """

    identity: str
    data: Dataset
    record: SweepRecord


@dataclass(frozen=True, eq=False, kw_only=True)
class Sweep:
    """A sweep as recorded.

    Attributes
    ----------
    run_id, experiment_id, uri, status
        Its MLflow run, the experiment and the store that this is in, and how the run ended.
    exercise, tuner, backend, identity, data_sha256, commit
        Tags of the run; empty where missing.
    monitor
        Curve that over-fitting was judged on.
    started, ended
        Of the run; ``ended`` is None while it goes on.
    record
        What ``sweep.json`` says; empty where that is gone.
    trials
        All of them, oldest first.
    heir
        The run that has its trials now, where it was continued; else empty.
    """

    run_id: str
    uri: str
    status: str
    exercise: str
    monitor: str
    started: datetime
    ended: datetime | None = None
    experiment_id: str = ""
    tuner: str = ""
    backend: str = ""
    identity: str = ""
    data_sha256: str = ""
    commit: str = ""
    record: SweepRecord = field(default_factory=SweepRecord)
    trials: tuple[Trial, ...] = ()
    heir: str = ""

    @property
    def documented(self) -> tuple[Variant, ...]:
        """What the textbook found."""
        return self.record.exercise.documented if self.record.exercise else ()

    @property
    def finished(self) -> tuple[Trial, ...]:
        """Trials with a result that can be relied on, the best first."""
        return tuple(
            sorted((t for t in self.trials if t.has_result and t.intact), key=lambda trial: trial.value or 0.0)
        )

    def lacks(self, what: str) -> TrackingError:
        """The error to raise where ``sweep.json`` does not have this part."""
        return TrackingError(
            f"The file {names.SWEEP_FILE} of sweep {self.run_id} does not say {what!r}: it was written by another "
            "version, or changed since. Run the sweep again."
        )


def current_environment() -> Environment:
    """Versions of Python and the packages in use, processor, cores, memory, command line and starting time.

    Versions are read from the installed packages' own records, so nothing heavy is imported.
    """
    return Environment(
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := _version(name))},
        system=platform.platform(),
        processor=_processor(),
        cores=psutil.cpu_count(logical=True),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        # What is no UTF-8 in an argument could be written to JSON, but neither read again nor put on a page.
        command=shlex.join([*_program(Path(sys.argv[0])), *sys.argv[1:]]).encode(errors="replace").decode(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def from_plain(kind: Any, value: Any, *, lenient: bool = False) -> Any:
    """What JSON made of a value, as the type that it was written from: dataclasses, tuples, enumerations, paths.

    Keys of a dataclass that it does not know are left out, and fields that are missing have their default; where
    ``lenient``, fields of a wrong type as well. Raises ``ValueError`` where the value is not of this type.

    >>> from_plain(tuple[SplitSizes, ...], [{"repeat": 0, "fold": 1, "training": 30, "validation": 10}])
    (SplitSizes(repeat=0, fold=1, training=30, validation=10),)
    """
    try:
        return _reader(kind).validate_json(plain_text(value), strict=True)
    except ValidationError as error:
        wrong = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
        if not lenient or not isinstance(value, Mapping) or wrong.isdisjoint(value):
            raise
    return from_plain(kind, {key: item for key, item in value.items() if key not in wrong})


def readable(kind: Any, value: Any) -> Any:
    """``from_plain``, or None where the value is not of this type."""
    try:
        return from_plain(kind, value)
    except ValueError:
        return None


def plain_text(content: Any, indent: int = 2) -> str:
    """JSON of what dataclasses are made of; a path is text."""
    return json.dumps(content, indent=indent, default=str)


@cache
def _reader(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _exercise(content: Any) -> Exercise | None:
    """The exercise; a documented variant that a later version wrote otherwise is left out."""
    documented = content.get("documented") if isinstance(content, Mapping) else None
    if not isinstance(documented, list):
        return None
    exercise: Exercise | None = readable(Exercise, {**content, "documented": []})
    variants = (readable(Variant, variant) for variant in documented)
    return exercise and replace(exercise, documented=tuple(filter(None, variants)))


def _lenient(kind: Any, content: Any) -> Any:
    return from_plain(kind, content, lenient=True) if isinstance(content, Mapping) else kind()


def _known(record: Any) -> dict[str, Any]:
    """Fields that are not None."""
    return {name: value for name, value in asdict(record).items() if value is not None}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _program(script: Path) -> list[str]:
    """``python -m package`` where that is how it was started, else the script's name; no path of this machine."""
    return ["python", "-m", script.parent.name] if script.name == "__main__.py" else [script.name]


def _processor() -> str:
    """The processor's trade name, which Python itself does not know on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, "") or platform.processor() or platform.machine()
