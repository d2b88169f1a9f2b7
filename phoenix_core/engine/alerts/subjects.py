"""Whether what an alert is about is still there: where it isn't, the alert is over, and nothing was mended."""

from collections.abc import Callable

from phoenix_core.catalog.alert_rows import AlertRow
from phoenix_core.domain.alerts import AlertKind
from phoenix_core.engine.peer_directory import PeerDirectory

_OF_PEERS = frozenset(
    {
        AlertKind.BACKUP_FAILED,
        AlertKind.BACKUP_WITH_ERRORS,
        AlertKind.BACKUP_SKIPPED,
        AlertKind.BACKUP_STOPPED,
        AlertKind.STREAM_FLOODED,
        AlertKind.NO_BACKUP,
        AlertKind.AGENT_AWAY,
        AlertKind.CERTIFICATE_ENDING,
        AlertKind.DRILL_FAILED,
        AlertKind.PROOF_OLD,
    }
)
"""The snapshots of a removed server stay, and so does what is said of them."""


class Subjects:
    def __init__(self, directory: PeerDirectory, has_channel: Callable[[str], bool]) -> None:
        """`has_channel`: whether there is a notification channel of this id."""
        self._directory = directory
        self._has_channel = has_channel

    def why_gone(self, alert: AlertRow) -> str:
        """As a sentence; empty: it is there."""
        if alert.kind is AlertKind.NOTIFICATION_FAILING:
            return "" if self._has_channel(alert.subject_id) else "The channel was removed."
        if alert.kind in _OF_PEERS and not self._directory.in_use(alert.server_id or alert.subject_id):
            return f"The {'server' if alert.server_id else 'storage node'} was removed."
        return ""
