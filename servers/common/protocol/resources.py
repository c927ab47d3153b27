"""Resources: what a client can attach to a conversation without calling a tool, and be told of when it changes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

import mcp_types
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError

from servers.common.backend import Backend, BackendError
from servers.common.memory_budget import LASTS
from servers.common.protocol.tools import LONGEST_FAILURE, Call, ToolError
from servers.common.settings import hide
from servers.common.text_escape import escaped, plain

B = TypeVar("B", bound=Backend)

Content = Mapping[str, Any]

MOST_COMPLETIONS = 100
"""Most values of a completion, by the specification."""

Changed = Callable[[str], Awaitable[None]]
"""Called with the URI of a resource that has changed."""


@dataclass(frozen=True)
class Resource(Generic[B]):
    """A resource at a fixed URI."""

    uri: str
    name: str
    description: str
    read: Callable[[Call[B]], Awaitable[Content]]


@dataclass(frozen=True)
class Template(Generic[B]):
    """Resources whose URIs are a prefix, a percent-encoded name, and a suffix."""

    prefix: str
    variable: str
    name: str
    description: str
    read: Callable[[Call[B], str], Awaitable[Content]]
    complete: Callable[[Call[B], str], Awaitable[Sequence[str]]]
    """Completes a name."""

    suffix: str = ""

    @property
    def uri_template(self) -> str:
        return f"{self.prefix}{{{self.variable}}}{self.suffix}"

    def name_in(self, uri: str) -> str | None:
        """Return the name in a URI; None if the URI is not one of these. Bytes that are not UTF-8 become lone surrogates."""
        after = uri.removeprefix(self.prefix)
        if after == uri or not after.endswith(self.suffix):
            return None
        return unquote(after.removesuffix(self.suffix), errors="surrogateescape")


Watch = Callable[[B, Sequence[str], Changed], AbstractAsyncContextManager[Sequence[str]]]


@dataclass(frozen=True)
class Resources(Generic[B]):
    """The resources of a sidecar."""

    fixed: Sequence[Resource[B]]
    templates: Sequence[Template[B]]
    watch: Watch[B] | None = None
    """Watches URIs as long as its context lasts, and yields those that it can watch."""

    def find(self, uri: str) -> Callable[[Call[B]], Awaitable[Content]] | None:
        """Return the reader of a URI; None if there is no such resource."""
        for resource in self.fixed:
            if resource.uri == uri:
                return resource.read
        for template in self.templates:
            if (name := template.name_in(uri)) is not None:
                read = template.read
                return lambda call: read(call, name)
        return None

    def template(self, uri_template: str) -> Template[B] | None:
        return next((t for t in self.templates if t.uri_template == uri_template), None)

    async def listing(self, ctx: Any, params: Any) -> mcp_types.ListResourcesResult:
        """Answer resources/list."""
        return mcp_types.ListResourcesResult(
            resources=[
                mcp_types.Resource(uri=r.uri, name=r.name, description=r.description, mime_type="application/json")
                for r in self.fixed
            ]
        )

    async def templates_listing(self, ctx: Any, params: Any) -> mcp_types.ListResourceTemplatesResult:
        """Answer resources/templates/list."""
        return mcp_types.ListResourceTemplatesResult(
            resource_templates=[
                mcp_types.ResourceTemplate(
                    uri_template=t.uri_template, name=t.name, description=t.description, mime_type="application/json"
                )
                for t in self.templates
            ]
        )


NO_RESOURCES: Resources[Any] = Resources((), ())


def contents(uri: str, content: bytes) -> mcp_types.ReadResourceResult:
    """Return the answer to resources/read, for a content from `result_json`."""
    text = escaped(content.decode())
    return mcp_types.ReadResourceResult(
        contents=[mcp_types.TextResourceContents(uri=uri, mime_type="application/json", text=text)]
    )


@dataclass
class Listeners(Generic[B]):
    """The clients that listen to changes of resources (subscriptions/listen of protocol 2026-07-28). Each has a watch and a bus
    of its own: it watches with the rights of its own token, and is told once of each change."""

    watch: Watch[B] | None
    backend: B
    most: int
    """Listeners at once; one more is refused."""

    _handlers: set[ListenHandler] = field(default_factory=set)

    async def listen(self, ctx: Any, params: mcp_types.SubscriptionsListenRequestParams) -> mcp_types.SubscriptionsListenResult:
        """Serve one listener until it goes away; acknowledge only what can be watched."""
        if len(self._handlers) >= self.most:
            raise MCPError(
                mcp_types.INTERNAL_ERROR,
                f"{self.most} clients are listening, the most that this server allows: try again later",
            )
        if not LASTS.get()():
            error = "this server has no memory for one more listening client: try again later"
            raise MCPError(mcp_types.INTERNAL_ERROR, error)
        bus = InMemorySubscriptionBus()
        handler = ListenHandler(bus)
        self._handlers.add(handler)
        try:
            async with AsyncExitStack() as stack:
                watched: Sequence[str] = []
                if self.watch and (uris := params.notifications.resource_subscriptions):
                    changed = self.watch(self.backend, uris, lambda uri: bus.publish(ResourceUpdated(uri)))
                    watched = await stack.enter_async_context(changed)
                # Lists of tools, prompts and resources never change once a client has asked for them.
                honoured = mcp_types.SubscriptionFilter(resource_subscriptions=list(watched))
                return await handler(ctx, params.model_copy(update={"notifications": honoured}))
        except (ToolError, BackendError, TimeoutError) as error:
            message = str(error) or f"{self.backend.address} did not answer in time: try again"
            raise MCPError(mcp_types.INTERNAL_ERROR, plain(hide(message), LONGEST_FAILURE)) from None
        finally:
            self._handlers.discard(handler)

    def close(self) -> None:
        """End all listening."""
        for handler in self._handlers:
            handler.close()
