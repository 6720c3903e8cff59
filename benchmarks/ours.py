"""Our side of ``speed.py``: the same exercise through an engine, compilation included. Prints one JSON line."""

import argparse
import json
import os
import resource
import tempfile
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("--backend", default="jax")
    parser.add_argument("--side-by-side", choices=["yes", "no"])
    parser.add_argument("--dense", action="store_true", help="keep multi-hot rows dense")
    parser.add_argument("--cpu-devices", type=int, default=min(os.cpu_count() or 1, 8))
    given = parser.parse_args()
    os.environ["KERAS_BACKEND"] = given.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    from benchmarks.cases import CASES, load, splits_of
    from pipelines.training.planning import make_plan

    case = CASES[given.case]
    dataset = load(case)
    plan = make_plan(case.configuration, dataset, splits_of(case, dataset), seed=1, epochs=case.epochs)
    with tempfile.TemporaryDirectory() as empty:
        if given.backend == "jax":
            from pipelines.training.jax.engine import JaxEngine, configure

            configure(Path(empty), given.cpu_devices)  # an empty cache: compilation is counted
            side_by_side = None if given.side_by_side is None else given.side_by_side == "yes"
            engine = JaxEngine(side_by_side=side_by_side, sparse=not given.dense)
        else:
            from pipelines.training.tensorflow.engine import TensorFlowEngine

            engine = TensorFlowEngine()
        import keras  # noqa: F401, the opponent has imported it before its clock starts, too

        training = engine.train(plan)
    metric = "val_mae" if case.task == "regression" else "val_accuracy"
    note = f"{training.compile_seconds:.1f} s of it building and compiling"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    value = float(training.curves[metric][:, -1].mean())
    print(
        json.dumps(
            {
                "seconds": training.seconds,
                "note": note,
                "value": value,
                "peak_gib": peak,
                "compile_seconds": training.compile_seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
