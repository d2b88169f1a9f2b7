"""Activation tokens that are mistyped, forged, used, expired or another core's; certificates of another CA."""

import json
import select
import shutil
import time
from datetime import datetime
from pathlib import Path

from phoenix_core.agentlink.activation import decode, encode, new_token
from tests.e2e.rig import Machine, machine


def test_activation_tokens_that_are_not_right(here: Machine) -> None:
    token = here.json("server", "token", "--name", "two")
    short = here.json("server", "token", "--valid", "1")
    parsed = decode(token["token"])
    other = Machine(here.folder, "two", core=here)

    assert _refused(other, token["token"][:-9], 2) == "activation_token_malformed"
    assert _refused(other, "phx9." + token["token"][5:], 2) == "activation_token_version"
    assert _refused(other, encode(new_token(parsed.urls, parsed.ca_fingerprint))) == "activation_token_forged"
    assert _refused(other, encode(new_token(parsed.urls, bytes(32)))) == "untrusted_core"
    assert _refused(other, encode(new_token(["https://127.0.0.1:9"], parsed.ca_fingerprint))) == "core_unreachable"
    for_storage = other.command("storage", "enroll", token["token"], "--json").expect(2)
    assert for_storage.error["code"] == "activation_token_role"
    assert not (other.data / "agent" / "peer.json").exists()

    other.command("agent", "enroll", token["token"]).expect()
    third = Machine(here.folder, "three", core=here)
    assert _refused(third, token["token"]) == "activation_token_used"
    while time.time() <= datetime.fromisoformat(short["expires_at"]).timestamp():
        select.select([], [], [], 0.05)
    assert _refused(third, short["token"]) == "activation_token_expired"
    assert here.command("server", "token", "--name", "two", "--json").expect(1).error["code"] == "conflict"
    another = here.json("server", "token", "--name", "four")["token"]
    assert _refused(other, another, 2) == "already_enrolled"
    assert {each["name"] for each in here.json("server", "list")} == {"one", "two"}


def test_a_core_with_another_certificate_authority(bare: Machine) -> None:
    """An agent that dials a core which isn't its own; and one that shows a core a certificate of another authority."""
    bare.init()
    bare.start_core()
    bare.enroll("one")
    with machine() as stranger:
        stranger.init()
        stranger.start_core()
        stranger.enroll("theirs")
        ours, theirs = bare.data / "agent", stranger.data / "agent"

        lost = Machine(bare.folder, "lost")
        shutil.copytree(ours, lost.data / "agent")
        _dial(lost, theirs)
        process = lost.start_agent(wait=False)
        lost.wait_log("agent", "certificate is of another authority")
        assert process.stop() == 0

        posing = Machine(bare.folder, "posing")
        shutil.copytree(ours, posing.data / "agent")
        _dial(posing, theirs)
        shutil.copy(theirs / "ca.pem", posing.data / "agent" / "ca.pem")
        process = posing.start_agent(wait=False)
        posing.wait_log("agent", "refuses this host's certificate")
        assert process.stop() == 0
        (server,) = stranger.json("server", "list")
        assert not server["connected"]
        assert server["last_seen_at"] is None


def _dial(machine: Machine, other: Path) -> None:
    """Let the agent dial the core that another one belongs to."""
    file = machine.data / "agent" / "peer.json"
    urls = json.loads((other / "peer.json").read_text())["urls"]
    file.write_text(json.dumps(json.loads(file.read_text()) | {"urls": urls}))


def _refused(machine: Machine, token: str, exit_code: int = 1) -> str:
    code: str = machine.command("agent", "enroll", token, "--json").expect(exit_code).error["code"]
    return code
