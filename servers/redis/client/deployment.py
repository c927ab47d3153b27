"""How Redis is deployed: one server, one that sentinels name, or a cluster."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from redis.asyncio.client import Redis
from redis.asyncio.connection import (
    BlockingConnectionPool,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.credentials import CredentialProvider
from redis.driver_info import DriverInfo
from redis.exceptions import (
    AskError,
    AuthenticationError,
    MovedError,
    RedisClusterException,
    RedisError,
    ResponseError,
    SlotNotCoveredError,
)

from servers.common.http.principal import PRINCIPAL
from servers.common.http.tls import NewestContext
from servers.common.settings import Secret
from servers.redis.client.errors import NoMaster
from servers.redis.client.memory_guard import BoundedParser
from servers.redis.settings import ClientTls, RedisSettings

if TYPE_CHECKING:
    # Imported at run time by the one deployment that needs them: a single server starts without them.
    from redis.asyncio.cluster import RedisCluster
    from redis.asyncio.sentinel import Sentinel

CONNECT_TIMEOUT = 3.0
"""Seconds to connect, and for a sentinel or a cluster node to tell where the masters are."""

COMMAND_CONNECTIONS = 32
"""Connections to one server for commands. A command waits for one until its call's deadline."""

LISTENER_CONNECTIONS = 128
"""Connections to one server that listen to channels. One more is refused at once."""

CHECK_CONNECTIONS = 2
"""Connections to one server for the checks whether it serves."""

MAP_SECONDS = 10.0
"""Seconds after which the map of a cluster is learned again: a node that has joined it holds keys that no answer tells of."""

MOST_LOGINS = 64
"""Logins of tokens that have connections; one more ends those of the login that was not used for the longest time."""

SOCKET_OPTIONS = {
    getattr(socket, name): value
    for name, value in (
        ("TCP_KEEPIDLE", 30),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        # Milliseconds until the kernel gives up a connection whose other side takes nothing more.
        ("TCP_USER_TIMEOUT", 10_000),
    )
    if hasattr(socket, name)
}
"""A server that is slow is waited for until the call's deadline; one that is gone without a word is noticed in seconds."""

ADDRESS_CHECK = "check REDIS_HOST and REDIS_PORT, or REDIS_URL"


@dataclass(frozen=True, eq=False)
class RedisNode:
    """One server. Each kind of work has connections of its own, so that none waits for another's."""

    host: str
    port: int
    commands: Redis
    listeners: Redis
    checks: Redis

    async def close(self) -> None:
        await asyncio.gather(*(client.aclose() for client in (self.commands, self.listeners, self.checks)))

    async def close_idle(self) -> None:
        """Close the connections that nobody uses now."""
        pools = (client.connection_pool for client in (self.commands, self.listeners, self.checks))
        await asyncio.gather(*(pool.disconnect(inuse_connections=False) for pool in pools))


class Deployment(ABC):
    """The servers that make up a Redis. Creating one does not connect."""

    address: str
    """Where Redis is, for people."""

    check: str
    """The settings to check when it can't be reached."""

    @abstractmethod
    async def node(self, key: bytes | None) -> RedisNode:
        """Return the server that has a key; any where none is given."""

    @abstractmethod
    async def nodes(self) -> list[RedisNode]:
        """Every server that has keys of its own, in an order that stays."""

    async def redirected(self, error: AskError, asked: RedisNode) -> RedisNode:
        """Return the server that an answer ASK or MOVED names."""
        raise error

    async def refresh(self) -> None:  # noqa: B027 - where servers do not change there is nothing to learn
        """Learn again which server has which keys, after one could not be reached."""

    async def doubt(self) -> None:  # noqa: B027 - as above
        """Do so before the next command, after a server did not answer in time."""

    @abstractmethod
    async def close_idle(self) -> None:
        """Close the connections that nobody uses now."""

    @abstractmethod
    async def close(self) -> None: ...


class _Credentials(CredentialProvider):
    """Reads the password at each connect, so that a rotated one works at once."""

    def __init__(self, username: str, password: Secret) -> None:
        self._username = username
        self._password = password

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            password = self._password.reveal()
        except (OSError, ValueError):
            raise AuthenticationError("the password's file can't be read") from None
        return (self._username, password) if self._username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


