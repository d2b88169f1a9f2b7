"""Backs up files on Linux (WF5): scan, estimate, transfer by worker processes, trees, snapshot."""
