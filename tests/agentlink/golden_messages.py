"""One example of every message, with every field set, whose encoding the files under golden/ pin.

`python -m tests.agentlink.golden_messages` writes the files of messages that have none yet; it changes no file.
"""

from pathlib import Path

from phoenix_core.agentlink.comparemessages import CompareFindings, CompareTerms, Difference
from phoenix_core.agentlink.drillmessages import DrillFailure, DrillFindings, DrillTerms
from phoenix_core.agentlink.frames import encode
from phoenix_core.agentlink.growinggrant import GrantAnswer, GrantRequest
from phoenix_core.agentlink.messages import (
    BackupOrder,
    CancelOrder,
    CertificateAnswer,
    CertificateRequest,
    DomainAccess,
    Heartbeat,
    HeartbeatAnswer,
    Hello,
    JobKnown,
    KeysAnswer,
    KeysRequest,
    Message,
    OwnRestoreAnswer,
    OwnRestoreRequest,
    ParentSnapshot,
    Refused,
    ReportAck,
    RestoreOrder,
    SnapshotRecorded,
    StorageAccess,
    TokenAnswer,
    TokenRequest,
    Welcome,
)
from phoenix_core.agentlink.ownrestore import (
    OwnJobAnswer,
    OwnJobRequest,
    OwnSnapshot,
    OwnSnapshotsAnswer,
    OwnSnapshotsRequest,
)
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.agentlink.reports import (
    BackupResult,
    EstimateReport,
    JobCancelled,
    JobFailed,
    LogReport,
    MissingFile,
    Progress,
    Report,
    RestoreResult,
    StepReport,
)
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.agentlink.ruletest import (
    LeftOut,
    RuleTestAnswer,
    RuleTestOrder,
    RuleTestPage,
    RuleTestTotals,
    Verdict,
)
from phoenix_core.agentlink.sourcesnapshots import SourceSnapshotOrder
from phoenix_core.agentlink.streamorder import StreamOrder
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOrder, UpgradeOutcome
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_core.domain.states import ConflictRule, StepState
from phoenix_core.vault.location import BlockRef

FOLDER = Path(__file__).parent / "golden"

_ERROR = ErrorView(
    code="storage_full",
    message="The storage at /srv is full.",
    hint="Free space there.",
    fields={"place": "/srv", "bytes": 1 << 40},
    retryable=True,
    exit_code=1,
)
_DOMAIN = DomainAccess(
    domain="default",
    epoch=3,
    data_id_key=b"\x01" * 32,
    meta_id_key=b"\x02" * 32,
    index_key=b"\x03" * 32,
    chunker_seed=0xFEDCBA9876543210,
)
_STORAGE = StorageAccess(
    token="aaa.bbb.ccc", url="https://core.example:8443", socket_path="/var/lib/phoenix/storage.sock", lease="l1"
)
_MISSING = MissingFile(path="/etc/\\xff", reason="EACCES")
_AT_NS = 1_800_000_000_123_456_789
_RULE = RuleOrder(
    paths=(b"/srv/\xff\n",),
    name="web",
    excludes=("*.tmp",),
    cross_mounts=True,
    includes=("/srv/www/",),
    only_extensions=("jpg",),
    not_extensions=("tar.gz",),
    smallest_bytes=1,
    largest_bytes=1 << 40,
    changed_within_s=86_400,
    older_than_s=60,
    skip_caches=True,
    disk_images=("*.img",),
)

