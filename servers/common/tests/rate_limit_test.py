"""Token buckets, and the bounds on requests under way."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from servers.common.http.rate_limit import MAX_CLIENTS, SETTLING, Refusals, RequestLimits, TokenBuckets, network
from servers.common.memory_budget import LASTS, Room, parsed_size
from servers.common.observability.metrics import Metrics


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_then_one_at_a_time() -> None:
    clock = Clock()
    limit = TokenBuckets(60, clock)
    assert [limit.take("a") for _ in range(61)] == [0] * 60 + [1]
    assert limit.take("b") == 0, "another client has a bucket of its own"
    clock.now += 1
    assert [limit.take("a"), limit.take("a")] == [0, 1]
    clock.now += 3600
    assert [limit.take("a") for _ in range(61)].count(0) == 60, "a bucket never holds more than a minute's worth"


def test_it_says_how_long_to_wait() -> None:
    clock = Clock()
    limit = TokenBuckets(2, clock)
    assert [limit.take("a") for _ in range(3)] == [0, 0, 30]
    clock.now += 29
    assert limit.take("a") == 1
    clock.now += 1
    assert limit.take("a") == 0


def test_none() -> None:
    limit = TokenBuckets(0)
    assert {limit.take("a") for _ in range(1000)} == {0}
    assert len(limit) == 0


def test_the_memory_is_bounded() -> None:
    limit = TokenBuckets(1, Clock())
    for number in range(3 * MAX_CLIENTS):
        limit.take(str(number))
    assert len(limit) == MAX_CLIENTS
    assert limit.take(str(3 * MAX_CLIENTS - 1)) > 0, "who came last is remembered"


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_what_counts_as_one_client(address: str, client: str) -> None:
    assert network(address) == client


class Post:
    """A request to RequestLimits, whose body arrives as the test puts its parts."""

    def __init__(self, app: RequestLimits, length: int | None = None) -> None:
        headers = [] if length is None else [(b"content-length", str(length).encode())]
        self._parts: asyncio.Queue[Message] = asyncio.Queue()
        self.status: int | None = None
        self.headers: dict[bytes, bytes] = {}
        self.done = asyncio.create_task(app({"type": "http", "headers": headers}, self._parts.get, self._send))

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])

    async def put(self, part: bytes, more: bool) -> None:
        """Have a part of the body arrive."""
        self._parts.put_nowait({"type": "http.request", "body": part, "more_body": more})
        for _ in range(5):
            await asyncio.sleep(0)

    async def whole(self, body: bytes) -> int | None:
        """Have the whole body arrive, and return the status of the answer."""
        await self.put(body, False)
        await self.done
        return self.status

    async def leave(self) -> None:
        """Close the client's connection."""
        self._parts.put_nowait({"type": "http.disconnect"})
        await self.done


