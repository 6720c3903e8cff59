"""Downloads that end: the host is tried for a few seconds, then a child process does the work under a time limit.

The child is where Keras and TensorFlow Datasets are imported, so a download neither fixes this process's Keras backend
nor leaves TensorFlow in its memory. Run as ``python -m pipelines.datasets.sources.downloads`` it is that child.
"""

import argparse
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


def explain_unreachable(url: str, seconds: float = CONNECT_SECONDS) -> str | None:
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
            socket.create_connection((host, port), timeout=seconds).close()
            answers.append(None)
        except OSError as error:
            answers.append(f"no connection to {host}: {error}")

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds + 1)
    return answers[0] if answers else f"no connection to {host} within {seconds:g} seconds"


def run_child(module: str, arguments: Sequence[str], *, seconds: float, environment: dict[str, str]) -> str:
    """Run ``python -m module arguments`` and return what it printed last.

    Raises
    ------
    ChildError
        Where it fails, or is not done in time and had to be ended.
    """
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    )
    try:
        printed, complaints = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise ChildError(f"it was not done after {seconds:g} seconds") from None
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    if child.returncode != 0:
        lines = [line for line in complaints.splitlines() if line.strip()]
        raise ChildError(lines[-1].strip() if lines else f"it ended with code {child.returncode}")
    lines = [line for line in printed.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def download_keras_file(name: str, url: str, sha256: str, seconds: float, folder: str = "datasets") -> Path:
    """Download with ``keras.utils.get_file``, which checks the hash (none where it is empty), into Keras' own folder.

    Raises
    ------
    ChildError
        Where it cannot be had.
    """
    # Keras' NumPy backend imports neither TensorFlow nor JAX.
    return Path(_download(url, ["keras", name, url, sha256, folder], seconds, {"KERAS_BACKEND": "numpy"}))


def download_tfds(name: str, url: str, seconds: float) -> None:
    """Download and prepare with TensorFlow Datasets, into its own folder.

    Raises
    ------
    ChildError
        Where it cannot be had.
    """
    _download(url, ["tfds", name], seconds, {"CUDA_VISIBLE_DEVICES": "-1"})


def unavailable(name: str, tried: Sequence[str], reason: str, remedy: str) -> DataError:
    """The error for a data set that is neither here nor to be had.

    Parameters
    ----------
    tried
        Places looked at, in order.
    remedy
        What to put where, a sentence.
    """
    return DataError(
        f"Data set {name!r} is not on this machine (looked for {', '.join(tried)}) and its download failed: {reason}. "
        f"{remedy} The exercise 'digits' comes with scikit-learn and runs without a download."
    )


def _download(url: str, order: Sequence[str], seconds: float, environment: dict[str, str]) -> str:
    """Let a child follow the order, where the URL's host can be reached; what it printed last."""
    if (reason := explain_unreachable(url)) is not None:
        raise ChildError(reason)
    logger.info("Downloading %s from %s, for at most %g seconds.", order[1], url, seconds)
    return run_child(__name__, order, seconds=seconds, environment=environment)


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.datasets.sources.downloads")
    kinds = parser.add_subparsers(dest="kind", required=True)
    keras_parser = kinds.add_parser("keras")
    for field in ("name", "url", "sha256", "folder"):
        keras_parser.add_argument(field)
    kinds.add_parser("tfds").add_argument("name")
    chosen = parser.parse_args(arguments)
    if chosen.kind == "keras":
        from keras.utils import get_file

        print()
        print(get_file(chosen.name, chosen.url, file_hash=chosen.sha256 or None, cache_subdir=chosen.folder))
        return 0
    import tensorflow_datasets as tfds

    builder = tfds.builder(chosen.name)
    if not builder.is_prepared():
        builder.download_and_prepare()
    return 0


if __name__ == "__main__":
    sys.exit(_main())
