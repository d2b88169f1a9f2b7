"""Restores files on Linux (WF6): destination, free space, file set, content by worker processes, metadata."""
