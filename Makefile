# The logic is in scripts/. `make test PYTHON=python3.12` chooses the interpreter.
export PYTHON

.PHONY: help demo test test-long bench bench-peers lint docs clean

help:
	@echo "make demo       start a pretended cluster here, mount it, and show what can be done"
	@echo "make test       install what is missing, then lint, types and all tests but the long ones"
	@echo "make test-long  the long tests"
	@echo "make bench      measure"
	@echo "make bench-peers  measure beside sshfs, rclone and pyFirecREST; takes hours"
	@echo "make docs       build the documentation into build/site"
	@echo "make clean      remove the virtual environment and everything that was built"

demo:
	@scripts/setup.sh demo
	@.venv/bin/python scripts/demo.py

test:
	@scripts/setup.sh test
	@scripts/test.sh

test-long:
	@scripts/setup.sh test
	@.venv/bin/python -m pytest -m long

bench:
	@scripts/setup.sh test
	@.venv/bin/python scripts/bench.py

bench-peers:
	@scripts/setup.sh peers
	@.venv/bin/python -m scripts.bench_peers --write

docs:
	@scripts/setup.sh test
	@.venv/bin/python scripts/reference.py
	@.venv/bin/python -m mkdocs build --strict
	@echo "build/site/index.html"

lint:
	@scripts/setup.sh test
	@scripts/lint.sh

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
