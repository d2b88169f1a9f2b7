"""What operators ask of alerts."""

from phoenix_core.catalog.alert_rows import AlertRow
from phoenix_core.catalog.alerts import Alerts
from phoenix_core.domain.errors import Conflict, NotFound, UsageError
from phoenix_core.engine.alerts.board import AlertBoard
from phoenix_core.engine.alerts.words import one_line
from phoenix_core.engine.errors import AmbiguousName

NOTE_CHARS = 500


class AlertDesk:
    def __init__(self, stored: Alerts, board: AlertBoard) -> None:
        self._stored = stored
        self._board = board

    async def find(self, name: str) -> AlertRow:
        """By id or unique prefix. Raises NotFound, AmbiguousName."""
        found = await self._stored.with_prefix(name) if name else []
        exact = [row for row in found if row.id == name]
        if len(found) > 1 and not exact:
            raise AmbiguousName(what="Alert", name=name, found=", ".join(row.id for row in found))
        if not found:
            raise NotFound(what="alert", name=name or "nothing")
        return (exact or found)[0]

    def active(self, server_id: str = "") -> list[AlertRow]:
        """The worst first."""
        return [row for row in self._board.active() if server_id in {"", row.server_id}]

    async def resolved(self, *, server_id: str = "", limit: int, before: str = "") -> list[AlertRow]:
        """The newest end first. `before`: an alert's id, to page on."""
        first = await self.find(before) if before else None
        return await self._stored.resolved(server_id=server_id, limit=limit, before=first)

    async def acknowledge(self, name: str, who: str, note: str) -> AlertRow:
        """Raises NotFound, AmbiguousName, UsageError, and Conflict for one that is over."""
        if len(note) > NOTE_CHARS:
            raise UsageError(detail=f"A note has {NOTE_CHARS} characters at most.")
        row = await self.find(name)
        known = await self._board.acknowledge(row.id, who, one_line(note))
        if known is None:
            raise Conflict(
                detail=f"Alert {row.id} is over.", advice="`phoenix alert list` shows those that are active."
            )
        return known
