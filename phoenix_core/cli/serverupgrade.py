"""What `server upgrade` does."""

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.output import print_json, say, warn
from phoenix_core.cli.program import as_typed
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import EXIT_DONE, EXIT_FAILED, ErrorView, PhoenixError, UsageError
from phoenix_core.domain.versions import Standing
from phoenix_core.host.datadir import DataDirectory


class Ordered(msgspec.Struct, frozen=True):
    """One server's answer."""

    server: str
    upgrade: str = ""
    error: ErrorView | None = None


async def upgrade(data: DataDirectory, names: list[str], *, everyone: bool, as_json: bool) -> int:
    """The exit code: failed where one of them was refused. Raises UsageError."""
    if everyone == bool(names):
        raise UsageError(detail="Name the servers, or say --all.")
    async with attached(data, embed=False) as client:
        wanted = await _behind(client) if everyone else names
        done = [await _order(client, name) for name in wanted]
    if as_json:
        print_json(done)
    else:
        _tell(done)
    return EXIT_FAILED if any(each.error for each in done) else EXIT_DONE


async def _behind(client: CoreClient) -> list[str]:
    servers = await client.servers()
    return [each.name for each in servers if each.connected and each.version_standing is Standing.BEHIND]


async def _order(client: CoreClient, name: str) -> Ordered:
    try:
        server = await client.upgrade_server(name)
    except PhoenixError as error:
        return Ordered(name, error=error.view())
    return Ordered(server.name, server.upgrade)


def _tell(done: list[Ordered]) -> None:
    for each in done:
        if each.error is None:
            say(f"{each.server}: {each.upgrade}")
        else:
            warn(f"{each.server}: {each.error.message}\n  {as_typed(each.error.hint)}")
    if not done:
        say("No agent that is connected is behind.")
    elif any(each.error is None for each in done):
        say(as_typed("`phoenix server show` says how it goes, `phoenix server list` which version runs."))
