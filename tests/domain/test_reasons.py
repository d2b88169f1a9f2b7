"""Why something is missing, in words: every code that an agent reports has them, and keeps its code where it helps."""

import pytest

from phoenix_core.agent import comparesieve
from phoenix_core.agent.backup import filesystem_errors, leftout
from phoenix_core.agent.restore import damage, errors, plan, write
from phoenix_core.agent.windows import errors as windows_errors
from phoenix_core.agent.windows import scan as windows_scan
from phoenix_core.agent.windows.restore import fill as windows_fill
from phoenix_core.agent.windows.restore import plan as windows_plan
from phoenix_core.domain import displaced
from phoenix_core.domain.reasons import reason_text

CODES = (
    filesystem_errors.VANISHED,
    filesystem_errors.CHANGED_TYPE,
    leftout.TOO_DEEP,
    leftout.NOT_FOUND,
    leftout.EXCLUDED,
    leftout.FILTERED,
    leftout.VIRTUAL,
    leftout.OWN_DATA,
    comparesieve.OTHER_FILE_SYSTEM,
    damage.DAMAGED,
    errors.IN_THE_WAY,
    errors.LINK_IN_THE_WAY,
    errors.FILE_IN_THE_WAY,
    errors.OWN_FOLDER,
    plan.TOO_DEEP,
    displaced.FOLDER_REMOVED,
    displaced.LINK_REPLACED,
    displaced.RENAMED,
    write.NO_FOLDER,
    write.CHANGED,
    write.NO_LINK,
    windows_errors.LOCKED,
    windows_errors.OFFLINE,
    windows_errors.EFS,
    windows_scan.NAME_TOO_LONG,
    windows_plan.INVALID_NAME,
    windows_plan.CASE_CLASH,
    windows_plan.NOT_WINDOWS,
    windows_fill.OWNER_NOT_RESTORED,
)


@pytest.mark.parametrize("code", CODES)
def test_every_reason_of_an_agent_has_words(code: str) -> None:
    assert "_" not in reason_text(code)
    assert " " in reason_text(code)


def test_errors_of_the_system_keep_their_code() -> None:
    assert reason_text("EACCES") == "no permission (EACCES)"
    assert reason_text("EOVERFLOW") == "value too large for defined data type (EOVERFLOW)"


def test_parts_and_lists_are_told_each_in_words() -> None:
    assert reason_text("no_link: EPERM") == "a hard link could not be made: not allowed (EPERM)"
    assert (
        reason_text("mode 644: EPERM, times: EIO")
        == "mode 644: not allowed (EPERM), times: the disk can't read or write it (EIO)"
    )


def test_what_is_not_known_stays_as_it_is() -> None:
    assert reason_text("something new") == "something new"
