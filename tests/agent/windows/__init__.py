"""The agent on Windows, on any system: above the seam with volumes in memory, below it with recorded answers."""
