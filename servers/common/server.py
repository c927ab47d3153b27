"""A sidecar: its tools, its store, and the MCP server that puts them together."""

import asyncio
import fnmatch
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import mcp_types
from mcp.server.context import ServerMiddleware
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.middleware import Middleware

from servers.common import VERSION
from servers.common.backend import Backend, BackendError, Monitor, deadline, warn, warnings
from servers.common.http.principal import PRINCIPAL, WRITE, Logins
from servers.common.memory_budget import BUDGET, Busy, MemoryBudget, Room, default_size, hold_result, memory_limit
from servers.common.observability.metrics import Metrics
from servers.common.observability.telemetry import OTHER
from servers.common.protocol.mentions import Mentions
from servers.common.protocol.prompts import Prompt, PromptError
from servers.common.protocol.resources import MOST_COMPLETIONS, NO_RESOURCES, Listeners, Resources, contents
from servers.common.protocol.tools import (
    LONGEST_FAILURE,
    Call,
    Tool,
    ToolError,
    TooLong,
    failure,
    result,
    result_json,
    to_json,
)
from servers.common.settings import RESULT_BYTES, CommonSettings, Environment, hide
from servers.common.text_escape import plain

S = TypeVar("S")
B = TypeVar("B", bound=Backend)
T = TypeVar("T")

LONGEST_QUESTION = 1000
"""Characters of the arguments in a question to a person."""

DOUBT = "; what was asked for may have been done: check before you repeat it"
"""What is added to an error if the answer to a change was lost."""

audit = logging.getLogger("servers.audit")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sidecar(Generic[S, B]):
    """The description of a sidecar."""

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
    resources: Resources[B] = NO_RESOURCES
    prompts: Sequence[Prompt] = ()
    logins: Logins = ""
    """The logins at the store that a call uses where its token has one (Principal.login)."""

    advising: Callable[[B], AbstractAsyncContextManager[None]] = lambda backend: nullcontext()
    """Adds advice to the errors of a request, which is done inside this context."""

    def chosen(self, settings: CommonSettings) -> dict[str, Tool]:
        """Return the tools that the settings let clients see, by name."""
        return {
            t.name: t
            for t in self.tools
            if (settings.allow_writes or not t.write)
            and (not settings.tools or _matches(t.name, settings.tools))
            and not _matches(t.name, settings.tools_except)
        }

    def problems(self, settings: CommonSettings) -> list[str]:
        """Say what is wrong with the choice of tools in the settings."""
        found = []
        names = [t.name for t in self.tools]
        for variable, patterns in (("MCP_TOOLS", settings.tools), ("MCP_TOOLS_EXCEPT", settings.tools_except)):
            for pattern in patterns:
                if not any(_matches(name, (pattern,)) for name in names):
                    found.append(f"{variable}: no tool is called '{pattern}': the tools are {', '.join(names)}")
        if not found and not self.chosen(settings):
            found.append("MCP_TOOLS, MCP_TOOLS_EXCEPT: no tool is left; those that change data need MCP_ALLOW_WRITES")
        return found


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


class _Server(Server[Any]):
    """The SDK's server, which declares no changing lists."""

    def get_capabilities(self, *args: Any, **kwargs: Any) -> mcp_types.ServerCapabilities:
        """Return what the server can do: its lists stay as they are, so nothing is ever sent of a change."""
        found = super().get_capabilities(*args, **kwargs)
        for part in (found.tools, found.prompts, found.resources):
            if part:
                part.list_changed = False
        return found


Listing = Callable[[Any, mcp_types.PaginatedRequestParams | None], Awaitable[T]]


def _one_page(listing: Listing[T]) -> Listing[T]:
    """Return a listing that refuses a cursor: it gives none, so none is valid (MCP, pagination)."""

    async def listed(ctx: Any, params: mcp_types.PaginatedRequestParams | None) -> T:
        if params and params.cursor:
            raise MCPError(mcp_types.INVALID_PARAMS, "there is no such cursor: this list has one page, so leave the cursor out")
        return await listing(ctx, params)

    return listed


class _Failed(Exception):
    """A request that can't be answered; the message is for the client."""


