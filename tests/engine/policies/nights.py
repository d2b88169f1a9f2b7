"""What tests of a policy's schedule share: a server that is backed up each night, and nights that come."""

from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.views import JobView
from tests.engine.moved_clock import MovedClock
from tests.engine.rig import Rig


async def protect(rig: Rig, **fields: object) -> None:
    """A group with web1, backed up each night at two."""
    policy = BackupPolicy(name="nightly", schedule=("daily at 02:00",), **fields)  # type: ignore[arg-type]
    await rig.client.put_policy("nightly", policy)
    await rig.client.put_rule("web", ContentRule(name="web", paths=("/srv",), excludes=("*.tmp",)))
    await rig.client.put_group("web", ServerGroup("web", policy="nightly", rules=("web",), servers=("web1",)))


async def do_what_is_due(rig: Rig) -> None:
    assert rig.core is not None
    await rig.core.do_what_is_due()


async def scheduled(rig: Rig) -> list[JobView]:
    return [job for job in await rig.client.jobs(kind="file_backup") if job.requested_by == "policy nightly"]


async def the_night_comes(rig: Rig, clock: MovedClock, count: int = 1) -> JobView:
    """The newest of the scheduled jobs, once there are so many."""

    async def there() -> bool:
        return len(await scheduled(rig)) >= count

    clock.move_to(2)
    await do_what_is_due(rig)
    await rig.until(there)
    return (await scheduled(rig))[0]
