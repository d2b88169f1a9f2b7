"""The two kinds of chunks, blocks and packs, kept apart so that no file's bytes can ever pass for a tree."""

from enum import StrEnum


class PackKind(StrEnum):
    DATA = "data"
    META = "meta"
    """Trees and lists. Never archived."""

    @property
    def code(self) -> int:
        """The number that stands for it in a pack's head."""
        return _CODES[self]


_CODES = {PackKind.DATA: 1, PackKind.META: 2}
KIND_OF_CODE = {code: kind for kind, code in _CODES.items()}
