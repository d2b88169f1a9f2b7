# Phoenix: `make run` backs up and restores a folder, `make test` runs the tests. Both set up .venv first.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint check chaos simulate scale bench bench-remote bench-memory bench-timeleft bench-pagecache lock pictures docs clean setup

# SRC (of the command line or the environment) reaches the shell as a variable, so that blanks in it do no harm.
run: setup
	@$(BIN)/phoenix quickstart $${SRC:+-- "$$SRC"}

test: setup
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint test

# Fault campaigns: CAMPAIGN=name for one of them, FULL=1 for all rounds, SEED=n and ROUNDS=n to repeat one.
chaos: setup
	@$(BIN)/python -m tests.chaos $(CAMPAIGN) $(if $(FULL),--full --record) $(if $(SEED),--seed $(SEED)) \
		$(if $(ROUNDS),--rounds $(ROUNDS))

# A fortnight of fifty servers with a clock that is moved, against a model of their policies: SEED=n, ROUNDS=n.
simulate: setup
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS))

# A core with 1,000 simulated agents: memory for each, a schedule that is due for all at once, a console beside it.
scale: setup
	@$(BIN)/python -m tests.scale $(if $(AGENTS),--agents $(AGENTS))

# Measure beside the peers that are on the PATH: PARTS=ab for some sets of data, PEERS=restic,kopia for some of them,
# ROUNDS=n, QUICK=1 for a tenth in two minutes, WRITE=1 to put the tables into docs/performance.md.
bench: setup
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(PARTS),--parts $(PARTS)) $(if $(PEERS),--peers $(PEERS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(WRITE),--write)

# Measure through a line of 1 Gbit/s and 20 ms, as root; ROUNDS=n and WRITE=1 as above.
bench-remote: setup
	@$(BIN)/python -m bench.remote $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(WRITE),--write)

# Measure peak memory as one folder and one file grow; WRITE=1 as above.
bench-memory: setup
	@$(BIN)/python -m bench.growth $(if $(WRITE),--write)

# Measure how far off the time left is that jobs tell; WRITE=1 as above.
bench-timeleft: setup
	@$(BIN)/python -m bench.timeleft $(if $(WRITE),--write)

# Count the pages of files that are in memory before and after jobs that read them; WRITE=1 as above.
bench-pagecache: setup
	@$(BIN)/python -m bench.pagecache $(if $(WRITE),--write)

# Quick when the environment is ready; builds it otherwise.
setup:
	@PYTHON="$(PYTHON)" scripts/setup-venv "$(VENV)"

# The locked development environment, from pyproject.toml.
lock: setup
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command "make lock" --output-file requirements.lock --quiet

# Draw the console's snapshot pictures anew, after looking at the difference.
pictures: setup
	@$(BIN)/python -m pytest tests/tui --snapshot-update

# Write the pages that come from the code anew: errors, commands, the operators' API.
docs: setup
	@$(BIN)/python -m scripts.error_catalogue
	@$(BIN)/python -m scripts.command_reference
	@$(BIN)/python -m scripts.api_reference

clean:
	@rm -rf $(VENV) build dist *.egg-info
