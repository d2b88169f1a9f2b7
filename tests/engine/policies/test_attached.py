"""Which group and policy a server has, whoever changes them meanwhile."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import CertificateRow, GroupRow, PeerRow, PolicyRow, RuleRow
from phoenix_core.domain.policies import BackupPolicy, ContentRule
from phoenix_core.engine.policies.attached import Attached
from tests.engine.fake_clock import FakeClock

NOW = FakeClock().now()
SRV = ContentRule("srv", ("/srv",))
NIGHTLY = BackupPolicy("nightly", ("daily at 02:00",))


class Busy(Catalog):
    """A catalog that somebody changes right after each read."""

    then: Callable[[], Awaitable[None]] | None = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with super().reading() as connection:
            yield connection
        then, self.then = self.then, None
        if then is not None:
            await then()


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Busy]:
    opened = await Busy.open_file(tmp_path / "catalog.sqlite")
    peer = PeerRow("s1", "agent", "web1", "web1", "Linux", "1", NOW)
    await Peers(opened).add(peer, CertificateRow("c1", "s1", b"", NOW, NOW))
    yield opened
    await opened.close()


async def test_a_rule_that_is_removed_meanwhile_leaves_what_was_there(catalog: Busy) -> None:
    policies = Policies(catalog)
    await policies.put_rule(RuleRow("r1", "srv", SRV))
    await policies.put_group(GroupRow("g1", "web", None, NOW, ("r1",), ("s1",)))

    async def remove() -> None:
        await policies.put_group(GroupRow("g1", "web", None, NOW, (), ("s1",)))
        await policies.remove_rule("r1")

    catalog.then = remove
    assert await Attached(policies).rules_by_server() == {"s1": (SRV,)}
    assert await Attached(policies).rules_by_server() == {}


async def test_a_policy_that_is_added_meanwhile_is_there_the_next_time(catalog: Busy) -> None:
    policies = Policies(catalog)
    await policies.put_group(GroupRow("g1", "web", None, NOW, (), ("s1",)))

    async def add() -> None:
        await policies.put_policy(PolicyRow("p1", "nightly", NIGHTLY))
        await policies.put_group(GroupRow("g1", "web", "p1", NOW, (), ("s1",)))

    catalog.then = add
    assert await Attached(policies).policies_by_server() == {}
    assert await Attached(policies).policies_by_server() == {"s1": NIGHTLY}
