"""The command line of every sidecar: `python -m servers.redis [--transport http|stdio]`."""

import asyncio
import contextlib
import errno
import faulthandler
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, NoReturn, cast

from servers.common import VERSION, lazy_imports
from servers.common.http.auth_settings import AuthSettings
from servers.common.observability import json_log as log
from servers.common.observability.telemetry import TelemetrySettings, exported
from servers.common.settings import CommonSettings, Environment, SettingsError
from servers.common.startup import imported

if TYPE_CHECKING:
    from anyio import AsyncFile

logger = logging.getLogger(__name__)

GRACE = 3.0
"""Seconds that calls under way get to finish after SIGTERM; the process ends within 5."""

KEEP_ALIVE = 75
"""Seconds that a connection stays open without a request."""

RECEIVE_BYTES = 32 * 1024
"""Receive buffer of a connection in bytes (the kernel doubles it: socket(7))."""

USAGE = 2
"""Exit code for settings or a port that can't be used."""


def run(sidecar: Any, transport: str = "http") -> None:
    """Run a sidecar until SIGTERM or SIGINT, or the end of standard input with stdio. Call `startup.begin` first.

    A sidecar given as the name of the module whose SIDECAR it is has not been imported yet, so that what it imports of the SDK
    can be kept small. If the settings or the port can't be used, the process exits with 2 and a line for each problem on standard
    error.
    """
    env = Environment(os.environ)
    telemetry = TelemetrySettings.read(env)
    if env.flag("MCP_LAZY_IMPORTS", True, "import only the parts of libraries that the server needs"):
        lazy_imports.enable(telemetry.metrics)
    if isinstance(sidecar, str):
        sidecar = importlib.import_module(sidecar).SIDECAR
    settings = CommonSettings.read(env)
    auth = AuthSettings.read(env, logins=sidecar.logins)
    env.problems += sidecar.problems(settings)
    store = sidecar.settings(env)
    # In a container there are none, and no need of a parser for them.
    if sys.argv[1:]:
        transport = _transport(sidecar, env, transport)
    try:
        env.check()
    except SettingsError as error:
        _refuse(sidecar.name, error.problems + env.warnings + env.unknown())
    log.configure(settings.log_level)
    for line in env.warnings + env.unknown():
        logger.warning(line)
    # Imported here, so that --help and wrong settings are answered at once.
    from servers.common.server import Instance

    async def serve() -> None:
        instance = Instance(sidecar, settings, sidecar.connect(store))
        with exported(telemetry, instance):
            async with _watchdog(settings.watchdog):
                await (_stdio(instance) if transport == "stdio" else _http(instance, auth))
        # asyncio would wait for threads, such as one that asks a name server which does not answer.
        logging.shutdown()
        os._exit(0)

    try:
        if transport == "http":
            _listen(settings, auth.request_seconds).close()  # so that a port in use is told of at once
        asyncio.run(serve())
    except KeyboardInterrupt:
        pass
    except SettingsError as error:
        _refuse(sidecar.name, error.problems)


def _refuse(name: str, lines: list[str]) -> NoReturn:
    for line in lines:
        print(f"{name}: {line}", file=sys.stderr)
    sys.exit(USAGE)


def _transport(sidecar: Any, env: Environment, default: str) -> str:
    """Return the transport of the command line. --help and --version end the process."""
    import argparse

    width = max(len(name) for name, _, _ in env.described)
    lines = [f"  {name:{width}}  {meaning}{f' [{preset}]' if preset else ''}" for name, preset, meaning in env.described]
    parser = argparse.ArgumentParser(
        prog=sidecar.name,
        description=f"{sidecar.title}: an MCP server.",
        epilog="settings, from the environment:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{sidecar.name} {VERSION}")
    parser.add_argument(
        "--transport",
        choices=("http", "stdio"),
        default=default,
        help="streamable HTTP, or standard input and output [%(default)s]",
    )
    return str(parser.parse_args().transport)


