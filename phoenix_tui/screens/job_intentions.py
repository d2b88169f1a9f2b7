"""Cancel and try again: what the list of jobs and the view of one job have in common."""

from phoenix_core.domain.views import JobView
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.i18n import _
from phoenix_tui.messages import OpenJob
from phoenix_tui.screens.base import ConsoleScreen


class JobIntentions(ConsoleScreen):
    def job_in_hand(self) -> JobView | None:
        """The job that the operator means."""
        return None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        job = self.job_in_hand() if self.is_whole else None
        if action == "cancel":
            return job is not None and not job.state.is_final
        if action == "retry":
            return job is not None and job.state.is_final
        return True

    def action_cancel(self) -> None:
        job = self.job_in_hand()
        if job is None:
            return
        question = Confirm(
            _("Cancel this job?"),
            f"{job.title}\n\n" + _("What it has stored so far is used by the next backup."),
            _("Cancel the job"),
            keep=_("Let it run"),
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(self.client.cancel(job.id), "cancel", self.context.live.know_job)

        self.app.push_screen(question, answered)

    def action_retry(self) -> None:
        job = self.job_in_hand()
        if job is not None:
            self.attempt(self.client.retry(job.id), "retry", self._retried)

    def _retried(self, job: JobView) -> None:
        self.context.live.know_job(job)
        self.post_message(OpenJob(job.id))
