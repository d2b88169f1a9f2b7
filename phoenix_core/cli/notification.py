"""`phoenix notification add|list|show|set|remove|test`; `notification rule` is in a file of its own."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli import completion, notificationrule
from phoenix_core.cli.options import Data, Json, Yes

app = typer.Typer(help="Notifications: whom alerts are told to, by mail or webhook.", no_args_is_help=True)
app.add_typer(notificationrule.app, name="rule")
Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=completion.channels)]
To = Annotated[
    list[str] | None,
    typer.Option("--to", metavar="ADDRESS", help="Mail to this address. Repeatable; together they replace others."),
]
Sender = Annotated[str | None, typer.Option("--from", metavar="ADDRESS", help="The mails' sender.")]
Host = Annotated[str | None, typer.Option("--host", metavar="HOST", help="The mail server.")]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="PORT", help="Its port. Default: 587, with TLS 465, with none 25."),
]
Security = Annotated[
    str | None,
    typer.Option(
        "--security",
        help="starttls (default), tls or none: how the connection is protected.",
        autocompletion=completion.securities,
    ),
]
User = Annotated[
    str | None,
    typer.Option("--user", metavar="USER", help="Log in as; asks for the password. none: without a log-in."),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="A webhook. {secret} in it stands for the secret; without that, a secret signs what is sent.",
    ),
]
CaFile = Annotated[
    str | None,
    typer.Option(
        "--ca-file",
        metavar="FILE",
        help="On the core's host: authorities (PEM) for the server's certificate; none: those of the host.",
    ),
]
SecretFile = Annotated[
    Path | None,
    typer.Option("--secret-file", metavar="FILE", help="Read the password or secret from the file's first line."),
]
SecretCommand = Annotated[
    str | None,
    typer.Option("--secret-command", metavar="COMMAND", help="Take it from a command's output."),
]


@app.command("add")
def add(
    name: Name,
    to: To = None,
    sender: Sender = None,
    host: Host = None,
    port: Port = None,
    security: Security = None,
    user: User = None,
    url: Url = None,
    ca_file: CaFile = None,
    secret_file: SecretFile = None,
    secret_command: SecretCommand = None,
    rules: Annotated[
        bool,
        typer.Option(
            "--rules/--no-rules",
            help="Where no rule tells anybody yet, make two: errors at once, and a digest each morning.",
        ),
    ] = True,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Add a mail channel (--to, --from, --host) or a webhook (--url)."""
    from phoenix_core.cli import notificationwork as work
    from phoenix_core.cli.boundary import data_directory, execute

    changes = work.ChannelChanges(
        recipients=to, sender=sender, host=host, port=port, security=security, user=user, url=url, ca_file=ca_file
    )
    secret = work.SecretSource(secret_file, secret_command)
    execute(work.add(data_directory(data), name, changes, secret, rules=rules, as_json=as_json), as_json=as_json)


@app.command("list")
def list_channels(data: Data = None, as_json: Json = False) -> None:
    """List the channels, and how they go."""
    from phoenix_core.cli import notificationwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(notificationwork.list_all(data_directory(data), as_json=as_json), as_json=as_json)


@app.command("show")
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show one channel and its newest messages."""
    from phoenix_core.cli import notificationwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(notificationwork.show_one(data_directory(data), name, as_json=as_json), as_json=as_json)


@app.command("set")
def set_channel(
    name: Name,
    to: To = None,
    sender: Sender = None,
    host: Host = None,
    port: Port = None,
    security: Security = None,
    user: User = None,
    url: Url = None,
    ca_file: CaFile = None,
    secret_file: SecretFile = None,
    secret_command: SecretCommand = None,
    forget_secret: Annotated[
        bool, typer.Option("--forget-secret", help="Forget the password or secret there is.")
    ] = False,
    rename: Annotated[str | None, typer.Option("--rename", metavar="NAME", help="Give it another name.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Change what is named of a channel. What waits to be delivered is tried anew."""
    from phoenix_core.cli import notificationwork as work
    from phoenix_core.cli.boundary import data_directory, execute

    changes = work.ChannelChanges(
        recipients=to,
        sender=sender,
        host=host,
        port=port,
        security=security,
        user=user,
        url=url,
        ca_file=ca_file,
        name=rename,
    )
    secret = work.SecretSource(secret_file, secret_command, forget=forget_secret)
    execute(work.change(data_directory(data), name, changes, secret, as_json=as_json), as_json=as_json)


@app.command("remove")
def remove(name: Name, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Remove a channel, with its secret and what waits; rules no longer name it."""
    from phoenix_core.cli import notificationwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(notificationwork.remove_one(data_directory(data), name, yes=yes, as_json=as_json), as_json=as_json)


@app.command("test")
def send_test(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Deliver a test message now, and show the server's own answer."""
    from phoenix_core.cli import notificationwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(notificationwork.test_one(data_directory(data), name, as_json=as_json), as_json=as_json)
