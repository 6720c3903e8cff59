"""Downloads that end: the host is tried for a few seconds, then a child process does the work under a time limit.

The child is where Keras and TensorFlow Datasets are imported, so a download neither fixes this process's Keras backend
nor leaves TensorFlow in its memory. Run as ``python -m pipelines.datasets.sources.downloads`` it is that child.
"""

import logging
import os
import socket
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from pipelines.errors import DataError

CONNECT_SECONDS = 5.0

logger = logging.getLogger(__name__)


class ChildError(Exception):
    """A child process failed; the text is the last line it wrote, or that its time was up."""


def explain_unreachable(url: str) -> str | None:
    """Why a URL's host cannot be reached, None where it can.

    Looking up the name counts too: it runs in a thread of its own, because it has no time limit. Where a proxy is set
    up, the proxy is what is tried.
    """
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    answers: list[str | None] = []

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
            answers.append(None)
        except OSError as error:
            answers.append(f"no connection to {host}: {error}")

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS + 1)
    return answers[0] if answers else f"no connection to {host} within {CONNECT_SECONDS:g} seconds"


def run_child(module: str, arguments: Sequence[str], *, seconds: float, environment: dict[str, str]) -> str:
    """Run ``python -m module arguments`` and return what it printed last.

    Raises ``ChildError`` where it fails, or is not done in time and had to be ended.
    """
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    try:
        child = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise ChildError(f"it was not done after {seconds:g} seconds") from None
    lines = [line for line in (child.stderr if child.returncode else child.stdout).splitlines() if line.strip()]
    if child.returncode:
        raise ChildError(lines[-1].strip() if lines else f"it ended with code {child.returncode}")
    return lines[-1] if lines else ""


def keras_folder(name: str) -> Path:
    """A folder of Keras' own: ``datasets`` or ``models`` in ``$KERAS_HOME``, else in ``~/.keras``."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / name


def download_keras_file(name: str, url: str, sha256: str, seconds: float, folder: str = "datasets") -> Path:
    """Download with ``keras.utils.get_file``, which checks the hash (none where it is empty), into Keras' own folder.

    Raises ``ChildError`` where it cannot be had.
    """
    # Keras' NumPy backend imports neither TensorFlow nor JAX.
    return Path(_download(url, ["keras", name, url, sha256, folder], seconds, {"KERAS_BACKEND": "numpy"}))


def download_tfds(name: str, url: str, seconds: float) -> None:
    """Download and prepare with TensorFlow Datasets, into its own folder.

    Raises ``ChildError`` where it cannot be had.
    """
    _download(url, ["tfds", name], seconds, {"CUDA_VISIBLE_DEVICES": "-1"})


def unavailable(name: str, tried: Sequence[Path], reason: str, remedy: str) -> DataError:
    """The error for a data set that is neither here nor to be had; the remedy says what to put where."""
    return DataError(
        f"Data set {name!r} is not on this machine (looked for {', '.join(map(str, tried))}) and its download "
        f"failed: {reason}. {remedy} The exercise 'digits' comes with scikit-learn and runs without a download."
    )


def _download(url: str, order: Sequence[str], seconds: float, environment: dict[str, str]) -> str:
    """Let a child follow the order, where the URL's host can be reached; what it printed last."""
    if (reason := explain_unreachable(url)) is not None:
        raise ChildError(reason)
    logger.info("Downloading %s from %s, for at most %g seconds.", order[1], url, seconds)
    return run_child(__name__, order, seconds=seconds, environment=environment)


def _main(kind: str, name: str, url: str = "", sha256: str = "", folder: str = "") -> None:
    """What the child does: the orders of ``download_keras_file`` and ``download_tfds``."""
    if kind == "keras":
        from keras.utils import get_file

        print()
        print(get_file(name, url, file_hash=sha256 or None, cache_subdir=folder))
    else:
        import tensorflow_datasets as tfds

        builder = tfds.builder(name)
        if not builder.is_prepared():
            builder.download_and_prepare()


if __name__ == "__main__":
    _main(*sys.argv[1:])
