"""What a result depends on beside the settings: versions, machine, command line."""

import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("keras", "jax", "jaxlib", "tensorflow", "optuna", "keras-tuner", "mlflow", "numpy", "scipy", "pandas")


def environment() -> dict[str, Any]:
    """Versions of Python and the packages in use, processor, cores, memory, command line and starting time.

    Versions are read from the installed packages' own records, so nothing heavy is imported. The accelerators are
    known to the training engine alone and are added by the caller.
    """
    return {
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "system": platform.platform(),
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=True),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "command": shlex.join([*_program(Path(sys.argv[0])), *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


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
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
