"""The two stores, and for each our server and its peer over one with the data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from mcp import StdioServerParameters

from tests.scenarios import elasticsearch_questions, redis_questions
from tests.scenarios.question import Question
from tools.backends.elasticsearch import ElasticsearchNode
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.dataset.load import load_elasticsearch, load_redis


@dataclass(frozen=True)
class Store:
    """A store, the questions that are asked of it, and who answers them."""

    questions: Sequence[Question]
    server: str
    """Our module."""

    peer: str
    """The other's name."""

    start: Callable[[], AbstractContextManager[int]]
    """Starts one with the data set, and gives its port."""

    settings: Callable[[int], dict[str, str]]
    """Of our server."""

    parameters: Callable[[int], StdioServerParameters]
    """How the peer is started."""

    least_both: int
    """Questions that both can answer, at least."""


@contextmanager
def _redis() -> Iterator[int]:
    with RedisServer() as server:
        load_redis(server.port)
        yield server.port


@contextmanager
def _elasticsearch() -> Iterator[int]:
    with ElasticsearchNode(cluster="shop") as node:
        load_elasticsearch(node.port)
        # A replica that a lone node can't have, as many clusters have one.
        node.request("PUT", "/reports", {"settings": {"number_of_shards": 1, "number_of_replicas": 1}})
        yield node.port


REDIS = Store(
    redis_questions.QUESTIONS,
    "servers.redis",
    "redis-mcp-server",
    _redis,
    lambda port: {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)},
    lambda port: StdioServerParameters(
        command=str(program("REDIS_PEER")),
        args=["--url", f"redis://127.0.0.1:{port}/0"],
        env={"LIBSTDCXX": str(program("LIBSTDCXX"))},
    ),
    15,
)

ELASTICSEARCH = Store(
    elasticsearch_questions.QUESTIONS,
    "servers.elasticsearch",
    "elasticsearch-mcp-server",
    _elasticsearch,
    lambda port: {"ES_HOST": "127.0.0.1", "ES_PORT": str(port)},
    lambda port: StdioServerParameters(
        command=str(program("ELASTICSEARCH_PEER")), env={"ELASTICSEARCH_HOSTS": f"http://127.0.0.1:{port}"}
    ),
    25,
)

STORES = {"redis": REDIS, "elasticsearch": ELASTICSEARCH}
