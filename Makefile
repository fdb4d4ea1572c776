# Everything works on a machine that has Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
STAMP := $(VENV)/.core
DEV := $(VENV)/.dev

.PHONY: assets demo tour readme test check install validate bench cards mutants nightly dossier clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml requirements.lock | $(BIN)/python
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

$(DEV): $(STAMP) requirements-dev.lock
	$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@

demo: $(STAMP)      ## set up and run the main job on the bundled examples
	$(BIN)/salus demo

install: $(DEV)     ## with everything that tests, checks, validation and benchmarks need

test: $(DEV)        ## the tests (minutes)
	$(BIN)/python -m pytest -m "not slow" -n 2

check: $(DEV)       ## style, types, walls between the rooms, declared dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src

validate: $(DEV)    ## slow tests, attack scripts, and every check against outside reference data in $(DATA)
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m pytest tests/trust/attacks
	$(BIN)/python -m validation --data $(DATA)

bench: $(DEV)       ## throughput and memory, beside peers where they are installed
	$(BIN)/python -m benchmarks

cards: $(DEV)       ## write the method cards from what validation measures
	$(BIN)/python -m validation --data $(DATA) --cards

mutants: $(DEV)     ## do the checks, and the tests of the core, notice when the code is broken?
	$(BIN)/python -m validation --data $(DATA) --mutants --jobs 2
	$(BIN)/python tools/mutate.py

nightly: $(DEV)     ## what CI runs at night (hours): slow tests, attacks, cards, mutants
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m pytest tests/trust/attacks
	$(MAKE) cards mutants readme

tour: $(DEV)        ## every department at work on the examples
	$(BIN)/salus tour

assets:             ## the browser libraries of the pages, from npm by the lock (optional: pages work without)
	cd web-assets && npm ci --ignore-scripts && node build.mjs

readme: $(DEV)      ## README's table of capabilities, from the tour and the cards
	rm -rf build/tour && $(BIN)/salus tour --folder build/tour --json build/tour.json
	$(BIN)/python tools/make_readme.py build/tour.json

dossier: $(DEV)     ## bill of materials and requirement-risk-test trace, in build/dossier
	$(BIN)/python tools/make_sbom.py build/dossier/sbom.cdx.json
	$(BIN)/python tools/make_trace.py build/dossier/trace.md

clean:
	rm -rf $(VENV) build dist demo
