"""The stream that a backup is of, as the catalog tells; empty: it is one of files. A server's files and each of its
streams are backed up by themselves, and none of them stands for another."""

import msgspec
import sqlalchemy as sa


class _Named(msgspec.Struct, frozen=True):
    name: str


class AskedFor(msgspec.Struct, frozen=True):
    """What counts of a backup's request for how it stands to others."""

    stream: _Named | None = None
    dry_run: bool = False

    @property
    def stream_name(self) -> str:
        return self.stream.name if self.stream else ""


def asked_in(request: str) -> AskedFor:
    """Of a job, by its `request`."""
    return msgspec.json.decode(request, type=AskedFor)


def stream_in(request: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """The stream's name in a query: of a job, by its column `request`."""
    # Without parameters, so that it is the same expression wherever a query has it.
    return sa.func.coalesce(
        sa.func.json_extract(request, sa.literal_column("'$.stream.name'")), sa.literal_column("''"), type_=sa.Text
    )


def handed_in(request: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Of a job, by its column `request`: who hands the stream to the agent; empty: nobody, an order asked for it."""
    return sa.func.coalesce(
        sa.func.json_extract(request, sa.literal_column("'$.stream.handed'")), sa.literal_column("''"), type_=sa.Text
    )
