"""`python -m phoenix_core.cli`: the command line without its console script."""

from phoenix_core.cli.main import run

run()
