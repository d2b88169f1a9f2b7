"""Lives through a fortnight with a whole core and its agents; compares each day with what the model says, and in the
end what is restored with what was there.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.domain.policies import ContentRule, ServerGroup
from phoenix_core.domain.requests import RestoreRequest
from phoenix_core.domain.states import JobState
from tests.engine.fake_agent import FakeAgent, Script, back_up, failing
from tests.engine.rig import Rig, running_rig
from tests.simulation.changes import ChangingFiles
from tests.simulation.model import Model, is_retention_due
from tests.simulation.plan import CORE, POLICIES, Fortnight

BEGINS_BEFORE = timedelta(days=20)
"""Certificates that the core gives out in simulated time must be valid in true time too."""
LATEST = timedelta(minutes=10)
"""How long after its minute a restore point may be made, on a slow machine."""
WAIT_S = 120.0
JOBS_MAX = 1000


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
        self._files = {name: ChangingFiles(fortnight.seed, name) for name in fortnight.names}
        self._were: dict[tuple[str, datetime], Mapping[str, bytes]] = {}
        """The files in each restore point, by server and the clock's time."""
        self._failing: dict[str, int] = {}
        self._fails_left: dict[str, int] = {}
        self._failed_now = False
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
                self._change(moment)
                self._clock.set(now)
                await self._come_and_go(changed)
                self._turn(moment, now)
                await self._serve()
                if is_retention_due(now) and CORE not in self._away:
                    await self._apply_retention()
            if (moment - self._fortnight.start) % timedelta(days=1) == timedelta() and CORE not in self._away:
                await self._compare(moment)
        now = moment + self._ahead
        nobody_away = moment + timedelta(days=100)
        self._change(nobody_away)
        self._clock.set(now)
        await self._come_and_go(sorted(self._away))
        self._turn(nobody_away, now)
        await self._serve()
        await self._apply_retention()
        await self._compare(moment)
        await self._restore_some()

    async def _set_up(self) -> None:
        client = self._rig.client
        await client.set_setting("agent.grace_s", "2")
        await client.set_setting("retention.schedule", "off")
        await client.put_rule("srv", ContentRule("srv", ("/srv",)))
        for name in self._fortnight.names:
            self._agents[name] = await self._rig.agent(name)
            self._agents[name].on_backup = self._script_of(name)
        for policy in POLICIES:
            servers = tuple(self._fortnight.servers_of(policy))
            await client.put_policy(policy.name, policy)
            await client.put_group(policy.name, ServerGroup(policy.name, policy.name, ("srv",), servers))

    def _script_of(self, name: str) -> Script:
        async def back_up_or_fail(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
            if self._fails_left.get(name, 0) > 0:
                self._fails_left[name] -= 1
                self._failed_now = True
                await failing(agent, order)
            else:
                await back_up(agent, order)

        return back_up_or_fail

    def _change(self, moment: datetime) -> None:
        """What is different from the last time that the core looked at the clock: files, and whose backups fail."""
        for name, agent in self._agents.items():
            self._files[name].change()
            agent.files = self._files[name].now
        self._failing = {name: self._fortnight.failures(name, moment) for name in self._agents}
        self._fails_left = dict(self._failing)

    def _turn(self, moment: datetime, now: datetime) -> None:
        self._model.turn(moment, now, self._failing)
        for name, points in self._model.kept.items():
            if points and points[-1] == now:
                self._were[name, now] = self._files[name].now

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

        async def idle() -> bool:
            return not await self._rig.client.jobs(state="active", limit=1)

        again = True
        while again:  # what failed is tried again at once
            self._failed_now = False
            await self._rig.core.do_what_is_due()
            await self._until(idle)
            again = self._failed_now

    async def _apply_retention(self) -> None:
        """Not by its own schedule: which of a retention and a backup that begin at once ends first, no model knows."""
        self._model.apply_retention()
        stay = {(name, point) for name, points in self._model.kept.items() for point in points}
        self._were = {key: files for key, files in self._were.items() if key in stay}
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
        failed = await self._rig.client.jobs(state=JobState.FAILED, limit=JOBS_MAX)
        assert all(job.error is not None and "the disk burns" in job.error.message for job in failed), failed
        assert len(failed) == self._model.failed, (len(failed), self._model.failed)
        skipped = await self._rig.client.jobs(state=JobState.SKIPPED, limit=JOBS_MAX)
        left_out = [job for job in skipped if job.error is not None and job.error.code == "run_missed"]
        assert len(left_out) == self._model.left_out, (len(left_out), self._model.left_out)
        assert not await self._rig.client.jobs(state=JobState.ABORTED)
        total = sum(map(len, there.values()))
        day = (moment - self._fortnight.start).days
        self._say(
            f"day {day}: {total} restore points as predicted, {self._model.skipped} backups skipped and "
            f"{self._model.failed} attempts failed so far"
        )

    async def _restore_some(self) -> None:
        """The newest restore point of each server, and an older one, hold what was there when they were made."""
        chance = random.Random(self._fortnight.seed)
        restored = 0
        for name, points in self._model.kept.items():
            agent = self._agents[name]
            snapshots = list(reversed(await self._rig.client.snapshots(server=name)))
            numbers = range(len(points))
            for number in {*numbers[-1:], *chance.sample(numbers[:-1], min(1, len(numbers[:-1])))}:
                agent.restored.clear()
                order = RestoreRequest(server=name, snapshot=snapshots[number].id, destination="/there")
                job = await self._rig.ended((await self._rig.client.restore(order)).id, WAIT_S)
                assert job.state is JobState.SUCCESSFUL, job.error
                assert agent.restored == self._were[name, points[number]], f"{name}, restore point of {points[number]}"
                restored += 1
        self._say(f"{restored} of them restored, each with the files that were there")
