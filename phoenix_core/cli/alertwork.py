"""What the commands on alerts do."""

from phoenix_core.cli.attach import attached
from phoenix_core.cli.output import print_facts, print_json, print_table, say, when
from phoenix_core.cli.program import as_typed
from phoenix_core.domain.alerts import AlertState, AlertView
from phoenix_core.domain.amounts import amount
from phoenix_core.host.datadir import DataDirectory


async def list_all(data: DataDirectory, *, resolved: bool, server: str, limit: int, as_json: bool) -> None:
    state = AlertState.RESOLVED if resolved else AlertState.ACTIVE
    async with attached(data) as client:
        alerts = await client.alerts(state, server=server, limit=limit)
    if as_json:
        print_json(alerts)
    elif resolved:
        print_table(
            ("ALERT", "SEVERITY", "WHAT", "SUBJECT", "FROM", "TO", "WHY IT IS OVER"),
            [
                (
                    each.id,
                    each.severity,
                    each.kind.words,
                    each.subject,
                    when(each.first_seen_at),
                    when(each.resolved_at),
                    each.resolved_why,
                )
                for each in alerts
            ],
            "No alert is over yet.",
        )
    else:
        print_table(
            ("ALERT", "SEVERITY", "WHAT", "SUBJECT", "SINCE", "KNOWN TO", "TEXT"),
            [
                (
                    each.id,
                    each.severity,
                    each.kind.words,
                    each.subject,
                    when(each.first_seen_at),
                    each.acknowledged_by or "-",
                    each.text,
                )
                for each in alerts
            ],
            "No alert is active.",
        )
        if alerts:
            say(f"{amount(len(alerts), 'alert')}. What to do: {as_typed('`phoenix alert show ALERT`')}")


async def show_one(data: DataDirectory, alert_id: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        alert = await client.alert(alert_id)
    if as_json:
        print_json(alert)
    else:
        _print(alert)


async def acknowledge(data: DataDirectory, alert_id: str, note: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        alert = await client.acknowledge(alert_id, note)
    if as_json:
        print_json(alert)
    else:
        _print(alert)


def _print(alert: AlertView) -> None:
    known = f"{alert.acknowledged_by}, since {when(alert.acknowledged_at)}" if alert.acknowledged_by else "nobody yet"
    facts = [
        ("Alert", alert.id),
        ("Severity", alert.severity),
        ("What", f"{alert.kind.words}: {alert.subject}"),
        ("What happened", alert.text),
        ("What to do", as_typed(alert.hint)),
        ("First seen", when(alert.first_seen_at)),
        ("Last seen", f"{when(alert.last_seen_at)}{f', {alert.count} times' if alert.count > 1 else ''}"),
        ("State", "active" if alert.is_active else f"over since {when(alert.resolved_at)}: {alert.resolved_why}"),
        ("Known to", known + (f": {alert.note}" if alert.note else "")),
    ]
    if alert.job_id:
        facts.append(("Job", alert.job_id))
    print_facts(facts)
