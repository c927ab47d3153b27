"""Turn redis-py's exceptions into ours, by their type and by the code word of Redis' answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import TracebackType

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    InvalidResponse,
    MasterDownError,
    MaxConnectionsError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    SlotNotCoveredError,
    TryAgainError,
    WatchError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from servers.common.backend import BackendError, warn
from servers.common.http.principal import PRINCIPAL
from servers.common.protocol.tools import ToolError
from servers.redis.client.memory_guard import AnswerTooLong
from servers.redis.format.replies import words

CROSS_SLOT = "in a cluster, keys used together must be in one slot: give them a common {hash tag}"

SLOT_MOVES = "the key's slot is moving from one node of the cluster to another: try again in a second"

_TOLD: dict[type[Exception], tuple[type[BackendError | ToolError], str]] = {
    BusyLoadingError: (BackendError, "Redis at {address} is still loading its data, so nothing was done: try again in a while"),
    MasterDownError: (
        BackendError,
        "Redis at {address} is a replica that has lost its master, so nothing was done: try again in a while",
    ),
    ClusterDownError: (
        BackendError,
        "the cluster of {address} is down: redis-cli --cluster check shows which slots are not served",
    ),
    MaxConnectionsError: (BackendError, "all our connections to Redis at {address} are in use: try again in a second"),
    MovedError: (ToolError, "Redis at {address} is a cluster node that does not own this key: set REDIS_MODE=cluster"),
    ReadOnlyError: (
        ToolError,
        "this Redis is a read-only replica, and nothing was done: connect to its master to write",
    ),
    ClusterCrossSlotError: (ToolError, CROSS_SLOT),
    OutOfMemoryError: (
        ToolError,
        "Redis' memory is full (OOM, maxmemory), so it refused the write and nothing was done: delete keys, or have "
        "the limit raised",
    ),
}

_BY_CODE = {
    "BUSY": "Redis is busy with a script of another client (BUSY), and nothing was done: try again in a while",
    "MISCONF": "Redis refuses writes while it can't save its data, and nothing was done: have its disk checked. It says: {words}",
    "NOREPLICAS": "Redis has too few replicas that keep up (NOREPLICAS, min-replicas-to-write), and nothing was done: try again "
    "in a while",
}

_UNKNOWN = re.compile(r"unknown command ['`](.{1,50}?)['`]", re.IGNORECASE)

_WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
"""What Redis says of a command for another type of key. Of a part of a value, modules say something else with this code."""


class ConnectionLost(BackendError):
    """The connection could not be made, or it broke. A command that changes nothing may be sent again."""

    def __init__(self, message: str, *, unknown: bool) -> None:
        super().__init__(message)
        self.unknown = unknown


class NoMaster(RedisConnectionError):
    """Sentinels name no master. The message says why, and what to do."""


class AnswerGivenUp(BackendError):
    """The answer to a change was too long to be read: it was done, if Redis did not refuse it."""

    unknown = True


class Conflict(ToolError):
    """Another client changed a watched key, and nothing was done."""


class RedisErrors:
    """Turn redis-py's exceptions into ours, without anything secret in them. Use it with `with`."""

    def __init__(self, address: str, check: str, *, clustered: bool, sent: bool = False, atomic: bool = False) -> None:
        """Set where Redis is, for people, and the settings to check when it can't be reached. If a change has been `sent`, it may
        have been done when the answer is lost; if it is `atomic`, as a whole or not at all."""
        self._address = address
        self._check = check
        self._clustered = clustered
        self._sent = sent
        self._atomic = atomic

    def after_sending(self, *, atomic: bool) -> RedisErrors:
        """Return the same from the moment on when a change is sent."""
        return RedisErrors(self._address, self._check, clustered=self._clustered, sent=True, atomic=atomic)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, RedisError | RedisClusterException | OSError):
            raise self.translate(error) from None

    def translate(self, error: BaseException) -> Exception:
        """Our exception for one of redis-py's; one of ours stays as it is."""
        address = self._address
        if isinstance(error, ToolError | BackendError):
            return error
        if isinstance(error, WatchError):
            if not isinstance(error.__context__, RedisConnectionError | RedisTimeoutError):
                return Conflict("another client changed the key at the same time, and nothing was done: read it and try again")
            error = error.__context__
        if isinstance(error, AnswerTooLong):
            return AnswerGivenUp(str(error)) if self._sent else ToolError(str(error))
        if isinstance(error, RedisClusterException):
            return self._of_cluster(error)
        if (isinstance(error, AskError) and self._clustered) or isinstance(error, TryAgainError):
            return ToolError(SLOT_MOVES)
        if isinstance(error, NoPermissionError):
            return ToolError(f"Redis does not allow this user to do it: {words(error)}")
        if isinstance(error, AuthenticationError):
            own = "REDIS_PASSWORD (or REDIS_PASSWORD_FILE, or REDIS_URL) and REDIS_USERNAME"
            login = "that of this token in MCP_AUTH_TOKENS_FILE" if PRINCIPAL.get().login else own
            return BackendError(f"Redis at {address} refuses our login: check {login}")
        for kind, (ours, text) in _TOLD.items():
            if isinstance(error, kind):
                return ours(text.replace("{address}", address))
        if isinstance(error, ResponseError):
            if words(error) == _WRONG_TYPE:
                return ToolError("the key holds a value of another type (WRONGTYPE): redis_scan shows the types of keys")
            if lacks := _UNKNOWN.match(words(error)):
                return ToolError(
                    f"this Redis has no command {lacks[1]}, so nothing was done: its version lacks it, or its configuration "
                    "disables or renames it"
                )
            return ToolError(_BY_CODE.get(code(error), "Redis answered: {words}").replace("{words}", words(error)))
        return self._of_connection(error)

    def _of_cluster(self, error: RedisClusterException) -> Exception:
        """Translate what redis-py raises while it looks for the node of a key. The cause names what happened."""
        if isinstance(error, SlotNotCoveredError):
            return self.translate(ClusterDownError(""))
        for cause in _chain(error):
            if isinstance(cause, ResponseError):
                return BackendError(
                    f"Redis at {self._address} does not list the cluster's nodes ({str(cause)[:100]}): "
                    "set REDIS_MODE=standalone if it is not a cluster"
                )
            if isinstance(cause, RedisError | OSError):
                return self.translate(cause)
        return BackendError(f"the nodes of the cluster of {self._address} can't be found: try again, or {self._check}")

    def _of_connection(self, error: BaseException) -> Exception:
        address, check, unknown = self._address, self._check, self._sent
        who = f"a node of the cluster of {address}" if self._clustered else f"Redis at {address}"
        # Of what may have been done, the result says that it is to be checked first.
        advice = check if unknown else f"try again, or {check}"
        if any(isinstance(cause, ReadOnlyError) for cause in _chain(error)):
            # A master that sentinels have replaced: redis-py has closed the connection.
            return ConnectionLost(
                f"{address} has just got a new master: try again in a second", unknown=unknown and not self._atomic
            )
        if isinstance(error, RedisConnectionError) and error.status_code:
            return BackendError(f"{who} refuses our connection: {str(error)[:100]}")
        if isinstance(error, InvalidResponse):
            return ConnectionLost(f"what answers at {address} does not speak Redis' protocol: {advice}", unknown=unknown)
        if isinstance(error, NoMaster):
            return ConnectionLost(f"Redis at {address} can't be found: {error}", unknown=unknown)
        reason = next((cause for cause in _chain(error) if isinstance(cause, OSError)), error)
        # ssl.SSLError, without the import where TLS is not used.
        if failed := getattr(reason, "verify_message", None) or getattr(reason, "reason", None):
            return ConnectionLost(
                f"{who} can't be reached with TLS ({failed}): check REDIS_CA_FILE, REDIS_CLIENT_CERT_FILE "
                "and that this port speaks TLS",
                unknown=unknown,
            )
        if isinstance(error, RedisTimeoutError | TimeoutError) and not getattr(reason, "errno", None):
            # Our own time-out, which is of making a connection. In a cluster another node may have the key by now.
            message = f"{who} did not answer in time: {advice}"
            return ConnectionLost(message, unknown=unknown) if self._clustered else BackendError(message)
        detail = getattr(reason, "strerror", None) or type(reason).__name__
        return ConnectionLost(f"{who} can't be reached ({detail}): {advice}", unknown=unknown)


def code(error: RedisError) -> str:
    """Return the code word of Redis' answer, such as WRONGTYPE."""
    return error.status_code or str(error).partition(" ")[0]


def of_server(answer: object) -> bool:
    """Tell whether an answer is an error that is about the server, and not about the command."""
    return isinstance(answer, BusyLoadingError | MasterDownError) or (
        isinstance(answer, ResponseError) and code(answer) == "BUSY"
    )


def warn_of(failures: Sequence[Exception], servers: int, where: str = "") -> None:
    """Warn that some of so many servers of a cluster did not answer, `where` they are, and the reason of the first."""
    warn(f"{len(failures)} of {servers} servers of the cluster did not answer{where}: {failures[0]}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, and those that it was raised from; none of an attempt before."""
    while error and not isinstance(error, BackendError):
        yield error
        error = error.__cause__ or error.__context__