class App:
    """The application behind the bounds. It answers when the test lets it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answer = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert not message["more_body"]
        self.bodies.append(message["body"])
        await self.answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})


def limits(app: App, most: int = 10, length: int = 1000, memory: int = 1 << 24, room: Any = None) -> RequestLimits:
    return RequestLimits(app, Refusals(Metrics("test", "1")), most, length, memory, 3600, room)


async def test_a_body_is_bounded_by_its_length_and_while_it_arrives() -> None:
    app = App()
    told = Post(limits(app), length=1001)
    await told.done
    assert told.status == 413, "nothing of it was read"
    untold = Post(limits(app))
    await untold.put(b"x" * 600, True)
    assert untold.status is None
    assert await untold.whole(b"x" * 401) == 413 and not app.bodies
    app.answer.set()
    fits = Post(limits(app), length=1000)
    await fits.put(b"x" * 400, True)
    assert await fits.whole(b"y" * 600) == 200 and app.bodies == [b"x" * 400 + b"y" * 600]


async def test_a_client_that_leaves_before_its_body_is_there_gets_no_answer() -> None:
    app = App()
    post = Post(limits(app))
    await post.put(b"x", True)
    await post.leave()
    assert post.status is None and not app.bodies


async def test_the_time_for_a_body_may_be_cut_short() -> None:
    deadlines: set[asyncio.Timeout] = set()
    app = App()
    post = Post(RequestLimits(app, Refusals(Metrics("test", "1")), 10, 1000, 2**24, 3600, None, deadlines))
    await post.put(b"x", True)
    (deadline,) = deadlines
    deadline.reschedule(0)
    await post.done
    assert post.status == 408 and post.headers[b"connection"] == b"close" and not deadlines and not app.bodies


async def test_requests_under_way_are_bounded() -> None:
    app = App()
    bounds = limits(app, most=2)
    slow, answering = Post(bounds), Post(bounds)
    await answering.put(b"", False)
    extra = Post(bounds)
    await extra.done
    assert extra.status == 503 and extra.headers[b"retry-after"] == b"1"
    await slow.leave()
    app.answer.set()
    await answering.done
    for _ in range(3):
        assert await Post(bounds).whole(b"") == 200, "the places of those that are gone are free"


async def test_where_the_process_has_no_memory_left_one_request_is_let_in() -> None:
    app = App()
    bounds = limits(app, room=Room(0))
    first, second = Post(bounds), Post(bounds)
    await first.put(b"{}", False)
    await second.put(b"{}", False)
    await second.done
    assert second.status == 503 and second.headers[b"retry-after"] == b"1"
    app.answer.set()
    await first.done
    assert first.status == 200 and len(app.bodies) == 1


async def test_a_client_need_not_wait_for_the_end_of_what_it_was_answered() -> None:
    class Slow(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await super().__call__(scope, receive, send)
            for _ in range(SETTLING // 2):
                await asyncio.sleep(0)

    app = Slow()
    app.answer.set()
    bounds = limits(app, room=Room(0))
    for _ in range(3):
        post = Post(bounds)
        await post.put(b"{}", False)
        while post.status is None:  # noqa: ASYNC110  # it has no event for that
            await asyncio.sleep(0)
        assert post.status == 200 and not post.done.done()
    await post.done


async def test_one_request_is_let_in_beside_one_that_lasts() -> None:
    class Listening(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if LASTS.get()():
                await super().__call__(scope, receive, send)
            else:
                await send({"type": "http.response.start", "status": 404, "headers": []})

    listening, answering = Listening(), App()
    bounds = limits(listening, room=Room(0))
    listener = Post(bounds)
    await listener.put(b"{}", False)
    assert await Post(bounds).whole(b"{}") == 404, "without room, one of them"
    bounds._app = answering
    first, second = Post(bounds), Post(bounds)
    await first.put(b"{}", False)
    assert await second.whole(b"{}") == 503
    answering.answer.set()
    await first.done
    assert first.status == 200 and listener.status is None
    listening.answer.set()
    await listener.done
    bounds._app = listening
    assert [await Post(bounds).whole(b"{}") for _ in range(2)] == [200, 200]


async def test_the_bytes_of_all_bodies_are_bounded() -> None:
    app = App()
    bounds = limits(app, length=8 * 1024 * 1024)
    long = b"x" * 2 * 1024 * 1024  # with what is made of it three times as much; all may have four of the longest
    held = [Post(bounds) for _ in range(5)]
    for post in held:
        await post.put(long, False)
    assert len(app.bodies) == 5
    assert await Post(bounds).whole(long) == 503 and len(app.bodies) == 5
    app.answer.set()
    await asyncio.gather(*(post.done for post in held))
    assert await Post(bounds).whole(long * 4) == 200


async def test_values_that_take_too_much_memory_are_refused_before_they_are_read() -> None:
    app = App()
    server = limits(app, memory=300_000)
    many = b"[" + b",".join([b"[1]"] * 240) + b"]"  # 1,000 bytes, and some 80,000 as values and their copies
    first, second = Post(server), Post(server)
    await first.put(many, False)
    await second.put(many, False)
    assert await Post(server).whole(many) == 503 and len(app.bodies) == 2
    app.answer.set()
    await first.done
    await second.done
    assert await Post(server).whole(many) == 200
    weight = len(many) + 2 * parsed_size(many)
    for memory, status in ((weight - 1, 413), (weight, 200)):
        assert await Post(limits(app, length=1000, memory=memory)).whole(many) == status
