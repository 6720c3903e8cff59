"""The final model of a sweep: the best configuration, trained on all training rows for its best epoch, tested once.

Beside the reproduction of documented figures this is the only place where test rows are used, after everything has
been decided. What is saved takes raw inputs and loads with plain Keras; it is logged, registered, and loaded back.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pipelines.datasets import SOURCES, Dataset, DatasetSpec, Places, Task, load_dataset
from pipelines.datasets.folds import Split
from pipelines.datasets.preparation import fit_normalisation
from pipelines.datasets.user_file.encoding import encode
from pipelines.errors import DataError, TrackingError, UserError
from pipelines.executors import Job, make_executor, run_job
from pipelines.executors.progress import Bars
from pipelines.final import outcome
from pipelines.final.model import Evaluation, build_predictor, evaluate, predict
from pipelines.final.outcome import FinalOutcome
from pipelines.final.raw_rows import labels_of, needed, read_rows, same, target_values
from pipelines.final.worth import Figure, brier
from pipelines.networks.backbones import build_backbone
from pipelines.networks.features import Inputs, has_frozen_backbone
from pipelines.networks.guessing import guess
from pipelines.networks.own import Shapes
from pipelines.networks.own_checks import check_saving
from pipelines.tracking import names
from pipelines.tracking.final_models import FinalRecord
from pipelines.tracking.final_runs import FinalDescription, FinalRun, open_final
from pipelines.tracking.registered import Registered
from pipelines.tracking.sweeps import Sweep
from pipelines.tracking.trials import Trial
from pipelines.training.plan import Training
from pipelines.words import listed

#: Raw inputs that are kept with the model as an example.
_EXAMPLES = 5
#: Samples on which the model that was loaded back is compared with the one that was saved.
_COMPARED = 1000
_TOLERANCE = 1e-4


def run_final(sweep: Sweep, console: Console, *, configuration: str = "", places: Places | None = None) -> FinalOutcome:
    """Retrain, test, save, register and load back the best configuration of a sweep, or the one asked for.

    ``configuration`` is the beginning of its hash, ``places`` are as of a sweep. ``UserError`` is raised where the
    sweep's data, the configuration or the store cannot be had, or the training diverges.
    """
    final = _Final(sweep, choose_trial(sweep, configuration), places or Places())
    with open_final(final.description) as run:
        return final.make(run, console)


def choose_trial(sweep: Sweep, prefix: str = "") -> Trial:
    """The best finished trial, or the one whose hash starts with ``prefix``; ``UserError`` where none or several do."""
    found = {trial.configuration.hash: trial for trial in reversed(sweep.finished) if trial.configuration}
    matching = [digits for digits in found if digits.startswith(prefix.lower())]
    if not prefix:
        return sweep.finished[0]
    if len(matching) == 1:
        return found[matching[0]]
    best = ", ".join(f"{t.configuration.hash} ({t.name})" for t in sweep.finished[:5] if t.configuration)
    wrong = f"is the beginning of {len(matching)} configurations" if matching else "is no finished configuration"
    raise UserError(f"configuration: '{prefix}' {wrong} of sweep {sweep.run_id}; the best of it are {best}.")


class _Final:
    """One final model on its way."""

    def __init__(self, sweep: Sweep, trial: Trial, places: Places) -> None:
        exercise, recorded = sweep.record.exercise, sweep.record.settings
        if exercise is None:
            raise sweep.lacks("exercise")
        if recorded.backend is None or recorded.seed is None:
            raise sweep.lacks("parameters")
        if trial.configuration is None or trial.point is None or trial.point.best_epoch is None:
            raise ValueError(f"the trial {trial.run_id} has no result")
        self.configuration, self.spec, self.places = trial.configuration, exercise.dataset, places
        self.dataset = _load_data(sweep, self.spec, places)
        self.inputs = Inputs(self.dataset, places)
        self._check_weights(sweep)
        self.network = exercise.network
        #: What others need of the user's file to load the model.
        self.parts: dict[str, str] = {}
        if self.network is not None:
            shapes = Shapes(self.dataset.input_shape, self.dataset.outputs, self.dataset.task)
            self.parts = check_saving(self.network, trial.configuration, shapes)
        self.description = FinalDescription(
            sweep=sweep,
            trial=trial,
            configuration=trial.configuration,
            exercise=exercise,
            backend=recorded.backend,
            epochs=trial.point.best_epoch,
            seed=recorded.seed,
            data=self.dataset,
        )

    def make(self, run: FinalRun, console: Console) -> FinalOutcome:
        """Everything from the training to the last word."""
        outcome.print_start(console, self.description)
        if self.network is not None and self.parts:
            parts, file = listed(list(self.parts)), self.network.file.name
            console.print(f"The model has {parts} of {file}: Keras needs that file to load it.", markup=False)
        model, training = self._train(console)
        evaluation = self._evaluate(model)
        figures = {} if evaluation is None else dict(evaluation.figures)
        guessing = self._guessing()
        run.log_metrics(self._metrics(training, figures, guessing))
        with TemporaryDirectory() as name:
            folder = Path(name)
            shown = outcome.rows_to_show(self.dataset, evaluation)
            remark = outcome.write_samples(folder, self.spec, self.dataset, shown, places=self.places)
            if evaluation is not None:
                outcome.write_predictions(evaluation, folder / names.PREDICTIONS_FILE)
            registered = self._save(run, model, evaluation)
            record = self._record(figures, guessing, registered)
            (folder / names.FINAL_FILE).write_text(json.dumps(record.to_json(), indent=1), encoding="utf-8")
            run.log_files(folder)
        made = FinalOutcome(run, figures, registered, guessing=guessing, majority=record.majority)
        run.describe(made.markdown())
        made.print(console, remark)
        return made

    def _train(self, console: Console) -> tuple[Any, Training]:
        """The model as others will use it, and its training."""
        description, raw = self.description, self.dataset
        configuration = self.configuration
        # The data set, or its features and the frozen backbone that gives them.
        dataset, weights_file = self.inputs.of(configuration), self.inputs.weights_file(configuration)
        backbone = None
        if has_frozen_backbone(configuration):
            backbone = build_backbone(configuration.backbone, raw.input_shape, weights_file, plain=True)
        rows = np.arange(dataset.samples, dtype=np.int32)
        splits = (Split(0, 0, rows, np.empty(0, np.int32)),)
        job = Job(
            configuration,
            dataset,
            splits,
            seed=description.seed,
            epochs=description.epochs,
            weights=weights_file,
            keep_weights=True,
            network=self.network,
        )
        with make_executor(description.backend) as executor, Bars(console) as bars:
            bar = bars.add_bar("training", configuration.label, fits=1, epochs=job.epochs)
            training = run_job(executor, job, on_chunk=bar.watch)
        weights = (training.weights or ((),))[0]
        if not np.isfinite(training.curves["loss"][0, -1]) or not all(np.isfinite(array).all() for array in weights):
            raise UserError(
                f"The training of {configuration.label} on all {dataset.samples:,} rows diverged, though it did not on "
                "the sweep's folds; choose another of its configurations with the parameter configuration."
            )
        plan = job.plan()
        offset, scale = plan.fits[0].offset, plan.fits[0].scale
        if backbone is not None:
            offset, scale = fit_normalisation(raw.inputs, rows, configuration.normalisation)
        model = build_predictor(
            plan.build_model(),
            weights,
            input_shape=raw.input_shape,
            task=raw.task,
            offset=offset,
            scale=scale,
            backbone=backbone,
            target_offset=float(plan.fits[0].target_offset),
            target_scale=float(plan.fits[0].target_scale),
            own=self.network is not None,
        )
        return model, training

    def _check_weights(self, sweep: Sweep) -> None:
        """Raise ``UserError`` where the backbone's weights are not those of the sweep."""
        found = self.inputs.weights(self.configuration)
        if found is None:
            return
        if sweep.record.weights is None:
            raise sweep.lacks("weights")
        recorded = sweep.record.weights.get(self.configuration.backbone)
        if recorded is not None and found.sha256 != recorded.sha256:
            raise UserError(
                f"weights: {found.path} has the sha256 {found.sha256[:12]}, but the sweep {sweep.run_id} had "
                f"{self.configuration.backbone} from a file with {recorded.sha256[:12]}; give that file with the "
                "parameter weights."
            )

    def _evaluate(self, model: Any) -> Evaluation | None:
        """The one look at the test set; None where there is none."""
        data = self.dataset
        if not len(data.test_inputs):
            return None
        loss = self.configuration.loss
        return evaluate(model, data.test_inputs, data.test_targets, task=data.task, loss=loss)

    def _guessing(self) -> dict[str, float]:
        """What the best constant prediction of the training rows comes to on the test rows, by figure."""
        data = self.dataset
        tested = len(data.test_inputs)
        if not tested:
            return {}
        both = replace(data, targets=np.concatenate([data.targets, data.test_targets]))
        rows = np.arange(data.samples + tested, dtype=np.int32)
        split = Split(0, 0, rows[: data.samples], rows[data.samples :])
        found = guess(both, [split], self.configuration.loss, self.configuration.target_scaling)
        guessing = {name.removeprefix("val_"): values[0] for name, values in found.items()}
        if not data.task.is_classification:
            return guessing | {"rmse": guessing["mse"] ** 0.5}
        shares = np.bincount(data.targets, minlength=len(data.classes)) / data.samples
        return guessing | {"auc": 0.5, "mcc": 0.0, "brier": float(brier(data.test_targets, shares).mean())}

    def _save(self, run: FinalRun, model: Any, evaluation: Evaluation | None) -> Registered:
        """Log and register the model, and see that what is loaded by its alias says what was evaluated.

        Where it does not, the version that had the alias before has it again, and ``TrackingError`` is raised.
        """
        data = self.dataset
        inputs = data.inputs if evaluation is None else data.test_inputs
        inputs = np.asarray(inputs[:_COMPARED])
        expected = predict(model, inputs) if evaluation is None else evaluation.outputs[:_COMPARED]
        metadata = {
            "exercise": self.description.exercise.name,
            "task": str(data.task),
            "classes": list(data.classes),
            "features": list(data.features),
            "data_sha256": data.sha256,
        }
        if data.encoding:
            registered, answered = self._save_for_rows(run, model, inputs, metadata)
        else:
            registered = run.log_model(model, inputs[:_EXAMPLES], expected[:_EXAMPLES], metadata)
            answered = predict(run.load(registered), inputs)
        if not same(answered, expected, _TOLERANCE):
            run.withdraw(registered)
            worst = float(np.abs(answered - expected).max())
            raise TrackingError(
                f"The model loaded back as {registered.uri} does not predict what was evaluated (they differ by up to "
                f"{worst:.3g}); it has lost its alias."
            )
        return registered

    def _save_for_rows(
        self, run: FinalRun, model: Any, inputs: NDArray[Any], metadata: Mapping[str, Any]
    ) -> tuple[Registered, NDArray[np.float32]]:
        """Log and register a model of a user's own data, which takes raw rows.

        Returns what the model that was loaded back says of encoded ``inputs``, as well.
        """
        data = self.dataset
        raw = read_rows(self.spec, data.encoding, self.places)
        labels = labels_of(data.classes, target_values(data.encoding, raw)) if data.task.is_classification else []
        encoding = {**data.encoding, "labels": labels}
        example = needed(encoding, raw, _EXAMPLES)
        registered = run.log_rows_model(model, example, encoding=encoding, metadata=metadata, own=self.parts)
        loaded = run.load_rows_model(registered)
        if not np.array_equal(loaded.code.encode(loaded.encoding, example), encode(encoding, example)):
            run.withdraw(registered)
            raise TrackingError(
                f"The model loaded back as {registered.uri} does not take rows as the training did; it has lost its "
                "alias."
            )
        return registered, loaded.outputs(inputs)

    def _metrics(
        self, training: Training, figures: Mapping[str, Figure], guessing: Mapping[str, float]
    ) -> dict[str, float]:
        metrics = {f"validation/{name}": value for name, value in self.description.trial.validation.items()}
        metrics |= {
            f"train/{name}": float(curve[0, -1])
            for name, curve in training.curves.items()
            if not name.startswith("val_") and name != "penalty"
        }
        for name, figure in figures.items():
            of = f"test/{name}"
            metrics |= {of: figure.value, f"{of}_low": figure.low, f"{of}_high": figure.high}
        metrics |= {f"guessing/{name}": value for name, value in guessing.items()}
        return metrics | {names.SECONDS_TRAINING: training.seconds, names.MODEL_PARAMETERS: float(training.parameters)}

    def _record(
        self, figures: Mapping[str, Figure], guessing: Mapping[str, float], registered: Registered
    ) -> FinalRecord:
        """All that a report needs beside predictions and samples."""
        description, data = self.description, self.dataset
        return FinalRecord(
            exercise=description.exercise.name,
            title=description.exercise.title,
            task=data.task,
            classes=data.classes,
            features=data.features,
            sweep=description.sweep.run_id,
            configuration=self.configuration,
            epochs=description.epochs,
            seed=description.seed,
            samples=data.samples,
            test_samples=len(data.test_inputs),
            figures={name: figure.value for name, figure in figures.items()},
            intervals={name: (figure.low, figure.high) for name, figure in figures.items() if np.isfinite(figure.low)},
            validation=description.trial.validation,
            guessing=guessing,
            majority=data.classes[int(np.bincount(data.targets).argmax())] if data.classes else "",
            data_sha256=data.sha256,
            registered={"name": registered.name, "version": registered.version, "alias": registered.alias},
            input_kind=outcome.input_kind(self.spec, data),
        )


def _load_data(sweep: Sweep, spec: DatasetSpec, places: Places) -> Dataset:
    """The data set of the sweep, and the proof that it is the same."""
    facts = sweep.record.data
    if facts.task not in list(Task) or not facts.sha256:
        raise sweep.lacks("data")
    if spec.source not in SOURCES:
        raise TrackingError(f"The sweep {sweep.run_id} has data of the source {spec.source!r}, which is not known.")
    dataset = load_dataset(spec, Task(facts.task), places)
    if dataset.sha256 != facts.sha256:
        raise DataError(
            f"The data set {spec.name!r} from {dataset.source} is not the one of sweep {sweep.run_id}: its sha256 is "
            f"{dataset.sha256}, the sweep's {facts.sha256}. Name the folder of the sweep's data as data_dir, or run a "
            "sweep on these data."
        )
    return dataset
