# The developer's interface. Needs only Python >= 3.11, pip and make; everything else goes into .venv.
PYTHON ?= python3
UV := .venv/bin/uv
STAMP := .venv/.synced
# compiled at once: otherwise the first start of everything does it, seconds each, and again and again where it may not be kept
SYNC = VIRTUAL_ENV=$(CURDIR)/.venv $(UV) sync --active --locked --inexact -q --compile-bytecode

.PHONY: setup demo bench test slow lint docs clean
setup: $(STAMP)

$(STAMP): pyproject.toml uv.lock
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	test -x $(UV) || .venv/bin/python -m pip install -q uv
	$(SYNC)
	touch $@

# simulate a transit, reduce it, score it: look at demo/run/report.html
demo: $(STAMP)
	.venv/bin/tsoar demo --out demo

# tsoar and its peers in turn, on this machine: benchmarks/results.md; EXOTEDRF=/its/own/python adds exotedrf 2.5.0
bench: $(STAMP)
	$(SYNC) --group parity
	.venv/bin/python -m benchmarks $(if $(EXOTEDRF),--exotedrf $(EXOTEDRF))

test: $(STAMP)
	.venv/bin/python -m pytest -n 2 --dist loadfile -m "not slow"

slow: $(STAMP)
	$(SYNC) --all-groups
	.venv/bin/python -m pytest -n 2 --dist loadfile -m slow

# the site: docs/_build/html/index.html
docs: $(STAMP)
	$(SYNC) --group docs
	.venv/bin/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

lint: $(STAMP)
	.venv/bin/ruff format --check src tests benchmarks
	.venv/bin/ruff check src tests benchmarks
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

clean:
	rm -rf .venv
