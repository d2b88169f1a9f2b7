"""How backups ended last, kept with each end; subjects of alerts as long as a server's id and a stream's name."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# In the order in which the jobs ended, as far as that is known: of each part of a server the last that made a snapshot,
# the last that failed after that one, and the last that was skipped, and was stopped by its window, after both.
_FILL = """
WITH backups AS (
    SELECT id, server_id, coalesce(json_extract(request, '$.stream.name'), '') AS stream, ended_seen_s, finished_at,
        CASE state WHEN 'skipped' THEN 'skipped' WHEN 'failed' THEN 'failed' WHEN 'aborted' THEN 'failed'
            WHEN 'cancelled' THEN 'stopped' ELSE 'made' END AS how
    FROM jobs
    WHERE kind = 'file_backup'
        AND (state IN ('successful', 'successful_with_errors', 'failed', 'aborted', 'skipped')
            OR (state = 'cancelled' AND cancelled_by LIKE 'the end of the backup window of policy %'))
        AND json_extract(request, '$.dry_run') IS NOT 1
), placed AS (
    SELECT *, row_number() OVER in_order AS place, count(*) FILTER (WHERE how = 'made') OVER in_order AS since
    FROM backups WINDOW in_order AS (PARTITION BY server_id, stream ORDER BY ended_seen_s, finished_at, id)
), counted AS (
    SELECT *, count(*) FILTER (WHERE how = 'failed') OVER (PARTITION BY server_id, stream, since) AS failures
    FROM placed
), of_part AS (
    SELECT server_id, stream,
        coalesce(max(place) FILTER (WHERE how = 'made'), 0) AS made,
        coalesce(max(place) FILTER (WHERE how = 'failed'), 0) AS failed,
        coalesce(max(place) FILTER (WHERE how = 'skipped'), 0) AS skipped,
        coalesce(max(place) FILTER (WHERE how = 'stopped'), 0) AS stopped
    FROM placed GROUP BY server_id, stream
)
INSERT INTO last_ends (server_id, stream, how, job_id, in_a_row)
SELECT counted.server_id, counted.stream, how, id, CASE how WHEN 'failed' THEN failures ELSE 1 END
FROM counted JOIN of_part ON of_part.server_id = counted.server_id AND of_part.stream = counted.stream
WHERE (how = 'made' AND place = made)
    OR (how = 'failed' AND place = failed AND failed > made)
    OR (how = 'skipped' AND place = skipped AND skipped > made AND skipped > failed)
    OR (how = 'stopped' AND place = stopped AND stopped > made AND stopped > failed)
"""


def upgrade() -> None:
    op.create_table(
        "last_ends",
        sa.Column("server_id", sa.String(40), nullable=False),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("how", sa.String(40), nullable=False),
        sa.Column("job_id", sa.String(40), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("in_a_row", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "stream", "how"),
    )
    op.execute(_FILL)
    # The table is made anew for it, and with the old one its notices go.
    op.execute("CREATE TEMPORARY TABLE kept_notices AS SELECT * FROM notices")
    with op.batch_alter_table("alerts") as alerts:
        alerts.alter_column("subject_id", existing_type=sa.String(100), type_=sa.String(160), existing_nullable=False)
    op.execute("INSERT OR IGNORE INTO notices SELECT * FROM kept_notices")
    op.execute("DROP TABLE kept_notices")
