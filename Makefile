# Every target sets up what it needs, once; see .ci/setup.
.DEFAULT_GOAL := help
.PHONY: help demo demo-libvirt check coverage lowest lock test test-az fuzz fuzz-images crash-matrix bench lint docs clean

VENV := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
N ?= 1000
ARGS ?=

# Tests start the program hundreds of times: without its compiled modules each of them takes three times as long.
export PYTHONDONTWRITEBYTECODE :=

# Each worker takes the next test when it has ended one. Those that take long come first: see tests/conftest.py.
PYTEST := $(PYTHON_IN_VENV) -m pytest --dist load --maxschedchunk 1 --durations 10 -rs
# Tests of `make check` compute; those of `make test` wait as long as they compute, so two of them share a core.
COMPUTING := -n $(shell nproc)
WAITING := -n auto
# What `make check` leaves out: tests/support/suite/needs.py says what each marker means.
SELF_CONTAINED := -m "not (azurite or libvirt or postgresql or qemu or root or slow or strace)"

help:
	@echo "make demo    run the quickstart: plan, apply, damage, drift, repair"
	@echo "make demo-libvirt"
	@echo "             the same on two hypervisor hosts, and machines from its images; needs root"
	@echo "make check   style, types, and all tests that need nothing but Python; takes a minute"
	@echo "make test    all tests; needs root, installs what they run (ARGS='-k plan' to choose)"
	@echo "make test-az the tests that drive the emulator with the Azure CLI, which is installed into .az"
	@echo "make fuzz    random lives of random estates, with damage, kills, suspensions and rivals; needs root for"
	@echo "             ARGS='--provider libvirt' (see ARGS=--help)"
	@echo "make fuzz-images"
	@echo "             100,000 damaged disk images, and what QEMU makes of those that are accepted (ARGS=--help)"
	@echo "make crash-matrix"
	@echo "             every point at which a run can be killed, by provider and action, counted"
	@echo "make coverage"
	@echo "             how much of the product the tests of make check run; less than before is an error"
	@echo "make lowest  the tests of make check, with the lowest versions of libraries that are allowed"
	@echo "make lock    renew the versions that make lowest and CI install"
	@echo "make lint    style, types, and the directions of imports"
	@echo "make bench   how fast, beside Terraform, cp and virsh (N=3000 for the large size; ARGS=--help for more)"
	@echo "make docs    bring the documents up to date with the program"
	@echo "make clean   remove what these made in this folder"

demo: $(VENV)/ready
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" reconciler/manifests/examples/demo.sh

demo-libvirt: $(VENV)/ready-to-develop
	@.ci/setup libvirt
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH:/usr/sbin:/sbin" PYTHONPATH=tests $(PYTHON_IN_VENV) -m support.libvirt.ssh reconciler/manifests/examples/demo-libvirt.sh

check: $(VENV)/ready-to-check
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PYTEST) $(COMPUTING) $(SELF_CONTAINED) $(ARGS)

# Threads that start at the same moment trip over each other's trace function in Python 3.11: no failure of the product.
coverage: $(VENV)/ready-to-check
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PYTEST) $(COMPUTING) $(SELF_CONTAINED) -W ignore::pytest.PytestUnraisableExceptionWarning --cov --cov-report=term:skip-covered $(ARGS)

lowest:
	@.ci/setup lowest
	@PATH="$(CURDIR)/.venv-lowest/bin:$$PATH" $(subst $(VENV)/,.venv-lowest/,$(PYTEST)) $(COMPUTING) $(SELF_CONTAINED) $(ARGS)

test: $(VENV)/ready-to-develop
	@.ci/setup tools
	@.ci/setup libvirt
	@.ci/setup azurite
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH:/usr/sbin:/sbin:$(CURDIR)/.tools/node_modules/.bin" $(PYTEST) $(WAITING) $(ARGS)

test-az: $(VENV)/ready-to-develop
	@.ci/setup azurite
	@.ci/setup az
	@PATH="$(CURDIR)/.az/bin:$$PATH:$(CURDIR)/.tools/node_modules/.bin" $(PYTEST) $(WAITING) tests/az $(ARGS)

fuzz: $(VENV)/ready-to-develop
	@.ci/setup tools
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH:/usr/sbin:/sbin:$(CURDIR)/.tools/node_modules/.bin" PYTHONPATH=tests $(PYTHON_IN_VENV) -m fuzz --found tests/fuzz/found $(ARGS)

fuzz-images: $(VENV)/ready-to-develop
	@.ci/setup tools
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" PYTHONPATH=tests $(PYTHON_IN_VENV) -m fuzz_images $(ARGS)

crash-matrix: $(VENV)/ready-to-develop
	@.ci/setup tools
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH:/usr/sbin:/sbin:$(CURDIR)/.tools/node_modules/.bin" PYTHONPATH=tests $(PYTHON_IN_VENV) -m crash.matrix $(ARGS)

bench: $(VENV)/ready-to-develop
	@PATH="$$PATH:/usr/sbin:/sbin" PYTHONPATH=tests $(PYTHON_IN_VENV) -m benchmarks --size $(N) $(ARGS)

lint: $(VENV)/ready-to-check
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@$(PYTHON_IN_VENV) -m pytest tests/test_architecture.py

docs: $(VENV)/ready-to-develop
	@.ci/setup azurite
	@$(PYTHON_IN_VENV) -m reconciler.manifests.schema.reference > docs/manifest.md
	@PYTHONPATH=tests $(PYTHON_IN_VENV) -m support.architecture > docs/architecture.md
	@PYTHONPATH=tests $(PYTHON_IN_VENV) -m support.pictures.terminal
	@PATH="$$PATH:$(CURDIR)/.tools/node_modules/.bin" PYTHONPATH=tests $(PYTHON_IN_VENV) -m support.console README.md $(filter-out docs/manifest.md,$(wildcard docs/*.md))

LOCK := --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links --python-version 3.11

lock: $(VENV)/ready-to-check
	@$(PYTHON_IN_VENV) -m pip install -q uv
	@$(VENV)/bin/uv pip compile $(LOCK) --resolution lowest-direct $(patsubst %,--extra %,azure emulator postgresql) -o .ci/constraints-lowest.txt pyproject.toml
	@$(VENV)/bin/uv pip compile $(LOCK) --universal --generate-hashes --upgrade -o .ci/requirements-check.txt .ci/requirements-check.in
	@$(VENV)/bin/uv pip compile $(LOCK) --universal --generate-hashes --upgrade -o .ci/requirements-release.txt .ci/requirements-release.in

clean:
	rm -rf $(VENV) .venv-lowest .tools .az build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

$(VENV)/ready: pyproject.toml .ci/setup
	@.ci/setup python
	@touch $@

# Without libvirt, whose Python bindings are compiled against its headers.
$(VENV)/ready-to-check: pyproject.toml .ci/setup
	@.ci/setup python test,lint,postgresql,azure,emulator
	@touch $@ $(VENV)/ready

$(VENV)/ready-to-develop: pyproject.toml .ci/setup
	@.ci/setup python test,lint,postgresql,azure,emulator,libvirt
	@touch $@ $(VENV)/ready $(VENV)/ready-to-check
