"""Bounds on HTTP requests: how many a client may send in a minute, and how many, how long and how slow they may be.

Each bound is ASGI middleware. A refused request is answered by `Refusals`.
"""

import asyncio
import functools
import ipaddress
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from mcp_types import INTERNAL_ERROR, INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.common.http.principal import ANONYMOUS, PRINCIPAL
from servers.common.memory_budget import LASTS, MemoryBudget, Room, parsed_size
from servers.common.observability.metrics import Metrics
from servers.common.protocol.endpoint import TAKE_TOKEN, error_body

audit = logging.getLogger("servers.audit")

REQUEST = 32 * 1024
"""Bytes of this process that a request takes beside its body."""

SETTLING = 20
"""Turns of the event loop that an answered request needs to end. Its client does not wait for this."""

MAX_CLIENTS = 4096
"""Clients with a token bucket. The least recently seen ones are forgotten first, and start again with a full bucket."""


def error_response(message: str, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an HTTP error whose body is a JSON-RPC error, as the SDK answers."""
    code = INVALID_REQUEST if status < 500 else INTERNAL_ERROR
    return JSONResponse(error_body(message, code), status, headers)


class Refusals:
    """Answer refused requests, count them, and log the first one of each reason in a second: a flood must not fill the log."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._logged: dict[str, float] = {}

    def response(
        self, scope: Scope, reason: str, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> JSONResponse:
        """Return the answer to a refused request. `reason` is for metrics and the log; `message` tells the client what to do."""
        self.metrics.rejected.labels(reason).inc()
        now = time.monotonic()
        if now - self._logged.get(reason, -math.inf) >= 1:
            self._logged[reason] = now
            audit.warning("refused", extra={"reason": reason, "status": status, "address": client_network(scope)})
        return error_response(message, status, headers)


def client_network(scope: Scope) -> str:
    """Return the address that identifies a client without a name: its IPv4 address, or its IPv6 network of 64 bits."""
    return network(scope["client"][0]) if scope.get("client") else "unknown"


@functools.lru_cache(1024)
def network(address: str) -> str:
    """Return an IPv4 address as it is, and the 64-bit network of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


class TokenBuckets:
    """A token bucket for each client. It holds the tokens of one minute, and is refilled evenly. With 0 per minute, there is no
    limit."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens left, and when

    def take(self, client: str) -> int:
        """Take one token from the client's bucket. Return 0, or the seconds after which there is a token again."""
        if not self._capacity:
            return 0
        now = self._clock()
        left, then = self._buckets.pop(client, (self._capacity, now))
        left = min(self._capacity, left + (now - then) * self._capacity / 60)
        taken = left >= 1
        self._buckets[client] = (left - 1 if taken else left, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return 0 if taken else max(1, math.ceil((1 - left) * 60 / self._capacity))

    def __len__(self) -> int:
        return len(self._buckets)


class RateLimit:
    """ASGI middleware: answer 429 to a client that sends too many requests. It comes after authentication."""

    def __init__(self, app: ASGIApp, buckets: TokenBuckets, refusals: Refusals) -> None:
        self._app, self._buckets, self._refusals = app, buckets, refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = PRINCIPAL.get()
        client = f"address {client_network(scope)}" if principal is ANONYMOUS else f"name {principal.name}"
        app: ASGIApp = self._app
        TAKE_TOKEN.set(functools.partial(self._buckets.take, client))
        if seconds := self._buckets.take(client):
            app = too_many_requests(self._refusals, scope, seconds)
        await app(scope, receive, send)


def too_many_requests(refusals: Refusals, scope: Scope, seconds: int) -> JSONResponse:
    """Return the answer to a client without a token in its bucket."""
    retry = {"Retry-After": str(seconds)}
    return refusals.response(scope, "rate", 429, f"too many requests: try again in {seconds} s", retry)


class RequestLimits:
    """ASGI middleware: read the whole body within bounds, and pass it on as one message.

    It answers 413 to a body over `max_bytes`, 408 to one that takes more than `seconds`, and 503 beyond `max_requests` under way.
    All bodies, and the values in them, may take `memory` bytes; one more is answered with 503. `room` is the memory of the
    process; one small request is let in without room. `deadlines` gets the time for each body, which may be cut short.
    """

    def __init__(
        self,
        app: ASGIApp,
        refusals: Refusals,
        max_requests: int,
        max_bytes: int,
        memory: int,
        seconds: float,
        room: Room | None = None,
        deadlines: set[asyncio.Timeout] | None = None,
    ) -> None:
        self._app, self._refusals = app, refusals
        self._deadlines = set() if deadlines is None else deadlines
        self._max_requests, self._max_bytes, self._seconds = max_requests, max_bytes, seconds
        self._requests = 0
        self._memory = MemoryBudget(max(memory, 4 * max_bytes) + REQUEST, room=room, anyway=4 * max_bytes + REQUEST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts: list[bytes] = []
        held = lasting = 0

        def last() -> bool:
            nonlocal lasting
            if not lasting and self._memory.last(held):
                lasting = held
            return lasting > 0

        LASTS.set(last)
        self._requests += 1
        try:
            answer = await self._read(scope, receive, parts)
            body = b"".join(parts)
            held = len(body)
            parts.clear()
            if not answer:
                # Beside its bytes: its values, and then the SDK's copy of them or what is made of them for the store.
                weight = REQUEST + held + 2 * parsed_size(body)
                if weight > self._memory.size:
                    answer = self._refuse(scope, "values")
                elif await self._taken(weight, held):
                    held = weight
                else:
                    answer = self._refuse(scope, "busy")
            replay = _replay(body, receive)
            del body
            await (answer(scope, receive, send) if answer else self._app(scope, replay, send))
        finally:
            self._requests -= 1
            self._memory.give(held or sum(map(len, parts)), lasting)

    async def _read(self, scope: Scope, receive: Receive, parts: list[bytes]) -> ASGIApp | None:
        """Append the parts of the body as they arrive. Return None, or the answer to a request that ends here."""
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > self._max_bytes:
            return self._refuse(scope, "length")
        if self._requests > self._max_requests:
            return self._refuse(scope, "busy")
        left, more = self._max_bytes, True
        try:
            async with asyncio.timeout(self._seconds) as timeout:
                self._deadlines.add(timeout)
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return _no_answer
                    part, more = message.get("body", b""), message.get("more_body", False)
                    left -= len(part)
                    if left < 0:
                        return self._refuse(scope, "length")
                    held = self._max_bytes - left
                    if not await self._taken(held, held - len(part)):
                        return self._refuse(scope, "busy")
                    parts.append(part)
        except TimeoutError:
            return self._refuse(scope, "slow")
        finally:
            self._deadlines.discard(timeout)
        return None

    async def _taken(self, size: int, held: int) -> bool:
        """Take memory like `MemoryBudget.take_now`; try once more after answered requests have ended."""
        if self._memory.take_now(size, held):
            return True
        for _ in range(SETTLING):
            await asyncio.sleep(0)
        return self._memory.take_now(size, held)

    def _refuse(self, scope: Scope, reason: str) -> JSONResponse:
        status, message, headers = {
            "length": (413, f"a request's body may have at most {self._max_bytes} bytes", {}),
            "values": (
                413,
                f"the values in the request's body need more than {self._memory.size} bytes of memory: send fewer",
                {},
            ),
            "slow": (408, "the request's body did not arrive in time", {"Connection": "close"}),
            "busy": (503, "too many requests are under way at once: try again", {"Retry-After": "1"}),
        }[reason]
        return self._refusals.response(scope, "length" if reason == "values" else reason, status, message, headers)


async def _no_answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Send nothing: the client has closed the connection."""


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body first."""
    left = [body]

    async def replay() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return replay
