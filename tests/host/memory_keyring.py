"""A keyring in memory, which can be locked, slow, broken or forgetful; registered as a real backend of `keyring`."""

import threading

import keyring.backend
import keyring.errors


class MemoryKeyring(keyring.backend.KeyringBackend):
    priority = -1
    """Below that of `fail.Keyring`: only a test that sets it gets it, and none that comes later."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False
        self.broken = False
        self.forgetful = False
        self.answering = threading.Event()
        self.answering.set()

    def _open(self) -> None:
        self.answering.wait()
        if self.locked:
            raise keyring.errors.KeyringLocked("the collection is locked")
        if self.broken:
            raise OSError("D-Bus is gone")

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        if not self.forgetful:
            self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._open()
        self.entries.pop((service, username), None)
