"""The settings of a run that lie in a file beside its log: PyTorch Lightning's ``hparams.yaml``, or a JSON file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.logs.base import Value, plain_value

FILES = ("hparams.yaml", "hparams.json", "config.yaml", "config.json", "params.json", "args.json")


def parameters_beside(folder: Path) -> dict[str, Value]:
    """Settings from the first of the usual files in a folder that holds some; empty without one."""
    for name in FILES:
        try:
            text = (folder / name).read_text(encoding="utf-8")
            content = json.loads(text) if name.endswith(".json") else yaml.load(text, Loader=_Lenient)
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if isinstance(content, Mapping) and (found := flat(content)):
            return found
    return {}


def flat(content: Mapping[Any, Any], prefix: str = "") -> dict[str, Value]:
    """Settings in settings with names like ``optimizer.lr``; lists as texts, what is nothing is left out."""
    found: dict[str, Value] = {}
    for name, value in content.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{key}.")
        elif isinstance(value, list | tuple):
            found[key] = "-".join(map(str, value))
        elif value is not None:
            found[key] = plain_value(value)
    return found


class _Lenient(yaml.SafeLoader):
    """Reads plain data, and makes nothing of what asks for a Python object."""


_Lenient.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)
