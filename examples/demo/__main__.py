"""python -m examples.demo orchestrator|worker|ui: HTTP on PORT with /health, and /metrics but for the ui."""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from examples.demo.roles import Demo, orchestrate, page, work
from examples.demo.stores import connect
from servers.common.observability import json_log as log
from servers.common.settings import Environment, SettingsError

ROLES = {"orchestrator": orchestrate, "worker": work, "ui": None}
PORTS = {"orchestrator": 8080, "worker": 8081, "ui": 3000}


def create_app(role: str, demo: Demo) -> Starlette:
    """The HTTP side of a role; its work goes on while it serves."""

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "role": role})

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(demo.registry), media_type=CONTENT_TYPE_LATEST)

    async def show(request: Request) -> Response:
        try:
            return HTMLResponse(await page(demo))
        except Exception as error:  # whichever store is away, the page says so
            return PlainTextResponse(f"the stores can't be reached: {type(error).__name__}\n", 503)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        loop = ROLES[role]
        task = asyncio.create_task(loop(demo)) if loop else None
        yield
        if task:
            task.cancel()

    routes = [Route("/health", health)]
    routes.append(Route("/", show) if role == "ui" else Route("/metrics", metrics))
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("role", choices=list(ROLES))
    role = parser.parse_args().role
    env = Environment(os.environ)
    port = env.port("PORT", PORTS[role], "port to listen on")
    try:
        queue, results = connect(env)
    except SettingsError as error:
        for problem in error.problems:
            print(f"demo: {problem}", file=sys.stderr)
        sys.exit(2)
    log.configure("info")
    uvicorn.run(
        create_app(role, Demo(queue, results)),
        host="0.0.0.0",
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
