"""The entry point ``predict``: the rows of a new file with the predictions of a final model."""

import os
from pathlib import Path

from rich.console import Console

from pipelines.commands import print_lines
from pipelines.commands.parameters import Parameters
from pipelines.errors import DataError
from pipelines.words import did_you_mean

#: How the file is written, where that is not to be found out.
FORM = ("separator", "decimal", "thousands", "encoding")
PARAMETERS = ("data", "model", "sweep", *FORM, "output")


def predict(parameters: Parameters, console: Console) -> None:
    """Predict the rows of a file, and write them with their predictions."""
    data, output = check(parameters)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from pipelines.tracking.registered import find_model
    from pipelines.tracking.runs import describe_predictions
    from pipelines.tracking.store import tracking_uri

    uri = tracking_uri(None)
    found = find_model(parameters.text("model"), parameters.text("sweep"), uri=uri)
    # Keras is loaded with the model, on the backend that trained it.
    from pipelines.final.predicting import predict_file, print_predicted, write_predictions

    predicted = predict_file(data, found, uri=uri, form={name: parameters.text(name) for name in FORM})
    written = write_predictions(predicted, data, output)
    print_predicted(predicted, data, found, console)
    print_lines(console, [f"Predictions {written}"])
    describe_predictions(f"{len(predicted.table):,} rows of {data.name}, predicted by {found.words}.", uri=uri)


def check(parameters: Parameters) -> tuple[Path, Path]:
    """The file and the folder of the predictions; raises ``UserError`` where a parameter is wrong."""
    output = parameters.folder("output", must_exist=False)
    if not parameters.text("data"):
        parameters.problems.append("data: is not stated; allowed: the path of a file like that of the training")
    if parameters.text("model") and parameters.text("sweep"):
        parameters.problems.append("sweep: is given beside model; one of them says which model is meant")
    parameters.check()
    data = Path(parameters.text("data")).expanduser()
    if not data.exists():
        beside = [entry.name for entry in data.parent.iterdir()] if data.parent.is_dir() else []
        looked = "" if data.is_absolute() else f" Looked in {Path.cwd()}."
        raise DataError(f"data: there is no file {data}{did_you_mean(data.name, beside)}.{looked}")
    return data, output or Path()
