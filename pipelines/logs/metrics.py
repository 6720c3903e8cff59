"""Names of metrics: which is the validation curve, which its training twin, and whether higher is better."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

#: Words of a name that say of which rows a metric is.
VALIDATION_WORDS = ("val", "valid", "validation", "eval", "evaluation", "dev", "holdout", "test")
TRAINING_WORDS = ("train", "training", "learn", "fit")
#: Words that say when a metric was logged, and nothing of what it is.
_WHEN = {"epoch", "step", "iter", "iteration", "batch", "mean", "avg", "metrics"}
#: What is minimised, the more usual first; any other name that has ``loss`` in it comes behind these.
_LOSSES = ("loss", "total_loss", "nll", "crossentropy", "logloss", "mse", "rmse", "mae", "error", "perplexity")
_HIGHER = {
    *("accuracy", "acc", "auc", "auroc", "auprc", "roc_auc", "pr_auc", "f1", "f1_score", "precision", "recall", "r2"),
    *(
        "r2_score",
        "iou",
        "miou",
        "dice",
        "map",
        "ap",
        "mcc",
        "kappa",
        "bleu",
        "rouge",
        "psnr",
        "ssim",
        "reward",
        "ndcg",
    ),
    *("return", "score", "hit", "mrr", "top1", "top5", "specificity", "sensitivity", "em", "exact_match"),
}


@dataclass(frozen=True)
class MetricName:
    """What a metric's name says: of which rows it is, and what it measures.

    >>> metric_name("val_loss"), metric_name("train/acc_epoch")
    (MetricName(part='validation', base='loss'), MetricName(part='training', base='acc'))
    """

    part: str
    base: str


@dataclass(frozen=True)
class Choice:
    """The metrics that are judged: names in the log, the training twin's empty where there is none."""

    validation: str
    training: str
    #: What they measure, without the word for the rows.
    base: str
    higher_is_better: bool


def metric_name(name: str) -> MetricName:
    """Read a metric's name; its part is ``validation``, ``training``, or empty where it has no word for either.

    >>> metric_name("validation_0-logloss").base, metric_name("eval/loss").base, metric_name("loss_val").part
    ('logloss', 'loss', 'validation')
    """
    separated = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", separated) if word]
    part = ""
    rest: list[str] = []
    for place, word in enumerate(words):
        if not part and word in VALIDATION_WORDS:
            part = "validation"
        elif not part and word in TRAINING_WORDS:
            part = "training"
        elif word.isdigit() and place and words[place - 1] in (*VALIDATION_WORDS, *TRAINING_WORDS):
            continue  # the number of a data set, as boosting libraries have it
        else:
            rest.append(word)
    kept = [word for word in rest if word not in _WHEN]
    return MetricName(part, "_".join(kept or rest))


def is_higher_better(base: str) -> bool:
    """Whether more of a metric is better, by its name.

    >>> is_higher_better("sparse_categorical_accuracy"), is_higher_better("map"), is_higher_better("mape")
    (True, True, False)
    """
    return base in _HIGHER or base.rsplit("_", maxsplit=1)[-1] in _HIGHER


def choose(names: Iterable[str]) -> Choice | None:
    """The pair of metrics that is judged where none is stated; None where there is no validation curve.

    A loss before anything else, and a metric with a training twin before one without.
    """
    known = sorted(names)
    read = {name: metric_name(name) for name in known}
    candidates = [name for name in known if read[name].part == "validation" and read[name].base]
    if not candidates:
        return None

    def rank(name: str) -> tuple[int, bool, bool, str]:
        base = read[name].base
        place = _LOSSES.index(base) if base in _LOSSES else len(_LOSSES) + ("loss" not in base) + is_higher_better(base)
        # A test curve is a validation curve only where there is no other.
        is_test = "test" in re.split(r"[^a-z]+", name.lower())
        return place, is_test, not twin(name, known), name

    best = min(candidates, key=rank)
    base = read[best].base
    return Choice(best, twin(best, known), base, is_higher_better(base))


def twin(validation: str, names: Collection[str]) -> str:
    """The training curve that belongs to a validation curve; empty where there is none.

    >>> twin("val_loss", ["loss", "train_loss"]), twin("eval/loss", ["train/loss_step", "train/loss_epoch"])
    ('train_loss', 'train/loss_epoch')
    """
    base = metric_name(validation).base
    same = [name for name in names if name != validation and metric_name(name).base == base]
    found = [name for name in same if metric_name(name).part != "validation"]

    def rank(name: str) -> tuple[bool, bool, str]:
        return metric_name(name).part != "training", "step" in name.lower(), name

    return min(found, key=rank, default="")
