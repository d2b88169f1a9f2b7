"""Who holds the vault's key: three holders, moves between them, and clear errors within two seconds."""

import stat
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backends import fail, null

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.errors import (
    KeyFileTaken,
    KeyHolderFailed,
    KeyHolderLocked,
    KeyHolderUnfit,
    KeyMissing,
    KeyOfOtherVault,
)
from phoenix_core.host.keyholder import Holder, KeyHolder, KeyRecord
from phoenix_core.host.oskeyring import TIMEOUT_S
from tests.host.memory_keyring import MemoryKeyring
from tests.host.unprivileged import unprivileged

KEY = bytes(range(32))
VAULT = "ab" * 16
OTHER_KEY, OTHER_VAULT = bytes(range(32, 64)), "cd" * 16


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    data = DataDirectory(tmp_path / "data")
    data.create()
    return data


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before, ring = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    ring.answering.set()
    keyring.set_keyring(before)


@pytest.fixture(params=[fail.Keyring, null.Keyring])
def _no_ring(request: pytest.FixtureRequest) -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(request.param())
    yield
    keyring.set_keyring(before)


def holder(data: DataDirectory, credentials: Path | None = None, *, service: bool = False) -> KeyHolder:
    environment = {} if credentials is None else {"CREDENTIALS_DIRECTORY": str(credentials)}
    return KeyHolder(data, environment, service=service)


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """What systemd gives a unit."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "phoenix-vault-key").write_text(KEY.hex() + "\n")
    return folder


def names_the_way_out(error: PhoenixError) -> bool:
    return "phoenix vault key move" in error.what_to_do and KEY.hex() not in str(error) + error.what_to_do


# --- file ------------------------------------------------------------------------------------------------------------


def test_a_file_keeps_the_key_for_its_owner_only(data: DataDirectory) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    assert holder(data).load() == KEY
    assert holder(data, service=True).load() == KEY
    assert stat.S_IMODE(data.key_file.stat().st_mode) == 0o600
    assert holder(data).recorded() == KeyRecord(Holder.FILE, VAULT)
    assert KEY.hex() not in data.key_holder.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_file_that_others_may_read_is_refused(data: DataDirectory, mode: int) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    data.key_file.chmod(mode)
    with pytest.raises(KeyHolderUnfit, match=f"mode 0{mode:o}") as caught:
        holder(data).load()
    assert names_the_way_out(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", KEY.hex()[:-2].encode(), b"\xff" * 64])
def test_a_key_file_that_holds_no_key_is_told(data: DataDirectory, content: bytes) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    data.key_file.write_bytes(content)
    with pytest.raises(KeyMissing, match="32 bytes") as caught:
        holder(data).load()
    assert names_the_way_out(caught.value)


def test_a_lost_key_file_is_told(data: DataDirectory) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    data.key_file.unlink()
    with pytest.raises(KeyMissing, match="doesn't exist") as caught:
        holder(data).load()
    assert names_the_way_out(caught.value)


def test_a_key_file_of_somebody_else_is_told(data: DataDirectory) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    data.key_file.chmod(0)
    reader = holder(data)
    with unprivileged(), pytest.raises((KeyHolderLocked, KeyMissing), match="Permission denied") as caught:
        reader.load()
    assert names_the_way_out(caught.value)


# --- keyring ---------------------------------------------------------------------------------------------------------


def test_the_keyring_keeps_keys_by_vault(data: DataDirectory, ring: MemoryKeyring) -> None:
    holder(data).store(Holder.KEYRING, VAULT, KEY)
    assert holder(data).load() == KEY
    assert list(ring.entries) == [("phoenix-backup", VAULT)]
    assert not data.key_file.exists()


def test_a_locked_keyring_is_told(data: DataDirectory, ring: MemoryKeyring) -> None:
    holder(data).store(Holder.KEYRING, VAULT, KEY)
    ring.locked = True
    with pytest.raises(KeyHolderLocked, match="the collection is locked") as caught:
        holder(data).load()
    assert names_the_way_out(caught.value)


def test_a_broken_keyring_is_told(data: DataDirectory, ring: MemoryKeyring) -> None:
    holder(data).store(Holder.KEYRING, VAULT, KEY)
    ring.broken = True
    with pytest.raises(KeyHolderLocked) as caught:
        holder(data).load()
    assert names_the_way_out(caught.value)


def test_a_keyring_that_waits_for_a_person_is_given_up_after_two_seconds(
    data: DataDirectory, ring: MemoryKeyring
) -> None:
    assert TIMEOUT_S == 2
    holder(data).store(Holder.KEYRING, VAULT, KEY)
    ring.answering.clear()  # it never answers: without the limit, this test would never end
    with pytest.raises(KeyHolderLocked, match="within 2 s") as caught:
        holder(data).load()
    assert names_the_way_out(caught.value)


def test_an_entry_that_is_gone_is_told(data: DataDirectory, ring: MemoryKeyring) -> None:
    holder(data).store(Holder.KEYRING, VAULT, KEY)
    ring.entries.clear()
    with pytest.raises(KeyMissing, match=VAULT) as caught:
        holder(data).load()
    assert names_the_way_out(caught.value)


def test_a_service_takes_no_keyring(data: DataDirectory, ring: MemoryKeyring) -> None:
    holder(data).store(Holder.KEYRING, VAULT, KEY)
    with pytest.raises(KeyHolderUnfit, match="use credential or file") as caught:
        holder(data, service=True).load()
    assert names_the_way_out(caught.value)
    with pytest.raises(KeyHolderUnfit):
        holder(data, service=True).move(Holder.KEYRING, KEY)


@pytest.mark.usefixtures("_no_ring")
def test_a_host_without_a_keyring_says_so(data: DataDirectory) -> None:
    with pytest.raises(KeyHolderUnfit, match="no OS keyring") as refused:
        holder(data).store(Holder.KEYRING, VAULT, KEY)
    assert holder(data).recorded() is None
    assert holder(data).best() is Holder.FILE
    assert "`phoenix vault key move file`" in refused.value.what_to_do
    assert "move keyring" not in refused.value.what_to_do


def test_a_keyring_that_forgets_is_found_out_before_anything_relies_on_it(
    data: DataDirectory, ring: MemoryKeyring
) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    ring.forgetful = True
    with pytest.raises(KeyHolderFailed):
        holder(data).move(Holder.KEYRING)
    assert holder(data).load() == KEY
    assert holder(data).recorded() == KeyRecord(Holder.FILE, VAULT)


# --- credential ------------------------------------------------------------------------------------------------------


def test_a_service_reads_its_credential(data: DataDirectory, credentials: Path) -> None:
    holder(data, credentials, service=True).store(Holder.CREDENTIAL, VAULT, KEY)
    assert holder(data, credentials, service=True).load() == KEY
    assert not data.key_file.exists()


def test_a_process_without_the_credential_is_told(data: DataDirectory, credentials: Path, tmp_path: Path) -> None:
    holder(data, credentials).store(Holder.CREDENTIAL, VAULT, KEY)
    for given in (None, tmp_path / "absent"):
        with pytest.raises(KeyMissing, match="not given the systemd credential") as caught:
            holder(data, given).load()
        assert names_the_way_out(caught.value)


def test_the_key_file_itself_serves_as_credential(data: DataDirectory, tmp_path: Path) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    (tmp_path / "phoenix-vault-key").write_bytes(data.key_file.read_bytes())
    holder(data, tmp_path).move(Holder.CREDENTIAL)
    assert holder(data, tmp_path).load() == KEY
    assert not data.key_file.exists()


def test_the_key_does_not_move_to_a_credential_that_is_another_key(data: DataDirectory, credentials: Path) -> None:
    other = bytes(32)
    holder(data).store(Holder.FILE, VAULT, other)
    with pytest.raises(KeyHolderFailed, match="another key"):
        holder(data, credentials).move(Holder.CREDENTIAL)
    assert holder(data).load() == other


def test_the_key_does_not_move_to_a_credential_that_is_not_there(data: DataDirectory) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    with pytest.raises(KeyHolderUnfit, match="LoadCredentialEncrypted"):
        holder(data).move(Holder.CREDENTIAL)
    assert holder(data).load() == KEY


# --- two vaults ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held_by", [Holder.FILE, Holder.KEYRING])
@pytest.mark.parametrize("given_to", [Holder.FILE, Holder.KEYRING])
@pytest.mark.parametrize("provisional", [False, True])
def test_the_key_of_another_vault_is_not_replaced(
    data: DataDirectory, ring: MemoryKeyring, held_by: Holder, given_to: Holder, provisional: bool
) -> None:
    holder(data).store(held_by, VAULT, KEY, place="/mnt/disk/vault")
    with pytest.raises(KeyOfOtherVault) as caught:
        holder(data).store(given_to, OTHER_VAULT, OTHER_KEY, provisional=provisional)
    assert VAULT in str(caught.value)
    assert holder(data).load() == KEY
    assert holder(data).recorded() == KeyRecord(held_by, VAULT, "/mnt/disk/vault")
    with pytest.raises(KeyOfOtherVault):
        holder(data).move(given_to, OTHER_KEY, OTHER_VAULT)
    assert holder(data).load() == KEY


@pytest.mark.parametrize("record", [None, "", "holder = 1"])
def test_a_key_file_whose_vault_is_not_known_is_not_replaced(data: DataDirectory, record: str | None) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    data.key_holder.unlink()
    if record is not None:
        data.key_holder.write_text(record)
    with pytest.raises(KeyFileTaken) as caught:
        holder(data).store(Holder.FILE, OTHER_VAULT, OTHER_KEY, provisional=True)
    assert str(data.key_file) in str(caught.value)
    assert data.key_file.read_text() == KEY.hex() + "\n"
    holder(data).move(Holder.FILE, KEY, VAULT)
    assert holder(data).load() == KEY


def test_a_key_file_of_another_key_is_not_replaced_by_the_right_one(data: DataDirectory) -> None:
    """Somebody put another vault's file there: it may be the only one."""
    holder(data).store(Holder.FILE, VAULT, KEY)
    data.key_file.write_text(OTHER_KEY.hex())
    with pytest.raises(KeyFileTaken):
        holder(data).move(Holder.FILE, KEY, VAULT)
    assert data.key_file.read_text() == OTHER_KEY.hex()


