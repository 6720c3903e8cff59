"""How often the statistics are right: onsets, verdicts, early stops, values, on curves whose truth is known.

    python -m benchmarks.overfitting [--draws 200] [--real digits diabetes breast_cancer boston_housing]

Made curves: 14 kinds that do not over-fit and 8 that do, with independent, shared, growing, wandering and heavy-tailed
noise. Real curves: the baseline of an exercise with many seeds, trained once; all seeds together are the truth, and
each of them (or three) is a sweep that does not know it. The same real curves, cut at the true best epoch, are curves
that do not over-fit. Beside today's rule stands the earlier one, whose standard error was Nadeau and Bengio's.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import stdtrit

from pipelines.overfitting import statistics
from pipelines.overfitting.judging import ONSET_LEVEL_OF_MANY, objective
from pipelines.overfitting.point import Verdict, analyse
from pipelines.overfitting.statistics import find_onset, first_minimum, smooth, standard_error

Array = NDArray[np.float64]

#: Folds and repeats of a sweep, epochs of its training.
SIZES = ((4, 1), (5, 1), (4, 3), (10, 1))
EPOCHS = (20, 60, 200)
LOOKS = 20
SEEDS = {"digits": 60, "diabetes": 60, "breast_cancer": 60, "boston_housing": 36, "reuters": 12}


@dataclass(frozen=True)
class Noise:
    """Of curves at a level near 0.5: AR(1) from epoch to epoch, and how fits share it or differ in it.

    ``autocorrelation`` 1 is a random walk. ``shared``: part of its variance common to all fits; ``of_fold``: to the
    repeats of a fold. ``tilt``: deviation between folds of what they gain or lose by the end. ``growing``: ten times as
    large at the end as at the start. ``heavy``: deviations between fits have Student's t with 3 degrees of freedom.
    """

    autocorrelation: float = 0.5
    shared: float = 0.0
    of_fold: float = 0.0
    tilt: float = 0.0
    growing: bool = False
    heavy: bool = False


NOISES = {
    "white": Noise(0.0),
    "short": Noise(0.5),
    "long": Noise(0.9),
    "longer": Noise(0.97),
    "longest": Noise(0.99),
    "walk": Noise(1.0),
    "a twentieth shared": Noise(0.9, shared=0.05),
    "half of a fold": Noise(0.9, of_fold=0.5),
    "half of a fold, longer": Noise(0.97, of_fold=0.5),
    "tilted folds": Noise(0.5, tilt=0.05),
    "growing": Noise(0.5, growing=True),
    "heavy": Noise(0.9, heavy=True),
}
NULLS = [
    *(("flat", name) for name in ("white", "long", "longer", "longest", "walk")),
    *(
        ("plateau", name)
        for name in ("short", "longer", "a twentieth shared", "half of a fold", "half of a fold, longer")
    ),
    *(("plateau", name) for name in ("tilted folds", "growing")),
    ("slow plateau", "heavy"),
    ("improving", "long"),
]
TURNS = [
    ("overfits", name)
    for name in ("white", "short", "long", "longer", "a twentieth shared", "tilted folds", "growing", "heavy")
]


def common_curve(kind: str, epochs: int) -> Array:
    """What all fits share, (epochs,); of 200 epochs the optimum of one that over-fits is the 69th, its end +16 %."""
    t = np.arange(1, epochs + 1) * 200 / epochs
    return {
        "flat": lambda: np.full(epochs, 0.4),
        "plateau": lambda: 0.4 + np.exp(-t / 20),
        "slow plateau": lambda: 0.4 + np.exp(-t / 50),
        "improving": lambda: 0.4 + np.exp(-t / 80),
        "overfits": lambda: 0.4 + np.exp(-t / 20) + np.exp(-69 / 20) / 35 * np.maximum(t, 0),
    }[kind]()


def made(kind: str, noise: Noise, generator: np.random.Generator, *, folds: int, repeats: int, epochs: int) -> Array:
    """Validation curves, (folds * repeats, epochs), repeat-major."""
    shape = (repeats, folds, epochs)
    own = 1 - noise.shared - noise.of_fold
    parts = [(own, shape), (noise.shared, (1, 1, epochs)), (noise.of_fold, (1, folds, epochs))]
    wander = sum(np.sqrt(share) * _autoregressive(generator, size, noise.autocorrelation) for share, size in parts)
    if noise.growing:
        wander = wander * np.linspace(0.2, 2, epochs)
    if noise.heavy:
        wander = wander * np.sqrt(3 / generator.chisquare(3, (repeats, folds, 1)))
    offset = 0.1 * generator.standard_normal((1, folds, 1))
    tilt = noise.tilt * generator.standard_normal((1, folds, 1)) * np.linspace(0, 1, epochs)
    return (common_curve(kind, epochs) + offset + tilt + 0.04 * wander).reshape(-1, epochs)


def _autoregressive(generator: np.random.Generator, shape: tuple[int, ...], autocorrelation: float) -> Array:
    innovations = generator.standard_normal(shape)
    if autocorrelation == 1:
        return np.cumsum(innovations, axis=-1) / np.sqrt(shape[-1])
    first = autocorrelation * generator.standard_normal((*shape[:-1], 1))
    innovations *= np.sqrt(1 - autocorrelation**2)
    return lfilter([1.0], [1.0, -autocorrelation], innovations, axis=-1, zi=first)[0]


def earlier_onset(curves: Array, ratio: float, level: float = 0.95) -> int | None:
    """The rule before: both existence and place by ``t(level)`` errors of Nadeau and Bengio."""
    smoothed = smooth(curves)
    mean, rises = smoothed.mean(axis=0), statistics.rises(smoothed)
    threshold = stdtrit(len(curves) - 1, level) * standard_error(rises, ratio)
    found = int(statistics.lasting(rises.mean(axis=0) > threshold, int(first_minimum(mean)) + 1))
    return None if found < 0 else found + 1


def stops_early(curves: Array, ratio: float, repeats: int, level: float) -> bool:
    """Whether one of twenty looks at a training that goes on sees an onset."""
    epochs = curves.shape[1]
    step = max(1, epochs // LOOKS)
    for seen in range(step, epochs + 1, step):
        now = curves[:, :seen]
        if find_onset(smooth(now), ratio, curves=now, repeats=repeats, level=level) is not None:
            return True
    return False


def draws_of(kind: str, noise: str, draws: int, size: tuple[int, int], epochs: int) -> Iterator[Array]:
    for draw in range(draws):
        generator = np.random.default_rng([draw, *kind.encode(), *noise.encode(), *size, epochs])
        yield made(kind, NOISES[noise], generator, folds=size[0], repeats=size[1], epochs=epochs)


def percent(shares: list[float]) -> str:
    return f"{100 * np.mean(shares):.1f} / {100 * max(shares):.1f}"


def nulls(draws: int) -> None:
    print(f"\n## Curves that do not over-fit: {len(NULLS)} kinds, {draws} draws each; mean / worst kind, %\n")
    print("| folds x repeats | epochs | false onsets | before | false stops at .95 | at .99 | worst kind |")
    print("|---|--:|--:|--:|--:|--:|---|")
    for size in SIZES:
        ratio = 1 / (size[0] - 1)
        for epochs in EPOCHS:
            shares: dict[str, list[float]] = {"today": [], "before": [], "at .95": [], "at .99": []}
            for kind, noise in NULLS:
                found = dict.fromkeys(shares, 0)
                for curves in draws_of(kind, noise, draws, size, epochs):
                    found["today"] += find_onset(smooth(curves), ratio, curves=curves, repeats=size[1]) is not None
                    found["before"] += earlier_onset(curves, ratio) is not None
                    for name, level in (("at .95", 0.95), ("at .99", ONSET_LEVEL_OF_MANY)):
                        found[name] += stops_early(curves, ratio, size[1], level)
                for name, count in found.items():
                    shares[name].append(count / draws)
            worst = NULLS[int(np.argmax(shares["today"]))]
            cells = " | ".join(percent(of) for of in shares.values())
            print(f"| {size[0]} x {size[1]} | {epochs} | {cells} | {worst[0]}, {worst[1]} |", flush=True)


def turns(draws: int) -> None:
    print(f"\n## Curves that over-fit (+16 %): {len(TURNS)} kinds, {draws} draws each\n")
    print(
        "| folds x repeats | epochs | onset declared, % | before | median epochs late | before | onset's interval "
        "holds its place, % | called a plateau, % | undecided, % |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for size in SIZES:
        ratio = 1 / (size[0] - 1)
        for epochs in EPOCHS:
            truth = int(common_curve("overfits", epochs).argmin()) + 1
            onsets, earlier, held, verdicts = [], [], [], []
            for kind, noise in TURNS:
                points = [
                    (
                        analyse(c, folds=size[0], repeats=size[1], validation_ratio=ratio, draws=300),
                        earlier_onset(c, ratio),
                    )
                    for c in draws_of(kind, noise, draws, size, epochs)
                ]
                found = [point for point, _ in points if point.onset is not None]
                place = np.median([point.onset for point in found]) if found else np.nan
                held += [point.onset_low <= place <= point.onset_high for point in found]
                onsets += [point.onset for point, _ in points]
                earlier += [before for _, before in points]
                verdicts += [point.verdict for point, _ in points]
            late = [np.median([o - truth for o in of if o]) for of in (onsets, earlier)]
            cells = [
                f"{100 * np.mean([o is not None for o in onsets]):.0f}",
                f"{100 * np.mean([o is not None for o in earlier]):.0f}",
                f"{late[0]:.0f}",
                f"{late[1]:.0f}",
                f"{100 * np.mean(held):.0f}",
                f"{100 * np.mean([v is Verdict.PLATEAU for v in verdicts]):.1f}",
                f"{100 * np.mean([v is Verdict.UNDECIDED for v in verdicts]):.0f}",
            ]
            print(f"| {size[0]} x {size[1]} | {epochs} | {' | '.join(cells)} |", flush=True)


def train(exercise: str, data: Path | None, seeds: int) -> Array:
    """Monitored curves of an exercise's baseline, (seeds, folds, epochs)."""
    from rich.console import Console

    from pipelines.datasets import Places
    from pipelines.exercises.reader import load_exercise
    from pipelines.sweep.description import SweepSettings
    from pipelines.sweep.loop import run_sweep
    from pipelines.tracking.reading import read_sweep, read_trial_curves

    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MLFLOW_TRACKING_URI"] = uri = f"sqlite:///{scratch}/mlflow.db"
        os.chdir(scratch)
        changed = {"epochs": "300"} if exercise == "boston_housing" else {}
        settings = SweepSettings(
            load_exercise(exercise, repeats=str(seeds), **changed), trials=1, documented=False, places=Places(data)
        )
        outcome = run_sweep(settings, Console(quiet=True))
        sweep = read_sweep(outcome.run.run_id, uri=uri)
        curves = read_trial_curves(sweep.trials[0], uri=uri)
        assert curves is not None
        os.chdir("/")
        return np.asarray(curves[sweep.monitor], np.float64).reshape(seeds, settings.exercise.folds, -1)


