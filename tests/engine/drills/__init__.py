"""Restore drills."""
