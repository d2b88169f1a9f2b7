"""Somebody who took over one server's agent tries all that its certificate, tokens and keys may be good for, at a real
core and storage node, over TLS and the hand-over socket. Two other servers are backed up beside it.

Each round: the others are backed up, the thief gets the order of a backup and of a restore, tries what the dice say,
ends its jobs by the dice, and hands over worthless dumps. Then retention runs, the others' snapshots are restored and
compared, and the vault is verified."""

import asyncio
import logging
import os
import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from blake3 import blake3

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.reports import JobFailed
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.domain.policies import BackupPolicy, Retention, ServerGroup
from phoenix_core.domain.requests import BackupRequest, RestoreRequest, VerifyRequest
from phoenix_core.domain.states import JobState, VerifyDepth
from phoenix_core.host.process import HostFacts
from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.packinfo import PackState
from tests.chaos.campaign import Campaign, Run
from tests.chaos.stolen_agent_endings import ENDINGS, honest
from tests.chaos.stolen_agent_link import BETWEEN_JOBS, LINK
from tests.chaos.stolen_agent_loot import Loot
from tests.chaos.stolen_agent_reading import what_the_keys_open
from tests.chaos.stolen_agent_storage import STORAGE, lie, tokens_that_do_not_hold
from tests.chaos.stolen_agent_streams import good_dumps, worthless_dumps
from tests.engine.fake_agent import FakeAgent, back_up, restore
from tests.engine.rig import Rig, running_rig

ROUNDS_OF_AN_INSTALLATION = 6
TRIES = 3
"""Of each kind, in a job."""
VICTIMS = ("victim0", "victim1")
LARGE_BYTES = 300_000
KEPT = 2
"""So many of the last restore points the policy promises to keep, for all servers."""