def real(curves: dict[str, Array]) -> None:
    print("\n## Real curves: the baseline of each exercise with many seeds\n")
    print(
        "| exercise | seeds | folds | best epoch, rise | repeats | onset declared, % | before | at (median) | before | "
        "plateau, % | value, % off | before | severity, points off | before |"
    )
    print("|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, all_seeds in curves.items():
        seeds, folds, epochs = all_seeds.shape
        ratio = 1 / (folds - 1)
        mean = smooth(all_seeds.mean(axis=(0, 1)))
        best = int(mean.argmin())
        rise = float(mean[-1] / mean[best] - 1)
        for repeats in (1, 3):
            rows: list[dict[str, Any]] = []
            for start in range(0, seeds - repeats + 1, repeats):
                own = all_seeds[start : start + repeats].reshape(-1, epochs)
                others = np.delete(all_seeds, np.s_[start : start + repeats], axis=0).mean(axis=(0, 1))
                point = analyse(own, folds=folds, repeats=repeats, validation_ratio=ratio, draws=100)
                smoothed = smooth(own.mean(axis=0))
                chosen = int(first_minimum(smoothed))
                truth = others[chosen]  # what training to this epoch gives with other seeds
                level = smooth(others)
                rows.append(
                    {
                        "onset": point.onset,
                        "before": earlier_onset(own, ratio),
                        "plateau": point.verdict is Verdict.PLATEAU,
                        "value": objective(own, repeats=repeats) / truth - 1,
                        "value before": own[:, chosen].mean() / truth - 1,
                        "severity": point.severity - (level[-1] / level[chosen] - 1),
                        "severity before": smoothed[-1] / smoothed[chosen] - 1 - (level[-1] / level[chosen] - 1),
                    }
                )
            table = pd.DataFrame(rows)
            cells = [str(repeats)]
            cells += [f"{100 * table[rule].notna().mean():.0f}" for rule in ("onset", "before")]
            cells += [f"{table[rule].median():.0f}" for rule in ("onset", "before")]
            cells += [f"{100 * table['plateau'].mean():.0f}"]
            offs = ("value", "value before", "severity", "severity before")
            cells += [f"{100 * table[off].mean():+.2f}" for off in offs]
            truth = f"{best + 1} of {epochs}, +{100 * rise:.0f} %"
            print(f"| {name} | {seeds} | {folds} | {truth} | {' | '.join(cells)} |", flush=True)
    print("\n### The same curves up to their true best epoch: nothing over-fits\n")
    print("| exercise | repeats | false onsets, % | before | false stops at .99, % |")
    print("|---|--:|--:|--:|--:|")
    for name, all_seeds in curves.items():
        seeds, folds, _ = all_seeds.shape
        best = int(smooth(all_seeds.mean(axis=(0, 1))).argmin()) + 1
        for repeats in (1, 3):
            found = {"today": [], "before": [], "stops": []}
            for start in range(0, seeds - repeats + 1, repeats):
                own = all_seeds[start : start + repeats, :, :best].reshape(-1, best)
                ratio = 1 / (folds - 1)
                found["today"].append(find_onset(smooth(own), ratio, curves=own, repeats=repeats) is not None)
                found["before"].append(earlier_onset(own, ratio) is not None)
                found["stops"].append(stops_early(own, ratio, repeats, ONSET_LEVEL_OF_MANY))
            print(f"| {name} | {repeats} | " + " | ".join(f"{100 * np.mean(of):.0f}" for of in found.values()) + " |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--real", nargs="*", default=["digits", "diabetes", "breast_cancer"])
    given = parser.parse_args()
    nulls(given.draws)
    turns(given.draws)
    folder = os.environ.get("OVERFIT_ATLAS_DATA")
    data = Path(folder).absolute() if folder else None
    real({name: train(name, data, SEEDS[name]) for name in given.real})


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "jax"
    main()
