"""The options of a user's file, checked, and its paths as they were found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.datasets import options
from pipelines.datasets.base import DatasetSpec
from pipelines.datasets.places import Places
from pipelines.datasets.user_file.columns import Wishes
from pipelines.datasets.user_file.dialect import SPELLED, SPELLED_SIGNS, Stated
from pipelines.datasets.user_file.images import image_paths
from pipelines.datasets.user_file.tables import NPZ_SUFFIXES, TEXT_SUFFIXES, TableOptions, suffix_of
from pipelines.errors import DataError
from pipelines.words import did_you_mean


@dataclass(frozen=True)
class Settings:
    """The options of these names; ``given`` names those that are stated. Paths are where they were found."""

    path: Path
    test: Path | None
    target: str | None
    missing: str
    test_fraction: float | None
    features: tuple[str, ...] | None
    exclude: tuple[str, ...]
    categorical: tuple[str, ...]
    dates: str
    group: str | None
    order: str | None
    id: str | None
    thousands: str | None
    separator: str | None
    decimal: str | None
    encoding: str | None
    header: bool | None
    missing_markers: tuple[str, ...] | None
    inputs: str | None
    test_inputs: str | None
    test_target: str | None
    size: int | None
    given: frozenset[str]

    @property
    def table(self) -> TableOptions:
        """How a table is written, as far as it is stated."""
        return table_options(vars(self))

    @property
    def wishes(self) -> Wishes:
        """What is said of the columns."""
        return Wishes(self.missing, self.categorical, self.features or (), self.dates)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns that are named."""
        single = [name for name in (self.target, self.group, self.order, self.id) if name is not None]
        return (*single, *(self.features or ()), *self.exclude, *self.categorical)


def table_options(known: Mapping[str, Any]) -> TableOptions:
    """How a table is written, of options that were read; others among them are left alone."""
    separator, decimal, thousands = (
        spelled.get(known.get(name) or "", known.get(name))
        for name, spelled in (("separator", SPELLED), ("decimal", SPELLED_SIGNS), ("thousands", SPELLED_SIGNS))
    )
    text = Stated(separator, decimal, known.get("encoding"), known.get("header"))
    markers = known.get("missing_markers")
    return TableOptions(text, thousands, markers, tuple(known.get("categorical") or ()))


def read_settings(spec: DatasetSpec, places: Places) -> Settings:
    """Check the options; raises ``DataError`` where one is wrong or the file is not there."""
    if (path_text := options.option(spec, "path")) is None:
        raise DataError(f"Data set {spec.name!r} of source 'file' needs the option 'path'.")
    path = _resolve(path_text, places, spec)
    if path.is_dir():
        if not image_paths(path):
            raise DataError(f"Data set {spec.name!r}: {path} is a folder without images; name the file in it.")
        known = options.COMMON_OPTIONS | options.IMAGE_OPTIONS
        if spec.options.get("target") is not None:
            raise DataError(
                f"Option 'target' is for tables and arrays; the classes of {path} are the names of the folders in it."
            )
    else:
        suffix = suffix_of(path)
        of_format = options.NPZ_OPTIONS if suffix in NPZ_SUFFIXES else {}
        of_format = options.TEXT_OPTIONS if suffix in TEXT_SUFFIXES else of_format
        known = options.COMMON_OPTIONS | options.TABLE_OPTIONS | of_format
    options.check_options(spec, known)
    read = {key: options.option(spec, key) for key in options.OPTIONS["file"]}
    if read["features"] is not None and read["exclude"] is not None:
        raise DataError(f"Data set {spec.name!r} has both options 'features' and 'exclude'; one of them is enough.")
    test = None if read["test"] is None else _resolve(read["test"], places, spec)
    read |= {"path": path, "test": test} | {key: read[key] or () for key in ("exclude", "categorical")}
    if test is not None and read["test_fraction"]:
        raise DataError(f"Data set {spec.name!r} has both options 'test' and 'test_fraction'; one of them is enough.")
    if test is not None and (test.is_dir() != path.is_dir() or (test.is_file() and suffix_of(test) != suffix_of(path))):
        raise DataError(f"The test file {test} is of another format than {path}.")
    if read["group"] is not None and read["group"] == read["order"]:
        raise DataError(f"Data set {spec.name!r} has one column, {read['group']!r}, as options 'group' and 'order'.")
    return Settings(**read, given=frozenset(spec.options))


def _resolve(value: str, places: Places, spec: DatasetSpec) -> Path:
    path = Path(value).expanduser()
    tried = [path] if path.is_absolute() or places.data_dir is None else [path, places.data_dir / path]
    for candidate in tried:
        if candidate.exists():
            return candidate
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    folders = [str(folder.absolute()) for folder in (Path(), places.data_dir) if folder is not None]
    looked = "" if path.is_absolute() else f" Looked in {' and '.join(folders)}."
    raise DataError(f"Data set {spec.name!r}: there is no file {path}{did_you_mean(path.name, beside)}.{looked}")