def test_a_vault_that_never_came_to_be_leaves_its_place_to_the_next(data: DataDirectory, ring: MemoryKeyring) -> None:
    for held_by in (Holder.FILE, Holder.KEYRING, Holder.FILE):
        holder(data).store(held_by, VAULT, KEY, place="/v", provisional=True)
        assert holder(data).recorded() == KeyRecord(held_by, VAULT, "/v", provisional=True)
    holder(data).store(Holder.FILE, OTHER_VAULT, OTHER_KEY, place="/v", provisional=True)
    holder(data).confirm()
    assert holder(data).load() == OTHER_KEY
    assert holder(data).recorded() == KeyRecord(Holder.FILE, OTHER_VAULT, "/v")


def test_a_holder_that_fails_leaves_the_record_as_it_was(data: DataDirectory, ring: MemoryKeyring) -> None:
    ring.forgetful = True
    with pytest.raises(KeyHolderFailed):
        holder(data).store(Holder.KEYRING, VAULT, KEY, provisional=True)
    assert holder(data).recorded() is None
    holder(data).store(Holder.FILE, VAULT, KEY, provisional=True)
    with pytest.raises(KeyHolderFailed):
        holder(data).store(Holder.KEYRING, OTHER_VAULT, OTHER_KEY, provisional=True)
    assert holder(data).recorded() == KeyRecord(Holder.FILE, VAULT, provisional=True)
    assert holder(data).load() == KEY


