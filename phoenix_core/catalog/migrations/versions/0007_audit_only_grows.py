"""The audit log only grows: the database itself refuses to change, replace or delete an entry.

Whoever makes the table anew, as alembic's batches do, makes the triggers anew."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TRIGGERS = (
    ("audit_is_not_changed", "UPDATE ON audit"),
    ("audit_is_not_deleted", "DELETE ON audit"),
    # A REPLACE fires no trigger of DELETE.
    ("audit_is_not_replaced", "INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)"),
)
_REFUSE = "BEGIN SELECT RAISE(ABORT, 'entries of the audit log are only added'); END"


def upgrade() -> None:
    for name, event in _TRIGGERS:
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} {_REFUSE}")
