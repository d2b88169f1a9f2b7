"""A core on a fresh data directory, with a vault, for the tests of engine and API."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from phoenix_core.app import Core
from phoenix_core.client import CoreClient
from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.requests import ActivationTokenRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import Event, JobView
from phoenix_core.engine.vaults import create_vault
from phoenix_core.host.config import CoreConfig
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.process import HostFacts
from phoenix_core.storage.node import StorageNode
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.wrap import Argon2Parameters
from tests.engine.fake_agent import FACTS, FakeAgent

PASSPHRASE = "correct horse"
CHEAP = Argon2Parameters(time_cost=1, memory_kib=64, parallelism=1)
WAIT_S = 20.0


class Rig:
    """One data directory, whose core can be started again and again."""

    def __init__(self, root: Path, clock: Clock | None = None) -> None:
        self.root = root
        self.data = DataDirectory(root / "data")
        self.key: VaultKey | None = None
        self.core: Core | None = None
        self.client = CoreClient(self.data.core_socket)
        self.agents: list[FakeAgent] = []
        self.clock = clock or SystemClock()

    async def make_vault(self) -> None:
        _, self.key = await asyncio.to_thread(
            create_vault, self.data, PASSPHRASE, lambda key, described: None, cost=CHEAP
        )

    async def start(self, key: VaultKey | None = None) -> Core:
        self.core = Core(
            self.data, key or self.key, CoreConfig(), key_holder="test", clock=self.clock, may_be_stopped=True
        )
        await self.core.start()
        return self.core

    async def stop(self) -> None:
        if self.core is not None:
            await self.core.stop()
            self.core = None

    async def restart(self) -> Core:
        await self.stop()
        return await self.start()

    def node(self) -> StorageNode:
        """The core's own storage node."""
        assert self.core is not None
        assert self.core.embedded_node is not None
        return self.core.embedded_node

    async def agent(self, name: str = "web1", facts: HostFacts = FACTS) -> FakeAgent:
        """A new agent, enrolled and connected."""
        token = await self.client.activation_token(ActivationTokenRequest(name=name))
        agent = FakeAgent(self.root / f"agent-{name}", facts)
        self.agents.append(agent)
        await agent.enrol(token.token)
        await agent.start()
        await self.until(lambda: self.is_connected(name))
        return agent

    async def is_connected(self, name: str) -> bool:
        return (await self.client.server(name)).connected

    async def until(self, condition: Callable[[], object], timeout_s: float = WAIT_S) -> None:
        """Wait until the condition (may be async) holds; it is looked at upon each event of the core."""
        async with asyncio.timeout(timeout_s):
            async for _ in self.client.events():
                held = condition()
                if asyncio.iscoroutine(held):
                    held = await held
                if held:
                    return

    async def ended(self, job_id: str, timeout_s: float = WAIT_S) -> JobView:
        """The job once it is over."""
        return await self.in_state(job_id, *(state for state in JobState if state.is_final), timeout_s=timeout_s)

    async def remove(self, snapshot: str) -> JobView:
        """Remove a snapshot for good."""
        job = await self.client.remove_snapshot(snapshot, at_once=True, typed=snapshot[:12])
        return await self.ended(job.id)

    async def in_state(self, job_id: str, *states: JobState, timeout_s: float = WAIT_S) -> JobView:
        async with asyncio.timeout(timeout_s), aclosing(self.client.events()) as events:
            async for event in events:
                if event.kind == "reset":
                    state = (await self.client.job(job_id)).state
                elif event.job is not None and event.job.id == job_id:
                    state = event.job.state
                else:
                    continue
                if state in states:
                    break
        return await self.client.job(job_id)

    async def events_until(self, wanted: Callable[[Event], bool], after: int | None = None) -> list[Event]:
        """All events up to the one wanted."""
        seen: list[Event] = []
        async with asyncio.timeout(WAIT_S):
            async for event in self.client.events(after):
                seen.append(event)
                if wanted(event):
                    return seen
        raise AssertionError("the stream ended")


@asynccontextmanager
async def running_rig(root: Path, *, vault: bool = True, clock: Clock | None = None) -> AsyncIterator[Rig]:
    rig = Rig(root, clock)
    try:
        if vault:
            await rig.make_vault()
        await rig.start()
        yield rig
    finally:
        for agent in rig.agents:
            await agent.stop()
        await rig.client.close()
        await rig.stop()
