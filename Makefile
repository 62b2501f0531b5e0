# The front door. `make` alone lists what there is.

STACK   ?= qual
ENGINE  ?= rehearsal
VENV    := .venv
RUNS    := $(CURDIR)/.rehearsal
PY      := $(VENV)/bin/python
PYTHON  ?= python3

# Whatever a run leaves behind lies in one ignored folder.
export PYTHONPYCACHEPREFIX := $(RUNS)/cache/python
export HYPOTHESIS_STORAGE_DIRECTORY := $(RUNS)/cache/hypothesis

.DEFAULT_GOAL := help
.PHONY: help setup lock rehearse prove policy parts engine test test-real lint types check clean stop \
	preview up guide backup drill mail-update dmarc adopt rotate changes dashboard new doctor

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  STACK=$(STACK) chooses the declaration. OPTIONS=--live works on the real stack instead of the"
	@echo "  rehearsed world, OPTIONS=--help tells the rest; ENGINE=pulumi rehearses with the genuine CLI."

setup: $(VENV)/.ready ## Make the virtual environment with every pinned package

$(VENV)/.ready: requirements.txt $(wildcard providers/*/pyproject.toml)
	@test -x $(PY) || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=... (`make doctor` says what else is missing)")'
	@# One without pip is what Debian without python3-venv leaves: it is made anew.
	@$(PY) -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); } || { rm -rf $(VENV); \
	echo "The virtual environment was not made: apt-get install python3-venv, then again." >&2; exit 1; }
	@echo "Installing the pinned packages into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check $$(grep '^uv==' requirements.txt)
	@# uv takes a third of pip's time; pip knows package indexes by its own configuration, too.
	@$(VENV)/bin/uv pip install --quiet --python $(PY) -r requirements.txt || \
	$(PY) -m pip install --quiet --disable-pip-version-check --use-pep517 -r requirements.txt
	@touch $@

doctor: ## Say what is missing on this machine; OPTIONS=--live looks at the real accounts
	@# It runs where nothing is set up yet: on the virtual environment if there is one.
	@python=$(PY); test -x $$python || python=$(PYTHON); \
	command -v $$python >/dev/null || { echo "  python        there is no $(PYTHON): apt-get install python3 python3-venv" >&2; exit 3; }; \
	$$python -m operations.doctor --stack $(STACK) $(OPTIONS)

new: setup ## Write the declaration of a new STACK: asks, or takes OPTIONS="--domain ..."; --look asks the DNS
	@$(PY) -m operations new --stack $(STACK) $(OPTIONS)

lock: setup ## Pin anew: resolve requirements.in into requirements.txt
	$(VENV)/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 requirements.in -o requirements.txt

rehearse: setup ## Check, plan and deploy STACK on loopback, and see mail flow
	@$(PY) -m rehearsal run --stack $(STACK) --engine $(ENGINE)

guide: setup ## Write the set-up guide of each person of STACK
	@$(PY) -m operations guide --stack $(STACK)

policy: setup ## Judge STACK by every policy, without engine or network
	@$(PY) -m policies.check --stack $(STACK) $(OPTIONS)

test: setup ## Run every test that needs nothing but Python
	@# A file at a time: what a file deploys once, all its tests share.
	@$(PY) -m pytest -n auto --dist loadfile -m "not real"

parts: setup ## Install the genuine parts that stand-ins are compared with (root, Debian)
	@$(PY) -m rehearsal.parts install

engine: setup ## Build Pulumi's CLI, for ENGINE=pulumi (no root; once for all clones)
	@$(PY) -m rehearsal.parts install pulumi

test-real: parts ## Run every test that needs a genuine part, the engine included
	@$(PY) -m pytest -n auto --dist loadfile -m real

lint: setup ## Check style and mistakes
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

types: setup ## Check types
	@$(VENV)/bin/mypy .
	@for plugin in providers/*/__main__.py; do $(VENV)/bin/mypy $$plugin || exit 1; done

check: lint types test ## Lint, types and tests

preview: setup ## Preview STACK at the real host, with the genuine CLI and the policies
	@pulumi preview --stack $(STACK) --policy-pack policies

up: setup ## Deploy STACK at the real host, with the genuine CLI and the policies
	@pulumi up --stack $(STACK) --policy-pack policies

prove: setup ## Prove the mail of STACK
	@$(PY) -m operations prove --stack $(STACK) $(OPTIONS)

backup: setup ## Back STACK up now, as it does every night
	@$(PY) -m operations backup --stack $(STACK) $(OPTIONS)

drill: setup ## Restore the last backup into an empty place, and compare everything
	@$(PY) -m operations drill --stack $(STACK) $(OPTIONS)

mail-update: setup ## Upgrade Mailcow: what changes, a backup, the upgrade, the proof, the way back
	@$(PY) -m operations update --stack $(STACK) $(OPTIONS)

dmarc: setup ## Collect DMARC reports, and say which stage they carry
	@$(PY) -m operations dmarc --stack $(STACK) $(OPTIONS)

adopt: setup ## Compare what already runs with the declaration, and write the import file
	@$(PY) -m operations adopt --stack $(STACK) $(OPTIONS)

rotate: setup ## Change a credential without losing a message: WHAT=smarthost, ...
	@$(PY) -m operations rotate $(WHAT) --stack $(STACK) $(OPTIONS)

dashboard: setup ## Draw the Grafana dashboard of STACK, with sample data or from a Prometheus
	@$(PY) -m operations dashboard --stack $(STACK) $(OPTIONS)

changes: setup ## Rehearse the documented changes, and write their plans into docs/changes
	@$(PY) -m operations.changes

stop: setup ## Stop whatever a rehearsal left running
	@$(PY) -m rehearsal world stop --stack $(STACK)

clean: ## Remove what runs left behind
	@if test -x $(PY); then $(PY) -m rehearsal world stop --stack $(STACK); fi
	@# Relative: the path of the checkout may hold blanks, quotes or a dollar sign.
	@rm -rf -- .rehearsal
