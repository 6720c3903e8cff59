"""Runs -> configurations: which runs are folds or repeats of one and the same, by parameters and names, or as told."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.errors import UserError
from pipelines.logs.axis import RunCurves
from pipelines.logs.base import LoggedRun, Value
from pipelines.words import counted, did_you_mean, listed

FOLD_WORDS = ("fold", "kfold", "cv", "split", "fold_id", "fold_index", "fold_idx", "fold_number", "cv_fold")
SEED_WORDS = (
    *("seed", "random_seed", "random_state", "manual_seed", "rng_seed", "global_seed", "rng"),
    *("repeat", "rep", "replicate", "repetition"),
)
#: Parameters that say where or when a run was made, and nothing of what was trained.
_ASIDE = re.compile(
    r"(^|[._/ ])(.*dir|.*path|.*file|.*folder|uuid|run_?id|run_?name|id|name|date.*|time.*|.*timestamp|host.*|user"
    r"|url|uri|logdir|workers|verbose|callbacks|state|runtime|owner|ping.*|creation.*|modification.*)$",
    re.IGNORECASE,
)
_IN_NAME = r"(?:(?<=^)|(?<=[_\-./ ])){words}[_\-=/ ]?(\d+)(?=$|[_\-./ ])"
_FOLD_IN_NAME = re.compile(_IN_NAME.format(words="(?:k?fold|cv|split)"), re.IGNORECASE)
_SEED_IN_NAME = re.compile(_IN_NAME.format(words="(?:seed|repeat|rep|replicate)"), re.IGNORECASE)


@dataclass(frozen=True)
class Stated:
    """What a user says of the runs; empty where it is to be found.

    Attributes
    ----------
    group
        ``all``: every run is of one configuration; ``none``: each is one of its own; else names of the parameters
        that make a configuration, joined by commas.
    folds, repeats
        A parameter that holds the fold or the seed; or their number, for runs in the order of their names.
    """

    group: str = ""
    folds: str = ""
    repeats: str = ""


@dataclass(frozen=True, eq=False)
class Group:
    """A configuration: its fits repeat-major (``fit = repeat * folds + fold``), and the settings of its runs."""

    name: str
    settings: Mapping[str, Value]
    members: tuple[RunCurves, ...]
    folds: int
    repeats: int
    #: Runs that are no fit of it, each with the reason.
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Fit:
    """Which fold and which seed a run says it is, and what its name is without them."""

    fold: str
    seed: str
    base: str
    name_tells: bool
    aside: frozenset[str] = field(default_factory=frozenset)


def find_groups(curves: Sequence[RunCurves], stated: Stated) -> tuple[list[Group], list[str]]:
    """Configurations in the order of their first runs, and sentences on what was found.

    Raises ``UserError`` where what is stated does not fit the runs.
    """
    runs = [of.run for of in curves]
    known = {name for run in runs for name in run.parameters}
    _check(stated, known)
    fold_of, fold_source = _labels(runs, FOLD_WORDS, _FOLD_IN_NAME, stated.folds)
    seed_of, seed_source = _labels(runs, SEED_WORDS, _SEED_IN_NAME, stated.repeats)
    markers = {name for name in (fold_source, seed_source) if name in known}
    markers |= {name for name in known if _word(name) in (*FOLD_WORDS, *SEED_WORDS)}
    settings, aside = _settings(runs, markers, stated)
    keys: dict[object, list[int]] = {}
    for at, run in enumerate(runs):
        keys.setdefault(_key(run, settings[at], stated, bool(known - markers)), []).append(at)
    names = _names([settings[members[0]] for members in keys.values()], [runs[of[0]] for of in keys.values()])
    groups = [
        _group(name, settings[members[0]], [(curves[at], fold_of[at], seed_of[at]) for at in members], stated)
        for name, members in zip(names, keys.values(), strict=True)
    ]
    return groups, _told(groups, fold_source, seed_source, aside)


def base_name(name: str) -> str:
    """A run's name without its fold and its seed.

    >>> base_name("cnn_fold3_seed2"), base_name("fold_0"), base_name("lr0.1/split-4")
    ('cnn', '', 'lr0.1')
    """
    bare = _SEED_IN_NAME.sub("", _FOLD_IN_NAME.sub("", name))
    return re.sub(r"[_\-./ ]{2,}", "_", bare).strip("_-./ ")


def _check(stated: Stated, known: set[str]) -> None:
    named = [] if stated.group in ("", "all", "none") else _split(stated.group)
    for parameter, names in (("group", named), ("folds", [stated.folds]), ("repeats", [stated.repeats])):
        for name in filter(None, names):
            if name not in known and not (parameter != "group" and name.isdigit() and int(name) > 0):
                allowed = listed(sorted(known)) or "none, for the runs have no parameters"
                number = "" if parameter == "group" else "a number, or "
                raise UserError(
                    f"{parameter}: {name!r} is no parameter of these runs{did_you_mean(name, known)}; allowed: {number}"
                    f"one of {allowed}."
                )


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _word(name: str) -> str:
    """The last part of a parameter's name, as ``seed`` of ``trainer.seed``."""
    return re.split(r"[./]", name)[-1].strip().lower().replace("-", "_").replace(" ", "_").lstrip("_")


