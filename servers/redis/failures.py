"""What redis-py raises, in words that say what to do."""

from __future__ import annotations

from types import TracebackType

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    WatchError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from servers.common.backend import BackendError
from servers.common.tools import ToolError

CROSS_SLOT = "in a cluster, keys used together must be in one slot: give them a common {hash tag}"


class Disconnected(BackendError):
    """The connection broke; a reading command may be sent again."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


class Redirected(ToolError):
    """Another node of the cluster has the key; the command was not done."""


class Conflict(ToolError):
    """Another client changed a watched key, and nothing was done."""


class translated:
    """A context that turns redis-py's exceptions into ours, without anything secret in them."""

    def __init__(self, address: str, *, clustered: bool = False) -> None:
        self._address = address
        self._clustered = clustered

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, RedisError | OSError):
            raise translate(self._address, error, self._clustered) from None


def translate(address: str, error: Exception, clustered: bool) -> Exception:
    """Our exception for one of redis-py's."""
    text = str(error)
    if isinstance(error, WatchError) and text.startswith("Watched variable changed"):
        return Conflict("another client changed the key at the same time, and nothing was done: read it and try again")
    if isinstance(error, WatchError):
        # redis-py's word for a connection that broke while a key was watched: before EXEC, or after it.
        return Disconnected(f"the connection to Redis at {address} broke: try again", unknown=True)
    if isinstance(error, AskError) and clustered:
        return Redirected("the key's slot is moving from one node of the cluster to another: try again in a second")
    if isinstance(error, MovedError):
        return Redirected(f"Redis at {address} is a node of a cluster and has not this key: set REDIS_MODE=cluster")
    if isinstance(error, NoPermissionError):
        return ToolError(f"Redis does not allow it to this user: {text}")
    if isinstance(error, AuthenticationError) or "NOAUTH" in text or "WRONGPASS" in text:
        return BackendError(
            f"Redis at {address} refuses our login: check REDIS_PASSWORD (or REDIS_PASSWORD_FILE) and REDIS_USERNAME"
        )
    if isinstance(error, BusyLoadingError):
        return BackendError(f"Redis at {address} is still loading its data: try again in a while")
    if isinstance(error, ClusterDownError):
        return BackendError(
            f"the cluster of {address} is down: redis-cli --cluster check shows which slots are not served"
        )
    if isinstance(error, RedisTimeoutError):
        return BackendError(f"Redis at {address} did not answer in time: try again, or check REDIS_HOST and REDIS_PORT")
    if isinstance(error, InvalidResponse):
        return Disconnected(
            f"what answers at {address} does not speak Redis' protocol: try again, or check REDIS_HOST and REDIS_PORT",
            unknown=True,
        )
    if isinstance(error, RedisConnectionError | OSError):
        reason = error.__cause__ or error.__context__ or error
        # ssl.SSLError, without the import where TLS is not used.
        if failed := getattr(reason, "verify_message", None) or getattr(reason, "reason", None):
            return Disconnected(
                f"Redis at {address} can't be reached with TLS ({failed}): check REDIS_CA_FILE and that this port speaks TLS"
            )
        detail = getattr(reason, "strerror", None) or type(reason).__name__
        return Disconnected(
            f"Redis at {address} can't be reached ({detail}): try again, or check REDIS_HOST and REDIS_PORT",
            # redis-py's words where there was no connection yet.
            unknown=" connecting to " not in text,
        )
    if isinstance(error, ReadOnlyError):
        return ToolError("this Redis is a read-only replica: connect to its master to write")
    if isinstance(error, ResponseError) and text.startswith("WRONGTYPE"):
        return ToolError("the key holds another type than this needs: redis_scan shows the types of keys")
    if "CROSSSLOT" in text or "same slot" in text:
        return ToolError(CROSS_SLOT)
    if "unknown command" in text.lower():
        return ToolError(f"this Redis has not that command: {text[:200]}")
    return ToolError(f"Redis answered: {text[:300]}")
