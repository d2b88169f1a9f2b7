"""The one place that touches Windows: its API through ctypes, and CIM through PowerShell. Implements `seam`."""
