"""Passwords and secrets of channels: kept well, and told nobody."""

import asyncio
import logging
import stat
from pathlib import Path

import keyring
import msgspec
import pytest

from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.notifications import Channel, NotificationRule, Security
from phoenix_core.domain.policies import ServerGroup
from phoenix_core.host.channelsecrets import ChannelSecrets, SecretHolder
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.errors import SecretUnavailable
from tests.engine.rig import Rig
from tests.host.memory_keyring import MemoryKeyring

SECRET = "tr0ub4dor&3"
MAIL = Channel(
    name="ops",
    host="127.0.0.1",
    port=9,
    security=Security.TLS,
    user="phoenix",
    sender="phoenix@example.org",
    recipients=("ops@example.org",),
)


async def set_up(client: CoreClient) -> None:
    await client.put_channel("ops", MAIL)
    await client.put_channel_secret("ops", SECRET)


async def test_a_secret_is_in_its_file_and_nowhere_else(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await set_up(rig.client)
    await rig.client.put_notification_rule("daily", NotificationRule("daily", channels=("ops",), when="daily at 07:00"))
    with pytest.raises(RemoteError) as refused:
        await rig.client.test_channel("ops")
    assert refused.value.view().code == "notification_not_delivered"
    told = [
        msgspec.json.encode(await rig.client.channel("ops")),
        msgspec.json.encode(await rig.client.config()),
        msgspec.json.encode(await rig.client.audit(limit=100)),
        msgspec.json.encode(refused.value.view()),
        caplog.text.encode(),
    ]
    assert (await rig.client.channel("ops")).secret_held_by == "file"
    assert ("notification secret", "ops", "") in [
        (each.action, each.subject, each.detail) for each in await rig.client.audit()
    ]
    await rig.stop()
    held = await asyncio.to_thread(_files_with, rig.data.root, SECRET.encode())
    assert held == [rig.data.channel_secrets]
    assert stat.S_IMODE(rig.data.channel_secrets.stat().st_mode) == 0o600
    assert [each for each in told if SECRET.encode() in each] == []


def _files_with(root: Path, content: bytes) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and content in path.read_bytes()]


async def test_a_secret_outlives_a_restart_and_a_change_of_its_channel(rig: Rig) -> None:
    await set_up(rig.client)
    await rig.restart()
    await rig.client.put_channel("ops", msgspec.structs.replace(MAIL, name="night", host="127.0.0.2"))
    assert (await rig.client.channel("night")).secret_held_by == "file"
    await rig.client.put_channel_secret("night", "")
    assert (await rig.client.channel("night")).secret_held_by == ""
    with pytest.raises(RemoteError, match="none was given") as refused:
        await rig.client.test_channel("night")
    assert refused.value.view().code == "channel_secret_missing"
    assert SECRET not in rig.data.channel_secrets.read_text()


async def test_a_configuration_carries_channels_and_rules_without_secrets(rig: Rig) -> None:
    await set_up(rig.client)
    await rig.client.put_notification_rule("daily", NotificationRule("daily", channels=("ops",), when="daily at 07:00"))
    config = await rig.client.config()
    assert await rig.client.config_diff(config) == []
    moved = msgspec.structs.replace(MAIL, host="127.0.0.3")
    await rig.client.apply_config(msgspec.structs.replace(config, channels=(moved,)))
    view = await rig.client.channel("ops")
    assert (view.channel.host, view.secret_held_by) == ("127.0.0.3", "file")
    dangling = msgspec.structs.replace(config, channels=())
    with pytest.raises(RemoteError, match="there is no notification named ops"):
        await rig.client.apply_config(dangling)
    assert (await rig.client.config()).channels == (moved,)
    await rig.client.apply_config(msgspec.structs.replace(dangling, notifications=()))
    assert await rig.client.channels() == []
    assert SECRET not in rig.data.channel_secrets.read_text()


async def test_a_configuration_is_in_force_though_a_secret_that_went_can_t_be_deleted(rig: Rig) -> None:
    await set_up(rig.client)
    config = await rig.client.config()
    rig.data.channel_secrets.chmod(0o644)
    with pytest.raises(RemoteError, match="secret of ops, which is removed, is still held") as left:
        await rig.client.apply_config(msgspec.structs.replace(config, channels=()))
    assert left.value.view().code == "channel_secret_left"
    assert (await rig.client.config()).channels == ()


async def test_a_group_that_a_rule_tells_of_is_not_removed(rig: Rig) -> None:
    await set_up(rig.client)
    await rig.client.put_group("web", ServerGroup("web"))
    await rig.client.put_notification_rule("web", NotificationRule("web", channels=("ops",), groups=("web",)))
    with pytest.raises(RemoteError, match="still attached to notification rule web"):
        await rig.client.remove_group("web")
    await rig.client.put_group("web", ServerGroup("websites"))
    assert (await rig.client.notification_rule("web")).groups == ("websites",)


# --- the holders ------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    made = DataDirectory(tmp_path / "data")
    made.create()
    return made


def test_where_a_keyring_opens_it_holds_the_secret(data: DataDirectory) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    try:
        secrets = ChannelSecrets(data, service=False)
        assert secrets.put("c1", SECRET) is SecretHolder.KEYRING
        assert secrets.get("c1", "keyring") == SECRET
        assert not data.channel_secrets.exists()
        with pytest.raises(SecretUnavailable, match="a service can't open"):
            ChannelSecrets(data, service=True).get("c1", "keyring")
        secrets.forget("c1", "keyring")
        with pytest.raises(SecretUnavailable, match="doesn't hold it"):
            secrets.get("c1", "keyring")
    finally:
        keyring.set_keyring(before)


def test_a_service_keeps_it_in_a_file_that_others_may_not_read(data: DataDirectory) -> None:
    secrets = ChannelSecrets(data, service=True)
    assert secrets.put("c1", SECRET) is SecretHolder.FILE
    assert secrets.put("c2", "other") is SecretHolder.FILE
    assert (secrets.get("c1", "file"), secrets.get("c2", "file")) == (SECRET, "other")
    data.channel_secrets.chmod(0o644)
    with pytest.raises(SecretUnavailable, match="others may read"):
        secrets.get("c1", "file")
    data.channel_secrets.chmod(0o600)
    data.channel_secrets.write_text("{broken")
    with pytest.raises(SecretUnavailable, match="can't be read"):
        secrets.put("c1", "new")


def test_a_keyring_that_doesn_t_delete_is_told_and_what_isn_t_there_is_forgotten(data: DataDirectory) -> None:
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    try:
        secrets = ChannelSecrets(data, service=False)
        secrets.put("c1", SECRET)
        memory.locked = True
        with pytest.raises(SecretUnavailable, match=r"entry channel c1 of phoenix-backup in the OS keyring: .*locked"):
            secrets.forget("c1", "keyring")
        memory.locked = False
        with pytest.raises(SecretUnavailable, match="a service can't open"):
            ChannelSecrets(data, service=True).forget("c1", "keyring")
        for _ in range(2):
            secrets.forget("c1", "keyring")
        assert memory.entries == {}
    finally:
        keyring.set_keyring(before)
