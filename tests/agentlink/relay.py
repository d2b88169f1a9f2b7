"""A network between peer and core that stalls, breaks, or leads through a proxy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Relay:
    """A TCP relay in front of the core: it can stall and break what passes, as networks do."""

    def __init__(self) -> None:
        self.target_port = 0
        self.port = 0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.connections = 0
        self.greetings: list[bytes] = []

    async def start(self, target_port: int) -> None:
        self.target_port = target_port
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        if not await self._admit(reader, writer):
            writer.close()
            return
        onward_reader, onward = await asyncio.open_connection("127.0.0.1", self.target_port)
        self._writers.append(onward)
        for source, sink in ((reader, onward), (onward_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        return True

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                await self.flowing.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        sink.close()

    def cut(self) -> None:
        """Break all connections without a word."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def stop(self) -> None:
        self.flowing.set()
        self.cut()
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class ConnectProxy(Relay):
    """An HTTP proxy that leads every name to the core."""

    def __init__(self, login: str = "") -> None:
        super().__init__()
        self._login = login

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.greetings.append(head)
        if self._login and f"Basic {self._login}".encode() not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return False
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return True


@asynccontextmanager
async def running_relay(core_port: int, relay: Relay | None = None) -> AsyncIterator[Relay]:
    relay = relay or Relay()
    await relay.start(core_port)
    try:
        yield relay
    finally:
        await relay.stop()
