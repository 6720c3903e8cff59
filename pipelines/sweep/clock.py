"""The order in which a sweep with several workers tells its tuner of trials: that of a clock which runs by costs.

A tuner that is told whatever ends first makes another sweep whenever the machine is busier; told in the order of
asking, workers wait for the longest trial. Here every trial has a cost that is known before it runs, workers of a model
take trials in turn, and results are told in the order in which they would end there. Equal seeds and numbers of workers
then make equal sweeps, however long the trials really take. Half as many trials again as there are workers are in
flight, so that a worker rarely waits for one that takes longer than its cost says.
"""

import math
from collections.abc import Sequence

from pipelines.datasets.base import Dataset
from pipelines.datasets.folds import Split
from pipelines.executors.devices import affordable_workers, cores, gpus, has_accelerator
from pipelines.exercises.configurations import Configuration
from pipelines.networks.sizes import count_weights

#: Trials of a learning tuner in flight at most: TPE chooses worse with more, even where it reckons with those.
MOST_ASKED = 8
#: Trials in flight for each worker.
_IN_FLIGHT = 1.5
#: Seconds that a program takes to compile, multiplications of a second, and seconds of a step beside them: about those
#: of two cores. Only their ratios matter.
_COMPILING, _MULTIPLICATIONS, _STEP = 1.0, 1e10, 1e-5
#: Seconds of training beside which compiling no longer counts.
_LONG = 20.0


def choose_workers(configuration: Configuration, dataset: Dataset, splits: Sequence[Split], epochs: int) -> int:
    """Workers for trials like this one, where nobody says how many.

    One for each GPU where there are several; else one for each core, as far as memory goes, and not more than a tuner
    is asked for at a time. A trial that trains for long fills the cores by itself, and one worker holds the data once.
    """
    if has_accelerator():
        return max(1, len(gpus()))
    if trial_cost(configuration, dataset, splits, epochs) > _COMPILING + _LONG:
        return 1
    return affordable_workers(dataset.inputs.nbytes, min(len(cores()), MOST_ASKED))


def trial_cost(configuration: Configuration, dataset: Dataset, splits: Sequence[Split], epochs: int) -> float:
    """About how many seconds a trial takes on one core; a function of what is asked, never of what was measured."""
    weights = count_weights(configuration, dataset.input_shape, dataset.outputs)
    rows = configuration.train_fraction * sum(len(split.train) for split in splits)
    steps = sum(
        math.ceil(configuration.train_fraction * len(split.train) / configuration.batch_size) for split in splits
    )
    return _COMPILING + epochs * (3 * weights * rows / _MULTIPLICATIONS + steps * _STEP)


class VirtualClock:
    """When trials would end on so many workers that take them in turn, if each took as long as it costs.

    >>> clock = VirtualClock(2)
    >>> [clock.due(cost) for cost in (3.0, 1.0, 1.0)]
    [3.0, 1.0, 2.0]
    """

    def __init__(self, workers: int) -> None:
        self._free = [0.0] * workers
        self._now = 0.0

    @property
    def window(self) -> int:
        """Trials in flight at most; with one worker one, so that each is chosen with all others known."""
        workers = len(self._free)
        return workers if workers == 1 else math.ceil(_IN_FLIGHT * workers)

    def due(self, cost: float) -> float:
        """When a trial ends that is asked for now."""
        first = min(range(len(self._free)), key=self._free.__getitem__)
        self._free[first] = max(self._free[first], self._now) + cost
        return self._free[first]

    def tell(self, due: float) -> None:
        """A trial that ends at this time is told."""
        self._now = max(self._now, due)
