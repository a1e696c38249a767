.PHONY: demo test test-slow lint bench docs wheel clean
PYTHON ?= python3
BIN := .venv/bin
STORE ?= tegum-store

## demo: install, train a thousand models, judge the claims, write the page
demo: .venv/demo
	$(BIN)/tegum run dropout-and-superposition --design demo --store $(STORE)

## test: everything that proves behaviour, in a few minutes on two cores
test: .venv/develop
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

## test-slow: calibration of the statistics and other long checks
test-slow: .venv/develop
	$(BIN)/python -m pytest -q -n 2 -m slow

## lint: style, types, floors
lint: .venv/develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

## bench: the engine beside what the field uses (writes docs/performance.md), then
## planners beside C, and scans beside the bare pass (printed)
bench: .venv/develop
	$(BIN)/python -m benchmarks.bench
	$(BIN)/python -m benchmarks.planning
	$(BIN)/python -m benchmarks.scan

## docs: write the generated pages anew
docs: .venv/develop
	$(BIN)/python -m docs.generate

## wheel: what users install
wheel:
	$(PYTHON) -m pip wheel --no-deps -w dist .

.venv/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --upgrade pip
	touch $@

ENGINE := CMakeLists.txt pyproject.toml $(wildcard src/engine/*)
SOURCE := $(ENGINE) $(shell find src/tegum -type f -not -name '*.pyc')

# A developer's installation serves the demo too, and is not replaced by a copy.
.venv/demo: .venv/python constraints.txt $(SOURCE)
	@echo "installing tegum and building its engine: a minute or two"
	if [ -e .venv/develop ]; then $(MAKE) .venv/develop; \
	else $(BIN)/python -m pip install -q -c constraints.txt .; fi
	touch $@

.venv/develop: .venv/python constraints.txt $(ENGINE)
	@echo "installing tegum, its tests' libraries and its engine: a few minutes"
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[torch,transformers,pandas,test,lint]'
	touch $@

clean:
	rm -rf .venv build dist