class Instance(Generic[B]):
    """A sidecar at work: counts and bounds its calls."""

    def __init__(self, sidecar: Sidecar[Any, B], settings: CommonSettings, backend: B) -> None:
        self.sidecar = sidecar
        self.settings = settings
        self.backend = backend
        self.monitor = Monitor(backend)
        self.metrics = Metrics(sidecar.name, VERSION)
        self.metrics.backend_up.set_function(lambda: self.monitor.up)
        self._tools = sidecar.chosen(settings)
        self._mentions = Mentions([t.name for t in sidecar.tools], self._listed)
        self._prompts = {p.name: p for p in sidecar.prompts}
        self.listeners = Listeners(sidecar.resources.watch, backend, settings.max_concurrent_calls)
        limit = memory_limit()
        self.room = Room(limit)
        self.memory = MemoryBudget(settings.memory_budget or default_size(limit), room=self.room)
        self._under_way = 0
        self.deadlines: set[asyncio.Timeout] = set()
        """Of calls, and of what else `stop` ends."""
        self._stop_at: float | None = None
        self.middleware: list[ServerMiddleware[Any]] = []
        """The SDK's middleware around each message."""
        self.http_middleware: list[Middleware] = []
        """ASGI middleware of /mcp, behind access control."""

    def stop(self, grace: float) -> None:
        """Let calls under way continue for `grace` seconds, then end them with an error."""
        self._stop_at = asyncio.get_running_loop().time() + grace
        for timeout in self.deadlines:
            if not timeout.expired():
                timeout.reschedule(self._stop_at)
        self.listeners.close()

    def server(self) -> Server[Any]:
        """Return the MCP server. Stateless: any number of clients, of any protocol version, at once."""
        server = _Server(
            self.sidecar.name,
            version=VERSION,
            title=self.sidecar.title,
            # They are the same for all clients and as long as this runs, so only the settings count.
            instructions=Mentions([t.name for t in self.sidecar.tools], self._tools.__contains__).told(self.sidecar.instructions),
            on_list_tools=_one_page(self._list_tools),
            on_call_tool=self._call_tool,
            on_list_resources=_one_page(self.sidecar.resources.listing),
            on_list_resource_templates=_one_page(self.sidecar.resources.templates_listing),
            on_read_resource=self._read_resource,
            on_completion=self._complete,
            on_subscriptions_listen=self.listeners.listen if self.listeners.watch else None,
            on_list_prompts=_one_page(self._list_prompts),
            on_get_prompt=self._get_prompt,
            get_tool_input_schema=lambda name: t.mirrored_schema if (t := self._tools.get(name)) else None,
        )
        if self.middleware:
            server.middleware += self.middleware
        else:
            server.middleware.clear()  # the SDK's opt-out of spans, which nobody exports here
        return server

    async def _list_tools(self, ctx: Any, params: Any) -> mcp_types.ListToolsResult:
        await self.monitor.first_check()
        definitions = [self._described(t.definition) for t in self._tools.values() if self._listed(t.name)]
        if (limit := self.settings.max_result_bytes) > RESULT_BYTES:
            # Claude Code has a limit for one result of a tool, and takes this one in its place, in characters.
            meta = {"anthropic/maxResultSizeChars": min(limit, 500_000)}
            definitions = [definition.model_copy(update={"meta": meta}) for definition in definitions]
        return mcp_types.ListToolsResult(tools=definitions)

    def _serves(self, needs: Callable[[Any], bool] | None) -> bool:
        """Return whether the store is known to support a tool or prompt."""
        return needs is None or (self.monitor.reached and needs(self.backend))

    def _listed(self, name: str) -> bool:
        """Return whether the client whose request is under way sees a tool."""
        tool = self._tools.get(name)
        return tool is not None and self._serves(tool.needs) and (not tool.write or PRINCIPAL.get().may(WRITE))

    def _described(self, definition: mcp_types.Tool) -> mcp_types.Tool:
        """Return a tool's definition, without mentions of tools that the client does not see."""
        properties = definition.input_schema["properties"]
        shorter = {
            name: part | {"description": told}
            for name, part in properties.items()
            if (told := self._mentions.told(part.get("description", ""))) != part.get("description", "")
        }
        description = self._mentions.told(definition.description or "")
        if not shorter and description == definition.description:
            return definition
        schema = definition.input_schema | {"properties": properties | shorter}
        return definition.model_copy(update={"description": description, "input_schema": schema})

    async def _call_tool(
        self, ctx: Any, params: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult | mcp_types.InputRequiredResult:
        tool = self._tools.get(params.name)
        if tool is None:
            hint = ""
            if known := [t for t in self.sidecar.tools if t.name == params.name]:
                hint = ": the operator has not enabled it (MCP_TOOLS, MCP_TOOLS_EXCEPT)"
                if known[0].write and not self.settings.allow_writes:
                    hint = ": it changes data, and this server only reads (MCP_ALLOW_WRITES)"
            self._audit(params.name if hint else OTHER, "forbidden")
            raise MCPError(mcp_types.INVALID_PARAMS, f"no tool is called {params.name[:100]!r}{hint}")
        principal = PRINCIPAL.get()
        if tool.write and not principal.may(WRITE):
            principal.missing = WRITE
            self._audit(params.name, "forbidden")
            raise MCPError(mcp_types.INVALID_REQUEST, f"{params.name} changes data: it needs a token with scope {WRITE}")
        if tool.destructive and self.settings.confirm != "never":
            try:
                if question := await self._confirmed(ctx, params, tool):
                    return question
            except ToolError as error:
                self._audit(params.name, "error")
                return failure(str(error))

        changing = False

        async def work() -> mcp_types.CallToolResult:
            nonlocal changing
            values, ignored = tool.check(params.arguments or {})
            changing = tool.write and not tool.dry_run(values)
            warnings.set([])
            if ignored:
                names = ", ".join(repr(plain(name, 50)) for name in ignored[:5])
                warn(f"{params.name} has no argument {names}: ignored")
            value = await tool.function(self._call(ctx), **values)
            content = self._json(value)
            value = {}  # as values it takes much more, and it may have to wait
            try:
                await hold_result(content)
            except Busy:
                if changing:
                    raise ToolError(
                        f"{tool.name} was done, but other calls use all of this server's memory for results, so the result can't "
                        "be returned: check before you repeat it"
                    ) from None
                raise
            return result(content, tool.integers)

        try:
            return await self._counted(params.name, work, lambda: changing)
        except _Failed as error:
            return failure(str(error))

    def _json(self, value: Mapping[str, Any]) -> bytes:
        """Return a result as JSON, with as many of the call's warnings as fit, or raise TooLong."""
        limit = self.settings.max_result_bytes
        if found := warnings.get():
            with suppress(TooLong):
                return result_json({**value, "warnings": found}, limit)
        return result_json(value, limit)

    async def _confirmed(
        self, ctx: Any, params: mcp_types.CallToolRequestParams, tool: Tool
    ) -> mcp_types.InputRequiredResult | None:
        """Ask the person before a destructive tool runs. Return None to go on, or the question; raise ToolError if it can't be
        asked, or was declined.

        Protocol 2026-07-28 asks in the result, and the client calls again with the answer. Older versions ask by a request of the
        server, which only standard input and output can carry: over HTTP there are no sessions.
        """
        given = params.arguments or {}
        checked, _ = tool.check(given)
        if tool.dry_run(checked):
            return None
        shown = plain(to_json(given), LONGEST_QUESTION)
        question = mcp_types.ElicitRequestFormParams(
            message=f"{tool.title}: run {tool.name} with {shown}?",
            requested_schema={"type": "object", "properties": {}},
        )
        capabilities = ctx.session.client_capabilities
        answer: Any = None
        if not capabilities or capabilities.elicitation is None:
            if self.settings.confirm == "possible":
                return None
            raise ToolError(
                f"nothing was done: {tool.name} needs a person's consent (MCP_CONFIRM), and this client can't ask for it: "
                "use a client with elicitation, over protocol 2026-07-28 or standard input and output"
            )
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            state = hashlib.sha256(to_json([tool.name, given]).encode("utf-8", "replace")).hexdigest()
            if params.request_state == state:
                answer = (params.input_responses or {}).get("consent")
            if not isinstance(answer, mcp_types.ElicitResult):
                return mcp_types.InputRequiredResult(
                    input_requests={"consent": mcp_types.ElicitRequest(params=question)}, request_state=state
                )
        else:
            answer = await ctx.session.elicit_form(question.message, question.requested_schema, ctx.request_id)
        if answer.action != "accept":
            raise ToolError(f"nothing was done: the person was asked, and did not consent ({answer.action})")
        return None

    def _call(self, ctx: Any) -> Call[B]:
        return Call(self.backend, self.settings.max_result_bytes, ctx.session.report_progress, self._mentions.told)

    async def _counted(self, name: str, work: Callable[[], Awaitable[T]], changes: Callable[[], bool] = lambda: False) -> T:
        """Do the work of a request, which may be one that `changes` something, within the limits, and count it. Raise _Failed if
        it could not be done."""
        if self._under_way >= self.settings.max_concurrent_calls:
            self._audit(name, "busy")
            raise _Failed(
                f"{self._under_way} calls are under way, the most that this server allows, so nothing was done: "
                "try again in a second"
            )
        started = time.perf_counter()
        self._under_way += 1
        self.metrics.under_way.set(self._under_way)
        outcome = "cancelled"
        try:
            answer = await self._bounded(name, work, changes)
            outcome = "ok"
            return answer
        except _Failed as error:
            outcome = "timeout" if isinstance(error.__cause__, TimeoutError) else "error"
            raise
        except MCPError:
            outcome = "error"
            raise
        finally:
            self._under_way -= 1
            duration = time.perf_counter() - started
            self.metrics.under_way.set(self._under_way)
            self.metrics.seconds.labels(name).observe(duration)
            self._audit(name, outcome, duration)

    def _audit(self, name: str, outcome: str, seconds: float = 0) -> None:
        """Count and log names and outcomes, never arguments or results."""
        self.metrics.calls.labels(name, outcome).inc()
        fields = {
            "tool": name,
            "outcome": outcome,
            "duration_ms": round(seconds * 1000, 1),
            "caller": PRINCIPAL.get().name,
        }
        audit.info("call", extra=fields)

    async def _bounded(self, name: str, work: Callable[[], Awaitable[T]], changes: Callable[[], bool]) -> T:
        end = asyncio.get_running_loop().time() + self.settings.call_timeout
        end = end if self._stop_at is None else min(end, self._stop_at)
        deadline.set(end)
        BUDGET.set(self.memory)
        try:
            async with asyncio.timeout_at(end) as timeout:
                self.deadlines.add(timeout)
                try:
                    async with self.sidecar.advising(self.backend):
                        return await work()
                finally:
                    self.deadlines.discard(timeout)
        except MCPError:
            raise  # an error of the protocol, made by who knows it
        except ToolError as error:
            raise _Failed(self._mentions.told(str(error))) from error
        except BackendError as error:
            self.monitor.doubt()
            raise _Failed(str(error) + (DOUBT if error.unknown and changes() else "")) from error
        except TimeoutError as error:
            if self._stop_at is not None:
                raise _Failed(
                    "the server is stopping, so it ended the call: connect again and repeat it" + (DOUBT if changes() else "")
                ) from error
            self.monitor.doubt()
            raise _Failed(
                f"no answer within {self.settings.call_timeout} s, so the call was ended: ask for less, "
                "or ask the operator to raise MCP_CALL_TIMEOUT_SECONDS" + (DOUBT if changes() else "")
            ) from error
        except Exception as error:
            if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
                # Only a client's own escape in its JSON can bring one.
                raise _Failed("an argument has half of a surrogate pair, which is not a character: leave it out") from error
            # A bug of ours: the log has the place; values stay out of it, and of the answer.
            logger.error("a tool failed", extra={"tool": name, "error": type(error).__name__, "place": _place(error)})
            raise _Failed(f"the server has an internal error ({type(error).__name__}); its log says where") from error

    async def _read_resource(self, ctx: Any, params: mcp_types.ReadResourceRequestParams) -> mcp_types.ReadResourceResult:
        read = self.sidecar.resources.find(params.uri)
        if read is None:
            raise MCPError(mcp_types.INVALID_PARAMS, f"there is no resource {params.uri[:200]!r}", {"uri": params.uri[:200]})

        async def work() -> mcp_types.ReadResourceResult:
            warnings.set([])
            return contents(params.uri, self._json(await read(self._call(ctx))))

        try:
            return await self._counted("resources/read", work)
        except _Failed as error:
            code = mcp_types.INVALID_PARAMS if isinstance(error.__cause__, ToolError) else mcp_types.INTERNAL_ERROR
            raise MCPError(code, plain(hide(str(error)), LONGEST_FAILURE)) from None

    async def _complete(self, ctx: Any, params: mcp_types.CompleteRequestParams) -> mcp_types.CompleteResult:
        template = None
        if isinstance(params.ref, mcp_types.ResourceTemplateReference):
            template = self.sidecar.resources.template(params.ref.uri)
            if template is None:
                raise MCPError(mcp_types.INVALID_PARAMS, f"there is no resource template {params.ref.uri[:200]!r}")
        values: Sequence[str] = []
        if template and params.argument.name == template.variable:
            with suppress(_Failed):  # a completion is a convenience
                values = await self._counted(
                    "completion/complete", lambda: template.complete(self._call(ctx), params.argument.value)
                )
        completion = mcp_types.Completion(values=list(values[:MOST_COMPLETIONS]), has_more=len(values) > MOST_COMPLETIONS)
        return mcp_types.CompleteResult(completion=completion)

    async def _list_prompts(self, ctx: Any, params: Any) -> mcp_types.ListPromptsResult:
        await self.monitor.first_check()
        listed = [p for p in self._prompts.values() if self._serves(p.needs) and self._listed(p.tool)]
        return mcp_types.ListPromptsResult(prompts=[p.definition() for p in listed])

    async def _get_prompt(self, ctx: Any, params: mcp_types.GetPromptRequestParams) -> mcp_types.GetPromptResult:
        prompt = self._prompts.get(params.name)
        if prompt is None:
            raise MCPError(mcp_types.INVALID_PARAMS, f"no prompt is called {params.name[:100]!r}")
        try:
            return prompt.get(params.arguments or {}, self._mentions)
        except PromptError as error:
            raise MCPError(mcp_types.INVALID_PARAMS, str(error)) from None


def _place(error: BaseException) -> list[str]:
    """Return where an exception came from, innermost last, without its message."""
    places = []
    trace = error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 3)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-6:]
