"""Errors of source snapshots."""

from phoenix_core.agent.errors import AgentError


class SourceSnapshotNotMade(AgentError):
    """The policy wants a snapshot of all that is backed up."""

    code = "source_snapshot_not_made"
    template = "The policy wants snapshots as the source of its backups, and there is none of {places}."
    hint = (
        "Mend that, leave those places out of the backup, or set `--source-snapshot if_available` to have read live"
        " what has no snapshot."
    )


class SourceSnapshotLost(AgentError):
    """What was read of it can't be trusted."""

    code = "source_snapshot_lost"
    template = "The snapshot of {place} was lost while it was read: {detail}. Nothing of this backup counts."
    hint = "{advice} Then start the backup again; what was stored already is not sent anew."
    retryable = True


class CommandMissing(AgentError):
    code = "command_missing"
    template = "The command {command} is not installed on this server."
    hint = "Install the package that has it, or do without snapshots of this kind."


class CommandFailed(AgentError):
    code = "command_failed"
    template = "`{command}` failed: {detail}"
    hint = "Run it by hand on that server, as root."


class CommandTimedOut(CommandFailed):
    code = "command_timed_out"
    template = "`{command}` did not end within {seconds} s; process {pid} was asked to end."
    hint = "Look on that server what it waits for."
    retryable = True
