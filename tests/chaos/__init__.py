"""Fault campaigns: `make chaos` runs them; `make test` runs a short part of each."""
