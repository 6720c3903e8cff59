"""The opponent: each exercise the way its textbook writes it, plain ``model.fit`` on the TensorFlow backend.

Prints one JSON line: seconds of all folds together, measured over some epochs and scaled to the documented number, and
the value at the end. Run by ``speed.py`` in a process of its own.
"""

import json
import os
import sys
import time
from dataclasses import dataclass

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from benchmarks.cases import CASES, Case, load, splits_of


@dataclass
class Arrays:
    inputs: np.ndarray
    targets: np.ndarray


def build(case: Case, shape: tuple[int, ...], outputs: int) -> keras.Model:
    layers = [keras.Input(shape)]
    if len(shape) > 1:
        layers.append(keras.layers.Flatten())
    layers += [keras.layers.Dense(width, activation="relu") for width in case.configuration.layers]
    activation = {"binary": "sigmoid", "multiclass": "softmax", "regression": None}[case.task]
    layers.append(keras.layers.Dense(outputs, activation=activation))
    model = keras.Sequential(layers)
    loss = {"binary": "binary_crossentropy", "multiclass": "sparse_categorical_crossentropy", "regression": "mse"}
    metric = "mae" if case.task == "regression" else "accuracy"
    model.compile(optimizer=case.configuration.optimizer, loss=loss[case.task], metrics=[metric])
    return model


def prepared(case: Case, inputs: np.ndarray, train: np.ndarray) -> np.ndarray:
    values = inputs.astype("float32")
    if case.configuration.normalisation == "standardise":
        values = (values - values[train].mean(axis=0)) / values[train].std(axis=0)
    elif case.configuration.normalisation == "divide_255":
        values /= 255
    return values


class Clock(keras.callbacks.Callback):
    """Seconds at the end of each epoch, counted from when it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.ends = time.perf_counter(), []

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.ends.append(time.perf_counter() - self.started)


def fit(case: Case, model: keras.Model, train: Arrays, validation: Arrays) -> float:
    """Seconds of all epochs: the first, which also compiles, counts once, the others are scaled to their number."""
    clock = Clock()
    if case.tf_data:
        import tensorflow as tf

        def pipeline(data: Arrays) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensor_slices((data.inputs, data.targets)).cache()

        size = case.configuration.batch_size
        model.fit(
            pipeline(train).repeat().shuffle(len(train.inputs)).batch(size),
            epochs=case.opponent_epochs,
            steps_per_epoch=-(-len(train.inputs) // size),
            validation_data=pipeline(validation).batch(size),
            verbose=0,
            callbacks=[clock],
        )
    else:
        model.fit(
            train.inputs,
            train.targets,
            epochs=case.opponent_epochs,
            batch_size=case.configuration.batch_size,
            validation_data=(validation.inputs, validation.targets),
            verbose=0,
            callbacks=[clock],
        )
    first, last = clock.ends[0], clock.ends[-1]
    return first + (last - first) * (case.epochs - 1) / (case.opponent_epochs - 1)


def main(name: str) -> None:
    case = CASES[name]
    dataset = load(case)
    splits = splits_of(case, dataset)[: case.opponent_folds]
    seconds, last = 0.0, []
    for split in splits:
        values = prepared(case, dataset.inputs, split.train)
        train = Arrays(values[split.train], dataset.targets[split.train])
        validation = Arrays(values[split.validation], dataset.targets[split.validation])
        del values
        model = build(case, dataset.input_shape, dataset.outputs)
        seconds += fit(case, model, train, validation)
        last.append(model.evaluate(validation.inputs, validation.targets, verbose=0)[1])
        keras.backend.clear_session()
    scaled = seconds * case.folds / len(splits)
    note = f"measured over {len(splits)} folds x {case.opponent_epochs} epochs"
    print(json.dumps({"seconds": scaled, "note": note, "value": float(np.mean(last))}))


if __name__ == "__main__":
    main(sys.argv[1])
