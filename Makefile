# SPDX-License-Identifier: GPL-2.0-only
# What a user types. The modules' own build is kernel/Kbuild, which the kernel's build system reads.

KERNEL ?= deb:6.12
SUITE ?=
K ?=
KDIR ?= /lib/modules/$(shell uname -r)/build

VENV := .venv
RUN_OPTIONS = --kernel '$(KERNEL)' $(if $(K),-k '$(K)')

.PHONY: help
help:
	@echo "make run      install what is missing, boot a VM, run the tests in it, write a report"
	@echo "              [KERNEL=deb:6.12] [SUITE=traffic] [K='expression, as for pytest -k']"
	@echo "make test     the project's own tests: lint, unit, build, vm (tox); [KERNEL=...] for build and vm"
	@echo "make test-all the same with each provider of ppiov, all combinations, and the long suites of scripts/long-suites.txt"
	@echo "make modules  only build the kernel modules, with the kernel's own build system [KDIR=$(KDIR)]"
	@echo "make clean    remove what the modules' build left; make distclean: .venv and .tox too"

.PHONY: run
run:
	@scripts/bootstrap.sh run
	@$(VENV)/bin/ppiov run $(SUITE) $(RUN_OPTIONS)

.PHONY: test
test:
	@scripts/bootstrap.sh test
	@PPIOV_KERNEL='$(KERNEL)' $(VENV)/bin/tox

.PHONY: test-all
test-all:
	@scripts/bootstrap.sh test
	@PPIOV_KERNEL='$(KERNEL)' $(VENV)/bin/tox -e lint,unit,build,all
	@scripts/long-suites.sh

.PHONY: modules
modules:
	@test -d '$(KDIR)' || { echo "$(KDIR) is not there: KDIR= must name a kernel's build folder" >&2; exit 2; }
	@$(MAKE) --no-print-directory -C '$(KDIR)' M='$(CURDIR)/kernel' modules

.PHONY: clean
clean:
	@test ! -d '$(KDIR)' || $(MAKE) --no-print-directory -C '$(KDIR)' M='$(CURDIR)/kernel' clean

.PHONY: distclean
distclean:
	@rm -rf $(VENV) .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis
