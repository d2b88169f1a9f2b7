"""Lives through a fortnight with a whole core and its agents, and compares each day with what the model says."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from phoenix_core.domain.policies import ContentRule, ServerGroup
from phoenix_core.domain.states import JobState
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig, running_rig
from tests.simulation.model import Model, is_retention_due
from tests.simulation.plan import CORE, POLICIES, Fortnight

BEGINS_BEFORE = timedelta(days=20)
"""Certificates that the core gives out in simulated time must be valid in true time too."""
LATEST = timedelta(minutes=10)
"""How long after its minute a restore point may be made, on a slow machine."""
WAIT_S = 120.0


class SimulatedClock:
    """Is set, and goes on from there."""

    def __init__(self, at: datetime) -> None:
        self.set(at)

    def set(self, at: datetime) -> None:
        self._at, self._since = at, time.monotonic()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._since)

    def monotonic_s(self) -> float:
        return time.monotonic()


def beginning() -> datetime:
    return (datetime.now(UTC) - BEGINS_BEFORE).replace(second=0, microsecond=0)


async def live(folder: Path, fortnight: Fortnight, say: Callable[[str], None]) -> None:
    """Raises AssertionError where what is there is not what the model says."""
    clock = SimulatedClock(fortnight.start)
    async with running_rig(folder, clock=clock) as rig:
        await _Fleet(rig, clock, fortnight, say).live()


class _Fleet:
    def __init__(self, rig: Rig, clock: SimulatedClock, fortnight: Fortnight, say: Callable[[str], None]) -> None:
        self._rig = rig
        self._clock = clock
        self._fortnight = fortnight
        self._say = say
        self._model = Model(fortnight)
        self._agents: dict[str, FakeAgent] = {}
        self._away: set[str] = set()
        self._dialling: set[str] = set()
        """Agents that are back while the core is away."""
        self._ahead = timedelta()

    async def live(self) -> None:
        await self._set_up()
        for moment in self._fortnight.minutes():
            jumped = moment in self._fortnight.jumps
            self._ahead += self._fortnight.jumps.get(moment, timedelta())
            now = moment + self._ahead
            changed = self._who_comes_and_goes(moment)
            if changed or jumped or self._model.interesting(now):
                self._clock.set(now)
                await self._come_and_go(changed)
                self._model.turn(moment, now)
                await self._serve()
                if is_retention_due(now) and CORE not in self._away:
                    await self._apply_retention()
            if (moment - self._fortnight.start) % timedelta(days=1) == timedelta() and CORE not in self._away:
                await self._compare(moment)
        self._clock.set(self._fortnight.minutes()[-1] + self._ahead)
        await self._come_and_go(sorted(self._away))
        self._model.turn(moment + timedelta(days=100), self._clock.now().replace(second=0, microsecond=0))
        await self._serve()
        await self._apply_retention()
        await self._compare(moment)

    async def _set_up(self) -> None:
        client = self._rig.client
        await client.set_setting("agent.grace_s", "2")
        await client.set_setting("retention.schedule", "off")
        await client.put_rule("srv", ContentRule("srv", ("/srv",)))
        for name in self._fortnight.names:
            self._agents[name] = await self._rig.agent(name)
            self._agents[name].files = {"/srv/file": name.encode()}
        for policy in POLICIES:
            servers = tuple(self._fortnight.servers_of(policy))
            await client.put_policy(policy.name, policy)
            await client.put_group(policy.name, ServerGroup(policy.name, policy.name, ("srv",), servers))

    def _who_comes_and_goes(self, moment: datetime) -> list[str]:
        everybody = (CORE, *self._fortnight.names)
        return [who for who in everybody if self._fortnight.is_away(who, moment) is not (who in self._away)]

    async def _come_and_go(self, changed: list[str]) -> None:
        for who in changed:  # the core first
            comes = who in self._away
            self._away.symmetric_difference_update({who})
            if who == CORE:
                await (self._rig.start() if comes else self._rig.stop())
            elif comes:
                self._dialling.add(who)
            elif who in self._dialling:
                self._dialling.discard(who)
            else:
                await self._agents[who].stop()
        if CORE not in self._away:
            for who in sorted(self._dialling):
                await self._agents[who].start()
            self._dialling.clear()
            await self._until(self._all_are_seen)

    async def _all_are_seen(self) -> bool:
        connected = {server.name for server in await self._rig.client.servers() if server.connected}
        return connected == self._agents.keys() - self._away

    async def _serve(self) -> None:
        """Do what is due, and wait until nothing is left to do."""
        if CORE in self._away:
            return
        assert self._rig.core is not None
        await self._rig.core.do_what_is_due()

        async def idle() -> bool:
            return not await self._rig.client.jobs(state="active", limit=1)

        await self._until(idle)

    async def _apply_retention(self) -> None:
        """Not by its own schedule: which of a retention and a backup that begin at once ends first, no model knows."""
        self._model.apply_retention()
        await self._rig.ended((await self._rig.client.apply_retention()).id, WAIT_S)

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not await condition():  # noqa: ASYNC110 - what is waited for is in other tasks of the core
                await asyncio.sleep(0.02)

    async def _compare(self, moment: datetime) -> None:
        there: dict[str, list[datetime]] = {name: [] for name in self._fortnight.names}
        for snapshot in reversed(await self._rig.client.snapshots()):
            there[snapshot.server_name].append(snapshot.recorded_at)
        for name, points in self._model.kept.items():
            found = there[name]
            seen = f"{name} ({self._fortnight.policy_of(name).name}) at {moment}: {found} is not {points}"
            assert len(found) == len(points), seen
            assert all(timedelta() <= at - due < LATEST for at, due in zip(found, points, strict=True)), seen
        failed = [
            job.id for state in (JobState.FAILED, JobState.ABORTED) for job in await self._rig.client.jobs(state=state)
        ]
        assert not failed, failed
        total = sum(map(len, there.values()))
        day = (moment - self._fortnight.start).days
        self._say(f"day {day}: {total} restore points as predicted, {self._model.skipped} backups skipped so far")
