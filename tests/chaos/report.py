"""The table of docs/reliability.md: each campaign's last full result."""

import datetime as dt
from pathlib import Path

from tests.chaos.campaign import Result, Run

BEGIN = "<!-- results: begin -->"
END = "<!-- results: end -->"
HEAD = "| campaign | what | rounds | counts | seed | duration | day |\n|---|---|---|---|---|---|---|\n"


def counts(run: Run) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in run.counts.items()) or "nothing was counted"


def record(page: Path, result: Result) -> None:
    """Put the result's row in the place of the same campaign's, or after the others."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    rows = [line for line in table.strip().splitlines()[2:] if line]
    key = f"| {result.campaign.name} |"
    row = _row(result)
    if any(each.startswith(key) for each in rows):
        rows = [row if each.startswith(key) else each for each in rows]
    else:
        rows.append(row)
    page.write_text(before + BEGIN + "\n" + HEAD + "\n".join(rows) + "\n" + END + after)


def _row(result: Result) -> str:
    campaign, run = result.campaign, result.run
    cells = (
        campaign.name,
        campaign.what,
        f"{run.rounds:,} {campaign.unit}",
        counts(run),
        str(run.seed),
        str(dt.timedelta(seconds=round(result.duration_s))),
        dt.datetime.now(dt.UTC).date().isoformat(),
    )
    return f"| {' | '.join(cells)} |"
