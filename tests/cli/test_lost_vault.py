"""A vault that was made and isn't there: nothing makes another in its place, and what comes back is whole."""

import os
import shutil
from pathlib import Path

import pytest

from phoenix_core.host.datadir import DataDirectory
from tests.cli.commands import PASSPHRASE, Commands

INIT = ("vault", "init", "--holder", "file")


@pytest.fixture
def used(vault: Commands) -> Commands:
    """On a data directory with a vault that a backup went to."""
    source = vault.root / "source"
    source.mkdir()
    (source / "file").write_bytes(os.urandom(100_000))
    vault.json("quickstart", source)
    return vault


def vault_id(commands: Commands) -> str:
    found: str = commands.json("vault", "key", "status")["vault_id"]
    return found


def kept_key(commands: Commands) -> tuple[bytes, bytes]:
    return commands.data.key_file.read_bytes(), commands.data.key_holder.read_bytes()


def finding(commands: Commands, code: int = 1) -> dict[str, str]:
    (found,) = [each for each in commands.json("doctor", code=code) if each["subject"] == "vault"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("words", [INIT, ("quickstart", "SOURCE"), ("vault", "status")])
def test_a_vault_whose_disk_is_not_mounted_is_missed_and_not_replaced(used: Commands, words: tuple[str, ...]) -> None:
    lost, key = vault_id(used), kept_key(used)
    away = used.root / "away"
    used.data.vault.rename(away)
    error = used.error(*(str(used.root / "source") if word == "SOURCE" else word for word in words))
    assert error["code"] == "vault_missing"
    assert lost in error["message"]
    assert str(used.data.vault) in error["message"]
    assert "--data" in error["hint"]
    assert kept_key(used) == key
    assert not used.data.vault.exists()

    away.rename(used.data.vault)
    assert used.json("vault", "verify", "--depth", "chunks")["state"] == "successful"
    assert len(used.json("snapshot", "list")) == 2


def test_the_doctor_says_which_vault_is_missed_and_not_to_make_another(used: Commands) -> None:
    lost = vault_id(used)
    used.data.vault.rename(used.root / "away")
    found = finding(used)
    assert found["state"] == "error"
    assert lost in found["text"]
    assert "vault init" not in found["text"] + found["hint"]


@pytest.mark.parametrize("words", [INIT, ("quickstart", "SOURCE"), ("vault", "status")])
def test_a_vault_that_lacks_only_its_descriptor_is_not_replaced(used: Commands, words: tuple[str, ...]) -> None:
    lost, key = vault_id(used), kept_key(used)
    (used.data.vault / "vault.json").unlink()
    error = used.error(*(str(used.root / "source") if word == "SOURCE" else word for word in words))
    assert error["code"] == "vault_descriptor_missing"
    assert lost in error["message"]
    assert "phoenix vault key change-passphrase" in error["hint"]
    assert kept_key(used) == key
    assert not (used.data.vault / "vault.json").exists()
    assert finding(used)["state"] == "error"


def test_a_lost_descriptor_is_written_anew_from_the_key(used: Commands) -> None:
    lost = vault_id(used)
    (used.data.vault / "vault.json").unlink()
    new = used.json("vault", "key", "change-passphrase")
    assert new["vault_id"] == lost
    assert used.json("vault", "verify", "--depth", "chunks")["state"] == "successful"
    snapshots = used.json("snapshot", "list")
    assert len(snapshots) == 2

    shutil.rmtree(used.data.root / "index")
    used.data.key_file.unlink()
    used.passphrase_file.write_text(new["recovery_passphrase"])
    used.run("vault", "key", "move", "file", "--recover", "--passphrase-file", used.passphrase_file, code=0)
    used.run("vault", "rebuild-index", code=0)
    assert [each["id"] for each in used.json("snapshot", "list")] == [each["id"] for each in snapshots]


def test_without_key_and_descriptor_nothing_is_written(used: Commands) -> None:
    (used.data.vault / "vault.json").unlink()
    used.data.key_file.unlink()
    assert used.error("vault", "key", "change-passphrase")["code"] == "vault_key_missing"
    assert not (used.data.vault / "vault.json").exists()


def test_a_disk_that_is_not_mounted_gets_no_descriptor(used: Commands) -> None:
    used.data.vault.rename(used.root / "away")
    used.data.vault.mkdir()
    assert used.error("vault", "key", "change-passphrase")["code"] == "vault_missing"
    assert not any(used.data.vault.iterdir())


def test_the_key_of_another_vault_is_not_recovered_over_this_one(vault: Commands) -> None:
    """Of two vaults, each has a data directory of its own."""
    kept = vault.data.root.rename(vault.root / "first")
    vault.make_vault()
    key = kept_key(vault)
    vault.data.config.write_text(f'[storage]\npath = "{kept / "vault"}"\n')
    error = vault.error("vault", "key", "move", "file", "--passphrase-file", vault.passphrase_file)
    assert error["code"] == "vault_key_of_other_vault"
    assert kept_key(vault) == key


def test_another_data_directory_takes_a_new_vault(used: Commands) -> None:
    used.data.vault.rename(used.root / "away")
    other = DataDirectory(used.root / "other")
    used.run(*INIT, "--passphrase-file", used.passphrase_file, "--data", other.root, code=0)
    assert other.key_file.read_bytes() != used.data.key_file.read_bytes()


def test_a_place_that_never_had_a_vault_says_how_to_make_one(commands: Commands) -> None:
    commands.data.create()
    commands.data.config.touch()
    assert commands.error("vault", "status")["code"] == "no_vault"
    assert "vault init" in finding(commands, code=0)["hint"]


def test_a_note_that_was_cut_off_is_made_up_for_by_the_next_core(vault: Commands) -> None:
    with vault.data.key_holder.open("a") as file:
        file.write("provisional = true\n")
    vault.run("vault", "status", code=0)
    assert "provisional" not in vault.data.key_holder.read_text()
    vault.data.vault.rename(vault.root / "away")
    assert vault.error(*INIT)["code"] == "vault_missing"


def test_the_place_is_recorded_where_the_configuration_has_it(commands: Commands, tmp_path: Path) -> None:
    commands.data.create()
    place = tmp_path / 'a "disk"'
    commands.data.config.write_text(f"[core]\nlisten = '127.0.0.1:0'\n[storage]\npath = '{place}'\n")
    commands.run(*INIT, "--passphrase-file", commands.passphrase_file, code=0)
    commands.data.config.write_text("")
    assert str(place) in commands.error(*INIT)["message"]
    assert PASSPHRASE not in commands.data.key_holder.read_text()
