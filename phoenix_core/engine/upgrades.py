"""Upgrades of agents that operators order at the core. The core sends no code: the agent fetches the core's version,
where its administrator allows that, and restarts with it between two jobs.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from phoenix_core import __version__
from phoenix_core.agentlink import features
from phoenix_core.agentlink.errors import PeerAway
from phoenix_core.agentlink.messages import Message
from phoenix_core.agentlink.upgradeorder import UpgradeOrder, UpgradeOutcome
from phoenix_core.catalog.rows import PeerRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import Conflict
from phoenix_core.domain.versions import Standing, standing
from phoenix_core.engine.alerts.words import one_line
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.errors import UpgradeNotAllowed

VERSION_CHARS = 40
TEXT_CHARS = 300
"""Of what an agent says so much is told."""
log = structlog.get_logger(__name__)


class UpgradeBoard:
    """What is to be said of each server's upgrade, in memory: it concerns only the hour in which it happens."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def text(self, peer_id: str) -> str:
        """Empty: nothing."""
        return self._texts.get(peer_id, "")

    def put(self, peer_id: str, text: str) -> None:
        self._texts[peer_id] = text

    def clear(self, peer_id: str) -> None:
        self._texts.pop(peer_id, None)


class Upgrades:
    def __init__(
        self,
        board: UpgradeBoard,
        directory: PeerDirectory,
        shelf: BundleShelf,
        knows: Callable[[str, str], bool],
        send: Callable[[str, Message], Awaitable[None]],
        changed: Callable[[str], None],
        clock: Clock,
    ) -> None:
        """`knows`: whether a peer named a feature; `changed` gets the id of a peer whose view changed."""
        self._board = board
        self._directory = directory
        self._shelf = shelf
        self._knows = knows
        self._send = send
        self._changed = changed
        self._clock = clock

    async def order(self, name: str, who: str) -> PeerRow:
        """Raises NotFound, ServerRemoved; Conflict where it has the core's version; PeerAway, UpgradeNotAllowed; and
        where the core has nothing to offer BundleMissing, BundleOutdated, BundleDamaged."""
        peer = self._directory.server_in_use(name)
        await asyncio.to_thread(self._shelf.current)
        if standing(peer.version, __version__) is Standing.CURRENT:
            raise Conflict(
                detail=f"The agent of {peer.name} has version {__version__} already.", advice="Nothing to do."
            )
        if not self._directory.connected(peer.id):
            raise PeerAway(peer=peer.name)
        if not self._knows(peer.id, features.UPGRADES):
            raise UpgradeNotAllowed(server=peer.name)
        await self._send(peer.id, UpgradeOrder(who=who))
        log.info("upgrade ordered", server=peer.id, name=peer.name, who=who)
        self._tell(peer.id, f"upgrade ordered {self._clock.now():%Y-%m-%d %H:%M} UTC")
        return peer

    def outcome(self, peer_id: str, outcome: UpgradeOutcome) -> None:
        if outcome.error is not None:
            log.warning("upgrade failed", server=peer_id, error=outcome.error.code, text=outcome.error.message)
            self._tell(peer_id, f"upgrade failed: {one_line(outcome.error.message, TEXT_CHARS)}")
        else:
            version = one_line(outcome.version, VERSION_CHARS)
            self._tell(peer_id, f"version {version} is in place; it restarts with it between two jobs")

    def connected(self, peer_id: str, version: str) -> None:
        if self._board.text(peer_id) and standing(version, __version__) is Standing.CURRENT:
            self._board.clear(peer_id)

    def _tell(self, peer_id: str, text: str) -> None:
        self._board.put(peer_id, text)
        self._changed(peer_id)
