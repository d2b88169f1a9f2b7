"""What damage hits, as the catalog knows it: the files of snapshots that can't be opened, and the backups that heal."""

import shlex
from collections.abc import Iterable

import msgspec

from phoenix_core.catalog.rows import DamageRow, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.vault.damage import Damage


class ServerHit(msgspec.Struct):
    """A server with snapshots that damage hits."""

    name: str
    paths: dict[str, None] = {}
    """What those snapshots backed up."""
    unreadable: list[str] = []
    """Ids of those that can't be opened."""

    @property
    def backup(self) -> str:
        """The command that backs up what they hold."""
        tops = [path for path in self.paths if not any(_is_below(path, other) for other in self.paths)]
        return shlex.join(("phoenix", "backup", self.name, *tops))


async def servers_hit(snapshots: Snapshots, hit: Iterable[str]) -> list[ServerHit]:
    """The servers of these snapshots, as far as the catalog knows them."""
    found: dict[str, ServerHit] = {}
    for snapshot in sorted(set(hit)):
        row = await snapshots.get(snapshot)
        if row is None:
            continue
        server = found.setdefault(row.server_name, ServerHit(row.server_name))
        server.paths.update(dict.fromkeys(row.paths))
        if not row.readable:
            server.unreadable.append(snapshot)
    return sorted(found.values(), key=lambda each: each.name)


async def damage_rows(job_id: str, damages: Iterable[Damage], snapshots: Snapshots) -> list[DamageRow]:
    """For the catalog. A snapshot of which nothing can be read counts with all its files."""
    rows: list[DamageRow] = []
    for at, damage in enumerate(damages):
        known = [await snapshots.get(each) for each in damage.snapshots]
        wholly = [row for row in known if row is not None and _is_hit_wholly(row, damage)]
        count = damage.file_count + sum(max(row.files - 1, 0) for row in wholly)
        rows.append(DamageRow(job_id, at, damage.what, tuple(damage.snapshots), damage.files, count))
    return rows


def _is_hit_wholly(row: SnapshotRow, damage: Damage) -> bool:
    return f"{row.id[:SHORT_ID_DIGITS]}:/" in damage.files


def _is_below(path: str, other: str) -> bool:
    return path != other and path.startswith(other.rstrip("/") + "/")
