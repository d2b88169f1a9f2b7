"""What the commands on the audit log do."""

import asyncio
import sys
from pathlib import Path

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.errors import FileUnwritable
from phoenix_core.cli.output import print_json, print_table, say, when
from phoenix_core.client import CoreClient
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.audit import AuditEntry
from phoenix_core.host.datadir import DataDirectory

PAGE = 1000
STANDARD = Path("-")


async def list_newest(data: DataDirectory, limit: int, *, as_json: bool) -> None:
    async with attached(data) as client:
        entries = await client.audit(limit=limit)
    if as_json:
        print_json(entries)
        return
    print_table(
        ("TIME", "WHO", "ACTION", "SUBJECT", "OUTCOME"),
        [(when(entry.at), entry.who, entry.action, entry.subject or "-", entry.outcome) for entry in entries],
        "Nothing was changed yet.",
    )


async def export(data: DataDirectory, file: Path, *, as_json: bool) -> None:
    async with attached(data) as client:
        entries = await _all(client)
    lines = "".join(msgspec.json.encode(entry).decode() + "\n" for entry in reversed(entries))
    if file == STANDARD:
        sys.stdout.write(lines)
        return
    try:
        await asyncio.to_thread(file.write_text, lines, encoding="utf-8")
    except OSError as error:
        raise FileUnwritable(file=file, detail=error.strerror or str(error)) from error
    if as_json:
        print_json({"file": str(file), "entries": len(entries)})
    else:
        say(f"Wrote {file}: {amount(len(entries), 'line')}.")


async def _all(client: CoreClient) -> list[AuditEntry]:
    """Newest first."""
    entries: list[AuditEntry] = []
    while True:
        page = await client.audit(limit=PAGE, before=entries[-1].id if entries else "")
        entries += page
        if len(page) < PAGE:
            return entries
