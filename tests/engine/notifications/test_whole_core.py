"""From a backup that failed to a mail about it, and to one that it is over: through a whole core and a real mail
server."""

from email.message import EmailMessage

from phoenix_core.domain.notifications import Channel, NotificationRule, Security
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from tests.engine.fake_agent import back_up, failing
from tests.engine.notifications.servers import Mailbox
from tests.engine.rig import Rig


async def tell(rig: Rig, mailbox: Mailbox, group: str) -> None:
    """Alerts of the group's servers go to the mailbox at once."""
    for key in ("notification.join_s", "notification.gap_s"):
        await rig.client.set_setting(key, "0")
    channel = Channel(
        name="ops",
        host="127.0.0.1",
        port=mailbox.port,
        security=Security.NONE,
        sender="phoenix@example.org",
        recipients=("ops@example.org",),
    )
    await rig.client.put_channel("ops", channel)
    await rig.client.put_notification_rule("urgent", NotificationRule("urgent", channels=("ops",), groups=(group,)))


def words_of(message: EmailMessage) -> str:
    """Its lines are no longer than a mail's may be."""
    return " ".join(message.get_content().split())


async def backed_up(rig: Rig, server: str) -> JobView:
    return await rig.ended((await rig.client.backup(BackupRequest(server=server, paths=("/srv",)))).id)


async def test_a_failed_backup_is_mailed_by_rule_and_so_is_its_end(rig: Rig, mailbox: Mailbox) -> None:
    told, untold = await rig.agent("web1"), await rig.agent("db1")
    await rig.client.put_policy("p", BackupPolicy(name="p"))
    await rig.client.put_rule("r", ContentRule(name="r", paths=("/srv",)))
    for group, server in (("web", "web1"), ("db", "db1")):
        await rig.client.put_group(group, ServerGroup(group, policy="p", rules=("r",), servers=(server,)))
    await tell(rig, mailbox, "web")
    told.on_backup = untold.on_backup = failing
    assert (await backed_up(rig, "db1")).state is JobState.FAILED
    job = await backed_up(rig, "web1")
    assert job.state is JobState.FAILED
    message = await mailbox.next()
    assert message["Subject"] == "[Phoenix] ERROR: backup failed: web1"
    assert mailbox.envelopes[0].rcpt_tos == ["ops@example.org"]
    text = words_of(message)
    assert "The last backup of web1 failed: " in text
    assert "the disk burns" in text
    assert "What to do: " in text
    assert f"`phoenix job show {job.id}`" in text.partition("What to do: ")[2]

    told.on_backup = back_up
    good = await backed_up(rig, "web1")
    assert good.state is JobState.SUCCESSFUL
    over = await mailbox.next()
    assert "backup failed: web1" in over["Subject"]
    assert "over" in over["Subject"].lower()
    assert f"Backup {good.id} ended " in words_of(over)
    assert mailbox.taken.empty()
    assert all("db1" not in words_of(each) for each in (message, over))
