"""WF4: backup of a Windows file server."""

from phoenix_core.engine.workflows.file_backup_plan import FileBackupPlan

WINDOWS = FileBackupPlan(
    agent_runs="WF4.2",
    steps=(
        ("WF4.2", "Make sure that the agent is running"),
        ("WF1.2", "Validate the request"),
        ("WF1.3", "Assign storage"),
        ("WF4.1", "Forward the request to the agent"),
        ("WF4.3", "Decide the type"),
        ("WF4.4", "Make a VSS snapshot"),
        ("WF4.5", "Estimate the time"),
        ("WF4.6", "Verify the VSS snapshot"),
        ("WF4.7", "Settle the file set"),
        ("WF1.4", "Back the data up to storage"),
        ("WF4.8", "Delete the VSS snapshot"),
        ("record", "Record the restore point"),
    ),
)
