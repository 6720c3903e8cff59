"""A Keras callback for training code elsewhere: it records the curves, judges them after ``fit``, and says so.

>>> callback = OverfittingPoint()                                                      # doctest: +SKIP
>>> model.fit(x, y, epochs=100, validation_split=0.2, callbacks=[callback])            # doctest: +SKIP
Over-fits from epoch 31 on. Best epoch: 20 (95 % interval 17 to 24); the curve ends 12 % above its best.
>>> callback.point.best_epoch                                                          # doctest: +SKIP
20
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from pipelines.errors import UserError
from pipelines.overfitting import any_curves, point


class OverfittingPoint(keras.callbacks.Callback):
    """Judges the curves of ``model.fit`` when it has ended; one callback for all folds judges them together.

    Parameters
    ----------
    monitor
        The validation curve; lower is better.
    folds, repeats
        With how many fits one configuration is trained, ``repeats`` times ``folds``, all folds of a repeat first: give
        the same callback to each fit, and after the last one it judges all. One fit by default.
    validation_ratio
        Validation rows over training rows; None for what ``analyse`` assumes.
    tell
        What is called with the sentence; None to say nothing.

    Attributes
    ----------
    point
        The over-fitting point of the fits so far; None before the first has ended, or without validation data.
    histories
        The curves of the fits that have ended, a history each as ``model.fit`` returns it.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        folds: int = 1,
        repeats: int = 1,
        validation_ratio: float | None = None,
        tell: Callable[[str], object] | None = print,
    ) -> None:
        super().__init__()
        self.point: point.OverfittingPoint | None = None
        self.histories: list[dict[str, list[float]]] = []
        self._monitor = monitor
        self._folds, self._repeats = folds, repeats
        self._ratio = validation_ratio
        self._tell = tell
        self._current: dict[str, list[float]] = {}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin a fit: what fits before it have left is kept."""
        if len(self.histories) == self._folds * self._repeats:
            self.histories = []
        self._current = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record what Keras measured in an epoch."""
        for name, value in (logs or {}).items():
            self._current.setdefault(name, []).append(float(value))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Judge the fits so far, and say what they come to."""
        self.histories.append(self._current)
        done, whole = len(self.histories), self._folds * self._repeats
        folds, repeats = (self._folds, self._repeats) if done == whole else (done, 1)
        try:
            self.point = any_curves.analyse(
                self.histories,
                folds=folds,
                repeats=repeats,
                validation_ratio=self._ratio,
                monitor=self._monitor,
            )
        except UserError as error:
            self.point = None
            sentence = str(error)
        else:
            sentence = any_curves.sentence(self.point)
        if self._tell is not None:
            self._tell(sentence if whole == 1 else f"{done} of {whole} fits: {sentence}")
