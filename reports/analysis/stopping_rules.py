"""Which early-stopping rule to use: the rules that people write, replayed on every recorded curve.

A rule sees a fit's raw validation curve epoch by epoch, as a callback would have, and says after which epoch it ends
the training and the weights of which epoch are kept. Recorded curves go on beyond that point, so the loss it gives away
against the fit's own best epoch, and the epochs it saves, are read off without another training.

The fit's own best epoch is a hard judge: it is partly the luck of its validation rows, which a rule that restores the
best weights shares and the common best epoch of all fits does not. Rules of one kind are compared fairly; the last
percent between the kinds is not worth an argument.

Curves have the shape (fits, epochs); epochs are 1-based.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipelines.overfitting.point import Verdict
from pipelines.overfitting.statistics import negligible
from pipelines.words import counted
from reports.analysis.fits import Array, FitCurves, fit_curves
from reports.analysis.stopping_criteria import COMMON_BEST, KERAS, Epochs, FitGroup, Rule, standard_rules
from reports.formatting import number
from reports.report import Report, point_of
from reports.store import Trial

#: A rule may give away so many percentage points more than the one that gives away least, and still be recommended.
TOLERANCE = 1.0
#: Losses and metrics that Keras' ``compile`` knows by these names; ``val_loss`` is always there.
KERAS_METRICS = ("mae", "mse")


@dataclass(frozen=True)
class RuleResult:
    """What a rule costs and saves.

    Attributes
    ----------
    rule
        The rule.
    loss_percent
        Loss given away, in percent: the value at the epoch that is kept over the lowest of the fit's curve, minus 1;
        mean over configurations of the mean over fits. None where every configuration's lowest value is negligible.
    loss_percent_sd
        Its deviation between configurations, in percentage points; None with fewer than two.
    saved_share
        Epochs not trained, as a share of those recorded; mean over configurations.
    stopped_share
        Share of the fits that it ended before the last epoch; the others it trained to the end.
    configurations, fits
        What it rests on.
    """

    rule: Rule
    loss_percent: float | None
    loss_percent_sd: float | None
    saved_share: float
    stopped_share: float
    configurations: int
    fits: int


@dataclass(frozen=True)
class Replay:
    """All rules on all curves of a sweep.

    Attributes
    ----------
    monitor
        Curve that the rules watched.
    results
        One a rule, in the order of the rules; without those that no curves were there for.
    configurations, fits
        Replayed.
    still_improving
        How many of the configurations were still improving at their last epoch.
    negligible
        Configurations left out of the loss given away (not of the epochs saved), since a fit's lowest value is
        negligible and a ratio to it means nothing.
    left_out
        Configurations without usable curves.
    """

    monitor: str
    results: tuple[RuleResult, ...]
    configurations: int
    fits: int
    still_improving: int
    negligible: int
    left_out: int


@dataclass(frozen=True)
class Recommendation:
    """The rule to use.

    Attributes
    ----------
    result
        The rule and what it costs and saves.
    code
        The line of Keras code.
    sentence
        Why this one.
    notes
        What to know about it, a sentence each.
    """

    result: RuleResult
    code: str
    sentence: str
    notes: tuple[str, ...]


def replay_rules(report: Report, rules: Sequence[Rule] | None = None) -> Replay:
    """Replay rules (None for ``standard_rules()``) on every fit of every trial; trials without curves are left out."""
    recorded = [_Recorded(trial, found) for trial in report.ranked if (found := fit_curves(report, trial)) is not None]
    # Fits of one length go through a rule together: a rule's work is a loop over epochs, not over fits.
    recorded.sort(key=_shape)
    groups = [_Trials.of(list(members)) for _, members in groupby(recorded, key=_shape)]
    results = [_result(rule, groups) for rule in (standard_rules() if rules is None else rules)]
    return Replay(
        monitor=report.sweep.monitor,
        results=tuple(result for result in results if result is not None),
        configurations=len(recorded),
        fits=sum(len(found.curves.validation) for found in recorded),
        still_improving=sum(point_of(found.trial).verdict is Verdict.STILL_IMPROVING for found in recorded),
        negligible=sum(found.is_negligible for found in recorded),
        left_out=len(report.ranked) - len(recorded),
    )


def recommend(replay: Replay) -> Recommendation | None:
    """The rule to use: of Keras' callbacks that restore the best weights, the one that saves the most epochs.

    Only those compete whose loss given away is within ``TOLERANCE`` of the smallest among them. Of equal savings the
    one that gives away less is taken, then the first.

    Returns
    -------
    None where nothing was replayed, or no loss given away can be told.
    """
    candidates = [
        (result, result.loss_percent)
        for result in replay.results
        if result.rule.family == KERAS and result.rule.restores and result.loss_percent is not None
    ]
    if not candidates:
        return None
    least = min(loss for _, loss in candidates)
    careful = [(result, loss) for result, loss in candidates if loss <= least + TOLERANCE]
    chosen, loss = min(careful, key=lambda candidate: (-round(candidate[0].saved_share, 9), candidate[1]))
    keras_monitor, monitor_note = _keras_monitor(replay.monitor)
    notes = (_common_best_note(replay, loss), monitor_note, *replay_notes(replay))
    return Recommendation(
        result=chosen,
        code=f'keras.callbacks.EarlyStopping(monitor="{keras_monitor}", {chosen.rule.arguments})',
        sentence=_why(chosen, loss, least),
        notes=tuple(filter(None, notes)),
    )


def replay_notes(replay: Replay) -> tuple[str, ...]:
    """What the table of rules rests on, and what its numbers cannot tell; a sentence each."""
    total = replay.configurations
    notes = [f"Replayed on {counted(replay.fits, 'recorded curve')} of {counted(total, 'configuration')}."]
    if improving := replay.still_improving:
        who = (
            "The only configuration" if improving == total == 1 else f"{improving} of {counted(total, 'configuration')}"
        )
        notes.append(
            f"{who} {'was' if improving == 1 else 'were'} still improving at the last epoch: their true best is not "
            "known, so what rules give away there is at least what is counted."
        )
    if few := replay.negligible:
        notes.append(
            f"{counted(few, 'configuration')} with a best value of nearly 0 {'is' if few == 1 else 'are'} left out of "
            "the loss given away: no percentage of that means anything."
        )
    if missing := replay.left_out:
        notes.append(f"The curves of {counted(missing, 'configuration')} are not there.")
    return tuple(notes)


@dataclass(frozen=True, eq=False)
class _Recorded:
    """A trial and the curves of its fits."""

    trial: Trial
    curves: FitCurves

    @property
    def is_negligible(self) -> bool:
        """Whether the lowest value of some fit is too small to be a denominator."""
        validation = self.curves.validation
        return bool(validation.min() <= negligible(validation.mean(axis=0)))


@dataclass(frozen=True, eq=False)
class _Trials:
    """Trials of one length: their fits in one group, and where each trial's fits begin in it."""

    fits: FitGroup
    starts: Epochs
    has_ratio: NDArray[np.bool_]

    @classmethod
    def of(cls, members: Sequence[_Recorded]) -> "_Trials":
        counts = [len(member.curves.validation) for member in members]
        points = [point_of(member.trial) for member in members]
        training = [member.curves.training for member in members if member.curves.training is not None]
        group = FitGroup(
            validation=np.concatenate([member.curves.validation for member in members]),
            training=np.concatenate(training) if training else None,
            best_epoch=np.repeat([point.best_epoch or point.epochs for point in points], counts),
            one_se_epoch=np.repeat([point.one_se_epoch or point.epochs for point in points], counts),
        )
        has_ratio = np.array([not member.is_negligible for member in members])
        return cls(group, np.cumsum([0, *counts[:-1]]), has_ratio)

    def means(self, values: Array) -> Array:
        """Mean over the fits of each trial, (fits,) -> (trials,)."""
        counts = np.diff([*self.starts, len(values)])
        return np.asarray(np.add.reduceat(values, self.starts) / counts)


