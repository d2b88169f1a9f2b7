"""Full disks at the destination and at the vault. Only root can mount the small file systems that this takes."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.independent_walk import walk
from tests.e2e import tree
from tests.e2e.rig import Machine


def _may_mount() -> bool:
    """Root in a container may lack the right to mount."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _may_mount(), reason="a small file system is needed, which only root can mount")


@contextlib.contextmanager
def _small(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_destination_without_space_is_refused_before_the_first_byte(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=300, size=20_000)
    here.json("backup", "one", str(source))
    with _small(here.folder / "small", "4m") as small:
        answer = here.command("restore", "one", "--to", str(small), "--json").expect(1)
        assert answer.json["error"]["code"] == "not_enough_space"
        assert str(small) in answer.json["error"]["message"]
        assert not list(small.iterdir())
        part = here.json("restore", "one", "--to", str(small), "--path", str(source / "folder-000"))
        assert part["result"]["files"] == 100


def test_a_full_vault_loses_nothing(bare: Machine) -> None:
    here = bare
    with _small(here.folder / "disk", "12m") as disk:
        here.init(vault=disk / "vault")
        here.start_core()
        here.enroll("one")
        here.start_agent()
        here.json("setting", "set", "storage.reserve_bytes", "2M")
        source = tree.make(here.folder / "source", files=150, size=20_000)
        before = walk(source)
        first = here.json("backup", "one", str(source))["snapshot_id"]

        tree.make(source, files=600, size=20_000, seed=2)
        full = here.command("backup", "one", str(source), "--json").expect(1).json
        assert full["error"]["code"] == "storage_full"
        assert full["error"]["hint"]
        tree.restores_as(here, "one", first, source, before)
        assert here.json("vault", "verify", "--depth", "chunks")["state"] == "successful"

        subprocess.run(["mount", "-o", "remount,size=60m", str(disk)], check=True)
        second = here.json("backup", "one", str(source))["snapshot_id"]
        tree.restores_as(here, "one", second, source, walk(source))
        here.clean_up()
