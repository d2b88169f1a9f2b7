"""Server groups, backup policies and content rules; the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("policies", "rules"):
        op.create_table(
            table,
            sa.Column("id", sa.String(40), primary_key=True),
            sa.Column("name", sa.String(100), nullable=False, unique=True),
            sa.Column("body", sa.Text(), nullable=False),
        )
    op.create_table(
        "groups",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("policy_id", sa.String(40), sa.ForeignKey("policies.id")),
        sa.Column("considered_until", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "group_rules",
        sa.Column("group_id", sa.String(40), sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("rule_id", sa.String(40), sa.ForeignKey("rules.id"), nullable=False),
    )
    op.create_table(
        "group_servers",
        sa.Column("server_id", sa.String(40), sa.ForeignKey("peers.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("group_id", sa.String(40), sa.ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
    )
    op.create_index("ix_group_servers_group_id", "group_servers", ["group_id"])
    op.create_table(
        "audit",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(100), nullable=False),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
