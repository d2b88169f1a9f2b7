"""An index on a disk that is full, or under a quota that is used up."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.vault.environment import Environment
from phoenix_core.vault.index_errors import IndexFull
from tests.chaos.full_disk import filled, may_mount, small_disk

UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
from phoenix_core.vault.environment import Environment
from phoenix_core.vault.index_errors import IndexFull
environment = Environment(Path(sys.argv[1]), create=True)
table = environment.table("t")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    for number in range(1000):
        environment.write(lambda txn: txn.put(b"%d" % number, bytes(5000), db=table))
except IndexFull:
    print("full after", number)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if not may_mount():
        pytest.skip("a small file system is needed, which only root can mount")
    with small_disk(tmp_path / "disk", "4m") as folder:
        yield folder


@pytest.mark.parametrize("free_bytes", [0, 4096, 12_288, 24_576])
def test_opening_an_index_on_a_full_disk_kills_nobody(disk: Path, free_bytes: int) -> None:
    with filled(disk, free_bytes), pytest.raises(IndexFull):
        Environment(disk / "index", create=True)
    made = Environment(disk / "index", create=True)
    made.table("t")
    made.close()
    with filled(disk, free_bytes):
        Environment(disk / "index").close()


def test_a_quota_that_is_used_up_is_no_damage(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", UNDER_A_LIMIT, os.fspath(tmp_path / "index")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("full after"), done.stderr
