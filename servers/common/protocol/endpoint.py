"""The MCP endpoint: the SDK's session manager behind one route, without sessions.

The SDK is strict about what a request looks like. Here a request is checked first, so that each fault is answered with a
JSON-RPC error that says what to do, and what clients in the field write differently gets the form that the SDK knows.
"""

import asyncio
import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import anyio
import pydantic_core
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
    jsonrpc_message_adapter,
)
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from servers.common.memory_budget import UNTIL_SENT, UntilSent
from servers.common.protocol.tools import encoded
from servers.common.text_escape import plain

STREAM: ContextVar[bool] = ContextVar("STREAM", default=False)
"""Whether the current request is answered with an event stream, and not with one JSON body."""

MAX_BATCH = 20
"""Messages of a JSON-RPC batch."""

BATCH_VERSION = "2025-03-26"
"""The version that has batches, and that is assumed where a request names none."""

JSON, EVENTS = "application/json", "text/event-stream"

TAKE_TOKEN: ContextVar[Callable[[], int]] = ContextVar("TAKE_TOKEN", default=lambda: 0)
"""Takes a token from the bucket of the current client. It returns 0, or the seconds until the bucket has one."""


def error_body(message: str, code: int, data: Any = None, id: Any = None) -> dict[str, Any]:
    """Return a JSON-RPC error (https://www.jsonrpc.org/specification#error_object), which MCP clients show."""
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return {"jsonrpc": "2.0", "id": id, "error": error}


class Invalid(Exception):
    """A request that is not MCP over streamable HTTP. The message is for the client."""

    def __init__(self, message: str, status: int = 400, code: int = INVALID_REQUEST, data: Any = None, id: Any = None) -> None:
        super().__init__(message)
        self.status, self.code, self.data, self.id = status, code, data, id

    def body(self) -> dict[str, Any]:
        """Return the JSON-RPC error."""
        return error_body(str(self), self.code, self.data, self.id)


