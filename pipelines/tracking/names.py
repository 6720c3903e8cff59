"""Every name under which something is stored in MLflow, and the names that runs of trials go by in its UI.

A run is named after what varies in its sweep, ``64-64 relu lr=0.003``. The words and their order are those of
``Configuration.label``, and so of the terminal and of the report: a network has one name.
"""

from collections.abc import Collection

from pipelines.exercises.configurations import SETTINGS, Configuration
from pipelines.exercises.exercise import Exercise
from pipelines.exercises.settings import OWN_PREFIX

SCHEMA = "1"
#: Of the rules by which trials are judged: what was judged by others is judged again where it is reported.
JUDGING = "2"
#: Characters of a tag, and of a tag that says why a run ended.
MAX_TAG, MAX_REASON = 8000, 500

KIND_SWEEP, KIND_TRIAL, KIND_REPORT = "sweep", "trial", "report"

# Tags of a sweep and of a trial.
TAG_SCHEMA = "atlas.schema"
TAG_KIND = "atlas.kind"
TAG_EXERCISE = "atlas.exercise"
TAG_SWEEP = "atlas.sweep"  # identity of the sweep: equal for every start of one and the same sweep
TAG_DATA = "atlas.data.sha256"
TAG_BACKEND = "atlas.backend"
TAG_TUNER = "atlas.tuner"
TAG_HOST = "atlas.host"  # with the next one: whether a run that says RUNNING still is
TAG_PROCESS = "atlas.process"
TAG_REASON = "atlas.reason"  # why a run failed, was interrupted or was stopped early
TAG_REFUSED = "atlas.refused"  # of MLflow's own run of a command with a mistake in it: nothing was done

# Tags of a trial.
TAG_CONFIGURATION = "atlas.configuration"
TAG_ORIGIN = "atlas.origin"
TAG_VERDICT = "atlas.verdict"
TAG_GUESSING = "atlas.guessing"  # whether it is surely better than guessing
TAG_JUDGING = "atlas.judging"  # by which rules its over-fitting point was found
TAG_SEEDS = "atlas.seeds"
TAG_FIRST_PARENT = "atlas.first_parent"  # the sweep run that trained it, where a later one has taken it over

#: What is said of a trial beside its verdict.
BETTER, NO_BETTER = "better than guessing", "no better than guessing"

# Tags of a sweep that was started again.
TAG_RESUMED_FROM = "atlas.resumed_from"  # on the new run: the runs whose trials it took over
TAG_CONTINUED_BY = "atlas.continued_by"  # on the old run: the run that has its trials now

# A final model: its kind of run, and the tag that holds the run id of the sweep it won.
KIND_FINAL = "final"
TAG_FINAL_SWEEP = "atlas.final.sweep"
TAG_MONITOR = "atlas.monitor"  # of a registered version: the curve that its best value is of
TAG_TARGET = "atlas.target"  # of a registered version: the column that it predicts, of data of the user's own
KIND_PREDICTIONS = "predictions"  # the project's run where rows of a new file were predicted

# A reproduction: one run for each exercise, below it one for each training, with the hash of all its result depends on.
KIND_REPRODUCTION, KIND_VARIANT = "reproduction", "variant"
TAG_REPRODUCTION = "atlas.reproduction"  # equal for every start of one and the same reproduction
TAG_TRAINING = "atlas.training"
TAG_VARIANT = "atlas.variant"
REPRODUCTION_FILE, MEASURED_FILE = "reproduction.json", "measured.json"

# Tags of MLflow itself.
TAG_PARENT = "mlflow.parentRunId"
TAG_RUN_NAME = "mlflow.runName"
TAG_NOTE = "mlflow.note.content"
TAG_COMMIT = "mlflow.source.git.commit"
TAG_USER = "mlflow.user"
TAG_SOURCE_NAME = "mlflow.source.name"
TAG_SOURCE_TYPE = "mlflow.source.type"

# Tag of an experiment, MLflow's own: the view that our links show.
TAG_SHARED_VIEW_PREFIX = "mlflow.sharedViewState."

# Parameters of a trial beside those of its configuration, and the prefix of a sweep's: MLflow has put the project's
# parameters as they were given on the same run, and a parameter cannot be written twice.
PARAM_EPOCHS, PARAM_FOLDS, PARAM_REPEATS = "epochs", "folds", "repeats"
SWEEP_PARAM_PREFIX = "sweep."

