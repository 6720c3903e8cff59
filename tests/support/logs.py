"""Curves with known truth, written as the logs of other tools by those tools themselves."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.curves import KINDS, make_curves

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Made:
    """A configuration: its curves, (folds * repeats, epochs), repeat-major, as float32 can hold them."""

    name: str
    lr: float
    validation: Array
    training: Array
    folds: int
    repeats: int

    def fits(self) -> Iterator[tuple[str, dict[str, float], Array, Array]]:
        """Each fit: the name of its run, its parameters, its validation and training curve."""
        for fit, (validation, training) in enumerate(zip(self.validation, self.training, strict=True)):
            fold, repeat = fit % self.folds, fit // self.folds
            parameters = {"lr": self.lr, "fold": fold, "seed": repeat}
            yield f"{self.name}_fold{fold}_seed{repeat}", parameters, validation, training


def known_truth(*, folds: int = 4, repeats: int = 2, epochs: int = 60) -> list[Made]:
    """A configuration of each kind that the statistics are tested on."""
    made = []
    for number, kind in enumerate(KINDS):
        curves = make_curves(kind, folds=folds, repeats=repeats, epochs=epochs, seed=number)
        validation, training = (np.asarray(curve, np.float32).astype(np.float64) for curve in curves)
        made.append(Made(kind, 10.0 ** -(number + 1), validation, training, folds, repeats))
    return made


def csv_logger(made: list[Made], folder: Path) -> str:
    """Keras' own ``CSVLogger``, a file a fit."""
    import keras

    for configuration in made:
        for name, _, validation, training in configuration.fits():
            logger = keras.callbacks.CSVLogger(str(folder / f"{name}.csv"))
            logger.set_model(type("Model", (), {"stop_training": False})())
            logger.on_train_begin()
            for epoch, (loss, val_loss) in enumerate(zip(training, validation, strict=True)):
                logger.on_epoch_end(epoch, {"loss": loss, "val_loss": val_loss})
            logger.on_train_end()
    return str(folder)


def lightning(made: list[Made], folder: Path) -> str:
    """PyTorch Lightning's ``CSVLogger``: training steps and validations in different rows, settings beside."""
    for configuration in made:
        for name, parameters, validation, training in configuration.fits():
            version = folder / name / "version_0"
            version.mkdir(parents=True)
            (version / "hparams.yaml").write_text("".join(f"{key}: {value}\n" for key, value in parameters.items()))
            with (version / "metrics.csv").open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["epoch", "step", "train_loss", "val_loss"])
                for epoch, (loss, val_loss) in enumerate(zip(training, validation, strict=True)):
                    # Two training steps an epoch, whose mean is that of the epoch.
                    rows.writerow([epoch, 2 * epoch, repr(float(loss - 0.25)), ""])
                    rows.writerow([epoch, 2 * epoch + 1, repr(float(loss + 0.25)), ""])
                    rows.writerow([epoch, 2 * epoch + 1, "", repr(float(val_loss))])
    return str(folder)


def tensorboard(made: list[Made], folder: Path) -> str:
    """Event files as Keras' callback lays them out: training and validation in folders of their own."""
    from tensorboard.summary import Writer

    for configuration in made:
        for name, _, validation, training in configuration.fits():
            for part, curve in (("train", training), ("validation", validation)):
                writer = Writer(str(folder / name / part))
                for epoch, value in enumerate(curve):
                    writer.add_scalar("epoch_loss", float(value), epoch)
                writer.close()
    return str(folder)