class McpEndpoint(StreamableHTTPSessionManager):
    """ASGI application: MCP over streamable HTTP. It takes the whole body in one message, as `RequestLimits` gives it. A client
    that closes its connection cancels its call, as the specification has it for streams."""

    @property
    def json_response(self) -> bool:
        """The session manager's choice of an answer, made for each request instead of once for all."""
        return not STREAM.get()

    @json_response.setter
    def json_response(self, value: bool) -> None:
        """Ignore the choice of the constructor."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        headers = Headers(scope=scope)
        try:
            takes_json, takes_events = accepted(headers)
            check_content_type(headers)
            check_encoded(headers)
            message = decoded(body)
            check_version(headers, message)
            batch = isinstance(message, list)
            check_batch(message, headers) if batch else check_message(message)
        except Invalid as error:
            await JSONResponse(error.body(), error.status)(scope, receive, send)
            return
        STREAM.set(not batch and takes_events and (not takes_json or asks_progress(message)))
        if not takes_json:
            send = as_events(send)
        if not batch:
            body = rewritten(message) or body
            message = None  # the SDK reads the body again: there is to be one copy of its values
        scope = dict(scope) | {"headers": _plain_headers(scope)}
        messages: asyncio.Queue[Message] = asyncio.Queue()

        async def watch() -> None:
            while (left := await receive())["type"] != "http.disconnect":
                pass
            messages.put_nowait(left)
            call.cancel()

        with anyio.CancelScope() as call:
            watcher = asyncio.create_task(watch())
            try:
                if batch:
                    await self._answer_batch(message, scope, messages, send)
                else:
                    messages.put_nowait(_request(body))
                    await self._answer(scope, messages, send)
            finally:
                watcher.cancel()

    async def _answer(self, scope: Scope, messages: asyncio.Queue[Message], send: Send) -> None:
        """Let the SDK answer a message, and release the message's memory once the answer is sent."""
        async with UntilSent() as held:
            UNTIL_SENT.set(held)
            await self.handle_request(scope, messages.get, send)

    async def _answer_batch(self, batch: list[Any], scope: Scope, messages: asyncio.Queue[Message], send: Send) -> None:
        """Answer the messages of a batch one after the other, in one JSON array, each sent as soon as it is there."""
        begun = False

        async def tell(answer: bytes) -> None:
            nonlocal begun
            if not begun:
                headers = [(b"content-type", JSON.encode())]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": (b"," if begun else b"[") + answer, "more_body": True})
            begun = True

        for position, message in enumerate(batch):
            try:
                check_message(message)
                if message.get("method") == "initialize":
                    raise Invalid("initialize can't be part of a batch: send it alone", id=message.get("id"))
                # The request itself has taken the first token.
                if position and (seconds := TAKE_TOKEN.get()()):
                    raise Invalid(f"too many requests: try again in {seconds} s", id=message.get("id"))
            except Invalid as error:
                await tell(encoded(error.body()))
                continue
            content = bytearray()

            async def collect(part: Message, content: bytearray = content) -> None:
                content.extend(part.get("body", b""))

            messages.put_nowait(_request(rewritten(message) or json.dumps(message).encode()))
            await self._answer(scope, messages, collect)
            if content:
                await tell(bytes(content))
        if begun:
            await send({"type": "http.response.body", "body": b"]"})
        else:
            await Response(status_code=202)(scope, messages.get, send)


def _request(body: bytes) -> Message:
    return {"type": "http.request", "body": body, "more_body": False}


def _plain_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the headers with the Accept and Content-Type that the SDK asks for."""
    kept = [(name, value) for name, value in scope["headers"] if name not in (b"accept", b"content-type")]
    return [*kept, (b"accept", f"{JSON}, {EVENTS}".encode()), (b"content-type", JSON.encode())]


def accepted(headers: Headers) -> tuple[bool, bool]:
    """Return whether a client accepts JSON, and event streams (RFC 9110, 12.5.1). Without Accept it accepts both; neither is
    Invalid."""
    ranges = [part.strip().lower() for value in headers.getlist("accept") for part in value.split(",") if part.strip()]
    taken = {name.strip(): not _is_zero(weight) for name, _, weight in (part.partition(";") for part in ranges)}
    # The most precise range decides.
    takes_json, takes_events = (
        not ranges or next((taken[name] for name in names if name in taken), False)
        for names in ((JSON, "application/*", "*/*"), (EVENTS, "text/*", "*/*"))
    )
    if not (takes_json or takes_events):
        raise Invalid(f"this endpoint answers with {JSON} or {EVENTS}: name both in Accept", 406)
    return takes_json, takes_events


def _is_zero(parameters: str) -> bool:
    """Return whether a media range's weight says "not acceptable"."""
    weights = [value for name, _, value in (p.strip().partition("=") for p in parameters.split(";")) if name == "q"]
    return bool(weights) and not weights[0].strip("0.")


def check_content_type(headers: Headers) -> None:
    """Raise Invalid unless the body is said to be JSON in UTF-8, and not compressed."""
    kind, _, parameters = headers.get("content-type", "").lower().partition(";")
    charsets = [value.strip(' "') for name, _, value in (p.partition("=") for p in parameters.split(";")) if name.strip() == "charset"]  # noqa: E501  # fmt: skip
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Invalid("the body has to be plain JSON: send it without Content-Encoding", 415)
    if kind.strip() != JSON or not set(charsets) <= {"utf-8", "utf8", "us-ascii"}:
        raise Invalid(f"the body has to be JSON in UTF-8: send 'Content-Type: {JSON}'", 415)


def check_encoded(headers: Headers) -> None:
    """Raise Invalid for base64 in headers, which repeats parts of the message (SEP-2243), that is not ASCII: the SDK can't read
    it."""
    for name, value in headers.items():
        if value.startswith("=?base64?") and not value.isascii():
            raise Invalid(f"the header {name} is not base64")


def check_version(headers: Headers, message: Any) -> None:
    """Raise Invalid, with the ID of the request, for a protocol version that is not served."""
    version = headers.get("mcp-protocol-version")
    number = message.get("id") if isinstance(message, dict) else None
    if version is not None and version not in KNOWN_PROTOCOL_VERSIONS:
        raise Invalid(
            f"protocol version {plain(version, 40)!r} is not served: use one of {', '.join(KNOWN_PROTOCOL_VERSIONS)}",
            code=UNSUPPORTED_PROTOCOL_VERSION,
            # Those that server/discover names: older ones are agreed on by initialize.
            data={"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": plain(version, 40)},
            id=number if is_id(number) else None,
        )


def decoded(body: bytes) -> Any:
    """Parse a body, or raise Invalid."""
    try:
        # The SDK's parser: what another one takes as well, such as deeper nesting or UTF-16, would be refused later.
        return pydantic_core.from_json(body)
    except ValueError as error:
        raise Invalid(f"the body is not JSON in UTF-8: {error}", code=PARSE_ERROR) from None


def check_batch(batch: list[Any], headers: Headers) -> None:
    """Raise Invalid for a batch that may not be sent."""
    if headers.get("mcp-protocol-version", BATCH_VERSION) > BATCH_VERSION:
        raise Invalid(f"only protocol version {BATCH_VERSION} has batches: send one message in a request")
    if not 0 < len(batch) <= MAX_BATCH:
        raise Invalid(f"a batch has 1 to {MAX_BATCH} messages")


def check_message(message: Any) -> None:
    """Raise Invalid for a message that is not a JSON-RPC request, notification or response as MCP allows it, with a legal request
    ID."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Invalid('a message is a JSON object with "jsonrpc": "2.0"')
    number = message.get("id")
    if "id" in message and not is_id(number) and (number is not None or "method" in message):  # of errors it may be null
        raise Invalid("the id of a request has to be a string or an integer")
    if "method" not in message:
        try:
            jsonrpc_message_adapter.validate_python(message, by_name=False)
        except ValidationError:
            id = None if {"result", "error"} & message.keys() else number
            raise Invalid("a message has to have a method, or be a whole response", id=id) from None
    elif not isinstance(message["method"], str):
        raise Invalid("the method has to be a string", id=number)
    elif message.get("params") not in (None, []) and not isinstance(message["params"], dict):
        raise Invalid("params has to be an object", code=INVALID_PARAMS, id=number)


def is_id(value: Any) -> bool:
    """Return whether a value is a legal request ID: a string, or a number without a fraction."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, str | int) and not isinstance(value, bool)


def rewritten(message: dict[str, Any]) -> bytes | None:
    """Return a message in the form that the SDK knows, or None where it has that form. null and [], which some languages write
    for an empty object, mean no params or arguments. Arguments may be JSON text. An ID of 1.0 is the integer 1."""
    new = dict(message)
    if isinstance(new.get("id"), float):
        new["id"] = int(new["id"])
    if "params" in new and not new["params"]:
        del new["params"]
    params = new.get("params")
    if new.get("method") == "tools/call" and isinstance(params, dict) and "arguments" in params:
        arguments = params["arguments"]
        if isinstance(arguments, str) and arguments.lstrip()[:1] == "{":
            try:
                arguments = pydantic_core.from_json(arguments)
            except ValueError:
                arguments = params["arguments"]
        if arguments in ([], "", None):
            arguments = {}
        if arguments is not params["arguments"]:
            new["params"] = params | {"arguments": arguments}
    return None if new == message and type(new.get("id")) is type(message.get("id")) else json.dumps(new).encode()


def known_line(line: bytes) -> str:
    """Return a line of standard input, with its message in the form that the SDK knows. Raise Invalid if it has none."""
    message = decoded(line)
    check_message(message)
    return (rewritten(message) or line).decode()


def asks_progress(message: Any) -> bool:
    """Return whether a request has a progress token in `params._meta`."""
    try:
        return isinstance(message["params"]["_meta"]["progressToken"], str | int)
    except (LookupError, TypeError):
        return False


def as_events(send: Send) -> Send:
    """Return a `send` that writes an answer in JSON as the one event of a stream."""
    before = after = b""

    async def forward(message: Message) -> None:
        nonlocal before, after
        if message["type"] == "http.response.start":
            kind = Headers(raw=message["headers"]).get("content-type", "")
            if message["status"] == 200 and kind.startswith(JSON):
                kept = [(n, v) for n, v in message["headers"] if n.lower() not in (b"content-type", b"content-length")]
                message = {**message, "headers": [*kept, (b"content-type", EVENTS.encode())]}
                before, after = b"event: message\r\ndata: ", b"\r\n\r\n"
        else:
            more = message.get("more_body", False)
            message = {**message, "body": before + message.get("body", b"") + (b"" if more else after)}
            before = b""
        await send(message)

    return forward
