"""What the commands on servers do."""

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.output import print_facts, print_json, print_table, say, when
from phoenix_core.domain.views import ActivationTokenRequest, ServerView
from phoenix_core.host.datadir import DataDirectory


async def make_token(data: DataDirectory, name: str, role: str, valid_s: int, *, as_json: bool) -> None:
    """A token is of use only with a core that goes on running."""
    async with attached(data, embed=False) as client:
        made = await client.activation_token(ActivationTokenRequest(role=role, name=name, valid_s=valid_s))
    if as_json:
        print_json(made)
        return
    say(made.token)
    say()
    say(f"Valid until {when(made.expires_at)}, once. On the server:")
    say(f"  phoenix {role} enroll TOKEN && phoenix {role} run")


async def list_all(data: DataDirectory, *, as_json: bool) -> None:
    async with attached(data) as client:
        servers = await client.servers()
    if as_json:
        print_json(servers)
        return
    print_table(
        ("NAME", "STATE", "LAST BACKUP", "RESULT", "SNAPSHOTS", "ID"),
        [
            (
                server.name,
                state_of(server),
                when(server.last_backup_at),
                (server.last_backup_state or "-").replace("_", " "),
                str(server.snapshots),
                server.id,
            )
            for server in servers
        ],
        "No server is protected yet. Make a token with `phoenix server token`, or try `phoenix quickstart`.",
    )


async def show_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        server = await client.server(name)
    if as_json:
        print_json(server)
        return
    print_facts(
        [
            ("Name", server.name),
            ("Id", server.id),
            ("State", state_of(server)),
            ("Host", server.hostname),
            ("Platform", server.platform),
            ("Agent", server.agent_version),
            ("Enrolled", when(server.enrolled_at)),
            ("Last seen", when(server.last_seen_at)),
            ("Last backup", f"{when(server.last_backup_at)} {server.last_backup_state or ''}".strip()),
            ("Paths", ", ".join(server.default_paths) or "-"),
            ("Snapshots", str(server.snapshots)),
            ("Certificate until", when(server.certificate_ends_at)),
        ]
    )


async def remove_one(data: DataDirectory, name: str, *, yes: bool, as_json: bool) -> None:
    async with attached(data) as client:
        server = await client.server(name)
        confirm(f"remove server {server.name} and revoke its certificate", yes=yes)
        removed = await client.remove_server(server.id)
    if as_json:
        print_json(removed)
    else:
        say(f"Removed {removed.name}. Its snapshots stay until they are removed.")


def state_of(server: ServerView) -> str:
    if server.revoked:
        return "removed"
    return "connected" if server.connected else "away"
