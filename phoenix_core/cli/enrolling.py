"""What `agent enroll` and `storage enroll` do."""

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from phoenix_core.agentlink.enrol import Enrolment, enrol
from phoenix_core.agentlink.standing import still_enrolled
from phoenix_core.cli.output import print_json, say
from phoenix_core.cli.program import command_line
from phoenix_core.cli.prompts import ask_secret, read_line
from phoenix_core.host.config import read_config
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.process import host_facts


async def enroll_agent(data: DataDirectory, token: str, *, again: bool, as_json: bool, keep: bool = False) -> None:
    """`keep`: an enrolment at the token's core that the core still takes stays as it is."""
    data.create()
    token = _read(token)
    done = await still_enrolled(token, data.agent) if keep else None
    if done is None:
        done = await _enroll(token, data.agent, "agent", again=again or keep)
    _tell(done, f"Start it with: {command_line(data, 'agent', 'run')}", as_json=as_json)


async def enroll_storage(data: DataDirectory, token: str, *, url: str, again: bool, as_json: bool) -> None:
    from phoenix_core.storage.node_enrolment import configure_node  # an agent's host needs no storage

    data.create()
    config = await asyncio.to_thread(read_config, data, embedded=False)
    host = (await asyncio.to_thread(host_facts)).hostname
    address = (url or next(iter(config.urls), "") or f"https://{host}:{config.listen_port}").rstrip("/")
    if not data.config.exists():  # then the address says where to listen
        config = msgspec.structs.replace(config, listen_port=urlsplit(address).port or config.listen_port)
    done = await _enroll(token, data.node, "storage", again=again, url=address)
    await asyncio.to_thread(
        configure_node,
        data,
        done.role_config,
        vault_path=config.vault_path,
        listen_host=config.listen_host,
        listen_port=config.listen_port,
    )
    done = msgspec.structs.replace(done, role_config=b"")
    next_steps = (
        f"Start it with: {command_line(data, 'storage', 'run')}\n"
        f"Then at the core: phoenix setting set storage.node {done.name}, and start the core again."
    )
    _tell(done, next_steps, as_json=as_json)


async def _enroll(token: str, state: Path, role: str, *, again: bool, url: str = "") -> Enrolment:
    token = _read(token)
    facts = await asyncio.to_thread(host_facts)
    return await enrol(
        token.strip(),
        state,
        role,
        hostname=facts.hostname,
        platform=facts.platform,
        machine_id=facts.machine_id,
        url=url,
        again=again,
    )


def _read(token: str) -> str:
    """`-`: from standard input."""
    if token != "-":  # noqa: S105 - a sign for standard input
        return token
    return (ask_secret("Token: ") if sys.stdin.isatty() else read_line()).strip()


def _tell(done: Enrolment, next_step: str, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
    else:
        say(f"Enrolled as {done.name} ({done.peer_id}) at {', '.join(done.urls)}.")
        say(next_step)
