"""What `phoenix backup` does."""

from phoenix_core.cli.jobwork import run_job
from phoenix_core.cli.output import say
from phoenix_core.cli.program import command_line
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import EXIT_DONE, EXIT_MISSING_FILES, UsageError
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_core.domain.views import JobView, ServerView
from phoenix_core.host.datadir import DataDirectory


async def back_up(
    data: DataDirectory, request: BackupRequest, *, detach: bool, wait_agent_s: float | None, as_json: bool
) -> int:
    """Says first what is backed up, and at the end what a backup without folders repeats from now on: nothing, where
    the rules of the server's group hold."""
    before: ServerView | None = None
    by_rules = False

    async def start(client: CoreClient) -> JobView:
        nonlocal before, by_rules
        before = await client.server(request.server)
        by_rules = bool((await client.config()).rules_of(before.name))
        job = await client.backup(request)
        if not as_json:
            say(f"{job.title}.")
        return job

    code = await run_job(data, start, detach=detach, wait_agent_s=wait_agent_s, as_json=as_json, agent=True)
    if request.stream:
        return code
    was_made = code in {EXIT_DONE, EXIT_MISSING_FILES} and not (detach or request.dry_run)
    if was_made and not as_json and not by_rules and before is not None and _differs(request, before):
        what = "these folders, with what they leave out," if request.excludes else "these folders"
        say(f"`{command_line(data, 'backup', before.name)}` repeats {what} from now on.")
    return code


def source_snapshot_of(word: str | None) -> SourceSnapshot | None:
    """Raises UsageError."""
    try:
        return None if word is None else SourceSnapshot(word)
    except ValueError as error:
        raise UsageError(detail=f"--source-snapshot {word}: one of {', '.join(SourceSnapshot)} is wanted.") from error


def _differs(request: BackupRequest, before: ServerView) -> bool:
    """Whether the next backup without folders does something else than it did before."""
    paths = {path.rstrip("/") or "/" for path in request.paths}
    return bool(request.excludes) or (bool(paths) and paths != set(before.default_paths))
