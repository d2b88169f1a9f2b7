"""What agents of each released version say and understand, recorded, so that later cores can be held to it.

`python -m tests.agentlink.releases` records the version that runs; a release adds its file, and none is ever changed.
"""

from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent


class Recorded(msgspec.Struct, frozen=True):
    version: str
    agent: list[bytes]
    """Frames that an agent of this version sends, the greeting first."""
    core: list[bytes]
    """Frames that it understands, each with all its fields."""
    required: dict[str, list[str]]
    """By type of frame: the fields without which it can't read one."""


def recorded() -> list[Recorded]:
    return [msgspec.msgpack.decode(file.read_bytes(), type=Recorded) for file in sorted(FOLDER.glob("*.msgpack"))]
