"""The steps of a file server's backup, which differ with its system."""

import msgspec


class FileBackupPlan(msgspec.Struct, frozen=True):
    agent_runs: str
    """Id of the step that makes sure of it."""
    steps: tuple[tuple[str, str], ...]
    """Ids and titles, in order."""
