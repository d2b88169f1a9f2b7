"""The operators' API by plain HTTP over the core's Unix socket: a campaign can't afford a process for each command."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.e2e.watch import WITHIN_S, UnixConnection


class OperatorsApi:
    """Each call is a connection of its own, since cores come and go. Jobs are begun, not waited for."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def backup(self, server: str, path: Path, excludes: Sequence[str] = ()) -> str:
        return self._job("POST", "/v1/backups", {"server": server, "paths": [str(path)], "excludes": list(excludes)})

    def restore(self, server: str, snapshot: str, path: Path, target: Path) -> str:
        wanted = {"server": server, "snapshot": snapshot, "paths": [str(path)], "destination": str(target)}
        return self._job("POST", "/v1/restores", wanted)

    def compare(self, server: str, snapshot: str) -> str:
        return self._job("POST", "/v1/compares", {"server": server, "snapshot": snapshot, "content": True})

    def drill(self, server: str, snapshot: str) -> str:
        return self._job("POST", "/v1/drills", {"server": server, "snapshot": snapshot, "sample": "all"})

    def repair(self) -> str:
        return self._job("POST", "/v1/vault/repair", {"execute": True, "depth": "chunks"})

    def remove(self, snapshot: str) -> str:
        return self._job("DELETE", f"/v1/snapshots/{snapshot}?at_once=true&typed={snapshot[:12]}")

    def prune(self) -> str:
        return self._job("POST", "/v1/vault/prune", {"execute": True})

    def verify(self) -> str:
        return self._job("POST", "/v1/vault/verify", {"depth": "chunks"})

    def set(self, key: str, value: str) -> None:
        self.ask("PUT", f"/v1/settings/{quote(key, safe='')}", {"value": value})

    def job(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/v1/jobs/{job}")
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """The newest."""
        found: list[dict[str, Any]] = self.ask("GET", "/v1/jobs")
        return found

    def drills(self) -> list[dict[str, Any]]:
        """What came of the newest."""
        found: list[dict[str, Any]] = self.ask("GET", "/v1/drills")
        return found

    def differences(self, job: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = self.ask("GET", f"/v1/jobs/{job}/differences?after={after}")
            found += page["differences"]
            after = page.get("next_after") or None
        return found

    def snapshots(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "/v1/snapshots")
        return found

    def _job(self, method: str, path: str, body: object = None) -> str:
        return str(self.ask(method, path, body)["id"])

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Fails, with what the core said, where it refuses."""
        connection = UnixConnection(self._socket, WITHIN_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        assert answer.status < 300, f"{method} {path} was answered {answer.status}: {said.decode(errors='replace')}"
        return json.loads(said)
