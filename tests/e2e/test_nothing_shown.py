"""Who has a vault's files and none of its keys learns no name, no content and no size of a file."""

import os
import random
from pathlib import Path

from tests.e2e.rig import Machine

SIZE = 1_234_567
"""Of a file: more than one chunk, and no number that stands for anything else."""
RANDOM = random.Random(4711)


def test_a_vaults_files_show_no_name_no_content_and_no_size(here: Machine) -> None:
    """What is looked for doesn't compress, so that it would be found in anything that isn't sealed."""
    source = here.folder / "source-of-this-test"
    source.mkdir()
    folder, file, link = (some_name() for _ in range(3))
    below = os.path.join(os.fsencode(source), folder)
    os.mkdir(below)
    contents = [RANDOM.randbytes(SIZE), RANDOM.randbytes(200)]
    for name, content in zip((file, b"another-" + file), contents, strict=True):
        Path(os.fsdecode(os.path.join(below, name))).write_bytes(content)
    os.symlink(link, os.path.join(below, b"a link"))
    assert here.json("backup", "one", str(source))["state"] == "successful"
    assert here.json("vault", "verify", "--depth", "chunks")["state"] == "successful"
    here.running_core.stop()

    pieces = [content[at : at + 16] for content in contents for at in range(0, len(content) - 16, 16)]
    told = [os.fsencode(source.name), folder, file, link, *pieces]
    sizes = [str(SIZE).encode(), SIZE.to_bytes(8, "little"), b"\xce" + SIZE.to_bytes(4, "big")]
    for place, wanted in ((here.vault, told + sizes), (here.data / "index", told)):
        shown = names_and_bytes(place)
        assert len(shown) > 1000
        assert [each for each in wanted if each in shown] == []


def some_name() -> bytes:
    return bytes(RANDOM.choice([each for each in range(1, 256) if each != ord("/")]) for _ in range(60))


def names_and_bytes(folder: Path) -> bytes:
    """All that somebody with a copy of the folder has, lengths of files too."""
    found: list[bytes] = []
    for path in sorted(folder.rglob("*")):
        found.append(os.fsencode(path.relative_to(folder)))
        if path.is_file():
            found += [str(path.stat().st_size).encode(), path.read_bytes()]
    return b"\n".join(found)