def _labels(
    runs: Sequence[LoggedRun], words: Sequence[str], in_name: re.Pattern[str], stated: str
) -> tuple[list[str], str]:
    """Of each run its label, empty without one, and where the labels come from."""
    if stated.isdigit():
        return [""] * len(runs), ""
    names = [stated] if stated else sorted({name for run in runs for name in run.parameters if _word(name) in words})
    for name in names:
        found = [str(run.parameters.get(name, "")) for run in runs]
        if stated or len(set(found)) > 1:
            return found, name
    matches = [in_name.search(run.name) for run in runs]
    found = [match.group(1) if match else "" for match in matches]
    return found, "the names" if len({each for each in found if each}) > 1 else ""


def _settings(
    runs: Sequence[LoggedRun], markers: set[str], stated: Stated
) -> tuple[list[dict[str, Value]], tuple[str, ...]]:
    """Of each run the parameters that make its configuration, and the names of those that do not count."""
    named = None if stated.group in ("", "all", "none") else set(_split(stated.group))
    varied = {name for name in {n for run in runs for n in run.parameters} if _varies(runs, name)}
    aside = {name for name in varied - markers if named is None and _is_aside(runs, name)}
    kept = varied - markers - aside if named is None else named
    found = [{name: run.parameters[name] for name in sorted(kept) if name in run.parameters} for run in runs]
    return found, tuple(sorted(aside))


def _varies(runs: Sequence[LoggedRun], name: str) -> bool:
    return len({run.parameters.get(name) for run in runs}) > 1


def _is_aside(runs: Sequence[LoggedRun], name: str) -> bool:
    """Whether a parameter only says where or when: by its name, and by having texts or another value in every run."""
    values = [run.parameters[name] for run in runs if name in run.parameters]
    return bool(_ASIDE.search(_word(name))) and (
        any(isinstance(value, str) for value in values) or len(set(values)) == len(runs)
    )


def _key(run: LoggedRun, settings: Mapping[str, Value], stated: Stated, has_settings: bool) -> object:
    if stated.group == "all":
        return ()
    if stated.group == "none":
        return run.place, run.name
    settled = tuple(settings.items())
    if stated.group:
        return settled
    base = base_name(run.name)
    if base != run.name.strip("_-./ "):
        return settled, base
    # Tools invent names for runs; where there are parameters, these alone tell configurations apart.
    return settled if has_settings else (settled, run.place, run.name)


def _names(settings: Sequence[Mapping[str, Value]], runs: Sequence[LoggedRun]) -> list[str]:
    """A name for each configuration: the settings that vary, else what the runs are called."""
    varied = [name for name in sorted({n for of in settings for n in of}) if len({of.get(name) for of in settings}) > 1]
    by_settings = [" ".join(f"{_word(name)}={_text(of[name])}" for name in varied if name in of) for of in settings]
    by_name = [(base_name(run.name) or run.name).replace(" ", "_") for run in runs]
    if len(set(by_settings)) == len(settings) and all(by_settings):
        return by_settings
    names = [" ".join(filter(None, (name, words))) for name, words in zip(by_name, by_settings, strict=True)]
    names = [f"run_{name}" if name.replace("-", "").isdigit() else name for name in names]
    taken = Counter(names)
    return [f"{name} #{at + 1}" if taken[name] > 1 else name for at, name in enumerate(names)]


def _text(value: Value) -> str:
    return value.replace(" ", "_")[:24] if isinstance(value, str) else f"{value:g}"


