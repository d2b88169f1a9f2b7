"""What came of drills, as operators see it."""

from phoenix_core.catalog.drills import Drills
from phoenix_core.catalog.rows import DrillRow
from phoenix_core.domain.drills import DrillView
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.views import MissingView
from phoenix_core.engine.errors import AmbiguousName
from phoenix_core.engine.sources import Sources


class Proofs:
    def __init__(self, drills: Drills, sources: Sources) -> None:
        self._drills = drills
        self._sources = sources

    async def listed(self, server: str = "", limit: int = 50, before: str = "") -> list[DrillView]:
        """Newest first, of all servers or one. `before`: a drill's id, to page on. Raises NotFound, AmbiguousName."""
        server_id = (await self._sources.server(server)).id if server else ""
        row = await self._row(before) if before else None
        return [_view(each) for each in await self._drills.listed(server_id=server_id, limit=limit, before=row)]

    async def one(self, name: str) -> DrillView:
        """By id or unique prefix. Raises NotFound, AmbiguousName."""
        return _view(await self._row(name))

    async def _row(self, name: str) -> DrillRow:
        found = await self._drills.with_prefix(name) if name else []
        exact = [row for row in found if row.id == name]
        if len(found) > 1 and not exact:
            raise AmbiguousName(what="Drill", name=name, found=", ".join(row.id for row in found))
        if not found:
            raise NotFound(what="drill", name=name or "nothing")
        return (exact or found)[0]


def _view(row: DrillRow) -> DrillView:
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    return DrillView(**fields | {"failures": tuple(MissingView(*each) for each in row.failures)})
