"""A sidecar: its tools, its store, and the MCP server that puts them together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import mcp_types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from servers.common import VERSION
from servers.common.backend import Backend, BackendError, Monitor
from servers.common.metrics import Metrics
from servers.common.settings import CommonSettings, Environment
from servers.common.tools import Call, Tool, ToolError, failure, problems, result

S = TypeVar("S")
B = TypeVar("B", bound=Backend)

audit = logging.getLogger("servers.audit")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sidecar(Generic[S, B]):
    """What makes one sidecar differ from another."""

    name: str
    """The server's name in MCP, such as mcp-redis."""

    title: str
    instructions: str
    """For the model: what the server is for and where to begin."""

    settings: Callable[[Environment], S]
    """Reads the settings of the store."""

    connect: Callable[[S], B]
    """Makes the backend; must not connect yet."""

    tools: Sequence[Tool]


class Instance(Generic[B]):
    """A sidecar at work: counts and bounds its calls."""

    def __init__(self, sidecar: Sidecar[Any, B], settings: CommonSettings, backend: B) -> None:
        self.sidecar = sidecar
        self.settings = settings
        self.backend = backend
        self.monitor = Monitor(backend)
        self.metrics = Metrics(sidecar.name, VERSION)
        self.metrics.backend_up.set_function(lambda: self.monitor.up)
        self._tools = {t.definition.name: t for t in sidecar.tools if settings.allow_writes or not t.write}
        self._listing = mcp_types.ListToolsResult(tools=[t.definition for t in self._tools.values()])
        self._under_way = 0
        self._deadlines: set[asyncio.Timeout] = set()
        self._stop_at: float | None = None

    def stop(self, grace: float) -> None:
        """Lets calls under way go on for `grace` seconds more; then they are answered that the server stops."""
        self._stop_at = asyncio.get_running_loop().time() + grace
        for deadline in self._deadlines:
            deadline.reschedule(self._stop_at)

    def server(self) -> Server[Any]:
        """The MCP server. Stateless: any number of clients, of any protocol version, at once."""
        return Server(
            self.sidecar.name,
            version=VERSION,
            title=self.sidecar.title,
            instructions=self.sidecar.instructions,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            get_tool_input_schema=lambda name: t.definition.input_schema if (t := self._tools.get(name)) else None,
        )

    async def _list_tools(self, ctx: Any, params: mcp_types.PaginatedRequestParams | None) -> mcp_types.ListToolsResult:
        return self._listing

    async def _call_tool(self, ctx: Any, params: mcp_types.CallToolRequestParams) -> mcp_types.CallToolResult:
        tool = self._tools.get(params.name)
        if tool is None:
            hint = ""
            if any(t.definition.name == params.name for t in self.sidecar.tools):
                hint = ": it changes data, and this server only reads (MCP_ALLOW_WRITES)"
            raise MCPError(mcp_types.INVALID_PARAMS, f"no tool is called {params.name[:100]!r}{hint}")
        if self._under_way >= self.settings.max_concurrent_calls:
            self.metrics.calls.labels(params.name, "busy").inc()
            return failure(
                f"{self._under_way} calls are under way, as many as this server takes: try again in a second"
            )
        started = time.perf_counter()
        self._under_way += 1
        self.metrics.under_way.set(self._under_way)
        outcome = "cancelled"
        try:
            answer, outcome = await self._answer(tool, params.arguments or {})
            return answer
        finally:
            self._under_way -= 1
            duration = time.perf_counter() - started
            self.metrics.under_way.set(self._under_way)
            self.metrics.calls.labels(params.name, outcome).inc()
            self.metrics.seconds.labels(params.name).observe(duration)
            # Names and outcomes only: what was asked for or found never gets into a log.
            audit.info(
                "call", extra={"tool": params.name, "outcome": outcome, "duration_ms": round(duration * 1000, 1)}
            )

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        end = asyncio.get_running_loop().time() + self.settings.call_timeout
        async with asyncio.timeout_at(end if self._stop_at is None else min(end, self._stop_at)) as deadline:
            self._deadlines.add(deadline)
            try:
                yield
            finally:
                self._deadlines.discard(deadline)

    async def _answer(self, tool: Tool, arguments: dict[str, Any]) -> tuple[mcp_types.CallToolResult, str]:
        try:
            checked = tool.arguments.model_validate(arguments)
        except ValidationError as error:
            return failure(f"wrong arguments: {problems(error)}"), "error"
        values = {name: getattr(checked, name) for name in type(checked).model_fields}
        limit = self.settings.max_result_bytes
        try:
            async with self._deadline():
                return result(await tool.function(Call(self.backend, limit), **values), limit), "ok"
        except ToolError as error:
            return failure(str(error)), "error"
        except BackendError as error:
            self.monitor.doubt()
            return failure(str(error)), "error"
        except TimeoutError:
            if self._stop_at is not None:
                return failure(
                    "the server is stopping, so the call was given up: connect again and repeat it"
                ), "timeout"
            self.monitor.doubt()
            return failure(
                f"no answer within {self.settings.call_timeout} s, so the call was given up: ask for less, "
                "or have MCP_CALL_TIMEOUT_SECONDS raised"
            ), "timeout"
        except Exception as error:
            # A bug of ours: the log has the place; values stay out of it, and of the answer.
            logger.error(
                "a tool failed",
                extra={"tool": tool.definition.name, "error": type(error).__name__, "place": _place(error)},
            )
            return failure(f"the server failed inside ({type(error).__name__}); its log says where"), "error"


def _place(error: BaseException) -> list[str]:
    """Where an exception came from, innermost last, without its message."""
    places = []
    trace = error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 3)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-6:]
