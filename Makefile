# A thin door to `mlflow run`: it makes the environment once, names the tracking store, and calls MLflow.
#
#   make sweep                                          the default exercise, digits, and its report
#   make sweep ARGS="-P exercise=reuters -P trials=20"  any parameter of MLproject; paths start in this folder
#   make final                                          the final model of the latest sweep
#   make predict ARGS="-P data=new.csv"                 its predictions for the rows of a file
#   make watch                                          the page of a sweep while it goes on, on this machine alone
#   make report   make ui   make test   make lint   make clean

VENV := .venv
PORT ?= 5000
PYTHON ?=
ARGS ?=

INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

# Set by you, these stay as they are.
WITH_STORE = PATH="$(CURDIR)/$(VENV)/bin:$$PATH" \
	MLFLOW_TRACKING_URI="$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}" \
	MLFLOW_DISABLE_TELEMETRY="$${MLFLOW_DISABLE_TELEMETRY:-true}"
# Whoever calls make is told to go on with make.
WITH_STORE += OVERFIT_ATLAS_MAKE=1
ifndef MLFLOW_EXPERIMENT_ID
WITH_STORE += MLFLOW_EXPERIMENT_NAME="$${MLFLOW_EXPERIMENT_NAME:-overfit-atlas}"
endif

.PHONY: help sweep report final predict watch ui test lint clean

help:
	@sed -n '/^#  /s/^# *//p' Makefile

# Before MLflow, which makes a run before it asks us, and would retry a store out of reach for minutes: a mistake in a
# parameter, in the data or in the store is a sentence, and leaves no run behind.
ENTRY = $(if $(filter sweep,$@),,--entry-point $@)
sweep report final predict: $(INSTALLED)
	@$(WITH_STORE) python -m pipelines check $(ENTRY) $(ARGS)
	@$(WITH_STORE) mlflow run . --env-manager local $(ENTRY) $(ARGS)

# One process, which Ctrl-C ends, and no run of MLflow for looking.
watch: $(INSTALLED)
	@$(WITH_STORE) python -m pipelines report --follow=true $(patsubst %,--%,$(filter-out -P,$(ARGS)))

ui: $(INSTALLED)
	@$(WITH_STORE) sh -c 'case "$$MLFLOW_TRACKING_URI" in \
	http*) echo "The tracking store is a server, and its UI is at $$MLFLOW_TRACKING_URI" ;; \
	*) exec mlflow ui --backend-store-uri "$$MLFLOW_TRACKING_URI" --host 127.0.0.1 --port $(PORT) --workers 1 ;; esac'

test: $(INSTALLED_DEV)
	@$(VENV)/bin/python -m pytest -n auto --dist loadfile $(ARGS)

lint: $(INSTALLED_DEV)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

# Results (mlflow.db, mlruns, report) and prepared data (.cache) are kept.
clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.txt | $(VENV)/bin/python
	@$(call install,$<)
	@touch $@

$(INSTALLED_DEV): requirements-dev.txt $(INSTALLED)
	@$(call install,$<)
	@touch $@

# Compiled at once, for TensorFlow without bytecode takes a quarter of a minute at every start.
define install
echo "Installing $(1) into $(VENV); the first time takes some minutes."; \
if command -v uv >/dev/null 2>&1; then \
	uv pip install --quiet --compile-bytecode --python $(VENV)/bin/python -r $(1); \
else \
	{ $(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(VENV)/bin/python -m ensurepip >/dev/null; } && \
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --compile -r $(1); \
fi
endef

$(VENV)/bin/python:
	@rm -rf $(VENV); \
	if command -v uv >/dev/null 2>&1; then uv venv --quiet --python "$${PYTHON:->=3.11,<3.14}" $(VENV); exit; fi; \
	for python in $${PYTHON:-python3 python3.13 python3.12 python3.11}; do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
			"$$python" -m venv $(VENV); exit; \
		fi; \
	done; \
	echo "overfit-atlas needs Python 3.11, 3.12 or 3.13; $${PYTHON:-python3} is none of them. Install one, or name it:" \
		"make PYTHON=/path/to/python3.12 sweep" >&2; exit 1
export PYTHON
