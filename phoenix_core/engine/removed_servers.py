"""For how long the removal of a server can be undone, by time that the core saw pass."""

from phoenix_core.catalog.rows import PeerRow
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.settings import Settings

UNDO = "servers.undo_days"
DAY_S = 86400


def undo_left_s(peer: PeerRow, settings: Settings, seen: SeenTime) -> float:
    """Seconds that are left of it; 0: its removal is final."""
    return max(0.0, settings.whole(UNDO) * DAY_S - (seen.now_s - peer.revoked_seen_s))
