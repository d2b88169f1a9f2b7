"""Shell completion of names, asked from the core that runs; nothing where none answers at once."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from phoenix_core.client import CoreClient

ANSWER_S = 1.0


def servers(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [server.name for server in await client.servers()]

    return _ask(names, context, incomplete)


def jobs(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [job.id for job in await client.jobs(limit=50)]

    return _ask(names, context, incomplete)


def snapshots(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [snapshot.id[:12] for snapshot in await client.snapshots(limit=50)]

    return _ask(names, context, incomplete)


def settings(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [setting.key for setting in await client.settings()]

    return _ask(names, context, incomplete)


def policies(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [policy.name for policy in await client.policies()]

    return _ask(names, context, incomplete)


def rules(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [rule.name for rule in await client.rules()]

    return _ask(names, context, incomplete)


def groups(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [group.name for group in await client.groups()]

    return _ask(names, context, incomplete)


def alerts(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [alert.id for alert in await client.alerts()]

    return _ask(names, context, incomplete)


def channels(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [view.channel.name for view in await client.channels()]

    return _ask(names, context, incomplete)


def notification_rules(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [rule.name for rule in await client.notification_rules()]

    return _ask(names, context, incomplete)


def alert_kinds(incomplete: str) -> list[str]:
    from phoenix_core.domain.alerts import AlertKind

    return _starting(("all", *AlertKind), incomplete)


def severities(incomplete: str) -> list[str]:
    from phoenix_core.domain.alerts import Severity

    return _starting(Severity, incomplete)


def securities(incomplete: str) -> list[str]:
    from phoenix_core.domain.notifications import Security

    return _starting(Security, incomplete)


def drills(context: typer.Context, incomplete: str) -> list[str]:
    async def names(client: "CoreClient") -> list[str]:
        return [drill.id for drill in await client.drills()]

    return _ask(names, context, incomplete)


def missed_runs(incomplete: str) -> list[str]:
    from phoenix_core.domain.policies import MissedRun

    return _starting(MissedRun, incomplete)


def source_snapshots(incomplete: str) -> list[str]:
    from phoenix_core.domain.sourcesnapshot import SourceSnapshot

    return _starting(SourceSnapshot, incomplete)


def conflict_rules(incomplete: str) -> list[str]:
    from phoenix_core.domain.states import ConflictRule

    return _starting(ConflictRule, incomplete)


def verify_depths(incomplete: str) -> list[str]:
    from phoenix_core.domain.states import VerifyDepth

    return _starting(VerifyDepth, incomplete)


def job_kinds(incomplete: str) -> list[str]:
    from phoenix_core.domain.states import JobKind

    return _starting(JobKind, incomplete)


def job_states(incomplete: str) -> list[str]:
    from phoenix_core.domain.states import JobState

    return _starting(("active", "finished", *JobState), incomplete)


def key_holders(incomplete: str) -> list[str]:
    from phoenix_core.host.keyholder import Holder

    return _starting(Holder, incomplete)


def roles(incomplete: str) -> list[str]:
    return _starting(("agent", "storage"), incomplete)


def _starting(words: Iterable[str], incomplete: str) -> list[str]:
    return [str(word) for word in words if word.startswith(incomplete)]


def _ask(names: "Callable[[CoreClient], Awaitable[list[str]]]", context: typer.Context, incomplete: str) -> list[str]:
    import asyncio

    from phoenix_core.client import CoreClient
    from phoenix_core.domain.errors import PhoenixError
    from phoenix_core.host.datadir import DataDirectory, default_data_directory

    data = DataDirectory(context.params.get("data") or default_data_directory())

    async def ask() -> list[str]:
        async with CoreClient(data.core_socket) as client, asyncio.timeout(ANSWER_S):
            return await names(client)

    try:
        return _starting(asyncio.run(ask()), incomplete)
    except (PhoenixError, TimeoutError):
        return []
