# Every target does its own set-up: `.venv` is made once and refreshed when pyproject.toml or constraints.txt change.

PYTHON ?= python3
# PyTorch is installed first and by itself, because plain pip takes a CUDA build of several GB on most machines.
# TORCH holds any arguments of `pip install`; a PyTorch already in .venv is left alone.
TORCH ?= torch==2.13.0
# DATA is where runs are remembered; PACK a folder of real photographs in MMAD's layout, with mmad.json at its root.
DATA ?= data
PACK ?=

BIN := .venv/bin
# What users need, and beside it what tests and checks need: a stamp each.
INSTALLED := .venv/.installed
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo serve test quick check browser labelstudio real evaluate ablate simulate mutants chaos soak scale bench bench-gpu fuzz train clean

help:
	@echo "make install      install into .venv what scoring and the dashboard need"
	@echo "make demo         score a drawn archive with the embedded demo model, then open the dashboard"
	@echo "make serve        the dashboard over $(DATA)/"
	@echo "make test         all checks and tests, those in Chromium too"
	@echo "make quick        the tests that take seconds, without Chromium and Label Studio"
	@echo "make check        ruff, mypy and the import contracts"
	@echo "make labelstudio  install the Label Studio that the tests talk to"
	@echo "make real         score the real photographs in PACK=folder, and compare them with normal ones"
	@echo "make evaluate     measure the embedded demo model and write its card"
	@echo "make ablate       what each part of the method brings, on drawn images"
	@echo "make simulate     false alarms, coverage and power of everything that claims something"
	@echo "make fuzz         due times against croniter's, over 10,000 random expressions"
	@echo "make mutants      plant faults into a copy of the code; a named test must fail for each"
	@echo "make chaos        kill at random and compare with what was never cut"
	@echo "make soak         score, ingest, read and clean up at once, for 45 minutes"
	@echo "make scale        a million known images, ten million predictions, 5,000 disputes"
	@echo "make bench        the method against a plain pass; make bench-gpu at a large model's shapes"
	@echo "make train        train the embedded demo model anew and evaluate it"
	@echo "make clean        remove .venv and caches; data stay"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(BIN)/python || { echo "Making .venv (a few minutes the first time)"; $(PYTHON) -m venv .venv; }
	@$(BIN)/python -c 'import torch' 2>/dev/null || { echo "Installing PyTorch: $(TORCH)"; $(BIN)/pip install -q $(TORCH); }
	@echo "Installing the workbench"
	@$(BIN)/pip install -q -c constraints.txt -e '.[all]'
	@touch $@

$(READY): $(INSTALLED)
	@echo "Installing what tests and checks need"
	@$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

install: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/workbench demo --data $(DATA)

serve: $(INSTALLED)
	$(BIN)/workbench serve --data $(DATA)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.bare_names
	$(BIN)/vulture

# The browser tests need a Chromium. Any on the PATH will do; as root on Debian its own is installed.
browser: $(READY)
	@$(BIN)/python -m tests.browser.chromium 2>/dev/null || { \
	  if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	    echo "Installing Debian's Chromium"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  fi; \
	  $(BIN)/python -m tests.browser.chromium; }

# The tests speak to a real Label Studio, in an environment of its own: installed and migrated once.
labelstudio: $(READY)
	@$(BIN)/python -m tests.review.studio

# Hundreds of processes import the same sources, so their bytecode is kept, whatever the environment says.
test quick: export PYTHONDONTWRITEBYTECODE :=

# Two workers; a file's tests stay on one of them, so what they share is made once (`tests/balance.py`).
test: check browser labelstudio
	$(BIN)/pytest -m "not gpu" -n 2 --dist loadscope

# Without what takes more than seconds, a browser or Label Studio.
quick: $(READY)
	$(BIN)/pytest -m "not slow and not browser and not labelstudio and not gpu" -n 2 --dist loadscope

