"""What became of attempts to deliver: written to the catalog, and held in memory until the catalog takes it, so that a
message which was taken isn't sent again, and one that wasn't isn't tried at once, because a disk is full."""

import msgspec

from phoenix_core.catalog.alert_rows import MessageRow
from phoenix_core.catalog.messages import Messages


class Outcomes:
    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._held: dict[str, dict[str, object]] = {}
        """By message: what the catalog is to know of it."""

    async def keep(self, message_id: str, values: dict[str, object]) -> None:
        """Holds from now on, written or not. Raises what the catalog does."""
        self._held[message_id] = values
        await self.write()

    async def write(self) -> None:
        """Write what is held. Raises what the catalog does, and holds it until the next call."""
        for message_id, values in list(self._held.items()):
            await self._messages.update(message_id, **values)
            if self._held.get(message_id) is values:
                del self._held[message_id]

    def known(self, message: MessageRow) -> MessageRow:
        """The message, with what the catalog doesn't know of it yet."""
        return msgspec.structs.replace(message, **self._held.get(message.id, {}))
