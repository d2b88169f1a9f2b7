"""Alerts: what wants an operator is derived from the state of things, kept in the catalog, and resolves by itself."""
