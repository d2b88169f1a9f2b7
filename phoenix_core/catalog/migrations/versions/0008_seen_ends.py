"""Jobs: the time that the core had seen pass when one ended."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("ended_seen_s", sa.Float(), nullable=False, server_default="0"))
    connection = op.get_bind()
    kept = connection.scalar(sa.text("SELECT value FROM facts WHERE name = 'clock.seen'"))
    seconds, _, time = (kept or "").partition("|")
    if time:  # of ends before this revision only the clock's time is known, and none is still to come
        connection.execute(
            sa.text(
                "UPDATE jobs SET ended_seen_s ="
                " :seconds - max(0, CAST(strftime('%s', :time) AS REAL) - finished_at / 1e6)"
                " WHERE finished_at IS NOT NULL"
            ),
            {"seconds": float(seconds), "time": time},
        )
