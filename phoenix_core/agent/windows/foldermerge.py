"""A folder's listing and what the parent snapshot has there, merged by name, streams where they belong.

A stream's entry stands beside its file's, under `file:stream`, and other names may come between. So streams of changed
files wait until their turn; those of unchanged ones are recognised when the parent's entries come to them.
"""

import heapq
from collections.abc import Iterator

from phoenix_core.agent.backup.parenttree import ParentFolder
from phoenix_core.agent.windows.names import to_bytes
from phoenix_core.agent.windows.seam import FileFacts, StreamFacts
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.windowsentry import COLON, owner_name


class FolderMerge:
    """Gives one thing after another in the order of the snapshot's entries, each with what the parent has there."""

    def __init__(self, listing: list[FileFacts], parent: ParentFolder | None) -> None:
        self._listing = sorted(((to_bytes(facts.name), facts) for facts in listing), key=lambda pair: pair[0])
        self._parent = parent
        self._at = 0
        self._streams: list[tuple[bytes, StreamFacts]] = []
        self._kept: set[bytes] = set()

    def has_streams(self, name: bytes, streams: list[StreamFacts]) -> None:
        """The entry just given out was found changed: these are its streams."""
        for stream in streams:
            heapq.heappush(self._streams, (name + COLON + to_bytes(stream.name), stream))

    def keeps_streams(self, name: bytes) -> None:
        """The entry just given out is as the parent has it, and so are its streams."""
        self._kept.add(name)

    def names_left(self) -> Iterator[bytes]:
        """What the listing has that wasn't given out."""
        return iter([name for name, _ in self._listing[self._at :]])

    def next(self) -> tuple[bytes, FileFacts | StreamFacts | None, Entry | None] | None:
        """A name; what is there now: a file, folder or link, a stream of a changed one, or None; and the parent's
        entry.

        Without anything there now the parent's entry is either a stream that stays (`stays`), or gone. None at the
        end."""
        known = self._known()
        name = self._listing[self._at][0] if self._at < len(self._listing) else None
        stream = self._streams[0][0] if self._streams else None
        first = (
            min(each for each in (known.name if known else None, name, stream) if each is not None)
            if (known or name is not None or stream is not None)
            else None
        )
        if first is None:
            return None
        match = known if known is not None and known.name == first else None
        if match is not None and self._parent is not None:
            self._parent.at += 1
        if first == name:
            self._at += 1
            return first, self._listing[self._at - 1][1], match
        if first == stream:
            return first, heapq.heappop(self._streams)[1], match
        return first, None, match

    def stays(self, known: Entry) -> bool:
        """Whether an entry that only the parent has is a stream of something unchanged."""
        owner = owner_name(known.name)
        return owner != known.name and owner in self._kept

    def _known(self) -> Entry | None:
        parent = self._parent
        return parent.page[parent.at] if parent is not None and parent.has_more() else None
