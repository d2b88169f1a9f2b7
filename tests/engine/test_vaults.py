"""A vault is made where there is none and never was one; what tells of an older one keeps a new one from being made."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from phoenix_core.domain.clock import SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.engine.lost_descriptor import describe_anew
from phoenix_core.engine.vault_errors import DescriptorMissing, NoVault, VaultExists, VaultMissing
from phoenix_core.engine.vaults import create_vault, find_vault, is_of, replace_descriptor
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.errors import KeyMissing
from phoenix_core.host.keyholder import Holder, KeyHolder
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.parts import Parts, current_folder
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.environment import Environment
from phoenix_core.vault.errors import NotThisVaultsKey
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.layout import pack_name, record_name
from phoenix_core.vault.packhead import PackHead, seal_head
from phoenix_core.vault.record import FIRST_PREVIOUS, Record, RecordKind, sign
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.wrap import check_descriptor, new_vault_id, unwrap_any, wrap
from tests.engine.rig import CHEAP, PASSPHRASE

MADE_AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    data = DataDirectory(tmp_path / "data")
    data.create()
    return data


def make(data: DataDirectory, folder: Path | None = None) -> tuple[VaultDescriptor, VaultKey]:
    """As `vault init` does it."""
    holder = KeyHolder(data, {})

    def keep(key: VaultKey, described: VaultDescriptor) -> None:
        holder.store(Holder.FILE, described.vault_id, key.to_bytes(), place=str(folder or data.vault), provisional=True)

    made = create_vault(data, PASSPHRASE, keep, folder=folder, cost=CHEAP)
    holder.confirm()
    return made


def refused(data: DataDirectory, folder: Path | None = None) -> PhoenixError:
    """What making a vault is refused with; the key's holder must not be asked."""

    def keep(key: VaultKey, described: VaultDescriptor) -> None:
        raise AssertionError("the key was given away")

    before = folder.exists() if folder else data.vault.exists()
    with pytest.raises(PhoenixError) as caught:
        create_vault(data, PASSPHRASE, keep, folder=folder, cost=CHEAP)
    assert (folder or data.vault).exists() == before, "nothing is made at a mount point"
    return caught.value


def put_record(folder: Path, key: VaultKey) -> None:
    record = Record(1, FIRST_PREVIOUS, int(MADE_AT.timestamp() * 1e9), RecordKind.COMMIT, "s1", bytes(32), bytes(32))
    put(folder, record_name(1), sign(record, key.record_signing_key()))


def put_pack(folder: Path, key: VaultKey, vault_id: str) -> None:
    head = PackHead(PackKind.DATA, vault_id, "s1", "default", 1, bytes(16))
    put(folder, pack_name(PackKind.DATA, PackId(bytes(32))), seal_head(head, bytes(32), key.public_key()).encode())


def put(folder: Path, name: str, content: bytes) -> None:
    store = LocalStore(folder)
    store.put(name, content)
    store.close()


# --- when one was made ------------------------------------------------------------------------------------------------


def test_one_that_is_there_is_found_and_not_made_again(data: DataDirectory) -> None:
    described, _ = make(data)
    assert find_vault(data, data.vault) == described
    assert isinstance(refused(data), VaultExists)


def test_where_none_ever_was_there_is_none(data: DataDirectory) -> None:
    with pytest.raises(NoVault):
        find_vault(data, data.vault)
    (data.vault / "packs" / "data" / "00").mkdir(parents=True)
    (data.vault / "packs" / "data" / ".hidden").touch()
    with pytest.raises(NoVault):
        find_vault(data, data.vault)
    make(data)


def test_one_whose_folder_is_away_is_named_with_its_place(data: DataDirectory) -> None:
    described, _ = make(data)
    shutil.rmtree(data.vault)
    error = refused(data)
    assert isinstance(error, VaultMissing)
    assert described.vault_id in error.message
    assert str(data.vault) in error.message
    with pytest.raises(VaultMissing):
        find_vault(data, data.vault)


def test_one_whose_place_was_changed_is_named_with_the_place_where_it_was_made(
    data: DataDirectory, tmp_path: Path
) -> None:
    described, _ = make(data)
    error = refused(data, tmp_path / "elsewhere")
    assert isinstance(error, VaultMissing)
    assert described.vault_id in error.message
    assert str(data.vault) in error.message
    assert str(tmp_path / "elsewhere") in error.message