def _group(
    name: str, settings: Mapping[str, Value], members: Sequence[tuple[RunCurves, str, str]], stated: Stated
) -> Group:
    """The members as a grid of folds and repeats; what does not fit into a whole grid is left out."""
    ordered = sorted(members, key=lambda member: (_natural(member[1]), _natural(member[2])))
    dropped: list[tuple[str, str]] = []
    folds = int(stated.folds) if stated.folds.isdigit() else 0
    if not folds and stated.repeats.isdigit() and not any(fold for _, fold, _ in members):
        folds = max(1, len(members) // int(stated.repeats))
    if folds:
        fits, left = _in_order([of for of, *_ in members], folds, name)
        dropped = [(of.run.name, f"no whole set of {folds} folds") for of in left]
    else:
        by_fold: dict[str, list[tuple[RunCurves, str]]] = {}
        for of, fold, seed in ordered:
            by_fold.setdefault(fold, []).append((of, seed))
        if len(by_fold) > 1 and "" in by_fold:
            dropped += [(of.run.name, "no fold is known") for of, _ in by_fold.pop("")]
        rows, uneven = _whole_grid(list(by_fold.values()))
        dropped += [(of.run.name, "not every fold has its repeat") for of in uneven]
        folds = len(rows)
        fits = tuple(row[repeat] for repeat in range(len(rows[0])) for row in rows)
    return Group(
        name=name,
        settings=settings,
        members=fits,
        folds=folds,
        repeats=len(fits) // folds,
        left_out=tuple(dropped),
    )


def _in_order(members: Sequence[RunCurves], folds: int, name: str) -> tuple[tuple[RunCurves, ...], list[RunCurves]]:
    """Runs in the order of their names as whole sets of folds, and those behind the last whole set."""
    ordered = sorted(members, key=lambda of: _natural(of.run.name))
    whole = len(ordered) // folds * folds
    if not whole:
        raise UserError(
            f"folds: {folds} does not fit {name!r}, which has {counted(len(members), 'run')}; allowed: 1 to "
            f"{len(members)}."
        )
    return tuple(ordered[:whole]), ordered[whole:]


def _whole_grid(rows: Sequence[Sequence[tuple[RunCurves, str]]]) -> tuple[list[list[RunCurves]], list[RunCurves]]:
    """Of each fold the same repeats: those with the seeds that all have, else as many as the shortest fold has."""
    common = set.intersection(*({seed for _, seed in row} for row in rows))
    # One run a seed in every fold: then seeds pair the repeats of the folds.
    paired = bool(common - {""}) and all(len({seed for _, seed in row}) == len(row) for row in rows)
    least = min(map(len, rows))
    keep: Callable[[int, str], bool] = (lambda at, seed: seed in common) if paired else (lambda at, seed: at < least)
    kept = [[of for at, (of, seed) in enumerate(row) if keep(at, seed)] for row in rows]
    left = [of for row in rows for at, (of, seed) in enumerate(row) if not keep(at, seed)]
    return kept, left


def _natural(text: str) -> tuple[object, ...]:
    """For sorting, so that ``fold10`` comes behind ``fold9``."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part)


def _told(groups: Sequence[Group], folds: str, seeds: str, aside: Sequence[str]) -> list[str]:
    """What was found of configurations, folds and repeats, in sentences."""
    sizes = Counter((group.folds, group.repeats) for group in groups)
    each = listed(
        [
            f"{counted(count, 'configuration')} with {counted(fold, 'fold')} and {counted(repeat, 'repeat')}"
            for (fold, repeat), count in sizes.most_common(4)
        ]
    )
    found = [
        f"Found {each}." if len(sizes) <= 4 else f"Found {counted(len(groups), 'configuration')} of different sizes."
    ]
    sources = [f"folds from {folds}" if folds else "", f"seeds from {seeds}" if seeds else ""]
    if told := listed(list(filter(None, sources))):
        found.append(f"Read {told}.")
    if aside:
        found.append(f"Not counted as settings: {listed(list(aside))}.")
    left = [(name, why) for group in groups for name, why in group.left_out]
    for why, count in Counter(why for _, why in left).items():
        first = next(name for name, reason in left if reason == why)
        found.append(f"{counted(count, 'run')} left out, such as {first}: {why}.")
    return found
