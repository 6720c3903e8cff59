"""What a sweep costs beside training: tracking, tuner, folds, statistics, as a share of its wall time.

    python -m benchmarks.overhead [--exercise reuters] [--trials 20] [--units 64]

Runs a real sweep in a fresh store and adds up what its trials report. Peak memory is that of the whole process.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--exercise", default="reuters")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--widest", type=int, default=256, help="upper end of the space's units")
    parser.add_argument("--tuner", default="optuna:tpe")
    given = parser.parse_args()
    started = time.perf_counter()

    import yaml
    from rich.console import Console

    from pipelines.datasets import Places
    from pipelines.exercises.reader import load_exercise
    from pipelines.sweep.description import SweepSettings
    from pipelines.sweep.loop import run_sweep

    folder = os.environ.get("OVERFIT_ATLAS_DATA")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{scratch}/mlflow.db"
        os.chdir(scratch)
        content = yaml.safe_load((ROOT / "search_spaces" / f"{given.exercise}.yaml").read_text())
        for name in ("units", "units_2"):
            if name in content["space"]:
                content["space"][name]["high"] = given.widest
        own = Path(scratch) / f"{given.exercise}.yaml"
        own.write_text(yaml.safe_dump(content))
        settings = SweepSettings(
            load_exercise(own, folds="4", design="none"),
            trials=given.trials,
            tuner=given.tuner,
            documented=False,
            places=Places(Path(folder) if folder else None),
        )
        imported = time.perf_counter() - started
        outcome = run_sweep(settings, Console(width=140, highlight=False))
        wall = time.perf_counter() - started

        from mlflow import MlflowClient

        client = MlflowClient()
        trials = client.search_runs([outcome.run.experiment_id], "tags.`atlas.kind` = 'trial'")
        training = sum(run.data.metrics["seconds/training"] for run in trials)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{given.exercise}, {given.trials} trials, {given.tuner}, units up to {given.widest}: {wall:.1f} s in all, "
        f"{training:.1f} s training and compiling, {imported:.1f} s imports; beside training "
        f"{100 * (wall - training) / wall:.1f} % ({100 * (wall - training - imported) / wall:.1f} % without imports); "
        f"peak memory {peak:.2f} GiB"
    )


if __name__ == "__main__":
    main()
