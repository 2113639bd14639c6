# The developer's interface. Needs only Python >= 3.11, pip and make; everything else goes into .venv.
PYTHON ?= python3
UV := .venv/bin/uv
STAMP := .venv/.synced

.PHONY: setup demo test slow lint clean
setup: $(STAMP)

$(STAMP): pyproject.toml uv.lock
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	test -x $(UV) || .venv/bin/python -m pip install -q uv
	VIRTUAL_ENV=$(CURDIR)/.venv $(UV) sync --active --locked --inexact -q
	touch $@

# simulate a transit, reduce it, score it: look at demo/run/report.html
demo: $(STAMP)
	.venv/bin/tsoar demo --out demo

test: $(STAMP)
	.venv/bin/python -m pytest -m "not slow"

slow: $(STAMP)
	VIRTUAL_ENV=$(CURDIR)/.venv $(UV) sync --active --locked --inexact -q --group parity --group browser
	.venv/bin/python -m pytest -m slow

lint: $(STAMP)
	.venv/bin/ruff format --check src tests
	.venv/bin/ruff check src tests
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

clean:
	rm -rf .venv