class Installation:
    def __init__(self, run: Run, rig: Rig) -> None:
        self.run = run
        self.rig = rig
        self.kept: dict[str, dict[str, bytes]] = {}
        """Of each snapshot of a victim: its files."""
        self.thieves = 0
        self.poison: set[bytes] = set()
        """Packs of all thieves that lie about their chunks."""
        self._problem: Exception | None = None
        self.loot: Loot

    async def begin(self) -> None:
        for number, name in enumerate(VICTIMS):
            await self.rig.agent(name, HostFacts(name, "Linux x86_64", str(number) * 32))
        await self.rig.client.put_policy("all", BackupPolicy(name="all", retention=Retention(last=KEPT)))

    async def steal(self, dice: random.Random) -> None:
        """One more agent, which handed over good dumps, in the hands of a thief from now on."""
        self.thieves += 1
        name = f"thief{self.thieves}"
        agent = await self.rig.agent(name, HostFacts(name, "Linux x86_64", f"{self.thieves:032}"))
        agent.files = {"/srv/own": dice.randbytes(3000)}
        self.loot = Loot(self.rig, agent, dice, self.run.counts, self.poison)
        group = ServerGroup(name="all", policy="all", servers=(*VICTIMS, name))
        await self.rig.client.put_group("all", group)
        await good_dumps(self.loot, KEPT)

    # --- a round ---

    async def play(self, dice: random.Random) -> None:
        await self.rig.client.set_setting("prove.enabled", "true" if dice.random() < 0.7 else "false")
        before = await asyncio.to_thread(self._stored)
        loot, agent = self.loot, self.loot.agent
        loot.dice = dice
        common, coming = dice.randbytes(LARGE_BYTES), dice.randbytes(dice.choice((2000, LARGE_BYTES)))
        await self._back_up_victims(dice, common)
        if dice.random() < 0.7:
            await self._until_proved()
        agent.files = {"/srv/own": dice.randbytes(3000), "/srv/common": common}
        loot.contents += agent.files.values()
        agent.on_backup = self._with_a_backup(dice, coming)
        done = await self.rig.ended((await self.rig.client.backup(BackupRequest(agent_name(agent), ("/srv",)))).id)
        self._look_for_problems()
        self.run.counts[f"the thief's backups {done.state.replace('_', ' ')}"] += 1
        await self._restore_of_the_thief()
        for each in BETWEEN_JOBS:
            await each(loot)
        await worthless_dumps(loot)
        self._look_for_problems()
        await self._back_up_victims(dice, common, coming)
        back = await self._apply_retention()
        await self._check(before, back)

    def _with_a_backup(self, dice: random.Random, coming: bytes) -> Callable[..., Awaitable[None]]:
        async def steal_the_backup(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
            assert isinstance(order, BackupOrder)
            loot = self.loot
            loot.order = order
            try:
                for each in (*dice.sample(STORAGE, TRIES), *dice.sample(LINK, TRIES)):
                    await each(loot)
                chunk = keyed_id(order.domain.data_id_key, coming)
                await asyncio.to_thread(lie, loot, [chunk], [len(coming)])
                loot.old_tokens.append(order.storage.token)
                await (dice.choice(ENDINGS) if dice.random() < 0.7 else honest)(loot, order)
            except Exception as error:
                await self._gave_up(agent, order.job, error)

        return steal_the_backup

    async def _restore_of_the_thief(self) -> None:
        """Its own newest snapshot, if there is one: more tries, and the keys that it gets open nothing of others."""
        loot, agent = self.loot, self.loot.agent
        own = [each for each in await self.rig.client.snapshots() if each.server_id == loot.server and not each.stream]
        if not own:
            return

        async def steal_the_restore(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
            loot.order = order
            try:
                for each in (*loot.dice.sample(STORAGE, TRIES), *loot.dice.sample(LINK, TRIES)):
                    await each(loot)
                await what_the_keys_open(loot)
                loot.old_tokens.append(order.storage.token)
                await restore(agent, order)
            except Exception as error:
                await self._gave_up(agent, order.job, error)

        agent.on_restore = steal_the_restore
        await self._ended((await self.rig.client.restore(RestoreRequest(agent_name(agent)))).id)

    async def _gave_up(self, agent: FakeAgent, job: str, error: Exception) -> None:
        """A try was not refused, or the campaign is wrong: end the job, so that the round ends with that error."""
        self._problem = error
        await agent.report(job, JobFailed(error=PhoenixError(detail="the thief gave up").view()))

    async def _ended(self, job: str) -> None:
        await self.rig.ended(job)
        self._look_for_problems()

    def _look_for_problems(self) -> None:
        if self._problem is not None:
            raise self._problem

    async def _back_up_victims(self, dice: random.Random, *contents: bytes) -> None:
        for agent, name in zip(self.rig.agents, VICTIMS, strict=False):
            agent.on_backup, agent.on_restore = back_up, restore
            agent.files = {
                "/srv/secret": dice.randbytes(dice.randint(1, 4000)),
                "/srv/large": dice.randbytes(LARGE_BYTES),
                **{f"/srv/content{number}": content for number, content in enumerate(contents)},
            }
            done = await self.rig.ended((await self.rig.client.backup(BackupRequest(name, ("/srv",)))).id)
            assert done.state is JobState.SUCCESSFUL, f"a victim's backup: {done.error}"
            self.kept[done.snapshot_id] = dict(agent.files)
            self.run.counts["victims' backups"] += 1

    async def _until_proved(self) -> None:
        await self.rig.client.set_setting("prove.enabled", "true")

        async def settled() -> bool:
            packs = await asyncio.to_thread(lambda: list(self.rig.node().packs()))
            return all(pack.proved or pack.state is not PackState.USABLE for pack in packs)

        await self.rig.until(settled)
        for pack in await asyncio.to_thread(lambda: list(self.rig.node().packs())):
            assert not (pack.pack_id in self.loot.poison and pack.proved), "a pack that lies was proved"

    # --- what must be true ---

    async def _apply_retention(self) -> list[str]:
        """What the policy promised stays, whatever the thief added; what goes can be brought back. Returns one of it,
        if there is any, which was."""
        done = await self.rig.ended((await self.rig.client.apply_retention()).id)
        assert done.state is JobState.SUCCESSFUL, f"retention: {done.error}"
        there = {each.id for each in await self.rig.client.snapshots()}
        gone = {each.id for each in await self.rig.client.snapshots(removed=True)}
        for snapshot, what in self.loot.promised.items():
            assert snapshot in there, f"retention removed {what} of before the theft"
        assert set(self.kept) <= there | gone, "a victim's snapshot is gone for good"
        for snapshot in list(self.kept)[-KEPT * len(VICTIMS) :]:
            assert snapshot in there, "retention removed a victim's newest snapshots"
        brought_back = [each for each in self.kept if each in gone][:1]
        for snapshot in brought_back:
            back = await self.rig.client.undelete_snapshot(snapshot)
            assert back.removed_at is None
            self.run.counts["snapshots brought back"] += 1
        self.run.counts["retentions"] += 1
        self.run.counts["snapshots that retention removed"] += int(done.result["removed"])
        return brought_back

    def _stored(self) -> tuple[set[bytes], set[str], int]:
        node = self.rig.node()
        return {pack for pack, _ in node.stored_packs()}, set(node.snapshots()), node.status().records

    async def _check(self, before: tuple[set[bytes], set[str], int], back: list[str]) -> None:
        packs, snapshots, records = await asyncio.to_thread(self._stored)
        assert before[0] <= packs, "packs are gone"
        assert before[1] <= snapshots, "snapshots are gone"
        assert before[2] <= records, "records are gone"
        await asyncio.to_thread(self._packs_are_what_they_say, packs)
        listed = {each.id: each for each in await self.rig.client.snapshots()}
        for snapshot in [*back, *list(self.kept)[-4:]]:
            owner = self.rig.agents[VICTIMS.index(listed[snapshot].server_name)]
            owner.restored = {}
            done = await self.rig.ended(
                (await self.rig.client.restore(RestoreRequest(listed[snapshot].server_name, snapshot))).id
            )
            assert done.state is JobState.SUCCESSFUL, f"a victim's restore: {done.error}"
            assert owner.restored == self.kept[snapshot], "a victim's files came back changed"
            self.run.counts["victims' restores"] += 1
        await self._verify()

    def _packs_are_what_they_say(self, packs: set[bytes]) -> None:
        for pack in packs:
            with self.rig.node().open_pack(PackId(pack)) as opened:
                assert blake3(opened.pread(1 << 30, 0)).digest() == pack, "a pack isn't what its name says"

    async def _verify(self) -> None:
        """Nothing is damaged but the packs that lie, and no victim's snapshot is hit."""
        job = await self.rig.ended((await self.rig.client.verify(VerifyRequest(VerifyDepth.CHUNKS))).id)
        lying = {pack.hex()[:16] for pack in self.loot.poison}
        for damage in await self.rig.client.damage(job.id):
            assert any(name in damage.what for name in lying), f"verify: {damage}"
            assert not set(damage.snapshots) & set(self.kept), f"verify: a victim is hit: {damage}"
        self.run.counts["verified"] += 1

    async def remove_the_thief(self) -> None:
        """From then on neither its certificate nor any of its tokens is good for anything."""
        loot = self.loot
        waiting = asyncio.Event()

        async def hold(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
            loot.order = order
            waiting.set()
            await asyncio.Event().wait()

        loot.agent.on_backup = hold
        await self.rig.client.set_setting("agent.cancel_grace_s", "0.1")
        job = await self.rig.client.backup(BackupRequest(agent_name(loot.agent), ("/srv",)))
        await asyncio.wait_for(waiting.wait(), 20)
        loot.old_tokens.append(loot.order.storage.token)
        name = agent_name(loot.agent)
        await self.rig.client.remove_server(name, typed=name)
        await self.rig.ended(job.id)
        await tokens_that_do_not_hold(loot)
        await loot.agent.stop()
        self.run.counts["thieves removed"] += 1


def agent_name(agent: FakeAgent) -> str:
    return agent.facts.hostname


async def _install(run: Run, first: int, last: int) -> None:
    with tempfile.TemporaryDirectory(prefix="phx-", dir="/tmp") as folder:
        async with running_rig(Path(folder)) as rig:
            installation = Installation(run, rig)
            await installation.begin()
            await installation.steal(run.random(first))
            for number in range(first, last):
                dice = run.random(number)
                try:
                    await installation.play(dice)
                    if dice.random() < 0.4 or number + 1 == last:
                        await installation.remove_the_thief()
                        await installation.steal(dice)
                except Exception as error:
                    raise AssertionError(f"seed {run.seed}, round {number}: {error!r}") from error
                run.say(f"round {number + 1} of {run.rounds}")


def body(run: Run) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("phoenix_core.storage").setLevel(logging.CRITICAL)
    os.environ.setdefault("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    try:
        for first in range(0, run.rounds, ROUNDS_OF_AN_INSTALLATION):
            asyncio.run(_install(run, first, min(run.rounds, first + ROUNDS_OF_AN_INSTALLATION)))
    finally:
        structlog.reset_defaults()


CAMPAIGN = Campaign(
    "stolen-agent",
    "an agent's certificate, tokens and keys in a thief's hands: every try is refused by a typed error, the others' "
    "snapshots come back, nothing is deleted, no dump that it hands over has retention remove a good one, and no key "
    "that it gets opens others' data",
    body,
    quick=2,
    full=200,
)
