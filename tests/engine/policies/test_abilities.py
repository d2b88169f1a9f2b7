"""What agents on Windows can't do is refused where it is attached to their servers, not at night."""

import pytest

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy, Config, ContentRule, ServerGroup
from phoenix_core.host.process import HostFacts
from tests.engine.rig import Rig

SCRIPTED = BackupPolicy(name="scripted", pre_script="dump")
DRILLED = BackupPolicy(name="drilled", drill=("daily at 12:00",))
DUMPS = ContentRule(name="dumps", streams=("orders=dump-orders",))
FILES = ContentRule(name="files", paths=("C:\\Data",))


@pytest.fixture
async def servers(rig: Rig) -> Rig:
    """A Windows server and a Linux one, and what the groups of these tests name."""
    await rig.agent("win1", HostFacts(hostname="win1", platform="Windows Server 2022", machine_id="1" * 32))
    await rig.agent("web1")
    for policy in (SCRIPTED, DRILLED, BackupPolicy(name="plain")):
        await rig.client.put_policy(policy.name, policy)
    for rule in (DUMPS, FILES):
        await rig.client.put_rule(rule.name, rule)
    return rig


@pytest.mark.parametrize(
    ("policy", "rules", "field", "says"),
    [
        ("scripted", (), "policy", "policy scripted runs the script dump, which no agent on Windows does"),
        ("drilled", (), "policy", "policy drilled has restores tried out"),
        ("plain", ("files", "dumps"), "rules", "rule dumps backs up what scripts print"),
    ],
)
async def test_a_group_with_a_windows_server_names_what_it_can_t_have(
    servers: Rig, policy: str, rules: tuple[str, ...], field: str, says: str
) -> None:
    mixed = ServerGroup("mixed", policy=policy, rules=rules, servers=("web1", "win1"))
    applied = Config(policies=(SCRIPTED, DRILLED, BackupPolicy(name="plain")), rules=(DUMPS, FILES), groups=(mixed,))
    for refused in (servers.client.put_group("mixed", mixed), servers.client.apply_config(applied)):
        with pytest.raises(RemoteError) as caught:
            await refused
        assert caught.value.view().code == "field_invalid"
        assert caught.value.fields["field"] == field
        assert says in caught.value.message
        assert "win1" in caught.value.message
    assert await servers.client.groups() == []
    await servers.client.put_group("linux", ServerGroup("linux", policy=policy, rules=rules, servers=("web1",)))


async def test_a_policy_or_rule_of_such_a_group_can_t_come_to_ask_for_it(servers: Rig) -> None:
    group = ServerGroup("windows", policy="plain", rules=("files",), servers=("win1",))
    await servers.client.put_group("windows", group)
    with pytest.raises(RemoteError, match="no agent on Windows does that, and group windows has win1") as caught:
        await servers.client.put_policy("plain", BackupPolicy(name="plain", post_script="after"))
    assert caught.value.fields["field"] == "post_script"
    with pytest.raises(RemoteError, match="group windows has win1") as caught:
        await servers.client.put_rule("files", ContentRule(name="files", paths=("/C",), streams=("a=b",)))
    assert caught.value.fields["field"] == "streams"
