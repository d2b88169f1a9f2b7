"""Quick trees of ordinary files for tests whose subject isn't the entries, and what the tests ask of them."""

import random
import tempfile
from pathlib import Path

from tests.agent.independent_walk import Facts, differences, walk
from tests.e2e.rig import Machine


def make(root: Path, *, files: int, size: int, seed: int = 1, in_folder: int = 100) -> Path:
    """`files` files of `size` random bytes each, in folders of `in_folder`."""
    rng = random.Random(seed)
    for number in range(files):
        folder = root / f"folder-{number // in_folder:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number:05d}").write_bytes(rng.randbytes(size))
    return root


def below(target: Path, path: Path) -> Path:
    """Where a restore to another folder puts what lay at `path`."""
    return target.joinpath(*path.parts[1:])


def restores_as(here: Machine, server: str, snapshot: str, source: Path, expected: dict[bytes, Facts]) -> None:
    """The snapshot comes back as `expected`, which `walk` gave when it was made."""
    target = Path(tempfile.mkdtemp(prefix="back-", dir=here.folder))
    here.json("restore", server, "--snapshot", snapshot, "--path", str(source), "--to", str(target))
    assert differences(expected, walk(below(target, source))) == []
