"""Restore drills: samples, requests, schedules, and what is proved."""
