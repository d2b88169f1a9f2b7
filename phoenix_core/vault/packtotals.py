"""Sums over all packs of the index, kept beside it so that nobody has to add them up."""

import msgspec

from phoenix_core.vault.packinfo import PackInfo, PackState


class Totals(msgspec.Struct, frozen=True, array_like=True):
    packs: int = 0
    bytes: int = 0
    unproved: int = 0
    condemned: int = 0
    damaged: int = 0
    """Damaged or lost."""
    unread: int = 0
    """Usable, and not read and checked since the index was made."""

    def changed(self, old: PackInfo | None, new: PackInfo | None) -> "Totals":
        """After a pack came (no `old`), went (no `new`) or changed."""
        return self._with(old, -1)._with(new, 1)

    def _with(self, info: PackInfo | None, sign: int) -> "Totals":
        if info is None:
            return self
        return Totals(
            packs=self.packs + sign,
            bytes=self.bytes + sign * info.bytes,
            unproved=self.unproved + sign * (not info.proved),
            condemned=self.condemned + sign * (info.state is PackState.CONDEMNED),
            damaged=self.damaged + sign * (info.state in {PackState.DAMAGED, PackState.LOST}),
            unread=self.unread + sign * (info.state is PackState.USABLE and not info.read_at_ns),
        )
