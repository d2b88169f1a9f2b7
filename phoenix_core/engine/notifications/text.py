"""A message as plain text for people."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill

from phoenix_core.domain.alerts import AlertChange, AlertView
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.notifications.content import AT_ONCE, DIGEST, TEST, Content, Told

ALERTS_MAX = 50
"""More are counted only: a mail is for reading."""
WIDTH = 78
_BACKUPS = ("successful", "successful_with_errors", "failed", "aborted", "skipped", "cancelled")


def body_of(content: Content) -> str:
    return "\n".join([*_lines(content), "", *_foot(content)]).lstrip("\n") + "\n"


def _lines(content: Content) -> Iterator[str]:
    if content.kind == TEST:
        yield fill(f"This is a test from Phoenix on {content.core}. Alerts will come to you this way.", WIDTH)
        return
    active = [told for told in content.alerts if told.alert.is_active]
    over = [told for told in content.alerts if not told.alert.is_active]
    if content.kind == DIGEST:
        yield f"Phoenix on {content.core}, {moment(content.since)} to {moment(content.at)}"
        yield _backups(content)
        if not content.alerts:
            yield ""
            yield "No alert is active, and none was."
    yield from _part("ACTIVE" if content.kind == DIGEST else "", active)
    yield from _part("OVER", over)


def _part(title: str, told: Sequence[Told]) -> Iterator[str]:
    if told and title:
        yield ""
        yield title
    for each in told[:ALERTS_MAX]:
        yield ""
        yield from _alert(each)
    if len(told) > ALERTS_MAX:
        yield ""
        yield f"and {len(told) - ALERTS_MAX} more: `phoenix alert list`"


def _alert(told: Told) -> Iterator[str]:
    alert = told.alert
    if not alert.is_active:
        yield f"Over: {alert.kind.words}: {alert.subject}"
        yield _wrapped(alert.resolved_why)
        yield _wrapped(f"From {moment(alert.first_seen_at)} to {moment(alert.resolved_at)}: {alert.text}")
        return
    worse = ", worse than before" if told.change is AlertChange.WORSE else ""
    yield f"{alert.severity.upper()}: {alert.kind.words}: {alert.subject}{worse}"
    yield _wrapped(alert.text)
    yield _wrapped(f"What to do: {alert.hint}")
    yield _wrapped(_since(alert))


def _since(alert: AlertView) -> str:
    text = f"Since {moment(alert.first_seen_at)}"
    text += f", {alert.count} times" if alert.count > 1 else ""
    text += f"; `phoenix alert show {alert.id}`"
    if alert.acknowledged_by:
        text += f". Known to {alert.acknowledged_by}" + (f": {alert.note}" if alert.note else "")
    return text


def _wrapped(text: str) -> str:
    return fill(text, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _backups(content: Content) -> str:
    counts = [f"{content.backups[state]} {state.replace('_', ' ')}" for state in _BACKUPS if content.backups.get(state)]
    return fill(f"Backups that ended: {', '.join(counts) or 'none'}.", WIDTH)


def _foot(content: Content) -> Iterable[str]:
    why = {
        AT_ONCE: "Its rules are in `phoenix notification rule list`.",
        DIGEST: f"Digest of the rule {content.rule}: `phoenix notification rule show`.",
        TEST: "Asked for with `phoenix notification test`.",
    }[content.kind]
    return ["-- ", f"Phoenix on {content.core}. {why}", f"Message {content.id}"]