def _listen(settings: CommonSettings, unread_seconds: int, backlog: int = 0) -> socket.socket:
    """Return a socket bound to the host and port of the settings, or raise SettingsError. With a backlog, it listens. The kernel
    closes a connection whose client reads nothing for `unread_seconds`."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        # asyncio turns Nagle's algorithm off only where the socket says TCP; with it a kept connection's answers wait 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it. asyncio reads what is there at once, up to 256 KiB for each of many connections.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it (RFC 5482)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_seconds * 1000)
        listener.bind((settings.host, settings.port))
        if backlog:
            listener.listen(backlog)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"can't be listened on: {error.strerror or error}"
        where = f"{settings.host}:{settings.port}"
        raise SettingsError([f"{where} {reason}: set MCP_HOST or MCP_PORT to another"]) from None
    return listener


async def _http(instance: Any, auth: AuthSettings) -> None:
    import uvicorn.config
    import uvicorn.server

    from servers.common.http.app import create_app
    from servers.common.http.http_protocol import HttpProtocol
    from servers.common.http.tls import RotatingContext

    settings = instance.settings
    connections = 8 * auth.max_connections  # /mcp has a bound of its own below this: probes are still answered
    listener = _listen(settings, auth.request_seconds, connections)
    tls = auth.tls and RotatingContext(auth.tls)

    def stop(number: int) -> None:
        instance.stop(GRACE)
        server.force_exit = server.should_exit and number == signal.SIGINT
        server.should_exit = True

    config = uvicorn.config.Config(
        # The handlers replace those of uvicorn, which raise the signal again at the end: stopping when told to is no failure.
        create_app(instance, auth, lambda: _handle_signals(stop)),
        http=HttpProtocol,
        ws="none",
        ssl_context_factory=(lambda config, default: tls) if tls else None,
        backlog=connections,  # asyncio accepts as many at once
        limit_concurrency=connections,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(GRACE) + 1,
        proxy_headers=False,  # never trust X-Forwarded-*
        server_header=False,
        access_log=False,
        log_config=None,
        # At warning, uvicorn logs every malformed request: clients must not fill the log.
        log_level=None if settings.log_level == "debug" else "error",
    )
    logger.info(
        "serving",
        extra={
            "address": f"{settings.host}:{settings.port}",
            "backend": instance.backend.address,
            "writes": settings.allow_writes,
            "auth": auth.kinds,
            "tls": bool(tls),
        },
    )
    imported()
    server = uvicorn.server.Server(config)
    await server.serve(sockets=[listener])
    logger.info("stopped")


def _handle_signals(stop: Callable[[int], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(number, stop, number)


async def _stdio(instance: Any) -> None:
    import mcp_types
    from mcp.server.stdio import stdio_server
    from mcp.shared.message import SessionMessage

    from servers.common.http.app import watched
    from servers.common.protocol.endpoint import Invalid, known_line

    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue(1)
    descriptor = sys.stdin.fileno()

    def read() -> None:
        line = b"\n"
        # The event loop may end first: a line that waits for it is cancelled, and none comes after.
        with contextlib.suppress(CancelledError, RuntimeError), open(descriptor, "rb", closefd=False) as file:
            while line:
                try:
                    line = file.readline()
                except OSError:
                    line = b""
                asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    async def known() -> AsyncIterator[str]:
        # At its end the process would wait for the SDK's own thread, and that one for the client's next line.
        threading.Thread(target=read, daemon=True).start()
        while line := await lines.get():
            try:
                if line.strip():
                    yield known_line(line)
            except Invalid as error:
                # The SDK would drop it, and its client wait for an answer.
                await streams[1].send(SessionMessage(mcp_types.JSONRPCError.model_validate(error.body())))

    imported()
    server = instance.server()
    task = asyncio.current_task()
    assert task is not None

    def stop(number: int) -> None:
        task.cancel()
        # The SDK's own thread can't be cancelled while the client reads nothing of what it writes.
        loop.call_later(GRACE, os._exit, 0)

    _handle_signals(stop)
    try:
        async with watched(instance), stdio_server(cast("AsyncFile[str]", known())) as streams:
            await server.run(*streams, server.create_initialization_options())
    except (asyncio.CancelledError, Exception):
        # The SDK's tasks may fail as they are cancelled: stopping when told to is no failure.
        if not task.cancelling():
            raise


@contextlib.asynccontextmanager
async def _watchdog(seconds: int) -> AsyncIterator[None]:
    """End the process, with all threads' tracebacks on standard error, when the event loop stands still this long.

    A TCP probe never sees a hang: the kernel goes on accepting. The kubelet starts a process again only when it has ended.
    """
    if not seconds:
        yield
        return

    async def rearm() -> None:
        while True:
            faulthandler.dump_traceback_later(seconds, exit=True)
            await asyncio.sleep(seconds / 3)

    task = asyncio.create_task(rearm(), name="watchdog")
    try:
        yield
    finally:
        task.cancel()
        faulthandler.cancel_dump_traceback_later()
