"""A final model's run as the tracking store keeps it, made by hand, for tests of what the report shows of it."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd


def made_final(task: str, input_kind: str, classes: list[str], **changes: Any) -> dict[str, Any]:
    """Content of ``final.json``."""
    record = {
        "exercise": "made",
        "title": "Made",
        "task": task,
        "classes": classes,
        "features": [],
        "configuration": {},
        "epochs": 7,
        "seed": 3,
        "samples": 60,
        "test_samples": 20,
        "figures": {"test/loss": 0.5, "test/accuracy": 0.8},
        "data_sha256": "ab" * 32,
        "registered": {"name": "made-final", "version": 2, "alias": "champion"},
        "input_kind": input_kind,
    }
    return record | changes


def log_final(
    uri: str,
    sweep: str,
    record: dict[str, Any],
    *,
    targets: Any = (),
    predictions: Any = (),
    probabilities: Any = None,
    arrays: dict[str, Any] | None = None,
    texts: dict[str, Any] | None = None,
    status: str = "FINISHED",
) -> str:
    """Put a final run beside a sweep and return its run id; rows of the predictions are counted from 0."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_run(sweep).info.experiment_id
    tags = {"atlas.kind": "final", "atlas.final.sweep": sweep, "atlas.exercise": record["exercise"]}
    run = client.create_run(experiment, tags=tags).info.run_id
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "final.json").write_text(json.dumps(record | {"sweep": sweep}), encoding="utf-8")
        columns = {"row": np.arange(len(targets)), "target": targets, "prediction": predictions}
        if probabilities is not None:
            said = np.asarray(probabilities, np.float32)
            columns |= {f"p_{label}": said[:, label] for label in range(said.shape[1])}
        pd.DataFrame(columns).to_parquet(folder / "predictions.parquet")
        if arrays is not None:
            np.savez(folder / "samples.npz", **arrays)
        if texts is not None:
            (folder / "samples.json").write_text(json.dumps(texts), encoding="utf-8")
        client.log_artifacts(run, str(folder))
    client.set_terminated(run, status)
    return run
