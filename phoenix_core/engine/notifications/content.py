"""What a message says, before it becomes a mail or JSON: kept in the catalog, so that each attempt sends the same."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from phoenix_core.domain.alerts import AlertChange, AlertView
from phoenix_core.domain.amounts import amount

AT_ONCE, DIGEST, TEST = "at_once", "digest", "test"


class Told(msgspec.Struct, frozen=True):
    """One alert of a message."""

    change: AlertChange | None
    """None: of a digest, it is as it was."""
    alert: AlertView


class Content(msgspec.Struct, frozen=True):
    id: str
    """Of the message: the same in each attempt, so that who gets it twice can tell."""
    kind: str
    """`at_once`, `digest` or `test`."""
    at: datetime
    core: str
    """The core's host name."""
    alerts: tuple[Told, ...] = ()
    """The worst first."""
    rule: str = ""
    """Of a digest: its rule."""
    since: datetime | None = None
    """Of a digest: it tells what happened from then on."""
    backups: dict[str, int] = {}
    """Of a digest: how many backups ended in each state since."""

    @property
    def subject(self) -> str:
        """One line."""
        if self.kind == TEST:
            return f"[Phoenix] test from {self.core}"
        over = [told for told in self.alerts if not told.alert.is_active]
        active = [told for told in self.alerts if told.alert.is_active]
        if self.kind == DIGEST:
            return f"[Phoenix] {self.core}: {_counted(active, over) or 'nothing to report'}"
        if len(self.alerts) == 1:
            alert = self.alerts[0].alert
            how = alert.severity.upper() if alert.is_active else "over"
            return f"[Phoenix] {how}: {alert.kind.words}: {alert.subject}"
        return f"[Phoenix] {_counted(active, over)}"


def _counted(active: Sequence[Told], over: Sequence[Told]) -> str:
    by_severity: dict[str, int] = {}
    for told in sorted(active, key=lambda each: -each.alert.severity.rank):
        by_severity[told.alert.severity] = by_severity.get(told.alert.severity, 0) + 1
    parts = [f"{count} {severity}" for severity, count in by_severity.items()]
    alerts = f"{amount(len(active), 'alert')} ({', '.join(parts)})" if active else ""
    return ", ".join(filter(None, (alerts, f"{len(over)} over" if over else "")))


def worst_first(told: Told) -> tuple[bool, int, datetime]:
    """For sorting: what is active, by severity; then what is over."""
    return not told.alert.is_active, -told.alert.severity.rank, told.alert.first_seen_at