# Metrics of a trial: one number each.
BEST_EPOCH, BEST_EPOCH_LOW, BEST_EPOCH_HIGH = "best/epoch", "best/epoch_low", "best/epoch_high"
BEST_VALUE, BEST_SD_FOLDS, BEST_SD_SEEDS = "best/value", "best/sd_folds", "best/sd_seeds"
ONSET_EPOCH, ONSET_LOW, ONSET_HIGH = "onset/epoch", "onset/epoch_low", "onset/epoch_high"
ONE_SE_EPOCH, FINAL_VALUE, GAP_BEST, GAP_FINAL = "one_se/epoch", "final/value", "gap/best", "gap/final"
SEVERITY, SEVERITY_LOW, SEVERITY_HIGH = "severity", "severity_low", "severity_high"
SECONDS_TOTAL, SECONDS_TRAINING, SECONDS_COMPILE = "seconds/total", "seconds/training", "seconds/compile"
MODEL_PARAMETERS, EPOCHS_TRAINED = "model/parameters", "epochs/trained"
# Of a curve: its value at the best epoch; its mean and deviation over the fits and its mean on one fold, by epoch. What
# stands before the slash is a section of charts in MLflow.
BEST_OF, MEAN_OF, SD_OF, FOLD_OF = "best/{}", "{}/mean", "{}/sd", "{}/fold_{}"
# Of a documented figure, ``test_accuracy_epoch_5``: as documented, and as measured by us, the mean over the seeds.
DOCUMENTED_OF, OURS_OF = "documented/{}", "ours/{}"
DIVERGED_FITS, DIVERGED_EPOCH = "diverged/fits", "diverged/epoch"  # of a diverged trial

# The same number to four digits, for the columns of the UI, which shows every digit of what it has.
ROUNDED_OF = "{} rounded"
#: Scores of a task beside the monitored metric, by the names of their curves without ``val_``.
SCORES = ("accuracy", "balanced_accuracy", "r2", "mae")

#: Figures of a test set as they are written, by the names under which they are stored; others are written as they are.
FIGURES = {
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "average_precision": "average precision",
    "f1_macro": "F1 (macro)",
    "mcc": "Matthews' coefficient",
    "brier": "Brier score",
    "rmse": "RMSE",
    "r2": "R2",
}

#: Columns of the table that our links open; the UI itself would show none of them. Between the metrics and the tags it
#: puts the settings that vary, since the names of runs are cut off.
VIEW_COLUMNS = (
    (ROUNDED_OF.format("value"), BEST_EPOCH, ONSET_EPOCH, ROUNDED_OF.format("severity")),
    (TAG_VERDICT, TAG_GUESSING),
)

# Artifacts.
CURVES_FILE = "curves.parquet"
SWEEP_FILE = "sweep.json"
REPORT_FOLDER = "report"
#: Of a sweep of a user's own network: the file that builds it.
NETWORK_FOLDER = "network"
# Of a final model: what it is and reached, a row a test sample, and the inputs or texts of those that are shown.
FINAL_FILE, PREDICTIONS_FILE = "final.json", "predictions.parquet"
SAMPLES_FILE, TEXTS_FILE = "samples.npz", "samples.json"


def varying_settings(exercise: Exercise) -> frozenset[str]:
    """Settings that differ between the trials of a sweep: axes of space and design, and what variants change."""
    names = {axis.name for axis in exercise.space.parameters} | set(exercise.design)
    for variant in exercise.documented:
        changed = vars(variant.configuration).items() - vars(exercise.baseline).items()
        names |= {name for name, _ in changed if name != "own"}
        names |= {OWN_PREFIX + name for name, _ in set(variant.configuration.own) - set(exercise.baseline.own)}
    return frozenset((SETTINGS[name].shares_word if name in SETTINGS else "") or name for name in names)


def run_name(configuration: Configuration, varying: Collection[str] | None, taken: Collection[str] = ()) -> str:
    """Name of a trial's run: its hidden layers, and the settings that are ``varying`` (None for all).

    Numbers have three digits in a name, so two may be alike: one that is ``taken`` by another trial of the sweep has
    the first digits of its hash added.

    >>> run_name(Configuration(layers=(64, 64), loss="mse", learning_rate=0.003), {"units", "learning_rate"})
    '64-64 lr=0.003'
    """
    words = [
        word for setting, word in configuration.words if varying is None or setting == "layers" or setting in varying
    ]
    name = " ".join(words)
    return f"{name} #{configuration.hash[:4]}" if name in taken else name
