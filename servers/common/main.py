"""The command line of every sidecar: `python -m servers.redis [--transport http|stdio]`."""

from __future__ import annotations

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
from collections.abc import AsyncIterator
from typing import Any

from servers.common import VERSION, lazy_imports, log
from servers.common.access import AccessSettings
from servers.common.settings import CommonSettings, Environment, SettingsError
from servers.common.startup import imported
from servers.common.telemetry import TelemetrySettings, exported
from servers.common.tls import Rotating

logger = logging.getLogger(__name__)

GRACE = 3.0
"""Seconds that calls under way get to finish after SIGTERM; the process ends within 5."""

USAGE = 2
"""Exit code for settings or a port that can't be used."""


def run(sidecar: Any, transport: str = "http") -> None:
    """Runs a sidecar until SIGTERM or SIGINT, or the end of standard input with stdio. Call `startup.begin` first.

    Args:
        sidecar: the servers.common.sidecar.Sidecar to serve, or the name of the module whose SIDECAR it is: not imported
            yet, so that what it imports of the SDK can be kept small
        transport: http or stdio, where the command line does not say

    Raises:
        SystemExit: with 2 when the settings or the port can't be used; one line for each problem is on standard error.
    """
    env = Environment(os.environ)
    telemetry = TelemetrySettings.read(env)
    if env.flag("MCP_LAZY_IMPORTS", True, "import only the parts of libraries that the server needs"):
        lazy_imports.enable(telemetry.metrics)
    if isinstance(sidecar, str):
        sidecar = importlib.import_module(sidecar).SIDECAR
    settings = CommonSettings.read(env)
    access = AccessSettings.read(env)
    store = sidecar.settings(env)
    # In a container there are none, and no need of a parser for them.
    if sys.argv[1:]:
        transport = _transport(sidecar, env, transport)
    try:
        env.check()
    except SettingsError as error:
        for problem in error.problems:
            print(f"{sidecar.name}: {problem}", file=sys.stderr)
        sys.exit(USAGE)
    log.configure(settings.log_level)
    # Imported here, so that --help and wrong settings are answered at once.
    from servers.common.sidecar import Instance

    async def serve() -> None:
        instance = Instance(sidecar, settings, sidecar.connect(store))
        with exported(telemetry, instance):
            async with _watchdog(settings.watchdog):
                await (_stdio(instance) if transport == "stdio" else _http(instance, access))

    if transport == "http":
        _check_port(sidecar.name, settings)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


def _transport(sidecar: Any, env: Environment, default: str) -> str:
    """What the command line says, where it does not end the process."""
    import argparse

    width = max(len(name) for name, _, _ in env.described)
    lines = [
        f"  {name:{width}}  {meaning}{f' [{preset}]' if preset else ''}" for name, preset, meaning in env.described
    ]
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


def _listen(settings: CommonSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the socket says TCP; with it a kept connection's answers wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except BaseException:
        listener.close()
        raise
    return listener


def _check_port(name: str, settings: CommonSettings) -> None:
    try:
        _listen(settings).close()
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"can't be listened on: {error.strerror or error}"
        print(f"{name}: {settings.host}:{settings.port} {reason}: set MCP_HOST or MCP_PORT to another", file=sys.stderr)
        sys.exit(USAGE)


async def _http(instance: Any, access: AccessSettings) -> None:
    import uvicorn.config
    import uvicorn.server

    from servers.common.app import create_app
    from servers.common.connections import Connections

    class Server(uvicorn.server.Server):
        # uvicorn's own would raise the signal again at the end: stopping when told to is no failure.
        def handle_exit(self, sig: int, frame: Any) -> None:
            loop.call_soon_threadsafe(instance.stop, GRACE)
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True

    loop = asyncio.get_running_loop()
    settings = instance.settings
    connections = Connections(
        access.max_connections, access.request_seconds, lambda reason: instance.metrics.closed.labels(reason).inc()
    )
    tls = Rotating(access.tls) if access.tls else None
    config = uvicorn.config.Config(
        create_app(instance, access),
        http=connections.over_tls(tls.context) if tls else connections.protocol(),
        ws="none",
        backlog=max(access.max_connections, 128),  # asyncio accepts as many before it lets any of them be counted
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who a client is, is not for a client to say
        timeout_graceful_shutdown=int(GRACE) + 1,
    )
    logger.info(
        "serving",
        extra={
            "address": f"{settings.host}:{settings.port}",
            "backend": instance.backend.address,
            "writes": settings.allow_writes,
            "auth": access.kinds,
            "tls": bool(tls),
        },
    )
    imported()
    async with connections.watched():
        await Server(config).serve(sockets=[_listen(settings)])
    logger.info("stopped")


async def _stdio(instance: Any) -> None:
    from mcp.server.stdio import stdio_server

    from servers.common.app import watched

    imported()
    server = instance.server()
    task = asyncio.current_task()
    assert task is not None
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(name, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async with watched(instance), stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())


@contextlib.asynccontextmanager
async def _watchdog(seconds: int) -> AsyncIterator[None]:
    """Ends the process, with all threads' tracebacks on standard error, when the event loop stands still this long.

    A TCP probe never sees a hang: the kernel goes on accepting. So the process must end itself for the kubelet to start
    it again.
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
