"""One file per workflow of the specification."""
