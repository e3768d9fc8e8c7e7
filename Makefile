# Everything a working copy needs, by name. `make help` lists it.
#
# A fresh clone on Debian needs make, Python 3.10 or later and g++; the rest is installed when a target first wants
# it: Debian packages by tools/prerequisites.sh, Python packages into .venv. Nothing else is touched.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS_BUILD := build/tests
TSAN_BUILD := build/tsan
# For `make demo`: the ELF file to take apart (default: a large library of this machine), the memory budget; which
# address to ask about, where to keep the store, how much code to recover with Python's containers too, where to draw.
FILE ?=
MEMORY ?=
ADDRESS ?=
STORE ?=
COMPARE ?=
FIGURE ?= build/demo.svg
# For `make test`: further arguments for pytest, e.g. PYTEST="-k dict -x", and how many processes run it (0: one).
PYTEST ?=
JOBS ?= $(shell nproc)
# For `make fuzz`: seconds a target, and which (default: all). For the smoke run of them in `make test`: its seed.
TIME ?= 60
TARGET ?=
FUZZ_SEED ?=
# For `make bench`: arguments for benchmarks/run.py (--help tells them); without any it takes some three hours.
BENCH ?=

# For `make networkx`: files of NetworkX's tests, and arguments for pytest.
NETWORKX ?=

# For `make interrupts`: how many.
INTERRUPTS ?= 10000

# For `make crash`, `make faults` and `make mutants`: how many images or mutants, the first seed, how many workloads a
# structure.
IMAGES ?= 100000
MUTANTS ?= 100000
SEED ?= 1
WORKLOADS ?= 2
LONG_BUILD := build/long

SOURCES := $(shell find src python include cmake CMakeLists.txt pyproject.toml -type f \
  -not -path '*/__pycache__/*' 2>/dev/null)
CXX_FILES = $(shell find src include tests/cpp tests/fuzz tests/install examples/cpp -name '*.h' -o -name '*.cpp')
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: help build extension demo test test-cpp test-install test-python networkx interrupts tsan planted crash faults long-runs fuzz mutants bench lint lint-fast format clean
.DEFAULT_GOAL := help

help:
	@echo 'make build   the package, into $(VENV) (PYTHON=... chooses the interpreter)'
	@echo 'make extension what changed of the extension, for PYTHONPATH=build/extension/package'
	@echo 'make demo    recover the program in an ELF file in external memory, then ask it (FILE=... MEMORY=512M)'
	@echo 'make test    C++ tests under sanitizers, pytest, doctests, stubs, layers (PYTEST="-k name")'
	@echo 'make test-install the C++ library as a package: headers, examples, symbols'
	@echo 'make networkx the tests of NetworkX itself, on stored graphs (NETWORKX="algorithms/flow -x")'
	@echo 'make interrupts every call interrupted at random moments; daemon threads at the end (INTERRUPTS=10000)'
	@echo 'make tsan    what threads do together, under ThreadSanitizer'
	@echo 'make planted each planted bug must make its test fail'
	@echo 'make crash   power cuts and kills on a simulated disk (IMAGES=100000 SEED=1)'
	@echo 'make faults  each call on the disk fails in turn; a table of outcomes (SEED=1 WORKLOADS=2)'
	@echo 'make fuzz    libFuzzer on every parser of the files (TIME=60 seconds each, TARGET=journal)'
	@echo 'make mutants stores of hostile structure, used by all calls (MUTANTS=100000 SEED=1)'
	@echo 'make bench   pyrsistence beside its peers: hours; BENCH=--quick: two minutes'
	@echo 'make lint    ruff, clang-format, mypy'
	@echo 'make format  let ruff and clang-format rewrite the sources'
	@echo 'make clean   remove $(VENV) and build'

# --- what is installed, each step once: a stamp a step ---

# --upgrade-deps is not used: it would ask the network for nothing that is needed.
$(VENV)/.created: tools/prerequisites.sh
	sh tools/prerequisites.sh build "$(PYTHON)"
	"$(PYTHON)" -m venv --clear $(VENV)
	touch $@

$(VENV)/.tools: $(VENV)/.created pyproject.toml
	$(PIP) install $$($(BIN)/python tools/requirements.py build-system) 'cmake>=3.26' ninja
	touch $@

$(VENV)/.built: $(VENV)/.tools $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-build-isolation --no-deps --force-reinstall .
	touch $@

$(VENV)/.extra-%: $(VENV)/.created pyproject.toml
	$(PIP) install $$($(BIN)/python tools/requirements.py $*)
	touch $@

$(VENV)/.test-packages: $(VENV)/.created
	sh tools/prerequisites.sh test "$(CURDIR)/$(BIN)/python"
	touch $@

# --- what is done with it ---

build: $(VENV)/.built

