"""Agents and storage nodes: those that are away for long, and certificates that aren't renewed."""

from datetime import datetime, timedelta

from phoenix_core.catalog.rows import PeerRow
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.views import Event
from phoenix_core.engine.alerts.condition import Condition, Found, IsActive
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.peer_directory import AGENT, PeerDirectory
from phoenix_core.engine.settings import Settings

AWAY_S = "alert.agent_away_s"


class AgentSource:
    def __init__(
        self, directory: PeerDirectory, settings: Settings, is_active: IsActive, started_at: datetime, ends_soon: bool
    ) -> None:
        """`started_at`: when the core began; before it no agent could be connected. `ends_soon`: the core runs inside
        of a console or command, and its own machine's agent with it."""
        self._directory = directory
        self._settings = settings
        self._is_active = is_active
        self._started_at = started_at
        self._ends_soon = ends_soon

    def heed(self, event: Event) -> bool:
        return event.server is not None

    def forget(self) -> None:
        """Nothing is noted."""

    async def look(self, now: datetime) -> Found:
        limit_s = self._settings.seconds(AWAY_S)
        found = Found({AlertKind.AGENT_AWAY, AlertKind.CERTIFICATE_ENDING}, [], {})
        for peer in self._directory.of_role(AGENT):
            if peer.revoked_at is not None:
                continue
            if limit_s and self._is_away(peer, now, limit_s):
                found.conditions.append(_away(peer))
            elif not self._directory.connected(peer.id):
                found.over[AlertKind.AGENT_AWAY, peer.id] = self._why_not_missed(peer, limit_s)
        for peer, ends_at in self._directory.certificates_overdue(now):
            found.conditions.append(_certificate(peer, ends_at, now))
        return found

    def _why_not_missed(self, peer: PeerRow, limit_s: float) -> str:
        if not limit_s:
            return f"It is not connected, and the setting {AWAY_S} is 0: no agent is missed."
        if self._ends_soon and peer.this_host:
            return "It runs with this core, inside of a console or command."
        return f"It is not connected, and has not been away for {limit_s:g} s (setting {AWAY_S})."

    def _is_away(self, peer: PeerRow, now: datetime, limit_s: float) -> bool:
        if self._directory.connected(peer.id) or (self._ends_soon and peer.this_host):
            return False
        if self._is_active(AlertKind.AGENT_AWAY, peer.id):
            return True
        last = max(peer.last_seen_at or peer.enrolled_at, self._started_at)
        return now - last >= timedelta(seconds=limit_s)


def _away(peer: PeerRow) -> Condition:
    seen = f"since {moment(peer.last_seen_at)}" if peer.last_seen_at else "yet"
    return Condition(
        kind=AlertKind.AGENT_AWAY,
        subject_id=peer.id,
        subject=peer.name,
        severity=Severity.WARNING,
        text=f"The agent on {peer.name} has not been connected {seen}; its scheduled backups are skipped.",
        hint=(
            f"See that {peer.hostname} is up and that `systemctl status phoenix-agent` there says that it runs; its "
            "log names what keeps it from the core."
        ),
        server_id=peer.id,
    )


def _certificate(peer: PeerRow, ends_at: datetime, now: datetime) -> Condition:
    ended = ends_at <= now
    server = peer.id if peer.role == AGENT else ""
    text = f"The certificate of {peer.name} {'has ended' if ended else 'ends'} {moment(ends_at)}; it was not renewed."
    hint = "It can't connect any more: `phoenix server token` makes a token to enrol it anew."
    if not ended:
        hint = "It renews it by itself while it is connected; its log says why it did not."
    return Condition(
        kind=AlertKind.CERTIFICATE_ENDING,
        subject_id=peer.id,
        subject=peer.name,
        severity=Severity.ERROR if ended else Severity.WARNING,
        text=text,
        hint=hint,
        server_id=server,
    )
