"""The core's own folders, which no backup of an agent on the core's host holds: data directory and vault."""

from phoenix_core.engine.peer_directory import PeerDirectory


class OwnFolders:
    def __init__(self, directory: PeerDirectory, folders: tuple[bytes, ...]) -> None:
        self._directory = directory
        self._folders = folders

    def at(self, agent_id: str) -> tuple[bytes, ...]:
        """Those on the agent's host."""
        agent = self._directory.get(agent_id)
        return self._folders if agent is not None and agent.this_host else ()
