"""Removed servers: the time that the core had seen pass when it removed one."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("peers", sa.Column("revoked_seen_s", sa.Float(), nullable=False, server_default="0"))
    connection = op.get_bind()
    kept = connection.scalar(sa.text("SELECT value FROM facts WHERE name = 'clock.seen'"))
    seconds, _, time = (kept or "").partition("|")
    if time:  # of removals before this revision only the clock's time is known
        connection.execute(
            sa.text(
                "UPDATE peers SET revoked_seen_s = :seconds - (CAST(strftime('%s', :time) AS REAL) - revoked_at / 1e6)"
                " WHERE revoked_at IS NOT NULL"
            ),
            {"seconds": float(seconds), "time": time},
        )
