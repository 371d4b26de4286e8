# Everything that a fresh machine needs: Python >= 3.11, git, make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/demo

.PHONY: venv demo test lint clean

venv: $(VENV)/installed

# torch goes first, by itself: what needs it then takes the build that is there
define install
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.$(1)'
endef

$(VENV)/installed: pyproject.toml constraints.txt
	$(call install)
	touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt
	$(call install,[test])
	touch $(VENV)/installed $@

demo: venv
	$(BIN)/vestige demo -o $(RUN) --overwrite

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
