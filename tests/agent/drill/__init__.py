"""Restore drills at the agent."""
