"""Names of trials in the MLflow UI: what varies in their sweep, ``units=64 depth=2 relu lr=0.003``.

The words and their order are those of ``Configuration.label``, and so of the report's labels; only the widths, which a
list of runs has no heading for, are spelt out.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipelines.exercises.configurations import SETTINGS, Configuration


def varying_settings(details: Mapping[str, Any]) -> frozenset[str] | None:
    """Settings that differ between the trials of a sweep: axes of its space, and what documented variants change.

    Parameters
    ----------
    details
        The content of ``sweep.json``.

    Returns
    -------
    None where that does not say it.
    """
    exercise = details.get("exercise")
    space = exercise.get("space") if isinstance(exercise, Mapping) else None
    axes = space.get("parameters") if isinstance(space, Mapping) else None
    if not isinstance(exercise, Mapping) or not isinstance(axes, Sequence):
        return None
    names = {str(axis.get("name")) for axis in axes if isinstance(axis, Mapping)}
    baseline = exercise.get("baseline")
    for variant in exercise.get("documented") or ():
        configuration = variant.get("configuration") if isinstance(variant, Mapping) else None
        if isinstance(baseline, Mapping) and isinstance(configuration, Mapping):
            names |= {name for name, value in configuration.items() if value != baseline.get(name)}
    return frozenset((SETTINGS[name].shares_word if name in SETTINGS else "") or name for name in names)


def run_name(configuration: Configuration, varying: Collection[str] | None, taken: Collection[str] = ()) -> str:
    """Name of a trial's run.

    Parameters
    ----------
    varying
        Settings to name beside the widths; None for all.
    taken
        Names of other trials of the sweep. Numbers have three digits in a name, so two may be alike: the later one has
        the first digits of its hash added.

    >>> run_name(Configuration(layers=(64, 64), loss="mse", learning_rate=0.003), {"units", "learning_rate"})
    'units=64 depth=2 lr=0.003'
    """
    words = [
        _widths(configuration) if setting == "layers" else word
        for setting, word in configuration.words
        if varying is None or setting == "layers" or setting in varying
    ]
    name = " ".join(words)
    return f"{name} #{configuration.hash[:4]}" if name in taken else name


def _widths(configuration: Configuration) -> str:
    layers = configuration.layers
    if not layers:
        return "no hidden layer"
    if len(set(layers)) == 1:
        return f"units={layers[0]} depth={len(layers)}"
    return f"layers={configuration.layers_text}"
