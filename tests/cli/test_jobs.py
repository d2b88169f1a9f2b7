"""Waiting for jobs: what their ends mean, detaching, an agent that is away, Ctrl-C."""

import signal
import time

import pytest

from phoenix_core.cli.waiting import exit_code
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView
from tests.cli.commands import WAIT_S, Commands


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (JobState.SUCCESSFUL, 0),
        (JobState.FAILED, 1),
        (JobState.ABORTED, 1),
        (JobState.SKIPPED, 1),
        (JobState.SUCCESSFUL_WITH_ERRORS, 3),
        (JobState.QUEUED, 4),
        (JobState.WAITING_FOR_AGENT, 4),
        (JobState.CANCELLED, 130),
    ],
)
def test_each_end_has_its_exit_code(state: JobState, code: int) -> None:
    assert exit_code(JobView(id="j", kind=JobKind.VERIFY, state=state, title="")) == code


def test_a_failure_has_the_exit_code_of_its_error() -> None:
    error = ErrorView("usage", "No.", "", exit_code=2)
    assert exit_code(JobView(id="j", kind=JobKind.VERIFY, state=JobState.FAILED, title="", error=error)) == 2


def test_an_agent_that_is_away_is_not_waited_for_with_zero(running: Commands) -> None:
    done = running.run("backup", "web1", "/etc", "--wait-agent", "0", code=4)
    job = running.json("job", "list", "--state", "active")[0]
    assert job["state"] == "waiting_for_agent"
    assert f"phoenix job watch {job['id']}" in done.out
    assert running.json("job", "cancel", job["id"])["state"] == "cancelled"


def test_waiting_for_an_agent_ends_after_the_time_given_and_says_so(running: Commands) -> None:
    began = time.monotonic()
    done = running.run("backup", "web1", "/etc", "--wait-agent", "0.5", code=4)
    assert time.monotonic() - began < 30
    assert "The agent of web1 is away" in done.err
    running.run("job", "cancel", running.json("job", "list", "--state", "active")[0]["id"], code=0)


def test_a_detached_job_to_an_agent_that_is_away_is_queued(running: Commands) -> None:
    job = running.json("backup", "web1", "/etc", "--detach", code=4)
    assert running.json("job", "show", job["id"])["state"] == "waiting_for_agent"
    running.run("job", "cancel", job["id"], code=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_cancels_the_job_that_the_command_started(running: Commands, number: signal.Signals) -> None:
    command = running.begin("backup", "web1", "/etc")
    assert command.stderr is not None
    while "is away" not in command.stderr.readline():
        assert command.poll() is None
    command.send_signal(number)
    out, _ = command.communicate(timeout=WAIT_S)
    assert command.returncode == 130
    assert "cancelled" in out
    assert running.json("job", "list", "--state", "active") == []


def test_with_nohup_a_hang_up_ends_nothing(running: Commands) -> None:
    command = running.begin("backup", "web1", "/etc", nohup=True)
    assert command.stderr is not None
    while "is away" not in command.stderr.readline():
        assert command.poll() is None
    command.send_signal(signal.SIGHUP)
    (job,) = running.json("job", "list", "--state", "active")
    assert job["state"] == "waiting_for_agent"
    command.send_signal(signal.SIGTERM)
    command.communicate(timeout=WAIT_S)
    assert command.returncode == 130
    assert running.json("job", "show", job["id"])["state"] == "cancelled"


def test_ctrl_c_while_watching_leaves_the_job_alone(running: Commands) -> None:
    job = running.json("backup", "web1", "/etc", "--detach", code=4)["id"]
    command = running.begin("job", "watch", job)
    assert command.stderr is not None
    while "is away" not in command.stderr.readline():
        assert command.poll() is None
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=WAIT_S)
    assert command.returncode == 130
    assert running.json("job", "show", job)["state"] == "waiting_for_agent"
    running.run("job", "cancel", job, code=0)


def test_a_cancelled_job_is_cancelled_for_who_watches_it(running: Commands) -> None:
    job = running.json("backup", "web1", "/etc", "--detach", code=4)["id"]
    running.run("job", "cancel", job, code=0)
    assert running.run("job", "watch", job).code == 130


def test_a_finished_job_is_run_again_as_a_new_one(running: Commands) -> None:
    first = running.json("vault", "verify")
    second = running.json("job", "retry", first["id"])
    assert second["state"] == "successful"
    assert second["id"] != first["id"]
    assert second["retry_of"] == first["id"]


def test_a_job_is_named_by_the_start_of_its_id(running: Commands) -> None:
    job = running.json("vault", "verify")["id"]
    assert running.json("job", "show", job[:8])["id"] == job


