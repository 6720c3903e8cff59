"""How many times faster than plain ``model.fit``: both sides of every case in one run, one after the other.

    python -m benchmarks.speed                       # all cases
    python -m benchmarks.speed boston reuters        # some
    python -m benchmarks.speed --backend tensorflow  # our other engine

Each side is a process of its own with its data loaded and Keras imported before its clock starts; ours counts its
compilation. ``$OVERFIT_ATLAS_DATA`` may name a folder with the data sets. The table goes to ``benchmarks/results/``.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from pipelines.tracking.sweeps import current_environment

ROOT = Path(__file__).parent.parent


def run(script: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"benchmarks.{script}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def header(module: str) -> str:
    """Command, date, hardware and versions, for the head of a log."""
    facts = current_environment()
    versions = ", ".join(f"{name} {version}" for name, version in facts.packages.items())
    command = shlex.join(["python", "-m", f"benchmarks.{module}", *sys.argv[1:]])
    return (
        f"`{command}`, {facts.started[:10]}, {facts.processor}, {os.cpu_count()} cores, "
        f"{facts.memory_gib} GiB, Python {facts.python}, {versions}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--backend", default="jax", choices=["jax", "tensorflow"])
    parser.add_argument("--log", type=Path, default=ROOT / "benchmarks" / "results" / "speed.md")
    given = parser.parse_args()
    lines = [
        "| case | folds x epochs | model.fit, s | ours, s | ratio | target | of ours | model.fit was |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in given.cases:
        case = CASES[name]
        ours = run("ours", name, "--backend", given.backend)
        theirs = run("documented", name)
        ratio = theirs["seconds"] / ours["seconds"]
        lines.append(
            f"| {name}: {case.configuration.label} | {case.folds} x {case.epochs} | {theirs['seconds']:.1f} "
            f"| {ours['seconds']:.1f} | **{ratio:.1f}** | {case.target:g} "
            f"| {ours['note']}; peak {ours['peak_gib']:.2f} GiB; value {ours['value']:.4f} "
            f"| {theirs['note']}; value {theirs['value']:.4f} |"
        )
        print(lines[-1], flush=True)
    given.log.write_text(
        f"# Speed against plain model.fit on TensorFlow ({given.backend} engine)\n\n"
        f"{header('speed')}\n\n"
        + "\n".join(lines)
        + "\n\n``value`` is the mean over the folds after the last epoch: validation MAE (Boston) or accuracy; "
        "model.fit's after the epochs it ran.\n",
        encoding="utf-8",
    )
    print(f"written to {given.log}")


if __name__ == "__main__":
    main()
