"""The stream that a backup is of, in queries; empty: it is one of files. A server's files and each of its streams are
backed up by themselves, and none of them stands for another."""

import sqlalchemy as sa


def stream_in(request: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Of a job, by its column `request`."""
    # Without parameters, so that it is the same expression wherever a query has it.
    return sa.func.coalesce(
        sa.func.json_extract(request, sa.literal_column("'$.stream.name'")), sa.literal_column("''"), type_=sa.Text
    )


def handed_in(request: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Of a job, by its column `request`: who hands the stream to the agent; empty: nobody, an order asked for it."""
    return sa.func.coalesce(
        sa.func.json_extract(request, sa.literal_column("'$.stream.handed'")), sa.literal_column("''"), type_=sa.Text
    )
