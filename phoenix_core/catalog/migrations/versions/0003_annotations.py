"""Tags, notes and holds of snapshots, and removals that can still be undone."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("tags", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.Column("hold", sa.Text()),
        sa.Column("hold_due_s", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("removed_at", sa.BigInteger()),
        sa.Column("removed_by", sa.String(255), nullable=False, server_default=""),
        sa.Column("undo_due_s", sa.BigInteger(), nullable=False, server_default="0"),
    ):
        op.add_column("snapshots", column)
