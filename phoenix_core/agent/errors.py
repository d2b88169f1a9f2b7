"""Errors of the file agent's backup and of its process."""

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError


class AgentError(PhoenixError):
    """Base of what goes wrong at the agent."""


class NothingToBackUp(AgentError):
    code = "order_without_path"
    template = "The backup names no path."
    hint = "Name at least one absolute path."
    exit_code = EXIT_USAGE


class PathNotAbsolute(AgentError):
    code = "path_not_absolute"
    template = "{path} is not an absolute path."
    hint = "Name the path from the root of the server's file system, beginning with /."
    exit_code = EXIT_USAGE


class PathNotFound(AgentError):
    code = "path_not_found"
    template = "There is nothing at {path} on this server."
    hint = "Check the path; it is one of the protected server, not of the machine that you type on."


class PathUnreadable(AgentError):
    code = "path_unreadable"
    template = "The agent can't read {path}: {reason}."
    hint = "Run the agent as a user that may read it (root reads everything), or back up another path."


class PathExcluded(AgentError):
    code = "path_excluded"
    template = "{path} is never backed up: {reason}."
    hint = "{advice}"

    def __init__(self, *, path: str, reason: str, advice: str = "Name another path.") -> None:
        super().__init__(path=path, reason=reason, advice=advice)


class VaultBehind(AgentError):
    """The vault lacks the record that answered a backup of this server: it was rolled back, and the core may not
    know."""

    code = "vault_behind_agent"
    template = (
        "Record {expected}, which answered job {job} of this server, is not in the vault any more: its records end at "
        "{found}."
    )
    hint = (
        "Find out who changed the storage, and put what is missing back into the vault. Where it is lost for good, "
        "accept that with `phoenix setting set vault.accept_rollback {expected}`; until then this server is not "
        "backed up."
    )


class ParentUnsteady(AgentError):
    code = "parent_unsteady"
    template = "The parent snapshot's folder {path} was read twice, and differed."
    hint = "Start the backup again; if that doesn't help, run `phoenix vault verify`."
    retryable = True


class WorkerDied(AgentError):
    code = "worker_died"
    template = "A worker process of the job ended unexpectedly ({how})."
    hint = (
        "Start the job again; what was done already is not done anew. If it happens again, look for the out-of-memory"
        " killer in the system's log."
    )
    retryable = True


class WorkerFailed(AgentError):
    code = "worker_failed"
    template = "A worker process of the job failed: {detail}."
    hint = "Start the job again; what was done already is not done anew. The agent's log has the details."
    retryable = True


class StateUnusable(AgentError):
    code = "agent_state_unusable"
    template = "The agent's folder {path} can't be used: {detail}."
    hint = "See that there is space and that the agent may write there."
    retryable = True


class AgentRunning(AgentError):
    code = "agent_running"
    template = "An agent already runs on {path} (process {pid})."
    hint = "Use that one, or stop it first."
    retryable = True
    http_status = 409


class AgentStopping(AgentError):
    code = "agent_stopping"
    template = "The agent was stopped while it worked on the job."
    hint = "Start the agent, then the job again; what was stored already is reused."
    retryable = True


class AgentBusy(AgentError):
    code = "agent_busy_testing"
    template = "The agent tests content rules {count} times already."
    hint = "Wait until one of these tests is over, or end it."
    retryable = True


class NotGreeted(AgentError):
    """A new version that doesn't come up."""

    code = "version_not_greeted"
    template = "Version {version} is on trial, and its core didn't let it in within {seconds} s."
    hint = "Its service tries again, and goes back to the version before if this goes on; the log says why."
    retryable = True