real: $(READY)
	@test -n "$(PACK)" || { echo "Say where the photographs are: make real PACK=folder"; exit 2; }
	$(BIN)/python -m benchmarks.real "$(PACK)"
	$(BIN)/python -m benchmarks.comparison "$(PACK)" --tower photos
	$(BIN)/python -m benchmarks.scans "$(PACK)" --tower photos
	$(BIN)/python -m benchmarks.control "$(PACK)" --tower photos
	$(BIN)/python -m benchmarks.references "$(PACK)" --tower photos

# Random faults, each compared with a calm run of the same work.
chaos: labelstudio
	$(BIN)/python -m benchmarks.chaos
	$(BIN)/python -m benchmarks.chaos_review
	$(BIN)/python -m benchmarks.chaos_curation --output benchmarks/results/chaos_curation.json
	$(BIN)/python -m benchmarks.faults --output benchmarks/results/faults.json

soak: $(READY)
	$(BIN)/python -m benchmarks.soak --output benchmarks/results/soak.json

scale: labelstudio
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.large_picture --output benchmarks/results/large_picture.json
	$(BIN)/python -m benchmarks.million --output benchmarks/results/million.json
	$(BIN)/python -m benchmarks.ingest --output benchmarks/results/ingest.json
	$(BIN)/python -m benchmarks.readers --output benchmarks/results/readers.json
	$(BIN)/python -m benchmarks.reads --output benchmarks/results/reads.json
	$(BIN)/python -m benchmarks.truth --output benchmarks/results/truth.json
	$(BIN)/python -m benchmarks.pages --output benchmarks/results/pages.json
	$(BIN)/python -m benchmarks.reviews --output benchmarks/results/reviews.json
	$(BIN)/python -m benchmarks.blast --output benchmarks/results/blast.json

# Everything that claims something, tried on invented truth: does it hold its error rates, does it find what is there?
simulate: $(READY)
	$(BIN)/python -m benchmarks.simulate_analysis --output benchmarks/results/simulate_analysis.json
	$(BIN)/python -m benchmarks.simulate_clusters --output benchmarks/results/simulate_clusters.json
	$(BIN)/python -m benchmarks.simulate_nights --output benchmarks/results/simulate_nights.json
	$(BIN)/python -m benchmarks.simulate_charts --output benchmarks/results/simulate_charts.json
	$(BIN)/python -m benchmarks.simulate_causes --output benchmarks/results/simulate_causes.json
	$(BIN)/python -m benchmarks.simulate_slices --output benchmarks/results/simulate_slices.json
	$(BIN)/python -m benchmarks.simulate_review
	$(BIN)/python -m benchmarks.simulate_weekly
	$(BIN)/python -m benchmarks.simulate_gate --output benchmarks/results/simulate_gate.json
	$(BIN)/python -m benchmarks.simulate_gate_nights --output benchmarks/results/simulate_gate_nights.json

fuzz: $(READY)
	$(BIN)/python -m benchmarks.fuzz_cron --expressions 10000 --output benchmarks/results/fuzz_cron.json

# Would the tests notice? A fault that no page would show, one at a time.
mutants: $(READY)
	$(BIN)/python -m benchmarks.mutants --output benchmarks/results/mutants.json

bench: $(READY)
	$(BIN)/python -m benchmarks.engines

bench-gpu: $(READY)
	$(BIN)/python -m benchmarks.gpu --suffix --output benchmarks/results/gpu.json
	$(BIN)/python -m benchmarks.devices --output benchmarks/results/devices.json

ablate: $(READY)
	$(BIN)/python -m benchmarks.ablate
	$(BIN)/python -m benchmarks.layers
	$(BIN)/python -m benchmarks.zoom

train: $(READY)
	$(BIN)/python -m training train --work $(DATA)/training --checkpoint workbench/embedded/checkpoint
	$(MAKE) evaluate

evaluate: $(READY)
	$(BIN)/python -m training evaluate --card workbench/embedded/checkpoint/README.md $(if $(PACK),--photographs "$(PACK)")

clean:
	rm -rf .venv .venv-labelstudio .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build dist
