# The whole course from the command line. `make help` lists the targets.
VENV := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
STAMP := $(VENV)/installed.stamp
# The interpreter that makes the environment; 3.11 is the tested one.
PYTHON ?=
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3.11 python3.12 python3.13 python3 python)
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
ARGS ?=
PROCESSES ?= 1
NOTEBOOKS := $(wildcard notebooks/*.ipynb notebooks/solutions/*.ipynb)

.PHONY: help env demo test fuzz lint lab site nano figures ablations constraints clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

env: $(STAMP)  ## create or update the environment in .venv

$(STAMP): pyproject.toml constraints.txt
	@found=; \
	for candidate in $(CANDIDATES); do \
	  if $$candidate -c '$(IS_NEW_ENOUGH)' >/dev/null 2>&1; then \
	    found=$$candidate; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "minimind-o needs Python 3.11 or newer, and none of these is:" \
	    "$(CANDIDATES). Install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; \
	fi; \
	echo "Creating the environment in $(VENV) with $$($$found --version) (minutes)"; \
	[ -x $(PYTHON_IN_VENV) ] || $$found -m venv $(VENV)
	@$(PYTHON_IN_VENV) -m pip install -q -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(STAMP)  ## ask the nano model and hear it: make demo ARGS='"Say: hello."'
	@$(PYTHON_IN_VENV) -m minimind_o demo $(ARGS)

lint: $(STAMP)
	$(PYTHON_IN_VENV) -m ruff check
	$(PYTHON_IN_VENV) -m ruff format --check
	$(PYTHON_IN_VENV) -m mypy

test: lint  ## lint, types, unit tests and notebooks
	$(PYTHON_IN_VENV) -m pytest -q --nbval --nbval-current-env \
	  --nbval-cell-timeout=600 tests $(NOTEBOOKS)

fuzz: $(STAMP)  ## 100,000 damaged inputs into every reader: make fuzz ARGS='image --inputs 1000'
	OMP_NUM_THREADS=1 $(PYTHON_IN_VENV) -m tests.fuzz --record $(ARGS)

lab: $(STAMP)  ## open the notebooks in JupyterLab
	@$(PYTHON_IN_VENV) -m jupyter lab --ServerApp.root_dir=notebooks $(ARGS)

site: $(STAMP)  ## the course as pages that need no kernel and no network, in build/site
	@$(PYTHON_IN_VENV) -m sphinx -q --fail-on-warning --keep-going -b html \
	  -c site -d build/doctrees notebooks build/site
	@echo build/site/index.html

nano: $(STAMP)  ## rebuild the nano assets: make nano ARGS=mimi
	@$(PYTHON_IN_VENV) -m minimind_o nano $(ARGS)

figures: $(STAMP)  ## redraw every figure from its table, refresh the README's
	@$(PYTHON_IN_VENV) -m minimind_o figures --write-readme
	@$(PYTHON_IN_VENV) -m minimind_o.ablation_plots

ablations: $(STAMP)  ## run all ablations, hours first: make ablations PROCESSES=2
	@$(PYTHON_IN_VENV) -m torch.distributed.run --nproc_per_node $(PROCESSES) \
	  -m minimind_o.ablations all $(ARGS)
	@$(PYTHON_IN_VENV) -m minimind_o.ablation_plots

constraints:  ## write constraints.txt anew from the environment in .venv
	@{ grep '^#' constraints.txt; $(PYTHON_IN_VENV) -m pip freeze --exclude-editable \
	  | grep -viE '^(nvidia-|triton==)'; } > constraints.txt.partial
	@mv constraints.txt.partial constraints.txt

clean:  ## remove the environment, the caches and the demo's output
	rm -rf $(VENV) demo_output build *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