# For work on the extension: compiles what has changed, without optimising over all files, into a package of links.
EXTENSION := build/extension
extension: $(VENV)/.tools
	$(BIN)/cmake -S . -B $(EXTENSION) -G Ninja -DCMAKE_MAKE_PROGRAM="$(CURDIR)/$(BIN)/ninja" \
	  -DPython_EXECUTABLE="$(CURDIR)/$(BIN)/python" -DEMD_PYTHON=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	  -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" --log-level=WARNING
	$(BIN)/cmake --build $(EXTENSION)
	rm -rf $(EXTENSION)/package
	mkdir -p $(EXTENSION)/package/pyrsistence
	ln -sfn $(CURDIR)/python/pyrsistence/* $(CURDIR)/$(EXTENSION)/_core*.so $(EXTENSION)/package/pyrsistence/

demo: $(VENV)/.built $(VENV)/.extra-demo
	FILE="$(FILE)" MEMORY="$(MEMORY)" ADDRESS="$(ADDRESS)" STORE="$(STORE)" COMPARE="$(COMPARE)" FIGURE="$(FIGURE)" \
	  $(BIN)/python examples/disassemble.py

bench: $(VENV)/.built $(VENV)/.extra-bench
	$(BIN)/python benchmarks/run.py $(BENCH)

# pytest is last, so that its closing line, with the counts, closes the output.
test: lint-fast test-cpp tsan test-install test-python

# -g1: names and lines for the sanitizers' reports, in a half of the time that all of -g takes.
test-cpp: $(VENV)/.tools $(VENV)/.test-packages
	$(BIN)/cmake -S . -B $(TESTS_BUILD) -G Ninja -DCMAKE_MAKE_PROGRAM="$(CURDIR)/$(BIN)/ninja" \
	  -DPython_EXECUTABLE="$(CURDIR)/$(BIN)/python" -DEMD_TESTS=ON -DEMD_PYTHON=OFF \
	  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" -DEMD_SANITIZE=address,undefined --log-level=WARNING
	$(BIN)/cmake --build $(TESTS_BUILD)
	sh tools/run_sharded.sh $(TESTS_BUILD)/emd_tests
	$(BIN)/python tests/fuzz/smoke.py $(TESTS_BUILD) $(FUZZ_SEED)

# The C++ library as another program uses it: installed into prefixes, static and shared, by each compiler that there is.
test-install: $(VENV)/.built $(VENV)/.extra-test $(VENV)/.test-packages
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/install/run.py

# What threads do together, under ThreadSanitizer.
tsan: $(VENV)/.tools $(VENV)/.test-packages
	$(BIN)/cmake -S . -B $(TSAN_BUILD) -G Ninja -DCMAKE_MAKE_PROGRAM="$(CURDIR)/$(BIN)/ninja" \
	  -DPython_EXECUTABLE="$(CURDIR)/$(BIN)/python" -DEMD_TESTS=ON -DEMD_PYTHON=OFF \
	  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1 -Wno-tsan" -DEMD_SANITIZE=thread --log-level=WARNING
	$(BIN)/cmake --build $(TSAN_BUILD) --target emd_thread_tests
	$(TSAN_BUILD)/emd_thread_tests --gtest_brief=1

test-python: $(VENV)/.built $(VENV)/.extra-test $(VENV)/.test-packages
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(PYTEST)

# NetworkX's own algorithms and tests, with each graph copied into a stored one.
networkx: $(VENV)/.built $(VENV)/.extra-test $(VENV)/.extra-networkx
	$(BIN)/python tests/networkx/run.py $(NETWORKX)

# Every call of every kind, interrupted at random moments; and interpreters that end while daemon threads work.
interrupts: $(VENV)/.built $(VENV)/.extra-test
	$(BIN)/python tests/python/support/interrupter.py --interrupts $(INTERRUPTS)
	$(BIN)/python tests/python/support/interrupter.py --interrupts $(INTERRUPTS) --threads
	$(BIN)/python tests/python/support/exit_with_daemons.py

# Tests of the tests: each planted bug must make its test fail.
planted: $(VENV)/.test-packages
	cd tests/planted && $(CURDIR)/$(BIN)/python run.py

# Needs clang, which is installed where it may be.
fuzz: $(VENV)/.tools $(VENV)/.extra-test
	sh tools/prerequisites.sh fuzz "$(CURDIR)/$(BIN)/python"
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/fuzz/run.py --seconds $(TIME) $(TARGET)

mutants: $(VENV)/.built $(VENV)/.extra-test
	$(BIN)/python tests/python/support/structural_mutator.py --mutants $(MUTANTS) --seed $(SEED)

# One process a processor, each with its share of the work; their tables are added up.
crash: long-runs
	sh tools/run_shares.sh $(LONG_BUILD)/emd_crash crash $(IMAGES) $(SEED)

faults: long-runs
	sh tools/run_shares.sh $(LONG_BUILD)/emd_faults faults $(WORKLOADS) $(SEED)

long-runs: $(VENV)/.tools $(VENV)/.test-packages
	$(BIN)/cmake -S . -B $(LONG_BUILD) -G Ninja -DCMAKE_MAKE_PROGRAM="$(CURDIR)/$(BIN)/ninja" \
	  -DPython_EXECUTABLE="$(CURDIR)/$(BIN)/python" -DEMD_TESTS=ON -DEMD_PYTHON=OFF \
	  -DCMAKE_BUILD_TYPE=RelWithDebInfo --log-level=WARNING
	$(BIN)/cmake --build $(LONG_BUILD) --target emd_crash emd_faults

lint-fast: $(VENV)/.extra-test
	$(BIN)/ruff check -q .
	$(BIN)/ruff format -q --check .

lint: lint-fast $(VENV)/.extra-lint $(VENV)/.built
	sh tools/prerequisites.sh lint "$(CURDIR)/$(BIN)/python"
	clang-format --dry-run --Werror $(CXX_FILES)
	$(BIN)/mypy

format: $(VENV)/.extra-test
	sh tools/prerequisites.sh lint "$(CURDIR)/$(BIN)/python"
	$(BIN)/ruff check -q --fix . || true
	$(BIN)/ruff format -q .
	clang-format -i $(CXX_FILES)

clean:
	rm -rf $(VENV) build