def _options(username: str, password: Secret) -> dict[str, Any]:
    """Return the options of a connection, wherever it leads."""
    return {
        "credential_provider": _Credentials(username, password) if password else None,
        "decode_responses": False,
        "protocol": 2,  # its maintenance notifications are of RESP3 only
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": None,  # the call's deadline bounds its answers
        # Nothing is sent twice unless we say so: a write may have been done before its answer was lost.
        "retry": Retry(NoBackoff(), 0),
        # Connections have a name: redis-py need not say what it is.
        "driver_info": DriverInfo(name=None, lib_version=None),
    }


async def _on_connect(connection: Connection) -> None:
    """Log in as redis-py does, then name the connection. Where Redis refuses the name, the connection works without one."""
    await connection.on_connect()
    await connection.send_command("CLIENT", "SETNAME", "mcp-redis")
    with suppress(ResponseError):
        await connection.read_response()


_EACH = {"parser_class": BoundedParser, "redis_connect_func": _on_connect}

_KEPT_ALIVE = {"socket_keepalive": True, "socket_keepalive_options": SOCKET_OPTIONS}


class _RotatingConnection(SSLConnection):
    """A connection with TLS that reads the files of its settings again each time that it is made."""

    def __init__(self, *, tls: NewestContext, **options: Any) -> None:
        super().__init__(**options)
        self._tls = tls

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        if not self.is_connected:
            self.ssl_context.context = self._tls.get()
        await super().connect_check_health(check_health, retry_socket_connect)


def _connection(tls: ClientTls | None) -> dict[str, Any]:
    """Return the options of a pool for connections over TCP, with TLS or without."""
    if tls is None:
        return {"connection_class": Connection, **_EACH, **_KEPT_ALIVE}
    newest = NewestContext(tls.context, tls.ca_file, tls.certificate, tls.key)
    return {"connection_class": _RotatingConnection, "tls": newest, **_EACH, **_KEPT_ALIVE}


Connect = Callable[..., Redis]
"""Makes a client over a pool: connect(pool_class, **options_of_the_pool)."""


def _node(host: str, port: int, connect: Connect, waiting: type[ConnectionPool], refusing: type[ConnectionPool]) -> RedisNode:
    """Return a server. One waits for a free connection in the pool `waiting`; the pool `refusing` raises MaxConnectionsError at
    once."""
    node = RedisNode(
        host,
        port,
        commands=connect(waiting, max_connections=COMMAND_CONNECTIONS, timeout=None),
        listeners=connect(refusing, max_connections=LISTENER_CONNECTIONS),
        checks=connect(refusing, max_connections=CHECK_CONNECTIONS),
    )
    for client in (node.commands, node.listeners, node.checks):
        # Answers stay as Redis gives them: bytes, integers, lists and None, whatever the command.
        client.response_callbacks.clear()
    return node


def _server(settings: RedisSettings, host: str, port: int, database: int = 0) -> RedisNode:
    """Return a server at an address, or at the Unix socket of the settings."""
    address: dict[str, Any] = {"host": host, "port": port, **_connection(settings.tls)}
    if settings.socket:
        address = {"path": settings.socket, "connection_class": UnixDomainSocketConnection, **_EACH}

    def connect(pool: type[ConnectionPool], **of_pool: Any) -> Redis:
        return Redis.from_pool(pool(db=database, **address, **_options(settings.username, settings.password), **of_pool))

    return _node(host, port, connect, BlockingConnectionPool, ConnectionPool)


class SingleDeployment(Deployment):
    """One server, at an address or where sentinels say."""

    def __init__(self, settings: RedisSettings, node: RedisNode, sentinel: Sentinel | None = None) -> None:
        self.address, self.check = settings.socket or f"{settings.host}:{settings.port}", ADDRESS_CHECK
        if sentinel:
            places = ",".join(f"{host}:{port}" for host, port in settings.sentinels)
            self.address = f"{settings.sentinel_master} by sentinels {places}"
            self.check = "check REDIS_SENTINELS and REDIS_SENTINEL_MASTER"
        self._node = node
        self._sentinel = sentinel

    async def node(self, key: bytes | None) -> RedisNode:
        return self._node

    async def nodes(self) -> list[RedisNode]:
        return [self._node]

    async def close_idle(self) -> None:
        await self._node.close_idle()

    async def close(self) -> None:
        await self._node.close()
        if self._sentinel:
            await self._sentinel.aclose()


