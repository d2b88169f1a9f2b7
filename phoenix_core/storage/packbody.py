"""Another server's pack as a job may read it: without its tail, which lists what else is in it."""

from typing import Self

from phoenix_core.storage.objectstore import OpenObject
from phoenix_core.vault.packtail import FOOTER_SIZE, parse_footer


class PackBody:
    """Head and blocks of an open pack. It is closed with this."""

    def __init__(self, pack: OpenObject) -> None:
        """Raises PackDamaged where the pack's end can't be read; closes the pack then."""
        self._pack = pack
        try:
            footer = pack.pread(FOOTER_SIZE, max(0, pack.length - FOOTER_SIZE))
            self.length = pack.length - FOOTER_SIZE - parse_footer(footer, pack.length)
        except BaseException:
            pack.close()
            raise

    def pread(self, length: int, offset: int) -> bytes:
        return self._pack.pread(max(0, min(length, self.length - offset)), offset)

    def fileno(self) -> int:
        """Of the whole pack: only for a process of the node's own user, by the hand-over socket."""
        return self._pack.fileno()

    def close(self) -> None:
        self._pack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
