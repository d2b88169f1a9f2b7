"""Passwords and secrets of notification channels: in the OS keyring or, where there is none or nobody to unlock it, in
a file that only its owner reads. They are never in the catalog, the log, the audit log or an exported configuration.

`DATA/channel-secrets.json` is a map of channel ids to secrets; the keyring has one entry for each, named `channel ID`.
"""

import stat
from enum import StrEnum
from typing import Any

import msgspec

from phoenix_core.host.atomicfile import write_atomic
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.errors import SecretUnavailable
from phoenix_core.host.oskeyring import SERVICE, KeyringClosed, NoKeyring, with_keyring

_CLOSED_TO_SERVICES = "it is in the OS keyring (entry {entry} of " + SERVICE + "), which a service can't open"


class SecretHolder(StrEnum):
    KEYRING = "keyring"
    FILE = "file"


class ChannelSecrets:
    """Of one data directory. `service`: no person is at hand to unlock a keyring. Methods block, for two seconds at
    most."""

    def __init__(self, data: DataDirectory, *, service: bool) -> None:
        self._file = data.channel_secrets
        self._service = service

    def put(self, channel_id: str, secret: str) -> SecretHolder:
        """Keep the secret; returns who holds it. Raises SecretUnavailable."""
        holder = SecretHolder.FILE
        if not self._service:
            try:
                with_keyring(lambda keyring: keyring.set_password(SERVICE, _entry(channel_id), secret))
                holder = SecretHolder.KEYRING
            except (NoKeyring, KeyringClosed):
                pass  # the file takes it
        self._change_file(channel_id, secret if holder is SecretHolder.FILE else None)
        return holder

    def get(self, channel_id: str, holder: str) -> str:
        """Raises SecretUnavailable."""
        if holder == SecretHolder.FILE:
            found = self._read_file().get(channel_id)
            place = str(self._file)
        else:
            if self._service:
                raise SecretUnavailable(detail=_CLOSED_TO_SERVICES.format(entry=_entry(channel_id)))
            try:
                found = with_keyring(lambda keyring: keyring.get_password(SERVICE, _entry(channel_id)))
            except (NoKeyring, KeyringClosed) as error:
                raise SecretUnavailable(detail=f"the OS keyring: {error}") from error
            place = "the OS keyring"
        if not isinstance(found, str) or not found:
            raise SecretUnavailable(detail=f"{place} doesn't hold it")
        return found

    def forget(self, channel_id: str, holder: str) -> None:
        """One that isn't there is forgotten. Raises SecretUnavailable where it may still be there."""
        if holder == SecretHolder.FILE:
            self._change_file(channel_id, None)
        elif holder == SecretHolder.KEYRING:
            if self._service:
                raise SecretUnavailable(detail=_CLOSED_TO_SERVICES.format(entry=_entry(channel_id)))
            try:
                with_keyring(lambda keyring: _delete(keyring, _entry(channel_id)))
            except (NoKeyring, KeyringClosed) as error:
                detail = f"the entry {_entry(channel_id)} of {SERVICE} in the OS keyring: {error}"
                raise SecretUnavailable(detail=detail) from error

    def _read_file(self) -> dict[str, str]:
        try:
            mode = stat.S_IMODE(self._file.stat().st_mode)
            if mode & 0o077:
                detail = f"others may read {self._file} (mode {mode:04o}); `chmod 600` it, if they have not"
                raise SecretUnavailable(detail=detail)
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            raise SecretUnavailable(detail=f"{self._file} can't be read: {error}") from error

    def _change_file(self, channel_id: str, secret: str | None) -> None:
        before = self._read_file()
        after = {each: kept for each, kept in before.items() if each != channel_id}
        if secret is not None:
            after[channel_id] = secret
        if after == before:
            return
        try:
            write_atomic(self._file, msgspec.json.encode(after) + b"\n", 0o600)
        except OSError as error:
            raise SecretUnavailable(detail=f"{self._file} can't be written: {error.strerror}") from error


def _entry(channel_id: str) -> str:
    return f"channel {channel_id}"


def _delete(keyring: Any, entry: str) -> None:
    """Some keyrings refuse to delete what isn't there."""
    if keyring.get_password(SERVICE, entry) is not None:
        keyring.delete_password(SERVICE, entry)
