"""What the quickstart did, as one JSON object and as text."""

from pathlib import Path

import msgspec

from phoenix_core.agent.compare import Comparison
from phoenix_core.cli.output import print_facts, say, size
from phoenix_core.cli.program import command_line
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.reasons import reason_text
from phoenix_core.domain.views import MissingView
from phoenix_core.host.datadir import DataDirectory

SHOWN = 10


class Phase(msgspec.Struct, frozen=True):
    seconds: float
    bytes: int

    @property
    def bytes_per_s(self) -> float:
        return self.bytes / self.seconds if self.seconds else 0.0


class QuickstartReport(msgspec.Struct):
    source: str
    files: int
    bytes: int
    stored_bytes: int
    """All that the vault holds."""
    new_stored_bytes: int
    """What the first backup of this run added."""
    deduplication_ratio: float
    """Bytes read by bytes that were new; 0 where nothing had to be read or stored."""
    compression_ratio: float
    """Bytes that were new by bytes stored; 0 where nothing was stored."""
    phases: dict[str, Phase]
    comparison: Comparison
    missing: tuple[MissingView, ...]
    missing_count: int
    not_applied: tuple[MissingView, ...]
    data_dir: str
    snapshots: tuple[str, ...]
    recovery_passphrase: str = ""
    """Of a vault that this run made."""


def print_report(report: QuickstartReport, server: str) -> None:
    say()
    print_facts(
        [
            ("Source", f"{report.source}: {amount(report.files, 'file')}, {size(report.bytes)}"),
            ("Stored", f"{size(report.new_stored_bytes)} new; {size(report.stored_bytes)} in the vault"),
            ("Deduplication", _ratio(report.deduplication_ratio)),
            ("Compression", _ratio(report.compression_ratio)),
            *(
                (name.replace("_", " ").capitalize(), f"{phase.seconds:.1f} s, {size(phase.bytes_per_s)}/s")
                for name, phase in report.phases.items()
            ),
            ("Comparison", _verdict(report.comparison)),
            ("Snapshots", ", ".join(snapshot[:12] for snapshot in report.snapshots)),
            ("Data directory", report.data_dir),
        ]
    )
    found = report.comparison
    _print_list("Differences", [f"{each.path}: {each.what}" for each in found.differences], found.difference_count)
    _print_list("Changed since they were read", [each.path for each in found.changed], found.changed_count)
    _print_list(
        "Not comparable by this user",
        [f"{each.path}: {each.what}" for each in found.not_comparable],
        found.not_comparable_count,
    )
    _print_list(
        "Missing", [f"{each.path}: {reason_text(each.reason)}" for each in report.missing], report.missing_count
    )
    _print_how_to_go_on(DataDirectory(Path(report.data_dir)), server, report.source)


def _print_how_to_go_on(data: DataDirectory, server: str, source: str) -> None:
    to = str(Path.home() / "restored")
    say()
    say("Go on:")
    for what, command in (
        ("Open the console", command_line(data)),
        ("Restore from it", command_line(data, "restore", server, "--path", source, "--to", to)),
        ("Back it up again", command_line(data, "backup", server, source)),
        ("Protect another server: run the core here", command_line(data, "core", "run")),
        ("… once, the wheels that servers get", command_line(data, "core", "bundle")),
        ("… the line to paste on that server", command_line(data, "server", "add", "NAME")),
    ):
        say(f"  {what + ':':<42} {command}")


def _verdict(comparison: Comparison) -> str:
    entries = amount(comparison.entries, "entry", "entries")
    if not comparison.is_equal:
        return f"{amount(comparison.difference_count, 'difference')} in {entries}"
    return f"no difference in {entries}"


def _ratio(value: float) -> str:
    return f"{value:.2f} : 1" if value else "nothing new"


def _print_list(title: str, lines: list[str], total: int) -> None:
    if not lines:
        return
    say(f"{title} ({total}):")
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if total > SHOWN:
        say(f"  … {total - SHOWN} more")
