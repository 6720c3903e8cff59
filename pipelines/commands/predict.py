"""The entry point ``predict``: the rows of a new file with the predictions of a final model."""

import os
from pathlib import Path

from rich.console import Console

from pipelines.commands import print_lines
from pipelines.commands.parameters import Parameters

PARAMETERS = ("data", "model", "sweep", "output")


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

    predicted = predict_file(data, found, uri=uri)
    written = write_predictions(predicted, data, output)
    print_predicted(predicted, data, found, console)
    print_lines(console, [f"Predictions {written}"])
    describe_predictions(f"{len(predicted.table):,} rows of {data.name}, predicted by {found.words}.", uri=uri)


def check(parameters: Parameters) -> tuple[Path, Path]:
    """The file and the folder of the predictions; raises ``ExerciseError`` where a parameter is wrong."""
    output = parameters.folder("output", must_exist=False)
    data = parameters.existing("data", "the path of a file like the one that the model was made from")
    if parameters.text("model") and parameters.text("sweep"):
        parameters.problems.append("sweep: is given beside model; one of them says which model is meant")
    parameters.check()
    assert data is not None
    return data, output or Path()
