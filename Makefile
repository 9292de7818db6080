# Every target sets up what it needs, once; see .ci/setup.
.DEFAULT_GOAL := help
.PHONY: help demo demo-libvirt test test-az bench lint docs clean

VENV := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
N ?= 1000
ARGS ?=

help:
	@echo "make demo    run the quickstart: plan, apply, damage, drift, repair"
	@echo "make demo-libvirt"
	@echo "             the same on two hypervisor hosts, and machines from its images; needs root"
	@echo "make test    all tests (ARGS='-k plan' to choose)"
	@echo "make test-az the tests that drive the emulator with the Azure CLI, which is installed into .az"
	@echo "make lint    style, types, and the directions of imports"
	@echo "make bench   how fast, beside Terraform, cp and virsh (N=3000 for the large size; ARGS=--help for more)"
	@echo "make docs    bring the documents up to date with the program"
	@echo "make clean   remove what these made in this folder"

demo: $(VENV)/ready
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" reconciler/manifests/examples/demo.sh

demo-libvirt: $(VENV)/ready-to-develop
	@.ci/setup libvirt
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH:/usr/sbin:/sbin" PYTHONPATH=tests $(PYTHON_IN_VENV) -m support.libvirt.ssh reconciler/manifests/examples/demo-libvirt.sh

test: $(VENV)/ready-to-develop
	@.ci/setup tools
	@.ci/setup libvirt
	@.ci/setup azurite
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH:/usr/sbin:/sbin:$(CURDIR)/.tools/node_modules/.bin" $(PYTHON_IN_VENV) -m pytest -n auto --dist worksteal -rs $(ARGS)

test-az: $(VENV)/ready-to-develop
	@.ci/setup azurite
	@.ci/setup az
	@PATH="$(CURDIR)/.az/bin:$$PATH:$(CURDIR)/.tools/node_modules/.bin" $(PYTHON_IN_VENV) -m pytest -n auto -rs tests/az $(ARGS)

bench: $(VENV)/ready-to-develop
	@PATH="$$PATH:/usr/sbin:/sbin" PYTHONPATH=tests $(PYTHON_IN_VENV) -m benchmarks --size $(N) $(ARGS)

lint: $(VENV)/ready-to-develop
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

clean:
	rm -rf $(VENV) .tools .az build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/ready: pyproject.toml .ci/setup
	@.ci/setup python
	@touch $@

$(VENV)/ready-to-develop: pyproject.toml .ci/setup
	@.ci/setup python test,lint,postgresql,azure,emulator,libvirt
	@touch $@ $(VENV)/ready
