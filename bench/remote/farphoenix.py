"""Phoenix with its vault on a storage node at the line's far end."""

import asyncio
import shutil
import signal
import subprocess

from bench.measure import Failed, Measured
from bench.remote.line import FAR, NEAR, NODE_PORT, RELAY_PORT, Line, Passed
from bench.tools.phoenix import PROGRAM, Ask, Phoenix
from bench.tools.tool import folder_bytes
from phoenix_core.domain.requests import ActivationTokenRequest

NODE = "nas"


class FarPhoenix(Phoenix):
    host = NEAR

    def __init__(self, line: Line, *, settings: dict[str, str] | None = None) -> None:
        super().__init__(settings=settings)
        self._line = line
        self._node: subprocess.Popen[str] | None = None
        self.passed: list[Passed] = []
        """Of each job: what went over the line from its request to its end."""

    def stored_bytes(self) -> int:
        return folder_bytes(self._far_data / "vault")

    def close(self) -> None:
        super().close()
        if self._node is not None:
            self._node.send_signal(signal.SIGTERM)
            self._node.communicate()
            self._node = None

    def _place_vault(self) -> None:
        self._far_data = self._folder / "far"
        self._far_data.mkdir(mode=0o700)
        (self._far_data / "phoenix.toml").write_text(f'[core]\nlisten = "127.0.0.1:{NODE_PORT}"\n')
        self._enrol(asyncio.run(self._node_token()))
        self._node = self._start_node()
        asyncio.run(self._set("storage.node", NODE))
        self._stop()
        shutil.rmtree(self._data / "index")

    def _start_node(self) -> "subprocess.Popen[str]":
        log = self._folder / "node.log"
        with log.open("ab") as out:
            command = self._there("storage", "run")
            node = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, text=True, env=self._environment)
        assert node.stdout is not None
        if not node.stdout.readline():
            raise Failed(f"the storage node did not start: {log.read_text()[-2000:]}")
        return node

    def _job(self, ask: Ask) -> Measured:
        before = self._line.passed()
        measured = super()._job(ask)
        self.passed.append(self._line.passed().since(before))
        return measured

    def _enrol(self, token: str) -> None:
        command = self._there("storage", "enroll", "-", "--url", f"https://{FAR}:{RELAY_PORT}")
        done = subprocess.run(
            command, input=token + "\n", text=True, capture_output=True, env=self._environment, check=False
        )
        if done.returncode:
            raise Failed(f"the storage node can't be enrolled:\n{done.stdout}{done.stderr}")

    def _there(self, *arguments: str) -> list[str]:
        return self._line.there(*PROGRAM, *arguments, "--data", str(self._far_data))

    async def _node_token(self) -> str:
        async with self._client() as client:
            return (await client.activation_token(ActivationTokenRequest(name=NODE, role="storage"))).token
