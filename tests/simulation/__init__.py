"""Weeks of a fleet in minutes: a whole core with its agents, a clock that is moved, and a model that predicts."""
