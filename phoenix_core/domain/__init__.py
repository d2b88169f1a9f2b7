"""Types, states, errors and units; no I/O."""
