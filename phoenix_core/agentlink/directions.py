"""Which messages go which way."""

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
    Progress,
    Refused,
    Report,
    ReportAck,
    RestoreOrder,
    SnapshotRecorded,
    TokenAnswer,
    TokenRequest,
    Welcome,
)
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestOrder, RuleTestPage

FromPeer = (
    Hello
    | Heartbeat
    | KeysRequest
    | TokenRequest
    | CertificateRequest
    | OwnRestoreRequest
    | RuleTestPage
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
    | ReportAck
    | JobKnown
    | SnapshotRecorded
)
