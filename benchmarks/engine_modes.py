"""Which of the JAX engine's ways is the faster one, case by case: the evidence for the limits it decides by.

    python -m benchmarks.engine_modes

Fits side by side (``vmap``) or in turns (``lax.map``); multi-hot rows as lists of words or dense.
"""

import shlex
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.speed import header, run

WAYS = {
    "boston": [("side by side", "--side-by-side=yes"), ("in turns", "--side-by-side=no")],
    "fashion_mnist": [("side by side", "--side-by-side=yes"), ("in turns", "--side-by-side=no")],
    "reuters": [("lists of words", ""), ("dense rows in turns", "--dense --side-by-side=no")],
    "imdb": [("lists of words", ""), ("dense rows in turns", "--dense --side-by-side=no")],
}


def main() -> None:
    lines = ["| case | way | seconds | of it building and compiling | peak, GiB |", "|---|---|---|---|---|"]
    for name, ways in WAYS.items():
        for way, options in ways:
            result = run("ours", name, *shlex.split(options))
            lines.append(
                f"| {name}: {CASES[name].configuration.label} | {way} | {result['seconds']:.1f} "
                f"| {result['compile_seconds']:.1f} | {result['peak_gib']:.2f} |"
            )
            print(lines[-1], flush=True)
    log = Path(__file__).parent / "results" / "engine_modes.md"
    log.write_text(
        f"# Ways of the JAX engine\n\n{header('engine_modes')}\n\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