def test_a_job_is_shown_with_its_steps_and_log(running: Commands) -> None:
    job = running.json("vault", "verify")["id"]
    shown = running.run("job", "show", job, code=0).out
    assert "STEP" in shown
    assert "successful" in shown
    running.run("job", "log", job, code=0)
    assert isinstance(running.json("job", "log", job), list)
    listed = running.run("job", "list", "--kind", "verify", "--limit", "1", code=0).out
    assert job in listed


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("backup", "web9", "/etc"), 1, "not_found"),
        (("server", "show", "web9"), 1, "not_found"),
        (("job", "show", "jnothing"), 1, "not_found"),
        (("job", "list", "--state", "nonsense"), 2, "usage"),
        (("snapshot", "browse", "latest"), 1, "no_snapshot"),
        (("setting", "get", "nonsense"), 1, "not_found"),
        (("setting", "set", "prove.enabled", "perhaps"), 2, "bad_setting"),
        (("setting", "set", "storage.node", "foo"), 2, "storage_node_unknown"),
        (("vault", "verify", "--depth", "deep"), 2, "usage"),
        (("restore", "web1", "--conflict", "perhaps"), 2, "usage"),
        (("backup", "web1", "relative/path"), 2, "usage"),
        (("backup", "web1", "/etc", "--exclude-file", "/nonexistent"), 2, "usage"),
        (("server", "token", "--role", "nonsense"), 2, "usage"),
        (("job", "list", "--limit", "99999999"), 2, "usage"),
        (("server", "token", "--valid", "-5"), 2, "usage"),
    ],
)
def test_what_is_not_there_or_makes_no_sense_is_said(
    running: Commands, words: tuple[str, ...], code: int, error: str
) -> None:
    found = running.error(*words, code=code)
    assert found["code"] == error
    assert found["message"]
    assert found["hint"]
    plain = running.run(*words, code=code)
    assert plain.err == f"phoenix: {found['message']}\n  {found['hint']}\n"
    assert plain.out == ""


def test_settings_are_listed_read_and_changed(running: Commands) -> None:
    running.run("setting", "set", "warm_days", "30", code=0)
    assert running.run("setting", "get", "warm_days", code=0).out == "30\n"
    assert {each["key"]: each["value"] for each in running.json("setting", "list")}["warm_days"] == "30"
    running.run("setting", "set", "warm_days", "90", code=0)


def test_a_storage_node_that_is_not_there_is_refused_with_what_can_be_chosen(running: Commands) -> None:
    hint = running.error("setting", "set", "storage.node", "foo", code=2)["hint"]
    assert hint.startswith("None is enrolled. ")
    assert "`phoenix setting set storage.node ''` the core's own folder" in hint
    assert running.run("setting", "get", "storage.node", code=0).out == "\n"
    running.run("setting", "set", "storage.node", "", code=0)


def test_a_second_vault_is_refused_with_no_word_of_stopping_the_core(running: Commands) -> None:
    assert running.error("vault", "init")["code"] == "vault_exists"


def test_doctor_names_the_log_files_and_is_1_only_for_errors(running: Commands) -> None:
    done = running.run("doctor", code=0)
    assert str(running.data.logs) in done.out
    assert "core.log" in done.out
    assert {each["state"] for each in running.json("doctor")} <= {"ok", "warning"}


def test_a_limit_below_the_least_is_refused_before_a_core_is_asked(running: Commands) -> None:
    done = running.run("job", "list", "--limit", "-3", code=2)
    assert "--limit" in done.err
    assert "docs/api.md" not in done.err


def test_a_conflict_names_the_command_that_can_be_typed(running: Commands) -> None:
    job = running.json("vault", "verify")["id"]
    assert f"phoenix job retry {job}`" in running.error("job", "cancel", job)["hint"]


def test_the_console_without_a_terminal_says_what_else_there_is(running: Commands) -> None:
    done = running.run(code=2)
    assert "ssh -t" in done.err
    assert "phoenix --help" in done.err


def test_a_core_that_dies_leaves_the_command_with_the_jobs_id_and_what_becomes_of_it(vault: Commands) -> None:
    core = vault.start_core()
    try:
        token = vault.json("server", "token", "--name", "web1")["token"]
        vault.run("agent", "enroll", "-", stdin=token + "\n", code=0)
        command = vault.begin("backup", "web1", "/etc")
        assert command.stderr is not None
        while "is away" not in command.stderr.readline():
            assert command.poll() is None
        (job,) = vault.json("job", "list", "--state", "active")
    finally:
        core.kill()
        core.communicate()
    _, said = command.communicate(timeout=WAIT_S)
    assert command.returncode == 1
    assert f"The core went while job {job['id']} ran: the core that ran there has ended." in said
    assert "goes on once a core is there again" in said
    assert f"`phoenix job show {job['id']}`" in said


def test_a_first_vault_beside_a_running_core_names_the_command_that_stops_it(commands: Commands) -> None:
    commands.data.create()
    commands.data.config.write_text('[core]\nlisten = "127.0.0.1:0"\n')
    core = commands.start_core()
    try:
        error = commands.error("vault", "init", "--passphrase-file", commands.passphrase_file)
        assert error["code"] == "core_running"
        assert "`phoenix core stop`" in error["hint"]
        assert "`systemctl stop phoenix-core`" in error["hint"]
    finally:
        core.terminate()
        core.communicate()


def test_an_agent_says_that_it_is_connected_and_why_it_is_not(vault: Commands) -> None:
    core = vault.start_core()
    agents = []
    try:
        token = vault.json("server", "token", "--name", "web1")["token"]
        vault.run("agent", "enroll", "-", stdin=token + "\n", code=0)
        agents.append(agent := vault.begin("agent", "run"))
        assert agent.stdout is not None
        assert agent.stdout.readline() == "The agent is connected to its core, as web1.\n"
        vault.run("server", "remove", "web1", "--confirm", "web1", code=0)
        assert agent.stderr is not None
        assert agent.stderr.readline().startswith("phoenix: ")
        assert agent.stderr.readline().startswith("  ")
    finally:
        for process in (*agents, core):
            process.terminate()
            process.communicate()
