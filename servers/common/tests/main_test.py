"""The listening socket."""

import asyncio
import dataclasses
import socket

from servers.common.main import _listen
from servers.common.settings import CommonSettings, Environment


def test_answers_on_a_kept_connection_do_not_wait_for_acknowledgements() -> None:
    settings = CommonSettings.read(Environment({"MCP_HOST": "127.0.0.1"}))
    settings = dataclasses.replace(settings, port=0)  # any free one
    accepted: list[bool] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(bool(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, sock=_listen(settings, 30)) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b""
            writer.close()

    asyncio.run(main())
    assert accepted == [True]
