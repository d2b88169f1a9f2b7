"""An agent's files after a power cut: whatever of the last writes is on the disk, its key and its certificate fit."""

import random
from pathlib import Path

from tests.chaos.crash_state import CrashState
from tests.chaos.cut_agent import AgentHistory
from tests.chaos.disk_log import DiskLog

WAYS = 40
"""In which what wasn't durable yet may be there or not."""


def test_key_and_certificate_fit_wherever_a_renewal_is_cut_off(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    log = DiskLog(disk)
    agent = AgentHistory(log)
    with log.recording():
        agent.enrol()
        enrolled = log.now
        agent.renew()
        agent.hear_of_record()
    for cut in range(enrolled, log.now + 1):
        for way in range(WAYS):
            after = tmp_path / f"after-{cut}-{way}"
            after.mkdir()
            CrashState(log, cut, random.Random(way)).make(after)
            agent.check(after, cut)
