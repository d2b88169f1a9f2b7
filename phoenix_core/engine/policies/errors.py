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
        """`what`: `Policy`, `Rule` or `Group`. `detail`: without a full stop."""
        super().__init__(what=what, noun=what.lower(), name=name, field=field, detail=detail.rstrip("."))


class StillUsed(PhoenixError):
    code = "still_used"
    template = "{what} {name} is still attached to {users}."
    hint = "Detach it there first: `phoenix group set`."
    http_status = 409
