"""`phoenix restore`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Conflict, Data, Detach, Json, RestoreTo, ServerName, WaitAgent


def restore(
    server: ServerName,
    snapshot: Annotated[
        str,
        typer.Option("--snapshot", metavar="ID|latest", help="Which snapshot.", autocompletion=completion.snapshots),
    ] = "latest",
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="File or folder in the snapshot; none: everything. Repeatable."),
    ] = None,
    to: RestoreTo = "",
    to_server: Annotated[
        str,
        typer.Option(
            "--to-server", metavar="SERVER", help="Restore on another server.", autocompletion=completion.servers
        ),
    ] = "",
    conflict: Conflict = None,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Print one file, or a stream, instead; all else goes to standard error.")
    ] = False,
    stream: Annotated[
        str, typer.Option("--stream", metavar="NAME", help="With --stdout: the newest snapshot of this stream.")
    ] = "",
    check: Annotated[bool, typer.Option("--check", help="Run the checks only; restore nothing.")] = False,
    detach: Detach = False,
    wait_agent: WaitAgent = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Restore files of a server's snapshot, and wait for it."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.jobwork import conflict_rule, run_job
    from phoenix_core.cli.stdoutwork import Printed, print_file
    from phoenix_core.client import CoreClient
    from phoenix_core.domain.requests import RestoreRequest
    from phoenix_core.domain.views import JobView

    def same_of(other: str) -> list[str]:
        words = ["restore", server, "--snapshot", other]
        for each in path or ():
            words += ["--path", each]
        words += ["--to", to] if to else []
        words += ["--to-server", to_server] if to_server else []
        words += ["--conflict", conflict] if conflict is not None else []
        words += ["--check"] if check else []
        words += ["--detach"] if detach else []
        words += ["--wait-agent", f"{wait_agent:g}"] if wait_agent is not None else []
        return words + (["--json"] if as_json else [])

    async def work() -> int:
        if stdout or stream:
            others = bool(to or to_server or conflict is not None or check or detach)
            wanted = Printed(server, snapshot, tuple(path or ()), stream, stdout=stdout, others=others, as_json=as_json)
            return await print_file(data_directory(data), wanted)
        request = RestoreRequest(
            server=server,
            snapshot=snapshot,
            paths=tuple(path or ()),
            destination=to,
            to_server=to_server,
            conflict=conflict_rule(conflict),
            check_only=check,
        )

        async def start(client: CoreClient) -> JobView:
            return await client.restore(request)

        return await run_job(
            data_directory(data),
            start,
            detach=detach,
            wait_agent_s=wait_agent,
            as_json=as_json,
            agent=True,
            instead=same_of,
        )

    execute(work(), as_json=as_json)
