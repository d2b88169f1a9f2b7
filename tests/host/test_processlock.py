"""A lock that one process holds: who it is, and when it is free again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix_core.host.processlock import LockHeld, ProcessLock

HOLD = """
import sys
from pathlib import Path
from phoenix_core.host.processlock import ProcessLock
lock = ProcessLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_held_lock_names_its_process_and_is_free_once_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        lock = ProcessLock(path)
        assert lock.holder() == other.pid
        with pytest.raises(LockHeld) as held:
            lock.acquire()
        assert held.value.pid == other.pid
        other.kill()
    lock.wait_free()
    assert lock.holder() == 0
    lock.acquire()
    assert ProcessLock(path).holder() == os.getpid()
    lock.release()
    assert ProcessLock(path).holder() == 0


def test_nobody_holds_a_lock_that_was_never_made(tmp_path: Path) -> None:
    assert ProcessLock(tmp_path / "a.lock").holder() == 0
    assert list(tmp_path.iterdir()) == []
