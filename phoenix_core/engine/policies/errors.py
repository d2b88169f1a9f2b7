"""Errors of policies, rules and groups."""

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError


class FieldInvalid(PhoenixError):
    """A field of a policy, rule or group holds what can't be."""

    code = "field_invalid"
    template = "{what} {name}: {field}: {detail}."
    hint = "Put {field} right; `phoenix {noun} set --help` says what it takes."
    exit_code = EXIT_USAGE
    http_status = 422

    def __init__(self, *, what: str, name: str, field: str, detail: str) -> None:
        """`what`: such as `Policy`; with a small letter it is the command's noun. `detail`: without a full stop."""
        super().__init__(what=what, noun=what.lower(), name=name, field=field, detail=detail.rstrip("."))


class StillUsed(PhoenixError):
    code = "still_used"
    template = "{what} {name} is still attached to {users}."
    hint = "Detach it there first: `phoenix group set`, `phoenix notification rule set`."
    http_status = 409


class RuleTestAgentAway(PhoenixError):
    code = "rule_test_agent_away"
    template = "What a rule takes is looked up by the agent on {server}, and that is not connected."
    hint = "Start the agent there: `phoenix agent run`, or its service; then test again."
    retryable = True
    http_status = 409


class RuleTestAgentOld(PhoenixError):
    code = "rule_test_agent_old"
    template = "The agent on {server} is of a version that can't test rules."
    hint = "Upgrade the agent there. Until then `phoenix backup {server} --dry-run` counts what a backup would take."
    http_status = 409


class RuleTestAgentLost(PhoenixError):
    code = "rule_test_agent_lost"
    template = "The connection to the agent on {server} was lost while it tested the rules."
    hint = "Test again once it is back: `phoenix server list`."
    retryable = True
    http_status = 503
