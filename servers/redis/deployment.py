"""How Redis is deployed: one server, one that sentinels name, or a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import redis
from redis.asyncio import Connection, Redis, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.driver_info import DriverInfo
from redis.exceptions import AuthenticationError, RedisClusterException

from servers.common.backend import BackendError
from servers.redis.connection import Pool
from servers.redis.resp import Parser
from servers.redis.settings import RedisSettings

CONNECT_TIMEOUT = 3.0
"""Seconds to connect, and to wait for a free connection of the pool."""

MAX_CONNECTIONS = 32
"""To one server."""


class Deployment(Protocol):
    """Clients of the servers that make up a Redis. Creating one does not connect."""

    address: str

    async def of(self, key: bytes | None) -> Redis:
        """The server that has a key; any where none is given."""
        ...

    async def all(self) -> list[Redis]:
        """Every server that has keys of its own, in an order that stays."""
        ...

    async def refresh(self) -> None:
        """Asks again which server has which keys."""
        ...

    async def close(self) -> None: ...


class _Credentials(CredentialProvider):
    """Reads the password at each connect, so that a rotated one is taken up."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            password = self._settings.password.reveal()
        except OSError as error:
            raise AuthenticationError(f"the password file can't be read: {error.strerror}") from None
        return (self._settings.username, password) if self._settings.username else (password,)


def options(settings: RedisSettings) -> dict[str, Any]:
    """Of a connection, wherever it leads."""
    return {
        "credential_provider": _Credentials(settings) if settings.password else None,
        "decode_responses": False,
        "protocol": 2,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": None,  # whoever sends bounds the time of all answers together
        "socket_keepalive": True,
        # Nothing is sent twice unless we say so: a write may have happened before its answer was lost.
        "retry": Retry(NoBackoff(), 0),
        "client_name": "mcp-redis",
        # What redis-py says of itself anyway, without a search of all packages' metadata for it.
        "driver_info": DriverInfo(lib_version=redis.__version__),
    }


def _tls(settings: RedisSettings) -> dict[str, Any]:
    return {"ssl_ca_certs": str(settings.ca_file) if settings.ca_file else None} if settings.tls else {}


def _plain(client: Redis) -> Redis:
    """A client whose replies are as Redis gives them: bytes, integers, lists and None, whatever the command."""
    client.response_callbacks.clear()
    return client


def _client(settings: RedisSettings, host: str, port: int, database: int = 0) -> Redis:
    pool = Pool(
        host=host,
        port=port,
        db=database,
        max_connections=MAX_CONNECTIONS,
        timeout=CONNECT_TIMEOUT,
        connection_class=SSLConnection if settings.tls else Connection,
        parser_class=Parser,
        **options(settings),
        **_tls(settings),
    )
    return _plain(Redis.from_pool(pool))


class Single:
    """One server, at an address or where sentinels say."""

    def __init__(self, client: Redis, address: str) -> None:
        self._client = client
        self.address = address

    async def of(self, key: bytes | None) -> Redis:
        return self._client

    async def all(self) -> list[Redis]:
        return [self._client]

    async def refresh(self) -> None:
        pass

    async def close(self) -> None:
        await self._client.aclose()


class Cluster:
    """The masters of a Redis Cluster. Which of them has which slot is redis-py's to know; connections are ours."""

    def __init__(self, settings: RedisSettings, connect: Callable[[str, int], Redis]) -> None:
        self.address = f"{settings.host}:{settings.port}"
        self._settings = settings
        self._connect = connect
        self._topology: RedisCluster | None = None
        self._clients: dict[str, Redis] = {}
        self._lock = asyncio.Lock()

    async def _known(self) -> RedisCluster:
        async with self._lock:
            if self._topology is None:
                tls = {"ssl": True, **_tls(self._settings)} if self._settings.tls else {}
                topology = RedisCluster(
                    host=self._settings.host, port=self._settings.port, require_full_coverage=False,
                    **options(self._settings), **tls,
                )  # fmt: skip
                try:
                    await topology.initialize()
                except RedisClusterException as error:
                    await topology.aclose()
                    raise BackendError(f"the cluster of {self.address} can't be asked for its nodes: {error}") from None
                self._topology = topology
            return self._topology

    def _at(self, node: ClusterNode) -> Redis:
        if node.name not in self._clients:
            self._clients[node.name] = self._connect(node.host, int(node.port))
        return self._clients[node.name]

    async def of(self, key: bytes | None) -> Redis:
        topology = await self._known()
        slots = topology.nodes_manager
        node = topology.get_default_node() if key is None else slots.get_node_from_slot(topology.keyslot(key))
        return self._at(node)

    async def all(self) -> list[Redis]:
        topology = await self._known()
        nodes = sorted(topology.get_primaries(), key=lambda node: str(node.name))
        return [self._at(node) for node in nodes]

    async def refresh(self) -> None:
        async with self._lock:
            before, self._topology = self._topology, None
        if before:
            await before.aclose()

    async def close(self) -> None:
        await self.refresh()
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))


def deploy(settings: RedisSettings) -> Deployment:
    """The deployment that the settings describe."""
    if settings.mode == "cluster":
        return Cluster(settings, lambda host, port: _client(settings, host, port))
    if settings.mode == "sentinel":
        login = {"password": settings.sentinel_password.reveal()} if settings.sentinel_password else {}
        sentinel = Sentinel(
            list(settings.sentinels),
            sentinel_kwargs={"socket_connect_timeout": CONNECT_TIMEOUT, "socket_timeout": CONNECT_TIMEOUT} | login,
        )
        tls = {"ssl": True, **_tls(settings)} if settings.tls else {}
        client = sentinel.master_for(
            settings.sentinel_master,
            redis_class=Redis,
            db=settings.database,
            max_connections=512,
            parser_class=Parser,
            **options(settings),
            **tls,
        )
        places = ",".join(f"{host}:{port}" for host, port in settings.sentinels)
        return Single(_plain(client), f"{settings.sentinel_master} by sentinels {places}")
    client = _client(settings, settings.host, settings.port, settings.database)
    return Single(client, f"{settings.host}:{settings.port}")
