"""What policies, rules and groups may hold; each check names the field that is wrong."""

import asyncio
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phoenix_core.domain.bandwidth import Limits
from phoenix_core.domain.drills import parse_sample
from phoenix_core.domain.hours import Hours
from phoenix_core.domain.policies import SCRIPT_NAME, BackupPolicy, Retention
from phoenix_core.engine.policies.errors import FieldInvalid
from phoenix_core.engine.policies.timetable import Timetable, runs_within

_NAME = re.compile(r"\w[\w .-]{0,99}")
RETRIES_MAX = 10
REREAD_MAX = 1000
DELAY_MAX_S = 86_400
KEEP_MAX = 10_000
DRILL_BYTES_MAX = 1 << 50
_ANY = datetime(2024, 1, 1, tzinfo=UTC)


def check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name) or name != name.strip():
        raise FieldInvalid(
            what=what,
            name=name or "''",
            field="name",
            detail="letters, digits, blanks, -, _ and . are taken, up to 100",
        )


def check_policy(policy: BackupPolicy) -> None:
    """Looks at the time zone's file: blocks. Raises FieldInvalid."""
    check_name("Policy", policy.name)
    zone = zone_of(policy)
    try:
        timetable = Timetable(policy.schedule, zone)
    except ValueError as error:
        raise _wrong_policy(policy, "schedule", str(error)) from error
    try:
        window = Hours(policy.window, zone)
    except ValueError as error:
        raise _wrong_policy(policy, "window", str(error)) from error
    if policy.schedule and next(runs_within(timetable, window, _ANY), None) is None:
        raise _wrong_policy(policy, "window", "no run of the schedule falls into it")
    try:
        Limits(policy.bandwidth, zone)
    except ValueError as error:
        raise _wrong_policy(policy, "bandwidth", str(error)) from error
    _check_drill(policy, zone)
    _within(policy, "retries", policy.retries, RETRIES_MAX)
    for field in ("pre_script", "post_script"):
        name = getattr(policy, field)
        if name and not SCRIPT_NAME.fullmatch(name):
            raise _wrong_policy(policy, field, f"{name} is no plain file name of letters, digits, -, _ and .")
    if not 1 <= policy.script_timeout_s <= DELAY_MAX_S:
        raise _wrong_policy(policy, "script_timeout_s", f"{policy.script_timeout_s} is not from 1 to {DELAY_MAX_S}")
    _within(policy, "reread_every", policy.reread_every, REREAD_MAX)
    _within(policy, "retry_delay_s", policy.retry_delay_s, DELAY_MAX_S)
    for name in Retention.__struct_fields__:
        _within(policy, f"retention.{name}", getattr(policy.retention, name), KEEP_MAX)


def _check_drill(policy: BackupPolicy, zone: ZoneInfo) -> None:
    try:
        Timetable(policy.drill, zone)
    except ValueError as error:
        raise _wrong_policy(policy, "drill", str(error)) from error
    try:
        parse_sample(policy.drill_sample)
    except ValueError as error:
        raise _wrong_policy(policy, "drill_sample", str(error)) from error
    _within(policy, "drill_max_bytes", policy.drill_max_bytes, DRILL_BYTES_MAX)


def zone_of(policy: BackupPolicy) -> ZoneInfo:
    """May look at the zone's file: blocks; the event loop uses `zone_read`. Raises FieldInvalid."""
    try:
        return ZoneInfo(policy.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        detail = f"{policy.time_zone or 'nothing'} is no time zone such as UTC or Europe/Berlin"
        raise _wrong_policy(policy, "time_zone", detail) from error


async def zone_read(policy: BackupPolicy) -> ZoneInfo:
    """As `zone_of`, beside the event loop."""
    return await asyncio.to_thread(zone_of, policy)


async def window_of(policy: BackupPolicy) -> Hours:
    return Hours(policy.window, await zone_read(policy))


def _within(policy: BackupPolicy, field: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise _wrong_policy(policy, field, f"{value} is no whole number from 0 to {most}")


def _wrong_policy(policy: BackupPolicy, field: str, detail: str) -> FieldInvalid:
    return FieldInvalid(what="Policy", name=policy.name, field=field, detail=detail)
