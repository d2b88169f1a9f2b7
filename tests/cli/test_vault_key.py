"""The vault and its key: made once, moved, exported, recovered."""

import shutil
from pathlib import Path

from phoenix_core.host.datadir import DataDirectory
from tests.cli.commands import PASSPHRASE, Commands

OTHER = "another passphrase altogether"


def test_a_vault_is_made_with_a_passphrase_that_is_printed_once(commands: Commands) -> None:
    made = commands.json("vault", "init", "--holder", "file")
    assert len(made["recovery_passphrase"].split()) >= 5 or len(made["recovery_passphrase"]) >= 20
    status = commands.run("vault", "status", code=0).out
    assert made["vault_id"] in status
    assert made["recovery_passphrase"] not in status
    assert made["recovery_passphrase"] not in commands.data.logs.joinpath("core.log").read_text()


def test_a_second_vault_is_not_made_over_the_first(vault: Commands) -> None:
    before = (vault.data.vault / "vault.json").read_bytes()
    error = vault.error("vault", "init", "--holder", "file")
    assert error["code"] == "vault_exists"
    assert (vault.data.vault / "vault.json").read_bytes() == before
    assert vault.json("vault", "key", "status")["available"]


def test_an_own_passphrase_is_not_printed(commands: Commands) -> None:
    done = commands.run("vault", "init", "--holder", "file", "--passphrase-file", commands.passphrase_file, code=0)
    assert PASSPHRASE not in done.out + done.err


def test_the_key_is_exported_to_a_new_private_file_only(vault: Commands) -> None:
    file = vault.root / "key"
    vault.run("vault", "key", "export", file, code=0)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(file.read_text())) == 32
    assert vault.json("vault", "key", "export", vault.root / "again") == {"file": str(vault.root / "again")}
    assert vault.run("vault", "key", "export", file).code == 2
    assert vault.run("vault", "key", "export", vault.root / "no" / "key").code == 2


def test_the_passphrase_is_changed(vault: Commands) -> None:
    other = vault.root / "other"
    other.write_text(OTHER)
    vault.run("vault", "key", "change-passphrase", "--passphrase-file", other, code=0)
    recover = ("vault", "key", "move", "file", "--recover", "--passphrase-file")
    assert vault.error(*recover, vault.passphrase_file)["code"] == "wrong_passphrase"
    vault.run(*recover, other, code=0)


def test_a_wrong_passphrase_changes_nothing(vault: Commands) -> None:
    wrong = vault.root / "wrong"
    wrong.write_text(OTHER)
    done = vault.run("vault", "key", "move", "file", "--recover", "--passphrase-file", wrong, code=1)
    assert "passphrase" in done.err
    assert vault.json("vault", "key", "status")["available"]


def test_a_vault_alone_and_its_passphrase_are_enough(vault: Commands, tmp_path: Path) -> None:
    """The machine is gone; the vault's folder was on another disk."""
    vault_id = vault.json("vault", "status")["vault_id"]
    kept = vault.root / "kept"
    vault.data.vault.rename(kept)
    shutil.rmtree(vault.data.root)
    new = DataDirectory(vault.root / "new")
    new.create()
    new.config.write_text(f'[core]\nlisten = "127.0.0.1:0"\n[storage]\npath = "{kept}"\n')
    vault.environment["PHOENIX_DATA"] = str(new.root)
    _is_told_how_to_begin(vault, vault_id, kept)
    vault.run("vault", "key", "move", "file", "--recover", "--passphrase-file", vault.passphrase_file, code=0)
    vault.run("vault", "rebuild-index", code=0)
    found = vault.json("vault", "status")
    assert found["vault_id"] == vault_id
    assert found["key_available"]
    assert vault.json("snapshot", "list") == []


def _is_told_how_to_begin(commands: Commands, vault_id: str, place: Path) -> None:
    """Where the key of a vault never was."""
    status = commands.run("vault", "key", "status", code=1).out
    listed = commands.run("snapshot", "list", code=1).err
    for told in (status, listed):
        assert str(place) in told
        assert "vault key move file --recover" in told
    assert vault_id in status
    assert commands.error("snapshot", "list")["code"] == "snapshots_unknown"
    for words in (
        ("vault", "verify"),
        ("vault", "key", "move", "file"),
        ("snapshot", "browse", "latest"),
        ("restore", "web1"),
    ):
        assert "phoenix vault key move file --recover" in commands.error(*words)["hint"]


def test_without_its_key_a_vault_is_locked_and_says_what_to_do(vault: Commands) -> None:
    vault.data.key_file.unlink()
    assert vault.run("vault", "key", "status").code == 1
    error = vault.error("vault", "verify")
    assert "phoenix vault key move" in error["hint"]
    done = vault.run("doctor", code=1)
    assert "phoenix vault key move" in done.out


def test_a_keyring_that_is_not_there_is_an_error_that_names_the_way_out(vault: Commands) -> None:
    error = vault.error("vault", "key", "move", "keyring", code=2)
    assert "vault key move" in error["hint"] or "file" in error["hint"]
    assert vault.json("vault", "key", "status")["holder"] == "file"


def test_a_holder_that_nobody_knows_is_a_mistake(vault: Commands) -> None:
    assert vault.run("vault", "key", "move", "pocket").code == 2
