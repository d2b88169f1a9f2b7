"""The generated data: the same bytes on every machine for the same scale."""