@pytest.mark.parametrize("place", ['/a b/"quoted"/ü', "/back\\\\slash/\\x7f", "/😀/#no comment"])
def test_the_place_is_kept_whatever_is_in_it(data: DataDirectory, ring: MemoryKeyring, place: str) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY, place=place)
    holder(data).move(Holder.KEYRING)
    assert holder(data).recorded() == KeyRecord(Holder.KEYRING, VAULT, place)


# --- moving, status --------------------------------------------------------------------------------------------------


def test_a_move_leaves_nothing_behind(data: DataDirectory, ring: MemoryKeyring) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    holder(data).move(Holder.KEYRING)
    assert not data.key_file.exists()
    assert holder(data).load() == KEY
    holder(data).move(Holder.FILE)
    assert ring.entries == {}
    assert holder(data).load() == KEY


def test_a_move_to_where_it_is_changes_nothing(data: DataDirectory) -> None:
    holder(data).store(Holder.FILE, VAULT, KEY)
    holder(data).move(Holder.FILE)
    assert holder(data).load() == KEY


def test_a_locked_keyring_is_left_with_the_key_from_the_passphrase(data: DataDirectory, ring: MemoryKeyring) -> None:
    holder(data).store(Holder.KEYRING, VAULT, KEY)
    ring.locked = True
    with pytest.raises(KeyHolderLocked):
        holder(data).move(Holder.FILE)
    holder(data).move(Holder.FILE, KEY)
    assert holder(data).load() == KEY
    assert holder(data).recorded() == KeyRecord(Holder.FILE, VAULT)


