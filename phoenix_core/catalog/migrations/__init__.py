"""The catalog's migrations, run in the core's own process at its start."""