def test_one_whose_record_is_of_an_older_form_is_missed_too(data: DataDirectory) -> None:
    data.key_holder.write_text(f'holder = "file"\nvault = "{"ab" * 16}"\n')
    assert isinstance(refused(data), VaultMissing)
    assert "ab" * 16 in refused(data).message


def test_a_record_that_can_not_be_read_is_no_leave(data: DataDirectory) -> None:
    data.key_holder.write_text("nonsense")
    assert isinstance(refused(data), KeyMissing)


def test_an_index_tells_of_a_vault(data: DataDirectory) -> None:
    vault_id = new_vault_id()
    environment = Environment(current_folder(data.index), create=True)
    store = LocalStore(data.root / "any")
    Parts(environment, store, vault_id, SystemClock(), 1.0).close()
    store.close()
    error = refused(data)
    assert isinstance(error, VaultMissing)
    assert vault_id in error.message
    (current_folder(data.index) / "data.mdb").write_bytes(b"damaged" * 4096)
    assert isinstance(refused(data), VaultMissing)


@pytest.mark.parametrize(
    "name",
    ["packs/data/00/" + "0" * 64, "packs/meta/ab/" + "ab" * 32, "records/0000000000000001", "snapshots/" + "0" * 64],
)
def test_a_folder_with_anything_of_a_vault_is_taken(data: DataDirectory, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "disk"
    put(folder, name, b"x")
    before = sorted(folder.rglob("*"))
    error = refused(data, folder)
    assert isinstance(error, DescriptorMissing)
    assert str(folder) in error.message
    assert "change-passphrase" in error.what_to_do
    with pytest.raises(DescriptorMissing):
        find_vault(data, folder)
    assert sorted(folder.rglob("*")) == before


# --- when one nearly was ----------------------------------------------------------------------------------------------


def test_a_making_that_was_cut_off_does_not_keep_from_another(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*args: object, **options: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "put", cut_off)
        with pytest.raises(KeyboardInterrupt):
            make(data)
    with pytest.raises(NoVault):
        find_vault(data, data.vault)
    described, key = make(data)
    assert KeyHolder(data, {}).load() == key.to_bytes()
    assert is_of(data.vault, described.vault_id)


def test_a_holder_that_fails_leaves_nothing_behind(data: DataDirectory) -> None:
    data.key_file.mkdir()
    with pytest.raises(PhoenixError):
        make(data)
    data.key_file.rmdir()
    make(data)


# --- a lost vault.json ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["records", "packs", "both"])
def test_a_lost_descriptor_is_told_anew_from_the_key(data: DataDirectory, kept: str) -> None:
    lost, key = make(data)
    if kept != "packs":
        put_record(data.vault, key)
    if kept != "records":
        put_pack(data.vault, key, lost.vault_id)
    (data.vault / "vault.json").unlink()
    described = describe_anew(data, data.vault, key)
    check_descriptor(described, key)
    assert (described.vault_id, described.default_domain, described.epoch) == (lost.vault_id, "default", 1)
    assert kept == "packs" or described.created_at == MADE_AT
    assert not described.wrapped_keys

    replace_descriptor(data.vault, msgspec.structs.replace(described, wrapped_keys=(wrap(key, "a new one", CHEAP),)))
    found = find_vault(data, data.vault)
    assert unwrap_any(found.wrapped_keys, "a new one").to_bytes() == key.to_bytes()


Fill = Callable[[DataDirectory, VaultKey, str], None]


@pytest.mark.parametrize(
    "fill",
    [
        lambda data, key, vault_id: put_record(data.vault, VaultKey.generate()),
        lambda data, key, vault_id: put_pack(data.vault, VaultKey.generate(), vault_id),
        lambda data, key, vault_id: put_pack(data.vault, key, new_vault_id()),
        lambda data, key, vault_id: put(data.vault, "packs/data/00/" + "0" * 64, b"no pack"),
    ],
)
def test_nothing_is_told_of_a_folder_that_the_key_does_not_prove_its_own(data: DataDirectory, fill: Fill) -> None:
    lost, key = make(data)
    fill(data, key, lost.vault_id)
    (data.vault / "vault.json").unlink()
    with pytest.raises(NotThisVaultsKey):
        describe_anew(data, data.vault, key)


def test_nothing_is_told_of_a_folder_that_is_empty(data: DataDirectory) -> None:
    """It may be where the disk is to be mounted."""
    _, key = make(data)
    (data.vault / "vault.json").unlink()
    with pytest.raises(VaultMissing):
        describe_anew(data, data.vault, key)
