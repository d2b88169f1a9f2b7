"""What `phoenix rule test` does."""

from contextlib import aclosing

from phoenix_core.cli.attach import attached
from phoenix_core.cli.output import print_json, say, size
from phoenix_core.cli.rulework import RuleChanges, rule_or_ready_made
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.quantities import typed_size, typed_time
from phoenix_core.domain.reasons import reason_text
from phoenix_core.domain.ruletest import RuleTestReason, RuleTestRequest, RuleTestSummary, RuleVerdict
from phoenix_core.host.datadir import DataDirectory

SIZES = ("smallest_bytes", "largest_bytes")
TIMES = ("changed_within_s", "older_than_s")


async def try_rules(
    data: DataDirectory, names: list[str], server: str, show: str, changes: RuleChanges, *, as_json: bool
) -> None:
    if changes.any and len(names) > 1:
        raise UsageError(detail="Options that change a rule go with one rule.")
    async with attached(data) as client:
        if changes.any:
            rules = [await changes.applied(client, names[0])]
        else:
            rules = [await rule_or_ready_made(client, name) for name in names]
        request = RuleTestRequest(server=server, rules=tuple(rules), show=show)
        async with aclosing(client.rule_test(request)) as lines:
            async for line in lines:
                for verdict in line.verdicts:
                    if as_json:
                        print_json(verdict)
                    else:
                        say(_line(verdict))
                if line.summary is not None:
                    _conclude(line.summary, as_json=as_json, listed=show != "none")


def _line(verdict: RuleVerdict) -> str:
    path = verdict.path + ("/*" if verdict.type == "contents" else "/" if verdict.type == "folder" else "")
    length = size(verdict.size) if verdict.type == "file" else ""
    return f"{'in' if verdict.taken else 'out':<3}  {length:>10}  {path}  ({because(verdict)})"


def because(what: RuleVerdict | RuleTestReason) -> str:
    """The rule, its field and what in it decided; or why it is so without a rule."""
    if not what.rule and what.field not in {"excludes", *SIZES, *TIMES}:
        return reason_text(what.field)
    value = what.value
    if what.field in SIZES and value.isdigit():
        value = typed_size(int(value))
    elif what.field in TIMES and value.isdigit():
        value = typed_time(int(value))
    return f"{what.rule}: {what.field} {value}".strip()


def _conclude(summary: RuleTestSummary, *, as_json: bool, listed: bool) -> None:
    if as_json:
        print_json({"summary": summary})
        return
    if listed:
        say()
    taken = f"{amount(summary.files, 'file')} ({size(summary.bytes)}), {amount(summary.folders, 'folder')}"
    others = f" and {amount(summary.others, 'other')}" if summary.others else ""
    say(f"A backup of {summary.server_name} would take {taken}{others}.")
    if summary.left_out:
        say("It would leave out, without what is in folders that are left out:")
    for reason in summary.left_out:
        say(f"  {reason.entries:>9}  {size(reason.bytes):>10}  {because(reason)}")
    for note in summary.notes:
        say(note)
