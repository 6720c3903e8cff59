"""The entry point ``final``: the winner of a sweep trained on all data, tested, registered, and shown in its report."""

from rich.console import Console

from pipelines.commands import PLACES, prepare_backend, print_lines, read_places
from pipelines.commands.launch import command
from pipelines.commands.parameters import Parameters

PARAMETERS = ("sweep", "configuration", *PLACES, "output")


def final(parameters: Parameters, console: Console) -> None:
    """Make the final model of a sweep, and the report of the sweep again, which shows it."""
    from pipelines.datasets import Places
    from pipelines.tracking.reading import latest_sweep, read_finished_sweep
    from pipelines.tracking.store import tracking_uri

    places = read_places(parameters)
    output = parameters.folder("output", must_exist=False)
    parameters.check()
    uri = tracking_uri(None)
    sweep = read_finished_sweep(parameters.text("sweep") or latest_sweep(uri), uri=uri)
    # The backend that trained the sweep; Keras is not loaded yet.
    prepare_backend(str(sweep.record.settings.backend))
    from pipelines.final.making import run_final

    made = run_final(sweep, console, configuration=parameters.text("configuration"), places=Places(*places))
    from reports import write_report

    lines = [f"Report      {write_report(sweep.run_id, tracking_uri=uri, output=output).html}"]
    if made.takes_rows:
        lines += [
            f"To predict  {command('predict', data='new.csv', model=made.registered.name)}",
            f"To serve    mlflow models serve --model-uri {made.registered.uri} --env-manager local --port 5001",
        ]
    print_lines(console, lines)
