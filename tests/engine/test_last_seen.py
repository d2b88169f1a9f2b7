"""When a server was last seen: now while it is connected, and hardly older after a crash of the core."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.rows import CertificateRow, PeerRow
from phoenix_core.engine.last_seen import LastSeen
from phoenix_core.engine.peer_directory import AGENT, PeerDirectory
from tests.engine.fake_clock import FakeClock
from tests.engine.rig import Rig


async def test_a_server_that_is_connected_is_seen_now_and_one_that_went_when_it_went(rig: Rig) -> None:
    agent = await rig.agent()
    asked = datetime.now(UTC)
    first = (await rig.client.server("web1")).last_seen_at
    assert first is not None
    assert first >= asked
    before = datetime.now(UTC)
    await agent.stop()

    async def away() -> bool:
        return not (await rig.client.server("web1")).connected

    await rig.until(away)
    gone = (await rig.client.server("web1")).last_seen_at
    assert gone is not None
    assert gone >= before
    assert (await rig.client.servers())[0].last_seen_at == gone


async def test_the_catalog_is_told_while_peers_are_connected_and_of_those_alone(tmp_path: Path) -> None:
    clock = FakeClock()
    catalog = await Catalog.open_file(tmp_path / "catalog.db")
    try:
        directory = PeerDirectory(Peers(catalog))
        for name in ("here", "away"):
            await directory.add(peer(name, clock.now()), certificate(name, clock.now()))
        await directory.connect("here", clock.now(), "h", "Linux", "1")
        clock.move(600)
        keeper = asyncio.create_task(LastSeen(directory, clock, every_s=0.0).run())
        async with asyncio.timeout(10):
            while (seen := directory.get("here")) is None or seen.last_seen_at != clock.now():  # noqa: ASYNC110
                await asyncio.sleep(0)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        after_a_crash = PeerDirectory(Peers(catalog))
        await after_a_crash.load()
        assert [each.last_seen_at for each in after_a_crash.of_role(AGENT)] == [None, clock.now()]
    finally:
        await catalog.close()


def peer(name: str, at: datetime) -> PeerRow:
    return PeerRow(id=name, role=AGENT, name=name, hostname="h", platform="Linux", version="1", enrolled_at=at)


def certificate(name: str, at: datetime) -> CertificateRow:
    return CertificateRow(name, name, b"k" * 32, at, at + timedelta(days=90))
