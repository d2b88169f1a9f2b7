"""A core with very many agents: what it takes, and whether it keeps order."""