EXAMPLES: dict[str, Message] = {
    "Hello": Hello(
        protocol=1,
        role="agent",
        version="0.1.0",
        hostname="web1",
        platform="Linux x86_64, Debian GNU/Linux 12",
        running_jobs=("j1", "j2"),
        instance="i0123456789",
        dialled="https://core.example:8443",
        features=("content_rules", "source_snapshots"),
    ),
    "Welcome": Welcome(
        protocol=1,
        peer_id="s1",
        name="web1",
        heartbeat_s=10.0,
        core_time_ns=_AT_NS,
        last_record=1 << 33,
        vault="ab" * 16,
        can=("own_streams",),
    ),
    "Refused": Refused(error=_ERROR),
    "Heartbeat": Heartbeat(number=300),
    "HeartbeatAnswer": HeartbeatAnswer(number=300),
    "BackupOrder": BackupOrder(
        job="j1",
        server_id="s1",
        vault_id="00" * 16,
        vault_public_key=b"\x04" * 1216,
        domain=_DOMAIN,
        storage=_STORAGE,
        paths=(b"/etc", b"/srv/\xff\n"),
        excludes=("*.tmp", "/srv/cache/"),
        fixed_chunk_patterns=("*.img",),
        never_write_under=(b"/var/lib/phoenix",),
        cross_mounts=True,
        parent=ParentSnapshot(snapshot_id="ab" * 32, root=b"\x05" * 32, unusable_chunks=(b"\x06" * 32,)),
        compression_level=7,
        dry_run=True,
        workers=2,
        nice=10,
        last_record=12,
        rollback_accepted="2026-11-23T21:30:00+00:00",
        bandwidth=("mon-fri 08:00-18:00 10M",),
        time_zone="Europe/Berlin",
        pre_script="dump.sh",
        post_script="tidy.sh",
        script_timeout_s=60,
        pre_script_needed=False,
        rules=(_RULE,),
        why_full="re-read, every 10th run",
        core_time_ns=_AT_NS,
        source_snapshot=SourceSnapshotOrder(SourceSnapshot.REQUIRED, 20),
        stream=StreamOrder(name="orders", script="dump.sh", timeout_s=3600),
    ),
    "RestoreOrder": RestoreOrder(
        job="j2",
        server_id="s1",
        domain=_DOMAIN,
        storage=_STORAGE,
        snapshot_id="ab" * 32,
        root=b"\x05" * 32,
        paths=(b"/etc/hosts",),
        destination=b"/tmp/restored",
        conflict=ConflictRule.KEEP_BOTH,
        check_only=True,
        workers=2,
        drill=DrillTerms("100 files"),
        compare=CompareTerms(
            folder=b"/tmp/r",
            content=True,
            excludes=("*.tmp",),
            cross_mounts=True,
            rules=(_RULE,),
            made_ns=1_764_500_000_000_000_000,
        ),
        grant_grows=True,
        nice=10,
    ),
    "CancelOrder": CancelOrder(job="j1", who="operator"),
    "KeysRequest": KeysRequest(number=5, job="j1", blocks=(BlockRef(b"\x07" * 32, 0), BlockRef(b"\x08" * 32, 70_000))),
    "KeysAnswer": KeysAnswer(number=5, keys=(b"\x09" * 32, b"\x0a" * 32), error=_ERROR),
    "TokenRequest": TokenRequest(number=6, job="j1"),
    "TokenAnswer": TokenAnswer(number=6, token="aaa.bbb.ccc", error=_ERROR),
    "CertificateRequest": CertificateRequest(number=7, csr_pem="-----BEGIN CERTIFICATE REQUEST-----\n"),
    "CertificateAnswer": CertificateAnswer(
        number=7,
        certificate_pem="-----BEGIN CERTIFICATE-----\n",
        ca_pem="-----BEGIN CERTIFICATE-----\n",
        error=_ERROR,
    ),
    "OwnRestoreRequest": OwnRestoreRequest(
        number=8, snapshot_id="ab" * 32, paths=(b"/etc",), destination=b"/tmp/r", conflict=ConflictRule.SKIP
    ),
    "OwnRestoreAnswer": OwnRestoreAnswer(number=8, job="j3", error=_ERROR),
    "RuleTestOrder": RuleTestOrder(
        test="t1",
        rules=(_RULE,),
        never_write_under=(b"/var/lib/phoenix",),
        show="out",
        nice=10,
        core_time_ns=_AT_NS,
        source_snapshot=SourceSnapshotOrder(SourceSnapshot.REQUIRED, 20),
    ),
    "RuleTestPage": RuleTestPage(
        number=9,
        test="t1",
        page=3,
        verdicts=(Verdict(b"/s/\xff", "file", taken=False, size=1 << 40, rule="web", field="excludes", value="*.tmp"),),
        totals=RuleTestTotals(
            files=1,
            folders=2,
            others=3,
            bytes=1 << 40,
            left_out=(LeftOut("web", "excludes", "*.tmp", 4, 5),),
            notes=("There is nothing at /srv/x.",),
        ),
        error=_ERROR,
    ),
    "RuleTestAnswer": RuleTestAnswer(number=9, go_on=False, error=_ERROR),
    "UpgradeOrder": UpgradeOrder(who="root"),
    "UpgradeOutcome": UpgradeOutcome(number=9, version="0.2.0", error=_ERROR),
    "UpgradeNoted": UpgradeNoted(number=9, error=_ERROR),
    "OwnStreamRequest": OwnStreamRequest(number=9, token="ab" * 16, name="orders", tags=("nightly",), job="j1"),
    "OwnStreamAnswer": OwnStreamAnswer(
        number=9, job="j1", state="failed", is_over=True, snapshot_id="ab" * 32, failure=_ERROR, error=_ERROR
    ),
    "GrantRequest": GrantRequest(number=9, job="j2", seen=3),
    "GrantAnswer": GrantAnswer(number=9, step=4, is_whole=True, error=_ERROR),
    "OwnSnapshotsRequest": OwnSnapshotsRequest(number=9, limit=20),
    "OwnSnapshotsAnswer": OwnSnapshotsAnswer(
        number=9,
        snapshots=(OwnSnapshot("ab" * 32, _AT_NS, ("/etc",), 3, 1 << 40, 1, lost=True, tags=("nightly",)),),
        error=_ERROR,
    ),
    "OwnJobRequest": OwnJobRequest(number=9, job="j3"),
    "OwnJobAnswer": OwnJobAnswer(
        number=9,
        job="j3",
        state="successful_with_errors",
        is_over=True,
        snapshot_id="ab" * 32,
        result={"files": 3, "seconds": 1.5, "place": "/tmp/r"},
        missing=(("/etc/x", "denied"),),
        missing_count=1,
        failure=_ERROR,
        error=_ERROR,
    ),
    "Progress": Progress(
        job="j1",
        phase="transfer",
        files_done=1,
        files_total=2,
        bytes_done=3,
        bytes_total=1 << 42,
        sent_bytes=4,
        elapsed_s=1.5,
        eta_s=2.5,
        current="/etc/hosts",
    ),
    "Report StepReport": Report(
        number=1_800_000_000_000,
        job="j1",
        body=StepReport(step="WF5.4", state=StepState.DONE, detail="3 files", at_ns=_AT_NS),
    ),
    "Report LogReport": Report(number=2, job="j1", body=LogReport(level="warning", text="slow", at_ns=_AT_NS)),
    "Report EstimateReport": Report(
        number=3,
        job="j1",
        body=EstimateReport(
            files=1, directories=2, bytes=3, changed_files=4, changed_bytes=5, seconds=6.5, data_bytes=7
        ),
    ),
    "Report BackupResult": Report(
        number=4,
        job="j1",
        body=BackupResult(
            snapshot_id="ab" * 32,
            files=1,
            directories=2,
            other_entries=3,
            bytes=4,
            changed_files=5,
            read_bytes=6,
            new_chunks=7,
            new_raw_bytes=8,
            stored_bytes=9,
            packs=10,
            scan_s=1.5,
            transfer_s=2.5,
            commit_s=3.5,
            missing=(_MISSING,),
            missing_count=11,
            changed_while_read=("/var/log/syslog",),
            dry_run=True,
            left_out=12,
            problems=("The script /etc/phoenix/scripts/tidy.sh ended with exit code 1.",),
            source_snapshots=("/srv (Btrfs)",),
        ),
    ),
    "Report RestoreResult": Report(
        number=5,
        job="j2",
        body=RestoreResult(
            files=1,
            directories=2,
            other_entries=3,
            bytes=4,
            fetched_bytes=5,
            skipped=6,
            seconds=7.5,
            needed_bytes=8,
            free_bytes=9,
            destination="/tmp/r",
            missing=(_MISSING,),
            missing_count=10,
            not_applied=(_MISSING,),
            not_applied_count=11,
            check_only=True,
            displaced=(_MISSING,),
            removed_folders=12,
            removed_entries=13,
            replaced_links=14,
            renamed=15,
            drill=DrillFindings(
                files=16,
                bytes=17,
                others=18,
                failures=(DrillFailure("/srv/a", "damaged"),),
                failure_count=19,
                not_carried=(DrillFailure("/srv/b", "owner root:root"),),
                not_carried_count=20,
                seconds=21.5,
            ),
            compare=CompareFindings(
                same=16,
                added=17,
                removed=18,
                content=19,
                metadata=20,
                type=21,
                not_compared=22,
                read_bytes=23,
                differences=(Difference("/etc/\\xff", "metadata", 24, 25, "mode, owner"),),
            ),
        ),
    ),
    "Report JobFailed": Report(number=6, job="j1", body=JobFailed(error=_ERROR)),
    "Report JobCancelled": Report(number=7, job="j1", body=JobCancelled(who="operator")),
    "ReportAck": ReportAck(number=1_800_000_000_000),
    "JobKnown": JobKnown(wanted=("j1",)),
    "SnapshotRecorded": SnapshotRecorded(job="j1", snapshot_id="ab" * 32, record=12, vault="ab" * 16),
}


def golden_file(name: str) -> Path:
    return FOLDER / f"{name.replace(' ', '-')}.msgpack"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for example, message in EXAMPLES.items():
        if not golden_file(example).exists():
            golden_file(example).write_bytes(encode(message))
