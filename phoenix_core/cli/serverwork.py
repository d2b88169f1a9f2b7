"""What the commands on servers do."""

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm_by_name
from phoenix_core.cli.output import print_facts, print_json, print_table, say, when
from phoenix_core.cli.program import as_typed
from phoenix_core.domain.requests import ActivationTokenRequest
from phoenix_core.domain.versions import Standing
from phoenix_core.domain.views import ServerView
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


async def add(data: DataDirectory, name: str, valid_s: int, address: str, *, as_json: bool) -> None:
    request = ActivationTokenRequest(name=name, valid_s=valid_s, install=True, address=address)
    async with attached(data, embed=False) as client:
        made = await client.activation_token(request)
    if as_json:
        print_json(made)
        return
    say(f"Paste this line on {name or 'the server'}, as it is. It works once, until {when(made.expires_at)}:")
    say()
    say(made.install_line)
    say()
    say("It takes the program from this core, checks it, enrols the server and starts its agent as a service.")
    say("It begins with Python 3, whichever is there, and says what to do where that is missing something.")
    say("Logged in as root on a server without sudo: leave out the word sudo. The line holds a secret.")


async def list_all(data: DataDirectory, *, as_json: bool) -> None:
    async with attached(data) as client:
        servers = await client.servers()
    if as_json:
        print_json(servers)
        return
    print_table(
        ("NAME", "STATE", "VERSION", "LAST BACKUP", "RESULT", "SNAPSHOTS", "RESTORE PROVED", "ID"),
        [
            (
                server.name,
                state_of(server),
                version_of(server),
                when(server.last_backup_at),
                (server.last_backup_state or "-").replace("_", " "),
                str(server.snapshots),
                _proved(server),
                server.id,
            )
            for server in servers
        ],
        "No server is protected yet. Add one with `phoenix server add`, or try `phoenix quickstart`.",
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
            *([("Removal", _removal(server))] if server.revoked else []),
            ("Host", server.hostname),
            ("Platform", server.platform),
            ("Agent", version_of(server)),
            ("Upgrade", server.upgrade or "-"),
            ("Enrolled", when(server.enrolled_at)),
            ("Last seen", when(server.last_seen_at)),
            ("Last backup", f"{when(server.last_backup_at)} {server.last_backup_state or ''}".strip()),
            ("Paths", ", ".join(server.default_paths) or "-"),
            ("Snapshots", str(server.snapshots)),
            ("Restore proved", _proved(server)),
            ("Certificate until", when(server.certificate_ends_at)),
        ]
    )


async def remove_one(data: DataDirectory, name: str, *, typed: str, as_json: bool) -> None:
    async with attached(data) as client:
        server = await client.server(name)
        confirm_by_name(f"remove server {server.name}", server.name, typed=typed)
        removed = await client.remove_server(server.id, typed=server.name)
    if as_json:
        print_json(removed)
    else:
        say(f"Removed {removed.name}. Its snapshots stay until they are removed.")
        say(f"`phoenix server undelete {removed.name}` undoes that, for as many days as servers.undo_days says.")


async def undelete_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        server = await client.undelete_server(name)
    if as_json:
        print_json(server)
    else:
        say(f"{server.name} is a protected server again. Its agent connects by itself, within minutes.")


def version_of(server: ServerView) -> str:
    """With a word where it isn't the core's own."""
    words = {
        Standing.CURRENT: "",
        Standing.BEHIND: " (behind)",
        Standing.TOO_OLD: " (too old: not let in)",
        Standing.AHEAD: " (newer than the core)",
        Standing.UNKNOWN: " (unknown)",
    }
    return server.agent_version + words[server.version_standing]


def _proved(server: ServerView) -> str:
    """When a drill did so last, and whether that is too long ago."""
    if server.last_proof_at is None:
        return "never" if server.snapshots else "-"
    return when(server.last_proof_at) + (", too long ago" if server.proof_due else "")


def _removal(server: ServerView) -> str:
    if server.undo_until is None:
        return "is final"
    return as_typed(f"`phoenix server undelete {server.name}` undoes it until about {when(server.undo_until)}")


def state_of(server: ServerView) -> str:
    if server.revoked:
        return "removed"
    return "connected" if server.connected else "away"
