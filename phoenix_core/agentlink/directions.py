"""Which messages go which way."""

from phoenix_core.agentlink.growinggrant import GrantAnswer, GrantRequest
from phoenix_core.agentlink.messages import (
    BackupOrder,
    CancelOrder,
    CertificateAnswer,
    CertificateRequest,
    Heartbeat,
    HeartbeatAnswer,
    Hello,
    JobKnown,
    KeysAnswer,
    KeysRequest,
    OwnRestoreAnswer,
    OwnRestoreRequest,
    Refused,
    ReportAck,
    RestoreOrder,
    SnapshotRecorded,
    TokenAnswer,
    TokenRequest,
    Welcome,
)
from phoenix_core.agentlink.ownrestore import OwnJobAnswer, OwnJobRequest, OwnSnapshotsAnswer, OwnSnapshotsRequest
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.agentlink.reports import Progress, Report
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestOrder, RuleTestPage
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOrder, UpgradeOutcome

FromPeer = (
    Hello
    | Heartbeat
    | KeysRequest
    | TokenRequest
    | CertificateRequest
    | OwnRestoreRequest
    | RuleTestPage
    | UpgradeOutcome
    | OwnStreamRequest
    | GrantRequest
    | OwnSnapshotsRequest
    | OwnJobRequest
    | Progress
    | Report
)
FromCore = (
    Welcome
    | Refused
    | HeartbeatAnswer
    | BackupOrder
    | RestoreOrder
    | CancelOrder
    | KeysAnswer
    | TokenAnswer
    | CertificateAnswer
    | OwnRestoreAnswer
    | RuleTestOrder
    | RuleTestAnswer
    | UpgradeOrder
    | UpgradeNoted
    | OwnStreamAnswer
    | GrantAnswer
    | OwnSnapshotsAnswer
    | OwnJobAnswer
    | ReportAck
    | JobKnown
    | SnapshotRecorded
)


Asked = (
    KeysRequest
    | TokenRequest
    | OwnRestoreRequest
    | RuleTestPage
    | UpgradeOutcome
    | OwnStreamRequest
    | OwnSnapshotsRequest
    | OwnJobRequest
    | GrantRequest
)
"""Requests of peers that the engine answers."""
Answered = (
    KeysAnswer
    | TokenAnswer
    | OwnRestoreAnswer
    | RuleTestAnswer
    | UpgradeNoted
    | OwnStreamAnswer
    | OwnSnapshotsAnswer
    | OwnJobAnswer
    | GrantAnswer
)
