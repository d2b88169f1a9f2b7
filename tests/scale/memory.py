"""Memory that a process has for itself alone."""

from pathlib import Path


def private_bytes(pid: int) -> int:
    """Private pages of `/proc/PID/smaps_rollup`, clean and dirty; what it shares with others is not counted."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1]) * 1024
    return total
