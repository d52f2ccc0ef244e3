# Thin: everything here is one call of the lab. KERNEL= and SCENARIO= are handed on.
LAB := .venv/bin/lab
BOOTSTRAP := python3 lab/cli/bootstrap.py
KERNEL ?=
SCENARIO ?=
MUTANT ?=
ARGS ?=
PYTEST := .venv/bin/python -m pytest
# Two at a time, a file's tests in their order: most tests leave a core idle. The files in the order of tests/conftest.py.
AT_ONCE := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup test-kernel test check test-all test-mutants nightly bisect bench doctor clean
.DEFAULT_GOAL := help

help:
	@echo 'make test-kernel [KERNEL=~/linux] [SCENARIO="smoke ..."] [ARGS="-j 1"]   run scenarios on a kernel'
	@echo 'make setup        prepare everything, run nothing'
	@echo 'make test         test the lab itself, on real VMs       make check     lint, types, layers'
	@echo 'make test-all     test everything, long                  make bench     measure'
	@echo 'make test-mutants [MUTANT=name] [ARGS=-j2]   do the scenarios notice broken drivers?'
	@echo 'make bisect ARGS="--tree ~/linux --good v6.12.43 --bad v6.12.60" SCENARIO=NAME   which commit broke it'
	@echo 'make doctor       what is missing on this host'

setup:
	@$(BOOTSTRAP)
	@$(LAB) prepare

test-kernel:
	@$(BOOTSTRAP)
	@$(LAB) run $(if $(KERNEL),-k '$(KERNEL)') $(ARGS) $(SCENARIO)

nightly: test-kernel

bisect:
	@$(BOOTSTRAP)
	@$(LAB) bisect $(ARGS) $(SCENARIO)

doctor:
	@$(BOOTSTRAP)
	@$(LAB) doctor

check:
	@$(BOOTSTRAP) '[test]'
	.venv/bin/ruff check lab tests bench
	.venv/bin/mypy -p lab
	$(PYTEST) tests/unit/test_layers.py

test:
	@$(BOOTSTRAP) '[test]'
	$(PYTEST) $(AT_ONCE) -m 'not slow' $(ARGS)

test-all:
	@$(BOOTSTRAP) '[test]'
	$(PYTEST) $(AT_ONCE) $(ARGS)
	$(MAKE) test-mutants ARGS=

test-mutants:
	@$(BOOTSTRAP) '[test]'
	.venv/bin/python tests/mutants/run.py $(ARGS) $(MUTANT)

bench:
	@$(BOOTSTRAP) '[test]'
	.venv/bin/python bench/fresh_guest.py
	.venv/bin/python bench/suite.py
	.venv/bin/python bench/longest_first.py
	.venv/bin/python bench/search.py
	.venv/bin/python bench/bisect_step.py
	.venv/bin/python bench/package_bisect.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
