"""Who holds the vault's key on this host: the OS keyring, a systemd credential, or a file that only its owner reads.

`DATA/key-holder.toml` records which, and for which vault; the key itself is never logged, shown or put into an error.
Kept form, in every holder: the 32 bytes in lower-case hex, one line. No vault's key takes the place of another's.
"""

import binascii
import json
import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.host.atomicfile import sync_folder, write_atomic
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.errors import (
    KeyFileTaken,
    KeyHolderFailed,
    KeyHolderLocked,
    KeyHolderUnfit,
    KeyMissing,
    KeyOfOtherVault,
)
from phoenix_core.host.oskeyring import SERVICE, KeyringClosed, NoKeyring, with_keyring

KEY_BYTES = 32
CREDENTIAL_NAME = "phoenix-vault-key"
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
"""Set by systemd for a unit with LoadCredential= or LoadCredentialEncrypted=; see systemd.exec(5)."""

T = TypeVar("T")


class Holder(StrEnum):
    KEYRING = "keyring"
    CREDENTIAL = "credential"
    FILE = "file"


class KeyRecord(msgspec.Struct, frozen=True):
    """What `key-holder.toml` says."""

    holder: Holder
    vault_id: str
    place: str = ""
    """Where the vault was made, as `names.shown` writes it; may be empty."""
    provisional: bool = False
    """The vault is being made: unless its vault.json is there, it never came to be."""


