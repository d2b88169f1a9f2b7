"""Errors of restore drills."""

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError


class BadSample(PhoenixError):
    code = "bad_sample"
    template = "That is no sample for a drill: {detail}."
    hint = "Such as `--sample 100`, `--sample 2G` or `--all`."
    exit_code = EXIT_USAGE
    http_status = 422


class NothingFits(PhoenixError):
    code = "drill_nothing_fits"
    template = "No file of snapshot {snapshot} fits into the sample's {bytes} bytes; it has {files}, all larger."
    hint = "Allow the sample more bytes: `--max-bytes`, or of a policy `--drill-max-bytes`."


class AgentWithoutDrills(PhoenixError):
    code = "agent_without_drills"
    template = "The agent on {server}, of version {version}, can't do a restore drill."
    hint = "Install this core's release there and start the agent again, or let another server restore (`--on`)."
    http_status = 409


class DrillFailed(PhoenixError):
    """The proof failed: this is what drills are for."""

    code = "drill_failed"
    template = (
        "Of snapshot {snapshot} of {server}, {count} of what was tried can't be restored as it was, beginning with "
        "{first}."
    )
    hint = (
        "`phoenix drill show {job}` names it all. `phoenix vault verify --depth chunks` says what of the vault is "
        "damaged and what heals it; if it finds nothing, restore these files by hand and see what differs."
    )


class DrillAway(PhoenixError):
    """Why a scheduled drill was skipped."""

    code = "drill_agent_away"
    template = "The agent on {server} was not connected when the drill was to begin."
    hint = "Start the agent there: `phoenix agent run`. `phoenix drill run {source}` makes up for it."


class DrillMissed(PhoenixError):
    """Why a scheduled drill was skipped: its policy says `missed` `skip`."""

    code = "drill_missed"
    template = (
        "The restore drill of {server} that was due at {due} could not begin then, and policy {policy} makes up for no "
        "missed run."
    )
    hint = "The next scheduled drill runs by itself; `phoenix job retry {job}` makes up for this one."
