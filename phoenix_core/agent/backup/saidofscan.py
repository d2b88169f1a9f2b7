"""What a job says of its scan: what is left out, and why nothing may be left to back up."""

from collections.abc import Iterator

from phoenix_core.agent.backup.leftout import EXCLUDED, FILTERED, NOT_FOUND, OWN_DATA, TOLD_MAX, VIRTUAL, LeftOut
from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.backup.scanrules import ScanCounts
from phoenix_core.agent.errors import PathExcluded, PathNotFound, PathUnreadable
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.names import shown
from phoenix_core.domain.reasons import reason_text

_NEVER = {
    EXCLUDED: "a pattern excludes it",
    FILTERED: "its content rule takes no such file",
    VIRTUAL: "the kernel makes its files up",
    OWN_DATA: "Phoenix keeps its own data there",
}


def said_of(left_out: LeftOut, counts: ScanCounts, rules: RuleSet) -> Iterator[tuple[str, str]]:
    """Lines for the job's log, with their level."""
    for path, reason in left_out.source_problems.items():
        yield "warning", f"{shown(path)} is not backed up: {reason_text(reason)}."
    told = left_out.own_data
    for path in told:
        if path not in left_out.source_problems:
            yield "info", f"{shown(path)} is left out: {reason_text(OWN_DATA)}."
    if len(told) == TOLD_MAX:
        yield "info", "There may be more of Phoenix's own data; it is left out, too."
    if left_out.counts:
        by_field = ", ".join(f"{count} by {field}" for field, count in left_out.counts.most_common())
        yield "info", f"Content rules leave out {amount(left_out.counts.total(), 'entry', 'entries')}: {by_field}."
        if not counts.files and any(not each.takes_all for each in rules.filters):
            yield "warning", "Not one file of what the content rules name is taken; `phoenix rule test` shows why."


def nothing_there(problems: dict[bytes, str]) -> PathNotFound | PathUnreadable | PathExcluded:
    path, reason = next(iter(problems.items()), (b"/", NOT_FOUND))
    if reason == NOT_FOUND:
        return PathNotFound(path=shown(path))
    if reason in _NEVER:
        advice = "Name another path, or take the exclude pattern away." if reason == EXCLUDED else "Name another path."
        return PathExcluded(path=shown(path), reason=_NEVER[reason], advice=advice)
    return PathUnreadable(path=shown(path), reason=reason_text(reason))