def _shape(found: _Recorded) -> tuple[int, bool]:
    return found.curves.validation.shape[1], found.curves.training is None


def _result(rule: Rule, groups: Sequence[_Trials]) -> RuleResult | None:
    replayed = [(group, stops) for group in groups if (stops := rule.replay(group.fits)) is not None]
    if not replayed:
        return None
    saved, stopped, lost = [], [], []
    for group, stops in replayed:
        validation = group.fits.validation
        epochs = validation.shape[1]
        saved.append(group.means(1 - stops.stopped / epochs))
        stopped.append(stops.stopped < epochs)
        lowest = validation.min(axis=1)
        kept = validation[np.arange(len(validation)), stops.kept - 1]
        # A trial with a negligible lowest value is dropped just below; 1 only keeps its division quiet.
        ratio = kept / np.where(lowest > 0, lowest, 1.0) - 1
        lost.append(100 * group.means(ratio)[group.has_ratio])
    losses, of_trials, of_fits = np.concatenate(lost), np.concatenate(saved), np.concatenate(stopped)
    return RuleResult(
        rule=rule,
        loss_percent=float(losses.mean()) if losses.size else None,
        loss_percent_sd=float(losses.std(ddof=1)) if losses.size > 1 else None,
        saved_share=float(of_trials.mean()),
        stopped_share=float(of_fits.mean()),
        configurations=len(of_trials),
        fits=len(of_fits),
    )


def _keras_monitor(monitor: str) -> tuple[str, str]:
    """What Keras calls the monitored curve, and what to say where that needs saying."""
    name = monitor.removeprefix("val_")
    if name == "loss":
        return monitor, ""
    if name in KERAS_METRICS:
        return monitor, f'The line needs metrics=["{name}"] in compile.'
    return "val_loss", (
        f"Keras has no curve called {monitor}; val_loss, which the line watches, is the same where {name} is the loss."
    )


def _common_best_note(replay: Replay, loss: float) -> str:
    """Says where the epoch that this project recommends does better by more than the tolerance; else empty."""
    common = next((result for result in replay.results if result.rule.name == COMMON_BEST), None)
    if common is None or common.loss_percent is None or common.loss_percent >= loss - TOLERANCE:
        return ""
    return (
        "Training every fit for the best epoch of the mean curve, as this report recommends, gives away less: "
        f"{number(common.loss_percent, 2)} %, with {number(100 * common.saved_share, 2)} % of the epochs saved."
    )


def _why(chosen: RuleResult, loss: float, least: float) -> str:
    if not chosen.saved_share:
        return "None of Keras' rules that give away little would have stopped a single fit: train to the end."
    costs = (
        f"It saves {number(100 * chosen.saved_share, 2)} % of the epochs and gives away {number(loss, 2)} % of the "
        "loss against each fit's own best epoch"
    )
    if loss == least:
        return (
            f"{costs}: none of Keras' rules gives away less, and none within {TOLERANCE:g} percentage point saves more."
        )
    return (
        f"{costs}: the most epochs saved of Keras' rules within {TOLERANCE:g} percentage point of the "
        f"{number(least, 2)} % that the most careful one gives away."
    )