def mlflow_store(made: list[Made], folder: Path) -> str:
    """Runs of an MLflow experiment, as its client logs them."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    from tests.support.stores import empty_store

    uri = empty_store(folder)
    client = MlflowClient(uri)
    experiment = client.create_experiment("elsewhere", artifact_location=str(folder / "files"))
    for configuration in made:
        for name, parameters, validation, training in configuration.fits():
            run = client.create_run(experiment, run_name=name).info.run_id
            points = [
                Metric(key, float(value), 0, epoch)
                for key, curve in (("loss", training), ("val_loss", validation))
                for epoch, value in enumerate(curve)
            ]
            client.log_batch(run, points, [Param(key, str(value)) for key, value in parameters.items()])
            client.set_terminated(run)
    return str(folder / "mlflow.db")


def optuna_study(made: list[Made], folder: Path) -> str:
    """A study in which each trial reported its validation loss, with fold and seed as attributes of the user's."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = f"sqlite:///{folder / 'study.db'}"
    study = optuna.create_study(storage=storage, study_name="elsewhere")
    for configuration in made:
        for _, parameters, validation, _ in configuration.fits():
            trial = optuna.trial.create_trial(
                params={"lr": parameters["lr"]},
                distributions={"lr": optuna.distributions.FloatDistribution(1e-6, 1.0, log=True)},
                value=float(validation[-1]),
                intermediate_values={epoch: float(value) for epoch, value in enumerate(validation)},
                user_attrs={"fold": parameters["fold"], "seed": parameters["seed"]},
            )
            study.add_trial(trial)
    return f"optuna:{storage}"


def history_json(made: list[Made], folder: Path) -> str:
    """``History.history`` of each fit by name, in one JSON file."""
    content = {
        name: {"loss": training.tolist(), "val_loss": validation.tolist()}
        for configuration in made
        for name, _, validation, training in configuration.fits()
    }
    (folder / "histories.json").write_text(json.dumps(content))
    return str(folder / "histories.json")


def history_npz(made: list[Made], folder: Path) -> str:
    """A pickle-free NPZ file for each configuration, a row a fold."""
    for configuration in made:
        for name, _, validation, training in configuration.fits():
            np.savez(folder / f"{name}.npz", loss=training, val_loss=validation)
    return str(folder)


def wandb_chart(made: list[Made], folder: Path) -> str:
    """What Weights & Biases exports of a chart as CSV: a column a run and metric, with the ends of its band."""
    columns = {}
    for configuration in made:
        for name, _, validation, training in configuration.fits():
            for metric, curve in (("val_loss", validation), ("loss", training)):
                for end in ("", "__MIN", "__MAX"):
                    columns[f"{name} - {metric}{end}"] = curve
    with (folder / "wandb_export.csv").open("w", newline="") as file:
        rows = csv.writer(file, quoting=csv.QUOTE_ALL)
        rows.writerow(["Step", *columns])
        for epoch in range(made[0].validation.shape[1]):
            rows.writerow([epoch, *(repr(float(curve[epoch])) for curve in columns.values())])
    return str(folder / "wandb_export.csv")


def long_parquet(made: list[Made], folder: Path) -> str:
    """A row a value, as Neptune's exporter writes it to Parquet: settings are rows without a step."""
    import pandas as pd

    rows: list[dict[str, object]] = []
    for configuration in made:
        for name, parameters, validation, training in configuration.fits():
            for key, value in parameters.items():
                rows.append({"run_id": name, "attribute_path": key, "float_value": float(value)})
            for metric, curve in (("train/loss", training), ("val/loss", validation)):
                for epoch, value in enumerate(curve):
                    rows.append({"run_id": name, "attribute_path": metric, "step": epoch, "float_value": value})
    pd.DataFrame(rows).to_parquet(folder / "neptune.parquet")
    return str(folder / "neptune.parquet")


def wide_table(made: list[Made], folder: Path) -> str:
    """One table of all runs: columns for run, settings, epoch and curves."""
    with (folder / "all.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["run", "lr", "fold", "seed", "epoch", "train_loss", "valid_loss"])
        for configuration in made:
            for name, parameters, validation, training in configuration.fits():
                for epoch, (loss, val_loss) in enumerate(zip(training, validation, strict=True), start=1):
                    rows.writerow([name, *parameters.values(), epoch, repr(float(loss)), repr(float(val_loss))])
    return str(folder / "all.csv")


WRITERS: dict[str, Callable[[list[Made], Path], str]] = {
    writer.__name__: writer
    for writer in (
        *(csv_logger, lightning, tensorboard, mlflow_store, optuna_study),
        *(history_json, history_npz, wandb_chart, long_parquet, wide_table),
    )
}