def read_record(data: DataDirectory) -> KeyRecord | None:
    """None where no vault was made here. Raises KeyMissing where the record is unreadable."""
    try:
        document = tomllib.loads(data.key_holder.read_text("utf-8"))
        return KeyRecord(
            Holder(document["holder"]),
            str(document["vault"]),
            str(document.get("place", "")),
            bool(document.get("provisional", False)),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        raise KeyMissing(detail=f"{data.key_holder} is unreadable ({error})") from error


class HolderStatus(msgspec.Struct, frozen=True):
    """For `phoenix vault key status` and `doctor`."""

    holder: Holder | None
    """None: no vault was made here yet."""
    vault_id: str
    available: bool
    detail: str
    """Where the key is, or why it can't be had."""


class KeyHolder:
    """The vault key of one data directory. `environment` is os.environ's content; `service`: no person is at hand."""

    def __init__(self, data: DataDirectory, environment: Mapping[str, str], *, service: bool = False) -> None:
        self._data = data
        self._environment = environment
        self._service = service

    # --- reading -----------------------------------------------------------------------------------------------------

    def recorded(self) -> KeyRecord | None:
        """As `read_record`."""
        return read_record(self._data)

    def load(self) -> bytes:
        """The key, 32 bytes, within two seconds. Raises KeyMissing, KeyHolderLocked, KeyHolderUnfit."""
        recorded = self.recorded()
        if recorded is None:
            raise KeyMissing(detail=f"{self._data.key_holder} doesn't exist: this data directory never held one")
        return self._read(recorded.holder, recorded.vault_id)

    def status(self) -> HolderStatus:
        """Never raises for a key that can't be had."""
        try:
            recorded = self.recorded()
            if recorded is None:
                return HolderStatus(None, "", available=False, detail="no vault was made here yet")
        except KeyMissing as error:
            return HolderStatus(None, "", available=False, detail=str(error))
        holder, vault_id = recorded.holder, recorded.vault_id
        try:
            self._read(holder, vault_id)
        except (KeyMissing, KeyHolderLocked, KeyHolderUnfit) as error:
            return HolderStatus(holder, vault_id, available=False, detail=str(error))
        return HolderStatus(holder, vault_id, available=True, detail=self._place(holder))

    # --- changing ----------------------------------------------------------------------------------------------------

    def best(self) -> Holder:
        """The holder for a new vault: a keyring that opens at once, unless this is a service; else the file."""
        if self._service:
            return Holder.CREDENTIAL if self._credential() is not None else Holder.FILE
        try:
            self._keyring(lambda keyring: keyring.get_password(SERVICE, "probe"))
        except (KeyHolderLocked, KeyHolderUnfit):
            return Holder.FILE
        return Holder.KEYRING

    def store(self, holder: Holder, vault_id: str, key: bytes, *, place: str = "", provisional: bool = False) -> None:
        """Give the key to a holder, read it back, and record who has it. `place`: where the vault was made.
        `provisional`: the vault is not there yet; `confirm` when it is.

        Raises KeyOfOtherVault, KeyFileTaken, KeyHolderFailed, KeyHolderLocked, KeyHolderUnfit."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a vault key has {KEY_BYTES} bytes")
        before = self._recorded_or_none()
        self._check_free(before, holder, vault_id, key)
        if not place and before is not None and before.vault_id == vault_id:
            place = before.place
        record = KeyRecord(holder, vault_id, place, provisional)
        if not provisional:
            self._give(holder, vault_id, key)
            self._record(record)
            return
        self._record(record)  # before the key, so that one left by a crash is known for what it is
        try:
            self._give(holder, vault_id, key)
        except PhoenixError:
            if before is None:
                self._data.key_holder.unlink()
            else:
                self._record(before)
            raise

    def confirm(self) -> None:
        """The vault whose key is recorded is there. Raises KeyMissing, KeyHolderFailed."""
        recorded = self.recorded()
        if recorded is not None and recorded.provisional:
            self._record(msgspec.structs.replace(recorded, provisional=False))

    def move(self, to: Holder, key: bytes | None = None, vault_id: str | None = None, *, place: str = "") -> None:
        """Move the key to another holder; the one before forgets it once the new one is known to have it.

        `key`, `vault_id` and `place` are needed only where the present holder can't give the key (opened with the
        passphrase). Raises as `load` and `store`."""
        recorded = self._recorded_or_none()
        if key is None:
            key = self.load()
        if vault_id is None:
            if recorded is None:
                raise KeyMissing(detail=f"{self._data.key_holder} doesn't say for which vault")
            vault_id = recorded.vault_id
        self.store(to, vault_id, key, place=place)
        if recorded is not None and recorded.vault_id == vault_id and recorded.holder is not to:
            self._forget(recorded.holder, recorded.vault_id)

    def _recorded_or_none(self) -> KeyRecord | None:
        try:
            return self.recorded()
        except KeyMissing:
            return None

    def _record(self, record: KeyRecord) -> None:
        lines = [
            "# Who holds the vault's key; `phoenix vault key move` changes it.",
            f'holder = "{record.holder}"',
            f'vault = "{record.vault_id}"',
        ]
        if record.place:
            lines.append(f"place = {json.dumps(record.place, ensure_ascii=False)}")
        if record.provisional:
            lines.append("provisional = true")
        try:
            write_atomic(self._data.key_holder, ("\n".join(lines) + "\n").encode())
        except OSError as error:
            raise KeyHolderFailed(holder=record.holder, detail=str(error.strerror)) from error

    def _check_free(self, recorded: KeyRecord | None, holder: Holder, vault_id: str, key: bytes) -> None:
        """Raises KeyOfOtherVault, KeyFileTaken, and KeyHolderFailed for a file that can't be looked at."""
        if recorded is not None and not recorded.provisional and recorded.vault_id != vault_id:
            raise KeyOfOtherVault(vault=vault_id, held=recorded.vault_id, holder=recorded.holder)
        left_over = recorded is not None and recorded.provisional and recorded.holder is holder
        if holder is not Holder.FILE or left_over:
            return
        try:
            there = _decode(_read_file(self._data.key_file), str(self._data.key_file))
        except KeyMissing:
            return  # nothing, or no key
        except KeyHolderLocked as error:
            raise KeyHolderFailed(holder=holder, detail=str(error.fields["detail"])) from error
        if there != key:
            raise KeyFileTaken(path=self._data.key_file, vault=vault_id)

    def _give(self, holder: Holder, vault_id: str, key: bytes) -> None:
        """Raises KeyHolderFailed where the holder doesn't give back what it was given, and what it raises itself."""
        self._write(holder, vault_id, key)
        try:
            kept = self._read(holder, vault_id)
        except KeyMissing as error:
            raise KeyHolderFailed(holder=holder, detail="it doesn't give back what it was given") from error
        if kept != key:
            raise KeyHolderFailed(holder=holder, detail="it holds another key")

    # --- the three holders -------------------------------------------------------------------------------------------

    def _place(self, holder: Holder) -> str:
        match holder:
            case Holder.KEYRING:
                return f"in the OS keyring, as {SERVICE}"
            case Holder.CREDENTIAL:
                return f"systemd credential {CREDENTIAL_NAME}"
            case Holder.FILE:
                return f"{self._data.key_file}, readable by its owner only"

    def _read(self, holder: Holder, vault_id: str) -> bytes:
        match holder:
            case Holder.KEYRING:
                text = self._keyring(lambda keyring: keyring.get_password(SERVICE, vault_id))
                if text is None:
                    raise KeyMissing(detail=f"the OS keyring has no entry {SERVICE} for vault {vault_id}")
                return _decode(text.encode("utf-8", "replace"), "the entry in the OS keyring")
            case Holder.CREDENTIAL:
                path = self._credential()
                if path is None:
                    detail = f"this process was not given the systemd credential {CREDENTIAL_NAME}"
                    raise KeyMissing(detail=detail)
                return _decode(_read_file(path), f"the systemd credential {CREDENTIAL_NAME}")
            case Holder.FILE:
                return _decode(_read_private(self._data.key_file), str(self._data.key_file))

    def _write(self, holder: Holder, vault_id: str, key: bytes) -> None:
        match holder:
            case Holder.KEYRING:
                self._keyring(lambda keyring: keyring.set_password(SERVICE, vault_id, key.hex()))
            case Holder.CREDENTIAL:
                if self._credential() is None:
                    raise KeyHolderUnfit(
                        holder=holder,
                        detail=f"only systemd gives credentials; put {CREDENTIAL_NAME} into the unit first "
                        f"(systemd-creds encrypt --name={CREDENTIAL_NAME} {self._data.key_file.name} …, "
                        "LoadCredentialEncrypted=) and run the move inside it",
                    )
            case Holder.FILE:
                try:
                    write_atomic(self._data.key_file, key.hex().encode("ascii") + b"\n", 0o600)
                except OSError as error:
                    raise KeyHolderFailed(holder=holder, detail=str(error.strerror)) from error

    def _forget(self, holder: Holder, vault_id: str) -> None:
        match holder:
            case Holder.KEYRING:
                try:
                    self._keyring(lambda keyring: keyring.delete_password(SERVICE, vault_id))
                except (KeyHolderLocked, KeyHolderUnfit):
                    return  # it can't be opened, which may be why the key is moved away from it
            case Holder.FILE:
                _erase(self._data.key_file)
            case Holder.CREDENTIAL:
                return  # systemd's to take away

    def _credential(self) -> Path | None:
        folder = self._environment.get(CREDENTIALS_DIRECTORY)
        path = Path(folder) / CREDENTIAL_NAME if folder else None
        return path if path is not None and path.exists() else None

    def _keyring(self, action: Callable[[Any], T]) -> T:
        """Do something with the OS keyring. Raises KeyHolderUnfit, KeyHolderLocked (within two seconds)."""
        if self._service:
            raise KeyHolderUnfit(
                holder=Holder.KEYRING, detail="a service has no session that could unlock it; use credential or file"
            )
        try:
            return with_keyring(action)
        except NoKeyring as error:
            raise KeyHolderUnfit(holder=Holder.KEYRING, detail=str(error)) from error
        except KeyringClosed as error:
            raise KeyHolderLocked(holder=Holder.KEYRING, detail=str(error)) from error


def _decode(text: bytes, place: str) -> bytes:
    try:
        key = binascii.unhexlify(text.strip())
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyMissing(detail=f"{place} doesn't hold a key of {KEY_BYTES} bytes") from None
    return key


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KeyMissing(detail=f"{path} doesn't exist") from error
    except OSError as error:
        raise KeyHolderLocked(holder=f"file {path}", detail=error.strerror) from error


def _read_private(path: Path) -> bytes:
    content = _read_file(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyHolderUnfit(
            holder=f"file {path}", detail=f"others may read it (mode {mode:04o}); `chmod 600` it, if they have not"
        )
    return content


def _erase(path: Path) -> None:
    """Overwrite, then remove. On most of today's disks the overwriting is a gesture; it costs nothing."""
    try:
        with path.open("r+b") as file:
            file.write(b"0" * os.fstat(file.fileno()).st_size)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)
