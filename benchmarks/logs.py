"""Curves of other tools: 500 runs of 200 epochs from an MLflow SQLite store, and the interval of a single run.

python -m benchmarks.logs > benchmarks/results/logs.md
"""

import itertools
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
import sqlalchemy

from pipelines.logs.analysis import analyse_logs
from pipelines.logs.readers.mlflow_store import read_mlflow
from pipelines.overfitting.single_run import single_run_interval
from pipelines.tracking.store import check_store
from reports import make_report, publish
from tests.support.curves import Noise, make_curves, true_best_epoch

CONFIGURATIONS, FOLDS, EPOCHS = 100, 5, 200
DRAWS = 200
LENGTHS = (30, 60, 100, 200, 400)
NOISES = tuple(itertools.product((0.02, 0.06, 0.12), (0.0, 0.5, 0.9)))


def fill(folder: Path) -> str:
    """A store with runs as any training logs them: one a fold, two curves each."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    uri = f"sqlite:///{folder / 'mlflow.db'}"
    check_store(uri)
    client = MlflowClient(uri)
    experiment = client.create_experiment("elsewhere", artifact_location=str(folder / "files"))
    for configuration in range(CONFIGURATIONS):
        validation, training = make_curves("overfits", folds=FOLDS, epochs=EPOCHS, seed=configuration)
        for fold in range(FOLDS):
            run = client.create_run(experiment, run_name=f"run_{configuration}_fold{fold}").info.run_id
            points = [
                Metric(name, float(value), 0, epoch)
                for name, curve in (("loss", training[fold]), ("val_loss", validation[fold]))
                for epoch, value in enumerate(curve)
            ]
            client.log_batch(run, points, [Param("lr", str(1e-4 * (configuration + 1))), Param("fold", str(fold))])
            client.set_terminated(run)
    return uri


def counted_queries() -> list[str]:
    """Statements that are sent to any database from now on, as they are sent."""
    sent: list[str] = []

    @sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "before_cursor_execute")
    def note(connection, cursor, statement, *more) -> None:
        sent.append(statement)

    return sent


def speed() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = fill(folder)
        sent = counted_queries()
        start = perf_counter()
        logs = read_mlflow("elsewhere", uri=uri)
        read = perf_counter()
        of_curves = sum("FROM metrics" in statement for statement in sent)
        found = analyse_logs(logs, "elsewhere")
        judged = perf_counter()
        publish(make_report(found.sweep, found.curves), output=folder / "report", log_to_run=False)
        written = perf_counter()
    print(f"## {len(logs.runs)} runs x {EPOCHS} epochs x 2 curves from an MLflow SQLite store\n")
    print("| step | seconds |\n|---|--:|")
    print(f"| runs and curves read, {of_curves} queries of curves | {read - start:.1f} |")
    print(f"| {len(found.judged)} configurations with {FOLDS} folds judged | {judged - read:.1f} |")
    print(f"| analysed, in all (limit: 30) | {judged - start:.1f} |")
    print(f"| page, tables and figures | {written - judged:.1f} |")


def coverage() -> None:
    print("\n## Interval of a single run: coverage of the true best epoch / width as a share of the training\n")
    print(f"{DRAWS} curves each; noise: deviation, autocorrelation (a loss that falls from 1.3 to 0.5).\n")
    print("| epochs | " + " | ".join(f"{deviation}, {rho}" for deviation, rho in NOISES) + " |")
    print("|--:|" + "---|" * len(NOISES))
    for epochs in LENGTHS:
        truth = true_best_epoch("overfits", epochs)
        cells = []
        for deviation, rho in NOISES:
            noise = Noise(deviation=deviation, autocorrelation=rho)
            ends = np.array(
                [
                    single_run_interval(make_curves("overfits", folds=1, epochs=epochs, noise=noise, seed=seed)[0][0])
                    for seed in range(DRAWS)
                ]
            )
            covered = np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
            cells.append(f"{covered:.2f} / {np.mean(ends[:, 1] - ends[:, 0] + 1) / epochs:.2f}")
        print(f"| {epochs} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    print("# Curves that other tools have logged\n")
    packages = ", ".join(f"{name} {version(name)}" for name in ("mlflow", "sqlalchemy", "numpy", "scipy"))
    print(f"Python {platform.python_version()}, {packages}; {psutil.cpu_count()} cores. `python -m benchmarks.logs`\n")
    speed()
    coverage()


if __name__ == "__main__":
    main()
