"""The quickstart's report, for people."""

import pytest

from phoenix_core.agent.compare import Comparison
from phoenix_core.cli.quickstart_report import QuickstartReport, print_report


def test_one_of_a_kind_is_told_in_the_singular(capsys: pytest.CaptureFixture[str]) -> None:
    report = QuickstartReport(
        source="/srv",
        files=1,
        bytes=1024,
        stored_bytes=1,
        new_stored_bytes=1,
        deduplication_ratio=1.0,
        compression_ratio=1.0,
        phases={},
        comparison=Comparison(entries=1),
        missing=(),
        missing_count=0,
        not_applied=(),
        data_dir="/data",
        snapshots=(),
    )
    print_report(report, "web1")
    out = capsys.readouterr().out
    assert "/srv: 1 file, 1.0 KiB" in out
    assert "no difference in 1 entry\n" in out
