"""What is backed up of a server by itself, and so has alerts by itself: its files, and each of its streams."""

import msgspec

from phoenix_core.catalog.rows import PeerRow

HANDED = "*"
"""In place of a stream's name, which none can be: several that the server's agent handed over by itself."""


class Part(msgspec.Struct, frozen=True):
    server: PeerRow
    stream: str = ""
    """Empty: its files."""
    is_all: bool = True
    """Nothing else is backed up of the server."""

    @property
    def subject_id(self) -> str:
        """Of its alerts; no id has a blank."""
        return f"{self.server.id} {self.stream}" if self.stream else self.server.id

    @property
    def subject(self) -> str:
        if self.stream == HANDED:
            return f"{self.server.name}, streams handed over"
        return f"{self.server.name}, stream {self.stream}" if self.stream else self.server.name

    @property
    def words(self) -> str:
        """In a sentence: "the last backup of"."""
        if self.stream:
            return f"the stream {self.stream} of {self.server.name}"
        return self.server.name if self.is_all else f"the files of {self.server.name}"


def stream_of(subject_id: str) -> str:
    """What `Part` named so is; empty: it is no stream."""
    return subject_id.partition(" ")[2]
