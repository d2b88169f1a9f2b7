"""What the commands on notification channels do."""

import sys
from pathlib import Path

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.notificationrulework import member, what, when
from phoenix_core.cli.output import print_facts, print_json, print_table, say
from phoenix_core.cli.output import when as moment
from phoenix_core.cli.passphrases import read_secret
from phoenix_core.cli.program import as_typed
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.notifications import Channel, ChannelKind, ChannelView, MessageView, Security
from phoenix_core.host.datadir import DataDirectory

NONE = "none"


class SecretSource(msgspec.Struct, frozen=True):
    """Where a password or secret comes from. Never an argument, which others of the machine could see."""

    file: Path | None
    command: str | None
    forget: bool = False

    def read(self, channel: Channel, *, ask: bool) -> str | None:
        """None: it is not named. `ask`: at the terminal, where the channel needs one. Raises SecretUnusable."""
        if self.file is not None or self.command is not None:
            return read_secret(self.file, self.command, prompt="")
        if ask and channel.needs_secret and sys.stdin.isatty():
            whose = f"Password of {channel.user}" if channel.kind is ChannelKind.MAIL else "Secret of the URL"
            return read_secret(None, None, prompt=whose)
        return None


class ChannelChanges(msgspec.Struct, frozen=True):
    """What a command names; None: left as it is."""

    recipients: list[str] | None
    sender: str | None
    host: str | None
    port: int | None
    security: str | None
    user: str | None
    url: str | None
    ca_file: str | None
    name: str | None = None

    @property
    def any_of_mail(self) -> bool:
        return any(each is not None for each in (self.recipients, self.sender, self.host, self.port, self.user))

    def of(self, channel: Channel) -> Channel:
        """The channel, changed. Raises UsageError."""
        changes: dict[str, object] = {
            "recipients": None if self.recipients is None else tuple(dict.fromkeys(self.recipients)),
            "sender": self.sender,
            "host": self.host,
            "port": self.port,
            "security": None if self.security is None else member(Security, "--security", self.security),
            "user": _or_none(self.user),
            "url": self.url,
            "ca_file": _or_none(self.ca_file),
            "name": self.name,
        }
        return msgspec.structs.replace(
            channel, **{field: value for field, value in changes.items() if value is not None}
        )


def _or_none(given: str | None) -> str | None:
    return "" if given == NONE else given


async def add(
    data: DataDirectory, name: str, changes: ChannelChanges, secret: SecretSource, *, rules: bool, as_json: bool
) -> None:
    if changes.url is None and not changes.any_of_mail:
        raise UsageError(detail="What is it? A mail channel has --to, --from and --host, a webhook has --url.")
    kind = ChannelKind.MAIL if changes.url is None else ChannelKind.WEBHOOK
    channel = changes.of(Channel(name=name, kind=kind))
    given = secret.read(channel, ask=True)
    async with attached(data) as client:
        view = await client.put_channel(name, channel, new=True)
        if given is not None:
            view = await client.put_channel_secret(name, given)
        made = await client.first_notification_rules(name) if rules else []
    if as_json:
        print_json(view)
        return
    _print(view, [])
    for rule in made:
        say(f"Rule {rule.name} tells {what(rule)}: {when(rule)}.")
    say(as_typed(f"Try it: `phoenix notification test {name}`. Whom it tells what: `phoenix notification rule list`."))


async def change(
    data: DataDirectory, name: str, changes: ChannelChanges, secret: SecretSource, *, as_json: bool
) -> None:
    async with attached(data) as client:
        before = (await client.channel(name)).channel
        channel = changes.of(before)
        given = secret.read(channel, ask=channel.user != before.user)
        view = await client.put_channel(name, channel)
        if secret.forget or given is not None:
            view = await client.put_channel_secret(channel.name, given or "")
        messages = await client.channel_messages(channel.name, limit=5)
    if as_json:
        print_json(view)
    else:
        _print(view, messages)


async def list_all(data: DataDirectory, *, as_json: bool) -> None:
    async with attached(data) as client:
        channels = await client.channels()
        rules = await client.notification_rules()
    if as_json:
        print_json(channels)
        return
    print_table(
        ("CHANNEL", "KIND", "TO", "RULES", "DELIVERED", "WAITING", "PROBLEM"),
        [
            (
                view.channel.name,
                view.channel.kind,
                ", ".join(view.channel.recipients) or view.channel.url,
                ", ".join(rule.name for rule in rules if view.channel.name in rule.channels) or "none",
                moment(view.delivered_at),
                str(view.waiting),
                view.problem or "-",
            )
            for view in channels
        ],
        "Nobody is told of alerts yet. "
        "Add a channel: `phoenix notification add ops --to ops@example.org --from phoenix@example.org --host HOST`.",
    )


async def show_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        view = await client.channel(name)
        messages = await client.channel_messages(name)
    if as_json:
        print_json({"channel": view, "messages": messages})
    else:
        _print(view, messages)


async def remove_one(data: DataDirectory, name: str, *, yes: bool, as_json: bool) -> None:
    async with attached(data) as client:
        view = await client.channel(name)
        waiting = f", and {amount(view.waiting, 'message')} that wait" if view.waiting else ""
        confirm(f"remove notification channel {name} with its secret{waiting}", yes=yes)
        await client.remove_channel(name)
    if as_json:
        print_json(view)
    else:
        say(f"Removed notification channel {name}.")


async def test_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        result = await client.test_channel(name)
    if as_json:
        print_json(result)
        return
    say(f"Delivered to {', '.join(result.sent_to)} in {result.seconds:.1f} s, as message {result.message_id}.")
    say(f"The answer: {result.answer}")


def _print(view: ChannelView, messages: list[MessageView]) -> None:
    channel = view.channel
    facts = [("Channel", channel.name), ("Kind", channel.kind)]
    if channel.kind is ChannelKind.MAIL:
        facts += [
            ("Mail server", f"{channel.place}, {_SECURITY[channel.security]}"),
            ("From", channel.sender),
            ("To", ", ".join(channel.recipients)),
            ("Logs in as", channel.user or "nobody"),
        ]
    else:
        facts.append(("URL", channel.url))
    if channel.ca_file:
        facts.append(("Authorities", channel.ca_file))
    facts += [
        ("Password or secret", f"held by the {view.secret_held_by}" if view.secret_held_by else _no_secret(channel)),
        ("Delivered", f"{moment(view.delivered_at)}: {view.answer}" if view.delivered_at else "nothing yet"),
        ("Waiting", _waiting(view)),
    ]
    if view.problem:
        facts.append(("Problem", view.problem))
    print_facts(facts)
    if messages:
        say()
        print_table(
            ("MESSAGE", "MADE", "STATE", "ATTEMPTS", "SUBJECT"),
            [(each.id, moment(each.created_at), each.state, str(each.attempts), each.subject) for each in messages],
            "",
        )


_SECURITY = {Security.STARTTLS: "STARTTLS", Security.TLS: "TLS", Security.NONE: "not encrypted"}


def _waiting(view: ChannelView) -> str:
    text = amount(view.waiting, "message")
    if view.gathering:
        text += f", and {amount(view.gathering, 'change of an alert', 'changes of alerts')} for the next"
    return text


def _no_secret(channel: Channel) -> str:
    if channel.needs_secret:
        return as_typed(f"none: give it with `phoenix notification set {channel.name} --secret-file FILE`")
    return "none"
