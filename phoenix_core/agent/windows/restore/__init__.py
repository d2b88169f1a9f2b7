"""Restore to a Windows server (WF6): same steps and reports as on Linux, written through the seam."""
