"""WF5: backup of a Linux file server."""

from phoenix_core.engine.workflows.file_backup_plan import FileBackupPlan

LINUX = FileBackupPlan(
    agent_runs="WF5.2",
    steps=(
        ("WF5.2", "Make sure that the agent is running"),
        ("WF1.2", "Validate the request"),
        ("WF1.3", "Assign storage"),
        ("WF5.1", "Forward the request to the agent"),
        ("WF5.3", "Decide the type"),
        ("WF5.4", "Scan files and folders"),
        ("WF5.5", "Estimate the time"),
        ("WF5.6", "Settle the file set"),
        ("WF1.4", "Back the data up to storage"),
        ("record", "Record the restore point"),
    ),
)
