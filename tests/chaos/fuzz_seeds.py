"""The golden objects of the vault, from which malformed ones are made."""

from pathlib import Path

from tests.vault import golden_objects

GOLDEN = Path(golden_objects.__file__).parent / "golden"


def golden(*names: str) -> list[bytes]:
    return [(GOLDEN / name).read_bytes() for name in names]
