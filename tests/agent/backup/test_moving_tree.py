"""A tree that never holds still: whatever others do to it meanwhile, the backup ends well and all of it can be read."""

import os
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from phoenix_core.agentlink.reports import BackupResult
from tests.agent.backup.running import back_up
from tests.agent.vault_rig import VaultRig

REASONS = {"vanished", "changed_type", "ELOOP", "EACCES", "EWOULDBLOCK"}


def mutate(root: Path, outside: Path, rng: random.Random, stop: threading.Event) -> None:
    """Create, write, cut, link, rename, remove and swap kinds, at random, among few names. Links lead `outside`."""
    while not stop.is_set():
        path = root.joinpath(*(rng.choice("abc") for _ in range(rng.randrange(1, 4))))
        other = root.joinpath(*(rng.choice("abc") for _ in range(rng.randrange(1, 4))))
        with suppress(OSError):
            match rng.randrange(10):
                case 0 | 1 | 2:
                    write(path, rng.randbytes(rng.choice((0, 10, 5000, 300_000))))
                case 3:
                    os.truncate(path, rng.randrange(4000))
                case 4:
                    path.mkdir(parents=True)
                case 5:
                    path.rename(other)
                case 6:
                    path.symlink_to(outside)
                case 7:
                    os.mkfifo(path)
                case 8:
                    other.hardlink_to(path)
                case _:
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path)
                    else:
                        path.unlink()


def write(path: Path, data: bytes) -> None:
    """A FIFO that nobody reads is no reason to wait."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o644)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


@contextmanager
def moving(root: Path, outside: Path, seed: int) -> Iterator[None]:
    stop = threading.Event()
    threads = [
        threading.Thread(target=mutate, args=(root, outside, random.Random(seed * 10 + number), stop))
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("seed", range(3))
def test_backups_of_a_moving_tree(rig: VaultRig, source: Path, tmp_path: Path, seed: int) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("not for the backup")
    (source / "still").write_bytes(b"does not move")
    last: BackupResult | None = None
    with moving(source, outside, seed):
        for _ in range(3):
            last, _ports = back_up(rig, source, parent=last, workers=2)
            entries = rig.entries(last.snapshot_id)
            for path, entry in entries.items():
                if entry.is_file:
                    assert len(rig.content(entry)) == entry.size, path
            assert rig.content(entries[os.fsencode(source / "still")]) == b"does not move"
            assert {missing.reason for missing in last.missing} <= REASONS
            assert not any(path.startswith(os.fsencode(outside)) or path.endswith(b"/secret") for path in entries)
    quiet, _ = back_up(rig, source, parent=last)
    assert (quiet.missing_count, quiet.changed_while_read) == (0, ())
    entries = rig.entries(quiet.snapshot_id)
    for folder, _, files in os.walk(os.fsencode(source)):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    assert rig.content(entries[path]) == file.read()
