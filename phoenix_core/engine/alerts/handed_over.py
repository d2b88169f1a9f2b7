"""Alerts of streams that an agent hands over by itself, and that no policy asks for.

The agent chooses their names, and whoever stole it as many as he likes. So above a few of one server those of a kind
are one alert; and what was not handed over again for long has none any more."""

from phoenix_core.catalog.rows import JobRow, PeerRow
from phoenix_core.domain.alerts import AlertKind
from phoenix_core.domain.amounts import amount
from phoenix_core.engine.alerts.condition import Condition, Found
from phoenix_core.engine.alerts.parts import HANDED, Part, stream_of
from phoenix_core.engine.requests import AGENT_ASKS

SINGLE_MAX = 5
"""So many of a server's have alerts of their own, of each kind."""
LAPSE_DAYS = 14
"""So long after its last try one is given up: a dump that is made each week has its next one by then."""
LAPSED = f"For {LAPSE_DAYS} days it was not handed over again, and no policy asks for it."
_NAMED = 3
_HOW = {
    AlertKind.BACKUP_FAILED: "failed",
    AlertKind.BACKUP_WITH_ERRORS: "ended with errors",
    AlertKind.BACKUP_SKIPPED: "were skipped",
}


def is_handed(last: JobRow | None) -> bool:
    """Whether the agent asked for the last backup of a stream by itself."""
    return last is not None and last.requested_by.startswith(AGENT_ASKS)


def has_lapsed(last: JobRow, seen_s: float) -> bool:
    """`seen_s`: reading of `SeenTime`."""
    return seen_s - last.ended_seen_s > LAPSE_DAYS * 86_400


def join(server: PeerRow, found: Found) -> None:
    """Make one of those that are too many. `found`: all of the server's streams that were handed over, and of no
    others."""
    together = Part(server, HANDED)
    for kind, how in _HOW.items():
        same = sorted((each for each in found.conditions if each.kind is kind), key=_when, reverse=True)
        if len(same) > SINGLE_MAX:
            found.conditions = [each for each in found.conditions if each.kind is not kind]
            found.conditions.append(_as_one(together, same, how))
            found.over |= dict.fromkeys((each.key for each in same), "It is told of together with others.")
        elif same:
            left = amount(len(same), "stream is", "streams are")
            found.over[kind, together.subject_id] = f"{left} left with it, told of by itself."
        else:
            found.over[kind, together.subject_id] = "No stream is left with it."


def _when(condition: Condition) -> float:
    return condition.at.timestamp() if condition.at is not None else 0.0


def _as_one(together: Part, same: list[Condition], how: str) -> Condition:
    newest, server = same[0], together.server.name
    names = ", ".join(stream_of(each.subject_id) for each in same[:_NAMED])
    return Condition(
        kind=newest.kind,
        subject_id=together.subject_id,
        subject=together.subject,
        severity=max((each.severity for each in same), key=lambda severity: severity.rank),
        text=(
            f"The last backups of {len(same)} streams that the agent of {server} handed over {how}: {names} and "
            f"{len(same) - _NAMED} more. The newest: {newest.text}"
        ),
        hint=(
            f"`phoenix job list --server {server}` shows them. Where nobody on {server} hands over streams of these "
            f"names, somebody else may have its agent: `phoenix server remove {server}`. {newest.hint}"
        ),
        server_id=newest.server_id,
        job_id=newest.job_id,
        at=newest.at,
        occurrences=len(same),
    )