def test_a_move_where_nothing_is_recorded_needs_key_and_vault(data: DataDirectory) -> None:
    with pytest.raises(KeyMissing):
        holder(data).move(Holder.FILE)
    with pytest.raises(KeyMissing):
        holder(data).move(Holder.FILE, KEY)
    holder(data).move(Holder.FILE, KEY, VAULT)
    assert holder(data).load() == KEY


def test_a_damaged_record_is_told_and_replaced_by_a_move(data: DataDirectory) -> None:
    data.key_holder.write_text('holder = "moon"')
    with pytest.raises(KeyMissing, match="unreadable") as caught:
        holder(data).load()
    assert names_the_way_out(caught.value)
    assert not holder(data).status().available
    holder(data).move(Holder.FILE, KEY, VAULT)
    assert holder(data).load() == KEY


def test_status_says_who_has_it_and_whether_it_can_be_had(data: DataDirectory, ring: MemoryKeyring) -> None:
    assert holder(data).status().holder is None
    holder(data).store(Holder.KEYRING, VAULT, KEY)
    status = holder(data).status()
    assert (status.holder, status.vault_id, status.available) == (Holder.KEYRING, VAULT, True)
    ring.locked = True
    status = holder(data).status()
    assert (status.holder, status.available) == (Holder.KEYRING, False)
    assert "locked" in status.detail
    assert KEY.hex() not in repr(status)


def test_without_a_vault_the_key_is_missing(data: DataDirectory) -> None:
    with pytest.raises(KeyMissing, match="never held one"):
        holder(data).load()


def test_the_best_holder_is_the_keyring_for_a_person_and_the_file_for_a_service(
    data: DataDirectory, ring: MemoryKeyring, credentials: Path
) -> None:
    assert holder(data).best() is Holder.KEYRING
    ring.locked = True
    assert holder(data).best() is Holder.FILE
    assert holder(data, service=True).best() is Holder.FILE
    assert holder(data, credentials, service=True).best() is Holder.CREDENTIAL


def test_a_key_of_a_wrong_length_is_a_mistake_of_the_caller(data: DataDirectory) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        holder(data).store(Holder.FILE, VAULT, b"short")


def test_a_folder_that_can_not_be_written_is_told(data: DataDirectory) -> None:
    data.key_file.mkdir()
    with pytest.raises(KeyHolderFailed):
        holder(data).store(Holder.FILE, VAULT, KEY)
    assert holder(data).recorded() is None