def _of_sentinels(settings: RedisSettings) -> SingleDeployment:
    from redis.asyncio.sentinel import (
        MasterNotFoundError,
        Sentinel,
        SentinelConnectionPool,
        SentinelManagedConnection,
        SentinelManagedSSLConnection,
    )

    class ExplainingSentinel(Sentinel):
        """Sentinels that say why they name no master."""

        async def discover_master(self, service_name: str) -> Any:
            try:
                return await super().discover_master(service_name)
            except MasterNotFoundError as error:
                asked = await asyncio.gather(*(one.ping() for one in self.sentinels), return_exceptions=True)
                if any(isinstance(answer, AuthenticationError) for answer in asked):
                    raise NoMaster(
                        "a sentinel refuses our login: check REDIS_SENTINEL_PASSWORD and REDIS_SENTINEL_USERNAME"
                    ) from None
                if all(isinstance(answer, Exception) for answer in asked):
                    raise error from asked[0]  # type: ignore[misc]
                raise NoMaster(
                    f"no sentinel knows a master {service_name!r} that is up: check REDIS_SENTINEL_MASTER, or try again "
                    "in a while"
                ) from None

    class WaitingSentinelPool(SentinelConnectionPool, BlockingConnectionPool):
        """Connections to the master that sentinels name, for one of which a command waits."""

    class RotatingManagedConnection(_RotatingConnection, SentinelManagedSSLConnection):
        """A connection with TLS to the master that sentinels name."""

    of_sentinels = _options(settings.sentinel_username, settings.sentinel_password) | _connection(settings.sentinel_tls)
    sentinel = ExplainingSentinel([])  # type: ignore[no-untyped-call]
    sentinel.sentinels = [
        Redis.from_pool(ConnectionPool(host=host, port=port, **of_sentinels | {"socket_timeout": CONNECT_TIMEOUT}))
        for host, port in settings.sentinels
    ]
    to_master = _connection(settings.tls)
    to_master["connection_class"] = RotatingManagedConnection if settings.tls else SentinelManagedConnection

    def connect(pool: Any, **of_pool: Any) -> Redis:
        client: Redis = sentinel.master_for(
            settings.sentinel_master,
            connection_pool_class=pool,
            db=settings.database,
            **_options(settings.username, settings.password),
            **to_master,
            **of_pool,
        )
        return client

    return SingleDeployment(
        settings, _node(settings.sentinel_master, 0, connect, WaitingSentinelPool, SentinelConnectionPool), sentinel
    )


