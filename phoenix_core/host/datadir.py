"""The one data directory: where each thing lies, and who holds it."""

import os
from pathlib import Path

import platformdirs

from phoenix_core.host.atomicfile import make_folders
from phoenix_core.host.errors import DataDirectoryInUse, DataDirectoryMissing, DataDirectoryUnusable
from phoenix_core.host.processlock import LockHeld, ProcessLock

ENVIRONMENT = "PHOENIX_DATA"


def default_data_directory() -> Path:
    """PHOENIX_DATA, else the platform's user data directory."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named) if named else Path(platformdirs.user_data_dir("phoenix", appauthor=False))


class DataDirectory:
    """The paths inside a data directory. Nothing is created before `create`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.config = self.root / "phoenix.toml"
        self.vault = self.root / "vault"
        self.index = self.root / "index"
        """The storage node's LMDB environment; always on a local file system."""
        self.catalog = self.root / "catalog.sqlite"
        self.core_socket = self.root / "core.sock"
        """The operators' API, mode 0600."""
        self.storage_socket = self.root / "storage.sock"
        """The storage node's hand-over by file descriptor."""
        self.core_lock = self.root / "core.lock"
        self.pki = self.root / "pki"
        self.agent = self.root / "agent"
        """State of this machine's agent: certificate, key, reports not yet acknowledged, metadata keys."""
        self.node = self.root / "node"
        """State of a storage node that runs alone on this data directory."""
        self.key_holder = self.root / "key-holder.toml"
        self.descriptor_copy = self.root / "vault-copy.json"
        """What this core knows of vault.json, to tell a changed or older one."""
        self.key_file = self.root / "vault.key"
        self.channel_secrets = self.root / "channel-secrets.json"
        """Passwords and secrets of notification channels that no keyring holds, mode 0600."""
        self.logs = self.root / "logs"
        self.spool = self.root / "spool"
        self.bundle = self.root / "bundle"
        """The wheels that a core serves to other servers."""

    def require(self) -> None:
        """Raises DataDirectoryMissing where nothing of a core is in the folder, or no folder is; makes nothing."""
        marks = (self.config, self.catalog, self.key_holder, self.core_lock, self.vault)
        try:
            names = set(os.listdir(self.root))
        except FileNotFoundError as error:
            raise DataDirectoryMissing(what="Phoenix", path=self.root) from error
        except OSError as error:
            raise DataDirectoryUnusable(path=self.root, detail=error.strerror) from error
        if names.isdisjoint(mark.name for mark in marks):
            other = next((part for part in (self.agent, self.node) if part.name in names), None)
            what = f"core, only {other.name}/," if other else "Phoenix"
            raise DataDirectoryMissing(what=what, path=self.root)

    def create(self) -> None:
        """Make the folder, of mode 0700, if it isn't there."""
        try:
            make_folders(self.root)
            for folder in (self.logs, self.spool):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise DataDirectoryUnusable(path=self.root, detail=error.strerror) from error


class CoreLock(ProcessLock):
    """Held by the one core that runs on a data directory."""

    def __init__(self, data: DataDirectory) -> None:
        super().__init__(data.core_lock)
        self._folder = data.root

    def acquire(self) -> None:
        """Raises DataDirectoryInUse where another process holds it."""
        try:
            super().acquire()
        except LockHeld as held:
            raise DataDirectoryInUse(path=self._folder, pid=held.pid or "unknown") from held
