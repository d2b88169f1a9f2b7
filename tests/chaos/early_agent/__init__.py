"""The command line, `python -m tests.chaos.early_agent …`, whose agents have help with each incremental scan."""

WALKS = "CHAOS_WALKS"
"""Names, in the environment, the file that gets a line for each walk ahead which lasted as long as its scan: how many
folders the scan took from it. Workers read no more than this module."""