class ClusterDeployment(Deployment):
    """The masters of a Redis Cluster.

    redis-py's RedisCluster knows which node has which slot. Commands go over clients of the single nodes, because RedisCluster's
    own sends ASKING over another connection than its command, and does not check whether a pooled connection is broken. It also
    closes the connections of other calls when a slot has moved, and its WATCH does not run in our event loop.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.address = f"{settings.host}:{settings.port}"
        self.check = "check the cluster's nodes, REDIS_HOST and REDIS_PORT, or REDIS_URL"
        self._settings = settings
        self._map: RedisCluster | None = None
        self._map_ends = 0.0
        """When the map is made anew, in the event loop's time; 0: before the next command."""
        self._moved: dict[int, tuple[str, int]] = {}
        """Slots that have moved since the map was made."""
        self._nodes: dict[tuple[str, int], RedisNode] = {}
        self._maps_made = 0
        self._failures = 0
        self._lock = asyncio.Lock()

    async def _known(self) -> RedisCluster:
        """Return the map. While one call makes an old map anew, others use it; if that fails, all do. In doubt they wait."""
        if self._map is None:
            await self._learn()
        elif not self._map_ends or (_now() >= self._map_ends and not self._lock.locked()):
            try:
                await self._learn()
            except (RedisError, RedisClusterException, OSError):
                self._map_ends = _now() + MAP_SECONDS
        assert self._map
        return self._map

    async def doubt(self) -> None:
        self._failures += 1
        self._map_ends = 0.0

    async def refresh(self) -> None:
        self._failures += 1
        await self._learn()

    async def _learn(self) -> None:
        from redis.asyncio.cluster import ClusterNode, RedisCluster

        seen = self._maps_made
        async with self._lock:
            if seen != self._maps_made:
                return
            found = RedisCluster(
                self._settings.host,
                self._settings.port,
                startup_nodes=[ClusterNode(node.host, node.port) for node in self._map.get_nodes()] if self._map else [],
                require_full_coverage=False,
                **_options(self._settings.username, self._settings.password) | _KEPT_ALIVE | {"socket_timeout": CONNECT_TIMEOUT},
                **_of_topology(self._settings.tls),
            )
            # Not found.initialize(): it also asks the node of the first slot for its commands, and that node may be away.
            topology = found.nodes_manager
            try:
                await topology.initialize()
            except IndexError:
                raise SlotNotCoveredError("no node has any slot") from None
            finally:
                # Only its connections end: what it has learned stays. What is dead may refuse to close.
                closing = (topology.aclose(), topology.aclose("startup_nodes"))
                await asyncio.gather(*closing, return_exceptions=True)
            self._map, self._map_ends = found, _now() + MAP_SECONDS
            self._moved.clear()
            self._maps_made += 1
            left = self._nodes.keys() - {(node.host, int(node.port)) for node in found.get_nodes()}
            gone = [self._nodes.pop(address) for address in left]
        await asyncio.gather(*(node.close_idle() for node in gone), return_exceptions=True)

    def _at(self, host: str, port: int) -> RedisNode:
        if (host, port) not in self._nodes:
            self._nodes[host, port] = _server(self._settings, host, port)
        return self._nodes[host, port]

    async def node(self, key: bytes | None) -> RedisNode:
        topology = await self._known()
        if key is None:
            nodes = await self.nodes()
            return nodes[self._failures % len(nodes)]  # another one after each failure
        if moved := self._moved.get(key_slot(key)):
            return self._at(*moved)
        node = topology.get_node_from_key(key)  # type: ignore[arg-type]  # which takes bytes, too
        assert node  # None is of replicas only
        return self._at(node.host, int(node.port))

    async def nodes(self) -> list[RedisNode]:
        topology = await self._known()
        return [self._at(*at) for at in sorted((node.host, int(node.port)) for node in topology.get_primaries())]

    async def redirected(self, error: AskError, asked: RedisNode) -> RedisNode:
        address = (error.host or asked.host, error.port)
        if isinstance(error, MovedError):
            if address not in self._nodes:
                await self._learn()  # the cluster has got a new node
            self._moved[error.slot_id] = address
        return self._at(*address)

    async def close_idle(self) -> None:
        await asyncio.gather(*(node.close_idle() for node in self._nodes.values()))

    async def close(self) -> None:
        async with self._lock:
            nodes, self._nodes = list(self._nodes.values()), {}
            self._map = None
        await asyncio.gather(*(node.close() for node in nodes))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _of_topology(tls: ClientTls | None) -> dict[str, Any]:
    """TLS as RedisCluster takes it. It is made anew each time that the topology is learned, and so reads the files again. Raise
    OSError if they can't be used: of an encrypted key, RedisCluster would ask for the password on the terminal."""
    if tls is None:
        return {}
    tls.context()
    files = {"ssl_ca_certs": tls.ca_file, "ssl_certfile": tls.certificate, "ssl_keyfile": tls.key}
    return {"ssl": True} | {name: str(file) for name, file in files.items() if file}


class DeploymentByLogin:
    """One Redis by its users: the calls of a token that has a login of its own (Principal.login) go over connections of that
    user, and all else over those of the settings' user. None ever falls back to another's."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._own = _deploy(settings)
        self._others: OrderedDict[tuple[str, str], Deployment] = OrderedDict()
        self.address, self.check = self._own.address, self._own.check

    async def _mine(self) -> Deployment:
        """Return the deployment of the current call's user."""
        login = PRINCIPAL.get().login
        if login is None:
            return self._own
        key = (login.username, login.password.reveal())
        if key not in self._others:
            self._others[key] = _deploy(replace(self._settings, username=login.username, password=login.password))
        self._others.move_to_end(key)
        if len(self._others) > MOST_LOGINS:
            _, unused = self._others.popitem(last=False)
            await unused.close_idle()
        return self._others[key]

    async def node(self, key: bytes | None) -> RedisNode:
        return await (await self._mine()).node(key)

    async def nodes(self) -> list[RedisNode]:
        return await (await self._mine()).nodes()

    async def redirected(self, error: AskError, asked: RedisNode) -> RedisNode:
        return await (await self._mine()).redirected(error, asked)

    async def refresh(self) -> None:
        await (await self._mine()).refresh()

    async def doubt(self) -> None:
        await (await self._mine()).doubt()

    async def close(self) -> None:
        await asyncio.gather(*(deployment.close() for deployment in (self._own, *self._others.values())))


def _deploy(settings: RedisSettings) -> Deployment:
    """Return the deployment for the one user of the settings."""
    if settings.mode == "cluster":
        return ClusterDeployment(settings)
    if settings.mode == "sentinel":
        return _of_sentinels(settings)
    return SingleDeployment(settings, _server(settings, settings.host, settings.port, settings.database))
