"""Benchmarks: `make bench` measures Phoenix beside the peers that are installed."""
