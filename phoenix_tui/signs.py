"""States as word and sign, so that no colour is needed to tell them apart."""

from typing import NamedTuple

from textual.content import Content

from phoenix_core.domain.alerts import AlertView, Severity
from phoenix_core.domain.changes import UNKNOWN_MARK, Change, change_of, mark_of
from phoenix_core.domain.states import JobState, StepState
from phoenix_core.domain.versions import Standing
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD, DIM, GOOD, LIVE, PLAIN, WARN


class Sign(NamedTuple):
    sign: str
    word: str
    tone: str

    @property
    def content(self) -> Content:
        return Content.assemble((f"{self.sign} {self.word}", self.tone))


_JOB = {
    JobState.QUEUED: Sign("·", _("queued"), PLAIN),
    JobState.WAITING_FOR_AGENT: Sign("…", _("waits for agent"), WARN),
    JobState.WAITING_FOR_PROXY: Sign("…", _("waits for proxy"), WARN),
    JobState.WAITING_FOR_THAW: Sign("…", _("waits for thaw"), WARN),
    JobState.RUNNING: Sign("▸", _("running"), LIVE),
    JobState.SUCCESSFUL: Sign("✓", _("successful"), GOOD),
    JobState.SUCCESSFUL_WITH_ERRORS: Sign("!", _("with errors"), WARN),
    JobState.FAILED: Sign("✗", _("failed"), BAD),
    JobState.CANCELLED: Sign("–", _("cancelled"), DIM),
    JobState.SKIPPED: Sign("–", _("skipped"), DIM),
    JobState.ABORTED: Sign("✗", _("aborted"), BAD),
}

_STEP = {
    StepState.PENDING: Sign("·", _("pending"), DIM),
    StepState.RUNNING: Sign("▸", _("running"), LIVE),
    StepState.DONE: Sign("✓", _("done"), GOOD),
    StepState.FAILED: Sign("✗", _("failed"), BAD),
    StepState.SKIPPED: Sign("–", _("skipped"), DIM),
}

_SEVERITY = {
    Severity.WARNING: Sign("!", _("warning"), WARN),
    Severity.ERROR: Sign("✗", _("error"), BAD),
    Severity.CRITICAL: Sign("✗", _("critical"), BAD),
}

_CHANGE = {
    Change.ADDED: (_("added"), GOOD),
    Change.REMOVED: (_("removed"), BAD),
    Change.CONTENT: (_("content"), WARN),
    Change.METADATA: (_("metadata"), DIM),
    Change.TYPE: (_("type"), WARN),
}

CONNECTED = Sign("●", _("connected"), GOOD)
AWAY = Sign("○", _("away"), WARN)
LOST_AGENT = Sign("…", _("agent away"), WARN)
"""Of a job that runs, and whose agent the core has lost."""
OVER = Sign("✓", _("over"), DIM)
"""Of an alert."""
REMOVED = Sign("–", _("removed"), DIM)
TOO_OLD = Sign("✗", _("too old"), BAD)
"""Of a server whose agent's version the core doesn't serve any more."""
_VERSIONS = {
    Standing.CURRENT: "",
    Standing.BEHIND: _("behind the core"),
    Standing.TOO_OLD: _("too old: not let in"),
    Standing.AHEAD: _("newer than the core"),
    Standing.UNKNOWN: _("unknown"),
}


def version_words(standing: Standing) -> str:
    """What is to be said of an agent's version beside the core's; empty: they are the same."""
    return _VERSIONS[standing]


def job_sign(state: JobState) -> Sign:
    return _JOB[state]


def alert_sign(alert: AlertView) -> Sign:
    return _SEVERITY[alert.severity] if alert.is_active else OVER


def step_sign(state: StepState) -> Sign:
    return _STEP[state]


def change_sign(word: str) -> Sign:
    """Of an entry that differs; of a kind that only a later core knows, its word."""
    change = change_of(word)
    return Sign(UNKNOWN_MARK, word, PLAIN) if change is None else Sign(mark_of(word), *_CHANGE[change])
