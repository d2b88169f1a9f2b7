"""Policies and groups as the catalog keeps them, while the scheduler reads and writes them too."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import GroupRow, PolicyRow
from phoenix_core.domain.policies import BackupPolicy
from tests.catalog.test_catalog import NOW

HOUR = timedelta(hours=1)


@pytest.fixture
async def policies(tmp_path: Path) -> AsyncIterator[Policies]:
    catalog = await Catalog.open_file(tmp_path / "catalog.sqlite")
    yield Policies(catalog)
    await catalog.close()


async def test_other_times_of_a_policy_begin_anew_for_its_groups_only_and_no_turn_takes_that_back(
    policies: Policies,
) -> None:
    for number in ("1", "2"):
        await policies.put_policy(PolicyRow(f"p{number}", f"policy {number}", BackupPolicy(f"policy {number}")))
        await policies.put_group(GroupRow(f"g{number}", f"group {number}", f"p{number}", NOW))
    as_a_turn_read_it, other = await policies.groups()
    changed = PolicyRow("p1", "policy 1", BackupPolicy("policy 1", ("daily at 02:00",)))
    await policies.put_policy(changed, anew_from=NOW + 2 * HOUR)
    await policies.considered(as_a_turn_read_it, NOW + HOUR)
    now, still = await policies.groups()
    assert (now.considered_until, still) == (NOW + 2 * HOUR, other)
    await policies.considered(now, NOW + 3 * HOUR)
    assert (await policies.groups())[0].considered_until == NOW + 3 * HOUR
