"""The only package that talks to MLflow: a sweep is a parent run, a trial a child run, a fold a metric.

``recording`` and ``reading`` are the two ways of a sweep, ``trials`` and ``sweeps`` its typed records and their stored
form; ``reproductions``, ``final_runs`` and ``final_models`` are the same for reproductions and final models.

>>> with open_sweep(description) as sweep:                                   # doctest: +SKIP
...     for earlier in sweep.finished_trials():
...         tuner.add(earlier.configuration, earlier.value)
...     with sweep.trial(configuration, origin="tuner", seeds=(1,)) as run:
...         run.finish(trial)

Nothing here imports MLflow (two seconds) before a store is opened.
"""
