"""Restore drills at the agent: a scratch place, a restore into it, and a check of its own of what came out."""
