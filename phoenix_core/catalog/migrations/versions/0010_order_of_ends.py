"""Jobs can be followed in the order in which they ended."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_jobs_ended_seen_s", "jobs", ["ended_seen_s"])
