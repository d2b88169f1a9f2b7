"""Errors of the command line itself."""

from phoenix_core.domain.errors import EXIT_FAILED, EXIT_QUEUED, EXIT_USAGE, PhoenixError


class CoreNotRunning(PhoenixError):
    code = "core_not_running"
    template = "No core runs on {path}."
    hint = "Start one with `phoenix core run`, or name another data directory with --data."
    retryable = True


class CoreLost(PhoenixError):
    """The core went while a command waited for its job."""

    code = "core_lost"
    template = "The core went while job {job} ran: {detail}."
    hint = "{advice}"
    retryable = True

    def __init__(self, *, job: str, detail: str, goes_on: bool) -> None:
        """`goes_on`: a core that is started takes the job up again."""
        advice = f"Start a core with `phoenix core run`; `phoenix job show {job}` then says how the job ended."
        if goes_on:
            advice = (
                "The job goes on once a core is there again: start one with `phoenix core run`, and see what becomes "
                f"of the job with `phoenix job show {job}` or `phoenix job watch {job}`."
            )
        super().__init__(job=job, detail=detail, advice=advice)


class CoreRunning(PhoenixError):
    code = "core_running"
    template = "A core runs on {path} (process {pid}); {action} needs it stopped."
    hint = (
        "Stop it with `phoenix core stop`, or where it is a service with `systemctl stop phoenix-core`, then try again."
    )


class AgentAbsent(PhoenixError):
    code = "agent_absent"
    template = "No agent answers at {path}: {detail}."
    hint = (
        "Start it (`systemctl start phoenix-agent`), or name its data directory with --data. Only its own user, "
        "as a rule root, may hand it streams or have it restore."
    )


class AgentStayedAway(PhoenixError):
    code = "agent_stayed_away"
    template = "This machine's agent did not connect within {seconds} s."
    hint = "See {log}."
    exit_code = EXIT_QUEUED
    retryable = True


class PassphraseUnusable(PhoenixError):
    code = "passphrase_unusable"
    template = "The passphrase can't be used: {detail}."
    hint = "Give one at the prompt, or by --passphrase-file or --passphrase-command."
    exit_code = EXIT_USAGE


class SecretUnusable(PhoenixError):
    """The password or secret of a notification channel, as a command was given it."""

    code = "secret_unusable"
    template = "The password or secret can't be used: {detail}."
    hint = "Give it at the prompt, or by --secret-file or --secret-command."
    exit_code = EXIT_USAGE


class NoTerminal(PhoenixError):
    code = "no_terminal"
    template = "The console needs a terminal, and this is none."
    hint = "Over SSH: `ssh -t HOST phoenix`. For scripts there are commands: `phoenix --help`."
    exit_code = EXIT_USAGE


class NotConfirmed(PhoenixError):
    code = "not_confirmed"
    template = "Nothing was done: {action} wasn't confirmed."
    hint = "Add --yes to confirm without a question."
    exit_code = EXIT_USAGE


class OutputClosed(PhoenixError):
    """Who read standard output went away."""

    code = "output_closed"
    template = "Standard output was closed after {written} of {total} bytes of {path}."
    hint = "See why the program behind the pipe ended."


class NameNotTyped(PhoenixError):
    code = "name_not_typed"
    template = "Nothing was done: to {action}, its name must be typed: {name}."
    hint = "In a script, add --confirm {name}."
    exit_code = EXIT_USAGE


class SnapshotsUnknown(PhoenixError):
    """No snapshot is known, and what is wrong with the vault may be why."""

    code = "snapshots_unknown"
    template = "Which snapshots there are can't be told from the vault in {path}. {problem}"
    hint = "{advice}"


class NoSpace(PhoenixError):
    code = "no_space"
    template = "{place} has {free} free; {purpose} needs {needed}."
    hint = "Free some space, or name another place with {option}."
    exit_code = EXIT_FAILED


class FileExists(PhoenixError):
    code = "file_exists"
    template = "{file} is there already, and stays as it is."
    hint = "Name another place with --to, or add --overwrite."
    exit_code = EXIT_USAGE


class FileUnwritable(PhoenixError):
    code = "file_unwritable"
    template = "The file {file} can't be written: {detail}."
    hint = "Name another one."
